"""The result bundle of a run, to take away."""

from __future__ import annotations

import streamlit as st

from core.data.prepare import find_prepared
from core.errors import SpecError
from core.sharing.bundles import bundle
from core.sharing.bundles.bundle_spec import BundleSpec
from core.sharing.report.content import texts_are_public
from core.spec.run import RunSpec, build
from core.store.record import Run
from core.wording import counted, size
from ui.components import light_run
from ui.components.basics import show_error
from ui.session import resources

TITLE = "Making the bundle"


def show(run: Run) -> None:
    try:
        spec: RunSpec = build(run.spec, RunSpec)
    except SpecError as error:
        show_error(error, "The settings of this run are not valid any more")
        return
    st.markdown(
        "**Everything there is to see of this run, in one file.** Another Tunedeck imports it (Runs page, or "
        "`python -m core import`) and shows the same curves, figures and evaluations, read-only. It holds settings, "
        "metrics, predictions, evaluations, comparisons, report, model card and environment with checksums; no model "
        "weights, no log, no path or secret of this machine."
    )
    here = run.imported["texts"] if run.imported else find_prepared(spec.data, resources.settings()) is not None
    texts = st.toggle(
        "With the texts of the judged examples",
        texts_are_public(spec) and here,
        key=f"bundle_texts_{run.id}",
        disabled=not here,
        help="So that others can read mistakes. Leave it off if the texts are not yours to give away."
        if here
        else "The dataset is not here any more, or has changed.",
    )
    st.caption(
        "Without them a hash of each text goes along: models can be compared on the same texts, and who has a text can "
        "tell whether it was among them; nobody can read it."
    )
    wanted = BundleSpec(run=run.id, attempt=run.attempt, texts=texts).model_dump(mode="json")
    made = light_run.latest("bundle", wanted)
    path = resources.settings().run_dir(made.id) / bundle.NAME if made is not None else None
    if made is None or made.status != "finished" or path is None or not path.is_file():
        _make(run, wanted)
        return
    related = bundle.related(run, resources.store())
    newer = any((r.ended or 0) > made.created for r in related)
    with st.container(horizontal=True, vertical_alignment="center", key="bundle_ready"):
        st.download_button(
            "Download",
            lambda: path.open("rb"),
            f"{run.id}-bundle.zip",
            "application/zip",
            type="primary",
            icon=":material/download:",
            key="bundle_download",
            on_click="ignore",
        )
        st.markdown(
            f":gray[{size(path.stat().st_size)} · {counted(int(made.summary['evaluations']), 'evaluation')} · "
            f"{'with' if texts else 'without'} texts]"
        )
    if newer:
        st.caption(":material/update: There are newer evaluations than this bundle.")
        st.button("Make it anew", key="bundle_anew", on_click=light_run.start, args=("bundle", TITLE, wanted))


def _make(run: Run, wanted: dict[str, object]) -> None:
    count = sum(r.kind == "evaluate" for r in bundle.related(run, resources.store()))
    known = f"with {counted(count, 'evaluation')}" if count else "without an evaluation: judge it first for more to see"
    light_run.work_on(
        "bundle",
        TITLE,
        wanted,
        at_once=False,
        button="Make the bundle",
        key=run.id,
        offer=f"The bundle is made in the background in a few seconds, {known}.",
    )

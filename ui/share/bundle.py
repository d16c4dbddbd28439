"""The result bundle of a run, to download."""

from __future__ import annotations

import streamlit as st

from core.data.prepare import find_prepared
from core.errors import SpecError
from core.sharing.bundles import bundle
from core.sharing.bundles.bundle_spec import BundleSpec
from core.sharing.report.content import texts_are_public
from core.spec.run import RunSpec, build
from core.store.record import Run
from core.store.summaries import Bundled
from core.wording import counted, size
from ui.components import light_run
from ui.components.basics import show_error
from ui.session import resources

TITLE = "Making the bundle"


def render(run: Run) -> None:
    """The whole part, for one training run."""
    try:
        spec: RunSpec = build(run.spec, RunSpec)
    except SpecError as error:
        show_error(error, "The settings of this run are not valid any more")
        return
    st.markdown(
        "**All results of this run in one file.** Another Tunedeck imports it (Runs page, or `python -m core import`) "
        "and shows the same curves, figures and evaluations, read-only. It contains settings, metrics, predictions, "
        "evaluations, comparisons, report, model card and environment with checksums; no model weights, no log, no "
        "path or secret of this machine."
    )
    here = run.imported["texts"] if run.imported else find_prepared(spec.data, resources.settings()) is not None
    texts = st.toggle(
        "With the texts of the evaluated examples",
        texts_are_public(spec) and here,
        key=f"bundle_texts_{run.id}",
        disabled=not here,
        help="Others can then read the mistakes. Leave it off if you may not publish the texts."
        if here
        else "The dataset is gone or has changed.",
    )
    st.caption(
        "Without them, the bundle has a hash of each text: models can be compared on the same texts, and people who "
        "have a text can check whether it was among them, but nobody can read the texts."
    )
    wanted = BundleSpec(run=run.id, attempt=run.attempt, texts=texts).model_dump(mode="json")
    latest = light_run.latest("bundle", wanted)
    path = resources.settings().run_dir(latest.id) / bundle.NAME if latest is not None else None
    if latest is None or latest.status != "finished" or path is None or not path.is_file():
        _make(run, wanted)
        return
    related = bundle.related(run, resources.store())
    newer = any((r.ended or 0) > latest.created for r in related)
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
            f":gray[{size(path.stat().st_size)} · {counted(Bundled.of(latest.summary).evaluations, 'evaluation')} · "
            f"{'with' if texts else 'without'} texts]"
        )
    if newer:
        st.caption(":material/update: There are newer evaluations than this bundle.")
        st.button("Make it again", key="bundle_anew", on_click=light_run.start, args=("bundle", TITLE, wanted))


def _make(run: Run, wanted: dict[str, object]) -> None:
    count = sum(r.kind == "evaluate" for r in bundle.related(run, resources.store()))
    known = f"with {counted(count, 'evaluation')}" if count else "without an evaluation; evaluate the model to add one"
    light_run.work_on(
        "bundle",
        TITLE,
        wanted,
        at_once=False,
        button="Make the bundle",
        key=run.id,
        offer=f"The bundle is made in the background in a few seconds, {known}.",
    )

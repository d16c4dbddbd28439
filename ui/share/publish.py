"""A site with results: a folder to deploy that shows chosen runs to others."""

from __future__ import annotations

import streamlit as st

from core.errors import SpecError
from core.sharing.bundles import bundle, publish
from core.sharing.bundles.bundle_spec import PublishSpec
from core.sharing.report.content import texts_are_public
from core.spec.run import RunSpec, build
from core.store.record import Run
from core.wording import counted, size
from ui.components import light_run
from ui.components.basics import plain, run_titles, show_error
from ui.session import resources
from ui.share import choose

TITLE = "Making the site"
MODES = {"viewer": "Look at the results", "demo": "Look, and train the sample"}
COSTS = {
    "viewer": "Needs no torch: it starts fast and takes less than 400 MB.",
    "demo": "The embedded sample alone, one training at a time, for minutes at most; the whole app takes up to 1 GB.",
}


def render(run: Run) -> None:
    """The whole part. run: preselected among the runs to publish"""
    st.markdown(
        "**A site that shows these results to anybody with the link**, on Streamlit Community Cloud or any server. You "
        "get a folder with the app, the bundles of the runs, and a README that says how to put it online."
    )
    named = {r.id: r for r in choose.shareable()}
    chosen = st.multiselect(
        "Runs",
        list(named),
        [run.id],
        key=f"publish_runs_{run.id}",
        format_func=run_titles(named.values()).__getitem__,
    )
    left, right = st.columns([1.2, 1], gap="medium")
    mode = left.segmented_control(
        "Visitors may", list(MODES), default="viewer", format_func=MODES.__getitem__, required=True, key="publish_mode"
    )
    left.caption(COSTS[str(mode)])
    try:
        open_texts = all(texts_are_public(build(named[key].spec, RunSpec)) for key in chosen)
    except SpecError as error:
        show_error(error, "The settings of a run are no longer valid")
        return
    texts = right.toggle(
        "With the texts of the evaluated examples",
        open_texts,
        key=f"publish_texts_{'-'.join(chosen)}",
        help="Visitors can then read the mistakes. Leave it off if you may not publish the texts.",
    )
    if not chosen:
        st.caption("Choose at least one run.")
        return
    _contents([named[key] for key in chosen])
    wanted: PublishSpec = build({"runs": tuple(chosen), "texts": texts, "mode": mode}, PublishSpec)
    spec = wanted.model_dump(mode="json")
    latest = light_run.latest("publish", spec)
    path = resources.settings().run_dir(latest.id) / publish.NAME if latest is not None else None
    if latest is None or latest.status != "finished" or path is None or not path.is_file():
        light_run.work_on(
            "publish",
            TITLE,
            spec,
            at_once=False,
            button="Publish",
            key="-".join(chosen),
            offer="Made in the background in a few seconds; nothing leaves this machine before you put it online.",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", key="publish_ready"):
        st.download_button(
            "Download the folder",
            lambda: path.open("rb"),
            publish.NAME,
            "application/zip",
            type="primary",
            icon=":material/download:",
            key="publish_download",
            on_click="ignore",
        )
        st.markdown(f":gray[{size(path.stat().st_size)} · {counted(len(chosen), 'run')} · {MODES[str(mode)].lower()}]")
        st.button(
            "Make it again",
            key="publish_anew",
            type="tertiary",
            on_click=light_run.start,
            args=("publish", TITLE, spec),
        )
    st.markdown(
        "1. Unpack it and look at it: `pip install -r requirements.txt`, `streamlit run streamlit_app.py`.\n"
        "2. Put the content into a new GitHub repository.\n"
        "3. On [share.streamlit.io](https://share.streamlit.io): *Create app*, the repository, `streamlit_app.py`.\n"
    )


def _contents(runs: list[Run]) -> None:
    """What the site contains of each run."""
    store = resources.store()
    for run in runs:
        related = bundle.related(run, store)
        judged, compared = (sum(r.kind == kind for r in related) for kind in ("evaluate", "compare"))
        what = [counted(judged, "evaluation")] + ([counted(compared, "comparison")] if compared else [])
        lack = "" if judged else " Evaluate it on the Evaluate page first, so that visitors see more than its curves."
        st.caption(f":material/inventory_2: {plain(run.name)}: {' and '.join(what)}.{lack}")

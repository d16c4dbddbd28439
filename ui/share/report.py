"""The report of a run, to view and download: one HTML file that opens anywhere, or Markdown."""

from __future__ import annotations

from functools import partial
from typing import cast

import streamlit as st

from core.errors import SpecError
from core.settings import Settings
from core.sharing.report import report
from core.sharing.report.content import Content, gather, texts_are_public
from core.spec.run import RunSpec, build
from core.store.record import Run
from core.store.store import Store
from ui import pages
from ui.components.basics import show_error
from ui.session import resources

PREVIEW_PX = 760


def render(run: Run) -> None:
    """The whole part, for one training run."""
    try:
        spec = cast(RunSpec, build(run.spec))
    except SpecError as error:
        show_error(error, "The settings of this run are not valid any more")
        return
    st.markdown(
        "What was trained on which data, how good the model is, where it fails, and how to load it. The HTML file "
        "includes its charts, opens without a network, and prints well."
    )
    _hint(run)
    public = texts_are_public(spec)
    with_texts = st.toggle(
        "With texts of the data",
        public,
        key=f"share_report_texts_{run.id}",
        help="The most confident mistakes with their texts, and groups named by column values. It is off for your own "
        "file, because everybody who gets the report can read them.",
    )
    if with_texts and not public:
        st.caption(":material/visibility: Texts and values of your file will be in the report.")
    content = partial(_content, resources.store(), resources.settings(), run, with_texts)
    name = partial(report.file_name, run.name, run.id)
    with st.container(horizontal=True, key="share_report_downloads"):
        st.download_button(
            "Download HTML",
            partial(_html, content),
            name(".html"),
            "text/html",
            key="share_report_html",
            on_click="ignore",
            type="primary",
            icon=":material/download:",
        )
        st.download_button(
            "Download Markdown",
            partial(_markdown, content),
            name(".md"),
            "text/markdown",
            key="share_report_md",
            on_click="ignore",
            icon=":material/download:",
        )
    if st.toggle("Show it here", key=f"share_report_preview_{run.id}"):
        with st.spinner("Drawing the report"):
            st.iframe(_html(content), height=PREVIEW_PX, alt="Preview of the report")


def _hint(run: Run) -> None:
    """Suggest an evaluation if the run has none, because a report then says little."""
    if not resources.may("work"):
        return
    judged = resources.store().runs(kind="evaluate", statuses=("finished",), limit=500)
    if any(other.spec.get("model", {}).get("run") == run.id for other in judged):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="share_report_hint"):
        st.markdown(
            ":material/fact_check: **Evaluate it first**: then the report also has intervals, a bag-of-words baseline, "
            "calibration, and the groups with the most mistakes."
        )
        if st.button("Evaluate it", key="share_report_evaluate"):
            st.switch_page(pages.EVALUATE, query_params={"run": run.id})


def _content(store: Store, settings: Settings, run: Run, with_texts: bool) -> Content:
    return gather(store, settings, run, with_texts)


def _html(content: partial[Content]) -> str:
    return report.html(content())


def _markdown(content: partial[Content]) -> str:
    return report.markdown(content())

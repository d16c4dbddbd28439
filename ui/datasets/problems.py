"""The problems of a dataset that will hurt a model, each with its rows and a remedy."""

from __future__ import annotations

import streamlit as st

from core.data.browsing import browse
from core.data.dataset import Prepared
from core.data.inspecting.problems.finding import Finding
from core.data.inspecting.problems.inspection import find_inspection
from core.data.inspecting.problems.near_copies import NEAR_ROWS
from core.errors import TunedeckError
from core.spec.data import DataSpec
from core.wording import counted
from ui.components import light_run
from ui.components.basics import plain, show_error
from ui.datasets import prepare

LOOKS = {
    "high": (":material/error:", "red", "will mislead you"),
    "medium": (":material/warning:", "orange", "worth a look"),
    "low": (":material/info:", "blue", "good to know"),
}
MOST_AT_ONCE = 100_000  # rows up to which the search starts without a click
TITLE = "Looking for problems"


def render(data: DataSpec, prepared: Prepared) -> None:
    """The findings, or a button that starts the search if it takes a while."""
    findings = find_inspection(prepared, data)
    if findings is None:
        rows = sum(part.rows for part in prepared.splits.values())
        light_run.work_on(
            "inspect",
            TITLE,
            data.model_dump(mode="json"),
            at_once=rows <= MOST_AT_ONCE,
            button="Look for problems",
            offer="**Is there anything in this data that will hurt a model?** Copies, contradictions, leaks between "
            f"training and evaluation, misspelt labels, broken encoding and more. All {rows:,} rows are read: seconds "
            "for some thousands, minutes for a million.",
        )
        return
    if not findings:
        st.success("There is nothing here that would hurt a model.", icon=":material/check_circle:")
    else:
        st.markdown(
            f"**{counted(len(findings), 'finding')}.** A remedy becomes a step of preparation; "
            "your file stays as it is."
        )
    for number, finding in enumerate(findings):
        _show(finding, number, data, prepared)
    st.caption(
        "The search covers copies, near copies, the same text with different labels, texts in both training and "
        "evaluation, rare, misspelt and missing labels, broken encoding, invisible characters, empty and endless "
        "texts, constant columns."
        + ("" if _covers_near_copies(prepared) else " It covers near copies only up to 1,000,000 rows.")
    )


def _covers_near_copies(prepared: Prepared) -> bool:
    return sum(part.rows for part in prepared.splits.values()) <= NEAR_ROWS


def _show(finding: Finding, number: int, data: DataSpec, prepared: Prepared) -> None:
    icon, color, meaning = LOOKS[finding.severity]
    with st.container(border=True, gap="small", key=f"finding_{finding.kind}_{number}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f":{color}[{icon}] **{plain(finding.title.text)}** :{color}-badge[{meaning}]", width="content")
            if finding.steps and st.button(
                plain(finding.remedy.text),
                key=f"remedy_{number}",
                icon=":material/healing:",
                help="Shows a preview first.",
            ):
                prepare.preview_dialog(finding.steps, data, prepared)
        st.markdown(plain(finding.text.text) + (" Only part of the rows were searched." if finding.sampled else ""))
        if finding.rows:
            rows_title = (
                "Rows"
                if len(finding.rows) == finding.count
                else f"The first {len(finding.rows)} of {finding.count:,} rows"
            )
            with st.expander(rows_title, on_change="rerun", key=f"finding_rows_{number}") as rows:
                if rows.open:
                    _rows(finding, prepared)


def _rows(finding: Finding, prepared: Prepared) -> None:
    try:
        frame = browse.rows(prepared, finding.split, finding.rows)
    except TunedeckError as error:
        show_error(error)
        return
    st.dataframe(frame, alt=f"Rows of {finding.split}: {finding.title}")

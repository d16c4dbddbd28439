"""Labels that are probably wrong: fix, drop or keep each, and make a new version of the dataset."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.data.browsing import browse
from core.data.dataset import Prepared
from core.data.inspecting import reviews
from core.errors import SpecError, TunedeckError
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import CorrectLabels, dump_steps
from core.tasks.text_classification.results import LabelErrors, Suspect
from core.wording import counted
from ui import pages
from ui.components.basics import plain, show_error
from ui.datasets.choosing import opening
from ui.evaluate.judged import Judged, dataset_of, insert_texts, texts_of
from ui.evaluate.text_classification.classes import evaluation_of
from ui.session import resources, state

FIX, DROP, KEEP = "Fix", "Drop", "Keep"
TABLE_PX = 520


def show(judged: Judged) -> None:
    suspected = evaluation_of(judged).label_errors
    if suspected is None:
        st.info(
            "The model was trained on these examples, and believes their labels whatever they are: wrong ones can only "
            "be suspected among examples that it has not seen.",
            icon=":material/label_off:",
        )
        return
    if suspected.held_back:
        st.info(
            f"**Whether labels are wrong is not told.** {plain(suspected.held_back)} A better model can tell.",
            icon=":material/label_off:",
        )
        return
    if not judged.can_ask:
        _shared(suspected, judged)
        return
    prepared = dataset_of(judged)
    if prepared is None:
        st.info("The dataset is not here any more, or has changed.", icon=":material/search_off:")
        return
    done = reviews.reviewed(prepared)
    rows = [row for row in suspected.rows if row.text_id not in done]
    if not rows:
        st.success("No label is suspected of being wrong.", icon=":material/check_circle:")
        return
    st.markdown(
        f"**{counted(suspected.count, 'label')} of {suspected.of:,} may be wrong** (confident learning); the most "
        "doubtful first. Read each and decide."
    )
    st.caption(
        "**How to read it:** the model gives the label little probability and another class much more than it usually "
        "does. Often the label is wrong, sometimes the text fits both, and sometimes the model simply errs: it is a "
        "list to read, not to obey. “Keep” takes a label off the list."
    )
    if judged.evaluation.final_test:
        st.caption(":material/lock: These are examples of a final test: put labels right, but do not train on them.")
    _table(rows, judged, prepared)


def _shared(suspected: LabelErrors, judged: Judged) -> None:
    """What a bundle tells of them: to read, not to decide."""
    st.markdown(f"**{counted(suspected.count, 'label')} of {suspected.of:,} may be wrong** (confident learning).")
    try:
        texts = texts_of(judged, [row.row for row in suspected.rows])
    except TunedeckError as error:
        show_error(error)
        return
    labels = evaluation_of(judged).labels
    frame = pd.DataFrame(
        {
            "Row": [row.row for row in suspected.rows],
            "Label": [labels[row.label] for row in suspected.rows],
            "Suggested": [labels[row.suggested] for row in suspected.rows],
            "Probability of the label": [row.quality for row in suspected.rows],
        }
    )
    if texts is not None:
        insert_texts(frame, texts, judged.evaluation.text_columns, at=1)
    st.dataframe(frame, hide_index=True, height=min(TABLE_PX, 38 + 35 * len(frame)), alt="Labels that may be wrong")


def _table(rows: list[Suspect], judged: Judged, prepared: Prepared) -> None:
    key = f"evaluate_labels_{judged.run.id}_{len(rows)}"
    try:
        texts = browse.rows(prepared, judged.evaluation.split, [row.row for row in rows])
    except TunedeckError as error:
        show_error(error)
        return
    labels = evaluation_of(judged).labels
    frame = pd.DataFrame(
        {
            "Decision": [None] * len(rows),
            "Label": [labels[row.label] for row in rows],
            "Suggested": [labels[row.suggested] for row in rows],
            "Probability of the label": [row.quality for row in rows],
        }
    )
    columns = insert_texts(frame, texts, judged.evaluation.text_columns, at=1)
    fixed = [str(name) for name in frame if name not in ("Decision", "Suggested")]
    edited = st.data_editor(
        frame,
        key=key,
        hide_index=True,
        height=min(TABLE_PX, 38 + 35 * len(frame)),
        disabled=fixed,
        column_config={
            "Decision": st.column_config.SelectboxColumn(options=[FIX, DROP, KEEP], width=100),
            "Suggested": st.column_config.SelectboxColumn(
                options=labels, width=130, required=True, help="Choose another class if neither is right."
            ),
            "Label": st.column_config.TextColumn(width=120),
            "Probability of the label": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f"),
            **{name: st.column_config.TextColumn(width=500 // len(columns)) for name in columns},
        },
    )
    if not resources.may("review"):
        return
    decided = {what: [i for i, d in enumerate(edited["Decision"]) if d == what] for what in (FIX, DROP, KEEP)}
    with st.container(horizontal=True, vertical_alignment="center"):
        change = [*decided[FIX], *decided[DROP]]
        if st.button(
            f"Make a new version with {counted(len(change), 'change')}" if change else "Make a new version",
            type="primary",
            icon=":material/edit_note:",
            key="evaluate_new_version",
            disabled=not change,
            help="Adds a step of preparation to the dataset; your file stays as it is.",
        ):
            _new_version(rows, edited, decided, judged, prepared)
        if decided[KEEP]:
            st.button(
                f"Take {counted(len(decided[KEEP]), 'label')} off the list",
                key="evaluate_keep",
                icon=":material/check:",
                on_click=reviews.keep,
                args=(prepared, [rows[i].text_id for i in decided[KEEP]], resources.settings()),
            )


def _new_version(
    rows: list[Suspect], edited: pd.DataFrame, decided: dict[str, list[int]], judged: Judged, prepared: Prepared
) -> None:
    """The dataset with one more step, opened on the Datasets page."""
    suggested = edited["Suggested"].tolist()
    try:
        step = build(
            {
                "columns": judged.evaluation.text_columns,
                "label": judged.evaluation.label_column,
                "splits": [judged.evaluation.split],
                "labels": {rows[i].text_id: suggested[i] for i in decided[FIX]},
                "drop": [rows[i].text_id for i in decided[DROP]],
            },
            CorrectLabels,
        )
        data: DataSpec = build(judged.evaluation.data, DataSpec)
        tree = data.model_dump() | {"steps": [*(s.model_dump() for s in data.steps), *dump_steps(step)]}
        changed: DataSpec = build(tree, DataSpec)
    except SpecError as error:
        show_error(error)
        return
    if kept := [rows[i].text_id for i in decided[KEEP]]:
        reviews.keep(prepared, kept, resources.settings())
    state.set_data(changed)
    opening.start_if_needed(changed)
    state.show_dataset_tab(state.PREPARE_TAB)
    st.switch_page(pages.DATASETS)

"""The dataset part of the New run page: the dataset, its columns, and the number of examples."""

from __future__ import annotations

import streamlit as st

from core.data import selection
from core.data.browsing import label_counts as counting
from core.data.browsing.label_counts import EMPTY, OTHER
from core.data.dataset import Prepared
from core.data.loading import holdout
from core.data.reading.files import split_of
from core.errors import DataError, Problem, SpecError, TunedeckError
from core.runs import outlook as plan
from core.spec.data import DataSpec
from core.spec.names import dataset_name
from core.spec.steps import step_words
from core.store import final_tests
from core.wording import counted
from ui import pages
from ui.components.basics import plain
from ui.datasets.label_counts import label_counts
from ui.new_run import form as new_run_form
from ui.session import resources, state

MOST_CLASSES = 2_000
ICONS = {"sample": ":material/star:", "file": ":material/description:", "hub": ":material/cloud_download:"}


def check_labels(data: DataSpec, prepared: Prepared) -> tuple[list[Problem], list[Problem]]:
    """The problems and the doubts about the label column that its values show."""
    split, _ = selection.splits_used(data, prepared)
    column = data.label_column or prepared.label_guess
    if split is None or column is None or prepared.column(column) is None:
        return [], []  # `outlook.problems` reports these
    try:
        problem, doubt = plan.label_problem(column, label_counts(column, prepared, split))
    except DataError as error:
        return [plan.data_problem(error)], []
    return [problem] if problem else [], [doubt] if doubt else []


def class_count(data: DataSpec, prepared: Prepared | None) -> int | None:
    """The number of classes of the training split, at most `MOST_CLASSES`; None if unknown."""
    split = selection.splits_used(data, prepared)[0] if prepared else None
    column = data.label_column or (prepared.label_guess if prepared else None)
    if prepared is None or split is None or column is None or prepared.column(column) is None:
        return None
    return _class_count(prepared.fingerprint, split, column, prepared)


@st.cache_data(max_entries=32, show_spinner=False)
def _class_count(fingerprint: str, split: str, column: str, _prepared: Prepared) -> int | None:
    try:
        labels = counting.label_counts(_prepared, split, column, MOST_CLASSES)["label"]
    except DataError:
        return None
    return sum(label not in (EMPTY, OTHER) for label in labels) or None


def classes(data: DataSpec, prepared: Prepared | None) -> list[str]:
    """The classes of the training split; empty if unknown. Very many are not listed completely."""
    split, column = selection.splits_used(data, prepared)[0] if prepared else None, None
    if prepared is not None:
        column = data.label_column or prepared.label_guess
    if prepared is None or split is None or column is None or prepared.column(column) is None:
        return []
    try:
        labels = label_counts(column, prepared, split)["label"]
    except DataError:
        return []
    return [name for name in labels if name not in (EMPTY, OTHER)]


def _final_test(data: DataSpec, prepared: Prepared) -> None:
    """For each test split, whether it is set aside as the final test, or a button that does so."""
    texts = [name for name in data.text_columns or prepared.text_guess if prepared.column(name) is not None]
    holdouts = final_tests.holdouts(resources.store())
    for split in (name for name, part in prepared.splits.items() if part.rows and split_of(name) == "test"):
        final_test = holdout.find(prepared, split, texts, holdouts, holdout.PAGE_ROWS)
        with st.container(horizontal=True, vertical_alignment="center", key=f"final_test_{split}"):
            if final_test is not None:
                st.badge(f"{plain(split)} is the final test", icon=":material/lock:", color="violet")
                st.caption("This run does not use it; the Evaluate page uses it at the end.", width="content")
            elif texts and resources.may("set aside"):
                st.button(
                    f"Keep “{plain(split)}” as the final test",
                    icon=":material/lock_open:",
                    type="tertiary",
                    key=f"keep_test_{split}",
                    on_click=_set_aside,
                    args=(prepared, split, texts),
                    help="No run will train on it or choose its best model by it; a part of the training split is "
                    "held out for that. The Evaluate page then uses examples that no run has seen.",
                )


def _set_aside(prepared: Prepared, split: str, texts: list[str]) -> None:
    try:
        final_tests.set_aside(resources.store(), *holdout.describe(prepared, split, texts))
    except TunedeckError as error:
        state.set_notice(plain(str(error)))


def render(
    form: state.Form, data: DataSpec, prepared: Prepared | None, problems: list[Problem], advice: list[Problem]
) -> None:
    """The whole part. data: the source of the examples; prepared: the opened dataset, None if it is not open yet"""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        title = prepared.title if prepared else dataset_name(data)
        st.markdown(f"{ICONS[data.source]} **{plain(title)}**", width="content")
        st.page_link(pages.DATASETS, label="Look at it or change it", icon=":material/arrow_forward:")
    st.caption(_size(prepared))
    if data.steps:
        done = "  \n".join(f"{number}. {plain(step_words(step))}" for number, step in enumerate(data.steps, 1))
        st.caption(f"Prepared in {counted(len(data.steps), 'step')}:  \n{done}")
    if prepared is not None:
        _final_test(data, prepared)
    new_run_form.show_problems("data", problems)
    names = [c.name for c in prepared.columns] if prepared else None
    text, label, examples = st.columns([2, 1.3, 1.2])
    with text:
        guess = ", ".join(prepared.text_guess) if prepared else ""
        new_run_form.field(form, "data.text_columns", problems, names=names, placeholder=guess, after=share)
    with label:
        guess = (prepared.label_guess or "") if prepared else ""
        new_run_form.field(form, "data.label_column", problems, names=names, placeholder=guess, after=share)
        new_run_form.show_advice("data.label_column", advice)
    with examples:
        new_run_form.field(form, "data.max_train_examples", problems, placeholder="All", after=share)


def _size(prepared: Prepared | None) -> str:
    if prepared is None:
        return "Not opened here yet. The run opens it first and checks the columns then."
    splits = " · ".join(f"{split.rows:,} {plain(name)}" for name, split in prepared.splits.items())
    return f"{splits} · {counted(len(prepared.columns), 'column')}"


def share() -> None:
    """Pass a change of the data to the Datasets page."""
    try:
        state.share_data(state.form())
    except SpecError:
        pass  # the error is shown under its field; the other pages keep the last valid choice

"""The label frequencies, of one split or of several side by side."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.data.browsing.label_counts import EMPTY, MAX_LABELS, OTHER
from core.data.dataset import Prepared
from core.errors import TunedeckError
from core.figures.data import bar_labels, label_bars
from core.spec.steps import Condition
from core.wording import shortened
from ui.components.basics import plain, show_error
from ui.datasets import columns, view
from ui.datasets.label_counts import label_counts
from ui.session import state

LABEL_CHARACTERS = 60
MOST_SPLITS = 4
FEW = 15  # labels drawn when there are very many


def render(column: str | None, prepared: Prepared, split: str) -> None:
    """The distribution of the label column and the accuracy that a model must exceed."""
    if column is None:
        st.info("Choose the label column above to see how its classes are distributed.", icon=":material/label:")
        return
    splits = [split]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        sentence = st.empty()
        if len(prepared.splits) > 1 and st.toggle("Compare splits", key="compare_splits"):
            splits = list(prepared.splits)[:MOST_SPLITS]
    try:
        counts = {name: label_counts(column, prepared, name) for name in splits}
    except TunedeckError as error:
        show_error(error)
        return
    first = counts[split] if split in counts else next(iter(counts.values()))
    if first["count"].sum() == 0:
        sentence.caption("This split has no rows.")
        return
    sentence.markdown(_summary(first), width="content")
    many = bool((first["label"] == OTHER).any())
    if many:
        st.caption(f"The {FEW} most frequent:")
    most = FEW if many else MAX_LABELS + 2
    key = f"label_bars_{prepared.fingerprint}_{view.turn(prepared)}"
    st.plotly_chart(
        label_bars(counts, shares=len(splits) > 1, most=most, without=OTHER),
        key=key,
        config={"displayModeBar": False},
        alt=f"The frequency of each label of {column}",
        selection_mode="points",
        on_select=partial(_clicked, key, bar_labels(counts, most, OTHER), column, prepared, splits),
    )
    st.caption("Click a bar to see its rows.")


def _clicked(key: str, labels: list[str], column: str, prepared: Prepared, splits: list[str]) -> None:
    """Filter the rows by the label whose bar was clicked."""
    points = (state.widget(key) or {}).get("selection", {}).get("points", [])
    if not points:
        return
    label = labels[int(points[0]["point_index"])]
    split = splits[int(points[0]["curve_number"])]
    missing = label == EMPTY
    condition = Condition(column=column, op="missing") if missing else Condition(column=column, values=(label,))
    columns.set_split(split, prepared)
    view.add(condition, prepared, split)
    state.show_dataset_tab(state.ROWS_TAB)


def _summary(counts: pd.DataFrame) -> str:
    """A sentence: the number of classes, the most common one, and the accuracy of always guessing it."""
    real = counts[~counts["label"].isin([OTHER, EMPTY])]
    if (counts["label"] == OTHER).any():
        return (
            f"**More than {MAX_LABELS} different values.** A label column repeats a few values; "
            "this one is more likely an id, a number or free text."
        )
    if len(real) == 1:
        return f"**Only one class**, {_name(real['label'].iloc[0])}: a model needs at least two."
    at = int(real["count"].to_numpy().argmax())
    share = int(real["count"].iloc[at]) / int(counts["count"].sum())
    return (
        f"**{len(real)} classes.** The most common, {_name(real['label'].iloc[at])}, has {share:.0%} of the rows: "
        f"a model must exceed an accuracy of {share:.2f}."
    )


def _name(label: object) -> str:
    return f"“{plain(shortened(str(label), LABEL_CHARACTERS))}”"

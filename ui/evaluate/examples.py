"""Judged examples in a table; the one that is selected opens under it, with the reasons for its answer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.errors import TunedeckError
from core.tasks.contract import Task
from core.tasks.evaluations import Answer
from core.wording import counted, metric_title, shortened
from ui.components.basics import plain, show_error
from ui.evaluate import parts
from ui.evaluate.judged import Judged, insert_texts, texts_of, whole_texts
from ui.session import state

TABLE_PX = 380


def mistakes(judged: Judged) -> None:
    """The answers to look at first."""
    entries, task = judged.evaluation.mistakes, Task(judged.task)
    _, _, errors = task.predictions.outcomes(judged.predictions)
    if not entries:
        st.success("No example was answered wrongly.", icon=":material/check_circle:")
        return
    if any(entry.confidence is not None for entry in entries):
        st.markdown(f"**{counted(int(errors.sum()), 'mistake')}**, the most confident first")
        st.caption(
            "**How to read it:** where it is very sure and yet wrong, look for a wrong label, for a kind of text that "
            "training lacked, or for a word that misleads it."
        )
    else:
        st.markdown(f"**{counted(int(errors.sum()), 'error')}**, the worst first. {task.evaluation.ERROR}")
        st.caption(
            "**How to read it:** look for a wrong label, for a kind of text that training lacked, or for a word that "
            "misleads the model."
        )
    table(entries, judged, "evaluate_mistakes")


def table(entries: Sequence[Answer], judged: Judged, key: str, *, shortcuts: bool = True) -> None:
    """shortcuts: N and P turn the pages of this table"""
    columns, words = judged.evaluation.text_columns, judged.evaluation.words
    rows = [entry.row for entry in entries]
    frame = pd.DataFrame(
        {"True": [words(e.label) for e in entries], "Predicted": [words(e.prediction) for e in entries]}
    )
    if any(e.confidence is not None for e in entries):
        frame["Confidence"] = [e.confidence for e in entries]
    elif any(e.score is not None for e in entries):
        frame[metric_title(Task(judged.task).evaluation.SCORE)] = [e.score for e in entries]
    try:
        texts = texts_of(judged, rows)
    except TunedeckError as error:
        show_error(error)
        return
    if texts is not None:
        columns = insert_texts(frame, texts, columns)
    elif judged.can_ask:
        st.caption("The dataset is not here any more, or has changed, so the texts cannot be shown.")
    else:
        st.caption("The texts were not shared; rows are numbered as in the split that was judged.")
        frame.insert(0, "Row", rows)
    event = st.dataframe(
        frame,
        hide_index=True,
        height=min(TABLE_PX, 38 + 35 * len(frame)),
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt="Judged examples",
        column_config={
            **{name: st.column_config.TextColumn(width=560 // max(1, len(columns))) for name in columns},
            "True": st.column_config.TextColumn(width=120),
            "Predicted": st.column_config.TextColumn(width=120),
            "Confidence": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f", width=110),
        },
    )
    chosen = event.selection.rows[0] if event.selection.rows else None
    if texts is not None and chosen is not None and chosen < len(entries):  # it stays as another model is chosen
        with st.container(border=True, key=f"{key}_example"):
            _neighbours(chosen, len(entries), key, shortcuts)
            _whole(entries[chosen], judged, key)
    elif texts is not None:
        explained = judged.can_ask and parts.of(judged.task, "example")
        why = " and see which words made the model say so" if explained else ""
        st.caption(f"Select a row to read all of it{why}.")


def _neighbours(place: int, count: int, key: str, shortcuts: bool) -> None:
    """Which example of how many this is, with the way to the one before and the next."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":gray[Example {place + 1:,} of {count:,}]", width="stretch")
        for label, step, letter, icon in (("Previous", -1, "P", "chevron_left"), ("Next", 1, "N", "chevron_right")):
            st.button(
                label,
                icon=f":material/{icon}:",
                type="tertiary",
                key=f"{key}_{label.lower()}",
                on_click=_select,
                args=(key, place + step),
                disabled=not 0 <= place + step < count,
                shortcut=letter if shortcuts else None,
            )


def _select(key: str, place: int) -> None:
    state.remember(key, {"selection": {"rows": [place]}})


def _whole(entry: Answer, judged: Judged, key: str) -> None:
    """All of one example."""
    try:
        texts = whole_texts(judged, entry.row)
    except TunedeckError as error:
        show_error(error)
        return
    if own := parts.of(judged.task, "example"):
        for draw in own:
            draw(entry, texts, judged, key)
        return
    words = judged.evaluation.words
    true, predicted = (plain(shortened(words(value), 60)) for value in (entry.label, entry.prediction))
    st.markdown(f"**Row {entry.row:,}**: labelled {true}, predicted {predicted}")
    for text in texts:
        st.markdown(plain(text))

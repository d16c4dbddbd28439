"""The confusion matrix, whose cells list their examples when clicked."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.figures.evaluation import MOST_CLASSES, confusion_figure, frequent_mistakes
from core.tasks.text_classification import predictions
from core.wording import counted, shortened
from ui.components.basics import plain
from ui.components.live_chart import clicked, drawing, live_chart
from ui.evaluate import examples
from ui.evaluate.judged import Judged
from ui.evaluate.text_classification.classes import evaluation_of
from ui.session import state

CELL = "evaluate_cell"


def confusion(judged: Judged) -> None:
    evaluation = evaluation_of(judged)
    labels, counts = evaluation.labels, evaluation.confusion
    if len(labels) > MOST_CLASSES:
        chosen = _frequent(judged)
    else:
        by = st.segmented_control(
            "Colour by",
            ["Share of the class", "Count"],
            default="Share of the class",
            required=True,
            key="evaluate_confusion_by",
        )
        key = f"{CELL}_{judged.run.id}"
        chart = drawing(confusion_figure(labels, counts, normalised=by != "Count"))
        live_chart(chart, key=key, alt="Predicted against true classes", on_click=partial(_clicked, key))
        st.caption(
            "**How to read it:** each row is a true class and shows where its examples went; blue is right, orange "
            "is wrong. **Click a cell to read its examples.**"
        )
        chosen = state.widget(f"{key}_chosen")
    if chosen is not None:
        _examples(judged, *chosen)


def _clicked(key: str) -> None:
    if (point := clicked(key)) is not None:
        state.remember(f"{key}_chosen", (int(point["y"]), int(point["x"])))


def _frequent(judged: Judged) -> tuple[int, int] | None:
    evaluation = evaluation_of(judged)
    labels = evaluation.labels
    rows = frequent_mistakes(labels, evaluation.confusion, most=50)
    st.caption(f"With {len(labels):,} classes a matrix would not be readable: these are the most frequent mistakes.")
    event = st.dataframe(
        pd.DataFrame(rows, columns=["True", "Taken for", "Examples", "Of the class"]),
        hide_index=True,
        height=380,
        on_select="rerun",
        selection_mode="single-row",
        key="evaluate_frequent",
        alt="The most frequent mistakes",
        column_config={"Of the class": st.column_config.NumberColumn(format="percent")},
    )
    if not event.selection.rows:
        return None
    true, taken, _, _ = rows[event.selection.rows[0]]
    return labels.index(true), labels.index(taken)


def _examples(judged: Judged, true: int, predicted: int) -> None:
    evaluation = evaluation_of(judged)
    count = evaluation.confusion[true][predicted]
    a, b = (f"“{plain(shortened(evaluation.labels[i], 40))}”" for i in (true, predicted))
    what = f"{a} recognised as such" if true == predicted else f"{a} taken for {b}"
    st.markdown(f"**{counted(count, 'example')} of {what}**")
    if count:
        entries = predictions.cell(judged.predictions, true, predicted)
        if len(entries) < count:
            st.caption(f"The {len(entries):,} that the model is surest of.")
        examples.table(entries, judged, f"evaluate_cell_{true}_{predicted}")

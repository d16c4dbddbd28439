"""A classifier's classes: the confusion matrix of a run's own report, and the table of precision, recall and F1."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.figures.evaluation import MOST_CLASSES, confusion_figure, frequent_mistakes
from core.tasks.text_classification.results import ClassEvaluation, ClassTables, PerClass
from ui.components.live_chart import drawing, live_chart
from ui.evaluate.judged import Judged

SIDE_BY_SIDE = 7
CLASS_COLUMNS = ["label", "f1", "precision", "recall", "support"]


def evaluation_of(judged: Judged) -> ClassEvaluation:
    """The evaluation, for the views that are made for classes."""
    assert isinstance(judged.evaluation, ClassEvaluation), "its task names this view"
    return judged.evaluation


def of_report(report: ClassTables) -> None:
    """The confusion matrix beside the table of classes, or above it if there are many classes."""
    labels, counts = report.labels, report.confusion
    left, right = st.columns(2, gap="medium") if len(labels) <= SIDE_BY_SIDE else (st.container(), st.container())
    with left:
        st.markdown("**Confusion matrix**" if len(labels) <= MOST_CLASSES else "**Most frequent mistakes**")
        if len(labels) <= MOST_CLASSES:
            chart = confusion_figure(labels, counts)
            live_chart(drawing(chart), key="chart_confusion", alt="Predicted against true classes")
            st.caption("Rows are true classes; blue is right, orange is wrong; shares are of a row.")
        else:
            _mistakes(labels, counts)
    with right:
        st.markdown("**Class by class**")
        class_table(report.per_class, "run_classes")


def class_table(per_class: list[PerClass], key: str) -> None:
    """Precision, recall, F1 and examples of each class."""
    table = pd.DataFrame([(c.label, c.f1, c.precision, c.recall, c.support) for c in per_class], columns=CLASS_COLUMNS)
    st.dataframe(
        table,
        hide_index=True,
        height="content" if len(table) <= 12 else 460,
        column_config={
            "label": st.column_config.TextColumn("Class"),
            "f1": st.column_config.ProgressColumn(
                "F1",
                min_value=0,
                max_value=1,
                format="%.2f",
                width="small",
                help="The balance of precision and recall.",
            ),
            "precision": st.column_config.NumberColumn(
                "Precision", format="%.2f", width="small", help="The share of predictions of this class that are right."
            ),
            "recall": st.column_config.NumberColumn(
                "Recall",
                format="%.2f",
                width="small",
                help="The share of this class's examples that are predicted as it.",
            ),
            "support": st.column_config.NumberColumn("Examples", format="localized", width="small"),
        },
        key=key,
        alt="Precision, recall and F1 of each class",
    )


def _mistakes(labels: list[str], counts: list[list[int]]) -> None:
    rows = frequent_mistakes(labels, counts)
    st.dataframe(
        pd.DataFrame(rows, columns=["true", "predicted", "count", "share"]),
        hide_index=True,
        column_config={
            "true": "True class",
            "predicted": "Predicted class",
            "count": st.column_config.NumberColumn("Examples"),
            "share": st.column_config.NumberColumn("Of the class", format="percent"),
        },
        alt="The most frequent mistakes",
    )
    st.caption(f"With {len(labels):,} classes a matrix would not be legible; these are the most frequent mistakes.")

"""What a classifier's verdict has beside its metrics: how far to believe its confidence, and its classes."""

from __future__ import annotations

import streamlit as st

from core.evaluation.verdict import Trust, trust
from core.tasks.text_classification.results import ClassEvaluation
from ui.evaluate.text_classification.classes import class_table

TRUST: dict[Trust, str] = {
    "believable": "believe its confidence",
    "rough": "roughly right",
    "unreliable": "too sure, or not enough",
}


def calibration_error(evaluation: ClassEvaluation) -> None:
    """A card beside those of the metrics."""
    ece = evaluation.calibration.ece
    st.metric(
        "Calibration error",
        f"{ece:.3f}",
        TRUST[trust(ece)],
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help="The mean gap between how sure the model is and how often it is right (ECE, 15 bins).",
    )


def class_by_class(evaluation: ClassEvaluation) -> None:
    """Precision, recall and F1 of each class, beside the intervals of the metrics."""
    st.markdown("**Class by class**")
    class_table(evaluation.per_class, "evaluate_classes")
    st.caption("Click a column's title to sort. F1 balances precision (is it right?) and recall (does it find?).")

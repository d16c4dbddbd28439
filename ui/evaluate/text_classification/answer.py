"""A classifier's answer to one example, with its reasons."""

from __future__ import annotations

import streamlit as st

from core.tasks.text_classification.predictions import probabilities
from core.tasks.text_classification.results import ClassAnswer
from core.wording import shortened
from ui.components.basics import plain
from ui.evaluate import explanation
from ui.evaluate.judged import Judged
from ui.evaluate.text_classification.classes import evaluation_of


def explained(entry: ClassAnswer, texts: list[str], judged: Judged, key: str) -> None:
    """The text with highlights, the probabilities, and training examples that are like it."""
    labels = evaluation_of(judged).labels
    true, predicted = (plain(shortened(labels[i], 60)) for i in (entry.label, entry.prediction))
    st.markdown(f"**Row {entry.row:,}**: labelled “{true}”, predicted “{predicted}” ({entry.confidence:.1%})")
    left, right = st.columns([2.2, 1], gap="medium")
    with right:
        explanation.probabilities(probabilities(judged.predictions, entry.row), labels, f"{key}_shares")
    with left:
        if judged.can_ask:
            explanation.highlights(judged.subject, texts, labels, f"{key}_why")
        else:
            for text in texts:
                st.markdown(plain(text))
    if judged.can_ask and judged.trained is not None:
        explanation.nearest(judged.trained, texts, f"{key}_near")

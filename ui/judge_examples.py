"""A table of judged examples; the one that is selected opens under it, with the reasons for its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.data import browse
from core.errors import TunedeckError
from core.evaluation import lookup
from core.wording import shortened
from ui import explanation
from ui.components import plain, show_error
from ui.judged import Judged, dataset_of

TABLE_PX = 380


def table(entries: Sequence[dict[str, Any]], judged: Judged, key: str) -> None:
    """entries: row, label, prediction, confidence of each example"""
    prepared = dataset_of(judged)
    columns = judged.found["text_columns"]
    rows = [entry["row"] for entry in entries]
    frame = pd.DataFrame(
        {
            "True": [judged.labels[e["label"]] for e in entries],
            "Predicted": [judged.labels[e["prediction"]] for e in entries],
            "Confidence": [e["confidence"] for e in entries],
        }
    )
    if prepared is not None:
        try:
            texts = browse.rows(prepared, judged.found["split"], rows)
        except TunedeckError as error:
            show_error(error)
            return
        for place, name in enumerate(columns):
            frame.insert(place, name, texts[name].to_numpy())
    else:
        st.caption("The dataset is not here any more, or has changed, so the texts cannot be shown.")
    event = st.dataframe(
        frame, hide_index=True, height=min(TABLE_PX, 38 + 35 * len(frame)), key=key, on_select="rerun",
        selection_mode="single-row", alt="Judged examples",
        column_config={
            **{name: st.column_config.TextColumn(width=560 // max(1, len(columns))) for name in columns},
            "True": st.column_config.TextColumn(width=120), "Predicted": st.column_config.TextColumn(width=120),
            "Confidence": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f", width=110),
        },
    )  # fmt: skip
    if prepared is not None and event.selection.rows:
        whole(entries[event.selection.rows[0]], judged, key)
    else:
        st.caption("Select a row to read all of it and see which words made the model say so.")


def whole(entry: dict[str, Any], judged: Judged, key: str) -> None:
    """One example: its text with highlights, its probabilities, and the training examples that are like it."""
    prepared = dataset_of(judged)
    assert prepared is not None, "only then is there a row to select"
    try:
        values = browse.row(prepared, judged.found["split"], entry["row"])
    except TunedeckError as error:
        show_error(error)
        return
    texts = [str(values.get(name) or "") for name in judged.found["text_columns"]]
    with st.container(border=True, key=f"{key}_example"):
        true, said = (plain(shortened(judged.labels[entry[what]], 60)) for what in ("label", "prediction"))
        st.markdown(f"**Row {entry['row']:,}**: labelled “{true}”, predicted “{said}” ({entry['confidence']:.1%})")
        left, right = st.columns([2.2, 1], gap="medium")
        with right:
            explanation.probabilities(
                lookup.probabilities(judged.predictions, entry["row"]), judged.labels, f"{key}_shares"
            )
        with left:
            explanation.highlights(judged.subject, texts, judged.labels, f"{key}_why")
        if judged.trained is not None:
            explanation.nearest(judged.trained, texts, f"{key}_near")

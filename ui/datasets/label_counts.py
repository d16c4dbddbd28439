"""The frequency of each label of a column, cached for all sessions."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.data.browsing import label_counts as counting
from core.data.dataset import Prepared


def label_counts(column: str, prepared: Prepared, split: str) -> pd.DataFrame:
    """A frame with the columns label and count (see `core.data.browsing.label_counts`). Raises DataError."""
    return _counts(prepared.fingerprint, split, column, prepared)


@st.cache_data(max_entries=32, show_spinner=False)
def _counts(fingerprint: str, split: str, column: str, _prepared: Prepared) -> pd.DataFrame:
    return counting.label_counts(_prepared, split, column)

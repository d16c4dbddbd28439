"""The lengths of the texts in a model's tokens, and what the maximum length would cut off."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import streamlit as st

from core.data.browsing import tokens
from core.data.browsing.tokens import tokenizer_for
from core.data.dataset import Prepared
from core.errors import TunedeckError
from core.figures.data import length_histogram
from core.hub import download as hub
from core.models import names as models
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.names import model_name
from core.spec.steps import Condition
from ui.components.basics import plain, show_error
from ui.datasets import view
from ui.new_run import form as new_run_form
from ui.new_run import model as new_run_model
from ui.session import resources, state

SAMPLE = 2_000
SLIDER_TOP = 512
CHARACTERS = "Characters"
UNITS = ("Tokens", CHARACTERS)


def render(data: DataSpec, prepared: Prepared, split: str) -> None:
    """The histogram for the model and maximum length of the New run page, which can be changed here too."""
    if not data.text_columns:
        st.info("Choose the text column above to see how long its texts are.", icon=":material/straighten:")
        return
    unit = st.segmented_control(
        "Count", UNITS, default=UNITS[0], required=True, key="lengths_unit", label_visibility="collapsed"
    )
    if unit == CHARACTERS:
        _show_characters(data, prepared, split)
        return
    form = state.form()
    chosen, longest = st.columns(2, gap="medium")
    with chosen:
        new_run_model.select(form)
    model = ModelSpec(name=str(form.values["model.name"]), revision=form.values["model.revision"])
    with longest:
        max_length = _slider(form)
    try:
        lengths = _lengths(data, prepared, split, model)
    except TunedeckError as error:
        show_error(error)
        return
    if lengths is None:
        _offer_tokenizer(model)
    elif not len(lengths.values):
        st.caption("This split has no texts.")
    else:
        _show_lengths(lengths, max_length, model)


def _show_characters(data: DataSpec, prepared: Prepared, split: str) -> None:
    """The histogram of characters; a click on a bar filters the rows."""
    column = data.text_columns[0]
    if len(data.text_columns) > 1:
        column = st.selectbox("Text", data.text_columns, key="lengths_column")
    try:
        with st.spinner("Measuring the texts"):
            lengths = _characters(prepared.fingerprint, split, column, prepared)
    except TunedeckError as error:
        show_error(error)
        return
    if not len(lengths.values):
        st.caption("This split has no texts.")
        return
    values = lengths.values
    median, nearly_all = (int(v) for v in np.quantile(values, (0.5, 0.95)))
    st.markdown(
        f"Half of the texts have up to {median:,} characters, 95% up to {nearly_all:,}; "
        f"the longest has {values.max():,}."
    )
    key = f"character_histogram_{prepared.fingerprint}_{view.turn(prepared)}"
    st.plotly_chart(
        length_histogram(values, None, "characters"),
        key=key,
        config={"displayModeBar": False},
        alt=f"Characters per text of {column}",
        selection_mode="points",
        on_select=partial(_clicked, key, column, prepared, split),
    )
    st.caption(f"{_of(lengths)}. Click a bar to see its rows.")


def _clicked(key: str, column: str, prepared: Prepared, split: str) -> None:
    """Filter the rows by the lengths of the bar that was clicked."""
    points = (state.widget(key) or {}).get("selection", {}).get("points", [])
    if points:
        drawn = points[0]["customdata"]  # Streamlit may pass a mapping by index
        low, high, *_ = drawn.values() if isinstance(drawn, Mapping) else drawn
        view.add(Condition(column=column, op="length", low=float(low), high=float(high)), prepared, split)
        state.show_dataset_tab(state.ROWS_TAB)


@st.cache_data(max_entries=8, show_spinner=False)
def _characters(fingerprint: str, split: str, column: str, _prepared: Prepared) -> tokens.Lengths:
    return tokens.character_lengths(_prepared, split, column)


def _of(lengths: tokens.Lengths) -> str:
    if lengths.sampled:
        return f"A sample of {len(lengths.values):,} of {lengths.rows:,} rows"
    return f"All {lengths.rows:,} rows"


def _slider(form: state.Form) -> int:
    key = form.key("slider.max_length")
    value = form.values["model.max_length"]
    value = value if isinstance(value, int) else 128
    st.slider(
        new_run_form.title("model.max_length"),
        8,
        max(SLIDER_TOP, value),
        max(8, value),
        8,
        key=key,
        help=new_run_form.help_text("model.max_length"),
        on_change=_keep,
        args=(key,),
    )
    return max(8, value)


def _keep(key: str) -> None:
    form = state.form()
    form.values["model.max_length"] = state.widget(key)


def _lengths(data: DataSpec, prepared: Prepared, split: str, model: ModelSpec) -> tokens.Lengths | None:
    """The token lengths of a sample of rows; None if the model's tokenizer is not on this machine."""
    with st.spinner("Counting tokens"):
        path = tokenizer_for(model, prepared, split, data.text_columns, resources.settings())
        if path is None:
            return None
        stamp = f"{path}:{path.stat().st_mtime_ns}"
        return _counted(prepared.fingerprint, split, data.text_columns, stamp, str(path), prepared)


@st.cache_data(max_entries=16, show_spinner=False)
def _counted(
    fingerprint: str, split: str, columns: tuple[str, ...], stamp: str, _path: str, _prepared: Prepared
) -> tokens.Lengths:
    from pathlib import Path

    return tokens.token_lengths(_prepared, split, columns, Path(_path), SAMPLE)


def _show_lengths(lengths: tokens.Lengths, max_length: int, model: ModelSpec) -> None:
    values = lengths.values
    cut = float(np.mean(values > max_length))
    median, nearly_all = (int(v) for v in np.quantile(values, (0.5, 0.95)))
    truncation = (
        f"**{_percent(cut)} of the texts** are longer than {max_length:,} tokens and would be cut off."
        if cut
        else f"**No text** is longer than {max_length:,} tokens: nothing is cut off."
    )
    st.markdown(f"{truncation} Half have up to {median:,}, 95% up to {nearly_all:,}; the longest has {values.max():,}.")
    st.plotly_chart(
        length_histogram(values, max_length),
        key="length_histogram",
        config={"displayModeBar": False},
        alt=f"Tokens per text; {cut:.0%} are longer than {max_length}",
    )
    if model.name == "scratch":
        st.caption(f"{_of(lengths)}, tokenised with a new vocabulary from these texts.")
    else:
        st.caption(f"{_of(lengths)}, tokenised by {plain(model_name(model.name))}.")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}" if share >= 0.0005 else "Under 0.1%"


def _offer_tokenizer(model: ModelSpec) -> None:
    if models.kind_of(model.name, resources.settings()) == "folder":
        st.info("This folder has no tokenizer.json, so only a run can count its tokens.", icon=":material/info:")
        return
    st.info(f"The tokenizer of {plain(model.name)} is not on this computer yet.", icon=":material/cloud_download:")
    if st.button("Fetch its tokenizer", icon=":material/download:", key="fetch_tokenizer", help="A few megabytes"):
        try:
            with st.spinner("Asking the Hub"):
                hub.fetch_tokenizer_json(model.name, model.revision)
        except TunedeckError as error:
            show_error(error)
            return
        st.rerun()

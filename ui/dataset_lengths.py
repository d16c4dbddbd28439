"""How many tokens the texts have for a model, and what the longest text allowed would cut off."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import hub, models
from core.data import tokens
from core.data.prepared import Prepared
from core.data.tokens import tokenizer_for
from core.errors import TunedeckError
from core.figures.data import length_histogram
from core.naming import model_name
from core.spec import DataSpec, ModelSpec
from ui import resources, spec_form, spec_model, state
from ui.components import plain, show_error

SAMPLE = 2_000
SLIDER_TOP = 512


def show(data: DataSpec, prepared: Prepared, split: str) -> None:
    """The histogram for the model and longest text of the New run page, which can be changed here too."""
    if not data.text_columns:
        st.info("Choose the text column above to see how long its texts are.", icon=":material/straighten:")
        return
    form = state.form()
    chosen, longest = st.columns(2, gap="medium")
    with chosen:
        spec_model.select(form)
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


def _slider(form: state.Form) -> int:
    key = form.key("slider.max_length")
    value = form.values["model.max_length"]
    value = value if isinstance(value, int) else 128
    st.slider(
        spec_form.title("model.max_length"), 8, max(SLIDER_TOP, value), max(8, value), 8, key=key,
        help=spec_form.help_text("model.max_length"), on_change=_keep, args=(key,),
    )  # fmt: skip
    return max(8, value)


def _keep(key: str) -> None:
    form = state.form()
    form.values["model.max_length"] = state.widget(key)


def _lengths(data: DataSpec, prepared: Prepared, split: str, model: ModelSpec) -> tokens.Lengths | None:
    """Token lengths of a sample of rows; None if the model's tokenizer is not here."""
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
    said = f"**{_percent(cut)} of the texts** are longer than {max_length:,} tokens and would be cut off." if cut else (
        f"**No text** is longer than {max_length:,} tokens: nothing is cut off."
    )  # fmt: skip
    st.markdown(f"{said} Half have up to {median:,}, 95% up to {nearly_all:,}; the longest has {values.max():,}.")
    st.plotly_chart(
        length_histogram(values, max_length), key="length_histogram", config={"displayModeBar": False},
        alt=f"Tokens per text; {cut:.0%} are longer than {max_length}",
    )  # fmt: skip
    rows = f"A sample of {len(values):,} of {lengths.rows:,} rows" if lengths.sampled else f"All {lengths.rows:,} rows"
    how = "tokenised as a new vocabulary from these texts would" if model.name == "scratch" else "tokenised as"
    st.caption(f"{rows}, {how}{'' if model.name == 'scratch' else ' ' + plain(model_name(model.name)) + ' does'}.")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}" if share >= 0.0005 else "Under 0.1%"


def _offer_tokenizer(model: ModelSpec) -> None:
    if models.kind_of(model.name) == "folder":
        st.info("This folder has no tokenizer.json, so its tokens are counted only in a run.", icon=":material/info:")
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

"""One row as the model sees it: its tokens, with special, unknown and cut off ones marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.data.browsing.tokens import Token, tokenizer_for, tokens_of
from core.data.dataset import Prepared
from core.errors import TunedeckError
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.names import model_name
from core.wording import counted
from ui.components.basics import plain, show_error
from ui.session import resources, state

MOST_TOKENS = 1_500
COLORS = {"special": "violet", "unknown": "red", "word": "blue"}


def render(data: DataSpec, prepared: Prepared, split: str, values: dict[str, Any]) -> None:
    """The tokens of a row for the model and maximum length of the New run page."""
    form = state.form()
    model = ModelSpec(name=str(form.values["model.name"]), revision=form.values["model.revision"])
    longest = form.values["model.max_length"]
    max_length = longest if isinstance(longest, int) and longest >= 8 else ModelSpec().max_length
    texts = [str(values.get(name) or "") for name in data.text_columns]
    try:
        path = tokenizer_for(model, prepared, split, data.text_columns, resources.settings())
        if path is None:
            st.info(
                f"The tokenizer of {plain(model.name)} is not on this computer yet; the tab Text lengths fetches it.",
                icon=":material/cloud_download:",
            )
            return
        tokens = tokens_of(texts, path, max_length)
    except TunedeckError as error:
        show_error(error)
        return
    st.markdown(_marked(tokens[:MOST_TOKENS]))
    st.caption(_summary(tokens, model, max_length))


def _marked(tokens: Sequence[Token]) -> str:
    return " ".join(
        f":gray-background[~~{plain(token.text)}~~]"
        if token.cut
        else f":{COLORS[token.kind]}-background[{plain(token.text)}]"
        for token in tokens
    )


def _summary(tokens: Sequence[Token], model: ModelSpec, max_length: int) -> str:
    name = "a new vocabulary" if model.name == "scratch" else plain(model_name(model.name))
    cut = sum(token.cut for token in tokens)
    unknown = sum(token.kind == "unknown" for token in tokens)
    parts = [f"{counted(len(tokens), 'token')} for {name}"]
    if unknown:
        parts.append(f"{unknown:,} unknown (red)")
    parts.append(f"{cut:,} cut off after {max_length:,} (struck through)" if cut else f"none cut off at {max_length:,}")
    if len(tokens) > MOST_TOKENS:
        parts.append(f"the first {MOST_TOKENS:,} are shown")
    return " · ".join(parts) + ". Special tokens are violet."

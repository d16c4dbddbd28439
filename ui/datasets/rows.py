"""The rows of a split: one page at a time, and one row in full."""

from __future__ import annotations

import hashlib
import json
import math
import re
from contextlib import nullcontext
from typing import Any

import pandas as pd
import streamlit as st

from core.data.browsing import browse, matches
from core.data.browsing.view import View, from_link, hits, to_link
from core.data.dataset import Prepared
from core.errors import TunedeckError
from core.spec.data import DataSpec
from core.wording import counted
from ui.components.basics import plain, show_error
from ui.datasets import tokens as datasets_tokens
from ui.datasets import view as datasets_view
from ui.session import state

SIZES = (50, 100)
TABLE_PX = 460
ROW_PX, LABEL_PX, TEXT_PX = 70, 110, 760
MOST_MARKS = 200
LINE_CHARACTERS = 120  # a longer value gets a line of its own


def render(data: DataSpec, prepared: Prepared, split: str) -> None:
    """A table of one page of rows with its controls, and below it the selected row in full."""
    _rows(data, prepared, split)


@st.fragment
def _rows(data: DataSpec, prepared: Prepared, split: str) -> None:
    total = prepared.splits[split].rows
    if not total:
        st.info(f"The split {plain(split)} has no rows.", icon=":material/inbox:")
        return
    view = datasets_view.controls(prepared, split)
    try:
        with st.spinner("Looking through the rows") if not view.is_whole else nullcontext():
            matching = total if view.is_whole else len(matches.row_numbers(prepared, split, view))
        key = f"rows_{prepared.fingerprint}_{split}_{hashlib.sha256(to_link(view).encode()).hexdigest()[:8]}"
        if not matching:
            st.info(f"None of the {total:,} rows of {plain(split)} matches.", icon=":material/search_off:")
            return
        size, page = _controls(key, matching, view)
        offset = (page - 1) * size
        frame = _page(prepared.fingerprint, split, offset, size, to_link(view), prepared)
    except TunedeckError as error:
        show_error(error)
        return
    event = st.dataframe(
        frame,
        height=TABLE_PX,
        column_order=_order(data, frame),
        column_config=_config(data),
        on_select="rerun",
        selection_mode="single-row",
        key=f"{key}_table_{offset}_{size}",
        alt=f"Rows of the split {split}",
    )
    st.caption(_position(offset, len(frame), matching, total, view))
    if event.selection.rows:
        _whole(data, prepared, split, int(frame.index[event.selection.rows[0]]), view)


def _position(offset: int, count: int, matching: int, total: int, view: View) -> str:
    if view.is_whole:
        span = f"Rows {offset:,} to {offset + count - 1:,} of {total:,}, counted from 0."
    else:
        span = f"{counted(matching, 'matching row')} of {total:,}; here {offset + 1:,} to {offset + count:,}."
    return f"{span} Select a row to read it in full."


def _controls(key: str, total: int, view: View) -> tuple[int, int]:
    """Rows per page, and the page (from 1). A row has its number as its place only among all rows."""
    size = state.widget(f"{key}_size") or SIZES[0]
    pages = math.ceil(total / size)
    number, row, rows = st.columns([3, 1.1, 0.9], vertical_alignment="bottom")
    page = number.pagination(pages, key=f"{key}_page", persist_state="page")
    if view.is_whole:
        row.number_input(
            "Go to row",
            0,
            total - 1,
            None,
            1,
            key=f"{key}_goto",
            placeholder=f"0 to {total - 1:,}",
            on_change=_go_to,
            args=(key, total),
        )
    rows.selectbox("Rows per page", SIZES, key=f"{key}_size", on_change=_first_page, args=(key,))
    return size, min(pages, page)


def _go_to(key: str, total: int) -> None:
    row = state.widget(f"{key}_goto")
    if row is not None:
        size = state.widget(f"{key}_size") or SIZES[0]
        state.remember(f"{key}_page", min(int(row), total - 1) // size + 1)


def _first_page(key: str) -> None:
    state.remember(f"{key}_page", 1)


@st.cache_data(max_entries=16, show_spinner=False)
def _page(fingerprint: str, split: str, offset: int, size: int, view: str, _prepared: Prepared) -> pd.DataFrame:
    return browse.page(_prepared, split, offset, size, from_link(view))


def _order(data: DataSpec, frame: pd.DataFrame) -> list[str]:
    """The column names with the label and the texts first."""
    names = [str(name) for name in frame.columns]
    first = [name for name in (data.label_column, *data.text_columns) if name is not None and name in names]
    return [*first, *(name for name in names if name not in first)]


def _config(data: DataSpec) -> dict[str, Any]:
    config: dict[str, Any] = {"_index": st.column_config.NumberColumn("Row", width=ROW_PX, format="localized")}
    for name in data.text_columns:
        config[name] = st.column_config.TextColumn(width=TEXT_PX // len(data.text_columns))
    if data.label_column:
        config[data.label_column] = st.column_config.Column(width=LABEL_PX)
    return config


def _whole(data: DataSpec, prepared: Prepared, split: str, number: int, view: View) -> None:
    """All values of one row in full, the texts first; search hits are marked; tokens on request."""
    try:
        values = browse.row(prepared, split, number)
    except TunedeckError as error:
        show_error(error)
        return
    names = [*data.text_columns, *([data.label_column] if data.label_column else [])]
    names += [name for name in values if name not in names]
    with st.container(border=True, key="whole_row"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**Row {number:,}**", width="content")
            tokens = bool(data.text_columns) and st.toggle("As the model sees it", key="whole_row_tokens")
        if tokens:
            datasets_tokens.render(data, prepared, split, values)
            names = [name for name in names if name not in data.text_columns]
        for name in names:
            text = _as_text(values.get(name))
            st.caption(
                f"{plain(name)} · {counted(len(text), 'character')}" if len(text) > LINE_CHARACTERS else plain(name)
            )
            _text(text, hits(view))


def _text(text: str, pattern: re.Pattern[str] | None) -> None:
    if not text.strip():
        st.text("(empty)")
    elif pattern is not None and pattern.search(text):
        st.markdown(marked(text, pattern))
    else:
        st.text(text)


def marked(text: str, pattern: re.Pattern[str]) -> str:
    """`text` as Markdown that shows it unchanged, line by line, with the matches highlighted."""
    lines = []
    for line in text.splitlines():
        parts, at = [], 0
        for hit in list(pattern.finditer(line))[:MOST_MARKS]:
            parts += [_spaced(line[at : hit.start()]), f":orange-background[{plain(hit[0]) or hit[0]}]"]
            at = hit.end()
        lines.append("".join([*parts, _spaced(line[at:])]))
    return "  \n".join(lines)


def _spaced(text: str) -> str:
    """`plain` that keeps whitespace at both ends."""
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return before + plain(text) + after if text.strip() else " " * bool(text)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray)):
        return f"{counted(len(value), 'byte')}"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return str(value)

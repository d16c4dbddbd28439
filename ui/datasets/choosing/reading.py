"""How a file was read, and options that overrule what was detected."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data.dataset import Prepared
from core.data.reading.text.code_pages import CHOICES
from core.errors import SpecError
from core.spec.data import DataSpec, ReadSpec
from core.spec.run import build
from ui.components.basics import plain, show_error
from ui.session import state

JSON_NAMES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
BOOK_NAMES = (".xlsx", ".xlsm")
ENCODINGS = {code: f"{name}  ({code})" for code, name in CHOICES.items()}
DELIMITERS = {
    ",": "Comma  ,",
    "\t": "Tab",
    ";": "Semicolon  ;",
    "|": "Bar  |",
    "~": "Tilde  ~",
    "^": "Caret  ^",
    "\x01": "Control character \\x01 (Hive)",
    "\x1f": "Control character \\x1f",
}
QUOTES = {'"': 'Double quote  "', "'": "Single quote  '"}
ESCAPES = {"\\": "Backslash  \\", "": "None"}
SWITCH = {True: "Yes", False: "No"}


def render(data: DataSpec, prepared: Prepared | None) -> None:
    """The notes about the reading, and the options. prepared: None if the reading failed"""
    for note in prepared.notes if prepared else ():
        icon = ":orange[:material/warning:]" if note.level == "warning" else ":material/check_small:"
        st.markdown(f"{icon} {plain(note.text)}")
    if data.source != "file":
        return
    if (prepared is None and data.path.lower().endswith(JSON_NAMES)) or (
        prepared and "records_key" in prepared.reading
    ):
        _json_options(data.read, prepared.reading if prepared else {})
    elif data.path.lower().endswith(BOOK_NAMES) or (prepared and "sheets" in prepared.reading):
        _book_options(data.read, prepared.reading if prepared else {})
    elif prepared is None or prepared.reading:
        _options(data.read, prepared.reading if prepared else {})


def _options(read: ReadSpec, detected: dict[str, Any]) -> None:
    st.markdown("**Read it differently**")
    with st.form("reading", border=False):
        encoding, delimiter, header = st.columns([2, 1, 1])
        skip, quoting, quote, escape = st.columns(4)
        _choice(encoding, "encoding", ENCODINGS, read, detected, new=True)
        _choice(delimiter, "delimiter", DELIMITERS, read, detected, new=True)
        _skip_lines(skip, read, detected)
        _choice(header, "header", SWITCH, read, detected)
        _choice(quoting, "quoting", SWITCH, read, detected)
        _choice(quote, "quote_character", QUOTES, read, detected, new=True)
        _choice(escape, "escape_character", ESCAPES, read, detected, new=True)
        _buttons(read)


def _json_options(read: ReadSpec, detected: dict[str, Any]) -> None:
    """For JSON: where the records are, the encoding, and whether the first array has the column names."""
    st.markdown("**Read it differently**")
    with st.form("reading", border=False):
        records_key, encoding, header = st.columns([2, 1, 1])
        keys = {key: plain(key) for key in detected.get("records_keys", [])}
        _choice(records_key, "records_key", keys, read, detected, new=True)
        _choice(encoding, "encoding", ENCODINGS, read, detected, new=True)
        if "header" in detected:
            _choice(header, "header", SWITCH, read, detected)
        _buttons(read)


def _book_options(read: ReadSpec, detected: dict[str, Any]) -> None:
    """For Excel: which sheet, and where its table begins."""
    st.markdown("**Read it differently**")
    with st.form("reading", border=False):
        sheet, skip, header = st.columns([2, 1, 1])
        sheets = {name: plain(name) for name in detected.get("sheets", [])}
        _choice(sheet, "sheet", sheets, read, detected, new=not sheets)
        _skip_lines(skip, read, detected)
        _choice(header, "header", SWITCH, read, detected)
        _buttons(read)


def _skip_lines(place: DeltaGenerator, read: ReadSpec, detected: dict[str, Any]) -> None:
    place.number_input(
        _title("skip_lines"),
        min_value=0,
        max_value=10_000,
        value=read.skip_lines,
        step=1,
        key="read_skip_lines",
        placeholder=_detected(detected.get("skip_lines")),
        help=_help("skip_lines"),
    )


def _buttons(read: ReadSpec) -> None:
    with st.container(horizontal=True):
        if st.form_submit_button("Read again", icon=":material/refresh:"):
            _read_again({name: state.widget(f"read_{name}") for name in ReadSpec.model_fields})
        if read != ReadSpec() and st.form_submit_button("Back to what was detected", type="tertiary"):
            _read_again({})


def _choice(
    place: DeltaGenerator,
    name: str,
    titles: dict[Any, str],
    read: ReadSpec,
    detected: dict[str, Any],
    new: bool = False,
) -> None:
    """A field for one option; empty means detected. titles: of its usual values; new: whether others are allowed"""
    value = getattr(read, name)
    options = [*titles, *([value] if value is not None and value not in titles else [])]
    detected_value = detected.get(name)
    place.selectbox(
        _title(name),
        options,
        None if value is None else options.index(value),
        key=f"read_{name}",
        format_func=lambda option: titles.get(option, plain(str(option))),
        accept_new_options=new,
        placeholder=_detected(
            titles.get(detected_value, detected_value if detected_value is None else plain(str(detected_value)))
        ),
        help=_help(name),
    )


def _read_again(values: dict[str, Any]) -> None:
    """Read again with these options. The columns may differ, so their choice starts over."""
    try:
        read = build({name: value for name, value in values.items() if value is not None}, ReadSpec)
    except SpecError as error:
        show_error(error)
        return
    data = state.data()
    state.set_data(DataSpec(source=data.source, path=data.path, config=data.config, read=read))
    st.rerun()


def _detected(value: Any) -> str:
    return "Detected" if value is None else f"Detected: {value}"


def _title(name: str) -> str:
    return ReadSpec.model_fields[name].title or name


def _help(name: str) -> str:
    return plain(ReadSpec.model_fields[name].description or "")

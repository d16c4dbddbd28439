"""How a text file was read, and the options that overrule what was detected."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.data.prepared import Prepared
from core.errors import SpecError
from core.spec import DataSpec, ReadSpec, build
from ui import state
from ui.components import plain, show_error

ENCODINGS = ("utf-8", "utf-16", "cp932", "shift_jis", "euc_jp", "iso2022_jp", "cp1252", "latin-1", "gb18030")
DELIMITERS = {",": "Comma  ,", "\t": "Tab", ";": "Semicolon  ;", "|": "Bar  |"}
JSON_NAMES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
SWITCH = {True: "Yes", False: "No"}


def show(data: DataSpec, prepared: Prepared | None) -> None:
    """What was found out about the files, and the options; prepared is None when the reading failed."""
    for note in prepared.notes if prepared else ():
        icon = ":orange[:material/warning:]" if note.level == "warning" else ":material/check_small:"
        st.markdown(f"{icon} {plain(note.text)}")
    if data.source != "file":
        return
    if (prepared is None and data.path.lower().endswith(JSON_NAMES)) or (
        prepared and "records_key" in prepared.reading
    ):
        _json_options(data.read, prepared.reading if prepared else {})
    elif prepared is None or prepared.reading:
        _options(data.read, prepared.reading if prepared else {})


def _options(read: ReadSpec, found: dict[str, Any]) -> None:
    st.markdown("**Read it differently**")
    with st.form("reading", border=False):
        encoding, delimiter, quoting, header = st.columns(4)
        with encoding:
            st.selectbox(
                _title("encoding"), ENCODINGS, _index(ENCODINGS, read.encoding), accept_new_options=True,
                key="read_encoding", placeholder=_detected(found.get("encoding")), help=_help("encoding"),
            )  # fmt: skip
        with delimiter:
            st.selectbox(
                _title("delimiter"), list(DELIMITERS), _index(DELIMITERS, read.delimiter), key="read_delimiter",
                format_func=lambda c: DELIMITERS.get(c, c), accept_new_options=True,
                placeholder=_detected(DELIMITERS.get(found.get("delimiter", ""), found.get("delimiter"))),
                help=_help("delimiter"),
            )  # fmt: skip
        for column, name in ((quoting, "quoting"), (header, "header")):
            with column:
                st.selectbox(
                    _title(name), list(SWITCH), _index(SWITCH, getattr(read, name)), format_func=SWITCH.__getitem__,
                    key=f"read_{name}", placeholder=_detected(SWITCH.get(found.get(name))), help=_help(name),  # type: ignore[arg-type]
                )  # fmt: skip
        _buttons(read)


def _json_options(read: ReadSpec, found: dict[str, Any]) -> None:
    """For JSON: where the records are, the encoding, and whether rows that are arrays begin with their names."""
    st.markdown("**Read it differently**")
    with st.form("reading", border=False):
        records_key, encoding, header = st.columns([2, 1, 1])
        keys = list(dict.fromkeys([*found.get("records_keys", []), *([read.records_key] if read.records_key else [])]))
        with records_key:
            st.selectbox(
                _title("records_key"), keys, _index(keys, read.records_key), format_func=plain, accept_new_options=True,
                key="read_records_key", placeholder=plain(_detected(found.get("records_key"))),
                help=_help("records_key"),
            )  # fmt: skip
        with encoding:
            st.selectbox(
                _title("encoding"), ENCODINGS, _index(ENCODINGS, read.encoding), accept_new_options=True,
                key="read_encoding", placeholder=_detected(found.get("encoding")), help=_help("encoding"),
            )  # fmt: skip
        if "header" in found:
            with header:
                st.selectbox(
                    _title("header"), list(SWITCH), _index(SWITCH, read.header), format_func=SWITCH.__getitem__,
                    key="read_header", placeholder=_detected(SWITCH.get(found["header"])), help=_help("header"),
                )  # fmt: skip
        _buttons(read)


def _buttons(read: ReadSpec) -> None:
    with st.container(horizontal=True):
        if st.form_submit_button("Read again", icon=":material/refresh:"):
            _read_again({name: state.widget(f"read_{name}") for name in ReadSpec.model_fields})
        if read != ReadSpec() and st.form_submit_button("Back to what was detected", type="tertiary"):
            _read_again({})


def _read_again(values: dict[str, Any]) -> None:
    """Reading anew may bring other columns, so the choice of columns starts anew too."""
    try:
        read = build({name: value for name, value in values.items() if value is not None}, ReadSpec)
    except SpecError as error:
        show_error(error)
        return
    data = state.data()
    state.set_data(DataSpec(source=data.source, path=data.path, read=read))
    st.rerun()


def _index(options: Any, value: Any) -> int | None:
    listed = list(options)
    return listed.index(value) if value in listed else None


def _detected(value: Any) -> str:
    return f"Detected: {value}" if value else "Detected"


def _title(name: str) -> str:
    return ReadSpec.model_fields[name].title or name


def _help(name: str) -> str:
    return plain(ReadSpec.model_fields[name].description or "")

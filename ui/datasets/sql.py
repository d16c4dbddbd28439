"""A person's own SQL queries on the dataset: examples to start with, results in pages and as files."""

from __future__ import annotations

import math

import streamlit as st

from core.data.browsing import sql
from core.data.browsing.export import csv_of
from core.data.dataset import Prepared
from core.errors import TunedeckError
from core.spec.data import DataSpec
from core.wording import counted, listed
from ui.components.basics import code, show_error
from ui.session import resources, state

PAGE = 100
LINES_PX = 170


@st.fragment
def render(data: DataSpec, prepared: Prepared) -> None:
    """The query, the tables and columns that it can name, and its result."""
    key = f"sql_{prepared.fingerprint}"
    examples = sql.examples(prepared, data.text_columns, data.label_column)
    st.pills("Begin with", list(examples), key=f"{key}_example", on_change=_take_example, args=(key, examples))
    state.begin_with(f"{key}_text", next(iter(examples.values())))
    st.text_area(
        "Query", key=f"{key}_text", height=LINES_PX, max_chars=sql.MOST_CHARACTERS, label_visibility="collapsed"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        asked = st.button("Run", type="primary", icon=":material/play_arrow:", key=f"{key}_run", shortcut="Ctrl+Enter")
        st.caption(_named(prepared))
    if asked:
        state.remember(f"{key}_answer", _answer(prepared, str(state.widget(f"{key}_text") or "")))
    answer = state.widget(f"{key}_answer")
    if isinstance(answer, TunedeckError):
        show_error(answer, title="The query cannot be run")
    elif isinstance(answer, sql.Answer):
        _show(answer, key)


def _take_example(key: str, examples: dict[str, str]) -> None:
    chosen = state.widget(f"{key}_example")
    if chosen in examples:
        state.remember(f"{key}_text", examples[chosen])
        state.remember(f"{key}_answer", None)


def _answer(prepared: Prepared, text: str) -> sql.Answer | TunedeckError:
    try:
        with st.spinner("Running the query"):
            return sql.run(prepared, text, settings=resources.settings())
    except TunedeckError as error:
        return error


def _named(prepared: Prepared) -> str:
    names = sql.tables(prepared)
    columns = list(dict.fromkeys(column for table_columns in names.values() for column in table_columns))
    column_names = [*map(code, columns[:8]), *([f"{len(columns) - 8:,} more"] if len(columns) > 8 else [])]
    tables = "Tables" if len(names) > 1 else "Table"
    return (
        f"{tables} {listed(map(code, names))} with {listed(column_names)}. The SQL of DuckDB; a query reads only this "
        f"dataset, for at most {sql.MOST_SECONDS:.0f} seconds."
    )


def _show(answer: sql.Answer, key: str) -> None:
    if not answer.path.is_file():
        st.info("This result is no longer stored; run the query again.", icon=":material/history:")
        return
    summary = f"{counted(answer.rows, 'row')} in {answer.seconds:.2f} s"
    if not answer.whole:
        summary += f" · there are more, but only {answer.rows:,} are stored"
    st.caption(summary)
    pages = max(1, math.ceil(answer.rows / PAGE))
    page = st.pagination(pages, key=f"{key}_page_{answer.path.stem}") if pages > 1 else 1
    try:
        frame = sql.page(answer, (page - 1) * PAGE, PAGE)
    except TunedeckError as error:
        show_error(error, title="The result cannot be shown")
        return
    if not len(frame):
        st.info("The result has no rows.", icon=":material/inbox:")
        return
    st.dataframe(frame, alt="The result of the query")
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "CSV",
            lambda: csv_of(answer.path),
            "result.csv",
            "text/csv",
            key=f"{key}_csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Parquet",
            lambda: answer.path.read_bytes(),
            "result.parquet",
            key=f"{key}_parquet",
            icon=":material/download:",
            on_click="ignore",
        )

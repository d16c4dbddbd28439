"""Preparing a dataset: its steps so far, the next step with a preview, and the result as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, BinaryIO, cast

import pandas as pd
import streamlit as st

from core.data.browsing import browse
from core.data.browsing.export import export
from core.data.dataset import Prepared
from core.data.preparing import divide
from core.data.preparing.preview import Preview, preview
from core.data.quick import QUICK_NEAR_ROWS, QUICK_ROWS
from core.data.reading.aligning.types import PLAIN
from core.data.reading.guessing import split_words
from core.errors import SpecError, TunedeckError
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import step_words
from core.wording import counted, sentence
from ui.components.basics import plain, show_error
from ui.datasets import view as datasets_view
from ui.datasets.choosing import opening
from ui.session import state

KINDS = {
    "filter": "Keep some rows",
    "map_labels": "Rename or join labels",
    "split": "Make splits",
    "split_by": "Make splits from a column's values",
    "subset": "Take a sample",
    "columns": "Keep some columns",
    "rename": "Rename columns",
    "deduplicate": "Drop copies",
    "drop_conflicts": "Drop contradictions",
    "drop_leaks": "Drop rows that are in another split",
    "clean_text": "Repair texts",
}
MOST_LABELS = 60


def render(data: DataSpec, prepared: Prepared, split: str) -> None:
    """The steps so far, the fields of the next one, and the downloads."""
    _steps(data)
    with st.container(border=True, gap="small"):
        st.markdown("**Add a step**")
        step = _new_step(data, prepared, split)
        if isinstance(step, str):
            st.button("Preview", key="preview_step", disabled=True, help=step)
        elif st.button("Preview", key="preview_step", type="primary", icon=":material/preview:"):
            preview_dialog([step.model_dump(mode="json")], data, prepared)
    _files(prepared)


def _steps(data: DataSpec) -> None:
    if not data.steps:
        st.caption(
            "There are no steps yet. Steps are part of a run's settings, so that the run can be repeated from the "
            "original file, here or on the command line."
        )
        return
    with st.container(border=True, gap="small", key="steps"):
        for number, step in enumerate(data.steps):
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.markdown(f"{number + 1}. {plain(step_words(step))}", width="stretch")
                st.button(
                    "Remove",
                    key=f"remove_step_{number}",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=_remove,
                    args=(number,),
                    help="Repeat the other steps without this one",
                )


def _remove(number: int) -> None:
    data = state.data()
    _take(data.model_copy(update={"steps": data.steps[:number] + data.steps[number + 1 :]}))


def _take(data: DataSpec) -> None:
    """Open the dataset with its new steps. Columns that a step removed are guessed again."""
    state.set_data(data)
    opening.start_if_needed(data)


@st.dialog("What this does", width="large")
def preview_dialog(steps: Sequence[dict[str, Any]], data: DataSpec, prepared: Prepared) -> None:
    """The dataset before and after new steps, with examples, and a button that applies them."""
    try:
        changed = cast(
            DataSpec, build({**data.model_dump(), "steps": [*(s.model_dump() for s in data.steps), *steps]}, DataSpec)
        )
    except SpecError as error:
        show_error(error)
        return
    new = changed.steps[len(data.steps) :]
    for step in new:
        st.markdown(f"**{plain(step_words(step))}**")
    if len(new) == 1 and _is_quick(prepared, new[0]):
        try:
            with st.spinner("Computing the preview"):
                effect = preview(prepared, new[0])
        except TunedeckError as error:
            show_error(error)
            return
        _show_preview(effect, new[0], prepared)
    else:
        st.caption(
            "There are too many rows for a preview. The step is done in the background; your file stays as it is."
        )
    if st.button("Apply", type="primary", icon=":material/check:", key="apply_steps"):
        _take(_with_columns(changed, new))
        st.rerun()


def _is_quick(prepared: Prepared, step: Any) -> bool:
    rows = sum(part.rows for part in prepared.splits.values())
    near = getattr(step, "match", "") == "near"
    return rows <= (QUICK_NEAR_ROWS * 3 if near else QUICK_ROWS)


def _with_columns(data: DataSpec, steps: Sequence[Any]) -> DataSpec:
    """The spec with the names that its text and label columns have after the steps."""
    texts, label = data.text_columns, data.label_column
    for step in steps:
        if step.step == "rename":
            texts = tuple(step.names.get(name, name) for name in texts)
            label = step.names.get(label, label) if label else label
        elif step.step == "columns":
            texts = tuple(name for name in texts if name in step.keep)
            label = label if label in step.keep else None
    splits = (
        {} if not any(s.step in ("split", "split_by") for s in steps) else {"train_split": None, "eval_split": None}
    )
    return data.model_copy(update={"text_columns": texts, "label_column": label, **splits})


def _show_preview(effect: Preview, step: Any, prepared: Prepared) -> None:
    names = list(dict.fromkeys([*effect.before, *effect.after]))
    frame = pd.DataFrame(
        {
            "Split": names,
            "Rows before": [effect.before.get(name) for name in names],
            "Rows after": [effect.after.get(name, 0) for name in names],
            "Change": [effect.after.get(name, 0) - effect.before.get(name, 0) for name in names],
        }
    )
    whole = st.column_config.NumberColumn(format="localized")
    change = st.column_config.NumberColumn(format="%d")
    st.dataframe(
        frame,
        hide_index=True,
        alt="Rows before and after",
        column_config={"Rows before": whole, "Rows after": whole, "Change": change},
    )
    if effect.note:
        st.warning(plain(effect.note.text), icon=":material/warning:")
    if effect.removed:
        st.caption(f"Some of the rows of {plain(effect.split)} that are removed:")
        removed = browse.rows(prepared, effect.split, effect.removed)
        st.dataframe(removed, height=_height(len(effect.removed)), alt="Removed rows")
    if effect.changed:
        st.caption("Some of the texts that change:")
        st.dataframe(
            pd.DataFrame(effect.changed, columns=["Before", "After"]),
            height=220,
            hide_index=True,
            alt="Texts that change",
        )
    if not effect.removed and not effect.changed and effect.before == effect.after and step.step in _ROWS_ONLY:
        st.info("It changes nothing: no row meets the condition.", icon=":material/info:")


def _height(rows: int) -> int:
    return 38 + 35 * min(rows, 6)


_ROWS_ONLY = ("filter", "deduplicate", "drop_conflicts", "drop_leaks", "clean_text", "subset")


def _new_step(data: DataSpec, prepared: Prepared, split: str) -> Any:
    """The step that the fields describe, or a sentence that says what is missing."""
    kind = st.selectbox(
        "Step", list(KINDS), format_func=KINDS.__getitem__, key="step_kind", label_visibility="collapsed"
    )
    key = f"step_{prepared.fingerprint}_{kind}"
    try:
        tree = {"step": kind, **_FIELDS[kind](key, data, prepared, split)}
        changed = cast(DataSpec, build({**data.model_dump(), "steps": [tree]}, DataSpec))
        return changed.steps[0]
    except SpecError as error:
        return sentence(error.problems[0].message)


def _filter(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    view = datasets_view.current(prepared)
    if view.where:
        use = st.toggle("Take the filters of the Rows tab", True, key=f"{key}_view")
        if use:
            return {"where": [condition.model_dump() for condition in view.where]}
    condition = datasets_view.condition_fields(key, prepared, split)
    return {"where": [] if isinstance(condition, str) else [condition.model_dump()]}


def _map_labels(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    names = [c.name for c in prepared.columns if c.kind in PLAIN]
    column = st.selectbox("Column", names, _place(names, data.label_column), key=f"{key}_column")
    labels = datasets_view.offered(column, prepared, split)
    frame = pd.DataFrame({"Label": labels[:MOST_LABELS], "New name": labels[:MOST_LABELS]})
    edited = st.data_editor(
        frame,
        hide_index=True,
        disabled=["Label"],
        key=f"{key}_table_{column}",
        height="content",
        column_config={"New name": st.column_config.TextColumn(required=True, max_chars=200)},
    )
    st.caption("Two labels with the same new name become one class.")
    pairs = zip(edited["Label"].astype(str), edited["New name"].astype(str), strict=True)
    return {"column": column, "labels": {old: new.strip() for old, new in pairs if new.strip() and new.strip() != old}}


def _split(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    whole = "All rows together"
    which, how, by = st.columns(3)
    source = which.selectbox("Divide", [whole, *prepared.splits], key=f"{key}_of")
    ways = {"stratified": "Same proportions", "random": "At random", "group": "Groups together", "time": "In order"}
    way = how.selectbox("How", list(ways), format_func=ways.__getitem__, key=f"{key}_by", help=_WAYS)
    names = [c.name for c in prepared.columns]
    column = by.selectbox(
        "Column",
        names,
        _place(names, data.label_column if way == "stratified" else None),
        key=f"{key}_column_{way}",
        disabled=way == "random",
    )
    shares = [
        part.number_input(f"% {name}", 0, 99, value, key=f"{key}_{name}")
        for part, name, value in zip(st.columns(3), ("train", "validation", "test"), (80, 10, 10), strict=True)
    ]
    seed = st.number_input("Seed", 0, 2**32 - 1, 42, key=f"{key}_seed", disabled=way == "time")
    parts = {n: s / 100 for n, s in zip(("train", "validation", "test"), shares, strict=True) if s}
    tree: dict[str, Any] = {"parts": parts, "by": way, "seed": seed, "split": "" if source == whole else source}
    return tree | ({} if way == "random" else {"column": column})


def _split_by(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    names = [c.name for c in prepared.columns if c.kind in ("text", "class", "integer", "boolean")]
    named = next(iter(divide.proposed(prepared)), None)
    column = st.selectbox("Column", names, _place(names, named), key=f"{key}_column")
    values = datasets_view.offered(column, prepared, split)[:MOST_LABELS]
    frame = pd.DataFrame({"Value": values, "Split": [split_words.kind_of(value) or "" for value in values]})
    edited = st.data_editor(
        frame,
        hide_index=True,
        disabled=["Value"],
        key=f"{key}_table_{column}",
        height="content",
        column_config={"Split": st.column_config.TextColumn(max_chars=100)},
    )
    st.caption("Rows whose value has no split are left out, and counted.")
    pairs = zip(edited["Value"].astype(str), edited["Split"].fillna("").astype(str), strict=True)
    parts = {value: name.strip() for value, name in pairs if name.strip()}
    usual = {value: kind for value in values if (kind := split_words.kind_of(value))}
    if not parts:
        st.caption("No value has a split here, so the usual words, such as train, dev and test, decide.")
    return {"column": column, "parts": {} if parts == usual else parts}


_WAYS = (
    "Same proportions: each part has the same shares of a column's values. Groups together: rows with the same value, "
    "such as an author, go to one part. In order: the first part has the earliest rows."
)


def _subset(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    rows, seed = st.columns(2)
    return {
        "rows": rows.number_input("Rows of each split", 1, None, 1_000, key=f"{key}_rows"),
        "seed": seed.number_input("Seed", 0, 2**32 - 1, 42, key=f"{key}_seed"),
    }


def _columns(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    names = [c.name for c in prepared.columns]
    return {"keep": st.multiselect("Columns to keep", names, names, key=f"{key}_keep")}


def _rename(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    names = [c.name for c in prepared.columns]
    edited = st.data_editor(
        pd.DataFrame({"Column": names, "New name": names}),
        hide_index=True,
        disabled=["Column"],
        key=f"{key}_table",
        height="content",
    )
    pairs = zip(edited["Column"].astype(str), edited["New name"].astype(str), strict=True)
    return {"names": {old: new.strip() for old, new in pairs if new.strip() != old}}


def _deduplicate(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    names = [c.name for c in prepared.columns]
    columns = st.multiselect(
        "What must be the same", names, list(data.text_columns), placeholder="All columns", key=f"{key}_columns"
    )
    return {"columns": columns, **_match(key)}


def _match(key: str) -> dict[str, Any]:
    ways = {"exact": "Exactly, ignoring case and whitespace", "near": "Nearly"}
    how, least = st.columns(2)
    match = how.selectbox("The same means", list(ways), format_func=ways.__getitem__, key=f"{key}_match")
    share = least.slider("Similarity", 50, 100, 85, 5, format="%d%%", key=f"{key}_share", disabled=match == "exact")
    return {"match": match, "threshold": share / 100}


def _drop_conflicts(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    st.caption(f"Text: {plain(', '.join(data.text_columns) or 'none')} · Label: {plain(data.label_column or 'none')}")
    return {"columns": data.text_columns, "label": data.label_column or ""}


def _drop_leaks(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    source = st.selectbox("Drop them from", list(prepared.splits), key=f"{key}_split")
    return {"columns": data.text_columns, "split": source, **_match(key)}


def _clean_text(key: str, data: DataSpec, prepared: Prepared, split: str) -> dict[str, Any]:
    names = [c.name for c in prepared.columns if c.kind == "text"]
    columns = st.multiselect("Columns", names, [n for n in data.text_columns if n in names], key=f"{key}_columns")
    return {
        "columns": columns,
        "fix_encoding": st.toggle("Repair the encoding (cafÃ© becomes café)", True, key=f"{key}_encoding"),
        "remove_control": st.toggle("Remove invisible characters", True, key=f"{key}_control"),
        "remove_markup": st.toggle("Remove HTML (&amp; and #39; become & and ')", False, key=f"{key}_markup"),
    }


_FIELDS: dict[str, Callable[[str, DataSpec, Prepared, str], dict[str, Any]]] = {
    "filter": _filter,
    "map_labels": _map_labels,
    "split": _split,
    "split_by": _split_by,
    "subset": _subset,
    "columns": _columns,
    "rename": _rename,
    "deduplicate": _deduplicate,
    "drop_conflicts": _drop_conflicts,
    "drop_leaks": _drop_leaks,
    "clean_text": _clean_text,
}


def _place(names: list[str], name: str | None) -> int:
    return names.index(name) if name in names else 0


@st.fragment
def _files(prepared: Prepared) -> None:
    """Downloads of each split; a file is written when it is requested."""
    st.markdown("**Download the result**")
    with st.container(horizontal=True, gap="small"):
        for split, part in prepared.splits.items():
            for form in ("parquet", "csv"):
                st.download_button(
                    f"{plain(split)}.{form}",
                    partial(_opened, prepared, split, form),
                    file_name=f"{split}.{form}",
                    key=f"export_{prepared.fingerprint}_{split}_{form}",
                    icon=":material/download:",
                    on_click="ignore",
                    help=f"{counted(part.rows, 'row')}",
                )
    st.caption("In CSV, a text that a spreadsheet would read as a formula gets an apostrophe in front.")


def _opened(prepared: Prepared, split: str, form: str) -> BinaryIO:
    return export(prepared, split, form).open("rb")

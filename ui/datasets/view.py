"""Which rows are shown: a search, an order, and conditions as removable chips. The page's link includes them."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from core.data.browsing.label_counts import EMPTY, OTHER
from core.data.browsing.view import MAX_VIEW_CONDITIONS, WHOLE, View
from core.data.dataset import Column, Prepared
from core.errors import SpecError, TunedeckError
from core.spec.data import DataSpec
from core.spec.run import build
from core.spec.steps import Condition, condition_words
from core.wording import sentence, shortened
from ui.components.basics import plain, show_error
from ui.datasets import columns
from ui.datasets.choosing import link
from ui.datasets.label_counts import label_counts
from ui.session import state

CHIP_CHARACTERS = 60
MOST_LIVE = 200_000  # rows up to which each keystroke searches
DOWN = ":material/arrow_downward:"
OPERATORS = {
    "is": "is one of",
    "between": "is between",
    "length": "has a length of",
    "contains": "contains",
    "matches": "matches a regular expression",
    "missing": "is missing",
}
BY_KIND: dict[str, tuple[str, ...]] = {
    "class": ("is", "missing"),
    "boolean": ("is", "missing"),
    "integer": ("between", "is", "missing"),
    "float": ("between", "is", "missing"),
    "text": ("contains", "is", "length", "matches", "missing"),
}
OTHER_KINDS = ("contains", "length", "missing")


def current(prepared: Prepared) -> View:
    """The session's view of this dataset; all rows without one."""
    return cast(View, state.widget(_key("view", prepared)) or WHOLE)


def set_view(view: View, prepared: Prepared, split: str) -> None:
    """Show these rows and reset the controls to them."""
    state.remember(_key("generation", prepared), turn(prepared) + 1)
    _keep(view, prepared, split)


def _keep(view: View, prepared: Prepared, split: str) -> None:
    state.remember(_key("view", prepared), view)
    link.write(state.data(), split, view)


def add(condition: Condition, prepared: Prepared, split: str) -> None:
    """Add a condition. Raises SpecError if there are too many."""
    set_view(current(prepared).with_condition(condition), prepared, split)


def follow_link() -> link.Linked | None:
    """Open the dataset of a new link, or show what is wrong with the link."""
    try:
        return link.read()
    except SpecError as error:
        show_error(error, title="The link cannot be followed")
        return None


def take_link(linked: link.Linked, prepared: Prepared) -> None:
    """Show the split and the view of a link, if the dataset has that split."""
    split, view = linked
    if split in prepared.splits:
        columns.set_split(split, prepared)
    state.remember(_key("view", prepared), view)
    state.remember(_key("generation", prepared), turn(prepared) + 1)


def write_link(data: DataSpec, prepared: Prepared, split: str) -> None:
    """Write what the page shows into its address."""
    link.write(data, split, current(prepared))


def controls(prepared: Prepared, split: str) -> View:
    """The row of controls, with a chip below for each condition. Returns the view that they describe."""
    view, at = current(prepared), turn(prepared)
    names = [c.name for c in prepared.columns]
    search, case, order, direction, more = st.columns(
        [3.2, 0.5, 1.8, 0.5, 1.1], vertical_alignment="bottom", gap="small"
    )
    keys = {what: _key(f"{what}_{at}", prepared) for what in ("search", "case", "sort", "direction")}
    change: dict[str, Any] = {"on_change": _changed, "args": (keys, prepared, split)}
    search.text_input(
        "Search",
        view.search,
        type="search",
        key=keys["search"],
        placeholder="Search the texts",
        max_chars=2000,
        live=prepared.splits[split].rows <= MOST_LIVE,
        **change,
    )
    case.pills(
        "Match case",
        ["Aa"],
        default="Aa" if view.match_case else None,
        key=keys["case"],
        help="Distinguish capital and small letters",
        label_visibility="collapsed",
        **change,
    )
    order.selectbox(
        "Sort by",
        names,
        names.index(view.sort) if view.sort in names else None,
        placeholder="Order of the file",
        key=keys["sort"],
        **change,
    )
    direction.pills(
        "Largest first",
        [DOWN],
        default=DOWN if view.descending else None,
        key=keys["direction"],
        disabled=view.sort is None,
        help="The largest first",
        label_visibility="collapsed",
        **change,
    )
    with (
        more,
        st.popover("Filter", icon=":material/filter_alt:", width="stretch", key=_key(f"filter_{at}", prepared)),
    ):
        _new_condition(prepared, split)
    _chips(view, prepared, split)
    return view


def _changed(keys: dict[str, str], prepared: Prepared, split: str) -> None:
    tree = {
        **current(prepared).model_dump(),
        "search": (state.widget(keys["search"]) or "").strip(),
        "match_case": bool(state.widget(keys["case"])),
        "sort": state.widget(keys["sort"]),
        "descending": bool(state.widget(keys["direction"])),
    }
    _keep(cast(View, build(tree, View)), prepared, split)


def _chips(view: View, prepared: Prepared, split: str) -> None:
    if not view.where:
        return
    with st.container(horizontal=True, gap="small", key="filter_chips"):
        for number, condition in enumerate(view.where):
            st.button(
                plain(shortened(condition_words(condition), CHIP_CHARACTERS)),
                icon=":material/close:",
                type="tertiary",
                key=_key(f"chip_{turn(prepared)}_{number}", prepared),
                help="Remove this filter",
                on_click=_remove,
                args=(number, prepared, split),
            )
        if len(view.where) > 1:
            st.button(
                "Clear all",
                key=_key("clear", prepared),
                type="tertiary",
                icon=":material/filter_alt_off:",
                on_click=_clear,
                args=(prepared, split),
            )


def _remove(number: int, prepared: Prepared, split: str) -> None:
    set_view(current(prepared).without_condition(number), prepared, split)


def _clear(prepared: Prepared, split: str) -> None:
    set_view(current(prepared).model_copy(update={"where": ()}), prepared, split)


def _new_condition(prepared: Prepared, split: str) -> None:
    """The fields of a new condition, which depend on the column's kind."""
    if len(current(prepared).where) >= MAX_VIEW_CONDITIONS:
        st.caption(f"There are {MAX_VIEW_CONDITIONS} filters, which is the maximum; remove one first.")
        return
    condition = condition_fields(_key("condition", prepared), prepared, split)
    if isinstance(condition, Condition):
        st.button(
            "Add filter",
            type="primary",
            key=_key("add_condition", prepared),
            on_click=add,
            args=(condition, prepared, split),
        )
    else:
        st.button("Add filter", type="primary", key=_key("add_condition", prepared), disabled=True, help=condition)


def condition_fields(key: str, prepared: Prepared, split: str) -> Condition | str:
    """Fields for a condition. Returns the condition, or a sentence that says what is missing."""
    names = [c.name for c in prepared.columns]
    guess = prepared.label_guess or names[0]
    name = st.selectbox("Column", names, names.index(guess), key=f"{key}_column")
    column = prepared.column(name)
    assert column is not None
    ops = BY_KIND.get(column.kind, OTHER_KINDS)
    op = st.selectbox("Condition", ops, format_func=OPERATORS.__getitem__, key=f"{key}_op_{name}")
    at = f"{key}_{name}_{op}"
    tree: dict[str, Any] = {"column": name, "op": op, **_values(at, op, column, prepared, split)}
    tree["negate"] = st.toggle("Not", key=f"{at}_not", help="Show the rows for which this is false.")
    try:
        return cast(Condition, build(tree, Condition))
    except SpecError as error:
        return sentence(error.problems[0].message)


def _values(at: str, op: str, column: Column, prepared: Prepared, split: str) -> dict[str, Any]:
    match op:
        case "is":
            return {
                "values": tuple(
                    st.multiselect(
                        "Values",
                        offered(column.name, prepared, split),
                        key=f"{at}_values",
                        accept_new_options=column.kind != "class",
                    )
                )
            }
        case "between" | "length":
            low, high = st.columns(2)
            kind: dict[str, Any] = {"min_value": 0, "step": 1} if op == "length" else {}
            unit = " (characters)" if op == "length" else ""
            return {
                "low": low.number_input(f"From{unit}", value=None, key=f"{at}_low", **kind),
                "high": high.number_input(f"To{unit}", value=None, key=f"{at}_high", **kind),
            }
        case "contains" | "matches":
            label = "Text" if op == "contains" else "Regular expression"
            text = st.text_input(label, key=f"{at}_text", max_chars=2000)
            return {"values": (text,) if text else (), "match_case": st.toggle("Match case", key=f"{at}_case")}
        case _:
            return {}


def offered(name: str, prepared: Prepared, split: str) -> list[str]:
    """The values of a column to choose from: all classes, else the most frequent values."""
    column = prepared.column(name)
    if column is None:
        return []
    if column.names:
        return list(column.names)
    try:
        labels = label_counts(column.name, prepared, split)["label"]
    except TunedeckError:
        return []
    return [str(label) for label in labels if label not in (EMPTY, OTHER)]


def turn(prepared: Prepared) -> int:
    """A number that changes whenever code outside the controls changes the view; part of the keys of reset widgets."""
    return cast(int, state.widget(_key("generation", prepared)) or 0)


def _key(what: str, prepared: Prepared) -> str:
    return f"{what}_{prepared.fingerprint}"

"""The form of a spec, generated from the spec itself: a widget per field with its help, and its errors below."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Union, cast, get_args, get_origin

import pandas as pd
import streamlit as st
from pydantic.fields import FieldInfo

from core.errors import Problem, SpecError
from core.spec.automatic import AUTO, AUTOMATIC
from core.spec.recommended import Choice as Setting
from core.spec.run import RunSpec, build, choices, spec_fields
from core.spec.training import MOST_CLASS_WEIGHT
from core.tasks import metric
from core.wording import metric_title, sentence
from ui.components.basics import plain
from ui.session import state

FIELDS: dict[str, FieldInfo] = dict(spec_fields())
PAIR = 2
SWITCH = (AUTO, True, False)
WORDS = {
    AUTO: "automatic",
    "no": "only at the end",
    "cpu": "CPU",
    "cuda": "CUDA GPU",
    "mps": "Apple GPU (mps)",
    "max_length": "to full length",
    "group_by_length": "by length",
    "tf_data": "tf.data, each batch padded",
    "numpy": "NumPy, whole arrays",
}
# Fields that matter only with certain values of another field (no values: unless the other field is turned off).
NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "keras_input": ("engine", ("keras",)),
    "training.custom_class_weights": ("training.class_weights", ("custom",)),
    "training.max_tokens_per_batch": ("engine", ("torch",)),
    "training.eval_steps": ("training.eval_strategy", ("steps",)),
    "training.save_steps": ("training.save_strategy", ("steps",)),
    "evaluation.early_stopping_threshold": ("evaluation.early_stopping_patience", ()),
    "execution.torch_compile": ("engine", ("trainer", "torch")),
    "execution.padding_free": ("engine", ("trainer", "torch")),
}


def read(form: state.Form) -> tuple[RunSpec | None, list[Problem]]:
    """The spec that the form describes; None and the problems if its fields break rules."""
    tree: dict[str, Any] = {}
    for path, value in form.values.items():
        if value is None and path in AUTOMATIC:
            value = AUTO
        elif value is None and not _takes_none(path):
            continue  # an emptied field means its default
        *parents, leaf = path.split(".")
        inner = tree
        for part in parents:
            inner = inner.setdefault(part, {})
        inner[leaf] = value
    try:
        return cast(RunSpec, build(tree)), []
    except SpecError as error:
        return None, error.problems


def title(path: str) -> str:
    """The title of a field or section."""
    info = FIELDS.get(path) or RunSpec.model_fields.get(path)
    return (info.title if info else None) or path


def is_main(path: str) -> bool:
    return bool(cast("dict[str, Any]", FIELDS[path].json_schema_extra)["main"])


def is_void(path: str, values: dict[str, Any]) -> bool:
    """Whether the values of other fields make this one meaningless. A field with its own value stays visible."""
    if path not in NEEDS or values[path] not in (FIELDS[path].get_default(), None):
        return False
    other, wanted = NEEDS[path]
    return values[other] not in wanted if wanted else values[other] == state.OFF


def is_wide(path: str) -> bool:
    """Whether a field needs a row of its own."""
    return get_origin(_kind(path)[0]) in (tuple, dict)


def has_choice(path: str) -> bool:
    """Whether a field has more than one possible value."""
    kind, _ = _kind(path)
    options = choices(path) or (get_args(kind) if get_origin(kind) is Literal else ())
    return len(options) != 1


def show_problems(path: str, problems: Iterable[Problem]) -> None:
    """The errors of a field, shown below it."""
    for problem in problems:
        if problem.field == path:
            st.markdown(f":red[:material/error: {plain(sentence(problem.message))}]")


def show_advice(path: str, advice: Iterable[Problem]) -> None:
    """The advice about a field, shown below it."""
    for hint in advice:
        if hint.field == path:
            st.caption(f":orange[:material/lightbulb: {plain(sentence(hint.message))}]")


def field(
    form: state.Form,
    path: str,
    problems: Iterable[Problem] = (),
    *,
    names: Sequence[str] | None = None,
    placeholder: str | None = None,
    recommended: Sequence[Setting] = (),
    after: Callable[[], None] | None = None,
) -> None:
    """One field of the form with its problems.

    recommended: what automatic settings will be, which an empty field shows

    names: the options of a field for names (of columns, splits); None if unknown, then the person types them
    placeholder: the meaning of an empty field; after: called when the field has changed
    """
    key = form.key(path)
    common: dict[str, Any] = {
        "key": key,
        "help": help_text(path),
        "on_change": _keep,
        "args": (path, key, after),
    }
    # Token counts are estimates until the tokenizer has seen the texts; the field is too narrow for "about".
    about = "auto: ~" if path == "model.max_length" else "auto: "
    automatic = next(
        (f"{about}{_written(choice.value) or 'off'}" for choice in recommended if choice.path == path), None
    )
    with st.container(gap="xsmall"):
        _widget(form, path, common, names, placeholder or automatic)
        show_problems(path, problems)


def help_text(path: str) -> str:
    """The field's description, its default and the reason for the default."""
    info = FIELDS[path]
    reason = _reason(path)
    default = info.get_default()
    if isinstance(default, str):
        default = _word(default)
    default = f"Default: {_written(default)}." if default not in (None, "") and not isinstance(default, tuple) else ""
    if path in AUTOMATIC:
        default, reason = "Left empty, it is chosen from your data, the model and this machine.", ""
    return plain(" ".join(part for part in (info.description, default, reason) if part))


def _reason(path: str) -> str:
    return str(cast("dict[str, Any]", FIELDS[path].json_schema_extra)["reason"])


def _widget(
    form: state.Form, path: str, common: dict[str, Any], names: Sequence[str] | None, placeholder: str | None
) -> None:
    kind = _kind(path)[0]
    label, value = title(path), form.values[path]
    default = FIELDS[path].get_default()
    empty = placeholder or _written(default) or _reason(path).rstrip(".") or "Empty"
    options = choices(path, form.values["task"])
    if path in AUTOMATIC:
        empty = placeholder or AUTO
    if get_origin(kind) is Literal or (options and kind is str):
        options = options or get_args(kind)
        if path in AUTOMATIC:
            options, value = (AUTO, *options), value or AUTO
        st.selectbox(label, options, options.index(value), format_func=_word, **common)
    elif get_origin(kind) is tuple:
        _several(label, options, value or (), names, common, empty)
    elif get_origin(kind) is dict:
        _weights(path, value or {}, names or ())
    elif names is not None:
        chosen = [*names, *([value] if value is not None and value not in names else [])]
        state.begin_with(common["key"], value)
        st.selectbox(label, chosen, None, placeholder=empty, **common)
    elif kind is bool and path in AUTOMATIC:
        st.selectbox(label, SWITCH, SWITCH.index(AUTO if value is None else value), format_func=_written_word, **common)
    elif kind is bool:
        st.space("small")  # aligns with fields that have a label above
        st.toggle(label, value, **common)
    elif kind is int:
        state.begin_with(common["key"], value)
        st.number_input(label, value=None, step=1, placeholder=empty, **common)
    elif kind is float and not (default and _is_tiny(default)):
        state.begin_with(common["key"], value)
        step = 1.0 if default is None or default >= 1 else 0.01
        st.number_input(label, value=None, step=step, format="%g", placeholder=empty, **common)
    else:
        st.text_input(label, _written(value), placeholder=empty, **common)


def _several(
    label: str,
    choices: Sequence[str],
    value: Sequence[str],
    names: Sequence[str] | None,
    common: dict[str, Any],
    empty: str,
) -> None:
    """A field for several values: of a fixed set of choices, or names of columns."""
    if choices:
        st.pills(label, choices, selection_mode="multi", default=value, format_func=_word, **common)
        return
    columns = [*(names or ()), *(name for name in value if name not in (names or ()))]
    st.multiselect(
        label, columns, value, max_selections=PAIR, accept_new_options=names is None, placeholder=empty, **common
    )


def _weights(path: str, value: dict[str, float], classes: Sequence[str]) -> None:
    """A table of classes with their weights; weights of 1 are left out of the spec."""
    key = state.form().key(path)
    base = state.widget(f"{key}_base")
    if base is None:
        base = {name: value.get(name, 1.0) for name in [*classes, *value]}
        state.remember(f"{key}_base", base)
    st.markdown(title(path), help=help_text(path))
    st.data_editor(
        pd.DataFrame({"class": pd.array(list(base), dtype="str"), "weight": list(base.values())}, dtype=None),
        key=key,
        hide_index=True,
        num_rows="dynamic",
        width=420,
        height=min(38 + 35 * (len(base) + 1), 320),
        on_change=_keep_weights,
        args=(path, key),
        column_config={
            "class": st.column_config.TextColumn("Class", required=True, width=260),
            "weight": st.column_config.NumberColumn(
                "Weight", required=True, default=1.0, min_value=0.001, max_value=MOST_CLASS_WEIGHT, format="%g"
            ),
        },
    )


def _keep_weights(path: str, key: str) -> None:
    """Copy the table into the form: its original rows with the changes, additions and deletions."""
    edits = state.widget(key)
    rows = [{"class": name, "weight": weight} for name, weight in state.widget(f"{key}_base").items()]
    for number, changes in edits["edited_rows"].items():
        rows[int(number)] |= changes
    rows = [row for number, row in enumerate(rows) if number not in edits["deleted_rows"]] + edits["added_rows"]
    state.form().values[path] = {
        row["class"]: row["weight"] for row in rows if row.get("class") and row.get("weight") not in (None, 1)
    }


def _keep(path: str, key: str, after: Callable[[], None] | None) -> None:
    """Copy a widget's value into the form; a number typed as text becomes a number."""
    value = state.widget(key)
    if isinstance(value, str):
        value = value.strip()
        if _kind(path)[0] is float:
            value = _as_number(value)
        elif value == "" and _takes_none(path):
            value = None
    state.form().values[path] = value
    if after is not None:
        after()


def _as_number(text: str) -> float | str | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _kind(path: str) -> tuple[Any, bool]:
    """A field's type without `| None`, and whether None is allowed."""
    annotation = FIELDS[path].annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next(a for a in get_args(annotation) if a is not type(None)), True
    return annotation, False


def _takes_none(path: str) -> bool:
    return _kind(path)[1]


def _is_tiny(number: float) -> bool:
    """Whether a number is written like 5e-05, where a field with steps would not help."""
    return 0 < abs(number) < 1e-3


def _word(value: str) -> str:
    return metric_title(value) if metric(value) else WORDS.get(value, value.replace("_", " "))


def _written_word(value: bool | str) -> str:
    return _word(value) if isinstance(value, str) else _written(value)


def _written(value: Any) -> str:
    """A value as a person writes it; empty for no value."""
    match value:
        case None | () | "":
            return ""
        case bool():
            return "on" if value else "off"
        case float():
            return re.sub(r"e([+-])0*", r"e\1", f"{value:g}").replace("e+", "e")
        case dict():
            return ", ".join(f"{name}: {weight:g}" for name, weight in value.items())
        case tuple() | list():
            return ", ".join(_word(v) for v in value)
        case _:
            return str(value)

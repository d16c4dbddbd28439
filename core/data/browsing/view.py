"""A view of a split: conditions, a search and an order. Views are kept in links; only this module turns them into SQL.

SQL refers to columns by the names that the connection's view gives them and to values by parameters, so that neither
can inject SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from core.data.dataset import Column, Prepared
from core.data.reading.aligning.types import PLAIN
from core.errors import DataError, Problem, SpecError
from core.spec.run import build
from core.spec.section import Section, setting
from core.spec.steps import LONG_TEXT, Condition

BLANKS = " \t\r\n\u3000\u00a0"
MAX_LINK = 20_000  # characters
MAX_VIEW_CONDITIONS = 20
TRUE, FALSE = ("true", "True", "1", "yes"), ("false", "False", "0", "no")


class View(Section):
    """Which rows of a split are shown, and in which order."""

    where: tuple[Condition, ...] = setting((), "Conditions", max_length=MAX_VIEW_CONDITIONS)
    """All of them are true of a row that is shown."""

    search: str = setting("", "Search", max_length=LONG_TEXT)
    """A text that is in one of the text columns."""

    match_case: bool = setting(False, "Match case")
    """Whether capital and small letters differ in the search."""

    sort: str | None = setting(None, "Sort by", max_length=1000)
    """The column to sort by. Empty for the order of the file."""

    descending: bool = setting(False, "Descending")
    """The largest first."""

    @property
    def is_whole(self) -> bool:
        """Whether it shows all rows in the order of the file."""
        return not (self.where or self.search or self.sort)

    def with_condition(self, condition: Condition) -> View:
        """Adds a condition, which replaces an earlier one of the same kind on the same column."""
        others = (c for c in self.where if (c.column, c.op) != (condition.column, condition.op))
        return cast(
            View,
            build({**self.model_dump(), "where": [*(c.model_dump() for c in others), condition.model_dump()]}, View),
        )

    def without_condition(self, number: int) -> View:
        return self.model_copy(update={"where": self.where[:number] + self.where[number + 1 :]})


WHOLE = View()


def to_link(view: View) -> str:
    """Writes a view as short text for a URL; empty for all rows."""
    changed = view.model_dump(exclude_defaults=True, mode="json")
    return json.dumps(changed, ensure_ascii=False, separators=(",", ":")) if changed else ""


def from_link(text: str) -> View:
    """Reads the view of a URL, which may be hostile. Raises SpecError."""
    if len(text) > MAX_LINK:
        raise SpecError(
            [
                Problem.of(
                    "view-link-too-long",
                    "the link's view has {characters:,} characters; the most is {most:,}",
                    "view",
                    characters=len(text),
                    most=MAX_LINK,
                )
            ]
        )
    try:
        tree = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        raise SpecError(
            [Problem.of("view-link-unreadable", "the link's view is not readable; open the dataset again", "view")]
        ) from None
    return cast(View, build(tree, View))


def where_sql(view: View, prepared: Prepared, columns: Mapping[str, str]) -> tuple[str, list[Any]]:
    """Returns the WHERE condition of a view and its parameters. Raises DataError.

    columns: column → its SQL expression
    """
    parts, parameters = conditions_sql(view.where, prepared, columns)
    if view.search:
        texts = [columns[c.name] for c in prepared.columns if c.kind == "text" and c.name in columns]
        if not texts:
            raise DataError.of("no-text-to-search", "there is no text column to search; filter by a column instead")
        contains, needle = _contains("{}", view.search, view.match_case)
        parts = f"({parts}) AND ({' OR '.join(contains.format(text) for text in texts)})"
        parameters += [needle] * len(texts)
    return parts, parameters


def conditions_sql(where: Iterable[Condition], prepared: Prepared, columns: Mapping[str, str]) -> tuple[str, list[Any]]:
    """Returns all conditions as SQL and its parameters. Raises DataError for an unknown column or a wrong value."""
    parts, parameters = ["true"], []
    for condition in where:
        column = prepared.column(condition.column)
        if column is None or condition.column not in columns:
            names = ", ".join(c.name for c in prepared.columns if c.name in columns)
            raise DataError.of(
                "no-such-column",
                "there is no column {column!r}; the columns are {columns}",
                column=condition.column,
                columns=names,
            )
        sql, values = _condition_sql(condition, column, columns[condition.column])
        parts.append(f"NOT coalesce({sql}, false)" if condition.negate else f"coalesce({sql}, false)")
        parameters += values
    return " AND ".join(parts), parameters


def order_sql(view: View, prepared: Prepared, columns: Mapping[str, str]) -> str:
    """Returns the ORDER BY expression; equal rows stay in the order of the file. Raises DataError."""
    if not view.sort:
        return "n"
    if view.sort not in columns:
        raise DataError.of(
            "no-column-to-sort-by",
            "there is no column {sort!r} to sort by; the columns are {columns}",
            sort=view.sort,
            columns=", ".join(columns),
        )
    return f"{columns[view.sort]} {'DESC' if view.descending else 'ASC'} NULLS LAST, n"


def hits(view: View) -> re.Pattern[str] | None:
    """Returns a pattern for the search hits in a text; None without a search."""
    return re.compile(re.escape(view.search), 0 if view.match_case else re.IGNORECASE) if view.search else None


def _condition_sql(condition: Condition, column: Column, sql: str) -> tuple[str, list[Any]]:
    text = sql if column.kind == "text" else f"CAST({sql} AS VARCHAR)"
    match condition.op:
        case "is":
            values = [_typed(value, column) for value in condition.values]
            selected = text if column.kind not in PLAIN else sql
            return f"{selected} IN ({', '.join('?' * len(values))})", values
        case "between":
            if column.kind == "decimal":
                return _limits(f"CAST({sql} AS DOUBLE)", condition)
            if column.kind not in ("integer", "float"):
                raise DataError.of(
                    "condition-needs-numbers",
                    "{column!r} holds {kind} values, not numbers; use another condition on it",
                    column=column.name,
                    kind=column.kind,
                )
            return _limits(sql, condition)
        case "length":
            return _limits(f"length({text})", condition)
        case "contains":
            contains, needle = _contains(text, condition.values[0], condition.match_case)
            return contains, [needle]
        case "matches":
            return f"regexp_matches({text}, ?, '{'c' if condition.match_case else 'i'}')", [condition.values[0]]
        case _:
            if column.kind == "class":
                return f"({sql} IS NULL OR {sql} < 0)", []
            return (
                f"({sql} IS NULL OR trim({sql}, '{BLANKS}') = '')" if column.kind == "text" else f"{sql} IS NULL"
            ), []


def _contains(sql: str, needle: str, match_case: bool) -> tuple[str, str]:
    if match_case:
        return f"contains({sql}, ?)", needle
    escaped = re.sub(r"([\\%_])", r"\\\1", needle)
    return f"{sql} ILIKE ? ESCAPE '\\'", f"%{escaped}%"


def _limits(sql: str, condition: Condition) -> tuple[str, list[Any]]:
    if condition.low is None or condition.high is None:
        return (f"{sql} <= ?", [condition.high]) if condition.low is None else (f"{sql} >= ?", [condition.low])
    return f"{sql} BETWEEN ? AND ?", [condition.low, condition.high]


def _typed(value: str, column: Column) -> Any:
    """Converts a value of an `is` condition to the type of the column. Raises DataError."""
    wrong = DataError.of(
        "value-not-of-column",
        "{value!r} is not a value of {column!r}, which holds {kind} values",
        value=value,
        column=column.name,
        kind=column.kind,
    )
    match column.kind:
        case "class":
            names = column.names or ()
            if value not in names:
                listed = ", ".join(names[:20])
                raise DataError.of(
                    "no-such-class",
                    "{value!r} is not a class of {column!r}; the classes are {classes}",
                    value=value,
                    column=column.name,
                    classes=listed,
                )
            return names.index(value)
        case "boolean":
            if value not in TRUE + FALSE:
                raise wrong
            return value in TRUE
        case "integer" | "float":
            try:
                return int(value) if column.kind == "integer" else float(value)
            except ValueError:
                raise wrong from None
        case _:
            return value

"""How the checks count: which rows of a split a condition is true of, and which splits have certain columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from core.data.browsing import database
from core.data.dataset import Prepared

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = 20
MANY = 0.01  # a share of the rows from which a common flaw deserves a look

Names = dict[str, str]
"""Column -> how it is selected in SQL."""

Query = Callable[[Names], tuple[str, list[Any]]]


class Rows(NamedTuple):
    """How many rows there are, and the numbers of the first `EXAMPLES` of them."""

    total: int
    first: tuple[int, ...]


def collected(batches: Iterable[np.ndarray]) -> Rows:
    """The rows whose numbers come in batches, in any order."""
    count = 0
    first: list[int] = []
    for numbers in batches:
        count += len(numbers)
        first = sorted([*first, *numbers[:EXAMPLES].tolist()])[:EXAMPLES]
    return Rows(count, tuple(first))


def rows_of(prepared: Prepared, split: str, query: Query) -> Rows:
    """The rows whose numbers a query returns."""
    return collected(numbers for (numbers,) in database.query(prepared, split, query))


def rows_where(prepared: Prepared, split: str, condition: Callable[[Names], str]) -> Rows:
    """The rows that a condition in SQL is true of."""
    return rows_of(prepared, split, lambda names: (f"SELECT n FROM data WHERE {condition(names)}", []))


def about(column: str, template: str) -> Callable[[Names], str]:
    """SQL about one column, which is `{}` in the template."""
    return lambda names: template.replace("{}", names[column])


def value_of(prepared: Prepared, split: str, column: str, template: str) -> float:
    """One number that SQL computes from a column."""
    sql = about(column, template)
    batches = database.query(prepared, split, lambda names: (f"SELECT {sql(names)} FROM data", []))
    return next(float(values[0]) for (values,) in batches)


def has_columns(prepared: Prepared, split: str, columns: Sequence[str]) -> bool:
    """Whether a split has all of these columns."""
    from core.data.reading.tables import parquet

    with parquet.open_file(prepared.splits[split].path) as file:
        return set(columns) <= set(file.schema_arrow.names)


def splits_with(prepared: Prepared, columns: Sequence[str]) -> list[str]:
    """The splits that have rows and all of these columns."""
    return [name for name, part in prepared.splits.items() if part.rows and has_columns(prepared, name, columns)]

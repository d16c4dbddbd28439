"""Finds rows whose texts occur again: in the same split, with another label, or in another split.

Texts are equal if they match when case and whitespace are ignored. An empty text equals no other text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from core.data.browsing import database
from core.data.dataset import Prepared, Progress
from core.errors import DataError
from core.spec.steps import Deduplicate, DropConflicts, DropLeaks

if TYPE_CHECKING:
    import numpy as np


def same_sql(columns: Sequence[str], names: dict[str, str], prepared: Prepared) -> str:
    """Returns SQL for a 64-bit key that is equal for rows whose columns are equal, ignoring case and whitespace.

    The key is NULL for a row in which all of the columns are empty, since empty rows are not copies of each other.
    """
    parts = []
    for name in columns:
        column = prepared.column(name)
        text = f"CAST({names[name]} AS VARCHAR)"
        if column is not None and column.kind == "text":
            text = f"lower(trim(regexp_replace({text}, '\\s+', ' ', 'g')))"
        parts.append(f"coalesce({text}, '')")
    empty = " AND ".join(f"{part} = ''" for part in parts)
    return f"CASE WHEN {empty} THEN NULL ELSE md5_number_lower(concat_ws(chr(31), {', '.join(parts)})) END"


def copies_sql(columns: Sequence[str], names: dict[str, str], prepared: Prepared) -> str:
    """Returns an SQL condition for rows that repeat an earlier row."""
    key = same_sql(columns, names, prepared)
    return f"{key} IS NOT NULL AND n NOT IN (SELECT min(n) FROM data GROUP BY {key})"


def conflicts_sql(columns: Sequence[str], label: str, names: dict[str, str], prepared: Prepared) -> str:
    """Returns an SQL condition for rows whose texts also occur with another label."""
    key = same_sql(columns, names, prepared)
    return f"{key} IN (SELECT {key} FROM data GROUP BY 1 HAVING count(DISTINCT {names[label]}) > 1)"


def text_keys(prepared: Prepared, columns: Sequence[str]) -> Callable[[dict[str, str]], tuple[str, list[Any]]]:
    """Returns a query for the row number and text key of each row that is not empty; equal texts have equal keys."""

    def sql(names: dict[str, str]) -> tuple[str, list[Any]]:
        return f"SELECT n, k FROM (SELECT n, {same_sql(columns, names, prepared)} AS k FROM data) WHERE k NOTNULL", []

    return sql


def mask_of(prepared: Prepared, split: str, sql: Callable[[dict[str, str]], tuple[str, list[Any]]]) -> np.ndarray:
    """Returns a mask, bool (rows,), of the rows whose numbers a query returns."""
    import numpy as np

    mask = np.zeros(prepared.splits[split].rows, dtype=bool)
    for (numbers,) in database.query(prepared, split, sql):
        mask[numbers] = True
    return mask


def first_of_each(
    prepared: Prepared, split: str, columns: Sequence[str], step: Deduplicate, progress: Progress
) -> np.ndarray:
    """Returns a mask of the rows to keep: the first of each group of equal, or nearly equal, rows."""
    import numpy as np

    if step.match == "near":
        from core.data.preparing.near import groups

        mask = np.ones(prepared.splits[split].rows, dtype=bool)
        for group in groups(prepared, [split], columns, step.threshold, progress):
            mask[[number for _, number in sorted(group)[1:]]] = False
        return mask
    return ~mask_of(
        prepared, split, lambda names: (f"SELECT n FROM data WHERE {copies_sql(columns, names, prepared)}", [])
    )


def without_conflicts(prepared: Prepared, split: str, step: DropConflicts) -> np.ndarray:
    """Returns a mask of the rows to keep: those whose texts have one label only."""

    def sql(names: dict[str, str]) -> tuple[str, list[Any]]:
        return f"SELECT n FROM data WHERE {conflicts_sql(step.columns, step.label, names, prepared)}", []

    return ~mask_of(prepared, split, sql)


def without_leaks(prepared: Prepared, step: DropLeaks, progress: Progress) -> np.ndarray:
    """Returns a mask of the rows to keep: those whose texts occur in no other split. Raises DataError."""
    import numpy as np

    others = [name for name in prepared.splits if name != step.split]
    if not others:
        raise DataError.of(
            "only-split",
            "{split!r} is the only split, so its texts cannot occur in another one",
            "data.steps",
            split=step.split,
        )
    mask = np.ones(prepared.splits[step.split].rows, dtype=bool)
    if step.match == "near":
        from core.data.preparing.near import groups

        for group in groups(prepared, [step.split, *others], step.columns, step.threshold, progress):
            if any(split != step.split for split, _ in group):
                mask[[number for split, number in group if split == step.split]] = False
        return mask
    keys = text_keys(prepared, step.columns)
    parts = [part for name in others for _, part in database.query(prepared, name, keys)]
    elsewhere = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    for numbers, here in database.query(prepared, step.split, keys):
        mask[numbers[np.isin(here, elsewhere)]] = False
    return mask

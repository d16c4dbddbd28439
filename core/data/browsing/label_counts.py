"""How often each label of a column occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.data.browsing.cells import cell, named
from core.data.browsing.database import column_of, connect, split_of
from core.data.dataset import Column, Prepared

if TYPE_CHECKING:
    import pandas as pd

MAX_LABELS = 50
OTHER = "(other)"
EMPTY = "(empty)"


def label_counts(prepared: Prepared, split: str, column: str, most: int = MAX_LABELS) -> pd.DataFrame:
    """The columns label and count: classes in their order, else the most frequent label first.

    At most `most` labels and the rest as `OTHER`; empty values are counted as `EMPTY`. Raises DataError.
    """
    import pandas as pd

    part, described = split_of(prepared, split), column_of(prepared, column)
    with connect(part) as (connection, names):
        if column not in names:
            return pd.DataFrame({"label": [], "count": []})
        sql = f"SELECT {names[column]}, count(*) FROM data GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most + 1}"
        counts = connection.execute(sql).fetchall()
    if len(counts) > most:
        counts = counts[:most]
        counts.append((OTHER, part.rows - sum(count for _, count in counts)))
    elif described.names or described.kind in ("integer", "float", "boolean"):
        counts.sort(key=lambda pair: (pair[0] is None, pair[0]))
    labels = [_label(value, described) for value, _ in counts]
    return pd.DataFrame({"label": labels, "count": [count for _, count in counts]})


def _label(value: Any, column: Column) -> Any:
    if value is OTHER:
        return OTHER
    return EMPTY if named(value, column.names) is None else cell(value, column.names)

"""Which row goes to which part when a dataset is divided: in proportion, at random, by groups, or in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.data.prepared import Prepared
from core.data.reading import parquet
from core.errors import DataError
from core.steps import Divide

if TYPE_CHECKING:
    import numpy as np


def codes_of(prepared: Prepared, sources: Sequence[str], column: str) -> np.ndarray:
    """For each row the place of its value among the sorted different values; missing ones come last."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for split in sources:
        with parquet.open_file(prepared.splits[split].path) as file:
            if column not in file.schema_arrow.names:
                raise DataError(f"the split {split!r} has no column {column!r}; choose another", "data.steps")
            found.append(parquet.plain(file.read(columns=[column]).column(0)))
    try:
        together = pa.chunked_array([chunk for values in found for chunk in values.chunks], found[0].type)
        ranks = pc.rank(together, sort_keys="ascending", tiebreaker="dense")
    except (pa.ArrowException, TypeError):
        raise DataError(f"the values of {column!r} have no order; choose another column", "data.steps") from None
    return np.asarray(ranks, dtype=np.int64) - 1


def assigned(rows: int, values: np.ndarray | None, step: Divide) -> np.ndarray:
    """The number of each row's part."""
    import numpy as np

    rng = np.random.default_rng(step.seed)
    ends = np.cumsum(list(step.parts.values()))
    parts = np.empty(rows, dtype=np.int8)

    def share_out(order: np.ndarray) -> None:
        places = (np.arange(len(order)) + 0.5) / max(1, len(order))
        parts[order] = np.minimum(np.searchsorted(ends, places), len(ends) - 1)

    if step.by == "time":
        assert values is not None
        share_out(np.argsort(values, kind="stable"))
    elif step.by == "group":
        assert values is not None
        _share_groups(values, ends, rng, parts)
    elif step.by == "stratified":
        assert values is not None
        shuffled = rng.permutation(rows)
        # Spread each class evenly over the order that is then cut: every part gets its share of each class.
        by_class = shuffled[np.argsort(values[shuffled], kind="stable")]
        counts = np.bincount(values)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        within = np.arange(rows) - np.repeat(starts, counts)
        position = (within + rng.random(len(counts)).repeat(counts)) / np.repeat(counts, counts)
        share_out(by_class[np.argsort(position, kind="stable")])
    else:
        share_out(rng.permutation(rows))
    return parts


def _share_groups(values: np.ndarray, ends: np.ndarray, rng: np.random.Generator, parts: np.ndarray) -> None:
    """Whole groups, drawn in a random order; each goes to the part that is farthest below its share."""
    import numpy as np

    counts = np.bincount(values)
    wanted = np.diff(np.concatenate([[0.0], ends])) * len(values)
    filled = np.zeros(len(ends))
    of_group = np.empty(len(counts), dtype=np.int8)
    for group in rng.permutation(len(counts)):
        of_group[group] = int(np.argmax((wanted - filled) / wanted))
        filled[of_group[group]] += counts[group]
    parts[:] = of_group[values]

"""Which rows a view shows: found once, then kept in a file beside the dataset, of which any page is a slice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import seals
from core.data.browsing import database
from core.data.browsing.view import View, order_sql, where_sql
from core.data.dataset import Prepared, Split

if TYPE_CHECKING:
    import numpy as np

VIEW_FORMAT, MOST_VIEWS = 1, 40


def row_numbers(prepared: Prepared, split: str, view: View) -> np.ndarray:
    """The numbers of the rows that a view shows, in its order, (rows,) of uint32 or uint64.

    Raises DataError for columns that the dataset lacks, and if the search takes longer than `database.MOST_S`.
    """
    import numpy as np

    part = database.split_of(prepared, split)
    path = _path(prepared, part, view)
    try:
        if seals.info(path) is not None:
            kept: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return kept
    except (OSError, ValueError):
        pass
    numbers = _search(prepared, part, view)
    _keep(path, numbers)
    return numbers


def _path(prepared: Prepared, part: Split, view: View) -> Path:
    key = json.dumps([VIEW_FORMAT, part.name, str(part.path), view.model_dump(mode="json")])
    return prepared.folder / database.SPILL / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"


def _search(prepared: Prepared, part: Split, view: View) -> np.ndarray:
    import numpy as np

    kind = np.uint32 if part.rows < 2**32 else np.uint64

    def sql(names: database.Names) -> tuple[str, list[Any]]:
        where, parameters = where_sql(view, prepared, names)
        return f"SELECT n FROM data WHERE {where} ORDER BY {order_sql(view, prepared, names)}", parameters

    batches = database.query(prepared, part.name, sql, database.MOST_S)
    numbers = [batch.astype(kind) for (batch,) in batches]
    return np.concatenate(numbers) if numbers else np.empty(0, kind)


def _keep(path: Path, numbers: np.ndarray) -> None:
    """Keep the result for the next page and the next visit. Without it both are slower, so a full disk is no error."""
    import numpy as np

    try:
        path.parent.mkdir(exist_ok=True)
        with seals.sealed_file(path) as partial, partial.open("wb") as file:
            np.save(file, numbers, allow_pickle=False)
        newest_first = sorted(path.parent.glob("[!.]*.npy"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in newest_first[MOST_VIEWS:]:
            seals.remove(old)
    except OSError:
        pass

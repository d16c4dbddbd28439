"""The texts of judged examples beside their predictions, for where the dataset itself is not: `examples.parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.reading.aligning import types
from core.data.reading.tables import parquet
from core.files import replace_file

if TYPE_CHECKING:
    import pandas as pd

    from core.data.dataset import Prepared

NAME = "examples.parquet"
ROW = "row"


def write(path: Path, predictions: Path, prepared: Prepared, split: str, columns: Sequence[str]) -> None:
    """One line per judged example: its row number, then its texts as column 1, 2, …, whatever they are called."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(predictions, columns=[ROW]).column(ROW)
    with parquet.open_file(prepared.splits[split].path) as file:
        texts = file.read(columns=list(columns))
    arrays = [types.as_text(texts.column(name)).take(rows) for name in columns]
    table = pa.table([rows.combine_chunks(), *arrays], names=[ROW, *(f"text_{n}" for n in range(len(columns)))])
    with replace_file(path) as partial:
        pq.write_table(table, partial, row_group_size=10_000)


def read(path: Path, rows: Sequence[int], columns: Sequence[str]) -> pd.DataFrame | None:
    """The texts of some rows, in their order, by the names of their columns; None if there are none."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    names = [ROW, *(f"text_{n}" for n in range(len(columns)))]
    frame = pq.read_table(path, columns=names, filters=pc.field(ROW).isin(list(rows))).to_pandas().set_index(ROW)
    frame.columns = list(columns)
    return frame.reindex(list(rows)).fillna("")

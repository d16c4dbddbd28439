"""A prepared dataset in the Hub's layout: data/<split>.parquet, and a card that lists splits and features."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from core.data.dataset import Column, Prepared, Progress, ignore
from core.data.reading.aligning import types
from core.data.reading.aligning.columns import COMPRESSION
from core.data.reading.tables import bounded, parquet
from core.errors import DataError
from core.settings import Settings
from core.sharing import redact
from core.sharing.hub.outgoing import Outgoing, as_text
from core.sharing.model.model_files import CARD
from core.wording import counted, listed

if TYPE_CHECKING:
    from core.sharing.hub.push_spec import PushSpec

SIMPLE = ("text", "integer", "float", "boolean", "class")
DTYPES = {"text": "string", "integer": "int64", "float": "float64", "boolean": "bool", "class": "int64"}
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)


class Part(NamedTuple):
    """One pushed split. split: its name on the Hub; path: in the repository; rows: their number"""

    split: str
    path: str
    rows: int


def choose_splits(prepared: Prepared, wanted: Sequence[str], aside: set[str], *, final_tests: bool) -> list[str]:
    """The splits to push: the wanted ones, or all except final tests. Raises DataError."""
    if unknown := [name for name in wanted if name not in prepared.splits]:
        raise DataError.of(
            "no-such-split",
            "there is no split {wanted!r}; the splits are {splits}",
            "splits",
            wanted=unknown[0],
            splits=list(prepared.splits),
        )
    if (secret := [name for name in wanted if name in aside]) and not final_tests:
        raise DataError.of(
            "pushed-split-is-final-test",
            "the split {split!r} is set aside as a final test, and a published test is no longer unseen; leave it "
            "out, or allow it with final_tests",
            "splits",
            split=secret[0],
        )
    chosen = [name for name in (wanted or prepared.splits) if prepared.splits[name].rows]
    chosen = [name for name in chosen if name not in aside or (final_tests and name in wanted)]
    if not chosen:
        raise DataError.of("no-split-to-push", "no split with rows is left to push; choose one", "splits")
    return chosen


def choose_columns(prepared: Prepared, wanted: Sequence[str], texts: Sequence[str], label: str | None) -> list[Column]:
    """The columns to push: the wanted ones, or texts and label. Raises DataError."""
    names = list(wanted) or [*texts, *([label] if label else [])]
    chosen = []
    for name in names:
        column = prepared.column(name)
        if column is None:
            names_there = ", ".join(c.name for c in prepared.columns)
            raise DataError.of(
                "no-such-column-to-push",
                "there is no column {column!r}; the columns are {columns}",
                "columns",
                column=name,
                columns=names_there,
            )
        if column.kind not in SIMPLE:
            raise DataError.of(
                "column-not-pushable",
                "the column {column!r} contains neither texts nor numbers; leave it out",
                "columns",
                column=name,
            )
        chosen.append(column)
    if not chosen:
        raise DataError.of("no-column-to-push", "no column is chosen; choose the columns to push", "columns")
    return chosen


def dataset_files(
    prepared: Prepared,
    splits: Sequence[str],
    columns: Sequence[Column],
    spec: PushSpec,
    folder: Path,
    settings: Settings,
    category: str,
    progress: Progress = ignore,
) -> list[Outgoing]:
    """Write the splits below `folder`; returns them and their card, see there. Raises DataError."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    files, parts = [], []
    for number, (split, name) in enumerate(zip(splits, hub_names(splits), strict=True)):
        progress(f"Writing {split}", number / len(splits))
        part = Part(name, f"data/{name}.parquet", prepared.splits[split].rows)
        _write(prepared.splits[split].path, columns, folder / part.path)
        files.append(Outgoing(part.path, folder / part.path, (folder / part.path).stat().st_size))
        parts.append(part)
    text = spec.card or card(redact.clean(prepared.title, settings), parts, columns, spec, category)
    return [*files, as_text(CARD, redact.clean(text, settings))]


def hub_names(splits: Sequence[str]) -> list[str]:
    """Unique names that the Hub accepts for the splits, in the same order."""
    names: list[str] = []
    for split in splits:
        name = first = re.sub(r"[^A-Za-z0-9_]", "_", split)[:60].strip("_") or "split"
        number = 1
        while name.lower() in {taken.lower() for taken in names}:
            number += 1
            name = f"{first}_{number}"
        names.append(name)
    return names


def _write(source: Path, columns: Sequence[Column], target: Path) -> None:
    """Write the chosen columns, with metadata from which `datasets` reads their features."""
    names = [column.name for column in columns]
    note = json.dumps({"info": {"features": {column.name: feature(column) for column in columns}}}).encode()
    schema = pa.schema([(c.name, TYPES[c.kind]) for c in columns], metadata={b"huggingface": note})
    with parquet.open_file(source) as file:
        if missing := [name for name in names if name not in file.schema_arrow.names]:
            raise DataError.of(
                "pushed-split-without-column",
                "the split {split!r} has no column {column!r}; leave it out",
                "columns",
                split=source.stem,
                column=missing[0],
            )
        with pq.ParquetWriter(target, schema, compression=COMPRESSION) as writer:
            for batch in bounded.batches(source, 20_000, names):
                try:
                    arrays = [types.plain(batch.column(f.name)).cast(f.type) for f in schema]
                except pa.ArrowInvalid:
                    raise DataError.of(
                        "numbers-over-64-bits",
                        "a column contains numbers that do not fit 64 bits; leave it out",
                        "columns",
                    ) from None
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


TYPES = {"text": pa.string(), "class": pa.int64(), "boolean": pa.bool_(), "float": pa.float64(), "integer": pa.int64()}
"""The Arrow type of a column on the Hub, by its kind."""


def feature(column: Column) -> dict[str, Any]:
    """A column's feature as `datasets` describes it in a Parquet file."""
    if column.names:
        return {"names": list(column.names), "_type": "ClassLabel"}
    return {"dtype": DTYPES[column.kind], "_type": "Value"}


def card(title: str, parts: Sequence[Part], columns: Sequence[Column], spec: PushSpec, category: str) -> str:
    """A dataset's README.md: metadata for the Hub, and a few sentences. category: the Hub's task; may be empty"""
    rows = sum(part.rows for part in parts)
    size = next((name for most, name in SIZES if rows < most), "n>100M")
    header: dict[str, Any] = {
        "pretty_name": title,
        **({"task_categories": [category]} if category else {}),
        "size_categories": [size],
    }
    if spec.licence:
        header["license"] = spec.licence
    if spec.language:
        header["language"] = [code.strip() for code in spec.language.split(",")]
    files = [{"split": part.split, "path": part.path} for part in parts]
    header["configs"] = [{"config_name": "default", "data_files": files}]
    header["dataset_info"] = {
        "features": [_card_feature(column) for column in columns],
        "splits": [{"name": part.split, "num_examples": part.rows} for part in parts],
    }
    described = yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip()
    table = ["| Split | Rows |", "| --- | ---: |", *(f"| {part.split} | {part.rows:,} |" for part in parts)]
    names = listed([_code(column.name) for column in columns])
    lines = ["---", described, "---", "", f"# {_plain(title)}", "", *table, "", f"Columns: {names}."]
    for column in columns:
        if column.names:
            lines += [
                "",
                f"{_code(column.name)} has {counted(len(column.names), 'class', 'classes')}, in this order: "
                f"{listed([_code(name) for name in column.names])}.",
            ]
    load = ["from datasets import load_dataset", "", f'dataset = load_dataset("{spec.repo_id}")']
    return "\n".join([*lines, "", "```python", *load, "```", "", "Prepared with Tunedeck.", ""])


def _card_feature(column: Column) -> dict[str, Any]:
    if column.names:
        classes = {str(number): name for number, name in enumerate(column.names)}
        return {"name": column.name, "dtype": {"class_label": {"names": classes}}}
    return {"name": column.name, "dtype": DTYPES[column.kind]}


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|!&])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").split()) + "`"

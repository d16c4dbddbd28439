"""Finds near-duplicate texts with MinHash: signatures, candidate pairs by banding, and a check of each pair's texts.

The similarity of two texts is their Jaccard index: the share of shingles that they have in common. A shingle is three
words in a row; in texts of few words and in scripts without blanks, it is four characters. The shortest texts are only
compared as a whole, since one word of three changes the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.data.dataset import Prepared, Progress, ignore
from core.data.reading.aligning import types
from core.data.reading.tables import bounded, parquet
from core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

MOST_ROWS = 3_000_000
PERMUTATIONS = 128
RECALL = 0.98  # of the pairs whose similarity equals the threshold
WORDS, CHARACTERS, FEW_WORDS, FEW_CHARACTERS = 3, 4, 5, 16
BATCH_ROWS = 10_000
MOST_LEADERS = 8  # texts in a bucket that the others are compared with

Place = tuple[str, int]  # split, row number


def groups(
    prepared: Prepared, splits: Sequence[str], columns: Sequence[str], threshold: float, progress: Progress = ignore
) -> list[list[Place]]:
    """Returns groups of two or more rows with equal or nearly equal texts, in the order of their first rows.

    Raises DataError for more than MOST_ROWS rows.
    """
    import numpy as np

    total = sum(prepared.splits[name].rows for name in splits)
    if total > MOST_ROWS:
        raise DataError.of(
            "too-many-rows-for-near-copies",
            "nearly equal texts are looked for among at most {most:,} rows, but these splits have "
            "{rows:,}; take a subset first, or look for exactly equal texts",
            "data.steps",
            most=MOST_ROWS,
            rows=total,
        )
    texts, places = [], []
    for split in splits:
        for number, text in enumerate(_texts(prepared, split, columns)):
            if text:
                texts.append(text)
                places.append((split, number))
    leaders, first = _exact(texts)
    signatures = _signatures([texts[i] for i in leaders], progress)
    parents = np.arange(len(leaders))
    bands = list(_bands(signatures, threshold))
    for done, buckets in enumerate(bands):
        for bucket in buckets:
            _join(bucket, texts, leaders, threshold, parents)
        progress("Comparing texts", (done + 1) / len(bands))
    grouped: dict[int, list[Place]] = {}
    for place, leader in zip(places, first, strict=True):
        grouped.setdefault(_root(parents, leader), []).append(place)
    return [group for group in grouped.values() if len(group) > 1]


def shingles(text: str) -> set[str]:
    """Returns the set of shingles by which a text is compared."""
    words = text.split()
    if len(words) >= FEW_WORDS:
        return {" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)}
    if len(text) < FEW_CHARACTERS or text.isascii():
        return {text}
    return {text[i : i + CHARACTERS] for i in range(max(1, len(text) - CHARACTERS + 1))}


def similarity(one: str, other: str) -> float:
    """Returns the Jaccard index of two normalised texts, 0 to 1."""
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def _texts(prepared: Prepared, split: str, columns: Sequence[str]) -> Iterator[str]:
    """Yields each row's texts joined into one, in small letters and with single blanks."""
    with parquet.open_file(prepared.splits[split].path) as file:
        names = [name for name in columns if name in file.schema_arrow.names]
    for batch in bounded.batches(prepared.splits[split].path, BATCH_ROWS, names):
        lists = [types.plain(batch.column(name)).to_pylist() for name in names]
        for values in zip(*lists, strict=True):
            yield " ".join(" ".join(str(value) for value in values if value is not None).lower().split())


def _exact(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Groups equal texts: returns the first text of each group, and for each text the index of its group."""
    seen: dict[str, int] = {}
    leaders: list[int] = []
    first = []
    for number, text in enumerate(texts):
        place = seen.setdefault(text, len(leaders))
        if place == len(leaders):
            leaders.append(number)
        first.append(place)
    return leaders, first


def _signatures(texts: Sequence[str], progress: Progress) -> np.ndarray:
    """Computes MinHash signatures: uint32 (texts, PERMUTATIONS)."""
    import numpy as np
    from datasketch import MinHash

    signatures = np.empty((len(texts), PERMUTATIONS), dtype=np.uint32)
    for start in range(0, len(texts), BATCH_ROWS):
        batch = ([s.encode("utf-8", "surrogatepass") for s in shingles(t)] for t in texts[start : start + BATCH_ROWS])
        for number, minhash in enumerate(MinHash.generator(batch, num_perm=PERMUTATIONS, seed=1), start):
            signatures[number] = minhash.hashvalues
        progress("Taking fingerprints of texts", min(1.0, (start + BATCH_ROWS) / len(texts)))
    return signatures


def _bands(signatures: np.ndarray, threshold: float) -> Iterator[list[np.ndarray]]:
    """Yields, for each band, the buckets of two or more signatures that are equal in that band."""
    import numpy as np

    rows = _rows_per_band(threshold)
    for start in range(0, PERMUTATIONS - rows + 1, rows):
        keys = np.zeros(len(signatures), dtype=np.uint64)
        for column in range(start, start + rows):
            keys = (keys ^ signatures[:, column]) * np.uint64(0x100000001B3)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.concatenate([[True], np.diff(keys[order]) != 0]))
        sizes = np.diff(np.concatenate([starts, [len(order)]]))
        yield [order[a : a + n] for a, n in zip(starts[sizes > 1], sizes[sizes > 1], strict=True)]


def _rows_per_band(threshold: float) -> int:
    """Returns the most rows per band that still find RECALL of the pairs; more rows leave fewer candidates to check."""
    for rows in range(32, 0, -1):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= RECALL:
            return rows
    return 1


def _join(bucket: np.ndarray, texts: Sequence[str], leaders: Sequence[int], threshold: float, parents: Any) -> None:
    """Joins the groups of those texts in a bucket that are similar enough."""
    heads: list[int] = []
    for member in bucket.tolist():
        for head in heads:
            one, other = _root(parents, head), _root(parents, member)
            if one == other:
                break
            if similarity(texts[leaders[head]], texts[leaders[member]]) >= threshold:
                parents[max(one, other)] = min(one, other)
                break
        else:
            if len(heads) < MOST_LEADERS:
                heads.append(member)


def _root(parents: Any, place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = int(parents[place])
    return place

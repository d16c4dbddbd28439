"""Generates the built-in sample: reviews with one to five stars, the same on every machine.

A review judges one to twelve things. Each opinion scatters around the stars, some verdicts contradict them, and some
labels are off by one, so that a bag of words gets most reviews right, but far from all.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.reading import phrases
from core.data.reading.aligning.columns import COMPRESSION

VERSION = 1  # raise it whenever the texts change
SEED = 20
TRAIN_ROWS, TEST_ROWS = 4000, 1000
LABELS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
STAR_WEIGHTS = (0.16, 0.15, 0.19, 0.26, 0.24)
SCATTER = 0.7  # standard deviation of an opinion around the stars
MISLABELLED = 0.05  # share of reviews whose stars are one off
NOTE = "Reviews of restaurants, hotels and products, generated for trying things out; no person wrote them."


def write(folder: Path) -> dict[str, Path]:
    """Writes train.parquet and test.parquet into `folder`; no review occurs twice."""
    rows = generate(TRAIN_ROWS + TEST_ROWS)
    paths = {}
    for name, part in (("train", rows[:TRAIN_ROWS]), ("test", rows[TRAIN_ROWS:])):
        paths[name] = folder / f"{name}.parquet"
        table = pa.table({"text": [text for text, _ in part], "label": pa.array([s for _, s in part], pa.int64())})
        pq.write_table(table.replace_schema_metadata(_metadata()), paths[name], compression=COMPRESSION)
    return paths


def generate(count: int, seed: int = SEED) -> list[tuple[str, int]]:
    """Generates `count` different reviews as (text, label); the labels 0 to 4 stand for one to five stars."""
    rng = random.Random(seed)
    seen: set[str] = set()
    rows: list[tuple[str, int]] = []
    while len(rows) < count:
        stars = rng.choices(range(1, 6), STAR_WEIGHTS)[0]
        text = _review(rng, stars)
        if text in seen:
            continue
        seen.add(text)
        if rng.random() < MISLABELLED:
            stars = min(5, max(1, stars + rng.choice((-1, 1))))
        rows.append((text, stars - 1))
    return rows


def _review(rng: random.Random, stars: int) -> str:
    domain = rng.choice(phrases.DOMAINS)
    it = rng.choice(phrases.IT[domain].split("|"))
    length = min(12, max(1, round(rng.lognormvariate(1.25, 0.6))))  # things judged
    parts = [] if length == 1 and rng.random() < 0.6 else [rng.choice(phrases.OPENINGS[domain].split("|"))]
    asides = phrases.ASIDES[domain].split("|")
    opinions = list(dict.fromkeys(_opinion(rng, domain, stars) for _ in range(length)))
    while opinions:
        parts.append(_sentence(rng, opinions))
        if rng.random() < 0.3:
            parts.append(asides.pop(rng.randrange(len(asides))))
    if rng.random() < 0.55 or len(parts) == 1:
        parts.insert(
            rng.choice((0, len(parts), len(parts))), rng.choice(phrases.VERDICTS[_near(rng, stars) - 1].split("|"))
        )
    return _fill(rng, " ".join(parts), domain, it)


def _near(rng: random.Random, stars: int) -> int:
    return min(5, max(1, round(rng.gauss(stars, SCATTER))))


def _opinion(rng: random.Random, domain: str, stars: int) -> tuple[int, str]:
    level = _near(rng, stars)
    if level in phrases.NEGATED and rng.random() < 0.15:
        return level, rng.choice(phrases.NEGATED[level])
    aspect = rng.choice(list(phrases.ASPECTS[domain].values()))
    return level, rng.choice(aspect[level - 1].split("|"))


def _sentence(rng: random.Random, opinions: list[tuple[int, str]]) -> str:
    """Makes a sentence of one or two opinions, which it removes from the list."""
    level, text = opinions.pop()
    text = rng.choice(phrases.STARTS) + text
    if opinions and rng.random() < 0.45:
        other, more = opinions.pop()
        text += rng.choice(phrases.OPPOSED if abs(level - other) > 1 else phrases.SAME) + more
    return text[0].upper() + text[1:] + rng.choice((".", ".", ".", "!" if level in (1, 5) else "."))


def _fill(rng: random.Random, text: str, domain: str, it: str) -> str:
    """Fills the placeholders of a text with words of its domain."""
    items = phrases.ITEM[domain].split("|")

    def detail(match: re.Match[str]) -> str:
        match match.group(1):
            case "it":
                return it
            case "item" | "item2":
                return rng.choice(items)
            case "who":
                return rng.choice(phrases.WHO.split("|"))
            case "who_cap":
                who = rng.choice(phrases.WHO.split("|"))
                return who[0].upper() + who[1:]
            case "when":
                return rng.choice(phrases.WHEN.split("|"))
        return str(rng.randint(2, 9))

    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", re.sub(r"\{(\w+)\}", detail, text))


def _metadata() -> dict[bytes, bytes]:
    """Returns the class names in the form that Hugging Face's `datasets` keeps in Parquet files."""
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": list(LABELS), "_type": "ClassLabel"},
    }
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}

"""Times what a person does on the Datasets page with ten million rows, beside pandas and `datasets`.

    python -m benchmarks.browse [--file FILE] [--rows N] [--quick] [--skip others near profile]

Makes a Parquet file of N rows (10,000,000; 1,000,000 with --quick) with short texts of random words, five classes, a
number and an id, unless FILE exists. Tunedeck, pandas and `datasets` each run in a process of their own, which reports
its peak memory. `near` takes the first million rows. Times are in seconds. The file is in the system's cache for all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.browsing.label_counts import label_counts
from core.settings import PROJECT

ROWS, QUICK_ROWS, NEAR_ROWS, GROUP = 10_000_000, 1_000_000, 1_000_000, 100_000
LABELS = ["poor", "fair", "good", "great", "odd"]
TARGETS = {
    "open": 1.0,
    "deep_page": 0.25,
    "class_filter": 0.5,
    "search": 2.5,
    "search_insensitive": 6.0,
    "first_figures": 2.0,
    "profile": 60.0,
    "near": 600.0,
    "memory_gb": 1.0,
}
NEEDLE = "Zanzibar"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--skip", nargs="*", default=[], choices=["others", "near", "profile"])
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(SIDES[options.side](options.file)))
        return 0
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    with tempfile.TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "rows.parquet"
        if not file.exists():
            make(file, rows)
        sides = ["ours", *(name for name in ("profile", "near") if name not in options.skip)]
        sides += [] if "others" in options.skip else ["pandas", "datasets"]
        times = {side: in_a_process(side, file) for side in sides}
        size = file.stat().st_size
    ours = times["ours"] | {k: v for side in ("profile", "near") for k, v in times.get(side, {}).items() if k == side}
    met = {name: ours[name] <= target for name, target in TARGETS.items() if name in ours}
    ratios = {
        f"{task} / {other}": round(times[other][task] / ours[task], 1)
        for other in ("pandas", "datasets")
        for task in ("class_filter", "sort")
        if other in times
    }
    other = round(sum(times["pandas"][t] for t in ("class_filter", "sort")), 3) if "pandas" in times else None
    result = {
        "benchmark": "browse",
        "value": sum(not m for m in met.values()),
        "unit": "targets missed",
        "target": 0,
        "met": all(met.values()),
        "rows": rows,
        "file_gb": round(size / 1e9, 2),
        "targets": TARGETS,
        "seconds": times,
        "missed": [name for name, good in met.items() if not good],
        "ratios": ratios,
        "ours": round(ours["class_filter"] + ours["sort"], 3),
        "other": other,
        "ratio": round(other / (ours["class_filter"] + ours["sort"]), 1) if other else None,
    }
    print(json.dumps(result))
    return 0


def make(path: Path, rows: int) -> None:
    """Write a file of generated reviews, about 130 bytes a row."""
    rng = np.random.default_rng(7)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = np.array(["".join(rng.choice(letters, n)) for n in rng.integers(2, 10, 5_000)], dtype=object)
    schema = pa.schema([("id", pa.int64()), ("text", pa.string()), ("label", pa.string()), ("price", pa.float64())])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for start in range(0, rows, GROUP):
            count = min(GROUP, rows - start)
            drawn = words[rng.zipf(1.3, (count, 36)) % len(words)]
            texts = [" ".join(row) for row in drawn]
            for place in rng.integers(0, count, max(1, count // 2_000)):
                texts[place] = f"{texts[place]} {NEEDLE if place % 2 else NEEDLE.lower()}"
            columns = [
                np.arange(start, start + count),
                texts,
                rng.choice(LABELS, count),
                np.round(rng.normal(20, 9, count), 2),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def in_a_process(side: str, file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.browse", "--side", side, "--file", str(file)]
    out = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    print(f"{side}: {result}", file=sys.stderr)
    return result


@contextmanager
def peak(into: dict[str, Any]) -> Iterator[None]:
    """Record the peak memory of the process, in GB."""
    process, most, over = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        into["memory_gb"] = round(most[0] / 1e9, 2)


def timed(into: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
    since = time.perf_counter()
    result = work()
    into[name] = round(time.perf_counter() - since, 3)
    return result


def ours(file: Path) -> dict[str, Any]:
    """Do what the page does, in a new home, so that nothing has been computed before."""
    from core.data.browsing import browse
    from core.data.browsing.view import View
    from core.data.prepare import prepare
    from core.settings import Settings
    from core.spec.data import DataSpec
    from core.spec.steps import Condition

    times: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as home, peak(times):
        settings, data = Settings(home=Path(home)), DataSpec(source="file", path=str(file))

        def open_it() -> Any:
            prepared = prepare(data, settings)
            browse.page(prepared, "train", 0)
            return prepared

        prepared = timed(times, "open", open_it)
        rows = prepared.splits["train"].rows
        timed(times, "deep_page", lambda: browse.page(prepared, "train", rows - rows // 10))
        views = {
            "class_filter": View(where=(Condition(column="label", values=("odd",)),)),
            "search": View(search=NEEDLE, match_case=True),
            "search_insensitive": View(search=NEEDLE),
            "sort": View(sort="price", descending=True),
        }
        for name, view in views.items():
            timed(times, name, partial(browse.page, prepared, "train", 0, 50, view))
            timed(times, f"{name}_next_page", partial(browse.page, prepared, "train", 50, 50, view))
        timed(times, "first_figures", lambda: label_counts(prepared, "train", "label"))
    return times


def whole_profile(file: Path) -> dict[str, Any]:
    from core.data.inspecting.profile import profile_of
    from core.settings import Settings
    from core.spec.data import DataSpec
    from core.spec.run import ProfileSpec

    times: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as home, peak(times):
        spec = ProfileSpec(data=DataSpec(source="file", path=str(file), text_columns=("text",), label_column="label"))
        timed(times, "profile", lambda: profile_of(spec, Settings(home=Path(home))))
    return times


def near_copies(file: Path) -> dict[str, Any]:
    from core.data.prepare import prepare
    from core.data.preparing.near import groups
    from core.settings import Settings
    from core.spec.data import DataSpec

    times: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as home, peak(times):
        part = Path(home) / "part.parquet"
        batches = pq.ParquetFile(file).iter_batches(batch_size=GROUP)
        with pq.ParquetWriter(part, pq.read_schema(file)) as writer:
            for _, batch in zip(range(NEAR_ROWS // GROUP), batches, strict=False):
                writer.write_batch(batch)
        prepared = prepare(DataSpec(source="file", path=str(part)), Settings(home=Path(home)))
        copies = timed(times, "near", lambda: groups(prepared, ["train"], ["text"], 0.85))
        times["groups"] = len(copies)
    return times


def with_pandas(file: Path) -> dict[str, Any]:
    import pandas as pd

    times: dict[str, Any] = {}
    with peak(times):
        frame = timed(times, "open", lambda: pd.read_parquet(file))
        timed(times, "class_filter", lambda: frame[frame["label"] == "odd"].head(50))
        timed(times, "search", lambda: frame[frame["text"].str.contains(NEEDLE, regex=False)].head(50))
        timed(times, "sort", lambda: frame.sort_values("price", ascending=False).head(50))
    return times


def with_datasets(file: Path) -> dict[str, Any]:
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    times: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache, peak(times):
        data = timed(
            times, "open", lambda: load_dataset("parquet", data_files=str(file), split="train", cache_dir=cache)
        )
        is_odd = partial(data.filter, lambda batch: [v == "odd" for v in batch], input_columns="label")
        odd = timed(times, "class_filter", lambda: is_odd(batched=True, batch_size=10_000))
        assert odd[:50]
        timed(times, "sort", lambda: data.sort("price", reverse=True)[:50])
    return times


SIDES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": ours,
    "profile": whole_profile,
    "near": near_copies,
    "pandas": with_pandas,
    "datasets": with_datasets,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

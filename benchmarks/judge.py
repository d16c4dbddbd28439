"""Times the Evaluate page on a million stored predictions with twenty classes: the worker, each view, the memory.

Writes a dataset (20,000 rows to train on, a million to evaluate) and a finished training run with its predictions.
A worker evaluates them in a process of its own; then the page shows every tab in this one, through Streamlit's own
test runner.

    python -m benchmarks.judge [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from core.files import write_text
from core.messages import Message
from core.runs.process import identity, worker_environment
from core.settings import PROJECT, Settings
from core.spec.run import RunSpec, build
from core.store.store import Store

ROWS, QUICK_ROWS, TRAIN_ROWS, CLASSES = 1_000_000, 100_000, 20_000, 20
TARGET_S, VIEW_TARGET_S, TARGET_MB = 180.0, 1.0, 700.0
TABS = {  # what is said there
    ":material/verified: Verdict": "A bag of words",
    ":material/grid_on: Confusion": "Click a cell",
    ":material/error: Mistakes": "those first that the model is surest of",
    ":material/show_chart: Curves": "A threshold for",
    ":material/balance: Calibration": "Temperature",
    ":material/groups: Groups": "groups and pairs of groups",
    ":material/label: Label errors": "may be wrong",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} predictions")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        print(json.dumps(worker(options.worker)))
        return 0
    rows = QUICK_ROWS if options.quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder))
        os.environ |= {"TUNEDECK_HOME": folder, "TUNEDECK_SPARE_WORKER": "off"}
        trained = a_run(settings, rows)
        run = submitted(settings, trained)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.judge", "--worker", run],
            cwd=PROJECT,
            text=True,
            check=True,
            env=worker_environment("light", None, settings),
            stdout=subprocess.PIPE,
        )
        result = json.loads(done.stdout.splitlines()[-1])
        views, memory = page(trained)
    slowest = max(views.values())
    met = result["seconds"] <= TARGET_S and slowest <= VIEW_TARGET_S and memory <= TARGET_MB
    print(
        json.dumps(
            {
                "benchmark": "judge",
                "value": round(result["seconds"], 1),
                "unit": "s of the worker",
                "target": TARGET_S,
                "met": met,
                "rows": rows,
                "worker_mb": round(result["mb"]),
                "parts": result["parts"],
                "views_s": {name.split(": ")[1]: round(s, 3) for name, s in views.items()},
                "views_target_s": VIEW_TARGET_S,
                "page_mb": round(memory),
                "page_target_mb": TARGET_MB,
            }
        )
    )
    return 0


def a_run(settings: Settings, rows: int) -> str:
    """Write a finished training run, its dataset and its predictions."""
    from core.data.loading.text_ids import text_ids
    from core.tasks.text_classification.predictions import NAME, Predictions, write

    draw, rng = random.Random(0), np.random.default_rng(0)
    names = tuple(f"class {i:02}" for i in range(CLASSES))
    words = [f"word{n}" for n in range(3000)]
    folder = settings.home / "data"
    folder.mkdir()
    for split, count in (("train", TRAIN_ROWS), ("validation", rows)):
        labels = rng.integers(0, CLASSES, count)
        texts = [
            f"{' '.join(draw.choices(words, k=draw.randint(4, 16)))} mark{label} {i}" for i, label in enumerate(labels)
        ]
        source = [f"source {n}" for n in rng.integers(0, 6, count)]
        table = pa.table({"text": texts, "label": [names[i] for i in labels], "source": source})
        pq.write_table(table, folder / f"{split}.parquet", row_group_size=100_000)
    logits = rng.normal(size=(rows, CLASSES)).astype(np.float32)
    logits[np.arange(rows), labels] += 2.5
    spec = build(
        {"data": {"source": "file", "path": str(folder), "text_columns": ["text"], "label_column": "label"}}, RunSpec
    )
    store = Store(settings.store_path)
    run = store.submit("train", "A million", spec.model_dump(mode="json"))
    begin(store, run)
    place = settings.run_dir(run)
    (place / "model").mkdir(parents=True)
    write_text(place / "model" / "config.json", "{}")
    ids = text_ids((text,) for text in texts)
    write(place / NAME, Predictions(names, np.arange(rows), ids, labels.astype(np.int64), logits))
    store.finish(run, 7, "finished", summary={"main_metric": "accuracy", "value": 0.5})
    return run


def begin(store: Store, run: str) -> Any:
    with store.atomic() as db:
        db.execute("UPDATE runs SET status='starting', token=7, attempt=1 WHERE id=?", (run,))
    return store.begin(run, 7, identity())


def submitted(settings: Settings, trained: str) -> str:
    from core.evaluation.specs import EvaluateSpec, Subject

    spec = EvaluateSpec(model=Subject(run=trained, attempt=1)).model_dump(mode="json")
    return Store(settings.store_path).submit("evaluate", "Judging a million", spec)


def worker(run_id: str) -> dict[str, Any]:
    """Do the worker's part; returns the seconds of each step."""
    from core.runs.worker import do
    from core.runs.writer import RunWriter
    from core.settings import from_environment

    settings = from_environment()
    store = Store(settings.store_path)
    run = begin(store, run_id)
    settings.run_dir(run_id).mkdir(parents=True, exist_ok=True)
    report = RunWriter(store, run, 7)
    parts: dict[str, float] = {}
    began, what = time.perf_counter(), "Starting"

    def note(text: str | Message) -> None:
        nonlocal began, what
        now = time.perf_counter()
        parts[what] = round(parts.get(what, 0) + now - began, 1)
        began, what = now, str(text)

    report.phase = note  # type: ignore[method-assign]
    report.fraction = lambda text, done=None: note(text)  # type: ignore[method-assign]
    started = time.perf_counter()
    summary = do(run, settings, report).tree()
    seconds = time.perf_counter() - started
    note("")
    report.end_thread()
    report.flush()
    store.finish(run_id, 7, "finished", summary=summary)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"seconds": seconds, "mb": peak, "parts": parts}


def page(trained: str) -> tuple[dict[str, float], float]:
    """Seconds of each view, and the peak memory of the process that shows it."""
    from streamlit.testing.v1 import AppTest

    os.chdir(PROJECT)
    app = AppTest.from_file(str(PROJECT / "ui/app.py"), default_timeout=120).run()
    app.query_params["run"] = trained
    app.switch_page("../pages/results/evaluate.py").run()
    assert not app.exception, app.exception
    views, process, peak = {}, psutil.Process(), 0.0
    for tab, words in TABS.items():
        app.session_state["judge_tabs"] = tab
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            app.run()
            seconds.append(time.perf_counter() - started)
            assert not app.exception, (tab, app.exception)
            assert any(words in m.value for m in [*app.markdown, *app.caption]), f"{tab} does not say {words!r}"
            peak = max(peak, process.memory_info().rss / 1e6)
        views[tab] = statistics.median(seconds)
        print(f"{tab}: {seconds}", file=sys.stderr)
        from core.evaluation.results import read_evaluation
    from core.settings import from_environment
    from core.tasks.text_classification import predictions

    settings = from_environment()
    (judged,) = Store(settings.store_path).runs(kind="evaluate")
    folder = settings.run_dir(judged.id)
    assert read_evaluation(folder) is not None
    started = time.perf_counter()
    predictions.cell(folder / "predictions.parquet", 3, 4)
    views["x: A cell's examples"] = time.perf_counter() - started
    started = time.perf_counter()
    predictions.outcomes(folder / "predictions.parquet")
    views["x: A group of one's own"] = time.perf_counter() - started
    return views, max(peak, process.memory_info().rss / 1e6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

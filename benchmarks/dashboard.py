"""The cost of the dashboard: time per script run of each page, and memory of the process after a visit to every page.

`python -m benchmarks.dashboard [--quick]`. The store holds 200 runs (one of them with a report) and a Parquet dataset
of 1M rows is open. Script runs are timed in this process through Streamlit's own test runner; memory is that of a real
server whose pages a headless Chromium visits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import Page, sync_playwright

from core.runs.process import identity, is_dead
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.store.lease import acquire_lease
from core.store.record import Progress
from core.store.store import Store

PROJECT = Path(__file__).resolve().parent.parent
PAGES = {
    "start": "../pages/start/start.py",
    "datasets": "../pages/data/datasets.py",
    "new_run": "../pages/train/new_run.py",
    "runs": "../pages/train/runs.py",
    "run": "../pages/train/run.py",
}
TARGET_MS, TARGET_MB = 150.0, 350.0
RUNS, ROWS = 200, 1_000_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer repetitions")
    repetitions = 8 if options.parse_args().quick else 25
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["TUNEDECK_HOME"] = str(home)
        runs = fill_store(home)
        dataset = write_dataset(home / "reviews.parquet")
        memory = memory_of_server(home, runs, dataset)
        times = script_runs(runs, dataset, repetitions)
    worst = max(times.values())
    print("page       median ms")
    for name, value in times.items():
        print(f"{name:<10} {value:9.0f}")
    print(f"memory with every page visited: {memory:.0f} MB")
    print(
        json.dumps(
            {
                "benchmark": "dashboard",
                "value": round(worst, 1),
                "unit": "ms per script run of the slowest page",
                "target": TARGET_MS,
                "met": worst < TARGET_MS and memory < TARGET_MB,
                "pages": {name: round(value, 1) for name, value in times.items()},
                "memory_mb": round(memory, 1),
                "memory_target_mb": TARGET_MB,
            }
        )
    )


def fill_store(home: Path) -> str:
    """Write 200 ended runs, the newest with 2,000 points and a report; returns its id."""
    store, settings, rng = Store(home / "store.sqlite3"), Settings(home), random.Random(0)
    run_id = ""
    for number in range(RUNS):
        run_id = store.submit("train", f"Reviews, run {number}", RunSpec().model_dump(mode="json"))
        lease = acquire_lease(store, identity(), 0.0, is_dead)
        assert lease is not None
        token = lease.claim(run_id, "cpu")
        assert token is not None
        store.begin(run_id, token, identity())
        points = 2000 if number == RUNS - 1 else 20
        metrics = [
            (name, step, step / 100, time.time(), rng.random())
            for step in range(points)
            for name in ("loss", "learning_rate", "grad_norm", "examples_per_second")
        ] + [
            (f"eval_{name}", step, step / 100, time.time(), rng.random())
            for step in range(0, points, 100)
            for name in ("loss", "accuracy")
        ]
        store.write(run_id, token, Progress("Evaluating", points, points, 3.0), metrics)
        store.finish(run_id, token, "finished", summary={"main_metric": "accuracy", "value": 0.5, "baseline": 0.3})
    folder = settings.run_dir(run_id)
    (folder / "model").mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report()))
    (folder / "worker.log").write_text("a line of the log\n" * 5000)
    return run_id


def report() -> dict[str, object]:
    labels = [f"{n} stars" for n in range(1, 6)]
    return {
        "examples": 1000,
        "metrics": {"accuracy": 0.5, "f1_macro": 0.48, "loss": 1.1},
        "main_metric": "accuracy",
        "baseline": {"label": labels[0], "metrics": {"accuracy": 0.3, "f1_macro": 0.1}},
        "labels": labels,
        "per_class": [{"label": n, "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 200} for n in labels],
        "confusion": [[40] * 5 for _ in labels],
        "truncated": {"train": 0.1, "eval": 0.1},
        "advice": ["Train longer."],
        "train_examples": 4000,
        "device": "CPU",
        "precision": "fp32",
    }


def write_dataset(path: Path) -> DataSpec:
    rng = random.Random(0)
    words = [f"word{n}" for n in range(5000)]
    texts = [" ".join(rng.choices(words, k=rng.randint(5, 30))) for _ in range(20_000)]
    table = pa.table(
        {"text": [rng.choice(texts) for _ in range(ROWS)], "label": [rng.randint(1, 5) for _ in range(ROWS)]}
    )
    pq.write_table(table, path, row_group_size=100_000)
    return DataSpec(source="file", path=str(path), text_columns=("text",), label_column="label")


def script_runs(run_id: str, dataset: DataSpec, repetitions: int) -> dict[str, float]:
    """Median milliseconds of a warm script run, per page."""
    from streamlit.testing.v1 import AppTest

    os.chdir(PROJECT)
    medians = {}
    for name, script in PAGES.items():
        app = AppTest.from_file(str(PROJECT / "ui/app.py"), default_timeout=60).run()
        app.session_state["data"] = dataset
        if name == "run":
            app.query_params["run"] = run_id
        app.switch_page(script).run()
        assert not app.exception, (name, app.exception)
        seconds = []
        for _ in range(repetitions + 2):
            begin = time.perf_counter()
            app.run()
            seconds.append(time.perf_counter() - begin)
        medians[name] = 1000 * statistics.median(seconds[2:])
    return medians


@contextmanager
def server(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The real dashboard on `home`: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "streamlit_app.py",
            "--server.headless=true",
            "--server.port",
            str(port),
        ],
        cwd=PROJECT,
        env=os.environ | {"TUNEDECK_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://localhost:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2)
                break
            except OSError:
                time.sleep(0.25)
        yield address, psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(timeout=20)


def memory_of_server(home: Path, run_id: str, dataset: DataSpec) -> float:
    """Megabytes of the server's process after a visit to every page, with the dataset opened by its path."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with server(home) as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 1200})
        for path in ("", f"run?run={run_id}", "runs", "new_run", "datasets"):
            page.goto(f"{address}/{path}")
            page.locator("[data-testid='stAppScriptRunState'], [data-testid='stStatusWidget']").wait_for(state="hidden")
            page.wait_for_timeout(2000)
        open_dataset(page, dataset.path)
        peak = process.memory_info().rss
        for _ in range(10):
            page.wait_for_timeout(300)
            peak = max(peak, process.memory_info().rss)
        browser.close()
    return peak / 1e6


def open_dataset(page: Page, path: str) -> None:
    """Open a file by its path on the Datasets page, as a person does."""
    page.get_by_text("Your own file").click()
    page.get_by_label("Or the path of a file or folder on this computer").fill(path)
    page.keyboard.press("Enter")
    page.get_by_text("1,000,000").first.wait_for(timeout=60_000)


if __name__ == "__main__":
    main()

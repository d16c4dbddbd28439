"""`python -m tests.scheduling.late_imports ENGINE`: what a run imports in a worker that waited ready, a line each.

In a process of its own: what is already imported counts.
"""

from __future__ import annotations

import sys

from core.runs import process, worker
from core.runs.writer import RunWriter
from core.settings import from_environment
from core.spec.run import RunSpec, replace
from core.store.store import Store


def main(engine: str) -> None:
    worker.warm(with_keras=False)
    before = set(sys.modules)
    changes = {
        "data.source": "sample", "data.max_train_examples": 20, "data.max_eval_examples": 10, "engine": engine,
        "model.name": "scratch", "model.max_length": 16, "training.num_train_epochs": 1, "execution.device": "cpu",
    }  # fmt: skip
    settings = from_environment()
    store = Store(settings.store_path)
    run_id = store.submit("train", "x", replace(RunSpec(), changes).model_dump(mode="json"))
    with store.atomic() as db:
        db.execute("UPDATE runs SET status='starting', token=7, attempt=1 WHERE id=?", (run_id,))
    run = store.begin(run_id, 7, process.identity())
    settings.run_dir(run_id).mkdir(parents=True)
    report = RunWriter(store, run, 7)
    worker.do(run, settings, report)
    report.end_thread()
    print("imported late:", *sorted(set(sys.modules) - before), flush=True)
    worker.leave(0)


if __name__ == "__main__":
    main(sys.argv[1])

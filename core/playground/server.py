"""The playground's process: keeps models loaded and answers one question per line. `python -m core.playground.server`

It uses its standard input and output, which only the dashboard that started it can reach: no port, file or password.
It ends with the dashboard, and by itself after a while without a question.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import ModelError, TunedeckError
from core.messages import Message
from core.settings import Settings, from_environment
from core.store.store import Store
from core.tasks.contract import Task
from core.wording import library_message

MOST_MODELS = 3
IDLE_S = 900.0
TEXTS, CHARACTERS = 200, 100_000  # of one question


def main() -> int:
    questions = sys.stdin
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to the log, not between the answers
    idle = _Idle()
    models = Models(from_environment())
    for line in questions:
        idle.busy()
        answers.write(json.dumps(answer(models, line)) + "\n")
        answers.flush()
        idle.waits()
    return 0


class _Idle:
    """Ends the process after a while without a question. A timer, because not every system can time out a read."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self.waits()

    def busy(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def waits(self) -> None:
        self._timer = threading.Timer(IDLE_S, os._exit, (0,))
        self._timer.daemon = True
        self._timer.start()


class Models:
    """The models used last, loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._held: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def get(self, tree: dict[str, Any]) -> tuple[Task, Any]:
        """The task and the model of a Subject as JSON. Raises TunedeckError for a model that cannot be opened."""
        from core.evaluation import trained_model as inference
        from core.evaluation.specs import Subject, task_of_subject
        from core.playground.answers import check_offered
        from core.spec import run as spec

        subject: Subject = spec.build(tree, Subject)
        task = task_of_subject(subject, Store(self.settings.store_path))
        check_offered(task)
        folder, max_length, title = inference.find_subject(subject, self.settings)
        changed, key = _changed(folder), f"{folder}:{max_length}"
        held = self._held.pop(key, None)
        if held is None or held[0] != changed:
            held = (changed, inference.TrainedModel(folder, max_length, title, device="cpu", task=task.name))
        self._held[key] = held
        while len(self._held) > MOST_MODELS:
            self._held.popitem(last=False)
        return task, held[1]


def _changed(folder: Path) -> float:
    """A number that changes when a file of the model is written."""
    files = ("model.safetensors", "config.json", "calibration.json")
    return sum((folder / name).stat().st_mtime for name in files if (folder / name).is_file())


def answer(models: Models, line: str) -> dict[str, Any]:
    """Answer one question, a line of JSON. The answer has `ok`, and the result or a sentence as `error`."""
    try:
        question = json.loads(line)
        started = time.perf_counter()
        task, model = models.get(question["model"])
        loaded = time.perf_counter() - started
        started = time.perf_counter()
        result = _ask(models, task, model, question)
        _check_finite(result)
        return {"ok": True, **result, "seconds": time.perf_counter() - started, "loaded_in": loaded}
    except TunedeckError as error:
        return {"ok": False, "error": asdict(error.message)}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a bug of ours or of a model's code; a panic in Rust is not an Exception
        message = Message.of(
            "playground-failed",
            "the question could not be answered ({kind}: {reason})",
            kind=type(error).__name__,
            reason=library_message(error),
        )
        return {"ok": False, "error": asdict(message)}


def _check_finite(result: dict[str, Any]) -> None:
    """Raises ModelError for an answer with NaN or infinities, which mean nothing."""
    try:
        json.dumps(result, allow_nan=False)
    except ValueError:
        raise ModelError.of(
            "playground-answer-not-numbers",
            "the model's answers to this text are no numbers (NaN), as after a training that diverged; choose another "
            "model, or train it again with a lower learning rate",
        ) from None


def _ask(models: Models, task: Task, model: Any, question: dict[str, Any]) -> dict[str, Any]:
    match question["do"]:
        case "predict":
            return {
                "names": model.names,
                "probabilities": task.answers.shares(model.logits(question["texts"]), model.temperature).tolist(),
                "temperature": model.temperature,
                "reads": model.reads(question["texts"]),
            }
        case "explain":
            from core.evaluation.explain import explain

            return explain(model, question["text"], question["method"], question.get("target")) | {"names": model.names}
        case "nearest":
            from core.evaluation.neighbours import nearest
            from core.store.files import vectors_of

            subject = question["model"]
            folder = models.settings.run_dir(subject["run"])
            neighbours = nearest(model, vectors_of(folder, subject["attempt"]), question["text"])
            return {"nearest": neighbours, "names": model.names}
        case other:
            raise TunedeckError.of(
                "playground-question-unknown",
                "{question!r} is not a question; ask to predict, explain or nearest",
                question=other,
            )


if __name__ == "__main__":
    sys.exit(main())

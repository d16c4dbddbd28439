"""The playground's warm model: a process that answers one question per line. `python -m core.playground.server`

It speaks over its own standard input and output, which nobody but the dashboard that started it can reach: no port, no
file, no password. It ends with the dashboard, and by itself when nobody asks for a while.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from core.errors import TunedeckError
from core.settings import Settings, from_environment
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
    """Ends the process when nothing was asked for a while; a read cannot be waited for with a limit everywhere."""

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
    """The models asked last, ready."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._held: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def get(self, tree: dict[str, Any]) -> Any:
        """Raises TunedeckError for a model that cannot be opened."""
        from core.evaluation import classifier as inference
        from core.evaluation.specs import Subject
        from core.spec import run as spec

        subject: Subject = spec.build(tree, Subject)
        folder, max_length, title = inference.find_subject(subject, self.settings)
        changed, key = _changed(folder), f"{folder}:{max_length}"
        held = self._held.pop(key, None)
        if held is None or held[0] != changed:
            held = (changed, inference.Classifier(folder, max_length, title, device="cpu"))
        self._held[key] = held
        while len(self._held) > MOST_MODELS:
            self._held.popitem(last=False)
        return held[1]


def _changed(folder: Path) -> float:
    """When what a model is made of was last written."""
    files = ("model.safetensors", "config.json", "calibration.json")
    return sum((folder / name).stat().st_mtime for name in files if (folder / name).is_file())


def answer(models: Models, line: str) -> dict[str, Any]:
    """One line of JSON, answered: what was asked for, or `error` with a sentence."""
    try:
        question = json.loads(line)
        started = time.perf_counter()
        model = models.get(question["model"])
        loaded = time.perf_counter() - started
        started = time.perf_counter()
        found = _ask(models, model, question)
        return {"ok": True, **found, "seconds": time.perf_counter() - started, "loaded_in": loaded}
    except TunedeckError as error:
        return {"ok": False, "error": str(error)}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a defect of ours or of a model's code, or a panic in Rust, which is no Exception
        return {"ok": False, "error": f"this could not be answered ({type(error).__name__}: {library_message(error)})"}


def _ask(models: Models, model: Any, question: dict[str, Any]) -> dict[str, Any]:
    match question["do"]:
        case "predict":
            from core.tasks.text_classification.predictions import softmax

            logits = model.logits(question["texts"]) / model.temperature
            return {
                "names": model.names,
                "probabilities": softmax(logits).tolist(),
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
            found = nearest(model, vectors_of(folder, subject["attempt"]), question["text"])
            return {"nearest": found, "names": model.names}
        case other:
            raise TunedeckError(f"{other!r} is nothing that can be asked")


if __name__ == "__main__":
    sys.exit(main())

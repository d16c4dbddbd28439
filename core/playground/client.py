"""Questions to a model that a process of its own keeps warm (`core.playground.server`), answered in milliseconds."""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ModelError, TunedeckError
from core.evaluation.specs import Subject
from core.playground.server import CHARACTERS, TEXTS
from core.runs import process
from core.settings import PROJECT, Settings

FIRST_S, LATER_S = 180.0, 120.0  # to load libraries and a model; to answer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """names: the classes; probabilities: [text][class]; total: seconds, as whoever asked felt it;
    waking: how many of them it took to load the model; reads: of each text, see `Classifier.reads`
    """

    names: tuple[str, ...]
    probabilities: list[list[float]]
    temperature: float
    total: float
    waking: float
    reads: list[dict[str, int]]


class Playground:
    """One process with the models asked last. Safe to use from any thread; questions are answered one by one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()

    def predict(self, subject: Subject, texts: Sequence[Sequence[str]]) -> Answer:
        """Raises ModelError for a model that does not work, TunedeckError for too many or too long texts."""
        if len(texts) > TEXTS:
            raise TunedeckError(
                f"these are {len(texts):,} texts; at most {TEXTS:,} are answered at once. Upload them as a file instead"
            )
        longest = max((sum(map(len, row)) for row in texts), default=0)
        if longest > CHARACTERS:
            raise TunedeckError(f"a text has {longest:,} characters; the most is {CHARACTERS:,}")
        started = time.perf_counter()
        found = self._ask({"do": "predict", "model": subject.model_dump(), "texts": [list(row) for row in texts]})
        return Answer(
            tuple(found["names"]),
            found["probabilities"],
            found["temperature"],
            time.perf_counter() - started,
            found["loaded_in"],
            found["reads"],
        )

    def explain(self, subject: Subject, text: Sequence[str], method: str, target: int | None = None) -> dict[str, Any]:
        """The words of one text or pair with their scores: see `core.evaluation.explain`. Raises ModelError."""
        return self._ask(
            {"do": "explain", "model": subject.model_dump(), "text": list(text), "method": method, "target": target}
        )

    def nearest(self, subject: Subject, text: Sequence[str]) -> list[dict[str, Any]]:
        """The training examples most like a text; empty before a run of kind neighbours. Raises ModelError."""
        found = self._ask({"do": "nearest", "model": subject.model_dump(), "text": list(text)})
        return list(found["nearest"])

    def warm(self) -> None:
        """Start the process, so that the first question is answered sooner. Returns at once."""
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._start()

    def close(self) -> None:
        """End the process: it sees the end of its input."""
        child, self._child = self._child, None
        if child is not None and child.stdin is not None:
            child.stdin.close()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            for _ in range(2):  # a process that went to sleep between two questions is started again
                fresh = self._child is None or self._child.poll() is not None
                if fresh:
                    self._start()
                try:
                    line = self._line(question, FIRST_S if fresh else LATER_S)
                    break
                except BrokenPipeError:
                    self.close()
            else:
                raise ModelError("the playground's process ended at once; its log, playground.log, may say why")
        found: dict[str, Any] = json.loads(line)
        if not found.pop("ok"):
            raise ModelError(found["error"])
        return found

    def _start(self) -> None:
        with (self._settings.home / "playground.log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "core.playground.server"],
                cwd=PROJECT,
                env=process.worker_environment("cpu", None, self._settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                start_new_session=not process.WINDOWS,
            )
        self._child, self._answers = child, queue.Queue()
        threading.Thread(target=_read, args=(child, self._answers), daemon=True).start()

    def _line(self, question: dict[str, Any], most_s: float) -> str:
        child = self._child
        assert child is not None and child.stdin is not None
        try:
            child.stdin.write(json.dumps(question) + "\n")
            child.stdin.flush()
            line = self._answers.get(timeout=most_s)
        except queue.Empty:
            child.kill()
            raise ModelError(
                f"the model did not answer within {most_s:.0f} seconds; try a shorter text, or when nothing trains"
            ) from None
        except OSError:
            raise BrokenPipeError from None
        if not line:
            raise BrokenPipeError
        return line


def _read(child: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Lines of the process into the queue, an empty one at its end."""
    assert child.stdout is not None
    for line in child.stdout:
        answers.put(line)
    answers.put("")

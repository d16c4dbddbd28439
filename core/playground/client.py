"""Asks a model that a separate process keeps loaded (`core.playground.server`), for answers within milliseconds."""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from core.errors import ModelError, TunedeckError
from core.evaluation.specs import Subject
from core.messages import Message
from core.playground.answers import Answer, Explanation, Neighbour, Reading
from core.playground.server import CHARACTERS, TEXTS
from core.runs import process
from core.settings import PROJECT, Settings

FIRST_S, LATER_S = 180.0, 120.0  # time limits: to load libraries and a model; to answer

logger = logging.getLogger(__name__)


class Playground:
    """The playground's process, as a client. Safe to use from any thread; questions are answered one by one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()

    def predict(self, subject: Subject, texts: Sequence[Sequence[str]]) -> Answer:
        """Raises ModelError for a model that does not work, TunedeckError for too many or too long texts."""
        if len(texts) > TEXTS:
            raise TunedeckError.of(
                "playground-too-many-texts",
                "these are {count:,} texts, and at most {most:,} are predicted at once; upload them as a file",
                count=len(texts),
                most=TEXTS,
            )
        longest = max((sum(map(len, row)) for row in texts), default=0)
        if longest > CHARACTERS:
            raise TunedeckError.of(
                "playground-text-too-long",
                "a text has {count:,} characters; at most {most:,} are allowed",
                count=longest,
                most=CHARACTERS,
            )
        started = time.perf_counter()
        answer = self._ask({"do": "predict", "model": subject.model_dump(), "texts": [list(row) for row in texts]})
        return Answer(
            tuple(answer["names"]),
            answer["probabilities"],
            answer["temperature"],
            time.perf_counter() - started,
            answer["loaded_in"],
            [Reading.model_validate(reading) for reading in answer["reads"]],
        )

    def explain(self, subject: Subject, text: Sequence[str], method: str, target: int | None = None) -> Explanation:
        """The words of one text or pair with their scores (see `core.evaluation.explain`). Raises ModelError."""
        explanation = self._ask(
            {"do": "explain", "model": subject.model_dump(), "text": list(text), "method": method, "target": target}
        )
        return Explanation.model_validate(explanation)

    def nearest(self, subject: Subject, text: Sequence[str]) -> list[Neighbour]:
        """The training examples most similar to a text; empty before a run of kind neighbours. Raises ModelError."""
        answer = self._ask({"do": "nearest", "model": subject.model_dump(), "text": list(text)})
        return [Neighbour.model_validate(example) for example in answer["nearest"]]

    def warm(self) -> None:
        """Start the process ahead of the first question. Returns at once."""
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._start()

    def close(self) -> None:
        """End the process by closing its input."""
        child, self._child = self._child, None
        if child is not None and child.stdin is not None:
            child.stdin.close()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            for _ in range(2):  # the process may have ended while idle; then it is started again
                fresh = self._child is None or self._child.poll() is not None
                if fresh:
                    self._start()
                try:
                    line = self._line(question, FIRST_S if fresh else LATER_S)
                    break
                except BrokenPipeError:
                    self.close()
            else:
                raise ModelError.of(
                    "playground-ended", "the playground's process ended at once; look into its log, playground.log"
                )
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise ModelError(Message(**answer["error"]))
        return answer

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
            raise ModelError.of(
                "playground-too-slow",
                "the model did not answer within {seconds:.0f} seconds; try a shorter text, or wait until "
                "training ends",
                seconds=most_s,
            ) from None
        except OSError:
            raise BrokenPipeError from None
        if not line:
            raise BrokenPipeError
        return line


def _read(child: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Put the process's lines into the queue, and an empty one when it ends."""
    assert child.stdout is not None
    for line in child.stdout:
        answers.put(line)
    answers.put("")

"""Questions to a tokenizer in a limited process of its own (`core.data.browsing.token_child`), which is kept warm.

Whoever gave the tokenizer may be hostile: it gets no environment, so much memory and so many seconds; what it breaks is
its own process, and whoever asked gets a sentence.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core.data.browsing.token_child import MEMORY
from core.errors import DataError
from core.machine import physical_cores
from core.settings import PROJECT
from core.wording import counted, size

WINDOWS = sys.platform == "win32"
OPEN_S, PAGE_S, BATCH_S = 20.0, 10.0, 20.0  # to start and open; for one text; for a batch of texts
AT_ONCE = 1_000_000  # characters of a batch, which take a second at most
LEAVE_S = 5.0  # from its last word to its end
MOST_ANSWER = 64 * 1024**2  # characters; the ids of a batch are a few million
IDLE_S = 120.0
LOOK_S = 0.05  # between two looks at how much memory it has
REMEMBERED, REMEMBERED_S = 100, 600.0  # tokenizers that broke their limits, and how long they are not tried again
# What the process needs to run; no token, no setting of ours.
ENVIRONMENT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class LimitedTokenizer:
    """A tokenizer.json at work elsewhere; it neither cuts nor pads.

    vocabulary: how many tokens it knows; unknown: ids that stand for what it does not know
    """

    path: Path
    vocabulary: int
    unknown: tuple[int, ...]

    def ids(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        """Of each text or pair, special tokens included. Raises DataError."""
        return [row for batch in _batches(texts) for row in self._ask("ids", batch)]

    def lengths(self, texts: Sequence[Sequence[str]]) -> list[int]:
        """How many tokens each text or pair has. Raises DataError."""
        return [length for batch in _batches(texts) for length in self._ask("lengths", batch)]

    def _ask(self, what: str, texts: list[list[str]]) -> list[Any]:
        return list(_process.ask({"do": what, "path": str(self.path), "texts": texts}, BATCH_S)[what])

    def tokens(self, texts: Sequence[str], max_length: int, most: int) -> list[tuple[str, str, bool]]:
        """The first `most` tokens of a text or pair: what each reads, its kind, whether it is cut. Raises DataError."""
        question = {"do": "tokens", "path": str(self.path), "texts": list(texts), "max_length": max_length}
        answer = _process.ask(question | {"most": most}, PAGE_S)
        return [(text, kind, cut) for text, kind, cut in answer["tokens"]]


def open_limited(path: Path) -> LimitedTokenizer:
    """Raises DataError for a file that is no tokenizer, or that breaks its limits."""
    about = _process.ask({"do": "open", "path": str(path)}, OPEN_S)
    return LimitedTokenizer(path, int(about["vocabulary"]), tuple(about["unknown"]))


def _batches(texts: Sequence[Sequence[str]]) -> Iterator[list[list[str]]]:
    """Texts a few at a time, so that each answer comes in a moment."""
    batch: list[list[str]] = []
    characters = 0
    for row in texts:
        batch.append(list(row))
        characters += sum(map(len, row))
        if characters > AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Process:
    """The process that answers; a new one whenever the last has ended. Safe to use from any thread."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()
        self._idle: threading.Timer | None = None
        self._broken: OrderedDict[tuple[str, int], tuple[float, str]] = OrderedDict()

    def ask(self, question: dict[str, Any], most_s: float) -> dict[str, Any]:
        path = Path(question["path"])
        try:
            key = (str(path), path.stat().st_mtime_ns)
        except OSError as error:
            raise DataError(f"{path.name} cannot be read ({error.strerror}); choose the model again", FIELD) from None
        with self._lock:
            since, sentence = self._broken.get(key, (-REMEMBERED_S, ""))
            if time.monotonic() - since < REMEMBERED_S:
                raise DataError(sentence, FIELD)
            if self._idle is not None:
                self._idle.cancel()
            try:
                if self._child is None or self._child.poll() is not None:
                    self._start()
                line = self._line(question, most_s)
            except _Over as over:
                self.close()
                sentence = f"the tokenizer {path.name} of this model {over}"
                if over.lasts and sum(len(text) for row in question.get("texts", ()) for text in row) <= 2 * AT_ONCE:
                    self._broken[key] = (time.monotonic(), sentence)
                while len(self._broken) > REMEMBERED:
                    self._broken.popitem(last=False)
                raise DataError(sentence, FIELD) from None
            self._idle = threading.Timer(IDLE_S, self._rest)
            self._idle.daemon = True
            self._idle.start()
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise DataError(str(answer["refused"]), FIELD)
        if "error" in answer:
            raise DataError(f"{path.name} is not a tokenizer that can be used ({answer['error']})", FIELD)
        return answer

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def _rest(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self._lock.release()

    def _start(self) -> None:
        self.close()
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        threads = str(min(4, physical_cores()))
        self._child = subprocess.Popen(
            [sys.executable, "-s", "-m", "core.data.browsing.token_child"], cwd=PROJECT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace",
            env=environment | {
                "PYTHONUTF8": "1", "TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": threads,
                "RAYON_RS_NUM_THREADS": threads, "MALLOC_ARENA_MAX": "2",
            },
            start_new_session=not WINDOWS,
        )  # fmt: skip
        self._answers = queue.Queue()
        threading.Thread(target=_read, args=(self._child, self._answers), daemon=True).start()

    def _line(self, question: dict[str, Any], most_s: float) -> str:
        """The answer. Raises _Over for a process that took too long or too much memory, or ended."""
        child, ends = self._child, time.monotonic() + most_s
        assert child is not None and child.stdin is not None
        threading.Thread(
            target=_write, args=(child, json.dumps(question | {"seconds": most_s}) + "\n"), daemon=True
        ).start()
        while True:
            try:
                line = self._answers.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() > ends:
                    raise _Over(f"did not answer within {counted(round(most_s), 'second')}") from None
                if _memory(child.pid) > MEMORY:
                    raise _Over(f"took more than the {size(MEMORY)} of memory that it may have") from None
                continue
            if len(line) == MOST_ANSWER:
                raise _Over(f"makes more than {size(MOST_ANSWER)} of these texts")
            if not line.endswith("\n"):
                if not WINDOWS and _exit_code(child) == -signal.SIGKILL:  # its own limit would have it end otherwise
                    what = "was ended by the system, most often because memory ran out"
                    raise _Over(what, "close other programs and try again", lasts=False)
                raise _Over(f"ended its process, most often because {size(MEMORY)} of memory were not enough for it")
            return line


class _Over(Exception):
    """A limit was broken; the text says which, as the rest of a sentence about the tokenizer, with what to do.

    lasts: whether it would be so another time
    """

    def __init__(self, what: str, fix: str = "it is not used, choose another model", *, lasts: bool = True) -> None:
        super().__init__(f"{what}; {fix}")
        self.lasts = lasts


FIELD = "model.name"


def _write(child: subprocess.Popen[str], line: str) -> None:
    """In a thread of its own: a process that does not read would hold up whoever asks."""
    try:
        assert child.stdin is not None
        child.stdin.write(line)
        child.stdin.flush()
    except (OSError, ValueError):
        pass  # it ended, which the reader sees too


def _read(child: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Lines of the process into the queue, an empty one at its end; of one that is too long only the beginning."""
    assert child.stdout is not None
    try:
        while line := child.stdout.readline(MOST_ANSWER):
            answers.put(line)
            if not line.endswith("\n"):
                break
    except (OSError, ValueError):
        pass  # closed from here
    answers.put("")


def _exit_code(child: subprocess.Popen[str]) -> int | None:
    try:
        return child.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        return None


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


_process = _Process()
atexit.register(_process.close)

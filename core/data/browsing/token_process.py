"""Asks a tokenizer in a separate, limited process (`core.data.browsing.token_child`), which is kept warm.

The tokenizer may be hostile. Its process gets no environment variables of ours and has limits of memory and time; when
it breaks one, only that process ends, and the caller gets an error message.
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
LEAVE_S = 5.0  # from its last output to its end
MOST_ANSWER = 64 * 1024**2  # characters; the ids of a batch are a few million
IDLE_S = 120.0
LOOK_S = 0.05  # between two looks at its memory
REMEMBERED, REMEMBERED_S = 100, 600.0  # tokenizers that broke their limits, and how long they are not tried again
# All that the process needs to run. It gets no token and none of our settings.
ENVIRONMENT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class LimitedTokenizer:
    """A tokenizer.json that runs in the limited process, without truncation or padding.

    vocabulary: how many tokens it knows; unknown: the ids of its unknown tokens
    """

    path: Path
    vocabulary: int
    unknown: tuple[int, ...]

    def ids(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        """Returns the token ids of each text or pair, special tokens included. Raises DataError."""
        return [row for batch in _batches(texts) for row in self._ask("ids", batch)]

    def lengths(self, texts: Sequence[Sequence[str]]) -> list[int]:
        """Returns the number of tokens of each text or pair, special tokens included. Raises DataError."""
        return [length for batch in _batches(texts) for length in self._ask("lengths", batch)]

    def _ask(self, task: str, texts: list[list[str]]) -> list[Any]:
        return list(_process.ask({"do": task, "path": str(self.path), "texts": texts}, BATCH_S)[task])

    def tokens(self, texts: Sequence[str], max_length: int, most: int) -> list[tuple[str, str, bool]]:
        """Returns the first `most` tokens of a text or pair as (text, kind, whether it is cut). Raises DataError."""
        question = {"do": "tokens", "path": str(self.path), "texts": list(texts), "max_length": max_length}
        answer = _process.ask(question | {"most": most}, PAGE_S)
        return [(text, kind, cut) for text, kind, cut in answer["tokens"]]


def open_limited(path: Path) -> LimitedTokenizer:
    """Opens a tokenizer. Raises DataError for a file that is not one, or that breaks the limits."""
    about = _process.ask({"do": "open", "path": str(path)}, OPEN_S)
    return LimitedTokenizer(path, int(about["vocabulary"]), tuple(about["unknown"]))


def _batches(texts: Sequence[Sequence[str]]) -> Iterator[list[list[str]]]:
    """Yields the texts in batches that are small enough to be answered quickly."""
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
    """The process that answers; it is started again when it has ended. Safe to use from any thread."""

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
            raise DataError.of(
                "tokenizer-file-unreadable",
                "{file} cannot be read ({reason}); choose the model again",
                FIELD,
                file=path.name,
                reason=error.strerror,
            ) from None
        with self._lock:
            since, message = self._broken.get(key, (-REMEMBERED_S, ""))
            if time.monotonic() - since < REMEMBERED_S:
                raise DataError(message, FIELD)
            if self._idle is not None:
                self._idle.cancel()
            try:
                if self._child is None or self._child.poll() is not None:
                    self._start()
                line = self._line(question, most_s)
            except _LimitBroken as error:
                self.close()
                if error.lasts and sum(len(text) for row in question.get("texts", ()) for text in row) <= 2 * AT_ONCE:
                    self._broken[key] = (time.monotonic(), str(error))
                while len(self._broken) > REMEMBERED:
                    self._broken.popitem(last=False)
                raise DataError(str(error), FIELD) from None
            self._idle = threading.Timer(IDLE_S, self._rest)
            self._idle.daemon = True
            self._idle.start()
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise DataError(str(answer["refused"]), FIELD)
        if "error" in answer:
            raise DataError.of(
                "tokenizer-unusable",
                "{file} is not a tokenizer that can be used ({reason})",
                FIELD,
                file=path.name,
                reason=answer["error"],
            )
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
        """Ends the process after it was idle, unless a question is being answered."""
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
            [sys.executable, "-s", "-m", "core.data.browsing.token_child"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            env=environment
            | {
                "PYTHONUTF8": "1",
                "TOKENIZERS_PARALLELISM": "true",
                "RAYON_NUM_THREADS": threads,
                "RAYON_RS_NUM_THREADS": threads,
                "MALLOC_ARENA_MAX": "2",
            },
            start_new_session=not WINDOWS,
        )
        self._answers = queue.Queue()
        threading.Thread(target=_read, args=(self._child, self._answers), daemon=True).start()

    def _line(self, question: dict[str, Any], most_s: float) -> str:
        """Returns the answer. Raises _LimitBroken if the process takes too long or too much memory, or ends."""
        child, ends, name = self._child, time.monotonic() + most_s, Path(question["path"]).name
        assert child is not None and child.stdin is not None
        threading.Thread(
            target=_write, args=(child, json.dumps(question | {"seconds": most_s}) + "\n"), daemon=True
        ).start()
        while True:
            try:
                line = self._answers.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() > ends:
                    raise _LimitBroken(
                        f"the tokenizer {name} of this model did not answer within "
                        f"{counted(round(most_s), 'second')}; it is not used, choose another model"
                    ) from None
                if _memory(child.pid) > MEMORY:
                    raise _LimitBroken(
                        f"the tokenizer {name} of this model took more than the {size(MEMORY)} of memory that it may "
                        "have; it is not used, choose another model"
                    ) from None
                continue
            if len(line) == MOST_ANSWER:
                raise _LimitBroken(
                    f"the tokenizer {name} of this model makes more than {size(MOST_ANSWER)} of these texts; it is not "
                    "used, choose another model"
                )
            if not line.endswith("\n"):
                raise _ended(child, name)
            return line


class _LimitBroken(Exception):
    """A tokenizer broke a limit; the message names the limit and the fix. lasts: whether a new try would fail too"""

    def __init__(self, message: str, *, lasts: bool = True) -> None:
        super().__init__(message)
        self.lasts = lasts


def _ended(child: subprocess.Popen[str], name: str) -> _LimitBroken:
    """Explains why the process of a tokenizer ended before its answer."""
    if not WINDOWS and _exit_code(child) == -signal.SIGKILL:  # its own memory limit ends it in another way
        return _LimitBroken(
            f"the tokenizer {name} of this model was ended by the system, most often because memory ran out; close "
            "other programs and try again",
            lasts=False,
        )
    return _LimitBroken(
        f"the tokenizer {name} of this model ended its process, most often because {size(MEMORY)} of memory were not "
        "enough for it; it is not used, choose another model"
    )


FIELD = "model.name"


def _write(child: subprocess.Popen[str], line: str) -> None:
    """Sends a line to the process; runs in a thread, since a process that does not read would block the caller."""
    try:
        assert child.stdin is not None
        child.stdin.write(line)
        child.stdin.flush()
    except (OSError, ValueError):
        pass  # the process ended, which the reader sees too


def _read(child: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Puts the lines of the process into the queue, cut at MOST_ANSWER, and an empty line at its end."""
    assert child.stdout is not None
    try:
        while line := child.stdout.readline(MOST_ANSWER):
            answers.put(line)
            if not line.endswith("\n"):
                break
    except (OSError, ValueError):
        pass  # we closed it
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

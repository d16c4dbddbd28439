"""Run calls in another process, whose Hub, cache and token are fixed when it starts.

`huggingface_hub` and `datasets` read their environment once, at import, so a test process cannot change it for itself.
The other process takes calls one after the other and stays warm between them.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Client:
    """A process that calls functions of importable modules. What they print goes to `log`."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.hub_server.client"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                env=dict(env),
                cwd=ROOT,
            )

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What `function` returns there; raises what it raises there, its stack trace as a note."""
        assert self.process.stdin and self.process.stdout
        pickle.dump((function, args, kwargs), self.process.stdin)
        self.process.stdin.flush()
        kind, value, trace = pickle.load(self.process.stdout)
        if kind == "raised":
            value.add_note(trace)
            raise value
        return value

    def close(self) -> None:
        """End the process; it has nothing to save, and leaving in order takes it seconds."""
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        self.process.wait(timeout=30)
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def client(env: Mapping[str, str], log: Path) -> Iterator[Client]:
    """A process for the calls of the block."""
    running = Client(env, log)
    try:
        yield running
    finally:
        running.close()


def _portable(error: Exception) -> Exception:
    """The error, or its text where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


def _serve() -> None:
    calls, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            function, args, kwargs = pickle.load(calls)
        except EOFError:
            return
        try:
            answer = ("returned", function(*args, **kwargs), "")
        except Exception as error:
            traceback.print_exc()
            answer = ("raised", _portable(error), traceback.format_exc())
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    _serve()

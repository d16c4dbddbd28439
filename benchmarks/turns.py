"""Lets several trainings take turns of a few steps, so that a machine that becomes slower slows all of them equally.

Each side is a separate process with its real environment. A `Turns` in it hears of each step, and waits between turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from core.settings import PROJECT

STEPS_PER_TURN = 4


class Side:
    """A process that trains during its turns and waits otherwise.

    seconds, steps: of the turns so far; command: arguments for `python -m`
    """

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        self.name, self.seconds, self.steps, self.done = name, 0.0, 0, False
        self.result: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # like a worker: Linux divides the cores among sessions
        )
        self._read()  # it says when it is ready

    def take_turn(self) -> None:
        if self.done:
            return
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        turn = self._read()
        self.seconds += turn["seconds"]
        self.steps, self.done = turn["step"], turn["step"] == turn["total"]
        print(f"{self.name:>14}: step {turn['step']:4d} of {turn['total']}, {turn['seconds']:6.2f} s", file=sys.stderr)
        if self.done:
            self._process.stdin.close()
            self.result = self._last_line()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith('{"turn"'):
                turn: dict[str, Any] = json.loads(line)["turn"]
                return turn
        raise SystemExit(f"the side {self.name!r} ended early, with exit code {self._process.wait()}")

    def _last_line(self) -> dict[str, Any]:
        """The result that a side prints at its end, if there is one."""
        assert self._process.stdout is not None
        lines = [line for line in self._process.stdout if line.startswith('{"result"')]
        if self._process.wait() != 0:
            raise SystemExit(f"the side {self.name!r} failed at its end, with exit code {self._process.returncode}")
        result: dict[str, Any] = json.loads(lines[-1])["result"] if lines else {}
        return result


def in_turn(sides: Sequence[Side]) -> None:
    """Let all sides train to their end."""
    while not all(side.done for side in sides):
        for side in sides:
            side.take_turn()


class Turns:
    """Within a side: lets the training run for a turn, measures it, and waits for the next one."""

    def __init__(self) -> None:
        self._since: float | None = None

    def on_step(self, step: int, total: int) -> None:
        """For a Reporter's `progress`, which is called with step 0 before the first."""
        if step == 0:
            self.ready()
        else:
            self.step_done(step, total)

    def ready(self) -> None:
        """Say that the training is about to begin."""
        if self._since is None:
            self._say({})
            self._wait()

    def step_done(self, step: int, total: int) -> None:
        if step % STEPS_PER_TURN and step < total:
            return
        assert self._since is not None
        self._say({"step": step, "total": total, "seconds": time.perf_counter() - self._since})
        if step < total:
            self._wait()

    def callback(self) -> Any:
        """For a Trainer."""
        from transformers import TrainerCallback

        turns = self

        class Pace(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                turns.ready()

            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                turns.step_done(state.global_step, state.max_steps)

        return Pace()

    def _say(self, turn: dict[str, Any]) -> None:
        print(json.dumps({"turn": turn}), flush=True)

    def _wait(self) -> None:
        if not sys.stdin.readline():
            raise SystemExit("the benchmark is gone")
        self._since = time.perf_counter()


def say_result(result: dict[str, Any]) -> None:
    """Print the result of a side, as its last line."""
    print(json.dumps({"result": result}), flush=True)

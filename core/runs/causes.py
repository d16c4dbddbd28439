"""Why a worker that said nothing may have ended, in plain words, with what to do for the kind of work that it did."""

from __future__ import annotations

import re
import signal

from core.runs.kinds import CLOSE_OTHERS, KINDS
from core.runs.process import WINDOWS


def cause_of_death(exit_code: int | None, log: str, kind: str, memory_gb: float | None = None) -> str:
    """One or two sentences.

    exit_code: as subprocess has it (negative for a signal on POSIX), None if nobody was there to see it; kind: of work
    memory_gb: what the worker last reported to take, in GB; None if it reported nothing
    """
    less = _less_memory(kind)
    if cause := _told_by(log, less):
        return cause
    if exit_code is None:
        return (
            "The worker is gone and nobody saw it end: a restart of the machine, too little memory, or it was killed "
            f"by hand. Start it again; if it repeats, memory may be short. {less}"
        )
    if exit_code == -signal.SIGTERM or (not WINDOWS and exit_code == -signal.SIGINT):
        return "The worker was told to end from outside (a shutdown, or by hand). Start it again."
    if not WINDOWS and exit_code == -signal.SIGKILL:
        return f"{_killed(memory_gb)} {less}"
    if exit_code < 0:
        return f"The worker crashed with signal {-exit_code} ({_signal_name(-exit_code)}); its log may say more."
    return f"The worker ended with exit code {exit_code} without saying why; its log may say more."


def _killed(memory_gb: float | None) -> str:
    """What is known of a SIGKILL: not who sent it. The kernel sends it where memory runs out, and so does `kill -9`."""
    if memory_gb is None:
        return "The process was killed from outside (signal 9), most often because memory ran out."
    return (
        "The process was killed from outside (signal 9), most often because memory ran out; "
        f"it took {memory_gb:.1f} GB when it last reported."
    )


def cause_of(error: BaseException, kind: str) -> str | None:
    """What to say of an error that the machine is to blame for; None for any other."""
    less = _less_memory(kind)
    return _told_by(f"{type(error).__name__}: {error}", less)


def _told_by(log: str, less_memory: str) -> str | None:
    if in_use := re.search(r"[^\s\]]+ is open in another program, so it cannot be replaced", log):
        return f"{in_use[0]}. Close it there, and start again."
    if "No space left on device" in log or "[Errno 28]" in log or "is full; free some space" in log:
        return "The disk is full. Free some space, or delete old runs, and start again."
    if "Read-only file system" in log or "[Errno 30]" in log or "can be read but not written" in log:
        return "Tunedeck's folder can be read but not written. Make it writable, and start again."
    if "out of memory" in log.lower() or "MemoryError" in log or "bad_alloc" in log:
        return f"Memory ran out. {less_memory}"
    if "ModuleNotFoundError" in log or "ImportError" in log:
        return "A library could not be imported, so the installation is incomplete. Run `make setup` and start again."
    return None


def _less_memory(kind: str) -> str:
    """What takes less memory in this kind of work."""
    return KINDS[kind].less_memory if kind in KINDS else CLOSE_OTHERS


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "real-time"

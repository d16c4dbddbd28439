"""Why a worker that said nothing may have ended, in plain words, with what to do for the kind of work that it did."""

from __future__ import annotations

import re
import signal

from core.messages import Message
from core.runs.kinds import CLOSE_OTHERS, KINDS
from core.runs.process import WINDOWS


def cause_of_death(exit_code: int | None, log: str, kind: str, memory_gb: float | None = None) -> Message:
    """One or two sentences.

    exit_code: as subprocess has it (negative for a signal on POSIX), None if nobody was there to see it; kind: of work
    memory_gb: what the worker last reported to take, in GB; None if it reported nothing
    """
    less = _less_memory(kind)
    if cause := _told_by(log, less):
        return cause
    if exit_code is None:
        return Message.of(
            "worker-gone",
            "The worker is gone and nobody saw it end: a restart of the machine, too little memory, or it was killed "
            "by hand. Start it again; if it repeats, memory may be short. {less_memory}",
            less_memory=less,
        )
    if exit_code == -signal.SIGTERM or (not WINDOWS and exit_code == -signal.SIGINT):
        return Message.of(
            "worker-told-to-end", "The worker was told to end from outside (a shutdown, or by hand). Start it again."
        )
    if not WINDOWS and exit_code == -signal.SIGKILL:
        return _killed(memory_gb, less)
    if exit_code < 0:
        return Message.of(
            "worker-crashed",
            "The worker crashed with signal {signal} ({name}); its log may say more.",
            signal=-exit_code,
            name=_signal_name(-exit_code),
        )
    return Message.of(
        "worker-ended",
        "The worker ended with exit code {exit_code} without saying why; its log may say more.",
        exit_code=exit_code,
    )


def _killed(memory_gb: float | None, less_memory: str) -> Message:
    """What is known of a SIGKILL: not who sent it. The kernel sends it where memory runs out, and so does `kill -9`."""
    if memory_gb is None:
        return Message.of(
            "worker-killed",
            "The process was killed from outside (signal 9), most often because memory ran out. {less_memory}",
            less_memory=less_memory,
        )
    return Message.of(
        "worker-killed-with-memory",
        "The process was killed from outside (signal 9), most often because memory ran out; "
        "it took {memory_gb:.1f} GB when it last reported. {less_memory}",
        memory_gb=memory_gb,
        less_memory=less_memory,
    )


def cause_of(error: BaseException, kind: str) -> Message | None:
    """What to say of an error that the machine is to blame for; None for any other."""
    less = _less_memory(kind)
    return _told_by(f"{type(error).__name__}: {error}", less)


def _told_by(log: str, less_memory: str) -> Message | None:
    if in_use := re.search(r"[^\s\]]+ is open in another program, so it cannot be replaced", log):
        return Message.of("file-in-use", "{what}. Close it there, and start again.", what=in_use[0])
    if "No space left on device" in log or "[Errno 28]" in log or "is full; free some space" in log:
        return Message.of("run-disk-full", "The disk is full. Free some space, or delete old runs, and start again.")
    if "Read-only file system" in log or "[Errno 30]" in log or "can be read but not written" in log:
        return Message.of(
            "home-read-only", "Tunedeck's folder can be read but not written. Make it writable, and start again."
        )
    if "out of memory" in log.lower() or "MemoryError" in log or "bad_alloc" in log:
        return Message.of("run-out-of-memory", "Memory ran out. {less_memory}", less_memory=less_memory)
    if "ModuleNotFoundError" in log or "ImportError" in log:
        return Message.of(
            "library-missing",
            "A library could not be imported, so the installation is incomplete. Run `make setup` and start again.",
        )
    return None


def _less_memory(kind: str) -> str:
    """What takes less memory in this kind of work."""
    return KINDS[kind].less_memory if kind in KINDS else CLOSE_OTHERS


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "real-time"

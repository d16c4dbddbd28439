"""Which machine this is, and which boot of it. A host name identifies neither: a laptop's changes with its network.

`boot` decides whether a process is visible from here and can be ended; `name` decides whether an invisible process was
started on this machine before a restart. Several machines may share a home on a network drive, some are copies of one
image, and containers share a kernel: a process that may belong to another machine is judged by its heartbeat alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import psutil

BOOT_ID, PIDS = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
CPU_INFO = Path("/proc/cpuinfo")
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@lru_cache(maxsize=1)
def boot() -> str:
    """The id of this boot of this system or container. Processes with the same id see each other by the same pids."""
    if sys.platform == "linux":
        try:
            return f"{BOOT_ID.read_text().strip()} {os.readlink(PIDS)}"  # noqa: PTH115 - it leads to no file
        except OSError:
            return name()
    if sys.platform == "darwin":
        return _command_output(["sysctl", "-n", "kern.bootsessionuuid"], r"([0-9A-F-]{36})") or name()
    return name()  # elsewhere a process's start is a time of day, which distinguishes boots


@lru_cache(maxsize=1)
def name() -> str:
    """The id of this machine across reboots: its host name and a digest of its system id."""
    digest = hashlib.blake2b(f"tunedeck {_system_id()}".encode(), digest_size=8).hexdigest()
    return f"{socket.gethostname()} {digest}"


def _system_id() -> str:
    """The system's own id of this machine, empty if unknown. It is confidential, so only a digest of it is kept."""
    if sys.platform == "darwin":
        return _command_output(["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], r'"IOPlatformUUID" = "([^"]+)"')
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as key:
                return str(winreg.QueryValueEx(key, "MachineGuid")[0])
        except OSError:
            return ""
    for path in MACHINE_IDS:
        try:
            return path.read_text().strip()
        except OSError:
            continue
    return ""


def _command_output(command: list[str], pattern: str) -> str:
    """The first group of `pattern` in what a command prints; empty if the command fails or nothing matches."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(pattern, answer)
    return match[1] if match else ""


@lru_cache(maxsize=1)
def cpu_has_bf16() -> bool:
    """Whether the processor says, without torch, that it has instructions for products of bf16; else it may yet."""
    try:
        flags = set(CPU_INFO.read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split())
    except (OSError, ValueError):
        return False
    return bool(flags & {"avx512_bf16", "amx_tile"})


@lru_cache(maxsize=1)
def physical_cores() -> int:
    """The number of physical cores this process may use; hyperthreads do not add speed."""
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    return max(1, min(physical, allowed))

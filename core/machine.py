"""Which machine this is, and which boot of it. A host name tells neither: a laptop's changes with the network it is in.

`boot` decides whether a process can be seen, and ended, from here; `name` whether one that cannot be seen was started
on this machine at all, before it was restarted. A home on a shared drive is used by several machines, some of them
copies of one image, and containers share a kernel: whatever may be another machine's process is left to its heartbeat.
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
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@lru_cache(maxsize=1)
def boot() -> str:
    """Those who have the same see each other's processes, by the same pids: one boot of one system, or container."""
    if sys.platform == "linux":
        try:
            return f"{BOOT_ID.read_text().strip()} {os.readlink(PIDS)}"  # noqa: PTH115 - it leads to no file
        except OSError:
            return name()
    if sys.platform == "darwin" and (session := _asked(["sysctl", "-n", "kern.bootsessionuuid"], r"([0-9A-F-]{36})")):
        return session
    return name()  # elsewhere a process's start is a time of day, which tells boots apart


@lru_cache(maxsize=1)
def name() -> str:
    """This machine through all its boots, until it gets another host name: that, and a digest of its system's id."""
    digest = hashlib.blake2b(f"tunedeck {_system_id()}".encode(), digest_size=8).hexdigest()
    return f"{socket.gethostname()} {digest}"


def _system_id() -> str:
    """What the system knows this machine by; it is not to be shown, so that only a digest of it is kept."""
    if sys.platform == "darwin":
        return _asked(["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], r'"IOPlatformUUID" = "([^"]+)"')
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


def _asked(command: list[str], pattern: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(pattern, answer)
    return found[1] if found else ""


@lru_cache(maxsize=1)
def physical_cores() -> int:
    """Cores this process may use: two threads of one core compute no faster than one."""
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    return max(1, min(physical, allowed))

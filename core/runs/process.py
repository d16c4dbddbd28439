"""Processes: who am I, does that one live, start a worker, end it with all it started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import psutil

from core import machine
from core.machine import physical_cores
from core.settings import PROJECT, Settings
from core.store.record import ProcessId

WINDOWS = sys.platform == "win32"
WORKER = "core.runs.worker"
MOST_FILES = 65_536

# Large temporaries come from the heap, in huge pages, and the heap keeps them; without this a training step on a CPU
# spends up to half its time on page faults. glibc reads these, other C libraries ignore them.
ALLOCATOR = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024**3),
    "MALLOC_TOP_PAD_": str(256 * 1024**2),
    "MALLOC_ARENA_MAX": "1",
}
# A demo shares a few hundred MB with its dashboard: what is free goes back to the system at once, also what Arrow
# holds. glibc would raise these thresholds by itself.
DEMO_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(128 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 1024),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
# How often a thread of torch looks whether the others are done before it sleeps. By libgomp's default it looks for
# milliseconds, as busy as one that computes; beside anything else that wants a core, such as the browser in which the
# run is watched, training becomes up to twenty times slower. `benchmarks.busy_machine` measures it.
WAITING = {"GOMP_SPINCOUNT": "1000"}


def _started(process: psutil.Process) -> float:
    """When a process started, in seconds: on Linux since boot, which no change of the clock moves."""
    if sys.platform != "linux":
        return process.create_time()
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    return int(stat.rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


def identity(pid: int | None = None) -> ProcessId:
    """This process, or a running one. Raises psutil.NoSuchProcess."""
    process = psutil.Process(pid)
    return ProcessId(machine.name(), machine.boot(), process.pid, _started(process))


def is_here(process: ProcessId) -> bool:
    """Whether it can be seen from here; of other processes only the heartbeat can."""
    return process.boot == machine.boot()


def is_dead(process: ProcessId) -> bool:
    """Whether a process surely runs no more: False for one that cannot be seen from here."""
    if is_here(process):
        return _live(process) is None
    return process.host == machine.name()  # it was started before this machine, or container, was restarted


def _live(process: ProcessId) -> psutil.Process | None:
    try:
        running = psutil.Process(process.pid)
        same = abs(_started(running) - process.started) < (0.05 if sys.platform == "linux" else 2.0)
        return running if same and running.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def signal_group(process: ProcessId, *, force: bool) -> None:
    """Ask the whole group of a worker on this machine to end (`force`: kill it). Does nothing to strangers."""
    if not is_here(process):
        return
    if WINDOWS:
        _signal_tree(process, force)
        return
    if _live(process) is None and psutil.pid_exists(process.pid) and not _is_zombie(process.pid):
        return  # the pid is somebody else's now, and so may the group be
    try:
        os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)
        if force:
            os.killpg(process.pid, signal.SIGCONT)  # a frozen group dies at once
    except (ProcessLookupError, PermissionError):
        pass


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal_tree(process: ProcessId, force: bool) -> None:
    leader = _live(process)
    if leader is None:
        return
    for member in [*leader.children(recursive=True), leader]:
        try:
            member.kill() if force else member.terminate()
        except psutil.NoSuchProcess:
            pass


def start_worker(
    run_id: str, token: int, resource: str, threads: int | None, settings: Settings
) -> subprocess.Popen[bytes]:
    """Start a worker in a session of its own; all it prints goes to the run's worker.log. Raises OSError."""
    environment = worker_environment(resource, threads, settings)
    return _start([run_id, str(token)], worker_log(run_id, settings), environment, subprocess.DEVNULL)


def start_spare(settings: Settings, *, with_keras: bool) -> subprocess.Popen[bytes]:
    """Start a worker that imports what a run needs and then waits for `hand_over`. Raises OSError."""
    log = settings.home / "spare.log"
    log.unlink(missing_ok=True)
    arguments = ["--spare", *(["--keras"] if with_keras else [])]
    return _start(arguments, log, worker_environment("cpu", None, settings), subprocess.PIPE)


def hand_over(
    child: subprocess.Popen[bytes], run_id: str, token: int, resource: str, threads: int | None, settings: Settings
) -> None:
    """Give a waiting worker its run. Raises OSError if it is gone."""
    environment = worker_environment(resource, threads, settings)
    devices_and_threads = {
        name: environment[name] for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    message = {
        "run": run_id,
        "token": token,
        "log": str(worker_log(run_id, settings)),
        "environment": devices_and_threads,
    }
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.write(json.dumps(message).encode() + b"\n")


def worker_log(run_id: str, settings: Settings) -> Path:
    """Where a run's worker writes what it prints; its folder is made."""
    folder = settings.run_dir(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "worker.log"


def _start(arguments: list[str], log: Path, environment: dict[str, str], stdin: int) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", WORKER, *arguments],
            cwd=PROJECT,
            env=environment,
            stdin=stdin,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=not WINDOWS,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )


def worker_environment(resource: str, threads: int | None = None, settings: Settings | None = None) -> dict[str, str]:
    """The environment of a worker, fixed at its start: allocator, threads, visible GPUs.

    resource: `cpu`, `gpu:0` or `light`; threads: for computing on the CPU, one per physical core if None.
    """
    # USE_TF and the like would have the libraries take TensorFlow, or torch, for absent.
    dropped = ("STREAMLIT_", "USE_TF", "USE_TORCH", "USE_JAX")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    count = str(threads or physical_cores())
    visible = _visible_gpus()
    gpu = resource.removeprefix("gpu:") if resource.startswith("gpu:") else ""
    environment |= {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TOKENIZERS_PARALLELISM": "true",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "tensorflow",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUTF8": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as nvidia-smi counts
        "CUDA_VISIBLE_DEVICES": visible[int(gpu)] if gpu and visible else gpu,
    }
    allocator = DEMO_ALLOCATOR if settings is not None and settings.mode == "demo" else ALLOCATOR
    for name, value in (allocator | WAITING).items():
        environment.setdefault(name, value)
    if settings is not None:
        environment["TUNEDECK_HOME"] = str(settings.home)
    return environment


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """Names of the CUDA GPUs that may be used, asked of the driver so that no torch is imported. Empty without one."""
    return _ask_driver("name")


def gpu_memory() -> float | None:
    """Bytes of the first GPU's memory; None if the driver does not say."""
    mebibytes = next(iter(_ask_driver("memory.total", "nounits")), "")
    return float(mebibytes) * 1024**2 if mebibytes.isdigit() else None


def _ask_driver(field: str, *form: str) -> tuple[str, ...]:
    """A field of each GPU that may be used."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, f"--query-gpu={field}", f"--format={','.join(('csv', 'noheader', *form))}"]
    try:
        out = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    values = [line.strip() for line in out.splitlines() if line.strip()]
    visible = _visible_gpus()
    if visible is not None:
        values = [values[int(i)] if i.isdigit() and int(i) < len(values) else i for i in visible]
    return tuple(values)


def _visible_gpus() -> list[str] | None:
    """What the operator's CUDA_VISIBLE_DEVICES leaves of the GPUs; None if it does not say."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if allowed is None else [i.strip() for i in allowed.split(",") if i.strip()]


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; empty if there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 16_384))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def allow_open_files(wanted: int = MOST_FILES) -> None:
    """Let this process and its children have many files open; a Mac allows 256 if nobody asks for more.

    Each browser tab takes three, and goes on doing so for minutes after it was closed, in case it comes back.
    """
    if WINDOWS:
        return  # has no such limit
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in (wanted, 10_240, 4_096, 1_024):  # macOS refuses more than OPEN_MAX whatever its hard limit says
        number = number if hard == resource.RLIM_INFINITY else min(number, hard)
        if soft == resource.RLIM_INFINITY or soft >= number:
            return
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
            return

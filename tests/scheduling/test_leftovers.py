"""What killed processes leave is swept; what others still write, and what is somebody's, is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from core.runs import leftovers, process
from core.runs.scheduler import Scheduler
from core.settings import Settings
from core.store.store import Store
from tests.scheduling.conftest import PROJECT


def test_an_import_that_was_killed_is_swept_by_the_next_scheduler(store: Store, settings: Settings) -> None:
    code = """
import sys, time
from pathlib import Path
from core.runs.leftovers import half_made
with half_made(Path(sys.argv[1])) as folder:
    (folder / "model.safetensors").write_bytes(b"half")
    print(folder, flush=True)
    time.sleep(600)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(settings.home / "runs")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    leftovers.sweep(settings.home)
    assert (folder / "model.safetensors").is_file(), "it is still at work"
    child.kill()
    child.wait()
    scheduler = Scheduler(store, settings)
    scheduler.tick()
    scheduler.close()
    assert not list((settings.home / "runs").iterdir())


def test_nothing_is_left_of_an_import_that_ends(settings: Settings) -> None:
    with pytest.raises(ValueError), leftovers.half_made(settings.home) as folder:
        assert folder.is_dir()
        raise ValueError
    assert not list(settings.home.iterdir())


def test_of_others_only_what_is_old_goes(settings: Settings) -> None:
    home, runs = settings.home, settings.home / "runs"
    elsewhere = replace(process.identity(), host="another 1", boot="another")
    for name in ("young", "old"):
        folder = runs / f"{leftovers.IMPORTING}{name}"
        folder.mkdir(parents=True)
        folder.with_name(folder.name + leftovers.OWNER).write_text(json.dumps(asdict(elsewhere)))
    names = (
        "encoded/abc.12345678",
        "runs/r1/model.12345678",
        "runs/r1/checkpoints/checkpoint-5.12345678",
        "datasets/f1/x.npy.12345678",
    )
    partials = [home / f"{name}.partial" for name in names]
    kept = [runs / "r1" / "model", home / "encoded" / "abc", home / "datasets" / "f1" / "x.npy"]
    for path in (*partials, *kept):
        path.mkdir(parents=True)
    leftovers.sweep(home)
    assert all(path.is_dir() for path in (*partials, *kept)) and len(list(runs.glob(".importing-*"))) == 4
    for path in (runs / f"{leftovers.IMPORTING}old", *partials, *kept):
        os.utime(path, (1, 1))
    leftovers.sweep(home)
    assert not any(path.exists() for path in partials) and all(path.is_dir() for path in kept)
    assert sorted(path.name for path in runs.glob(".importing-*")) == [".importing-young", ".importing-young.owner"]


def test_what_cannot_be_removed_now_is_no_trouble(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, while somebody has it open: runs are looked after all the same."""
    partial = settings.home / "x.json.12345678.partial"
    partial.write_text("half")
    os.utime(partial, (1, 1))
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == partial:
            raise PermissionError(13, "in use", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    scheduler = Scheduler(store, settings)
    scheduler.tick()
    assert scheduler.leads and partial.exists()
    scheduler.close()


def test_a_worker_that_is_done_is_gone_at_once() -> None:
    """Its libraries would take seconds to unload, with all their memory; its temporary folders go all the same."""
    code = """
import atexit, sys, tempfile
from core.runs import worker
class Slow:
    def __del__(self):
        import time
        time.sleep(30)
slow, folder = Slow(), tempfile.TemporaryDirectory()
sys.modules["slow"] = slow
atexit.register(lambda: print("atexit", flush=True))
print(folder.name)
worker.leave(3)
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and time.monotonic() - start < 25
    folder, ended = done.stdout.split()
    assert ended == "atexit" and not Path(folder).exists()

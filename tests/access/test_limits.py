"""Quotas, paths and uploads of several people, with real files; and runs that use up their time."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.data.reading.files import resolve
from core.data.reading.uploads import save_upload
from core.errors import AccessDenied, DataError, PathError
from core.models import names as models
from core.person import Person
from core.runs import queue
from core.runs.process import identity
from core.runs.scheduler import Scheduler
from core.settings import Demo, Limits, Settings, allowed_path
from core.sharing.redact import for_display
from core.spec.data import DataSpec
from core.store import audit_log
from core.store import files as results
from tests.access.conftest import ANN, OTHER_VISITOR, PEOPLE, SPEC, House
from tests.synthetic import Synthetic

TOM = PEOPLE["trainer"]


def limited(house: House, **limits: Any) -> House:
    house.settings = replace(house.settings, limits=replace(house.settings.limits, **limits))
    return house


def test_only_so_many_runs_wait_or_work(team: House) -> None:
    limited(team, queued=2)
    for _ in range(2):
        team.of(TOM).submit("train", "x", SPEC)
    with pytest.raises(AccessDenied, match="you have 2 runs in the queue or at work, and the limit here is 2"):
        team.of(TOM).submit("import", "x", DataSpec().model_dump(mode="json"))
    team.of(ANN).submit("train", "x", SPEC)  # others have their own
    team.of(TOM).stop(team.of(TOM).runs()[1].id)
    stopped = team.stopped(TOM.id)
    team.of(TOM).submit("train", "x", SPEC)
    with pytest.raises(AccessDenied, match="in the queue or at work"):
        team.of(TOM).resume(stopped.id, 0)


def test_two_clicks_at_once_are_two(team: House) -> None:
    limited(team, queued=3)
    refused: list[AccessDenied] = []

    def click() -> None:
        try:
            team.of(TOM).submit("train", "x", SPEC)
        except AccessDenied as error:
            refused.append(error)

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(team.plain.runs()) == 3 and len(refused) == 7


def test_disk_counts_runs_and_uploads(team: House) -> None:
    own = team.ended(TOM.id)
    used = results.folder_bytes(team.settings.run_dir(own.id))
    limited(team, disk_bytes=used + 1000)
    settings = team.settings_of(TOM)
    save_upload(settings, "small.csv", io.BytesIO(b"x" * 500))
    with pytest.raises(AccessDenied, match="delete some runs first"):
        save_upload(settings, "large.csv", io.BytesIO(b"y" * 600))
    files = [p.name for p in settings.own_uploads.rglob("*") if p.is_file()]
    assert files == ["small.csv"]
    save_upload(team.settings_of(ANN), "large.csv", io.BytesIO(b"y" * 600))
    (team.settings.run_dir(own.id) / "model.bin").write_bytes(b"z" * 2000)
    with pytest.raises(AccessDenied, match="your limit is"):
        team.of(TOM).submit("train", "x", SPEC)


def test_an_upload_that_is_too_large_leaves_nothing(team: House) -> None:
    settings = replace(team.settings_of(TOM), max_upload_bytes=1000)
    with pytest.raises(DataError, match="is larger than"):
        save_upload(settings, "a.csv", io.BytesIO(b"x" * 1001))
    assert not [p for p in team.settings.uploads.rglob("*") if p.is_file()]


def test_an_upload_belongs_to_whoever_made_it(team: House) -> None:
    path = save_upload(team.settings_of(ANN), "secret.csv", io.BytesIO(b"text,label\na,b\n"))
    assert resolve(str(path), team.settings_of(ANN)) == path
    assert ANN.id not in str(path)
    data = {"source": "file", "path": str(path)}
    for who in (TOM, PEOPLE["admin"], PEOPLE["viewer"]):
        with pytest.raises(PathError, match="lies outside"):
            resolve(str(path), team.settings_of(who))
    for kind, spec in (("train", {**SPEC, "data": {**SPEC["data"], **data}}), ("import", data), ("inspect", data)):
        with pytest.raises(PathError, match="lies outside"):
            team.of(TOM).submit(kind, "x", spec)
        link = str(path.parent / ".." / ".." / path.relative_to(team.settings.uploads))
        with pytest.raises(PathError, match="lies outside"):
            team.of(TOM).submit(kind, "x", {**spec, "path": link} if kind != "train" else spec)
    assert not team.plain.runs()
    worker = team.settings.on_behalf_of(TOM.id)  # what a worker reads under, whatever a spec in the store says
    with pytest.raises(PathError):
        resolve(str(path), worker)
    assert resolve(str(path), team.settings.on_behalf_of(ANN.id)) == path


@pytest.mark.parametrize("path", ["/etc/passwd", "~/.ssh/id_rsa", "../../etc/passwd", "TUNEDECK_HOME/store.sqlite3"])
@pytest.mark.parametrize("mode", ["team", "demo", "viewer"])
def test_files_of_the_server_are_not_read(settings: Settings, mode: str, path: str) -> None:
    house = House(settings, mode)
    with pytest.raises(PathError, match="lies outside"):
        allowed_path(house.settings_of(TOM), path)


def test_the_operators_folders_are_read_by_their_name(team: House, tmp_path: Path) -> None:
    root = tmp_path / "shared data"
    root.mkdir()
    (root / "a.csv").write_text("text,label\na,b\n")
    (root / "out").symlink_to(tmp_path / "home")
    settings = replace(team.settings_of(TOM), roots=(root,))
    assert allowed_path(settings, "shared data/a.csv") == root / "a.csv"
    assert for_display(str(root / "a.csv"), settings) == "shared data/a.csv"
    for way in ("shared data/../secret", "shared data/out/store.sqlite3", str(tmp_path / "home")):
        with pytest.raises(PathError):
            allowed_path(settings, way)


def test_a_path_that_was_shown_comes_back(team: House) -> None:
    settings = team.settings_of(TOM)
    path = save_upload(settings, "a.csv", io.BytesIO(b"text,label\na,b\n"))
    displayed = for_display(str(path), settings)
    assert displayed.startswith("TUNEDECK_HOME/") and allowed_path(settings, displayed) == path


def test_a_model_folder_is_one_of_the_runs_or_the_operators(team: House, tmp_path: Path) -> None:
    run = team.ended(ANN.id)
    settings, folder = team.settings_of(TOM), team.settings.run_dir(run.id)
    assert models.folder_of(str(folder / "model"), settings) == folder / "model"
    for name in (str(tmp_path), str(folder), str(folder / "checkpoints"), "/", str(folder / "model" / ".." / "..")):
        with pytest.raises(PathError, match="lies outside"):
            models.folder_of(name, settings)
        with pytest.raises(PathError, match="lies outside"):
            team.of(TOM).submit("train", "x", {**SPEC, "model": {**SPEC["model"], "name": name}})


def test_what_pages_say_has_no_path_of_the_server(team: House) -> None:
    run = Synthetic(team.plain, team.settings, owner=ANN.id).working()
    at = f"{team.settings.home}/uploads/x.csv"
    team.plain.write(run.id, run.token, events=[(time.time(), "message", {"text": f"Read {at}", "level": "info"})])
    code = Path(models.__file__)
    team.plain.finish(run.id, run.token, "failed", f"{at} is full", f'File "{code}", line 1\n{Path.home()}/x')
    seen = team.of(TOM).run(run.id)
    assert seen.error == "TUNEDECK_HOME/uploads/x.csv is full"
    text = repr((seen, team.of(TOM).runs(), team.of(TOM).events_since(run.id)))
    for secret in (str(team.settings.home), str(code.parent), f"{Path.home()}/"):
        assert secret not in text
    local = House(replace(team.settings, mode="local"), "local")
    assert local.of(PEOPLE["operator"]).run(run.id).error == f"{at} is full"


def scheduling(house: House) -> Scheduler:
    scheduler = Scheduler(house.plain, house.settings, poll_s=0.01)
    scheduler.tick()
    return scheduler


@pytest.mark.parametrize(("owner", "expected"), [(TOM.id, "stopping"), ("local", "running")])
def test_a_run_ends_when_its_time_is_up(team: House, owner: str, expected: str) -> None:
    limited(team, run_s=0.05)
    run = Synthetic(team.plain, team.settings, owner=owner).working()
    time.sleep(0.1)
    scheduler = scheduling(team)
    assert team.plain.run(run.id).status == expected
    messages = [e.payload for e in team.plain.events_since(run.id) if e.kind == "message"]
    assert bool(messages) == (expected == "stopping")
    if messages:
        assert "the longest that a run may take here" in messages[0]["text"]
        assert (messages[0]["code"], messages[0]["arguments"]) == ("time-up", {"seconds": 0.05})
        entry = audit_log.entries(team.plain)[0]
        assert (entry.person, entry.action) == ("time limit", "stop")
    scheduler.close()


def test_a_demo_works_on_one_run_at_a_time_and_has_a_short_queue(demo: House) -> None:
    demo.settings = replace(demo.settings, demo=Demo(waiting=2))
    mine = demo.of(PEOPLE["visitor"])
    first = mine.submit("train", "x", SPEC)
    with pytest.raises(AccessDenied, match="the limit here is 1"):
        mine.submit("train", "x", SPEC)
    other = demo.of(OTHER_VISITOR)
    second = other.submit("train", "x", SPEC)
    place = queue.place_in_queue(other, other.run(second), one_at_a_time=True)
    assert (place.ahead, place.holders, place.others) == (1, (), 0)
    with demo.plain.atomic() as db:  # a worker has the first
        me = identity()
        db.execute(
            "UPDATE runs SET status='running', resource='light', token=5, host=?, boot=?, pid=?, pid_started=?"
            " WHERE id=?",
            (me.host, me.boot, me.pid, me.started, first),
        )
    scheduler = scheduling(demo)
    assert demo.plain.run(second).status == "queued"
    place = queue.place_in_queue(other, other.run(second), one_at_a_time=True)
    assert (place.ahead, place.holders, place.others) == (0, (), 1)
    third = Person("visitor:third", "Visitor", TOM.role)
    with pytest.raises(AccessDenied, match="queue is full"):
        demo.of(third).submit("train", "x", SPEC)
    scheduler.close()


def test_visitors_runs_are_deleted_after_some_hours(demo: House) -> None:
    demo.settings = replace(demo.settings, demo=Demo(keep_s=0.0))
    old, published = demo.ended(OTHER_VISITOR.id), demo.ended("local")
    scheduling(demo).close()
    assert [run.id for run in demo.plain.runs()] == [published.id]
    assert not demo.settings.run_dir(old.id).exists() and demo.settings.run_dir(published.id).exists()


def test_the_operator_knows_no_limit(settings: Settings) -> None:
    house = House(settings, "team")
    house.settings = replace(house.settings, limits=Limits(disk_bytes=1, queued=1))
    house.ended("local")
    for _ in range(3):
        house.of(PEOPLE["operator"]).submit("train", "x", SPEC)

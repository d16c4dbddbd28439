"""The store, on a real SQLite file."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest

from core.errors import DataError, RunNotFound, StaleWrite, StoreError, WrongStatus
from core.messages import Message
from core.runs.process import identity, is_dead
from core.settings import Settings
from core.store.lease import acquire_lease
from core.store.record import ProcessId, Progress
from core.store.schema import MIGRATIONS
from core.store.store import Store
from core.store.watching import RunView

PROJECT = Path(__file__).resolve().parent.parent
ELSEWHERE = ProcessId("another-host", "boot", 1, 0.0)


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store_path)


def started(store: Store, name: str = "run") -> tuple[str, int]:
    """A run that a worker (this process) has taken up."""
    run_id = store.submit("train", name, {"x": 1})
    lease = acquire_lease(store, identity(), 0.0, is_dead)
    assert lease is not None
    token = lease.claim(run_id, "cpu")
    assert token is not None
    store.begin(run_id, token, identity())
    return run_id, token


def test_the_life_of_a_run(store: Store) -> None:
    run_id, token = started(store)
    assert store.run(run_id).status == "running"
    store.write(run_id, token, Progress("Training", 3, 9, 0.5), [("loss", 3, 0.5, time.time(), 1.5)])
    store.finish(run_id, token, "finished", summary={"value": 0.9})
    run = store.run(run_id)
    assert (run.status, run.step, run.total, run.phase, run.summary) == ("finished", 3, 9, "Training", {"value": 0.9})
    states = [e.payload["status"] for e in store.events_since(run_id) if e.kind == "state"]
    assert states == ["queued", "starting", "running", "finished"]


def test_a_repeated_step_replaces_and_comes_again_to_a_cursor(store: Store, settings: Settings) -> None:
    run_id, token = started(store)
    view = RunView(run_id)
    store.write(run_id, token, metrics=[("loss", 1, None, 1.0, 5.0), ("loss", 2, None, 2.0, 4.0)])
    view.update(store, settings)
    store.write(run_id, token, metrics=[("loss", 2, None, 3.0, 3.0), ("loss", 3, None, 4.0, math.nan)])
    assert len(store.metrics_since(run_id, cursor=2)) == 2
    view.update(store, settings)
    values = list(view.series("loss")["value"])
    assert values[:2] == [5.0, 3.0] and math.isnan(values[2])
    assert len(store.metrics_since(run_id)) == 3


def test_the_last_value_of_a_metric(store: Store) -> None:
    run_id, token = started(store)
    assert store.last_value(run_id, "memory_gb") is None
    store.write(run_id, token, metrics=[("memory_gb", 5, None, 1.0, 2.0), ("loss", 6, None, 1.0, 9.0)])
    store.write(run_id, token, metrics=[("memory_gb", 4, None, 2.0, 3.5)])
    assert store.last_value(run_id, "memory_gb") == 3.5, "a resumed run repeats steps: what was written last counts"


def test_a_stale_worker_can_write_nothing(store: Store) -> None:
    run_id, token = started(store)
    lease = acquire_lease(store, identity(), 10.0, is_dead)
    assert lease is not None and lease.give_up(run_id, token, "lost", "gone")
    before = store.run(run_id), store.metrics_since(run_id), store.events_since(run_id)
    for write in (
        lambda: store.write(
            run_id, token, Progress("x", 1, 2, None), [("loss", 1, None, 1.0, 1.0)], [(1.0, "message", {})]
        ),
        lambda: store.finish(run_id, token, "finished"),
        lambda: store.begin(run_id, token, identity()),
    ):
        with pytest.raises(StaleWrite):
            write()
    assert (store.run(run_id), store.metrics_since(run_id), store.events_since(run_id)) == before


def test_only_the_holder_of_the_lease_schedules(store: Store) -> None:
    first = acquire_lease(store, ELSEWHERE, 10.0, is_dead)
    assert first is not None
    assert acquire_lease(store, identity(), 10.0, is_dead) is None, "another host's lease is good until it runs out"
    first.renew(0.0)
    second = acquire_lease(store, identity(), 10.0, is_dead)
    assert second is not None and second.token > first.token
    run_id = store.submit("train", "x", {})
    for write in (
        lambda: first.renew(10.0),
        lambda: first.claim(run_id, "cpu"),
        lambda: first.give_up(run_id, 1, "lost", ""),
        lambda: first.requeue(run_id, 1),
    ):
        with pytest.raises(StaleWrite):
            write()
    assert store.run(run_id).status == "queued"


def test_a_dead_holder_is_succeeded_at_once(store: Store) -> None:
    me = identity()
    acquire_lease(store, ProcessId(me.host, me.boot, me.pid, me.started - 100), 1000.0, is_dead)
    assert acquire_lease(store, me, 1.0, is_dead) is not None


def test_a_run_is_claimed_once(store: Store) -> None:
    run_id, _ = started(store)
    lease = acquire_lease(store, identity(), 10.0, is_dead)
    assert lease is not None and lease.claim(run_id, "cpu") is None


def test_stop_and_delete_follow_the_status(store: Store) -> None:
    run_id, token = started(store)
    with pytest.raises(WrongStatus, match="stop it"):
        store.delete(run_id)
    assert store.stop(run_id).status == "stopping" and store.stop(run_id).status == "stopping"
    assert store.write(run_id, token) == "stopping"
    store.finish(run_id, token, "stopped")
    with pytest.raises(WrongStatus, match="already ended"):
        store.stop(run_id)
    store.delete(run_id)
    with pytest.raises(RunNotFound, match=run_id):
        store.run(run_id)
    assert store.metrics_since(run_id) == [] and store.events_since(run_id) == []


def test_a_run_that_ended_early_is_resumed(store: Store, settings: Settings) -> None:
    """What was measured after the checkpoint goes, so that nothing is there twice; a watcher sees it go."""
    run_id, token = started(store)
    view = RunView(run_id)
    store.write(
        run_id, token, Progress("Training", 9, 20, 0.5), [("loss", s, None, 1.0, 1.0 / s) for s in range(1, 10)]
    )
    with pytest.raises(WrongStatus, match="only one that ended early"):
        store.resume(run_id, 5)
    lease = acquire_lease(store, identity(), 10.0, is_dead)
    assert lease is not None and lease.give_up(run_id, token, "lost", "gone", "trace")
    assert len(view.update(store, settings).error or "") and len(view.series("loss")) == 9

    store.resume(run_id, 5)
    run = store.run(run_id)
    assert (run.status, run.error, run.ended, run.summary) == ("queued", None, None, {})
    assert [m.step for m in store.metrics_since(run_id)] == [1, 2, 3, 4, 5]
    again = lease.claim(run_id, "cpu")
    assert again is not None and store.begin(run_id, again, identity()).attempt == 2
    store.write(run_id, again, metrics=[("loss", 6, None, 2.0, 7.0)])
    view.update(store, settings)
    assert list(view.series("loss")["step"]) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(StaleWrite):
        store.write(run_id, token, metrics=[("loss", 7, None, 2.0, 7.0)])
    store.finish(run_id, again, "finished")
    with pytest.raises(WrongStatus, match="is finished"):
        store.resume(run_id, 5)


def test_unknown_ids_are_not_found(store: Store) -> None:
    for call in (store.run, store.stop, store.delete, lambda i: store.rename(i, "x")):
        with pytest.raises(RunNotFound):
            call("' OR 1=1 --")


def test_names_are_one_line(store: Store) -> None:
    run_id = store.submit("train", "  a\nb\t" + "c" * 500, {})
    assert store.run(run_id).name.startswith("a b ccc") and len(store.run(run_id).name) == 200
    store.rename(run_id, " ")
    assert store.run(run_id).name == "Untitled"


def test_what_utf8_has_not_is_stored_all_the_same(store: Store) -> None:
    run_id, token = started(store, "caf\udce9")
    store.write(run_id, token, Progress("Reading \udc83.csv", 1, 2, None))
    store.finish(run_id, token, "failed", "\udc83.csv is broken")
    assert store.run(run_id).error == "?.csv is broken" and store.run(run_id).name == "caf?"


def test_many_open_a_new_store_at_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from core.store.store import Store; Store(Path(sys.argv[1]))"
    for number in range(3):
        command = [sys.executable, "-c", code, str(tmp_path / str(number) / "store.sqlite3")]
        children = [subprocess.Popen(command, cwd=PROJECT) for _ in range(4)]
        assert [child.wait() for child in children] == [0] * 4


def test_newest_first(store: Store) -> None:
    ids = [store.submit("train", str(i), {}) for i in range(3)]
    store.submit("import", "other", {})
    assert [r.id for r in store.runs(kind="train")] == ids[::-1]
    assert [r.id for r in store.runs(kind="train", limit=1, offset=1)] == [ids[1]]


def test_threads_write_at_once(store: Store) -> None:
    run_id, token = started(store)

    def write(thread: int) -> None:
        for i in range(25):
            store.write(run_id, token, metrics=[(f"m{thread}", i, None, 0.0, 1.0)])

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.metrics_since(run_id)) == 100


def test_what_is_no_store_has_its_sentence(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    file.write_text("this is a text that is long enough to be no database at all" * 20)
    with pytest.raises(StoreError, match="not a run store"):
        Store(file)
    assert file.read_text().startswith("this is a text")


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    Store(path)
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StoreError, match="newer Tunedeck"):
        Store(path)


def test_the_sentences_of_a_run_are_kept_with_their_ids(store: Store) -> None:
    run_id, token = started(store)
    phase = Message.of("tokenising-texts", "Tokenising: {done:,} of {total:,}", done=1_000, total=2_000)
    store.write(run_id, token, Progress(phase, 0, 0, None))
    run = store.run(run_id)
    assert (run.phase, run.phase_id) == ("Tokenising: 1,000 of 2,000", "tokenising-texts")
    assert run.phase_arguments == {"done": 1_000, "total": 2_000}
    error = DataError.of("file-empty", "{file} is empty", "data.path", file="\udc83.csv")
    store.finish(run_id, token, "failed", error.message)
    run = store.run(run_id)
    assert (run.error, run.error_id, run.error_arguments) == ("?.csv is empty", "file-empty", {"file": "\udc83.csv"})
    last = store.events_since(run_id)[-1].payload
    assert (last["status"], last["code"], last["arguments"]) == ("failed", "file-empty", {"file": "\udc83.csv"})
    store.resume(run_id, 0)
    assert (store.run(run_id).error, store.run(run_id).error_id, store.run(run_id).error_arguments) == (None, "", {})


def test_a_store_of_an_earlier_version_has_sentences_without_ids(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with contextlib.closing(apsw.Connection(str(path))) as db:
        for migration in MIGRATIONS[:4]:
            db.execute(migration)
        db.execute("PRAGMA user_version = 4")
        db.execute(
            "INSERT INTO runs (id, kind, owner, name, status, spec, created, phase, error) VALUES"
            " ('a', 'train', 'local', 'one', 'failed', '{}', 1, 'Training', 'the file is empty')"
        )
        event = '{"text": "x"}'
        db.execute("INSERT INTO events (run, attempt, time, kind, payload) VALUES ('a', 1, 1, 'message', ?)", (event,))
    store = Store(path)
    run = store.run("a")
    assert (run.phase, run.phase_id, run.phase_arguments) == ("Training", "", {})
    assert (run.error, run.error_id, run.error_arguments) == ("the file is empty", "", {})
    assert store.events_since("a")[0].payload == {"text": "x"}

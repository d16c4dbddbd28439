"""Secrets of the environment, in everything that a run leaves, writes for others, or shows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.settings import PROJECT
from core.sharing.code.facts import facts_of
from core.sharing.code.notebook import notebook
from core.sharing.code.script import exact, script
from core.sharing.report import card
from core.sharing.report import report as reports
from core.sharing.report.content import gather
from tests.attack.cases import case
from tests.attack.place import SECRETS, Place
from tests.sharing.test_bundle import SECRET, TOKEN, Shared, everything

PLANTED = (*SECRETS.values(), TOKEN)
PAGES = (
    "start/start", "data/datasets", "train/new_run", "train/runs", "train/run", "results/evaluate", "results/compare",
    "results/playground", "results/share",
)  # fmt: skip


def none_in(text: str, where: str) -> None:
    assert not [secret for secret in PLANTED if secret in text], where


def careless(shared: Shared) -> Any:
    """The run, named and noted by somebody who copied secrets into its name."""
    with shared.store.atomic() as db:
        db.execute("UPDATE runs SET name=? WHERE id=?", (f"Run with {' '.join(PLANTED)}", shared.ids["one"]))
    return shared.store.run(shared.ids["one"])


@case("secrets of the environment in what a run leaves")
def _home(place: Place, shared: Shared) -> None:
    """It was trained, judged, checked and compared while they were set."""
    for path in shared.settings.home.rglob("*"):
        if path.is_file() and "store.sqlite3" not in path.name and path.suffix != ".zip":
            data = path.read_bytes()
            assert not [
                secret for secret in (*PLANTED, SECRET) if secret.encode() in data and path.name != "worker.log"
            ], path
    for run in shared.store.runs():
        record = repr((run.spec, run.summary, run.error, [e.payload for e in shared.store.events_since(run.id)]))
        none_in(record, run.kind)
    place.checked += 1


@case("secrets in the name of a run, in its bundle")
def _bundle(place: Place, shared: Shared) -> None:
    careless(shared)
    for texts in (True, False):
        none_in(everything(shared.bundle("one", texts=texts)), "bundle")
    place.checked += 1


@case("secrets in the name of a run, in its report and card")
def _report(place: Place, shared: Shared) -> None:
    content = gather(shared.store, shared.settings, careless(shared))
    with place.untouched():
        none_in(reports.html(content), "report.html")
        none_in(reports.markdown(content), "report.md")
        none_in(card.outgoing(shared.store, shared.settings, shared.store.run(shared.ids["one"])), "card")


@case("secrets in the name of a run, in its code")
def _code(place: Place, shared: Shared) -> None:
    run = careless(shared)
    facts = facts_of(run, shared.settings)
    with place.untouched():
        none_in(script(facts), "script")
        none_in(exact(facts), "exact.py")
        none_in(notebook(facts), "notebook")
    run_id, summary = shared.work("code", {"run": run.id, "attempt": 1, "with_texts": True})
    none_in(everything(shared.settings.run_dir(run_id) / summary["file"]), "code.zip")


@case("secrets in the name of a run, in what is published")
def _published(place: Place, shared: Shared) -> None:
    run = careless(shared)
    run_id, summary = shared.work("publish", {"runs": [run.id], "texts": True, "mode": "viewer"})
    none_in(everything(shared.settings.run_dir(run_id) / summary["file"]), "site")
    assert not list((PROJECT / ".streamlit").glob("secrets*")), "nothing to go along by mistake"
    place.checked += 1


@case("secrets of the environment on the pages")
def _pages(place: Place, shared: Shared, opened: Any) -> None:
    with shared.store.atomic() as db:
        db.execute("UPDATE runs SET name='A run' WHERE id=?", (shared.ids["one"],))
    for name in PAGES:
        page = opened(shared.settings.home, name, run=shared.ids["one"])
        none_in(f"{page.main}{page.sidebar}{page.session_state}", name)
    place.checked += 1


@case("secrets in a log that others read")
def _log(place: Place, opened: Any) -> None:
    from tests.synthetic import Synthetic

    run = Synthetic(place.plain, place.settings(), "A run").working()
    run.train(5, of=5)
    run.say(f"token {SECRETS['HF_TOKEN']}", "warning")
    run.fail(f"no access with {SECRETS['DATABASE_PASSWORD']}", SECRETS["AWS_SECRET_ACCESS_KEY"])
    log = place.settings().run_dir(run.id) / "worker.log"
    log.write_text(json.dumps(dict(os.environ)) + "\n")
    for mode in ("viewer", "demo"):
        page = opened(place.home, "train/run", mode, run=run.id)
        page.session_state["run_log"] = True
        with place.untouched():
            page.run()
        none_in(f"{page.main}{page.sidebar}", mode)


@case("secrets in the environment of a query")
def _query(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that answers it is not given them."""
    from core.data.browsing import sql
    from core.data.prepare import prepare
    from core.spec.data import DataSpec

    given = dict[str, str]()
    real = subprocess.Popen

    def watched(*command: Any, **more: Any) -> Any:
        given.update(more["env"])
        return real(*command, **more)

    monkeypatch.setattr(subprocess, "Popen", watched)
    prepared = prepare(DataSpec(), place.settings())
    with place.untouched(r"/sql(/\w+\.parquet)?$"):
        assert sql.run(prepared, "SELECT 1").rows == 1
    assert given and not set(given) & set(SECRETS)
    none_in(repr(given), "environment")
    assert str(Path.home()) not in given.values()

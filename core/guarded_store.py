"""The store and the playground as one person may use them; pages get these. `core.access.rules` has the rules.

The scheduler, the workers and the command line use the unguarded ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import apsw

from core.access import demo
from core.access import rules as access
from core.access.rules import Action
from core.errors import AccessDenied, RunNotFound, TunedeckError
from core.evaluation.specs import Subject
from core.models import names as models
from core.person import OPERATOR, VISITOR
from core.playground.answers import Answer, Explanation, Neighbour
from core.playground.client import Playground
from core.runs import kinds
from core.runs.kinds import Kind
from core.settings import Settings, allowed_path
from core.sharing.redact import for_display
from core.spec.section import value_at
from core.store import quotas
from core.store.record import Event, Metric, Run
from core.store.store import Store

T = TypeVar("T")


class GuardedStore(Store):
    """The runs of one home folder, for one person. Raises AccessDenied, and changes nothing, where a rule forbids it.

    Runs that the person may not see do not exist here. Messages contain no paths of the server.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        """settings: those of the person, see `Settings.person`"""
        self.path, self.settings, self.by = store.path, settings, settings.person.id

    def submit(self, kind: str, name: str, spec: dict[str, Any], *, owner: str = "", parent: str | None = None) -> str:
        """Queue a run owned by the person and return its id; the argument `owner` is ignored."""
        self._check_start(kind, kinds.kind_of(kind), spec)
        return super().submit(kind, name, spec, owner=self.by, parent=parent)

    def resume(self, run_id: str, step: int) -> None:
        run = self.run(run_id)
        access.check(self.settings, "resume", run)
        quotas.check_disk(self.settings, self)
        super().resume(run_id, step)

    def check_import(self) -> None:
        super().check_import()
        quotas.check_disk(self.settings, self)

    def import_runs(
        self,
        runs: Sequence[Run],
        metrics: Iterable[tuple[str, str, int, float | None, float, float | None]],
        events: Iterable[tuple[str, float, str, dict[str, Any]]],
    ) -> None:
        """Import the runs of a bundle; the person becomes their owner."""
        super().import_runs([replace(run, owner=self.by) for run in runs], metrics, events)

    def run(self, run_id: str) -> Run:
        return self._for_display(self._visible(super().run(run_id)))

    def runs(
        self, *, kind: str | None = None, statuses: Sequence[str] = (), limit: int = 1000, offset: int = 0
    ) -> list[Run]:
        runs = super().runs(kind=kind, statuses=statuses, limit=limit, offset=offset)
        return [self._for_display(run) for run in runs]

    def metrics_since(self, run_id: str, cursor: int = 0, limit: int = 20_000) -> list[Metric]:
        self._visible(super().run(run_id))
        return super().metrics_since(run_id, cursor, limit)

    def measured(self, run_id: str) -> set[tuple[str, int]]:
        self._visible(super().run(run_id))
        return super().measured(run_id)

    def last_value(self, run_id: str, name: str) -> float | None:
        self._visible(super().run(run_id))
        return super().last_value(run_id, name)

    def events_since(self, run_id: str, cursor: int = 0, limit: int = 5_000) -> list[Event]:
        self._visible(super().run(run_id))
        events = super().events_since(run_id, cursor, limit)
        return [replace(event, payload=for_display(event.payload, self.settings)) for event in events]

    def sees(self, run: Run) -> bool:
        return access.sees(self.settings, run.owner)

    def allow(self, action: Action, run: Run | None = None) -> None:
        if run is not None:
            self._visible(run)
        access.check(self.settings, action, run)

    def admit(self, db: apsw.Connection, kind: str) -> None:
        """Raise AccessDenied for too many queued runs; within the queuing transaction, so two clicks count as two."""
        if not quotas.limited(self.settings):
            return
        going = "SELECT count(*) FROM runs WHERE status IN ('queued','starting','running','stopping') AND owner"
        ((mine,),) = db.execute(f"{going} = ?", (self.by,))
        most = self.settings.limits.queued
        if mine >= most:
            raise AccessDenied.of(
                "runs-limit",
                "you have {count:run|runs} in the queue or at work, and the limit here is {most:,}; wait "
                "until one ends, or stop one",
                count=mine,
                most=most,
            )
        if self.settings.mode == "demo":
            ((all_of_them,),) = db.execute(f"{going} LIKE ? || '%'", (VISITOR,))
            if all_of_them >= self.settings.demo.waiting:
                raise AccessDenied.of(
                    "demo-queue-full",
                    "this demo's queue is full because many people use it; try again in a few minutes",
                )

    def condition(self) -> tuple[str, tuple[Any, ...]]:
        if self.settings.mode != "demo" or self.settings.person == OPERATOR:
            return "1", ()
        return "(owner = ? OR owner NOT LIKE ? || '%')", (self.by, VISITOR)

    def _visible(self, run: Run) -> Run:
        """The run itself. Raises RunNotFound if the person may not see it."""
        if not self.sees(run):
            raise RunNotFound.of(
                "no-such-run", "There is no run {run!r}; the Runs page lists those that exist.", run=run.id
            )
        return run

    def _for_display(self, run: Run) -> Run:
        if self.settings.mode == "local":
            return run
        return replace(
            run,
            phase=for_display(run.phase, self.settings),
            phase_arguments=for_display(run.phase_arguments, self.settings),
            error=for_display(run.error, self.settings),
            error_arguments=for_display(run.error_arguments, self.settings),
            detail=for_display(run.detail, self.settings),
        )

    def _check_start(self, name: str, kind: Kind, spec: dict[str, Any]) -> None:
        """Refuse work that the person may not start, or that names a run, file or folder that they may not use.

        Raises AccessDenied, ModelError, PathError, RunNotFound, SpecError.
        """
        access.check(self.settings, kind.action)
        if not quotas.limited(self.settings):
            return
        if self.settings.mode == "demo" and (
            why := demo.why_not(self.settings.demo, name, kind.demo, spec, kind.data_of(spec))
        ):
            raise AccessDenied(why)
        for run_id in kind.runs_named(spec):
            access.check(self.settings, kind.action, self.run(run_id))
        kinds.check(name, spec)
        check_paths(self.settings, kind, spec)
        quotas.check_disk(self.settings, self)


def check_paths(settings: Settings, kind: Kind, spec: dict[str, Any]) -> None:
    """Raise PathError or ModelError for a file or folder in `spec` that the person may not read."""
    data = kind.data_of(spec)
    if value_at(data, "source") == "file":
        allowed_path(settings, str(value_at(data, "path") or ""))
    name = str(value_at(spec, kind.model) or "") if kind.model else ""
    if name and models.kind_of(name, settings) == "folder":
        models.folder_of(name, settings)


class GuardedPlayground:
    """The playground for one person. Its methods raise what those of `Playground` raise, and AccessDenied."""

    def __init__(self, playground: Playground, store: GuardedStore) -> None:
        self._playground, self._store, self._settings = playground, store, store.settings

    def predict(self, subject: Subject, texts: Sequence[Sequence[str]]) -> Answer:
        self._check(subject)
        return self._clean_errors(lambda: self._playground.predict(subject, texts))

    def explain(self, subject: Subject, text: Sequence[str], method: str, target: int | None = None) -> Explanation:
        self._check(subject)
        return self._clean_errors(lambda: self._playground.explain(subject, text, method, target))

    def nearest(self, subject: Subject, text: Sequence[str]) -> list[Neighbour]:
        self._check(subject)
        return self._clean_errors(lambda: self._playground.nearest(subject, text))

    def warm(self) -> None:
        """Start the process, if the person may ask a model and there is memory for it."""
        if access.why_not(self._settings, "ask") is None and self.waits() is None:
            self._playground.warm()

    def waits(self) -> str | None:
        """Why no question is answered now, else None. A demo lacks the memory to train and answer at once."""
        if self._settings.mode == "demo" and self._store.queue():
            return "a model is being trained, and this demo has memory for one task at a time; ask when it has finished"
        return None

    def _check(self, subject: Subject) -> None:
        access.check(self._settings, "ask")
        if (why := self.waits()) is not None:
            raise AccessDenied(why)
        if subject.run:
            self._store.run(subject.run)
        elif self._settings.mode == "demo" and self._settings.person != OPERATOR:
            raise AccessDenied.of(
                "demo-model-only", "this demo answers with the models of its runs only; choose one of them"
            )
        elif models.kind_of(subject.name, self._settings) == "folder":
            models.folder_of(subject.name, self._settings)

    def _clean_errors(self, ask: Callable[[], T]) -> T:
        """`ask()`; an error that it raises is raised without paths of the server."""
        try:
            return ask()
        except TunedeckError as error:
            raise type(error)(for_display(error.message, self._settings)) from None

"""One home used by several people in one of the modes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.guarded_store import GuardedStore
from core.person import OPERATOR, Person, Role, visitor
from core.settings import LIMITS, Limits, Settings
from core.spec.presets import PRESETS, SAMPLE
from core.store.record import Run
from core.store.store import Store
from tests.synthetic import Synthetic

ANN = Person("ann@example.org", "Ann", Role.TRAINER)
PEOPLE = {
    "viewer": Person("vic@example.org", "Vic", Role.VIEWER),
    "trainer": Person("tom@example.org", "Tom", Role.TRAINER),
    "admin": Person("ada@example.org", "Ada", Role.ADMIN),
    "visitor": visitor("a" * 32),
    "looker": Person("viewer", "Viewer", Role.VIEWER),
    "operator": OPERATOR,
}
OTHER_VISITOR = visitor("b" * 32)
SPEC = PRESETS[SAMPLE].spec.model_dump(mode="json")


class House:
    """The home in a mode. `of` is the store as a person has it; `plain` the scheduler's."""

    def __init__(self, settings: Settings, mode: str) -> None:
        self.settings = replace(settings, mode=mode, limits=LIMITS.get(mode, Limits()))
        self.plain = Store(settings.store_path)

    def settings_of(self, person: Person) -> Settings:
        return replace(self.settings, person=person)

    def of(self, person: Person) -> GuardedStore:
        return GuardedStore(self.plain, self.settings_of(person))

    def ended(self, owner: str, name: str = "A run") -> Run:
        """A run of somebody's that has finished, with files."""
        run = Synthetic(self.plain, self.settings, name, owner=owner).working()
        run.train(20, of=20)
        run.finish()
        return self.plain.run(run.id)

    def stopped(self, owner: str) -> Run:
        """A queued run that was stopped: it can be resumed, as far as the store knows."""
        run_id = self.plain.submit("train", "Stopped", SPEC, owner=owner)
        self.plain.stop(run_id)
        return self.plain.run(run_id)

    def queued(self, owner: str) -> Run:
        return self.plain.run(self.plain.submit("train", "Queued", SPEC, owner=owner))


@pytest.fixture
def team(settings: Settings) -> House:
    return House(settings, "team")


@pytest.fixture
def demo(settings: Settings) -> House:
    return House(settings, "demo")

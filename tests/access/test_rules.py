"""Mode, role and ownership against everything that can be done: what is allowed, and that nothing else happens."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from core.access.rules import Action, why_not
from core.data.browsing import sql
from core.data.dataset import Prepared
from core.data.inspecting import reviews
from core.data.prepare import prepare
from core.data.reading.uploads import save_upload
from core.errors import AccessDenied, RunNotFound
from core.evaluation.specs import Subject
from core.guarded_store import GuardedPlayground
from core.person import OPERATOR, Person
from core.playground import corrections
from core.playground.client import Playground
from core.runs.scheduler import remove_run
from core.settings import Settings
from core.spec.data import DataSpec
from core.store import audit_log, final_tests
from core.store import files as results
from tests.access.conftest import ANN, OTHER_VISITOR, PEOPLE, SPEC, House

OPERATOR_ID = OPERATOR.id
TO_A_RUN = ("stop", "resume", "rename", "delete", "calibrate", "push", "publish")
# person of a mode, the owner of the run (own, another's), and what they may do to it
RIGHTS = [
    ("local", "operator", "own", TO_A_RUN),
    ("team", "viewer", "other", ()),
    ("team", "trainer", "own", TO_A_RUN),
    ("team", "trainer", "other", ()),
    ("team", "trainer", "operator", ()),
    ("team", "admin", "own", TO_A_RUN),
    ("team", "admin", "other", TO_A_RUN),
    ("team", "operator", "other", TO_A_RUN),
    ("viewer", "looker", "operator", ()),
    ("viewer", "looker", "own", ()),
    ("demo", "visitor", "own", ("stop", "rename", "delete", "calibrate")),
    ("demo", "visitor", "operator", ()),
    ("demo", "operator", "other", TO_A_RUN),
]


def owner(person: Person, whose: str, mode: str) -> str:
    other = OTHER_VISITOR.id if mode == "demo" else ANN.id
    return {"own": person.id, "other": other, "operator": OPERATOR_ID}[whose]


def act(house: House, person: Person, action: str, owner_id: str) -> tuple[object, object]:
    """Do it to a fresh run of this owner's; the run and the audit before and after, whatever happens."""
    store, settings = house.of(person), house.settings_of(person)
    if action == "stop":
        run = house.queued(owner_id)
    elif action == "resume":
        run = house.stopped(owner_id)
    else:
        run = house.ended(owner_id)
        (house.settings.run_dir(run.id) / "model").mkdir(exist_ok=True)
    before = house.plain.run(run.id), len(audit_log.entries(house.plain))
    doing: dict[str, Callable[[], object]] = {
        "stop": lambda: store.stop(run.id),
        "resume": lambda: store.resume(run.id, 0),
        "rename": lambda: store.rename(run.id, "Another name"),
        "delete": lambda: remove_run(store, settings, run.id),
        "calibrate": lambda: results.keep_temperature(settings, run, 2.0),
        "push": lambda: store.submit("push", "x", {"run": run.id, "repo_id": "ann/model"}),
        "publish": lambda: store.submit("publish", "x", {"runs": (run.id,)}),
    }
    try:
        doing[action]()
    except AccessDenied:
        assert (house.plain.run(run.id), len(audit_log.entries(house.plain))) == before
        assert house.settings.run_dir(run.id).exists() == (action not in ("stop", "resume"))
        assert not (house.settings.run_dir(run.id) / "model" / results.CALIBRATION).exists()
        raise
    return before, run


@pytest.mark.parametrize("action", TO_A_RUN)
@pytest.mark.parametrize(("mode", "who", "whose", "allowed"), RIGHTS)
def test_what_is_done_to_a_run(
    settings: Settings, mode: str, who: str, whose: str, allowed: tuple[str, ...], action: Action
) -> None:
    house, person = House(settings, mode), PEOPLE[who]
    owner_id = owner(person, whose, mode)
    if action in allowed:
        act(house, person, action, owner_id)
        recorded = "start" if action in ("push", "publish") else action
        assert action == "calibrate" or audit_log.entries(house.plain)[0].action == recorded
        assert action == "calibrate" or audit_log.entries(house.plain)[0].person == person.id
    else:
        with pytest.raises(AccessDenied):
            act(house, person, action, owner_id)
        assert why_not(house.settings_of(person), action, house.plain.runs()[0]) is not None


STARTERS = {
    ("local", "operator"): True, ("team", "viewer"): False, ("team", "trainer"): True, ("team", "admin"): True,
    ("team", "operator"): True, ("viewer", "looker"): False, ("demo", "visitor"): True,
}  # fmt: skip


@pytest.mark.parametrize(("mode", "who"), STARTERS)
@pytest.mark.parametrize("kind", ["train", "import", "inspect", "profile", "evaluate", "compare"])
def test_who_starts_work(settings: Settings, mode: str, who: str, kind: str) -> None:
    house, person = House(settings, mode), PEOPLE[who]
    judged = house.ended(OPERATOR_ID)
    sample = DataSpec().model_dump(mode="json")
    specs = {
        "train": SPEC,
        "import": sample,
        "inspect": sample,
        "profile": {"data": sample, "model": {"name": "scratch"}},
        "evaluate": {"model": {"run": judged.id}, "data": None},
        "compare": {"evaluations": [judged.id, judged.id]},
    }
    before = len(house.plain.runs())
    if STARTERS[mode, who]:
        run = house.plain.run(house.of(person).submit(kind, "Mine", specs[kind], owner="ann@example.org"))
        assert run.owner == person.id  # whatever was asked for
    else:
        with pytest.raises(AccessDenied):
            house.of(person).submit(kind, "Mine", specs[kind])
        assert len(house.plain.runs()) == before


# what is not about one run: who may, by mode and person
OTHERS: dict[str, set[tuple[str, str]]] = {
    "set aside": {("local", "operator"), ("team", "trainer"), ("team", "admin")},
    "give back": {("local", "operator"), ("team", "admin")},
    "upload": {("local", "operator"), ("team", "trainer"), ("team", "admin")},
    "correct": {("local", "operator"), ("team", "trainer"), ("team", "admin")},
    "review": {("local", "operator"), ("team", "trainer"), ("team", "admin")},
    "sql": {("local", "operator"), ("team", "trainer"), ("team", "admin")},
    "audit": {("local", "operator"), ("team", "admin")},
}


@pytest.mark.parametrize(
    ("mode", "who"),
    [("local", "operator"), ("team", "viewer"), ("team", "trainer"), ("team", "admin"), ("viewer", "looker"),
     ("demo", "visitor")],
)  # fmt: skip
@pytest.mark.parametrize("action", OTHERS)
def test_everything_else(settings: Settings, mode: str, who: str, action: str) -> None:
    house, person = House(settings, mode), PEOPLE[who]
    store, own = house.of(person), house.settings_of(person)
    prepared = prepare(DataSpec(), settings) if action in ("review", "sql") else None
    sample = cast(Prepared, prepared)
    doing: dict[str, Callable[[], object]] = {
        "set aside": lambda: final_tests.set_aside(store, "c", "title", "test", 5, [1]),
        "give back": lambda: final_tests.give_back(store, "c"),
        "upload": lambda: save_upload(own, "a.csv", io.BytesIO(b"text,label\na,b\n")),
        "correct": lambda: corrections.add(own, ["a", "b"], ["text"], "a", "b", "model"),
        "review": lambda: reviews.keep(sample, ["1"], own),
        "sql": lambda: sql.run(sample, "SELECT 1", settings=own),
        "audit": lambda: audit_log.entries(store),
    }
    files = {p: p.stat().st_mtime_ns for p in settings.home.rglob("*") if p.is_file() and "store" not in p.name}
    if (mode, who) in OTHERS[action]:
        doing[action]()
        return
    with pytest.raises(AccessDenied):
        doing[action]()
    now = {p: p.stat().st_mtime_ns for p in settings.home.rglob("*") if p.is_file() and "store" not in p.name}
    assert now == files and not final_tests.holdouts(house.plain)


@pytest.fixture
def never_asked(settings: Settings) -> Iterator[Playground]:
    """A playground whose process must not be started."""
    playground = Playground(settings)
    yield playground
    assert playground._child is None
    playground.close()


@pytest.mark.parametrize(
    ("mode", "who", "subject"),
    [
        ("team", "viewer", Subject(run="abcd")),
        ("viewer", "looker", Subject(run="abcd")),
        ("team", "trainer", Subject(name="/etc")),
        ("demo", "visitor", Subject(name="distilbert/distilbert-base-uncased")),
        ("demo", "visitor", Subject(name="/etc")),
    ],
)
def test_who_asks_a_model(settings: Settings, never_asked: Playground, mode: str, who: str, subject: Subject) -> None:
    house = House(settings, mode)
    asked = GuardedPlayground(never_asked, house.of(PEOPLE[who]))
    for ask in (
        lambda: asked.predict(subject, [["text"]]),
        lambda: asked.explain(subject, ["text"], "gradients"),
        lambda: asked.nearest(subject, ["text"]),
    ):
        with pytest.raises(Exception, match=r"role|only show results|lies outside|this demo answers"):
            ask()


def test_a_demo_does_not_answer_while_it_trains(demo: House, never_asked: Playground) -> None:
    mine = demo.ended(PEOPLE["visitor"].id)
    demo.queued(OTHER_VISITOR.id)
    asked = GuardedPlayground(never_asked, demo.of(PEOPLE["visitor"]))
    asked.warm()
    with pytest.raises(AccessDenied, match="memory for one task at a time"):
        asked.predict(Subject(run=mine.id), [["text"]])


def test_another_visitors_run_is_not_there(demo: House) -> None:
    hidden, published, mine = demo.ended(OTHER_VISITOR.id), demo.ended(OPERATOR_ID), demo.ended(PEOPLE["visitor"].id)
    store = demo.of(PEOPLE["visitor"])
    assert {run.id for run in store.runs()} == {published.id, mine.id}
    for look in (
        lambda: store.run(hidden.id),
        lambda: store.events_since(hidden.id),
        lambda: store.metrics_since(hidden.id),
        lambda: store.measured(hidden.id),
        lambda: store.rename(hidden.id, "x"),
        lambda: store.stop(hidden.id),
        lambda: remove_run(store, demo.settings_of(PEOPLE["visitor"]), hidden.id),
        lambda: store.submit("evaluate", "x", {"model": {"run": hidden.id}, "data": None}),
        lambda: store.submit("compare", "x", {"evaluations": [mine.id, hidden.id]}),
    ):
        with pytest.raises(RunNotFound, match="There is no run"):
            look()
    assert demo.settings.run_dir(hidden.id).exists() and len(demo.plain.runs()) == 3


def test_in_a_team_everybody_sees_all_runs(team: House) -> None:
    run = team.ended(ANN.id)
    for who in ("viewer", "trainer", "admin"):
        assert team.of(PEOPLE[who]).run(run.id).owner == ANN.id
        assert team.of(PEOPLE[who]).metrics_since(run.id)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"engine": "keras"}, "engine"),
        ({"data": {"source": "hub", "path": "x/y"}}, "data.source"),
        ({"data": {"source": "file", "path": "/etc/passwd"}}, "data.source"),
        ({"model": {"name": "google-bert/bert-base-cased"}}, "model.name"),
        ({"model": {"name": "/etc"}}, "model.name"),
        ({"model": {"max_length": 512}}, "model.max_length"),
        ({"training": {"num_train_epochs": 100}}, "training.num_train_epochs"),
        ({"training": {"per_device_train_batch_size": 4096}}, "per_device_train_batch_size"),
        ({"training": {"max_tokens_per_batch": 10_000_000}}, "max_tokens_per_batch"),
        ({"training": {"save_total_limit": 100}}, "save_total_limit"),
        ({"data": {"steps": [{"kind": "deduplicate"}]}}, "data.steps"),
        ({"execution": {"device": "cuda"}}, "execution.device"),
        ({"execution": {"torch_compile": True}}, "execution.torch_compile"),
        ({"execution": {"threads": 512}}, "execution.threads"),
        ({"training": {"logging_steps": 1}}, "training.logging_steps"),
        ({"training": {"gradient_accumulation_steps": 1024}}, "gradient_accumulation_steps"),
        ({"training": {"custom_class_weights": {str(n): 1.0 for n in range(900)}}}, "custom_class_weights"),
        ({"training": {"custom_class_weights": {"x" * 30_000: 1.0}}}, "this demo accepts at most"),
        ({"evaluation": {"metrics": ["accuracy"] * 500}}, "evaluation.metrics"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_a_visitor_may_not_train(demo: House, changes: dict[str, object], why: str) -> None:
    tree = {**SPEC}
    for name, value in changes.items():
        tree[name] = {**SPEC.get(name, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(AccessDenied, match=why):
        demo.of(PEOPLE["visitor"]).submit("train", "x", tree)
    assert not demo.plain.runs()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("predict", {"model": {"run": "abcd"}, "data": {"source": "sample"}}),
        ("robustness", {"evaluation": "abcd"}),
        ("neighbours", {"run": "abcd"}),
        ("push", {"run": "abcd"}),
        ("export", {"run": "abcd"}),
        ("import", {"source": "hub", "path": "x/y"}),
        ("evaluate", {"model": {"name": "x/y"}, "data": {"source": "sample"}, "split": "test"}),
        ("profile", {"data": {"source": "sample"}, "model": {"name": "x/y"}}),
        ("evaluate", {"model": {"run": "abcd", "max_length": 8192}}),
        ("evaluate", {"model": {"run": "abcd"}, "split": "x" * 30_000}),
    ],
)
def test_other_work_that_a_visitor_may_not_start(demo: House, kind: str, spec: dict[str, object]) -> None:
    with pytest.raises(AccessDenied, match="demo"):
        demo.of(PEOPLE["visitor"]).submit(kind, "x", spec)
    assert not demo.plain.runs()


def test_only_the_owner_pushes_a_run(team: House) -> None:
    run = team.ended(ANN.id)
    with pytest.raises(AccessDenied, match=r"belongs to ann@example\.org"):
        team.of(PEOPLE["trainer"]).submit("push", "x", {"run": run.id})
    assert team.of(ANN).submit("push", "x", {"run": run.id, "attempt": 1, "what": "model", "repo_id": "ann/x"})

"""Persons of a team, a demo or a page to look at, who want what is another's, or more than is theirs."""

from __future__ import annotations

import io
import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.access import sign_in as signin
from core.access.rules import sources
from core.data.reading.files import resolve
from core.data.reading.uploads import safe_name, save_upload
from core.errors import AccessDenied, DataError, PathError, RunNotFound, SpecError, TunedeckError
from core.evaluation.specs import Subject
from core.guarded_store import GuardedPlayground
from core.person import Role, visitor
from core.playground import corrections
from core.playground.client import Playground
from core.settings import Limits, Settings, allowed_path
from core.sharing.report import card
from core.spec.run import build
from core.store import audit_log, final_tests
from core.store import files as results
from tests.access.conftest import SPEC
from tests.attack.cases import case
from tests.attack.place import ADMIN, ANN, LOOKER, OTHER_VISITOR, TOM, VIEWER, VISITOR, Place

CARD = "---\nlicense: mit\n---\n\n# Mine now\n"


@case("the card of another's run")
def _card(place: Place) -> None:
    """It is what its owner pushes to the Hub."""
    run = place.house("team").ended(ANN.id)
    card.write_card(run, CARD, place.settings("team", ANN))
    for person in (TOM, VIEWER):
        settings = place.settings("team", person)
        place.refused(lambda: card.write_card(run, CARD + "x", settings), "belongs to|role", error=AccessDenied)  # noqa: B023
        place.refused(lambda: card.forget_card(run, settings), "belongs to|role", error=AccessDenied)  # noqa: B023
    card.write_card(run, CARD, place.settings("team", ADMIN))


@case("another's run by its id, all that a trainer can do to it")
def _others_run(place: Place) -> None:
    from core.runs.scheduler import remove_run, resume_run

    house, store, settings = place.house("team"), place.store("team", TOM), place.settings("team", TOM)
    run, queued, stopped = house.ended(ANN.id), house.queued(ANN.id), house.stopped(ANN.id)
    for attack in (
        lambda: store.stop(queued.id),
        lambda: store.resume(stopped.id, 0),
        lambda: store.rename(run.id, "Mine"),
        lambda: remove_run(store, settings, run.id),
        lambda: resume_run(store, settings, stopped.id),
        lambda: results.keep_temperature(settings, run, 9.0),
        lambda: store.submit("push", "x", {"run": run.id}),
        lambda: final_tests.give_back(store, "content"),
        lambda: store.submit("publish", "x", {"runs": [run.id], "texts": True, "mode": "viewer"}),
    ):
        place.refused(attack, "belongs to|only the role|left no checkpoint")


@case("a spec that names another's run where nobody looks")
def _hidden_run(place: Place) -> None:
    """In a demo the run is not there, wherever in a spec it stands."""
    hidden, mine = place.house("demo").ended(OTHER_VISITOR.id), place.house("demo").ended(VISITOR.id)
    store = place.store("demo", VISITOR)
    for kind, spec in (
        ("evaluate", {"model": {"run": hidden.id}}),
        ("compare", {"evaluations": [mine.id, hidden.id]}),
        ("compare", {"evaluations": [[hidden.id], mine.id]}),
        ("evaluate", {"model": {"run": {"$ne": ""}}}),
    ):
        place.refused(lambda: store.submit(kind, "x", spec), "There is no run|is not|valid|string|demo")  # noqa: B023


@case("a spec of background work that is none")
def _no_spec(place: Place) -> None:
    store = place.store("team", TOM)
    for kind in ("evaluate", "predict", "compare", "push", "publish", "bundle", "code", "profile", "import", "train"):
        spec: dict[str, Any]
        for spec in ({"model": "x"}, {"data": []}, {"evaluations": 5}, {"run": ["a"]}, {"model": {"name": 5}}):
            with place.untouched():
                try:
                    store.submit(kind, "x", spec)
                except TunedeckError as error:
                    place.harmless(str(error))
                else:
                    pytest.fail(f"{kind} was queued with {spec}")


@case("a kind of work that does not exist")
def _no_kind(place: Place) -> None:
    for mode, person in (("team", TOM), ("demo", VISITOR)):
        store = place.store(mode, person)
        for kind in ("shell", "__import__", "main", "../push"):
            place.refused(lambda: store.submit(kind, "x", {}), "no kind|demo|not a kind")  # noqa: B023


@case("another visitor's run by a guess, and all that can be read of it")
def _visitor(place: Place) -> None:
    run, store = place.house("demo").ended(OTHER_VISITOR.id), place.store("demo", VISITOR)
    for attack in (
        lambda: store.run(run.id),
        lambda: store.metrics_since(run.id),
        lambda: store.events_since(run.id),
        lambda: store.measured(run.id),
        lambda: store.stop(run.id),
        lambda: store.rename(run.id, "x"),
        lambda: store.delete(run.id),
        lambda: store.resume(run.id, 0),
    ):
        place.refused(attack, "There is no run", error=RunNotFound)
    assert run.id not in {r.id for r in store.runs()}


@case("a visitor's cookie made from another's id")
def _cookie(place: Place) -> None:
    """Whose a run is says nothing of the cookie that makes one its owner."""
    run = place.house("demo").ended(OTHER_VISITOR.id)
    for token in (run.owner, run.owner.removeprefix("visitor:"), run.owner * 4, "local", ""):
        person = visitor(token)
        place.refused(lambda: place.store("demo", person).run(run.id), "There is no run", error=RunNotFound)  # noqa: B023


@case("another owner given with what is queued")
def _owner(place: Place) -> None:
    run_id = place.store("team", TOM).submit("train", "x", SPEC, owner="local")
    assert place.plain.run(run_id).owner == TOM.id
    place.checked += 1


@case("more runs than are allowed, queued in the same moment")
def _at_once(place: Place) -> None:
    store = place.store("demo", VISITOR)
    barrier, refused = threading.Barrier(6), list[str]()

    def click() -> None:
        barrier.wait()
        try:
            store.submit("train", "x", SPEC)
        except AccessDenied as error:
            refused.append(str(error))

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(place.plain.runs()) == 1 and len(refused) == 5
    place.harmless(refused[0])
    place.checked += 1


@case("an address that nobody has verified")
def _unverified(place: Place) -> None:
    settings = replace(place.settings("team"), roles=((ADMIN.id, Role.ADMIN),))
    verified: Any
    for verified in (False, "false", None, 0, [], "True "):
        claims = {"email": ADMIN.id, "email_verified": verified}
        place.refused(lambda: signin.person_of(claims, settings), "not verified", error=AccessDenied)  # noqa: B023


@case("a role that somebody gives themselves")
def _role_claim(place: Place) -> None:
    settings = replace(place.settings("team"), roles=(("*@example.org", Role.VIEWER),), role_claim="realm.roles")
    for claims in (
        {"roles": ["admin"], "role": "admin"}, {"realm": {"role": "admin"}}, {"realm": {"roles": {"admin": True}}},
        {"realm": {"roles": ["ADMIN", "admin "]}}, {"realm.roles": ["admin"]},
    ):  # fmt: skip
        person = signin.person_of({"email": "eve@example.org", "email_verified": True, **claims}, settings)
        assert person.role == Role.VIEWER, claims
    for email in ("eve@example.org.evil.example", "*@example.org@evil.example", "*", "ada@example.org\n@evil.example"):
        place.refused(
            lambda: signin.person_of({"email": email, "email_verified": True}, settings),  # noqa: B023
            "no role|no e-mail",
            error=AccessDenied,
        )


@case("training without end in a demo")
def _endless(place: Place) -> None:
    store = place.store("demo", VISITOR)
    for epochs in (1_000_000, math.inf, math.nan, -1, "1e9"):
        spec = {**SPEC, "training": {**SPEC["training"], "num_train_epochs": epochs}}
        place.refused(lambda: store.submit("train", "x", spec), "num_train_epochs", error=AccessDenied)  # noqa: B023


@case("a model of the Hub in a demo")
def _demo_model(place: Place) -> None:
    store = place.store("demo", VISITOR)
    for name in ("google-bert/bert-base-cased", str(place.canary), "../scratch", "scratch/../../x"):
        spec = {**SPEC, "model": {**SPEC["model"], "name": name}}
        place.refused(lambda: store.submit("train", "x", spec), "model.name", local=True)  # noqa: B023


@case("a file in a demo")
def _demo_file(place: Place) -> None:
    store = place.store("demo", VISITOR)
    path = str(place.canary / "secret.csv")
    for kind, spec in (
        ("train", {**SPEC, "data": {**SPEC["data"], "source": "file", "path": path}}),
        ("import", {"source": "file", "path": path}), ("profile", {"data": {"source": "file", "path": path}}),
    ):  # fmt: skip
        place.refused(lambda: store.submit(kind, "x", spec), "demo", error=AccessDenied)  # noqa: B023
    assert sources(place.settings("demo", VISITOR)) == ("sample",)


def uploaded(place: Place) -> str:
    return str(save_upload(place.settings("team", ANN), "hers.csv", io.BytesIO(b"text,label\na,b\nc,d\n")))


@case("another's upload, by each way to write its path")
def _upload_of_another(place: Place) -> None:
    path, settings = uploaded(place), place.settings("team", TOM)
    own = settings.own_uploads
    own.mkdir(parents=True)
    (own / "link.csv").symlink_to(path)
    (own / "folder").symlink_to(os.path.dirname(path))  # noqa: PTH120 - as text
    relative = path.removeprefix(str(place.home))
    ways = [
        path,
        f"TUNEDECK_HOME{relative}",
        f"TUNEDECK_HOME/./uploads/..{relative}",
        str(own / "link.csv"),
        str(own / "folder" / "hers.csv"),
        f"{own}/../..{relative}",
        f"//{path}",
        path.replace("uploads", "UPLOADS"),
        f"{path}\x00.csv",
        f"~/../..{path}",
        f"file://{path}",
        path.replace("/", "\\"),
    ]
    for way in ways:
        attack: list[Callable[[], object]] = [
            lambda: resolve(way, settings),  # noqa: B023
            lambda: place.store("team", TOM).submit("import", "x", {"source": "file", "path": way}),  # noqa: B023
        ]
        for one in attack:
            place.refused(one, "lies outside|cannot be opened|no such|there is no|null", local=True)


@case("a file of the server by the name of an upload")
def _upload_name(place: Place) -> None:
    settings = place.settings("team", TOM)
    names = [
        "../../../canary/x.csv", "/etc/passwd", "C:\\x\\..\\evil.csv", "con.csv", "..", ".", "a\x00b.csv", "x" * 999,
        "\u202egnp.exe.csv", "<script>.csv", "store.sqlite3", "~root", "-rf", "a/../../b", "nul", " .csv. ",
    ]  # fmt: skip
    with place.untouched(r"^home/uploads"):
        for number, name in enumerate(names):
            path = save_upload(settings, name, io.BytesIO(f"text,label\n{number},b\n".encode()))
            assert path.is_relative_to(settings.own_uploads) and path.name == safe_name(name)
            assert allowed_path(settings, str(path)) == path


@case("an upload that is larger than it may be, and never ends")
def _large_upload(place: Place) -> None:
    class Endless:
        def read(self, size: int = -1, /) -> bytes:
            return b"x" * min(size, 1 << 20)

    settings = place.settings("team", TOM, max_upload_bytes=3 << 20)
    place.refused(
        lambda: save_upload(settings, "a.csv", Endless()),
        "larger than 3 MB",
        error=DataError,
        allowed=(r"^home/uploads(/u-\w+)?$",),
    )


@case("uploads that take more than is theirs, in small pieces")
def _many_uploads(place: Place) -> None:
    settings = replace(place.settings("team", TOM), limits=Limits(disk_bytes=1000))
    save_upload(settings, "a.csv", io.BytesIO(b"x" * 900))
    for number in range(3):
        stream = io.BytesIO(b"y" * (200 + number))
        place.refused(lambda: save_upload(settings, "b.csv", stream), "your limit is", error=AccessDenied)  # noqa: B023


@case("corrections by the thousand, past what is theirs")
def _corrections(place: Place) -> None:
    settings = replace(place.settings("team", TOM), limits=Limits(disk_bytes=3000))
    add = lambda: corrections.add(settings, ["a", "b"], ["x" * 1000], "a", "b", "model")  # noqa: E731
    add(), add()
    with pytest.raises(AccessDenied):
        add(), add()
    place.refused(add, "your limit is", error=AccessDenied)


@case("a model asked by somebody who may not")
def _asked(place: Place) -> None:
    from core.data.browsing import sql
    from core.data.inspecting import reviews
    from core.data.prepare import prepare
    from core.spec.data import DataSpec

    run, sample = place.house("team").ended(ANN.id), prepare(DataSpec(), place.settings())
    never = Playground(place.settings())
    for mode, person in (("team", VIEWER), ("viewer", LOOKER)):
        settings = place.settings(mode, person)
        asked = GuardedPlayground(never, place.store(mode, person))
        for attack in (
            lambda: asked.predict(Subject(run=run.id), [["x"]]),  # noqa: B023
            lambda: sql.run(sample, "SELECT 1", settings=settings),  # noqa: B023
            lambda: reviews.keep(sample, ["1"], settings),  # noqa: B023
            lambda: corrections.add(settings, ["a"], ["x"], "a", "b", "m"),  # noqa: B023
        ):
            place.refused(attack, "role|only show results", error=AccessDenied)
    assert never._child is None


@case("a folder of the server as the model that is asked")
def _model_folder(place: Place) -> None:
    run = place.house("team").ended(ANN.id)
    never = Playground(place.settings())
    asked = GuardedPlayground(never, place.store("team", TOM))
    folder = place.settings().run_dir(run.id)
    says = "outside|cannot be opened|not a model"
    for way in (place.canary, folder, f"{folder}/model/../..", "/", "~", "../canary", f"{folder}/model/\x00"):
        subject = Subject(name=str(way))
        place.refused(lambda: asked.predict(subject, [["x"]]), says, local=True)  # noqa: B023
    assert never._child is None


@case("what others did, read by somebody who is no admin")
def _audit(place: Place) -> None:
    place.store("team", ANN).submit("train", "Hers", SPEC)
    for mode, person in (("team", TOM), ("demo", VISITOR), ("viewer", LOOKER)):
        store = place.store(mode, person)
        place.refused(lambda: audit_log.entries(store), "role|demo|only show results", error=AccessDenied)  # noqa: B023


@case("settings of a run that no field has")
def _fields(place: Place) -> None:
    store = place.store("demo", VISITOR)
    for more in ({"__class__": "x"}, {"engine": ["trainer"]}, {"trust_remote_code": True}, {"hub_token": "x"}):
        place.refused(lambda: store.submit("train", "x", {**SPEC, **more}), "no such field|not one of|engine")  # noqa: B023
    place.refused(lambda: build({**SPEC, "evaluation": {"metrics": ["evil/metric"]}}), "not one of", error=SpecError)


@case("a link in an own folder that leads out of it")
def _link_out(place: Place) -> None:
    settings: Settings = place.settings("team", TOM)
    settings.own_uploads.mkdir(parents=True)
    (settings.own_uploads / "a.csv").symlink_to(place.canary / "secret.csv")
    place.refused(lambda: allowed_path(settings, str(settings.own_uploads / "a.csv")), "lies outside", error=PathError)

"""A run as a bundle, there and back: nothing is lost, nothing secret goes along, nothing else can come in."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.cli.commands import main
from core.errors import DataError, Problem, SpecError, TunedeckError, WrongStatus
from core.evaluation.results import read_evaluation, read_report, read_robustness
from core.evaluation.specs import CompareSpec, EvaluateSpec
from core.settings import Settings
from core.sharing.bundles import bundle, examples_file
from core.sharing.bundles.importing import import_bundle
from core.spec.run import build
from core.spec.section import Section
from core.store.store import Store
from core.store.watching import RunView
from core.tasks.text_classification import predictions
from tests.evaluation.conftest import reviews_in, worker_of

Work = Callable[..., tuple[str, dict[str, Any]]]
SECRET = "s3cr3t-planted-in-the-environment"
TOKEN = "hf_PlantedTokenOfNobody0123456789"


def whole(tree: dict[str, Any], kind: type[Section]) -> dict[str, Any]:
    """A spec as pages submit it, with all its defaults."""
    whole: dict[str, Any] = build(tree, kind).model_dump(mode="json")
    return whole


@dataclass
class Shared:
    """A home with a run that was trained, evaluated, checked and compared. ids: by what they are"""

    store: Store
    settings: Settings
    work: Work
    ids: dict[str, str]

    def bundle(self, run: str = "one", *, texts: bool) -> Path:
        run_id, summary = self.work("bundle", {"run": self.ids[run], "attempt": 1, "texts": texts})
        path = self.settings.run_dir(run_id) / bundle.NAME
        assert summary["bytes"] == path.stat().st_size
        return path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    place = tmp_path_factory.mktemp("shared")
    settings = Settings(home=place / "home")
    settings.home.mkdir()
    store = Store(settings.store_path)
    work = worker_of(store, settings)
    folder = reviews_in(place)(train=160, test=60)
    spec: dict[str, Any] = {
        "data": {"source": "file", "path": str(folder), "text_columns": ["text"], "label_column": "label"},
        "model": {"max_length": 32}, "execution": {"device": "cpu", "threads": 1},
        "training": {"num_train_epochs": 1, "per_device_train_batch_size": 32, "learning_rate": 1e-3},
    }  # fmt: skip
    ids: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", TOKEN)
        patch.setenv("DATABASE_PASSWORD", SECRET)
        for name in ("one", "two"):
            ids[name], _ = work("train", spec | {"training": spec["training"] | {"seed": len(ids)}})
            ids[f"{name} judged"], _ = work(
                "evaluate", whole({"model": {"run": ids[name], "attempt": 1}}, EvaluateSpec)
            )
        ids["robust"], _ = work("robustness", {"evaluation": ids["one judged"], "examples": 30})
        pair = {"evaluations": [ids["one judged"], ids["two judged"]]}
        ids["compared"], _ = work("compare", whole(pair, CompareSpec))
        yield Shared(store, settings, work, ids)


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Store, Settings]:
    """An empty home on another machine."""
    there = Settings(home=tmp_path / "elsewhere")
    there.home.mkdir()
    return Store(there.store_path), there


def everything(path: Path) -> str:
    """All that is in a zip, names too, as one text."""
    with zipfile.ZipFile(path) as archive:
        return "\n".join(f"{n}\n{archive.read(n).decode('utf-8', 'replace')}" for n in archive.namelist())


def test_there_and_back(shared: Shared, elsewhere: tuple[Store, Settings]) -> None:
    path = shared.bundle("one", texts=True)
    there, home = elsewhere
    run = import_bundle(path, there, home, "somebody")
    before = shared.store.run(shared.ids["one"])
    for name in ("id", "kind", "name", "status", "step", "total", "epoch", "summary", "created", "started", "ended"):
        assert getattr(run, name) == getattr(before, name), name
    assert run.owner == "somebody" and run.imported and run.imported["run"] == run.id

    views = [RunView(run.id) for _ in range(2)]
    views[0].update(shared.store, shared.settings)
    views[1].update(there, home)
    assert views[0].points.keys() == views[1].points.keys() and views[0].points["loss"]
    for name, points in views[0].points.items():
        assert all(
            a == b or (math.isnan(a[2]) and math.isnan(b[2]))
            for a, b in zip(points.values(), views[1].points[name].values(), strict=True)
        )
    assert [e.payload for e in views[0].events if e.kind == "checkpoint"] == [
        e.payload for e in views[1].events if e.kind == "checkpoint"
    ]
    assert read_report(shared.settings.run_dir(run.id)) == read_report(home.run_dir(run.id))

    judged = shared.ids["one judged"]
    here, after = read_evaluation(shared.settings.run_dir(judged)), read_evaluation(home.run_dir(judged))
    assert here is not None and after is not None
    assert here.data | {"path": "reviews"} == after.data
    assert here.model_copy(update={"data": after.data}) == after
    robustness = read_robustness(home.run_dir(judged))
    assert robustness is not None and robustness == read_robustness(shared.settings.run_dir(judged))
    old, new = (predictions.read(s.run_dir(judged) / predictions.NAME) for s in (shared.settings, home))
    assert (old.logits == new.logits).all() and (old.text_ids == new.text_ids).all()
    rows = new.rows[:5].tolist()
    texts = examples_file.read(home.run_dir(judged) / examples_file.NAME, rows, ["text"])
    assert texts is not None and texts.index.tolist() == rows and all(texts["text"].str.len() > 10)
    assert {r.id for r in there.runs()} == {run.id, judged, shared.ids["compared"]}

    import_bundle(shared.bundle("two", texts=True), there, home)  # it has the comparison too
    assert {r.id for r in there.runs(kind="evaluate")} == {judged, shared.ids["two judged"]}
    assert json.loads((home.run_dir(shared.ids["compared"]) / "comparison.json").read_text())["agreement"]


def test_nothing_secret_goes_along(shared: Shared) -> None:
    log = shared.settings.run_dir(shared.ids["one"]) / "worker.log"
    log.write_text(f"{TOKEN}\n")
    content = everything(shared.bundle("one", texts=False))
    for secret in (TOKEN, SECRET, str(shared.settings.home.parent), str(shared.settings.home), "worker.log", "word17"):
        assert secret not in content, secret
    assert "word17" in everything(shared.bundle("one", texts=True)), "the texts, if they were asked for"


def test_the_same_run_makes_the_same_bundle(shared: Shared) -> None:
    one, two = (shared.bundle("one", texts=True).read_bytes() for _ in range(2))
    assert one == two


def test_an_error_of_any_length_goes_along(shared: Shared, elsewhere: tuple[Store, Settings]) -> None:
    run_id = shared.ids["two"]
    with shared.store.atomic() as db:
        db.execute("UPDATE runs SET error=? WHERE id=?", ("There is no class. " * 1000, run_id))
    try:
        path = shared.bundle("two", texts=False)
    finally:
        with shared.store.atomic() as db:
            db.execute("UPDATE runs SET error=NULL WHERE id=?", (run_id,))
    error = import_bundle(path, *elsewhere).error
    assert error is not None and error.startswith("There is no class.") and len(error) == 5000


def test_what_came_in_a_bundle_is_read_only(shared: Shared, elsewhere: tuple[Store, Settings]) -> None:
    path = shared.bundle("one", texts=False)
    there, home = elsewhere
    run = import_bundle(path, there, home)
    assert import_bundle(path, there, home) == run, "once is enough"
    for change in (lambda: there.rename(run.id, "Mine"), lambda: there.resume(run.id, 0)):
        with pytest.raises(WrongStatus, match="came in a bundle"):
            change()
    with pytest.raises(WrongStatus, match="a run of this home"):
        import_bundle(path, shared.store, shared.settings)
    assert shared.store.run(run.id).imported is None
    there.delete(run.id)
    assert import_bundle(path, there, home).imported is not None, "it can come again"


def test_by_the_command_line(
    shared: Shared,
    tmp_path: Path,
    elsewhere: tuple[Store, Settings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "out"
    monkeypatch.setenv("TUNEDECK_HOME", str(shared.settings.home))
    assert main(["export", shared.ids["one"], "--to", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["status"] == "finished" and printed["texts"] is False and (folder / "bundle.json").is_file()
    assert main(["export", shared.ids["one"], "--to", str(folder)]) == 2, "nothing is overwritten"
    code = tmp_path / "code.zip"
    assert main(["export", shared.ids["one"], "--to", str(code), "--form", "code", "--json"]) == 0
    with zipfile.ZipFile(code) as archive:
        assert {"train.py", "exact.py", "notebook.ipynb"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if name.startswith("data/")], "the texts of a file stay here"
    monkeypatch.setenv("TUNEDECK_HOME", str(elsewhere[1].home))
    assert main(["import", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["run"] == shared.ids["one"]


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same zip with other content."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    change(content)
    other = path.with_name("changed.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return other


def in_manifest(**fields: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        content["bundle.json"] = json.dumps(json.loads(content["bundle.json"]) | fields).encode()

    return change


def in_run(number: int = 0, **fields: Any) -> Callable[[dict[str, bytes]], None]:
    def change(content: dict[str, bytes]) -> None:
        tree = json.loads(content["bundle.json"])
        tree["runs"][number] |= fields
        content["bundle.json"] = json.dumps(tree).encode()

    return change


def in_file(end: str, data: Callable[[bytes], bytes], honest: bool = True) -> Callable[[dict[str, bytes]], None]:
    """honest: with a manifest that fits the change"""
    import hashlib

    def change(content: dict[str, bytes]) -> None:
        name = next(n for n in content if n.endswith(end))
        content[name] = data(content[name])
        if honest:
            tree = json.loads(content["bundle.json"])
            entry = {"sha256": hashlib.sha256(content[name]).hexdigest(), "bytes": len(content[name])}
            tree["files"][name] = entry
            content["bundle.json"] = json.dumps(tree).encode()

    return change


def in_json(end: str, **fields: Any) -> Callable[[dict[str, bytes]], None]:
    return in_file(end, lambda data: json.dumps(json.loads(data) | fields).encode())


def with_file(name: str) -> Callable[[dict[str, bytes]], None]:
    """One more file, which the manifest names."""

    def change(content: dict[str, bytes]) -> None:
        content[name] = b"x"
        tree = json.loads(content["bundle.json"])
        tree["files"][name] = {"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "bytes": 1}
        content["bundle.json"] = json.dumps(tree).encode()

    return change


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a newer format": (in_manifest(version=99), "newer Tunedeck"),
    "another format": (in_manifest(format="x"), "not a result bundle"),
    "an unknown field": (in_manifest(run_this="x"), "not a valid bundle"),
    "no runs": (in_manifest(runs=[]), "not a valid bundle"),
    "an id with a path": (in_run(id="../../x"), "not a valid bundle"),
    "a run that works": (in_run(status="running"), "not a valid bundle"),
    "a kind of work": (in_run(kind="push"), "not a valid bundle"),
    "a summary that is none": (in_run(summary={"value": "1e9"}), "not a valid bundle"),
    "settings that are none": (in_run(spec={"engine": "rm"}), "settings that are not valid"),
    "another's evaluation": (in_run(1, spec={"model": {"run": "abcdef"}}), "evaluation of another run"),
    "a file outside": (with_file("../outside.json"), "no file of a bundle"),
    "an absolute file": (with_file("/tmp/outside.json"), "no file of a bundle"),
    "a pickle": (with_file("runs/x/model.bin"), "no file of a bundle"),
    "a changed report": (in_file("report.json", lambda data: data + b" ", honest=False), "changed or damaged"),
    "a report that is none": (in_file("report.json", lambda data: b"[]"), "report.json that is not valid"),
    "a report in another code": (in_file("report.json", lambda data: b"\xff\xfe"), "not UTF-8"),
    "JSON without an end": (in_file("report.json", lambda data: b"[" * 200_000), "cannot be read"),
    "classes that do not fit": (in_json("report.json", labels=["a"]), "not valid"),
    "a figure that is text": (in_json("evaluation.json", examples="<b>"), "not valid"),
    "no calibration": (in_json("evaluation.json", calibration=None), "not valid"),
    "data that is none": (in_json("evaluation.json", data={"source": "x"}), "data that is not valid"),
    "a table that is none": (in_file("predictions.parquet", lambda data: b"PAR1"), "no Parquet file"),
    "events that are none": (in_file("events.json", lambda data: b'[{"kind": "run"}]'), "events are not valid"),
    "an event with a tree": (
        in_file("events.json", lambda data: b'[{"time": 1, "kind": "message", "payload": {"text": []}}]'),
        "events are not valid",
    ),
    "a message that is a mapping": (
        in_file(
            "events.json",
            lambda data: b'[{"time": 1, "kind": "message", "payload": {"text": {"a": 1}, "level": "info"}}]',
        ),
        "events are not valid",
    ),
    "a message without a sentence": (
        in_file("events.json", lambda data: b'[{"time": 1, "kind": "message", "payload": {"level": "info"}}]'),
        "events are not valid",
    ),
    "arguments without an end": (
        in_file(
            "events.json",
            lambda data: (
                b'[{"time": 1, "kind": "state", "payload": {"arguments": {"a": ' + b"[" * 50 + b"]" * 50 + b"}}}]"
            ),
        ),
        "events are not valid",
    ),
    "an argument that is no number": (
        in_file("events.json", lambda data: b'[{"time": 1, "kind": "state", "payload": {"arguments": {"a": [NaN]}}}]'),
        "events are not valid",
    ),
    "a metric whose name is markup": (
        in_json("report.json", main_metric="![x](//x.org)", metrics={"![x](//x.org)": 0.5}),
        "report.json that is not valid",
    ),
    "a disturbed metric whose name is markup": (
        in_json("robustness.json", metric="<b>"),
        "robustness.json that is not",
    ),
    "a summary whose metric is markup": (in_run(summary={"metrics": {"<b>": 0.5}}), "not a valid bundle"),
    "a report of a task that is a list": (in_json("report.json", task=[]), "report.json that is not valid"),
}


def snapshot(settings: Settings) -> set[str]:
    return {str(p) for p in settings.home.rglob("*") if not p.name.startswith("store.sqlite3")}


def test_between_versions(shared: Shared, elsewhere: tuple[Store, Settings]) -> None:
    """What the version before would call damaged has a higher number, so that it says that it is the older one."""
    path = shared.bundle("one", texts=True)
    there, home = elsewhere
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("bundle.json"))
        report = json.loads(archive.read(f"runs/{shared.ids['one']}/report.json"))
    assert report["advice"] and all(isinstance(advice, dict) for advice in report["advice"])
    assert manifest["version"] == 3  # a reader of version 1 takes sentences alone, one of version 2 flat arguments

    sentences = [advice["text"] for advice in report["advice"]]

    def to_version_1(content: dict[str, bytes]) -> None:
        in_json(f"runs/{shared.ids['one']}/report.json", advice=sentences)(content)
        in_manifest(version=1)(content)

    run = import_bundle(rewritten(path, to_version_1), there, home)
    taken = read_report(home.run_dir(run.id))
    assert taken is not None and [advice.text for advice in taken.advice] == sentences


def test_hostile_bundles(shared: Shared, elsewhere: tuple[Store, Settings], tmp_path: Path) -> None:
    path = shared.bundle("one", texts=True)
    there, home = elsewhere
    empty = snapshot(home)
    for name, (change, message) in HOSTILE.items():
        with pytest.raises(TunedeckError, match=message):
            import_bundle(rewritten(path, change), there, home)
            pytest.fail(name)
        assert not there.runs(), name
        left = {p for p in snapshot(home) if p != str(home.home / "runs")}
        assert left == empty, name
    assert not (tmp_path / "outside.json").exists() and not Path("/tmp/outside.json").exists()


@pytest.mark.parametrize("file", ["report.json", "evaluation.json", "predictions.parquet", "metrics.parquet"])
def test_a_changed_bundle_of_a_run_that_is_here_is_refused(
    shared: Shared, elsewhere: tuple[Store, Settings], file: str
) -> None:
    path = shared.bundle("one", texts=True)
    there, home = elsewhere
    run = import_bundle(path, there, home)
    before = {p: p.read_bytes() for p in (home.home / "runs").rglob("*") if p.is_file()}
    with pytest.raises(TunedeckError, match="changed or damaged"):
        import_bundle(rewritten(path, in_file(file, lambda data: data + b" ", honest=False)), there, home)
    assert {p: p.read_bytes() for p in (home.home / "runs").rglob("*") if p.is_file()} == before
    assert import_bundle(path, there, home) == run


COLUMNS_OF_A_STRANGER = {  # file, column, its value in every row, its type, what is said of it
    "a class that does not exist": ("predictions", "prediction", 99, "int64", "classes that do not exist"),
    "no label at all": ("predictions", "label", None, "int64", "classes that do not exist"),
    "labels in lists": ("predictions", "label", [0], "list<int64>", "other columns than a bundle's"),
    "a row beyond all rows": ("predictions", "row", 2**60, "int64", "not one of each row"),
    "no row at all": ("predictions", "row", None, "int64", "not one of each row"),
    "a confidence that is no number": ("predictions", "confidence", math.nan, "float", "without a confidence"),
    "no confidence at all": ("predictions", "confidence", None, "float", "without a confidence"),
    "no logits": ("predictions", "logits", None, "float", "without the probability of each class"),
    "steps in lists": ("metrics", "step", [1], "list<int64>", "other columns than a bundle's"),
    "a metric whose name is markup": ("metrics", "name", "eval_<a href=x>", "string", "a name that none has"),
    "metrics without a name": ("metrics", "name", None, "", "other columns than a bundle's"),
    "texts in lists": ("examples", "text_0", ["a"], "list<string>", "other columns than a bundle's"),
}


@pytest.mark.parametrize("case", COLUMNS_OF_A_STRANGER)
def test_tables_that_no_page_could_show(
    shared: Shared, elsewhere: tuple[Store, Settings], tmp_path: Path, case: str
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file, column, value, kind, message = COLUMNS_OF_A_STRANGER[case]
    types = {"int64": pa.int64(), "float": pa.float32(), "string": pa.string(), "": pa.null()}
    inner = types[kind.removeprefix("list<").removesuffix(">")]

    def changed(data: bytes) -> bytes:
        table = pq.read_table(pa.BufferReader(data))
        values = pa.array([value] * len(table), pa.list_(inner) if kind.startswith("list") else inner)
        table = table.set_column(table.column_names.index(column), column if kind else "another", values)
        pq.write_table(table, tmp_path / "changed.parquet")
        return (tmp_path / "changed.parquet").read_bytes()

    with pytest.raises(DataError, match=message):
        import_bundle(rewritten(shared.bundle("one", texts=True), in_file(f"{file}.parquet", changed)), *elsewhere)


def test_the_arguments_of_a_sentence_go_along(shared: Shared, elsewhere: tuple[Store, Settings]) -> None:
    """A spec's problems are a list of mappings, as deep as any sentence's arguments are."""
    there, home = elsewhere
    problem = Problem.of(
        "no-class-for-weight", "there is no class {label!r}", "training", label="x", classes=["a", "b"]
    )
    error = SpecError([problem]).message
    payload = {"status": "failed", "error": error.text, "code": error.id, "arguments": dict(error.arguments)}

    def events(data: bytes) -> bytes:
        return json.dumps([*json.loads(data), {"time": 1.0, "kind": "state", "payload": payload}]).encode()

    run = import_bundle(rewritten(shared.bundle("one", texts=False), in_file("events.json", events)), there, home)
    assert there.events_since(run.id)[-1].payload == payload


def test_bombs_and_links(shared: Shared, elsewhere: tuple[Store, Settings], tmp_path: Path) -> None:
    path = shared.bundle("one", texts=False)
    there, home = elsewhere
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as out:
        for name in archive.namelist():
            out.writestr(name, b"\0" * 300_000_000 if name.endswith("report.json") else archive.read(name))
    small = Settings(home=home.home, max_unpacked_bytes=50_000_000)
    for limits in (home, small):
        with pytest.raises(DataError, match="made to fill a disk"):
            import_bundle(bomb, there, limits)
    link = tmp_path / "link.zip"
    with zipfile.ZipFile(link, "w") as out:
        member = zipfile.ZipInfo("bundle.json")
        member.external_attr = 0o120777 << 16
        out.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="a link"):
        import_bundle(link, there, home)
    folder = tmp_path / "folder"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    victim = next(folder.rglob("report.json"))
    victim.unlink()
    victim.symlink_to("/etc/hostname")
    with pytest.raises(DataError, match="a link"):
        import_bundle(folder, there, home)
    for nothing in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(DataError):
            import_bundle(nothing, there, home)
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(DataError, match="not a whole zip"):
        import_bundle(tmp_path / "no.zip", there, home)
    assert not there.runs()
    shutil.rmtree(folder)

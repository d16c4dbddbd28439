"""Bundles that somebody made to get in, to read, to fill a disk or to pass for another's."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import AccessDenied, DataError, WrongStatus
from core.sharing.bundles.importing import import_bundle, import_upload
from tests.access.conftest import SPEC
from tests.attack.cases import case
from tests.attack.pickled import Planted
from tests.attack.place import ANN, SECRETS, TOM, VIEWER, VISITOR, Place
from tests.sharing.test_bundle import Shared, in_file, in_json, in_run, rewritten

Change = Callable[[dict[str, bytes]], None]


def whole(shared: Shared) -> Path:
    """A good bundle with texts, made once."""
    if not hasattr(shared, "_whole"):
        shared._whole = shared.bundle("one", texts=True)  # type: ignore[attr-defined]
    path: Path = shared._whole  # type: ignore[attr-defined]
    return path


def refused(place: Place, path: Path, says: str, **changes: Any) -> None:
    """A trainer of a team imports it; nothing stays, not even half of it."""
    settings = place.settings("team", TOM, **changes)
    (place.home / "runs").mkdir(exist_ok=True)
    place.refused(lambda: import_bundle(path, place.store("team", TOM, **changes), settings), says)


def changed(place: Place, shared: Shared, change: Change, says: str) -> None:
    refused(place, rewritten(whole(shared), change), says)


def parquet(table: pa.Table, **more: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **more)
    return out.getvalue()


def on_table(change: Callable[[pa.Table], pa.Table], **more: Any) -> Callable[[bytes], bytes]:
    return lambda data: parquet(change(pq.read_table(pa.BufferReader(data))), **more)


@case("a bundle with a file twice")
def _twice(place: Place, shared: Shared) -> None:
    path = place.root / "twice.zip"
    with zipfile.ZipFile(whole(shared)) as good, zipfile.ZipFile(path, "w") as out, pytest.warns(UserWarning):
        for name in good.namelist():
            out.writestr(name, good.read(name))
        out.writestr("bundle.json", b"{}")
    refused(place, path, "two files of one name")


@case("a bundle behind a password")
def _encrypted(place: Place, shared: Shared) -> None:
    data = bytearray(rewritten(whole(shared), lambda content: None).read_bytes())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 4)
    path = place.root / "locked.zip"
    path.write_bytes(data)
    refused(place, path, "password")


@case("a bundle that lies about the sizes of its files")
def _wrong_sizes(place: Place, shared: Shared) -> None:
    data = bytearray(rewritten(whole(shared), lambda content: None).read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", data, at + 24, 10)  # of each the unpacked size
        at = data.find(b"PK\x01\x02", at + 4)
    path = place.root / "small.zip"
    path.write_bytes(data)
    refused(place, path, "damaged|cannot be read|not a valid|unpacks to more|whole zip")


@case("a zip in a bundle in place of a table")
def _nested(place: Place, shared: Shared) -> None:
    inner = whole(shared).read_bytes()
    changed(place, shared, in_file("predictions.parquet", lambda data: inner), "no Parquet file")


@case("a bundle with a file for a drive of Windows")
def _drive(place: Place, shared: Shared) -> None:
    def change(content: dict[str, bytes]) -> None:
        _named(content, "C:\\Windows\\evil.json")

    changed(place, shared, change, "no file of a bundle")


@case("a bundle with a name that Windows reserves")
def _reserved(place: Place, shared: Shared) -> None:
    def change(content: dict[str, bytes]) -> None:
        _named(content, "runs/con/report.json")

    changed(place, shared, change, "no file of a bundle")


def _named(content: dict[str, bytes], name: str) -> None:
    content[name] = b"x"
    tree = json.loads(content["bundle.json"])
    tree["files"][name] = {"sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "bytes": 1}
    content["bundle.json"] = json.dumps(tree).encode()


@case("a bundle that names a place on another machine")
def _network(place: Place, shared: Shared) -> None:
    for part, field, path in (
        ("data", "path", r"\\evil.example\share\x.csv"), ("data", "path", "//evil.example/x"),
        ("model", "name", r"\\evil.example\models"), ("model", "name", "smb://evil.example/x"),
    ):  # fmt: skip

        def change(content: dict[str, bytes], part: str = part, field: str = field, path: str = path) -> None:
            tree = json.loads(content["bundle.json"])
            tree["runs"][0]["spec"][part] |= {field: path} | ({"source": "file"} if part == "data" else {})
            content["bundle.json"] = json.dumps(tree).encode()

        changed(place, shared, change, "another machine")


@case("a bundle with files that its manifest does not name")
def _stowaways(place: Place, shared: Shared) -> None:
    """They are not looked at: the bundle is good without them."""

    def change(content: dict[str, bytes]) -> None:
        content |= {"../../evil.py": b"x", "/etc/evil": b"x", "runs/x/evil.pkl": b"x", "core/access/rules.py": b"x"}

    path = rewritten(whole(shared), change)
    before = place.snapshot()[1]
    run = import_bundle(path, place.store("team", TOM), place.settings("team", TOM))
    new = set(place.snapshot()[1]) - set(before)
    assert run.owner == TOM.id and all(name.startswith("home/runs") for name in new)
    assert not [name for name in new if "evil" in name or "access" in name]
    place.checked += 1


@case("a folder of a bundle that is a link")
def _linked_folder(place: Place, shared: Shared) -> None:
    folder = place.root / "folder"
    with zipfile.ZipFile(whole(shared)) as good:
        good.extractall(folder)
    (folder / "runs").rename(place.root / "elsewhere")
    (folder / "runs").symlink_to(place.root / "elsewhere")
    refused(place, folder, "missing, or a link")


@case("a table whose columns are of other types than they say")
def _lying_columns(place: Place, shared: Shared) -> None:
    def change(table: pa.Table) -> pa.Table:
        return table.set_column(table.column_names.index("row"), "row", table["row"].cast(pa.string()))

    changed(place, shared, in_file("predictions.parquet", on_table(change)), "other columns")


@case("a table of fifty million rows in a few bytes")
def _many_rows(place: Place, shared: Shared) -> None:
    def change(table: pa.Table) -> pa.Table:
        count = 6_000_000
        return pa.table(
            {f.name: pa.nulls(count, f.type) for f in table.schema if f.name not in ("logits", "probabilities")}
        )

    changed(place, shared, in_file("predictions.parquet", on_table(change)), "too many rows")


@case("a table with one text of megabytes in each of its rows")
def _text_bomb(place: Place, shared: Shared) -> None:
    def change(table: pa.Table) -> pa.Table:
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), pa.array(["x" * 500_000]))
        rows = pa.array(range(4000), pa.int64())
        return pa.table({"row": rows, "text_0": texts})

    data = in_file("examples.parquet", on_table(change, store_schema=False, compression="zstd"))
    path = rewritten(whole(shared), data)
    assert path.stat().st_size < 20_000_000
    refused(place, path, "fill the memory")


@case("a table with a pickle in what describes its types")
def _pickled_type(place: Place, shared: Shared) -> None:
    planted = Planted(place.root / "ran")

    def change(table: pa.Table) -> pa.Table:
        metadata = {
            b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": planted.pickle(),
        }
        schema = pa.schema([f.with_metadata(metadata) if f.name == "confidence" else f for f in table.schema])
        return pa.Table.from_arrays(table.columns, schema=schema).replace_schema_metadata({b"pandas": planted.pickle()})

    path = rewritten(whole(shared), in_file("predictions.parquet", on_table(change)))
    try:
        import_bundle(path, place.store("team", TOM), place.settings("team", TOM))
    except DataError as error:
        place.harmless(str(error))
    assert not planted.ran
    place.checked += 1


@case("a bundle with numbers that are none")
def _nan(place: Place, shared: Shared) -> None:
    def change(content: dict[str, bytes]) -> None:
        content["bundle.json"] = content["bundle.json"].replace(b'"created": ', b'"created": NaN, "x": ', 1)

    changed(place, shared, change, "not a valid bundle|cannot be read")


@case("a bundle with numbers as texts")
def _number_texts(place: Place, shared: Shared) -> None:
    changed(place, shared, in_run(step="5"), "not a valid bundle")


@case("a bundle with a number of four hundred digits")
def _huge_number(place: Place, shared: Shared) -> None:
    changed(place, shared, in_run(created=10**400), "not a valid bundle|cannot be read")


@case("a bundle whose manifest is nested without end")
def _deep_manifest(place: Place, shared: Shared) -> None:
    changed(place, shared, lambda content: content.update({"bundle.json": b'{"a":' * 100_000}), "cannot be read|JSON")


@case("a bundle with a point at no time")
def _no_time(place: Place, shared: Shared) -> None:
    def change(table: pa.Table) -> pa.Table:
        return table.set_column(3, "time", pa.array([float("nan")] * len(table)))

    changed(place, shared, in_file("metrics.parquet", on_table(change)), "numbers that cannot be")


@case("a bundle with a comparison that no page can show")
def _broken_comparison(place: Place, shared: Shared) -> None:
    changed(place, shared, in_json("comparison.json", models=[{}, {}]), "comparison.json that is not valid")


@case("a bundle with a disturbance that no page can show")
def _broken_robustness(place: Place, shared: Shared) -> None:
    changed(place, shared, in_json("robustness.json", kinds=[{"title": "x"}]), "robustness.json that is not valid")


@case("a bundle with a baseline that no page can show")
def _broken_baseline(place: Place, shared: Shared) -> None:
    changed(place, shared, in_json("evaluation.json", baselines={"majority": {}}), "evaluation.json that is not valid")


@case("a bundle with an environment that no report can show")
def _broken_environment(place: Place, shared: Shared) -> None:
    changed(place, shared, in_json("environment.json", hardware="fast"), "environment.json that is not valid")


@case("a bundle whose settings name a metric as code")
def _metric_as_code(place: Place, shared: Shared) -> None:
    def change(content: dict[str, bytes]) -> None:
        tree = json.loads(content["bundle.json"])
        tree["runs"][0]["spec"].setdefault("evaluation", {})["metrics"] = ["../evil/metric.py"]
        content["bundle.json"] = json.dumps(tree).encode()

    changed(place, shared, change, "settings that are not valid")


@case("a bundle that takes the place of another's own run")
def _id_of_own_run(place: Place, shared: Shared) -> None:
    run_id = place.store("team", ANN).submit("train", "Hers", SPEC)
    with place.plain.atomic() as db:
        db.execute("DELETE FROM events")
        db.execute("UPDATE runs SET id=? WHERE id=?", (shared.ids["one"], run_id))
    refused(place, whole(shared), "as a run of this home")


@case("a bundle that takes the place of what another imported")
def _id_of_import(place: Place, shared: Shared) -> None:
    import_bundle(whole(shared), place.store("team", ANN), place.settings("team", ANN))
    path = rewritten(whole(shared), in_run(name="Changed by somebody"))
    refused(place, path, r"belongs to ann@example\.org")
    assert place.plain.run(shared.ids["one"]).owner == ANN.id


@case("a bundle that takes another's comparison along")
def _comparison_of_another(place: Place, shared: Shared) -> None:
    """It is in both bundles; that of who came first stays as it is."""
    import_bundle(whole(shared), place.store("team", ANN), place.settings("team", ANN))
    comparison = place.settings().run_dir(shared.ids["compared"])
    before = (comparison / "comparison.json").read_bytes()
    other = rewritten(shared.bundle("two", texts=False), in_json("comparison.json", all_wrong=0))
    import_bundle(other, place.store("team", TOM), place.settings("team", TOM))
    assert place.plain.run(shared.ids["compared"]).owner == ANN.id
    assert (comparison / "comparison.json").read_bytes() == before
    place.checked += 1


@case("a bundle that fails when its runs are written")
def _fails_late(place: Place, shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lay in the places of its runs lies there again."""
    import_bundle(whole(shared), place.store("team", TOM), place.settings("team", TOM))

    def full(*arguments: object) -> None:
        raise WrongStatus("the store is busy")

    monkeypatch.setattr("core.store.store.Store.import_runs", full)
    refused(place, rewritten(whole(shared), in_run(name="Another")), "busy")


@case("a bundle from somebody who may only look")
def _viewer_imports(place: Place, shared: Shared) -> None:
    for mode, person in (("team", VIEWER), ("demo", VISITOR), ("viewer", VIEWER)):
        store, settings = place.store(mode, person), place.settings(mode, person)
        stream = io.BytesIO(whole(shared).read_bytes())
        place.refused(lambda: import_upload("a.zip", stream, store, settings), "role|demo|results", error=AccessDenied)  # noqa: B023
        assert stream.tell() == 0, "not a byte of it was written"


@case("a bundle larger than an upload may be")
def _large_bundle(place: Place, shared: Shared) -> None:
    settings = place.settings("team", TOM, max_upload_bytes=5000)
    stream = io.BytesIO(whole(shared).read_bytes())
    place.refused(lambda: import_upload("../../a.zip", stream, place.store("team", TOM), settings), "larger than 0 MB")


@case("a bundle that unpacks to more than its owner may use")
def _over_quota(place: Place, shared: Shared) -> None:
    from core.settings import Limits

    settings = place.settings("team", TOM)
    object.__setattr__(settings, "limits", Limits(disk_bytes=3000))
    (place.home / "runs").mkdir()
    from core.guarded_store import GuardedStore

    place.refused(
        lambda: import_bundle(whole(shared), GuardedStore(place.plain, settings), settings), "unpacks to more"
    )


@case("a bundle whose data is a file of this server")
def _data_of_the_server(place: Place, shared: Shared, opened: Any) -> None:
    """No page looks for texts where a bundle says that they lie."""
    from core.data.prepare import prepare
    from core.spec.data import DataSpec

    secret = DataSpec(
        source="file", path=str(place.canary / "secret.csv"), text_columns=("text",), label_column="label"
    )
    prepared = prepare(secret, place.settings())
    identity = {"title": "reviews", "fingerprint": prepared.fingerprint}

    def change(content: dict[str, bytes]) -> None:
        in_json("evaluation.json", data=secret.model_dump(mode="json"), dataset=identity, split="train")(content)
        tree = json.loads(content["bundle.json"])
        for name in [n for n in content if n.endswith("examples.parquet")]:
            del content[name], tree["files"][name]
        content["bundle.json"] = json.dumps(tree).encode()

    import_bundle(rewritten(whole(shared), change), place.plain, place.settings())
    for page, view in (("results/evaluate", "mistakes"), ("results/evaluate", "labels"), ("results/share", "report")):
        told_by_page = str(opened(place.home, page, "viewer", run=shared.ids["one"], view=view))
        assert "canary-that" not in told_by_page
        assert not [secret for secret in SECRETS.values() if secret in told_by_page]
    place.checked += 1

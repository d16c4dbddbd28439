"""Archives, workbooks and folders that would write elsewhere, read elsewhere or fill memory and disk."""

from __future__ import annotations

import gzip
import json
import tarfile

import pytest

from core.data.prepare import prepare
from core.errors import DataError
from core.spec.data import DataSpec
from tests.attack.attack_data import file, opened, refused
from tests.attack.cases import case
from tests.attack.place import Place
from tests.data.test_archives import link, tarred
from tests.data.test_hostile import ROWS
from tests.data.test_workbook import BEYOND, ENTITIES, FIRST, LAST, PASSWD, SHARED, parts


@case("a tar archive that writes outside its folder and links to the server's files")
def _tar_outside(place: Place) -> None:
    passwd = link("train.csv", "/etc/passwd", tarfile.SYMTYPE)
    spec = file(place, "a.tar", tarred(("../../../evil.csv", ROWS.encode()), (passwd, b"")))
    assert opened(place, spec).splits["train"].rows == 20
    assert not list(place.root.rglob("*evil*"))


@case("a tar archive whose header claims gigabytes")
def _tar_header(place: Place) -> None:
    info = tarfile.TarInfo("a")
    info.type, info.size = tarfile.XHDTYPE, 8 * 1024**3 - 1
    refused(place, file(place, "a.tar", info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), "cannot be unpacked")


@case("archives in archives in archives")
def _nested(place: Place) -> None:
    content = tarred(("a.csv", ROWS.encode()))
    for _ in range(3):
        content = tarred(("a.tar.gz", gzip.compress(content)))
    refused(place, file(place, "a.tar", content), "archive in an archive")


@case("a workbook with entities that grow, or that are files of the server")
def _workbook_entities(place: Place) -> None:
    refused(place, file(place, "a.xlsx", parts(SHARED, "<si><t>&j;</t></si>", ENTITIES)), "damaged")
    refused(place, file(place, "b.xlsx", parts(SHARED, "<si><t>&x;</t></si>", PASSWD)), "damaged")


@case("a workbook of two kilobytes with a cell in the last row and column of all, or beyond")
def _workbook_corner(place: Place) -> None:
    refused(place, file(place, "a.xlsx", parts(FIRST + LAST)), "column 16,384")
    refused(place, file(place, "b.xlsx", parts(FIRST + BEYOND)), "1,048,576 rows")


@case("a Delta table and a saved dataset that name files of the server")
def _named_outside(place: Place) -> None:
    log = json.dumps({"add": {"path": f"../{place.canary.name}"}}).encode()
    saved = json.dumps({"_data_files": [{"filename": f"../../{place.canary.name}"}]}).encode()
    for name, content in (
        ("delta/a.parquet", b"PAR1"),
        ("delta/_delta_log/00000000000000000000.json", log),
        ("saved/data.arrow", b"\xff" * 4),
        ("saved/state.json", saved),
    ):
        path = place.root / "brought" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, says in (("delta", "outside its folder"), ("saved", "is missing")):
        spec = DataSpec(source="file", path=str(place.root / "brought" / name))
        (place.home / "datasets").mkdir(exist_ok=True)
        with place.untouched(), pytest.raises(DataError, match=says):
            prepare(spec, place.settings())

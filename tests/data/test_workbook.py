"""Excel workbooks: the values of cells, and hostile workbooks."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest

from core.data.prepare import prepare
from core.data.quick import is_quick
from core.data.reading.tables import workbook
from core.errors import DataError
from core.spec.data import DataSpec
from tests.data.conftest import kinds_of, rows_of, values_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(fill: Callable[[Any], None], *sheets: str) -> bytes:
    """Writes a workbook whose sheets the functions `fill` fill, one after the other."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name in sheets or ("Sheet1",):
        fill(workbook.create_sheet(name))
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def rows(*content: list) -> Callable[[Any], None]:
    """Returns a function that appends these rows to a sheet."""

    def fill(sheet: Any) -> None:
        for row in content:
            sheet.append(row)

    return fill


def warnings(prepared) -> str:
    return " ".join(note.text for note in prepared.notes if note.level == "warning")


def test_cells_as_a_person_sees_them(opened):
    content = book(
        rows(
            ["id", "text", "stars", "share", "when", "at", "ok", "label"],
            ["007", "Zeros stay\nand lines", 5, 0.5, date(2026, 1, 31), datetime(2026, 1, 31, 13, 5), True, "good"],
            ["012", 'Said "so", he did', 4.0, 1, date(2026, 2, 1), datetime(2026, 2, 1), False, "bad"],
            ["010", "a_x000D_b", 3, 0.25, date(2026, 2, 2), datetime(2026, 2, 2), True, "1.10"],
        )
    )
    prepared = opened(content, "a.xlsx")
    assert values_of(prepared)[0] == (
        "007", "Zeros stay\nand lines", 5, 0.5, "2026-01-31", "2026-01-31 13:05:00", True, "good"
    )  # fmt: skip
    assert [row["stars"] for row in rows_of(prepared)] == [5, 4, 3]
    assert rows_of(prepared)[2]["text"] == "a\rb" and rows_of(prepared)[2]["label"] == "1.10"
    assert kinds_of(prepared)["ok"] == "boolean" and kinds_of(prepared)["id"] == "text"
    assert prepared.reading == {"sheet": "Sheet1", "sheets": ["Sheet1"], "header": True, "skip_lines": 0}


def test_numbers_shown_with_zeros_keep_them(opened):
    def fill(sheet: Any) -> None:
        rows(["text", "code"], ["a b", 7], ["c d", 12])(sheet)
        for row in (2, 3):
            sheet.cell(row, 2).number_format = "000"

    assert values_of(opened(book(fill), "a.xlsx")) == [("a b", "007"), ("c d", "012")]


def test_a_table_that_begins_lower_and_to_the_right(opened):
    def fill(sheet: Any) -> None:
        sheet["B2"] = "Reviews of the year"
        for row, values in enumerate([["text", "label"], ["Good food", "good"], ["Bad food", "bad"]], 4):
            for column, value in enumerate(values, 3):
                sheet.cell(row, column, value)
        sheet["F6"] = "a remark"
        sheet["A20"].number_format = "0.0"

    prepared = opened(book(fill), "a.xlsx")
    assert [(row["text"], row["label"]) for row in rows_of(prepared)] == [("Good food", "good"), ("Bad food", "bad")]
    assert list(kinds_of(prepared)) == ["text", "label", "column_6"]
    assert "Left out: 1 row above the table." in prepared.notes[0].text
    skipped = opened(book(fill), "b.xlsx", skip_lines=2, header=False)
    assert values_of(skipped)[0][:2] == ("Good food", "good")


def test_rows_without_any_value_are_counted_and_no_rows(opened):
    content = book(rows(["text", "label"], ["a b", "x"], [], [], ["c d", "y"], *[[None, ""]] * 500))
    prepared = opened(content, "a.xlsx")
    assert values_of(prepared) == [("a b", "x"), ("c d", "y")]
    assert "skipped 2 rows without any value." in prepared.notes[1].text


def test_merged_cells_give_their_value_to_all_their_rows(opened):
    def fill(sheet: Any) -> None:
        rows(["Our reviews"], ["label", "text"], ["good", "a b"], [None, "c d"], [None, "e f"], ["bad", "g h"])(sheet)
        sheet.merge_cells("A1:B1")
        sheet.merge_cells("A3:A5")

    prepared = opened(book(fill), "a.xlsx")
    assert values_of(prepared) == [("good", "a b"), ("good", "c d"), ("good", "e f"), ("bad", "g h")]
    assert "2 cells below the first of merged cells" in warnings(prepared)


def test_errors_and_formulas_nobody_has_calculated(opened):
    def fill(sheet: Any) -> None:
        rows(["text", "label", "length"], ["a b", "x", "=LEN(A2)"], ["c d", "#N/A", "=LEN(A3)"], ["e f", "y", 3])(sheet)

    prepared = opened(book(fill), "a.xlsx")
    assert values_of(prepared) == [("a b", "x", None), ("c d", None, None), ("e f", "y", 3)]
    assert "left empty as they are errors (#N/A): 1 cell" in warnings(prepared)
    assert "left empty as they have no result: 2 formulas" in warnings(prepared)


def test_results_of_formulas_are_read(opened):
    sheet = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>label</t></is></c></row>'
        '<row r="2"><c r="A2" t="str"><f>A9&amp;"!"</f><v>So good!</v></c><c r="B2"><f>1+1</f><v>2</v></c></row>'
    )
    prepared = opened(parts(sheet), "a.xlsx")
    assert values_of(prepared) == [("So good!", 2)] and not warnings(prepared)


def test_a_sheet_is_chosen(opened):
    def fill(sheet: Any) -> None:
        if sheet.title != "Cover":
            rows(["text", "label"], [f"from {sheet.title}", "x"])(sheet)

    content = book(fill, "Cover", "Reviews", "Überblick")
    first = opened(content, "a.xlsx")
    assert values_of(first) == [("from Reviews", "x")]
    assert "'Reviews' is read, of several (also 'Cover', 'Überblick')" in first.notes[0].text
    assert first.reading["sheets"] == ["Reviews", "Cover", "Überblick"]
    assert values_of(opened(content, "b.xlsx", sheet="Überblick")) == [("from Überblick", "x")]
    with pytest.raises(DataError, match="no sheet called 'Nope'; it has 'Cover', 'Reviews'") as caught:
        opened(content, "c.xlsx", sheet="Nope")
    assert caught.value.field == "data.read.sheet"
    with pytest.raises(DataError, match=r"the sheet 'Cover' of d\.xlsx has no rows"):
        opened(content, "d.xlsx", sheet="Cover")


COVER = [["Survey of our customers"], ["Year", 2024], [], ["By", "J. Doe"]]
LEGEND = [["label", "meaning", "since"], ["x", "fine", 2020]]


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        (COVER, [["text", "label"]] + [[f"text {n}", "x"] for n in range(12)], "Second"),
        ([["text"]] + [[f"text {n}"] for n in range(12)], LEGEND, "First"),
        ([["text", "label"], ["one", "x"], ["two", "y"]], [["text", "label"]] + [["other", "x"]] * 12, "First"),
        (COVER, LEGEND, "First"),
    ],
    ids=["a cover", "a list of texts", "a small table", "nothing but covers"],
)
def test_a_cover_is_not_read_for_the_table_behind_it(opened, first: list, second: list, read: str):
    def fill(sheet: Any) -> None:
        rows(*(first if sheet.title == "First" else second))(sheet)

    assert opened(book(fill, "First", "Second"), "a.xlsx").reading["sheet"] == read


def test_hidden_sheets_come_last(opened):
    def fill(sheet: Any) -> None:
        rows(["text", "label"], [f"from {sheet.title}", "x"])(sheet)
        sheet.sheet_state = "hidden" if sheet.title == "Lists" else "visible"

    assert values_of(opened(book(fill, "Lists", "Data"), "a.xlsx")) == [("from Data", "x")]


def test_workbooks_as_splits_beside_text(opened):
    train = book(rows(["text", "label"], ["a b", "x"], ["c d", "y"]))
    prepared = opened({"train.xlsx": train, "test.csv": b"text,label\ne f,x\n", "~$train.xlsx": b"\x05Ann"}, "set")
    assert {n: s.rows for n, s in prepared.splits.items()} == {"train": 2, "test": 1}


def test_a_workbook_in_a_zip_and_under_another_name(opened):
    content = book(rows(["text", "label"], ["a b", "x"]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("inner/a.xlsx", content)
    assert values_of(opened(out.getvalue(), "a.zip")) == values_of(opened(content, "b.csv")) == [("a b", "x")]


RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def parts(sheet: str, strings: str = "", declaration: str = "", **more: str) -> bytes:
    """Writes a workbook from the XML of its rows."""
    relation = f'<Relationship Id="r{{}}" Type="{OFFICE}/{{}}" Target="{{}}"/>'
    office = "application/vnd.openxmlformats-"
    kinds = {"workbook": "sheet.main", "worksheets/s": "worksheet", "sharedStrings": "sharedStrings"}
    types = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{office}officedocument.spreadsheetml.{kind}+xml"/>'
        for name, kind in kinds.items()
    )
    inner = relation.format(1, "worksheet", "worksheets/s.xml") + relation.format(
        2, "sharedStrings", "sharedStrings.xml"
    )
    outer = relation.format(1, "officeDocument", "xl/workbook.xml")
    content = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="{office}package.relationships+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{outer}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{inner}</Relationships>',
        "xl/sharedStrings.xml": f'{declaration}<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/worksheets/s.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        **more,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return out.getvalue()


ENTITIES = (
    "<!DOCTYPE z ["
    + '<!ENTITY a "aaaaaaaaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)
FIRST = '<row r="1"><c r="A1"><v>1</v></c></row>'

SHARED = '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'
LAST = '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
BEYOND = '<row r="99999999999"><c r="A99999999999"><v>2</v></c></row>'
NO_SHEETS = f'<workbook xmlns="{MAIN}"><sheets/></workbook>'
PASSWD = '<!DOCTYPE z [<!ENTITY x SYSTEM "file:///etc/passwd">]>'

HOSTILE: dict[str, tuple[bytes, str]] = {
    "a value in the last cell of all": (parts(FIRST + LAST), "column 16,384"),
    "a row beyond all": (parts(FIRST + BEYOND), "1,048,576 rows"),
    "entities that grow": (parts(SHARED, "<si><t>&j;</t></si>", ENTITIES), "damaged"),
    "a file as an entity": (
        parts(SHARED, "<si><t>&x;</t></si>", PASSWD),
        "damaged",
    ),
    "a long text shared by many rows": (
        parts(
            "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 20_001)),
            f"<si><t>{'x' * 32_000}</t></si>",
        ),
        "over 200 times its size|unpacks to more than",
    ),
    "styles without end": (parts(FIRST, **{"xl/styles.xml": "<x/>" * 5_000_000}), "MB of XML in xl/styles.xml"),
    "a text that is not there": (parts('<row r="1"><c r="A1" t="s"><v>99</v></c></row>'), "damaged"),
    "a number that is none": (parts('<row r="1"><c r="A1"><v>five</v></c></row>'), "damaged"),
    "XML cut off": (parts('<row r="1"><c r="A1"><v>1</v>'), "damaged"),
    "no sheet": (parts(FIRST, **{"xl/workbook.xml": NO_SHEETS}), "damaged|no rows"),
    "no value": (parts('<row r="1"><c r="A1" s="0"/></row>'), "no rows"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_workbooks_have_their_sentence(case, settings, tmp_path):
    content, says = HOSTILE[case]
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    spec, small = DataSpec(source="file", path=str(path)), replace(settings, max_unpacked_bytes=100_000_000)
    started = time.monotonic()
    with pytest.raises(DataError, match=says) as caught:
        prepare(spec, small)
    assert time.monotonic() - started < 60 and len(str(caught.value)) < 400 and "root:" not in str(caught.value)
    assert not [p for p in small.datasets.iterdir() if p.name.startswith(".")]


def test_a_workbook_with_a_password_and_other_sheets_say_what_to_do(opened):
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 9
    for name, says in (("a.xlsx", "with a password"), ("a.xls", "old Excel")):
        with pytest.raises(DataError, match=says):
            opened(ole, name)


def test_a_large_workbook_is_not_read_while_a_page_waits(settings, tmp_path):
    cells = "".join(f'<row r="{i}"><c r="A{i}"><v>{i}</v></c></row>' for i in range(1, 80_000))
    for name, content, quick in (("large.xlsx", parts(cells), False), ("small.xlsx", parts(FIRST), True)):
        (tmp_path / name).write_bytes(content)
        assert is_quick(DataSpec(source="file", path=str(tmp_path / name)), settings) == quick


def test_rows_of_empty_cells_to_the_last_column_take_no_minutes(opened):
    """Twenty bytes make a row of 16,384 cells, as openpyxl adds the empty ones."""
    wide = "".join(f'<row r="{i}"><c r="XFD{i}"/></row>' for i in range(2, 60_000))
    started = time.monotonic()
    with pytest.raises(DataError, match="of up to 16,384 cells, nearly all of them empty"):
        opened(parts(FIRST + wide), "wide.xlsx")
    assert time.monotonic() - started < 20
    assert opened(parts(FIRST + wide[:3000].rpartition("</row>")[0] + "</row>"), "few.xlsx").splits["train"].rows == 1


def test_scanning_for_formulas_takes_no_time_on_hostile_cells():
    for piece in (b"<f>" * 100_000, b"<f " * 100_000, b"<f/>" + b" " * 300_000, b"<v>" * 100_000):
        started = time.monotonic()
        assert not re.findall(workbook.NO_RESULT, piece)
        assert time.monotonic() - started < 5

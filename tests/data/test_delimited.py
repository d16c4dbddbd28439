"""Real forms of CSV and TSV: each case has the bytes, the expected rows, and the expected reading."""

from __future__ import annotations

import csv
import io

import pytest

from core.data.reading.aligning.columns import StringColumns
from core.errors import DataError
from tests.data.conftest import kinds_of, rows_of, values_of

CASES = {
    "plain": (b"text,label\ngood,pos\nbad,neg\n", "a.csv", [("good", "pos"), ("bad", "neg")]),
    "no final newline": (b"text,label\ngood,pos\nbad,neg", "a.csv", [("good", "pos"), ("bad", "neg")]),
    "crlf": (b"text,label\r\ngood,pos\r\nbad,neg\r\n", "a.csv", [("good", "pos"), ("bad", "neg")]),
    "lone cr": (b"text,label\rgood,pos\rbad,neg", "a.csv", [("good", "pos"), ("bad", "neg")]),
    "lone cr in a tsv": (b"text\tlabel\rgood\tpos\rbad\tneg\r", "a.tsv", [("good", "pos"), ("bad", "neg")]),
    "byte order mark": (b'\xef\xbb\xbf"text","label"\n"a b","x"\n', "a.csv", [("a b", "x")]),
    "line breaks inside quotes": (
        b'label,text\n5,"one\ntwo, three\n\nfour"\n1,"a ""b"" c"\n',
        "a.csv",
        [(5, "one\ntwo, three\n\nfour"), (1, 'a "b" c')],
    ),
    "crlf inside quotes": (b'text,label\r\n"a\r\nb",x\r\n', "a.csv", [("a\r\nb", "x")]),
    "semicolons and decimal commas": (b"text;label\n1,5 a;x\n2,5 b;y\n", "a.csv", [("1,5 a", "x"), ("2,5 b", "y")]),
    "bars": (b"text|label\na, b|x\nc|y\n", "a.txt", [("a, b", "x"), ("c", "y")]),
    "tabs in a csv": (
        b"text\tlabel\nHello, you\tx\nyes, and, no\ty\n",
        "a.csv",
        [("Hello, you", "x"), ("yes, and, no", "y")],
    ),
    "bare quotes in a tsv": (
        b'text\tlabel\n"Go!" he said.\tx\n5" long\ty\n"open\tx\nclose"\ty\n',
        "a.tsv",
        [('"Go!" he said.', "x"), ('5" long', "y"), ('"open', "x"), ('close"', "y")],
    ),
    "quoted line breaks in a tsv": (b'text\tlabel\n"a\nb"\tx\n"c\td"\ty\n', "a.tsv", [("a\nb", "x"), ("c\td", "y")]),
    "blank lines": (b"text,label\n\na,x\n\n\nb,y\n\n", "a.csv", [("a", "x"), ("b", "y")]),
    "nul bytes": (b"text,label\na\0b,x\nc,y\n", "a.csv", [("a\0b", "x"), ("c", "y")]),
    "one column": (b"text\nhello, you\nwell\n", "a.txt", [("hello, you",), ("well",)]),
    "one column with empty values": (b'text\none two\n""\nfour\n', "a.csv", [("one two",), ("four",)]),
    "one column with quotes in it": (
        b'text\n""\n"so" he said\nfour\n',
        "a.csv",
        [('""',), ('"so" he said',), ("four",)],
    ),
    "one quoted column": (b'text\n"a, b"\n"c\nd"\n', "a.csv", [("a, b",), ("c\nd",)]),
    "line and paragraph separators": (
        "text,label\na\u2028b\x85c\x0bd,x\n".encode(),
        "a.csv",
        [("a\u2028b\x85c\x0bd", "x")],
    ),
    "trailing delimiters": (b"text,label,\na,x,\nb,y,\n", "a.csv", [("a", "x"), ("b", "y")]),
    "pandas index": (b",text,label\n0,a,x\n1,b,y\n", "a.csv", [(0, "a", "x"), (1, "b", "y")]),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_are_those_that_are_there(opened, case):
    content, name, expected = CASES[case]
    prepared = opened(content, name)
    assert values_of(prepared) == expected
    assert prepared.splits["train"].rows == len(expected)


def test_header_or_not(opened):
    cola = b'gj04\t1\t\tOur friends won\'t buy this.\nks08\t0\t*\tThe in loved.\nks08\t1\t\tI said "no".\n'
    prepared = opened(cola, "in_domain_train.tsv")
    assert list(kinds_of(prepared)) == ["column_1", "column_2", "column_3", "column_4"]
    assert prepared.reading == {
        "encoding": "utf-8",
        "delimiter": "\t",
        "quoting": False,
        "header": False,
        "skip_lines": 0,
        "quote_character": None,
        "escape_character": "",
    }
    assert prepared.splits["train"].rows == 3
    assert (prepared.text_guess, prepared.label_guess) == (("column_4",), "column_2")


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (b"good movie,pos\nbad film,neg\nnice one,pos\n", False),
        (b"3,Wall St. Bears,Short sellers are back.\n4,Oil,Prices rise again today.\n", False),
        (b"Great food!\nBad service.\nI liked it.\n", False),
        ("本文,ラベル\nとても良い,肯定\n悪い,否定\n".encode(), True),
        (b"tweet_id,airline_sentiment\n57,neutral\n58,positive\n", True),
        (b"label,text\n", None),
    ],
)
def test_header_is_recognised(opened, content, header):
    if header is None:
        with pytest.raises(DataError, match="no rows"):
            opened(content)
    else:
        assert opened(content).reading["header"] is header


def test_ragged_rows_are_kept_and_counted(opened):
    content = b"label,text\n1,good\n2\n3,well, this, has commas\n4,fine\n"
    prepared = opened(content)
    assert values_of(prepared) == [(1, "good"), (2, None), (3, "well, this, has commas"), (4, "fine")]
    assert any("1 row had fewer than 2 values (the first on line 3)" in n.text for n in prepared.notes)
    assert any("1 row had more than 2 values (the first on line 4)" in n.text for n in prepared.notes)


def test_surplus_goes_to_the_text_even_if_it_comes_first(opened):
    body = b"".join(b"a rather long text without commas %d,pos\n" % i for i in range(20))
    prepared = opened(b"text,label\n" + body + b"oh, well, what,neg\n")
    assert values_of(prepared)[-1] == ("oh, well, what", "neg")


def test_names_that_are_empty_or_twice(opened):
    prepared = opened(b"text,text,,label\na,b,c,1\nd,e,f,0\n")
    assert list(kinds_of(prepared)) == ["text", "text_2", "column_3", "label"]
    assert any("renamed" in n.text for n in prepared.notes)


def test_types_keep_every_value(opened):
    content = (
        b"id,big,n,f,flag,mixed,label\n"
        b"007,12345678901234567890,-3,1.5,True,1,1\n"
        b"008,5,4,2000.0,false,2.5,5\n"
        b"009,6,NA,0.5,,x,3\n"
    )
    prepared = opened(content)
    assert kinds_of(prepared) == {
        "id": "text",
        "big": "text",
        "n": "integer",
        "f": "float",
        "flag": "boolean",
        "mixed": "text",
        "label": "integer",
    }
    assert [r["n"] for r in rows_of(prepared)] == [-3, 4, None]
    assert [r["f"] for r in rows_of(prepared)] == [1.5, 2000.0, 0.5]
    assert [r["flag"] for r in rows_of(prepared)] == [True, False, None]
    assert rows_of(prepared)[0]["id"] == "007"
    assert prepared.column("n").nulls == 1


def test_types_come_from_the_last_value_too(opened, monkeypatch):
    monkeypatch.setattr("core.data.reading.text.delimited.BATCH_ROWS", 100)
    content = "label,text\n" + "".join(f"{i % 2},row {i}\n" for i in range(1000)) + "x,end\n"
    prepared = opened(content.encode())
    assert kinds_of(prepared)["label"] == "text"
    assert prepared.splits["train"].rows == 1001


def test_two_splits_get_one_type(opened):
    prepared = opened({"train.csv": b"label,text\n1,a\n2,b\n", "test.csv": b"label,text\nx,a\n"}, "folder")
    assert values_of(prepared) == [("1", "a"), ("2", "b")]
    assert values_of(prepared, "test") == [("x", "a")]


@pytest.mark.parametrize("tail", ['"quoted\nline",y\n', '"He said" so\ty\n'])
def test_a_quote_that_shows_up_late(opened, monkeypatch, tail):
    """The beginning has no quotes, so that the whole file decides their meaning once there is one."""
    monkeypatch.setattr("core.data.reading.text.textfile.SAMPLE_CHARACTERS", 500)
    delimiter = "\t" if "\t" in tail else ","
    content = f"text{delimiter}label\n" + "".join(f"row {i}{delimiter}x\n" for i in range(500)) + tail
    prepared = opened(content.encode(), "a.tsv" if delimiter == "\t" else "a.csv")
    assert prepared.splits["train"].rows == 501
    assert values_of(prepared)[-1] == (("quoted\nline", "y") if delimiter == "," else ('"He said" so', "y"))


def test_a_loose_quote_in_a_quoted_file(opened, monkeypatch):
    monkeypatch.setattr("core.data.reading.text.textfile.SAMPLE_CHARACTERS", 500)
    good = "".join(f'{i},"one, two\nthree {i}"\n' for i in range(200))
    prepared = opened(f'id,text\n{good}7,"a" b, c\n{good}'.encode())
    assert prepared.splits["train"].rows == 401
    assert any("a quote stands where none should be" in n.text for n in prepared.notes)


def test_a_quote_that_never_closes(opened):
    content = 'id,text\n1,"a, b\nc"\n2,"x, y"\n3,"never closed, oh\n4,z\n'
    with pytest.raises(DataError, match="never closed") as caught:
        opened(content.encode(), quoting=True)
    assert caught.value.field == "data.read.quoting"


def test_what_was_detected_can_be_overruled(opened):
    content = b'a;b\n"x;1\ny";2\n'
    assert values_of(opened(content, "1.csv", quoting=False, header=False)) == [("a", "b"), ('"x', "1"), ('y"', "2")]
    with pytest.raises(DataError, match="does not part the columns") as caught:
        opened(content, "3.csv", delimiter="|")
    assert caught.value.field == "data.read.delimiter"


def test_very_long_cells(opened):
    long = "word " * 200_000
    prepared = opened(f'text,label\n"{long}",1\nb,2\n'.encode())
    assert values_of(prepared) == [(long, 1), ("b", 2)]


@pytest.mark.parametrize("content", [b"", b"\n\n\r\n", b"\xef\xbb\xbf"])
def test_nothing_in_it(opened, content):
    with pytest.raises(DataError, match=r"empty|blank"):
        opened(content)


def test_agrees_with_what_csv_writers_write(opened):
    """Awkward values that a CSV writer writes are read back unchanged."""
    values = ["a", 'say "hi"', "x,y", "line\nbreak", "tab\there", " padded ", "''", '"', "é漢🙂", "trailing\\"]
    rows = [(v, str(i % 3)) for i, v in enumerate(values * 3)]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        for delimiter in ",;\t|":
            out = io.StringIO(newline="")
            writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
            writer.writerows([("text", "label"), *rows])
            prepared = opened(out.getvalue().encode(), f"{quoting}-{ord(delimiter)}.csv")
            assert [(t, str(n)) for t, n in values_of(prepared)] == rows, (quoting, delimiter)


def test_memory_stays_flat_by_batches(tmp_path, monkeypatch):
    with StringColumns(tmp_path / "x.parquet", ["a"]) as columns:
        for _ in range(3):
            columns.add([["1"], [""]])
    assert columns.rows == 6
    assert columns.possible["a"].nulls == 3
    assert columns.possible["a"].kind == "integer"

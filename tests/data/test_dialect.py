"""Text files as spreadsheets, databases and scripts export them: rows around a table, quotes and escapes."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
import pytest

from core.data.reading.text import dialect as dialects
from core.errors import DataError, SpecError
from core.spec.data import ReadSpec
from core.spec.run import build
from tests.data.conftest import kinds_of, rows_of, values_of


def lines(pattern: str, count: int = 24) -> str:
    """Returns rows from a pattern with {i} for the number and {l} for the label."""
    return "".join(pattern.format(i=i, l="neg" if i % 2 else "pos") for i in range(count))


def said(prepared, level=None) -> str:
    return "\n".join(note.text for note in prepared.notes if level in (None, note.level))


ESCAPED = {
    "quotes and commas": ('"he said \\"well, {i}\\" twice",{l}\n', 'he said "well, 0" twice'),
    "over two lines": ('"he said \\"well,\nfine\\" {i}",{l}\n', 'he said "well,\nfine" 0'),
    "single quotes": ("'it\\'s fine, really {i}','{l}'\n", "it's fine, really 0"),
    "commas without quotes": ("well\\, fine\\, {i},{l}\n", "well, fine, 0"),
    "other backslashes stay": ('"C:\\new\\table, \\"{i}\\" \\\\",{l}\n', 'C:\\new\\table, "0" \\'),
    "doubled ones too": ('"\\"a, {i}\\" and ""b, c""",{l}\n', '"a, 0" and "b, c"'),
}


@pytest.mark.parametrize("case", ESCAPED)
def test_an_escape_is_detected_and_said(opened, case):
    pattern, first = ESCAPED[case]
    prepared = opened(("text,label\n" + lines(pattern)).encode())
    assert prepared.splits["train"].rows == 24
    assert values_of(prepared)[:2] == [(first, "pos"), (first.replace("0", "1"), "neg")]
    assert prepared.reading["escape_character"] == "\\"
    assert "The escape character is a backslash." in said(prepared)


def test_what_mysql_writes_into_a_file(opened):
    body = "a\\\tb {i}\t{l}\ntwo\\\nlines {i}\t{l}\n"
    prepared = opened(("text\tlabel\n" + lines(body)).encode(), "a.tsv")
    assert values_of(prepared)[:2] == [("a\tb 0", "pos"), ("two\nlines 0", "pos")]


@pytest.mark.parametrize("text", ["saved in C:\\dir{i}\\", "ends so \\", 'a \\ "" b'])
def test_a_backslash_alone_is_no_escape(opened, text):
    prepared = opened(("text,label\n" + lines(f'"{text}, ok",{{l}}\n"{text}",{{l}}\n')).encode())
    plain = text.replace('""', '"').format(i=0)
    assert values_of(prepared)[:2] == [(f"{plain}, ok", "pos"), (plain, "pos")]
    assert prepared.reading["escape_character"] == ""


SINGLE = {
    "all": ("'good, really {i}','{l}'\n", "good, really 0"),
    "without need": ("'good {i}','{l}'\n", "good 0"),
    "where needed": ("'good, really {i}',{l}\n", "good, really 0"),
    "doubled inside": ("'it''s good {i}','{l}'\n", "it's good 0"),
    "over two lines": ("'good,\n\"really\" {i}','{l}'\n", 'good,\n"really" 0'),
}


@pytest.mark.parametrize("case", SINGLE)
def test_single_quotes_enclose(opened, case):
    pattern, first = SINGLE[case]
    prepared = opened(("text,label\n" + lines(pattern)).encode())
    assert values_of(prepared)[0] == (first, "pos")
    assert prepared.splits["train"].rows == 24
    assert prepared.reading["quote_character"] == "'"
    assert "Values may be enclosed in single quotes." in said(prepared)


def test_a_single_row_has_no_single_quotes(opened):
    for number, content in enumerate(["text,label\ngood,pos\n", f"text,label\n{'x' * 2_000_000},pos\n"]):
        prepared = opened(content.encode(), f"{number}.csv")
        assert prepared.reading["quote_character"] is None


def test_apostrophes_are_no_quotes(opened):
    prepared = opened(("text,label\n" + lines("'twas good {i},{l}\nit's {i},{l}\nno {i},{l}\n")).encode())
    assert values_of(prepared)[0] == ("'twas good 0", "pos")


@pytest.mark.parametrize("values", ["'it's good {i}','{l}'", "“good {i}”,“{l}”"])
def test_quotes_that_stay_are_told(opened, values):
    prepared = opened(("text,label\n" + lines(f"{values}\n")).encode())
    assert values_of(prepared)[0][0] == values.split(",")[0].format(i=0)
    assert "is read as part of them" in said(prepared, "warning")


@pytest.mark.parametrize("delimiter", ["\x01", "^", "~", "\x1f"])
@pytest.mark.parametrize("header", [True, False])
def test_rare_delimiters(opened, delimiter, header):
    first = f"text{delimiter}label\n" if header else ""
    text = "good thing {i}" if delimiter in "~^" and not header else "good, thing {i}"
    prepared = opened((first + lines(f"{text}{delimiter}{{l}}\n")).encode(), "a.txt")
    assert values_of(prepared)[0] == (text.format(i=0), "pos")
    assert prepared.reading["delimiter"] == delimiter


def test_two_colons_are_refused(opened):
    with pytest.raises(DataError, match="two colons"):
        opened(lines("{i}::good thing::{l}\n").encode())


HINTS = ["sep=;", '"sep=;"', "SEP=;", "sep=;;", "\ufeffsep=;"]


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_hint_of_the_delimiter_is_taken(opened, hint, codec, end):
    if codec != "utf-8":
        hint = hint.removeprefix("\ufeff")
    content = f"{hint}\ntext;label\n{lines('an é, thing {i};{l}' + chr(10))}".replace("\n", end)
    prepared = opened(content.encode(codec))
    assert list(kinds_of(prepared)) == ["text", "label"]
    assert values_of(prepared)[0] == ("an é, thing 0", "pos")
    assert prepared.reading["skip_lines"] == 1
    assert "names the delimiter and is not a row" in said(prepared)


@pytest.mark.parametrize(("written", "delimiter"), [("#", "#"), ("\\t", "\t"), ("\t", "\t"), ("|", "|")])
def test_a_hint_may_name_any_character(opened, written, delimiter):
    content = f"sep={written}\n" + lines(f"good, thing; {{i}}{delimiter}{{l}}\n")
    prepared = opened(content.encode())
    assert values_of(prepared)[0] == ("good, thing; 0", "pos")
    assert prepared.splits["train"].rows == 24


def test_a_hint_that_is_wrong_is_told(opened):
    prepared = opened(("sep=;\ntext,label\n" + lines("good {i},{l}\n")).encode())
    assert values_of(prepared)[0] == ("good 0", "pos")
    assert "names a delimiter that does not occur" in said(prepared, "warning")


ABOVE = {
    "title": "Survey 2024\n",
    "title and blank line": "Survey 2024\n\n",
    "title with commas": "Survey, by A, in 2024\n",
    "title with two commas and a blank line": "Survey, by A\n\n",
    "padded by a spreadsheet": "Survey 2024,\n,\n",
    "two columns of facts": "Report,Q3\nDate,2024\n\n",
    "comments": "# made by x\n# two columns\n",
    "one comment with a comma": "# made by x, y\n",
    "slashes": "// made by x\n\n",
    "a quoted title": '"Survey ""A"", 2024"\n',
    "blank lines": "\n\n\n",
}


@pytest.mark.parametrize("case", ABOVE)
@pytest.mark.parametrize("rows", [3, 24])
def test_what_stands_above_the_table_is_skipped_and_said(opened, case, rows):
    above = ABOVE[case]
    prepared = opened((above + "text,label\n" + lines('"good, thing {i}",{l}\n', rows)).encode())
    assert list(kinds_of(prepared)) == ["text", "label"]
    assert values_of(prepared)[0] == ("good, thing 0", "pos")
    assert prepared.splits["train"].rows == rows
    if above.strip():
        assert prepared.reading["skip_lines"] == above.count("\n")
        assert "above the table (" in said(prepared, None if above[0] in "#/" else "warning")


@pytest.mark.parametrize("above", ["title and blank line", "comments", "two columns of facts", "title with commas"])
@pytest.mark.parametrize("footer", ["(24 rows)\n", "\nTotal: 24\n# end\n"])
@pytest.mark.parametrize(
    "values", ["'one, two {i}','{l}'", '"a \\"b, c\\" {i}",{l}', "one\\, two {i},{l}", '"a, b {i}",{l}']
)
def test_what_stands_around_a_table_does_not_change_how_it_is_read(opened, above, footer, values):
    table = "text,label\n" + lines(values + "\n")
    alone = opened(table.encode(), "alone.csv")
    prepared = opened((ABOVE[above] + table + footer).encode())
    assert values_of(prepared) == values_of(alone) and len(values_of(alone)) == 24
    assert prepared.reading | {"skip_lines": 0} == alone.reading


def test_a_header_in_another_language_after_a_title(opened):
    prepared = opened(("Ankieta 2024\n\nopinia,ocena\n" + lines("dobra rzecz numer {i},{l}\n")).encode())
    assert list(kinds_of(prepared)) == ["opinia", "ocena"]


@pytest.mark.parametrize(
    ("first", "columns"),
    [
        ("#text,label\n", ["#text", "label"]),
        ("text,label\n", ["text", "label"]),
        ("", ["column_1", "column_2"]),
    ],
)
def test_a_hash_is_not_always_a_comment(opened, first, columns):
    prepared = opened((first + lines("#good thing {i}.,{l}\n")).encode())
    assert list(kinds_of(prepared)) == columns
    assert prepared.splits["train"].rows == 24


def test_lines_to_skip_can_be_chosen(opened):
    content = "x,y\ntext,label\n" + lines("good {i},{l}\n")
    assert list(kinds_of(opened(content.encode(), "1.csv", skip_lines=1))) == ["text", "label"]
    assert list(kinds_of(opened(content.encode(), "2.csv", skip_lines=0, header=True))) == ["x", "y"]
    commented = opened(("# a\n" + content).encode(), "3.csv", skip_lines=0, header=False)
    assert commented.reading["skip_lines"] == 0
    assert rows_of(commented)[0]["column_1"] == "# a"
    with pytest.raises(DataError, match="skip fewer") as caught:
        opened(content.encode(), "4.csv", skip_lines=100)
    assert caught.value.field == "data.read.skip_lines"


def test_quote_and_escape_can_be_chosen(opened):
    content = 'text,label\n$good, $$really$$$,pos\n"bad, \\"thing\\"",neg\n'
    assert values_of(opened(content.encode(), "1.csv", quote_character="$"))[0] == ("good, $really$", "pos")
    escaped = ('text,label\n"a \\" b",pos\n' * 3).encode()
    assert opened(escaped, "2.csv", escape_character="").reading["escape_character"] == ""
    assert values_of(opened(escaped, "3.csv", escape_character="\\"))[0] == ('a " b', "pos")
    caret = b'text,label\n"a ^"b, c^"",pos\n"d",neg\n'
    assert values_of(opened(caret, "4.csv", escape_character="^"))[0] == ('a "b, c"', "pos")
    with pytest.raises(DataError, match="cannot be the escape character") as caught:
        opened(caret, "5.csv", delimiter=",", escape_character=",")
    assert caught.value.field == "data.read.escape_character"


def test_a_spec_of_an_earlier_version_reads_and_a_contradiction_is_told():
    old: dict[str, Any] = {"encoding": "cp932", "delimiter": ",", "quoting": True, "header": False}
    assert build(old, ReadSpec) == ReadSpec(**old)
    for wrong in ({"quoting": False, "quote_character": "'"}, {"delimiter": "'", "quote_character": "'"}):
        with pytest.raises(SpecError):
            build(wrong, ReadSpec)


@pytest.mark.parametrize("row", [",", " , ", '"",""', "\\N,\\N", "\0\0,"])
def test_rows_without_any_value_are_blank_lines(opened, row):
    body = lines("good {i},{l}\n")
    prepared = opened(f"text,label\n{body}{row}\n{body}{row}\n{row}\n".encode())
    assert prepared.splits["train"].rows == 48
    assert prepared.column("text").nulls == 0
    assert "skipped 3 rows without any value" in said(prepared)


def test_null_marks_are_empty_and_counted(opened):
    content = "text\tlabel\tstars\ngood\tpos\t1\n\\N\tneg\t2\nsays \\N here\t\\N\t\\N\n"
    prepared = opened(content.encode(), "a.tsv")
    assert values_of(prepared) == [("good", "pos", 1), (None, "neg", 2), ("says \\N here", None, None)]
    assert kinds_of(prepared)["stars"] == "integer"
    assert "3 values of \\N" in said(prepared, "warning")


FOOTERS = ["(24 rows affected)", "\n(24 rows)", "Total: 24,", "-- 24 rows", "# end", "24 records selected.", "合計: 24"]


@pytest.mark.parametrize("footer", FOOTERS)
def test_what_stands_below_the_table_is_skipped_and_said(opened, footer):
    prepared = opened(("text,label\n" + lines("good {i},{l}\n") + footer + "\n").encode())
    assert prepared.splits["train"].rows == 24
    assert "skipped 1 line below the table" in said(prepared, "warning")
    assert "fewer than" not in said(prepared)


@pytest.mark.parametrize("rows", [19_999, 20_000, 40_000])
def test_a_footer_is_found_where_rows_are_written_in_batches(opened, rows):
    prepared = opened(("text,label\n" + "nice food,1\n" * rows + f"({rows} rows)\n").encode())
    assert prepared.splits["train"].rows == rows
    assert "skipped 1 line below the table" in said(prepared, "warning")


def test_a_short_last_row_is_no_footer(opened):
    prepared = opened(("text,label\n" + lines("good {i},{l}\n") + "total disaster\n").encode())
    assert values_of(prepared)[-1] == ("total disaster", None)
    prepared = opened(("id,text,n\n" + lines("{i},good {l},{i}\n") + "Total,,276\n").encode(), "sum.csv")
    assert "looks like a sum" in said(prepared, "warning")


def test_a_header_within_the_rows_is_skipped_and_said(opened):
    part = "text,label\n" + lines("good {i},{l}\n")
    prepared = opened((part * 3).encode())
    assert prepared.splits["train"].rows == 72
    assert {row["label"] for row in rows_of(prepared)} == {"pos", "neg"}
    assert "skipped 2 rows that repeat the header (the first on line 26)" in said(prepared, "warning")


def test_row_names_of_r_have_no_name(opened):
    body = "".join(f'"{i}","good, {i}","x"\n' for i in range(1, 20))
    prepared = opened(f'"text","label"\n{body}'.encode())
    assert list(kinds_of(prepared)) == ["column_1", "text", "label"]
    assert values_of(prepared)[0] == (1, "good, 1", "x")


@pytest.mark.parametrize("ends", [("", ","), (",", ",,"), (";", ";")])
def test_a_delimiter_that_ends_every_row(opened, ends):
    delimiter = ends[1][0]
    rows = lines(f"good {{i}}{delimiter}{{l}}{ends[1]}\n")
    prepared = opened(f"text{delimiter}label{ends[0]}\n{rows}".encode())
    assert list(kinds_of(prepared)) == ["text", "label"]
    assert "more than" not in said(prepared)


DRAWN = {
    "mysql": "+----+-----+\n| text | label |\n+----+-----+\n" + lines("| good {i} | {l} |\n") + "+----+-----+\n",
    "psql": " text | label\n------+-------\n" + lines(" good {i} | {l}\n") + "(24 rows)\n",
    "markdown": "| text | label |\n|---|:--|\n" + lines("| good {i} | {l} |\n"),
}


@pytest.mark.parametrize("case", DRAWN)
def test_a_drawn_table_is_refused_unless_its_delimiter_is_set(opened, case):
    with pytest.raises(DataError, match="a table drawn with lines"):
        opened(DRAWN[case].encode(), "a.txt")
    assert opened(DRAWN[case].encode(), "b.txt", delimiter="|").splits["train"].rows >= 24


@pytest.mark.parametrize(
    "pattern",
    ["he said, well, fine {i},{l}\n", "one\n{i}\ntwo, of, it,{l}\n", "“well, well {i}”,“{l}”\n"],
)
def test_a_file_of_which_most_rows_do_not_fit_is_refused(opened, pattern):
    content = ("text,label\n" + lines(pattern)).encode()
    with pytest.raises(DataError, match="do not have the 2 values") as caught:
        opened(content)
    assert "line 2: " in str(caught.value)
    assert all(word in str(caught.value) for word in ("delimiter", "quote", "escape", "lines to skip"))
    assert "warning" in {note.level for note in opened(content, "b.csv", delimiter=",").notes}


def test_fasttext_lines(opened):
    prepared = opened(lines('__label__{l} good, "thing" {i}\n').encode(), "a.txt")
    assert values_of(prepared)[:2] == [("pos", 'good, "thing" 0'), ("neg", 'good, "thing" 1')]
    assert (prepared.text_guess, prepared.label_guess) == (("text",), "label")
    assert "as fastText writes it" in said(prepared)
    tabbed = opened(("__label__a\tgood\n" + lines("__label__{l}\tgood {i}\n") + "no label\n").encode(), "b.txt")
    assert values_of(tabbed)[0] == ("a", "good")
    assert values_of(tabbed)[-1] == (None, "no label")


def test_fasttext_lines_with_several_labels(opened):
    prepared = opened(lines("__label__{l} good {i}\n__label__a __label__b __label__c {l}\n").encode(), "a.txt")
    assert rows_of(prepared)[1] == {"label": "a", "more_labels": "b c", "text": "pos"}
    assert "several labels in 24 lines" in said(prepared, "warning")


def test_trec_lines(opened):
    kinds = ["LOC:city", "HUM:ind", "NUM:date"]
    content = "".join(f"{kinds[i % 3]} What is thing {i}, and why ?\n" for i in range(24))
    prepared = opened(content.encode("cp1252"), "train_5500.label.txt")
    assert rows_of(prepared)[0] == {
        "coarse_label": "LOC",
        "fine_label": "LOC:city",
        "text": "What is thing 0, and why ?",
    }
    assert prepared.label_guess == "coarse_label"


def test_labelled_lines_can_be_read_otherwise(opened):
    content = lines("__label__{l}\tgood {i}\n").encode()
    assert values_of(opened(content, "a.txt", delimiter="\t"))[0] == ("__label__pos", "good 0")


def test_too_many_columns_are_refused_with_the_bound(opened):
    row = ",".join(map(str, range(20_000)))
    with pytest.raises(DataError, match=r"20,000 columns; at most 2,000 columns are read"):
        opened(f"{row}\n{row}\n".encode())


def test_a_line_without_end_is_refused(opened, monkeypatch):
    monkeypatch.setattr("core.data.reading.text.textfile.MAX_LINE_BYTES", 3_000_000)
    with pytest.raises(DataError, match="has a line of more than"):
        opened(b"text,label\n" + b"x" * 8_000_000 + b",pos\n")


def test_a_late_quote_is_judged_by_what_stands_around_it(opened, monkeypatch):
    """The part that is read twice is bounded, however late the first quote of a file comes."""
    monkeypatch.setattr("core.data.reading.text.textfile.SAMPLE_CHARACTERS", 500)
    read: list[int] = []
    decide = dialects.decide

    def counting(text: str, *more: Any) -> dialects.Dialect:
        read.append(len(text))
        return decide(text, *more)

    monkeypatch.setattr(dialects, "decide", counting)
    monkeypatch.setattr("core.data.reading.text.delimited.WINDOW_CHARACTERS", 300)
    tail = '"a, quoted {i}",{l}\n'
    prepared = opened(("text,label\n" + lines("good {i},{l}\n", 2000) + lines(tail, 500)).encode())
    assert values_of(prepared)[-1] == ("a, quoted 499", "neg")
    assert max(read) <= 500


def test_the_most_columns_are_read_without_a_look_at_each_for_each(opened, monkeypatch):
    """Each access to a Parquet schema builds it again; one access per column took minutes for 2,000 columns."""
    looks = 0
    schema = pq.ParquetFile.schema_arrow.fget

    def counting(file: pq.ParquetFile) -> Any:
        nonlocal looks
        looks += 1
        return schema(file)

    monkeypatch.setattr(pq.ParquetFile, "schema_arrow", property(counting))
    names = ["text", "label", *(f"c{i}" for i in range(598))]
    rows = "".join(f"good thing {i},{'ab'[i % 2]}{',x y' * 598}\n" for i in range(20))
    prepared = opened(f"{','.join(names)}\n{rows}".encode())
    assert len(prepared.columns) == 600 and (prepared.text_guess, prepared.label_guess) == (("text",), "label")
    assert looks < 100

"""Encodings are detected from the whole file, also those of short Japanese files."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from core.data.reading.text import encoding
from core.errors import DataError
from tests.data.conftest import values_of

JAPANESE = [
    "とても美味しかったです。また行きます。",
    "店員さんの対応が悪く、二度と行きたくない。",
    "この商品はコストパフォーマンスが高いと思います！",
    "東京都千代田区のホテルに宿泊しました。",
    "①部屋は㈱山田の設計で、髙橋さんのお勧め",
    "最高",
    "まあまあ",
    "ラーメンとギョーザ",
]
EUROPEAN = [
    "Le café était très agréable, mais le dîner a coûté cher.",
    "Das Frühstück war köstlich, die Straße leider laut.",
    "El niño comió una piña; ¡qué mañana!",
    "Crème brûlée",
    "café",
    "It\u2019s \u201cfine\u201d \u2013 don\u2019t worry",
    "£5 for naïve Zoë",
]


def in_file(tmp_path, data: bytes):
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    return path


def table(sentence: str) -> str:
    return f"text,label\r\n{sentence.replace(',', '、')},1\r\nok,0\r\n"


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932", "euc_jp", "iso2022_jp"]
)
@pytest.mark.parametrize("sentence", JAPANESE)
def test_japanese(opened, codec, sentence):
    try:
        data = table(sentence).encode(codec)
    except UnicodeEncodeError:
        pytest.skip("this encoding does not have these characters")
    assert values_of(opened(data))[0] == (table(sentence).split("\r\n")[1][:-2], 1)


@pytest.mark.parametrize("codec", ["utf-8", "cp1252", "utf-16-le"])
@pytest.mark.parametrize("sentence", EUROPEAN)
def test_european(opened, codec, sentence):
    prepared = opened(f"text;label\n{sentence.replace(';', '')};1\nok;0\n".encode(codec))
    assert values_of(prepared)[0] == (sentence.replace(";", ""), 1)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Это был очень хороший фильм, спасибо режиссёру", "cp1251"),
        ("这家餐厅的菜很好吃，我们下次还会再来。服务员也很热情", "gb18030"),
    ],
)
def test_others_with_help(opened, text, codec):
    assert values_of(opened(f"text\tlabel\n{text}\t1\n{text} 2\t0\n".encode(codec), "a.tsv"))[0] == (text, 1)


def test_one_letter_after_much_ascii(tmp_path):
    path = in_file(tmp_path, b"plain ascii line\n" * 300_000 + "caf\xe9\n".encode("latin-1"))
    assert encoding.detect(path).encoding == "cp1252"
    path = in_file(tmp_path, b"plain ascii line\n" * 300_000 + "とても良い\n".encode("cp932"))
    assert encoding.detect(path).encoding == "cp932"


def test_characters_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", 7)
    for codec in ("utf-8", "cp932", "euc_jp", "utf-16"):
        path = in_file(tmp_path, ("日本語の文章です。\n" * 50).encode(codec))
        assert encoding.detect(path).encoding.replace("_", "-") in (codec.replace("_", "-"), "utf-16")


def test_damaged_utf8_stays_utf8(opened):
    data = "text,label\n" + "日本語の文章です,1\n" * 20
    prepared = opened(data.encode() + b"\xff\xfe bad,0\n")
    assert values_of(prepared)[0] == ("日本語の文章です", 1)
    assert "\ufffd" in values_of(prepared)[-1][0]
    assert any("line 22" in n.text for n in prepared.notes)


def test_zero_bytes_are_not_utf16(tmp_path):
    assert encoding.detect(in_file(tmp_path, b"a\0b,c\nd,e\n" * 40)).encoding == "utf-8"


PROGRAM = (
    b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8" + bytes(43) + b"\x80\0\0\0\x0e\x1f\xba\x0e\0\xb4\t\xcd!This is"
)


@pytest.mark.parametrize(
    "data",
    [
        random.Random(1).randbytes(5_000),
        b"text,label\n" + random.Random(2).randbytes(200_000),
        zlib.compress(b"".join(b"row %d\n" % i for i in range(3_000))),
        PROGRAM,
        b"\x01\0\0\0\x02\0\0\0" * 500,
        bytes(4_000),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_what_is_no_text_is_refused(opened, data, name):
    with pytest.raises(DataError, match=f"{name} is (not a text file|a program|filled with zero bytes)") as caught:
        opened(data, name)
    assert caught.value.field == "data.path"


@pytest.mark.parametrize("at", [20, 300_000, 2 * 1024**2 + 7])
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_zero_bytes_in_a_row_are_no_text(opened, at, encoding):
    """A file after a crash, or an archive, has too few zero bytes for the share to reveal it, but is not text."""
    rows = b"text,label\n" + b"".join(b"row %d,%d\n" % (i, i % 2) for i in range(200_000))
    with pytest.raises(DataError, match=r"a\.csv has zero bytes in a row .* at byte"):
        opened(rows[:at] + bytes(24) + rows[at:], "a.csv", **({"encoding": encoding} if encoding else {}))


@pytest.mark.parametrize("codec", ["utf-8", "cp1252", "utf-16-le"])
def test_a_few_control_characters_are_let_pass(opened, codec):
    prepared = opened("text,label\ncaf\xe9\0,1\nna\xefve \x07\x7f,0\n".encode(codec))
    assert [label for _, label in values_of(prepared)] == [1, 0]
    assert values_of(prepared)[0][0].startswith("caf\xe9")


def test_an_unusual_delimiter_is_no_sign_of_a_program(tmp_path):
    assert encoding.detect(in_file(tmp_path, b"caf\xe9\x011\x012\n" * 40)).encoding == "cp1252"


def test_a_choice_is_kept_and_a_wrong_one_explained(opened):
    data = table("とても良い").encode("cp932")
    assert values_of(opened(data, "1.csv", encoding="shift_jis"))[0] == ("とても良い", 1)
    assert values_of(opened(data, "2.csv", encoding="latin-1"))[0][0] != "とても良い"
    for wrong, sentence in [
        ("utf-8", "line 2 is not valid"),
        ("utf-16", "neither a byte order mark"),
        ("no-such-code", "no character encoding called"),
        ("base64", "no character encoding called"),
        ("undefined", "no character encoding called|cannot be read"),
    ]:
        with pytest.raises(DataError, match=sentence) as caught:
            opened(data, "3.csv", encoding=wrong)
        assert caught.value.field == "data.read.encoding"


def test_what_was_detected_is_said(opened):
    prepared = opened(table("とても美味しい").encode("cp932"))
    assert prepared.reading["encoding"] == "cp932"
    assert "Shift-JIS" in prepared.notes[0].text


HALF_WIDTH = {
    "sentences": ["ｺﾉ ｼｮｳﾋﾝ ﾊ ﾄﾃﾓ ﾖｲ ﾃﾞｽ,ﾖｲ", "ｽｸﾞ ﾆ ｺﾜﾚﾃ ｻﾞﾝﾈﾝ,ﾜﾙｲ"],
    "labels, whose bytes are UTF-8 in one of two": ["a warm film,ﾖｲ", "a dull film,ﾜﾙｲ"],
    "labels, whose bytes are Chinese but for one": ["a late parcel,ｸﾚｰﾑ", "something else,ｿﾉﾀ"],
}


@pytest.mark.parametrize("lines", HALF_WIDTH.values(), ids=HALF_WIDTH)
def test_half_width_katakana_is_japanese(opened: Any, lines: list[str]) -> None:
    """Old systems write one byte for a kana, where other encodings have letters."""
    rows = [lines[i % 2] for i in range(60)]
    prepared = opened("\r\n".join(["text,label", *rows]).encode("cp932"))
    assert prepared.reading["encoding"] == "cp932"
    assert values_of(prepared) == [tuple(row.split(",")) for row in rows]


def test_labels_in_chinese_beside_english_are_no_half_width_katakana(opened: Any) -> None:
    """Two kana have the same bytes as one ideograph."""
    rows = [f"a film,{('好', '坏')[i % 2]}" for i in range(60)]
    assert opened("\n".join(["text,label", *rows]).encode("gb18030")).reading["encoding"] == "gb18030"

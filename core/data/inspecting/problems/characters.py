"""Broken characters in texts: a wrong encoding, lost and invisible characters, HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from core.data.browsing import database
from core.data.dataset import Prepared
from core.data.inspecting.problems.counting import EXAMPLES, MANY, Names, about, rows_where, splits_with
from core.data.inspecting.problems.finding import Finding
from core.data.preparing.clean import CONTROL
from core.messages import Message
from core.spec.steps import CleanText, Condition, Filter, dump_steps
from core.wording import shortened

SAMPLED_TEXTS = 100_000
MARKUP = r"(?i)&(amp|lt|gt|quot|nbsp|apos|#\d+);|#\d{2,4};|\bquot;|</?(br|p|div|span|li|td|font|strong)( [^<>]*)?/?>"
UNSEEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{200b}\x{2060}\x{feff}]"  # clean.CONTROL for DuckDB
# What text looks like that was read in a wrong encoding; ftfy then says whether it was.
BROKEN = "[ÃÂâ€ðï¿]|\ufffd|縺|繧|譁|蜿"


def characters(prepared: Prepared, texts: Sequence[str]) -> Iterator[Finding]:
    """Findings of each text column of each split."""
    for split in splits_with(prepared, texts):
        for name in texts:
            column = prepared.column(name)
            if column is not None and column.kind == "text":
                suspects = _suspects(prepared, split, name)
                yield from _encoding(split, name, suspects)
                yield from _replacement(split, name, suspects)
                yield from _markup(prepared, split, name)
                yield from _control(prepared, split, name)


@dataclass
class Suspects:
    """Rows whose texts look broken. example: a place in one of them, as it is and as it was meant

    looked_at: how many texts were examined, at most `SAMPLED_TEXTS`
    """

    wrong: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    example: tuple[str, str] = ("", "")
    looked_at: int = 0

    @property
    def sampled(self) -> bool:
        return self.looked_at == SAMPLED_TEXTS


def _suspects(prepared: Prepared, split: str, column: str) -> Suspects:
    from ftfy import fix_encoding

    def broken(names: Names) -> tuple[str, list[object]]:
        where = f"regexp_matches({names[column]}, '{BROKEN}')"
        return f"SELECT n, {names[column]} FROM data WHERE {where} LIMIT {SAMPLED_TEXTS}", []

    suspects = Suspects()
    for numbers, values in database.query(prepared, split, broken):
        suspects.looked_at += len(numbers)
        for number, text in zip(numbers.tolist(), values.tolist(), strict=True):
            if (fixed := fix_encoding(text)) != text:
                suspects.wrong.append(number)
                suspects.example = suspects.example if suspects.example[0] else _difference(text, fixed)
            if "\ufffd" in fixed:
                suspects.lost.append(number)
    return suspects


def _difference(text: str, fixed: str) -> tuple[str, str]:
    """The words around the first place where two texts differ."""
    at = next((i for i, (a, b) in enumerate(zip(text, fixed, strict=False)) if a != b), 0)
    start = text.rfind(" ", 0, at) + 1
    excerpts = (shortened(text[start : start + 24], 20), shortened(fixed[start : start + 20], 20))
    return CONTROL.sub("", excerpts[0]), CONTROL.sub("", excerpts[1])


def _encoding(split: str, column: str, suspects: Suspects) -> Iterator[Finding]:
    rows, (broken, meant) = suspects.wrong, suspects.example
    if rows:
        yield Finding(
            kind="encoding",
            severity="medium",
            title=Message.of(
                "encoding", "{count:text|texts} of {split} in a wrong encoding", count=len(rows), split=split
            ),
            text=Message.of(
                "encoding-why",
                "For instance “{broken}” where “{meant}” was meant. The model would learn the damage.",
                broken=broken,
                meant=meant,
            ),
            count=len(rows),
            split=split,
            rows=tuple(rows[:EXAMPLES]),
            steps=dump_steps(CleanText(columns=(column,), remove_control=False)),
            remedy=Message.of("remedy-repair", "Repair them"),
            sampled=suspects.sampled,
        )


def _replacement(split: str, column: str, suspects: Suspects) -> Iterator[Finding]:
    rows = suspects.lost
    if rows:
        without = Condition(column=column, op="contains", values=("\ufffd",), negate=True)
        yield Finding(
            kind="replacement",
            severity="medium",
            title=Message.of(
                "replacement", "{count:text|texts} of {split} with lost characters (�)", count=len(rows), split=split
            ),
            text=Message.of(
                "replacement-why",
                "Something could not be read when the file was made. Read the original again if you have it.",
            ),
            count=len(rows),
            split=split,
            rows=tuple(rows[:EXAMPLES]),
            steps=dump_steps(Filter(where=(without,))),
            remedy=Message.of("remedy-drop", "Drop them"),
            sampled=suspects.sampled,
        )


def _markup(prepared: Prepared, split: str, column: str) -> Iterator[Finding]:
    matches = about(column, f"regexp_matches(CAST({{}} AS VARCHAR), '{MARKUP}')")
    count, rows = rows_where(prepared, split, matches)
    if count:
        yield Finding(
            kind="markup",
            severity="medium" if count > MANY * prepared.splits[split].rows else "low",
            title=Message.of("markup", "{count:text|texts} of {split} with HTML in them", count=count, split=split),
            text=Message.of(
                "markup-why", "Tags and codes such as &amp; and #39; are left of a web page; to a model they are words."
            ),
            count=count,
            split=split,
            rows=rows,
            steps=dump_steps(CleanText(columns=(column,), remove_markup=True)),
            remedy=Message.of("remedy-make-plain-text", "Make plain text of it"),
        )


def _control(prepared: Prepared, split: str, column: str) -> Iterator[Finding]:
    matches = about(column, f"regexp_matches(CAST({{}} AS VARCHAR), '{UNSEEN}')")
    count, rows = rows_where(prepared, split, matches)
    if count:
        yield Finding(
            kind="control",
            severity="low",
            title=Message.of(
                "control", "{count:text|texts} of {split} with characters that nobody sees", count=count, split=split
            ),
            text=Message.of(
                "control-why", "Control characters and blanks of no width split words into unknown tokens."
            ),
            count=count,
            split=split,
            rows=rows,
            steps=dump_steps(CleanText(columns=(column,), fix_encoding=False)),
            remedy=Message.of("remedy-remove-characters", "Remove the characters"),
        )

"""Sentences that are kept have ids and arguments, from which a catalogue can word them again."""

from __future__ import annotations

import ast
import json
import math
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.data.notes import Note
from core.errors import DataError, ModelError, Problem, SpecError, StoreError, TunedeckError
from core.messages import Message, as_json, worded
from core.runs.writer import Stopped

CORE = Path(__file__).parents[1] / "core"
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ERRORS: tuple[type[TunedeckError], ...] = (Stopped, *TunedeckError.__subclasses__(), *StoreError.__subclasses__())
WORDED = {"Message", "Note", "Problem", "TunedeckError", *(error.__name__ for error in ERRORS)}
PASSED_ON = {"text", "level", "code", "self"}  # parameters of `Reporter.message`, through which arguments go


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(set(CORE.rglob("*.py")) - {CORE / "errors.py"}):  # which defines them
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(CORE)}:{node.lineno}", node


def templates() -> list[tuple[str, str, str, set[str]]]:
    """Every `Message.of`, `Note.of`, `DataError.of`, …: place, id, template, names of the arguments."""
    templates_found = []
    for place, call in calls():
        of = call.func
        if isinstance(of, ast.Attribute) and of.attr == "of" and getattr(of.value, "id", None) in WORDED:
            id, template = (getattr(argument, "value", None) for argument in call.args[:2])
            assert isinstance(id, str) and isinstance(template, str), f"{place}: an id and a template are literals"
            templates_found.append((place, id, template, {str(keyword.arg) for keyword in call.keywords}))
    return templates_found


def sentences() -> Iterator[tuple[str, str, str]]:
    """Every sentence with an id, however it is made: place, id, the source of its text."""
    yield from ((place, id, repr(template)) for place, id, template, _ in templates())
    for place, call in calls():
        is_constructed = getattr(call.func, "id", None) == "Message" and len(call.args) > 1
        if is_constructed and isinstance(call.args[1], ast.Constant):
            yield place, str(call.args[1].value), ast.unparse(call.args[0])
        is_written = isinstance(call.func, ast.Attribute) and call.func.attr == "message" and call.args
        codes = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
        if is_written and codes and isinstance(codes[0], ast.Constant):
            yield place, str(codes[0].value), ast.unparse(call.args[0])


def test_an_id_stands_for_one_sentence() -> None:
    texts: dict[str, set[str]] = {}
    for place, id, text in sentences():
        assert KEBAB.fullmatch(id), f"{place}: {id!r} is no short name in kebab case"
        assert text not in ("''", '""'), f"{place}: {id!r} has no text"
        texts.setdefault(id, set()).add(text)
    several = {id: sentences_of_id for id, sentences_of_id in texts.items() if len(sentences_of_id) > 1}
    assert len(texts) > 400 and not several, several


def test_the_arguments_are_those_of_the_template() -> None:
    for place, id, template, names in templates():
        wanted = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        assert wanted == names, f"{place}: {id} has {names} for {wanted}"
        assert all(name.isidentifier() for name in wanted) and not wanted & PASSED_ON, f"{place}: {wanted}"


def test_a_sentence_can_be_formed_again_from_what_is_kept() -> None:
    for _, id, template, _ in templates():
        numbers = {n for _, n, how, _ in string.Formatter().parse(template) if n and how and how != "s"}
        arguments: dict[str, object] = {
            n: 1234 if n in numbers else "a {b}" for _, n, _, _ in string.Formatter().parse(template) if n
        }
        message = Message.of(id, template, **arguments)
        kept = json.loads(json.dumps(message.arguments))
        assert worded(template, kept) == message.text, id


def test_arguments_are_kept_as_json_has_them() -> None:
    import numpy as np

    arguments = as_json(
        {
            "path": Path("a.csv"),
            "share": np.float32(0.5),
            "rows": np.int64(3),
            "score": math.nan,
            "names": ("a", "b"),
            "flag": True,
            "nothing": None,
            "reason": ValueError("odd"),
        }
    )
    assert arguments == {
        "path": "a.csv", "share": 0.5, "rows": 3, "score": None, "names": ["a", "b"], "flag": True, "nothing": None,
        "reason": "odd",
    }  # fmt: skip
    json.dumps(arguments, allow_nan=False)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 copy of x"), (2, "2 copies of x"), (2000, "2,000 copies of x"), (0.5, "0.5 copies of x")]
)
def test_a_count_takes_its_noun(count: float, text: str) -> None:
    message = Message.of("copies-of-rows", "{count:copy|copies} of {split}", count=count, split="x")
    assert message == Message(text, "copies-of-rows", {"count": count, "split": "x"})


def test_what_a_file_says_is_never_a_template() -> None:
    """Braces in a name are part of the name."""
    assert Message.of("x", "{file!r} is {{empty}}", file="{0.__class__}").text == "'{0.__class__}' is {empty}"


def test_errors_and_notes_carry_their_message() -> None:
    error = DataError.of("file-empty", "{file} is empty", "data.path", file="a.csv")
    assert (str(error), error.field, error.message.id) == ("a.csv is empty", "data.path", "file-empty")
    assert ModelError("plain").message == Message("plain") and ModelError.of("x", "{a}", a=1).field == "model.name"
    note = Note.of("rows-left-out", "{count:row|rows} left out", "warning", count=1)
    assert (note.text, note.level, note.message.arguments) == ("1 row left out", "warning", {"count": 1})
    assert len({note, Note.of("rows-left-out", "{count:row|rows} left out", "warning", count=1)}) == 1
    assert Note("Of an earlier version.").message == Message("Of an earlier version.")


def test_an_error_of_a_spec_keeps_each_problem() -> None:
    problem = Problem.of("too-long", "{count:,} characters", "data.path", count=12_000)
    error = SpecError([problem])
    assert str(error) == "data.path: 12,000 characters" and error.message.id == "spec-problems"
    assert error.message.arguments["problems"] == [
        {"field": "data.path", "message": problem.message, "id": "too-long", "arguments": {"count": 12_000}}
    ]


NOTES_OF_A_REPORT = "sharing/report/chapters"  # whose `Note` is a block of a document
GLUED = {  # places that still make a sentence of several, or of a table's
    "data/browsing/token_process.py",
    "data/reading/files.py",
    "data/reading/json/places.py",
    "data/reading/tables/workbook.py",
    "models/loading.py",
    "spec/refusals.py",
}


def _is_formatting(node: ast.expr) -> bool:
    """`"…".format(…)`, `" ".join(…)` and `str(error)`, which loses the id."""
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", "") in ("format", "join") or getattr(node.func, "id", "") == "str"


def test_no_note_or_error_is_made_without_an_id() -> None:
    """But for those that pass on a message, and the places above."""
    plain = set()
    for place, call in calls():
        name = getattr(call.func, "id", None)
        text = call.args[int(name == "Problem") :][:1] if name in WORDED - {"Message", "SpecError"} else []
        named = any(keyword.arg == "id" for keyword in call.keywords) or len(call.args) > 2
        glued = [n for n in text if isinstance(n, ast.JoinedStr | ast.Constant | ast.BinOp) or _is_formatting(n)]
        if glued and not named and not place.startswith(NOTES_OF_A_REPORT):
            plain.add(place.partition(":")[0])
    assert plain == GLUED, plain ^ GLUED

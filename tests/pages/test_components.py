"""The parts that all pages share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
JOINER = "\u2060"


@pytest.mark.parametrize(
    "text",
    [
        "**bold**",
        "# head",
        "[a](http://b.c)",
        "<b>x</b>",
        "$x^2$",
        ":red[x]",
        "a_b_c",
        "1. list",
        "- item",
        "`code`",
        "a | b",
    ],
)
def test_plain_text_escapes_every_mark(app: Open, text: str) -> None:
    app()
    from ui.components.basics import plain

    escaped = plain(text)
    assert escaped.replace("\\", "").replace(JOINER, "") == text
    assert all(escaped[place - 1] == "\\" for place, mark in enumerate(escaped) if mark in "*_[]<>$`#|")


@pytest.mark.parametrize("text", [":smile:", ":material/star:", "https://a.b", "www.a.b", "me@a.b", "10:30:00"])
def test_what_markdown_finds_without_marks_is_broken_up(app: Open, text: str) -> None:
    app()
    from ui.components.basics import plain

    assert JOINER in plain(text)
    assert plain(text).replace("\\", "").replace(JOINER, "") == text


def test_plain_text_is_one_line(app: Open) -> None:
    app()
    from ui.components.basics import plain

    assert plain("  a\n\n  b\tc\x00d ") == "a b c d"


def test_errors_of_several_fields_are_a_list(app: Open) -> None:
    def script() -> None:
        from core.errors import DataError, Problem, SpecError
        from ui.components.basics import show_error

        show_error(DataError("the file is empty"))
        show_error(SpecError([Problem("training.seed", "'x' is not a whole number"), Problem("", "no *mapping*")]))

    app()
    page = AppTest.from_function(script).run()
    assert not page.exception
    first, second = (error.value for error in page.error)
    assert first == "The file is empty\\."
    assert second.splitlines()[0].startswith("- `training.seed`: ") and "no \\*mapping\\*" in second


HOSTILE = "x` ![a](http://e/i.png) `\n\n# y"


def test_a_field_s_name_stays_in_its_code_span(app: Open) -> None:
    def script() -> None:
        from core.errors import Problem, SpecError
        from tests.pages.test_components import HOSTILE
        from ui.components.basics import show_error

        show_error(SpecError([Problem(HOSTILE, "not known"), Problem("training.seed", "not a number")]))

    app()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert page.error[0].value.splitlines()[0] == "- `x' ![a](http://e/i.png) ' # y`: not known"


def test_a_field_s_name_in_a_spec_as_yaml_stays_in_its_code_span(app: Open) -> None:
    app()
    from core.errors import SpecError
    from core.spec.run import from_yaml
    from ui.new_run.yaml import _lines

    text = yaml.safe_dump({"training": {HOSTILE: 1}})
    with pytest.raises(SpecError) as caught:
        from_yaml(text)
    (line,) = _lines(text, caught.value)
    assert line.startswith("`training.x' ![a]") and line.count("`") == 2 + line.count("\\`")

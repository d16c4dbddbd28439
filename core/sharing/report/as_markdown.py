"""A document as Markdown (CommonMark with GitHub's tables): what the Hub, GitHub and editors show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.sharing.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Facts,
    Figure,
    Folded,
    Inline,
    Line,
    Link,
    Name,
    Note,
    Paragraph,
    Section,
    Share,
    Strong,
    Table,
    visible,
    visible_lines,
)

_MARKS = re.compile(r"([\\`*_{}\[\]<>|~$&#])")
# Links, mentions, references, emoji and formulas that are found in the text, some of them after Markdown's escapes are
# gone: a word joiner (it has no width) goes where they would be recognised. The ends of names are those that linkify-it
# takes for a domain.
_FOUND_LATER = re.compile(
    r"(?<=:)(?=/)|(?<=/)(?=/)"  # http://, //host
    r"|(?<=www)(?=\.)"
    r"|(?<=[\w-]\.)(?=(?:biz|com|edu|gov|net|org|pro|web|xxx|aero|asia|coop|info|museum|name|shop|рф|[a-z]{2})(?!\w))"
    r"|(?<=@)(?=\S)|(?<=#)(?=\w)|(?<=gh-)(?=\d)"  # @user, a@b.c, #1, owner/name#1, GH-1
    r"|(?<=:)(?=[\w+-]+:)"  # :smile:
    r"|(?<=\\)(?=[(\[])",  # \(formula\)
    re.IGNORECASE,
)
JOINER = "\u2060"
_AT_THE_START = re.compile(r"^([-+=>]|\d+[.)])")


def escaped(text: str) -> str:
    """`text` so that Markdown shows it as it is, on one line."""
    return _MARKS.sub(r"\\\1", _FOUND_LATER.sub(JOINER, visible(text)))


def code_span(text: str) -> str:
    """`text` as code within a line, whatever backticks it has."""
    code = visible(text) or " "
    ticks = "`" * (max((len(run) for run in re.findall("`+", code)), default=0) + 1)
    return f"{ticks} {code} {ticks}" if "`" in code else f"`{code}`"


def markdown(document: Document) -> str:
    lines = [f"# {escaped(document.title)}", "", line_of(document.lead), ""]
    lines += sections(document.sections)
    if document.foot:
        lines += ["---", "", escaped(document.foot), ""]
    return "\n".join(lines).rstrip() + "\n"


def sections(parts: Iterable[Section], level: int = 2) -> list[str]:
    lines = []
    for section in parts:
        lines += [f"{'#' * level} {escaped(section.title)}", "", *blocks(section.blocks)]
    return lines


def line_of(line: Line) -> str:
    """A line, which is no list and no quotation whatever it begins with."""
    text = "".join(map(_inline, line))
    return _AT_THE_START.sub(lambda match: match[1][:-1] + "\\" + match[1][-1], text)


def _inline(part: Inline) -> str:
    match part:
        case Strong():
            return f"**{escaped(part.text)}**" if visible(part.text) else ""
        case Name():
            return code_span(part.text)
        case Link():
            return f"[{escaped(part.text)}]({part.url})"
        case _:
            return _sentence(part)


def _sentence(text: str) -> str:
    """Text between other parts of a line, whose blanks at its ends count."""
    left, right = " " * text.startswith(" "), " " * text.endswith(" ")
    return f"{left}{escaped(text)}{right}" if text.strip() else " " * bool(text)


def blocks(parts: Iterable[Block]) -> list[str]:
    lines: list[str] = []
    for block in parts:
        match block:
            case Paragraph():
                lines += [line_of(block.line), ""]
            case Note():
                lines += [f"> {line_of(block.line)}", ""]
            case Bullets():
                lines += [*(f"- {line_of(line)}" for line in block.lines), ""]
            case Table():
                lines += [*_table(block.header, block.rows, block.numeric), ""]
            case Facts():
                rows = tuple(block.entries)
                lines += [*_table(("", "Value", ""), rows, ()), ""]
            case Figure():
                pass  # the tables around it hold what it draws
            case Code():
                lines += [*_fenced(block), ""]
            case Folded():
                inner = blocks(block.blocks)
                lines += ["<details>", f"<summary>{_html(block.title)}</summary>", "", *inner, "</details>", ""]
    return lines


def _table(header: Sequence[str], rows: Iterable[Sequence[Cell]], numeric: Sequence[int]) -> list[str]:
    marks = ["---:" if place in numeric else "---" for place in range(len(header))]
    lines = [_row(map(escaped, header)), _row(marks)]
    return lines + [_row(map(_cell, row)) for row in rows]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    match cell:
        case Share():
            return escaped(cell.text)
        case Name():
            return code_span(cell.text).replace("|", "\\|")
        case Link():
            return _inline(cell)
        case _:
            return escaped(cell)


def _fenced(code: Code) -> list[str]:
    text = visible_lines(code.text).strip("\n")
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return [f"{fence}{code.language}", text, fence]


def _html(text: str) -> str:
    import html

    return html.escape(visible(text))

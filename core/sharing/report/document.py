"""What reports and cards are made of: sections of text, tables, figures and code, before they are HTML or Markdown.

All text is meant as it is; what renders it escapes it. So the two forms say the same, and nothing in a label or a name
is ever markup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Control characters, halves of characters, marks that turn the direction of writing or show nothing at all.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """One line of `text` without characters that show nothing or turn what stands around them."""
    return " ".join(_UNSEEN.sub(" ", text).split())


def visible_lines(text: str) -> str:
    """The same with its line breaks, blanks and tabs, for code."""
    return "\n".join(_UNSEEN.sub("", line).rstrip() for line in text.replace("\r\n", "\n").split("\n"))


@dataclass(frozen=True)
class Strong:
    text: str


@dataclass(frozen=True)
class Name:
    """Something called by its name: a file, a column, a setting."""

    text: str


@dataclass(frozen=True)
class Link:
    """url: one that we made, never one of the data"""

    text: str
    url: str


Inline = str | Strong | Name | Link
Line = tuple[Inline, ...]


@dataclass(frozen=True)
class Share:
    """A number from 0 to 1 in a table, that may be drawn as a bar; text: how it reads"""

    value: float | None
    text: str


Cell = str | Share | Name | Link


@dataclass(frozen=True)
class Paragraph:
    line: Line


@dataclass(frozen=True)
class Note:
    """A sentence that changes how the rest is to be read. kind: good, care or bad"""

    line: Line
    kind: str = "care"


@dataclass(frozen=True)
class Bullets:
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """numeric: the columns to set flush right; caption: what it says, for those who do not see it beside its text"""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class Facts:
    """A few figures to see first: title, value, and a note on it."""

    entries: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Figure:
    """alt: what there is to see, in words; caption: how to read it"""

    figure: go.Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Code:
    language: str
    text: str


@dataclass(frozen=True)
class Folded:
    """What few look up: closed on a screen, open on paper."""

    title: str
    blocks: tuple[Block, ...]


Block = Paragraph | Note | Bullets | Table | Facts | Figure | Code | Folded


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """kicker: what it is; title: of what; lead: in a sentence or two; foot: what it was made with"""

    kicker: str
    title: str
    lead: Line
    sections: tuple[Section, ...] = field(default=())
    foot: str = ""

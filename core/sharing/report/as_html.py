"""A document as one HTML file that needs nothing else: styles, Plotly and every figure are inside; no request is made.

Its policy lets the two scripts run that were written here, known by their hashes, and nothing else: were markup of a
label to get through, it could neither run nor fetch anything. The same document gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

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
from core.sharing.report.style import INK, PAPER, STYLE

if TYPE_CHECKING:
    import plotly.graph_objects as go

SHORT = 12  # rows of a table that stays on one page
DRAW = """
for (const place of document.querySelectorAll(".chart")) {
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  Plotly.newPlot(place, figure.data, figure.layout, {displayModeBar: false, responsive: true})
    .then(() => place.classList.add("drawn"));
}
const folded = [];
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; folded.push(part); }
});
addEventListener("afterprint", () => { while (folded.length) folded.pop().open = false; });
"""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Hiragino Sans', 'Noto Sans JP', 'Noto Sans CJK JP', sans-serif"


def html_page(document: Document) -> str:
    """The whole file. Some five megabytes, nearly all of it Plotly; without figures some kilobytes."""
    figures = list(_figures(document.sections))
    numbers = {id(figure): number for number, figure in enumerate(figures, 1)}
    scripts = [_plotly(), DRAW] if figures else []
    title = visible(document.title) or "Report"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_text(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            _header(document),
            _contents(document.sections),
            "<main>",
            *(_section(section, numbers) for section in document.sections),
            "</main>",
            f"<footer><p>{_text(document.foot)}</p></footer>",
            *(_data(figure, number) for number, figure in enumerate(figures, 1)),
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(scripts: Iterable[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes or chr(39) + 'none' + chr(39)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("\r\n", "\n").replace("</script", "<\\/script")


def _figures(sections: Iterable[Section]) -> Iterator[Figure]:
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                yield block


def _data(figure: Figure, number: int) -> str:
    """A figure's numbers and texts as JSON, in which no tag can begin or end."""
    from plotly.io.json import to_json_plotly

    text = to_json_plotly(_themed(figure.figure), engine="json")
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="figure-{number}">{text}</script>'


def _themed(figure: go.Figure) -> dict[str, Any]:
    """The figure without a template of the process it was made in, in colours that the page's style turns."""
    tree: dict[str, Any] = figure.to_plotly_json()
    layout = {k: v for k, v in tree["layout"].items() if k not in ("template", "uirevision")}
    return {
        "data": tree["data"],
        "layout": layout
        | {
            "autosize": True,
            "template": {"data": {}, "layout": {}},
            "font": {"family": FONT, "color": INK, "size": 12},
            "hoverlabel": {"bgcolor": PAPER, "bordercolor": "#8b90a5", "font": {"color": INK, "family": FONT}},
        },
    }


def _header(document: Document) -> str:
    return (
        f'<header><p class="kicker">{_text(document.kicker)}</p><h1>{_given(document.title)}</h1>'
        f'<p class="lead">{_line(document.lead)}</p></header>'
    )


def _contents(sections: Iterable[Section]) -> str:
    links = "".join(f'<li><a href="#{section.id}">{_text(section.title)}</a></li>' for section in sections)
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _section(section: Section, numbers: dict[int, int]) -> str:
    inner = "\n".join(_block(block, numbers) for block in section.blocks)
    return (
        f'<section id="{section.id}" aria-labelledby="{section.id}-title">'
        f'<h2 id="{section.id}-title">{_text(section.title)}</h2>\n{inner}\n</section>'
    )


def _block(block: Block, numbers: dict[int, int]) -> str:
    match block:
        case Paragraph():
            return f"<p>{_line(block.line)}</p>"
        case Note():
            return f'<p class="note {block.kind}" role="note">{_line(block.line)}</p>'
        case Bullets():
            return f"<ul>{''.join(f'<li>{_line(line)}</li>' for line in block.lines)}</ul>"
        case Table():
            return _table(block)
        case Facts():
            return _facts(block)
        case Figure():
            return _figure(block, numbers[id(block)])
        case Code():
            return f'<pre tabindex="0"><code>{html.escape(visible_lines(block.text))}</code></pre>'
        case Folded():
            inner = "".join(_block(b, numbers) for b in block.blocks)
            return f"<details><summary>{_text(block.title)}</summary>{inner}</details>"


def _figure(block: Figure, number: int) -> str:
    height = int(block.figure.layout.height or 300)
    return (
        f'<figure><div class="chart" role="img" aria-label="{_text(block.alt)}" data-figure="figure-{number}" '
        f'style="height:{height}px"></div><figcaption>{_text(block.caption)}</figcaption></figure>'
    )


def _facts(block: Facts) -> str:
    cards = "".join(
        f"<div><dt>{_text(title)}</dt><dd><strong>{_given(value)}</strong><span>{_text(note)}</span></dd></div>"
        for title, value, note in block.entries
    )
    return f'<dl class="facts">{cards}</dl>'


def _table(block: Table) -> str:
    def tag(place: int) -> str:
        return ' class="number"' if place in block.numeric else ""

    kind = "wide short" if len(block.rows) <= SHORT else "wide"
    head = "".join(f'<th scope="col"{tag(i)}>{_text(title)}</th>' for i, title in enumerate(block.header))
    body = "".join(
        "<tr>" + "".join(f"<td{tag(i)}>{_cell(cell)}</td>" for i, cell in enumerate(row)) + "</tr>\n"
        for row in block.rows
    )
    return (
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{_text(block.caption)}"><table>'
        f"<caption>{_text(block.caption)}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    match cell:
        case Share():
            if cell.value is None:
                return _text(cell.text)
            width = f"{min(1.0, max(0.0, cell.value)):.1%}"
            bar = f'<span class="share"><i style="width:{width}"></i></span>'
            return f'<span class="whole">{bar}{_text(cell.text)}</span>'
        case str():
            return _given(cell)
        case _:
            return _inline(cell)


def _line(line: Line) -> str:
    return "".join(map(_inline, line))


def _inline(part: Inline) -> str:
    match part:
        case Strong():
            return f"<strong>{_given(part.text)}</strong>"
        case Name():
            return f"<code>{_given(part.text)}</code>"
        case Link():
            return f'<a href="{html.escape(part.url)}" rel="noreferrer">{_given(part.text)}</a>'
        case _:
            left, right = " " * part.startswith(" "), " " * part.endswith(" ")
            return f"{left}{_text(part)}{right}" if part.strip() else " " * bool(part)


def _text(text: str) -> str:
    return html.escape(visible(text))


def _given(text: str) -> str:
    """Text that may be somebody's name for a thing: of whatever direction, it keeps to its place."""
    return f"<bdi>{_text(text)}</bdi>"

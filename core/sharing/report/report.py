"""The report of a run: what was done, on what, how good it is, where it fails, how to load it. As HTML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from core.sharing.report.as_html import html_page
from core.sharing.report.as_markdown import markdown as as_markdown
from core.sharing.report.chapters import data, failures, loading, quality, summary, table, training
from core.sharing.report.chapters.chapter import Chapter
from core.sharing.report.content import Content
from core.sharing.report.document import Document, Line
from core.wording import capitalised, counted, duration


def html(content: Content) -> str:
    """One self-contained file; the same content gives the same bytes."""
    return html_page(document(content))


def markdown(content: Content) -> str:
    """The same without figures: every number that they draw stands in a table."""
    return as_markdown(document(content))


def file_name(name: str, run_id: str, suffix: str) -> str:
    """What to call the file: of the run's name what every system takes, and its id."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:40].strip("-")
    return f"report-{slug}-{run_id}{suffix}" if slug else f"report-{run_id}{suffix}"


def document(content: Content) -> Document:
    chapters = table.of(content)
    parts = [
        summary.section(content, chapters),
        data.section(content, chapters),
        training.section(content),
        quality.section(content),
        *(chapter.section(content) for chapter in chapters),
        failures.section(content, chapters),
        loading.section(content),
        loading.again(content),
    ]
    when = f"Run {content.id}"
    if content.ended is not None:
        when += f", {datetime.fromtimestamp(content.ended, UTC):%d %B %Y, %H:%M} UTC"
    return Document(
        kicker="Report of a training run",
        title=content.name or "A run",
        lead=_lead(content, chapters),
        sections=tuple(part for part in parts if part is not None),
        foot=f"{when}. Made with Tunedeck. This file needs no network and sends nothing.",
    )


def _lead(content: Content, chapters: Sequence[Chapter]) -> Line:
    train, _ = data.examples(content)
    usual = capitalised(content.task.facts.MODEL)
    begun = next((lead for chapter in chapters if (lead := chapter.lead(content))), usual)
    on = f", trained on {counted(train, 'example')} of " if train else ", trained on "
    end = f" and took {duration(content.seconds)}." if content.seconds else "."
    return (begun, on, *data.data_words(content), ". It began as ", *training.model_words(content), end)

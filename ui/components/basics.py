"""Small parts that pages share: plain text, errors, empty states, status badges, times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import StreamlitPage

from core.access.rules import Action
from core.errors import SpecError, TunedeckError
from core.sharing import redact
from core.store.record import Run
from core.wording import sentence
from ui import pages
from ui.session import resources

Color = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "primary"]

STATUS: dict[str, tuple[str, Color, str]] = {
    "queued": ("Waiting", "gray", ":material/schedule:"),
    "starting": ("Starting", "blue", ":material/hourglass_top:"),
    "running": ("Running", "blue", ":material/play_arrow:"),
    "stopping": ("Stopping", "orange", ":material/hourglass_bottom:"),
    "finished": ("Finished", "green", ":material/check:"),
    "stopped": ("Stopped", "orange", ":material/stop:"),
    "failed": ("Failed", "red", ":material/error:"),
    "lost": ("Lost", "red", ":material/heart_broken:"),
}

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=\"'@])")
# Emoji and icon shortcodes, and bare links, are found in the text after Markdown's escapes are gone: a word joiner
# (it has no width) keeps them from being recognised.
_SHORTCODES = re.compile(r"(?<=:)(?=[\w+\-/]+:)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w)", re.IGNORECASE)


def plain(text: str) -> str:
    """`text` escaped for Markdown, on one line: no bold, link, formula, icon, emoji or HTML."""
    return _MARKS.sub(r"\\\1", _SHORTCODES.sub("\u2060", _one_line(text)))


def code(text: str) -> str:
    """`text` as inline code in Markdown; a backtick, which would end the code, becomes a quote."""
    return "`" + (_one_line(text).replace("`", "'") or "?") + "`"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def for_display(text: str) -> str:
    """A sentence or log for a page: in every mode except local without paths and secrets of the server."""
    try:
        return str(redact.for_display(text, resources.installation()))
    except TunedeckError:  # the settings are invalid, and this text is about them
        return text


def show_error(error: TunedeckError, title: str | None = None) -> None:
    """Show an error; the only place where pages do so."""
    if isinstance(error, SpecError) and len(error.problems) > 1:
        lines = ((f"- {code(p.field)}: " if p.field else "- ") + plain(for_display(p.message)) for p in error.problems)
        st.error("\n".join(lines), title=title or "Some settings need a look", icon=":material/error:")
    else:
        st.error(plain(sentence(for_display(str(error)))), title=title, icon=":material/error:")


def allowed(action: Action, place: DeltaGenerator | None = None) -> bool:
    """Whether the person may do this; if not, the page says why. place: where, else in the current container"""
    why = resources.why_not(action)
    if why is not None:
        (place or st).info(plain(sentence(why)), icon=":material/lock:")
    return why is None


def empty_state(
    title: str,
    text: str,
    *,
    icon: str = ":material/inbox:",
    page: StreamlitPage | None = None,
    label: str = "",
    query_params: Mapping[str, str] | None = None,
) -> None:
    """What a page without content shows: its purpose, and a button to the next step."""
    with st.container(border=True, horizontal_alignment="center", gap="small", key="empty_state"):
        st.space("small")
        st.markdown(f"### {icon} {title}", text_alignment="center")
        st.markdown(text, text_alignment="center")
        if page is not None and pages.is_offered(page) and st.button(label, type="primary", key="empty_state_action"):
            st.switch_page(page, query_params=dict(query_params or {}))
        st.space("small")


def status_badge(status: str) -> None:
    label, color, icon = STATUS[status]
    st.badge(label, color=color, icon=icon)


def local_timezone() -> tzinfo:
    """The browser's time zone, else UTC."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_time(seconds: float) -> datetime:
    """Seconds since 1970 as a time in the browser's time zone."""
    return datetime.fromtimestamp(seconds, local_timezone())


def distinct(titles: Mapping[str, str]) -> dict[str, str]:
    """Key -> title, with the key if two are equal: a select box identifies options by their text."""
    counts = Counter(titles.values())
    return {key: title if counts[title] == 1 else f"{title} · {key}" for key, title in titles.items()}


def run_titles(runs: Iterable[Run]) -> dict[str, str]:
    """Id -> name and time, for a select box."""
    return distinct({run.id: f"{run.name} · {clock(run.created)}" for run in runs})


def clock(seconds: float) -> str:
    """A time in words: "14:02" today, "12 March, 14:02" this year, "12 March 2025" before."""
    moment, now = local_time(seconds), datetime.now(local_timezone())
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    day = f"{moment.day} {moment:%B}"
    return f"{day}, {moment:%H:%M}" if moment.year == now.year else f"{day} {moment.year}"

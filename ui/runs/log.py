"""A run's messages, its log and its settings."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
import yaml

from core.sharing import redact
from core.store.record import Run
from core.store.watching import RunView
from core.wording import sentence
from ui.components.basics import for_display, plain
from ui.session import resources

MOST_LINES = 200


def notices(view: RunView) -> None:
    """The messages of a run: warnings stand out, notices and information are listed together."""
    payloads = [e.payload for e in view.events if e.kind == "message"]
    messages = list({m.get("text", ""): m for m in payloads}.values())  # a resumed run repeats some
    for message in messages:
        if message.get("level") == "warning":
            st.warning(plain(sentence(message["text"])), icon=":material/warning:")
    calm = [m for m in messages if m.get("level") != "warning"]
    if not calm:
        return
    with st.container(border=True, gap="xsmall", key="run_notes"):
        st.markdown("**Good to know**")
        for message in calm:
            icon = ":material/lightbulb:" if message.get("level") == "notice" else ":material/check_small:"
            st.markdown(f":gray[{icon}] {plain(sentence(message['text']))}")


def log(view: RunView, run: Run) -> None:
    """The end of the worker's output, searchable, and the whole as a download. It stays open at each tick."""
    part = st.expander("Log", icon=":material/terminal:", key="run_log", on_change="rerun")
    if not part.open:
        return
    path = resources.settings().run_dir(run.id) / "worker.log"
    with part:
        with st.container(horizontal=True, vertical_alignment="center"):
            wanted = st.text_input(
                "Search the log",
                placeholder="Search the log",
                label_visibility="collapsed",
                key="run_log_search",
                type="search",
                live=True,
            )
            if path.exists():
                st.download_button(
                    "Download",
                    lambda: _log(path),
                    f"{run.id}.log",
                    "text/plain",
                    icon=":material/download:",
                    key="run_log_download",
                    on_click="ignore",
                )
        lines = [line for line in map(for_display, view.log) if (wanted or "").casefold() in line.casefold()]
        if not lines:
            st.caption("No line contains this." if wanted else "The log is still empty.")
            return
        if len(lines) > MOST_LINES:
            st.caption(f"The last {MOST_LINES} of {len(lines):,} lines; the download has everything.")
        with st.container(height=360, autoscroll=True, border=False):
            st.code("\n".join(lines[-MOST_LINES:]), language=None, wrap_lines=True)


def _log(path: Path) -> bytes:
    try:
        return for_display(path.read_text(encoding="utf-8", errors="replace")).encode()
    except OSError:  # deleted meanwhile
        return b""


def settings_of(run: Run) -> None:
    """The run's whole spec, to read, copy and download."""
    text = yaml.safe_dump(
        redact.for_display(run.spec, resources.installation()), sort_keys=False, allow_unicode=True, width=100
    )
    with st.expander("Settings", icon=":material/tune:", key="run_settings"):
        st.download_button(
            "Download as YAML",
            text,
            f"{run.id}.yaml",
            "application/yaml",
            icon=":material/download:",
            key="run_spec_download",
            on_click="ignore",
            help="The New run page reads it, and so does `python -m core train`.",
        )
        st.code(text, language="yaml")

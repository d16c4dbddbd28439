"""The spec as YAML: download, upload and edit."""

from __future__ import annotations

import hashlib

import streamlit as st
import yaml

from core.errors import Problem, SpecError
from core.network_paths import leads_to_network
from core.spec.run import MAX_SPEC_CHARACTERS, RunSpec, from_yaml, to_yaml
from core.wording import sentence
from ui.components.basics import code, for_display, plain
from ui.session import resources, state

EDITOR_PX = 420


def render(spec: RunSpec | None, name: str) -> None:
    """The whole part. spec: as the form describes it, None while a field is wrong; name: of the run"""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.download_button(
            "Download",
            for_display(to_yaml(spec)) if spec else "",
            f"{_file_name(name)}.yaml",
            "application/yaml",
            key="yaml_download",
            icon=":material/download:",
            disabled=spec is None,
            on_click="ignore",
        )
        if resources.may("upload"):
            with st.popover("Upload", icon=":material/upload:", key="yaml_popover"):
                key = state.upload_key("yaml")
                st.file_uploader(
                    "A spec as YAML", ["yaml", "yml"], key=key, on_change=_uploaded, args=(key,), max_upload_size=1
                )
    if spec is None:
        st.caption("Correct the marked fields first; then you can edit the whole spec here.")
        return
    text = for_display(to_yaml(spec))  # a path that begins with TUNEDECK_HOME is understood on upload
    # The key includes the text: a change of the form resets the editor; until then edits stay.
    key = f"yaml_{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:12]}"
    st.text_area("YAML", text, EDITOR_PX, MAX_SPEC_CHARACTERS, key, label_visibility="collapsed")
    if st.button("Apply", icon=":material/check:", key="yaml_apply", help="Fill in the form from the edited YAML"):
        _apply(str(state.widget(key) or ""))


def _apply(text: str) -> None:
    try:
        spec = _read(text)
    except SpecError as error:
        st.error("\n".join(f"- {line}" for line in _lines(text, error)), icon=":material/error:")
        return
    state.fill_form(spec)
    st.rerun()


def _uploaded(key: str) -> None:
    file = state.widget(key)
    if file is None:
        return
    name, text = file.name, file.getvalue().decode("utf-8-sig", errors="replace")
    state.forget_upload(file)
    try:
        state.fill_form(_read(text))
    except SpecError as error:
        state.set_notice(f"{plain(name)} cannot be used: " + "; ".join(_lines(text, error)))


def _read(text: str) -> RunSpec:
    """The spec of a YAML text. Anybody may have written it, so paths to other machines are refused: SpecError."""
    spec = from_yaml(text)
    for field, path in (("data.path", spec.data.path), ("model.name", spec.model.name)):
        if leads_to_network(path) and path not in state.opened_paths():
            raise SpecError([Problem(field, f"{path[:100]!r} is on another machine; type it into its own field")])
    return spec


def _lines(text: str, error: SpecError) -> list[str]:
    """Each problem as a sentence with its field and line in the text."""
    return [_where(text, p) + plain(sentence(p.message)) for p in error.problems]


def _where(text: str, problem: Problem) -> str:
    if not problem.field:
        return ""
    line = _line_of(text, problem.field)
    return code(problem.field) + (f" in line {line}: " if line else ": ")


def _line_of(text: str, path: str) -> int | None:
    """The line, counted from 1, of the field at a dotted path; if it is missing, of its nearest section."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in path.split("."):
        if not isinstance(node, yaml.MappingNode):
            break
        entry = next(((k, v) for k, v in node.value if k.value == part), None)
        if entry is None:
            break
        line, node = entry[0].start_mark.line + 1, entry[1]
    return line


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip("-") or "run"

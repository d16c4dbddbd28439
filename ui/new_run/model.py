"""The model's part of the New run page: one control for new weights, a suggestion, a folder or any Hub id."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Prepared
from core.errors import ModelError, PathError, Problem
from core.models import names as models
from core.runs import outlook as plan
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from core.wording import number
from ui.components.basics import plain
from ui.new_run import form as spec_form
from ui.session import resources, state

NOTES = {suggestion.name: suggestion.note for suggestion in models.SUGGESTIONS}
RUNS_LOOKED_AT = 30


def choose(form: state.Form, problems: list[Problem], advice: list[Problem]) -> None:
    """The model and its maximum length."""
    model, length = st.columns([3, 1.5])
    with model, st.container(gap="xsmall"):
        select(form)
        spec_form.show_problems("model.name", problems)
    with length:
        spec_form.field(form, "model.max_length", problems)
    st.caption(note(str(form.values["model.name"])))
    spec_form.show_advice("model.name", advice)


def language(spec: RunSpec, prepared: Prepared | None) -> str:
    """The main language of the training texts if the chosen model knows only one language; else empty."""
    if prepared is None or not models.only_language(spec.model.name):
        return ""
    return _language(prepared.fingerprint, spec.data.text_columns, spec.data.train_split, spec.data, prepared)


@st.cache_data(max_entries=32, show_spinner=False)
def _language(
    fingerprint: str, columns: tuple[str, ...], split: str | None, _data: DataSpec, _prepared: Prepared
) -> str:
    return plan.language(_data, _prepared)


def unread(spec: RunSpec, prepared: Prepared, advice: list[Problem]) -> list[Problem]:
    """A problem if the model's tokenizer cannot read the texts, unless `advice` already mentions the language."""
    if any(problem.field == "model.name" for problem in advice):
        return []
    try:
        path = models.tokenizer_json(spec.model, resources.settings())
        stamp = path.stat().st_mtime_ns if path else 0
    except (ModelError, PathError, OSError):
        return []
    if path is None:
        return []
    key = (prepared.fingerprint, spec.data.text_columns, spec.data.train_split, str(path), stamp)
    problem = _unread(key, spec, prepared)
    return [problem] if problem else []


@st.cache_data(max_entries=32, show_spinner="Looking whether the model can read the texts")
def _unread(key: tuple[object, ...], _spec: RunSpec, _prepared: Prepared) -> Problem | None:
    return plan.unread(_spec, _prepared, resources.settings())


def select(form: state.Form) -> None:
    """The selectbox of the model."""
    name = str(form.values["model.name"])
    key = form.key("model.name")
    options = list(dict.fromkeys([*NOTES, *_used_before(), name]))
    st.selectbox(
        spec_form.title("model.name"),
        options,
        options.index(name),
        accept_new_options=True,
        key=key,
        placeholder="Choose one, or type a Hub id or the path of a folder",
        help=spec_form.help_text("model.name") + " Type to enter another Hub id or the path of a folder.",
        on_change=_changed,
        args=(key,),
    )


def note(name: str) -> str:
    """One line about a model."""
    if name in NOTES:
        return NOTES[name]
    try:
        if models.kind_of(name) == "folder":
            return "A folder on this computer."
    except ModelError:
        return "Give scratch, a folder, or a Hub id such as google-bert/bert-base-cased."
    return f"{plain(name)} from the Hugging Face Hub, downloaded when the run starts."


def _changed(key: str) -> None:
    """Set the model, and settings that suit its kind where the person has not changed them."""
    form = state.form()
    before, after = str(form.values["model.name"]), str(state.widget(key) or "scratch").strip()
    form.values["model.name"] = after
    old, new = plan.suggested(before), plan.suggested(after)
    moved = {p: v for p, v in new.items() if v != old[p] and form.values[p] == old[p]}
    if moved:
        form.values.update(moved)
        form.generation += 1
        kind = "new weights" if after == "scratch" else "pretrained weights"
        changes = ", ".join(f"{spec_form.title(p).lower()} is now {number(v)}" for p, v in moved.items())
        st.toast(f"To suit {kind}: {changes}.", icon=":material/tune:")


def _used_before() -> list[str]:
    """The models of the latest runs."""
    runs = resources.store().runs(kind="train", limit=RUNS_LOOKED_AT)
    return [name for run in runs if (name := run.spec.get("model", {}).get("name"))]

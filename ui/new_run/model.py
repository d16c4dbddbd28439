"""The model's part of the New run page: three proposals, and one control for any model, folder or Hub id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.data.dataset import Prepared
from core.errors import ModelError, PathError, Problem
from core.hub import reach
from core.models import names as models
from core.models.at_hand import AtHand, at_hand, describe
from core.models.catalogue import BY_NAME, CATALOGUE, Entry
from core.models.folder import check_folder
from core.models.proposal import TITLES, knowledge
from core.runs import outlook as plan
from core.runs import proposing
from core.runs.proposing import Proposal
from core.settings import Settings
from core.spec.budget.fitting import TOO_SHORT, WITHIN_BUDGET
from core.spec.data import DataSpec
from core.spec.names import model_name
from core.spec.recommended import Choice as Setting
from core.spec.run import RunSpec, replace
from core.store import files
from core.wording import counted, listed, rough_duration, size
from ui.components.basics import plain
from ui.new_run import data as new_run_data
from ui.new_run import form as new_run_form
from ui.session import resources, state

SCRATCH_NOTE = "A small new BERT that learns from your rows alone: no download, seconds per run, modest accuracy."
NOTHING_HERE = (
    "No pretrained model on this machine suits these texts, and the Hub cannot be asked for one. A small new BERT "
    "knows no language beforehand: it learns from your rows alone and is much less accurate, above all with few rows. "
    "For a better one, connect to the Hub, or put a model's folder into one that TUNEDECK_ROOTS names."
)
RUNS_LOOKED_AT = 30
BUDGET = "training.budget_minutes"


def choose(
    form: state.Form,
    proposal: Proposal,
    problems: list[Problem],
    advice: list[Problem],
    times: dict[str, float | None],
    settings: list[Setting],
) -> None:
    """The model and its maximum length.

    times: the estimated seconds of a training with each proposed model; settings: what automatic ones will be
    """
    _ask_budget(form, problems, advice, settings, times)
    _proposals(form, proposal, times)
    model, length = st.columns([3, 1.5])
    with model, st.container(gap="xsmall"):
        select(form, [choice.entry.name for choice in proposal.choices])
        new_run_form.show_problems("model.name", problems)
    with length:
        new_run_form.field(form, "model.max_length", problems, recommended=settings)
    st.caption(note(str(form.values["model.name"]), proposal))
    new_run_form.show_advice("model.name", advice)


def _ask_budget(
    form: state.Form,
    problems: list[Problem],
    advice: list[Problem],
    settings: list[Setting],
    times: dict[str, float | None],
) -> None:
    """The budget of time, with what it changes; a demo has no automatic settings that could follow from it."""
    if resources.settings().mode == "demo":
        return
    with st.columns([1.5, 3])[0]:
        new_run_form.field(form, BUDGET, problems, placeholder="No limit")
    new_run_form.show_advice(BUDGET, advice)
    if form.values[BUDGET] is None or not settings:
        return
    reasons = [choice.reason for choice in settings if choice.reason.id in (TOO_SHORT, *WITHIN_BUDGET)]
    for reason in sorted(reasons, key=lambda reason: reason.id != TOO_SHORT):
        text = plain(reason.text)
        st.caption(f":orange[:material/warning: {text}]" if reason.id == TOO_SHORT else text)
    if not reasons and any(choice.path == "training.num_train_epochs" for choice in settings):
        known = times.get(str(form.values["model.name"])) is not None
        st.caption("The usual settings fit." if known else "What fits is decided once the run has measured itself.")


def language(spec: RunSpec, prepared: Prepared | None) -> str:
    """The main language of the training texts if the person chose a model of one language; else empty."""
    if prepared is None or state.form().proposes or not models.only_language(spec.model.name):
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


def propose(form: state.Form, prepared: Prepared | None) -> tuple[Proposal, dict[str, float | None], list[Setting]]:
    """The proposed models, the seconds that a training with each of them and with the chosen one takes, and what the
    automatic settings will be.

    A form in which nobody has chosen a model takes the balanced one.
    The choice holds for the usual settings, so that an edited field does not change the model; the times are those of
    the form as it is.
    """
    spec = new_run_form.read(form)[0]
    usual = replace(plan.start_from(state.data()), {"engine": form.values["engine"], BUDGET: _budget(spec)})
    texts = _texts(prepared.fingerprint, state.data(), prepared) if prepared else None
    settings = resources.settings()
    here = [model.entry for model in _at_hand(settings.roots, settings.mode, settings) if model.general]
    classes = new_run_data.class_count(state.data(), prepared)
    proposal = proposing.propose_models(usual, prepared, settings, texts, here, classes)
    if form.proposes:
        name = proposal.default.entry.name if proposal.default else "scratch"
        if (before := form.values["model.name"]) != name:
            _set_model(form, name)
            form.generation += 1
            if before != "scratch":  # not the form's beginning
                st.toast(f"The proposed model is now {plain(model_name(name))}.", icon=":material/tune:")
    chosen = str(form.values["model.name"])
    known = [entry for entry in [*here, *CATALOGUE, *_in_folder(chosen)] if entry.name == chosen][:1]
    entries = [*(choice.entry for choice in proposal.choices), *known]
    spec = new_run_form.read(form)[0]
    chosen_settings = []
    if spec is not None:
        classes = new_run_data.class_count(spec.data, prepared)
        chosen_settings = proposing.recommended(spec, prepared, texts, known[0] if known else None, classes)
    times = proposing.times(entries, spec or usual, prepared, texts, classes)
    return proposal, times, chosen_settings


def _budget(spec: RunSpec | None) -> float | None:
    return spec.training.budget_minutes if spec else None


def has_changed(form: state.Form, shown: str) -> bool:
    """Whether the proposed model is no longer the one that the person saw when starting; then a notice says so.

    It follows what this machine has: other models, free memory, whether the Hub answered.
    """
    name = str(form.values["model.name"])
    if not form.proposes or name == shown:
        return False
    state.set_notice(
        f"The proposed model has changed from {plain(model_name(shown))} to {plain(model_name(name))} since this page "
        "was drawn, so the run was not started. Start it with this one, or choose another."
    )
    return True


def is_out_of_reach(form: state.Form, proposal: Proposal) -> bool:
    """Whether the proposed model would have to be downloaded from a Hub that does not answer; then a notice says so.

    Asked right before a run starts, so that a person's first run does not fail; the next proposal does without the Hub.
    """
    choice = proposal.default
    if not form.proposes or choice is None or choice.here or reach.answers():
        return False
    state.set_notice(
        f"The Hub cannot be reached, so {plain(choice.entry.name)} cannot be downloaded, and the run was not started. "
        "The model below is what this machine has; start with it, or connect and reload the page in some minutes."
    )
    return True


@st.cache_data(max_entries=32, show_spinner=False)
def _texts(fingerprint: str, data: DataSpec, _prepared: Prepared) -> proposing.Texts:
    return proposing.describe_texts(data, _prepared)


@st.cache_data(max_entries=8, ttl=60, show_spinner=False)
def _at_hand(roots: tuple[Path, ...], mode: str, _settings: Settings) -> list[AtHand]:
    return at_hand(_settings)


def _proposals(form: state.Form, proposal: Proposal, times: dict[str, float | None]) -> None:
    """A card for each proposed model; where there is none, what one loses by it."""
    if not proposal.choices:
        if form.proposes and resources.settings().mode != "demo":
            st.info(NOTHING_HERE, icon=":material/cloud_off:")
        return
    st.caption(plain(proposal.ground))
    chosen = str(form.values["model.name"])
    for column, choice in zip(st.columns(len(TITLES)), proposal.choices, strict=False):
        with column, st.container(border=True, gap="xsmall", height="stretch"):
            picked = choice.entry.name == chosen
            st.button(
                TITLES[choice.tier],
                type="primary" if picked else "secondary",
                icon=":material/check:" if picked else None,
                width="stretch",
                key=f"propose_{choice.tier}",
                help=plain(choice.reason),
                on_click=_pick,
                args=(choice.entry.name,),
            )
            st.markdown(f"**{plain(model_name(choice.entry.name))}**")
            st.caption("  \n".join(map(plain, facts(choice.entry, choice.here, times.get(choice.entry.name)))))


def facts(entry: Entry, here: bool, seconds: float | None = None) -> list[str]:
    """Weights, size, longest text, licence and time of a model, a line each."""
    millions = entry.parameters / 1e6
    lines = [f"{millions:,.0f} million weights" if millions >= 1 else "Less than a million weights"]
    lines.append(f"{size(entry.size)}, on this machine" if here else f"{size(entry.size)} to download")
    lines.append(f"Texts of up to {counted(entry.longest, 'token')}" if entry.longest else "Texts of any length")
    lines.append(f"Licence {entry.licence}" if entry.licence else "Licence not known")
    if seconds is not None:
        lines.append(f"Trains here in {rough_duration(seconds)}")
    return lines


def _pick(name: str) -> None:
    form = state.form()
    form.proposes = False
    _set_model(form, name)
    form.generation += 1


def select(form: state.Form, proposed: Sequence[str] = ()) -> None:
    """The selectbox of the model, which lists those that are proposed first."""
    name = str(form.values["model.name"])
    key = form.key("model.name")
    settings, trained = resources.settings(), _trained()
    here = [model.entry.name for model in _at_hand(settings.roots, settings.mode, settings)]
    listed = [*proposed, *here, *_used_before(), *trained, *(entry.name for entry in CATALOGUE)]
    options = list(dict.fromkeys(["scratch", *(listed if settings.mode != "demo" else ()), name]))
    st.selectbox(
        new_run_form.title("model.name"),
        options,
        options.index(name),
        format_func=lambda option: f"Model of the run “{trained[option]}”" if option in trained else option,
        accept_new_options=True,
        key=key,
        placeholder="Choose one, or type a Hub id or the path of a folder",
        help=new_run_form.help_text("model.name") + " Type to enter another Hub id or the path of a folder.",
        on_change=_changed,
        args=(key,),
    )


def note(name: str, proposal: Proposal) -> str:
    """One line about a model."""
    if name == "scratch":
        return SCRATCH_NOTE
    for choice in proposal.choices:
        if choice.entry.name == name:
            return plain(choice.reason)
    settings = resources.settings()
    for model in _at_hand(settings.roots, settings.mode, settings):
        if model.entry.name == name:
            return plain(_sentence(model.entry, here=True))
    if name in _trained():
        return plain(_trained_note(name))
    if name in BY_NAME:
        return plain(_sentence(BY_NAME[name], here=False))
    try:
        if models.kind_of(name, settings) == "folder":
            return "A folder on this computer."
    except ModelError:
        return "Give scratch, a folder, or a Hub id such as google-bert/bert-base-cased."
    return f"{plain(name)} from the Hugging Face Hub, downloaded when the run starts."


def _sentence(entry: Entry, *, here: bool) -> str:
    known = knowledge(entry)
    return f"{known[0].upper()}{known[1:]}. " + " · ".join(facts(entry, here))


def _changed(key: str) -> None:
    """Set the model that the person has chosen."""
    form = state.form()
    form.proposes = False
    if moved := _set_model(form, str(state.widget(key) or "scratch").strip()):
        form.generation += 1
        kind = "new weights" if form.values["model.name"] == "scratch" else "pretrained weights"
        names = listed([new_run_form.title(path).lower() for path in moved])
        st.toast(f"Chosen anew to suit {kind}: {names}.", icon=":material/tune:")


def _set_model(form: state.Form, name: str) -> list[str]:
    """Set the model. Settings that suit the other kind, new or pretrained weights, become automatic; returns them."""
    old, new = plan.suggested(str(form.values["model.name"])), plan.suggested(name)
    form.values["model.name"] = name
    moved = [path for path, value in new.items() if value != old[path] and form.values[path] == old[path]]
    form.values.update(dict.fromkeys(moved))
    return moved


def _trained() -> dict[str, str]:
    """The models that the latest runs left: folder → the run's name."""
    settings, models = resources.settings(), {}
    for run in resources.store().runs(kind="train", statuses=("finished", "stopped"), limit=RUNS_LOOKED_AT):
        if (folder := files.model_folder(settings.run_dir(run.id))) is not None:
            models[str(folder)] = run.name
    return models


def _in_folder(name: str) -> list[Entry]:
    """The facts of a model that is a folder, of an earlier run or typed; none for another name, or if it is damaged."""
    settings = resources.settings()
    try:
        if models.kind_of(name, settings) != "folder":
            return []
        folder = models.folder_of(name, settings)
        check_folder(folder, name=name)
        return [describe(folder, name).entry]
    except (ModelError, PathError, OSError):
        return []


def _trained_note(name: str) -> str:
    try:
        return " · ".join(["Trained here before", *facts(describe(Path(name), name).entry, here=True)])
    except (ModelError, OSError):
        return "Trained here before; its folder cannot be read."


def _used_before() -> list[str]:
    """The models of the latest runs."""
    runs = resources.store().runs(kind="train", limit=RUNS_LOOKED_AT)
    return [name for run in runs if (name := run.spec.get("model", {}).get("name"))]

"""The New run page around dataset and model: presets, engine, advanced settings, and the outlook of the run."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from core.data import selection
from core.data.dataset import Prepared
from core.errors import Problem
from core.machine import physical_cores
from core.runs import outlook as plan
from core.runs import process
from core.spec.engines import KERAS_TYPES
from core.spec.names import run_name
from core.spec.presets import PRESETS
from core.spec.recommended import Choice as Setting
from core.spec.run import RunSpec
from core.store import final_tests
from core.wording import ENGINE_MEANINGS, ENGINE_TITLES, counted, listed, rough_duration, sentence, size
from ui.components.basics import plain
from ui.new_run import data
from ui.new_run import form as new_run_form
from ui.session import resources, state

# Fields that are set beside the model, and on the Datasets page.
ELSEWHERE = (
    "training.budget_minutes",
    "data.source",
    "data.path",
    "data.config",
    "data.revision",
    "data.read",
    "data.steps",
)
MOST_NAME = 200
FIELD_PX = 150


def choose_preset(form: state.Form) -> None:
    """The preset that fills the whole form."""
    key = form.key("preset")
    names = list(PRESETS)
    st.selectbox(
        "Start from",
        names,
        names.index(form.preset) if form.preset in names else None,
        key=key,
        format_func=lambda name: PRESETS[name].title,
        placeholder="A preset that fills the whole form",
        on_change=_use_preset,
        args=(key,),
    )
    if form.preset in PRESETS:
        st.caption(plain(PRESETS[form.preset].summary))


def main_settings(form: state.Form, problems: list[Problem], advice: list[Problem], settings: list[Setting]) -> None:
    """The most important hyperparameters. settings: what automatic ones will be"""
    paths = [p for p in new_run_form.FIELDS if p.startswith("training.") and new_run_form.is_main(p)]
    for column, path in zip(st.columns(len(paths)), paths, strict=True):
        with column:
            new_run_form.field(form, path, problems, recommended=settings)
            new_run_form.show_advice(path, advice)
    if settings:
        with st.expander("Why these automatic settings", icon=":material/auto_awesome:", key="why_automatic"):
            st.markdown("\n".join(f"- {plain(choice.reason.text)}" for choice in settings))


def choose_engine(form: state.Form, problems: list[Problem]) -> None:
    """The engine, and for Keras the kind of input."""
    key, engine = form.key("engine"), str(form.values["engine"])
    choice, way = st.columns([2.2, 1.3], vertical_alignment="bottom")
    with choice:
        st.segmented_control(
            new_run_form.title("engine"),
            list(ENGINE_TITLES),
            default=engine,
            required=True,
            key=key,
            format_func=lambda name: ENGINE_TITLES[name],
            help=new_run_form.help_text("engine"),
            on_change=_keep_engine,
            args=(key,),
        )
    if engine == "keras":
        with way:
            new_run_form.field(form, "keras_input", problems)
    st.caption(ENGINE_MEANINGS[engine] + (f" It trains {listed(KERAS_TYPES.values())}." if engine == "keras" else ""))
    new_run_form.show_problems("engine", problems)


def advanced(
    form: state.Form,
    prepared: Prepared | None,
    problems: list[Problem],
    advice: list[Problem],
    settings: list[Setting],
) -> None:
    """The fields that are not shown elsewhere, by section. settings: what automatic ones will be"""
    paths = [p for p in new_run_form.FIELDS if not _is_elsewhere(p) and new_run_form.has_choice(p)]
    marks = {problem.field for problem in problems}
    paths = [p for p in paths if p in marks or not new_run_form.is_void(p, form.values)]
    marked = sum(problem.field in paths for problem in problems)
    label = "Advanced" + (f" :red[· {counted(marked, 'setting')} to look at]" if marked else "")
    with st.expander(label, icon=":material/tune:", expanded=marked > 0):
        sections = [(name, list(inner)) for name, inner in groupby(paths, lambda p: p.split(".")[0])]
        titles = [new_run_form.title(name) for name, _ in sections]
        for tab, (name, inner) in zip(st.tabs(titles), sections, strict=True):
            with tab:
                grid = st.grid(3, min_column_width=FIELD_PX)
                for path in inner:
                    with grid.cell(column_span="all" if new_run_form.is_wide(path) else 1):
                        _advanced_field(form, path, prepared, problems, settings)
                        new_run_form.show_advice(path, advice)
                new_run_form.show_problems(name, problems)


def _advanced_field(
    form: state.Form, path: str, prepared: Prepared | None, problems: list[Problem], settings: list[Setting]
) -> None:
    if path == "training.custom_class_weights":
        new_run_form.field(form, path, problems, names=data.classes(state.data(), prepared))
    elif not path.startswith("data."):
        new_run_form.field(form, path, problems, recommended=settings)
    elif prepared is None or not path.endswith("_split"):
        new_run_form.field(form, path, problems, after=data.share)
    else:
        aside = selection.final_tests(state.data(), prepared, final_tests.holdouts(resources.store()))
        train, evaluation = selection.splits_used(state.data(), prepared, aside)
        used = (train if path == "data.train_split" else evaluation) or "A part of the training split"
        new_run_form.field(
            form, path, problems, names=list(prepared.splits), placeholder=f"{used} (automatic)", after=data.share
        )


def ask_name(form: state.Form, spec: RunSpec | None) -> str:
    """The run's name: as typed, else composed of dataset and model."""
    automatic = run_name(spec) if spec else ""
    key = form.key("name")
    st.text_input(
        "Run name",
        form.name,
        MOST_NAME,
        key,
        placeholder=automatic,
        on_change=_keep_name,
        args=(key,),
        help="Empty: the run is named after its dataset and model.",
    )
    return form.name or automatic


def show_outlook(spec: RunSpec | None, prepared: Prepared | None, seconds: float | None = None) -> None:
    """The device, the numbers of examples and of steps, and the estimated time."""
    if spec is None:
        return
    lines = [f":material/memory: {plain(_device(spec))}"]
    if prepared is None:
        lines.append(":material/dataset: The dataset is opened first")
    elif (outlook := plan.outlook(spec, prepared, final_tests.holdouts(resources.store()))) is not None:
        held_out = ", held out" if outlook.held_out else ""
        lines += [
            f":material/school: {counted(outlook.train, 'example')} for training",
            f":material/fact_check: {outlook.evaluation:,} for evaluation{held_out}",
            f":material/steps: {counted(outlook.steps, 'step')}",
        ]
        if spec.engine == "keras" and spec.keras_input == "numpy":
            lines.append(f":material/data_array: Up to {size(plan.whole_arrays(outlook.train, spec))} for whole arrays")
        if seconds is not None:
            lines.append(f":material/timer: Training takes {rough_duration(seconds)}")
    st.markdown("  \n".join(lines))


def show_preset(form: state.Form) -> None:
    """What to expect of the preset, as long as the form is unchanged."""
    preset = PRESETS.get(form.preset or "")
    if preset is not None and new_run_form.read(form)[0] == preset.spec:
        st.caption(plain(preset.expectation))


def show_problems(problems: list[Problem]) -> None:
    """Everything that keeps the run from starting."""
    if problems:
        lines = (f"**{plain(new_run_form.title(p.field))}**: {plain(sentence(p.message))}" for p in problems)
        st.warning("\n\n".join(lines), title="Before it can start", icon=":material/front_hand:")


def _is_elsewhere(path: str) -> bool:
    return new_run_form.is_main(path) or path.startswith(ELSEWHERE)


def _device(spec: RunSpec) -> str:
    """The device that will compute, as far as it is known without torch."""
    gpus = process.gpus()
    match spec.execution.device:
        case "auto" | "cuda" if gpus:
            return f"On the GPU: {gpus[0]}"
        case "cuda":
            return "On a CUDA GPU, but this machine shows none"
        case "mps":
            return "On Apple's GPU"
        case _:
            return f"On the CPU, {counted(spec.execution.threads or physical_cores(), 'thread')}"


def _use_preset(key: str) -> None:
    name = state.widget(key)
    if name in PRESETS:
        state.fill_form(PRESETS[name].spec, name)


def _keep_engine(key: str) -> None:
    state.form().values["engine"] = state.widget(key)


def _keep_name(key: str) -> None:
    state.form().name = str(state.widget(key) or "").strip()

"""Which model is judged, and on which examples; and the evaluation of it, made where there is none yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import streamlit as st

from core.data import selection
from core.data.dataset import Prepared
from core.data.prepare import find_prepared
from core.data.reading.files import split_of
from core.errors import PathError, RunNotFound, SpecError
from core.evaluation.specs import EvaluateSpec, Subject
from core.runs.environment import trained_data
from core.spec.data import DataSpec
from core.spec.names import dataset_name, model_name
from core.spec.run import RunSpec, build
from core.store import final_tests
from core.store.record import Holdout, Run
from core.store.summaries import Summary
from core.wording import counted
from ui.components import fast_answers, light_run, model_columns
from ui.components.basics import plain, run_titles, show_error
from ui.evaluate import judged
from ui.evaluate.judged import Judged
from ui.session import resources, state

VALIDATION = ""
TITLE = "Evaluating"
OTHER_MODEL, OTHER_DATA = ":other", ":data"


@dataclass(frozen=True)
class Choice:
    """subject: the model; trained: its run, if one made it; title: what it is called"""

    subject: Subject
    trained: Run | None
    title: str


def model(runs: list[Run]) -> Choice | None:
    """The model to judge: that of a link, of a run, or any other by its folder or Hub id."""
    linked = st.query_params.get("run", "")
    ids = [run.id for run in runs]
    options = [*ids, OTHER_MODEL]
    named = {run.id: run for run in runs}
    if state.widget("evaluate_model") is None:  # somebody comes to the page: without a link the last choice is back
        state.remember("evaluate_model", linked if linked in ids else state.widget("evaluate_last"))
    elif linked in ids and state.widget("evaluate_linked") != linked:
        state.remember("evaluate_model", linked)
    state.remember("evaluate_linked", linked)
    if state.widget("evaluate_model") not in options:
        state.remember("evaluate_model", options[0])
    titles = run_titles(runs) | {OTHER_MODEL: "Another model: a folder or Hub id"}
    chosen = st.selectbox(
        "Model",
        options,
        key="evaluate_model",
        on_change=_forget_link,
        format_func=titles.__getitem__,
    )
    state.remember("evaluate_last", chosen)
    if chosen != OTHER_MODEL:
        run = named[chosen]
        return Choice(judged.subject_of(run), run, run.name)
    name = st.text_input(
        "Folder or Hub id",
        key="evaluate_name",
        placeholder="distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        max_chars=1000,
        help="A model that classifies texts; it need not have been trained here.",
    ).strip()
    return Choice(Subject(name=name), None, model_name(name)) if name else None


def _forget_link() -> None:
    if "run" in st.query_params:
        del st.query_params["run"]


def examples(choice: Choice) -> EvaluateSpec | None:
    """The examples to judge it on, as a spec."""
    data = state.data()
    if choice.trained is None:
        return _answering(choice, _split_of(choice, data, "Examples of"))
    spec = _spec_of(choice.trained)
    if spec is None:
        return None
    prepared = find_prepared(spec.data, resources.settings())
    options: dict[str, str] = {VALIDATION: "Validation: what the run was evaluated on"}
    if prepared is not None:
        options |= _splits(spec.data, prepared, choice.trained)
    if not selection.same_source(data, spec.data):
        options[OTHER_DATA] = f"Another dataset: {dataset_name(data)}"
    key = f"evaluate_split_{choice.trained.id}"
    linked = st.query_params.get("split")
    if linked in options and state.widget(key) is None:
        state.remember(key, linked)
    chosen = st.selectbox("Examples", list(options), key=key, format_func=options.__getitem__)
    if chosen == OTHER_DATA:
        return _answering(choice, _split_of(choice, data, "Split of"))
    return _answering(choice, EvaluateSpec(model=choice.subject, split=str(chosen)))


def _answering(choice: Choice, spec: EvaluateSpec | None) -> EvaluateSpec | None:
    """The spec with exact or fast answers. Those to the run's own validation examples are there, and exact."""
    if spec is None or _is_free(choice, spec):
        return spec
    answers = fast_answers.choose(choice.subject, choice.title, f"evaluate_{choice.title}")
    return None if answers is None else spec.model_copy(update={"answers": answers})


def shared(run: Run) -> Judged | None:
    """One of the evaluations that came with a run in its bundle."""
    shared_runs = {r.id: r for r in judged.evaluations() if r.imported is not None and r.spec["model"]["run"] == run.id}
    if not shared_runs:
        st.caption("This run was shared without an evaluation.")
        return None
    chosen = st.selectbox(
        "Examples",
        list(shared_runs),
        key=f"evaluate_shared_{run.id}",
        format_func=lambda key: _examples_of(Summary.of(shared_runs[key].summary)),
    )
    return judged.open_judged(shared_runs[str(chosen)])


def _examples_of(summary: Summary) -> str:
    return f"{summary.split or '?'} of {summary.dataset or '?'}"


def _spec_of(run: Run) -> RunSpec | None:
    try:
        return cast(RunSpec, build(run.spec))
    except SpecError as error:
        show_error(error, "The settings of this run are not valid any more")
        return None


def _splits(data: DataSpec, prepared: Prepared, trained: Run) -> dict[str, str]:
    """The splits that the run did not choose its best by, with what each is good for."""
    holdouts = final_tests.holdouts(resources.store())
    aside = selection.final_tests(data, prepared, [h for h in holdouts if h.created <= trained.created])
    train, evaluation = selection.splits_used(data, prepared, aside)
    now = selection.final_tests(data, prepared, holdouts)
    options = {}
    for name, part in prepared.splits.items():
        if not part.rows or (name == evaluation and name != train):
            continue
        what = "Final test" if name in now else "Training" if name == train else "Test" if _is_test(name) else "Split"
        options[name] = f"{what}: {name}, {counted(part.rows, 'row')}"
    return options


def _is_test(name: str) -> bool:
    return split_of(name) == "test"


def _split_of(choice: Choice, data: DataSpec, label: str) -> EvaluateSpec | None:
    """A split of the dataset that the Datasets page shows."""
    prepared = find_prepared(data, resources.settings())
    if prepared is None:
        st.caption(f"Open {plain(dataset_name(data))} on the Datasets page first.")
        return None
    names = [name for name, part in prepared.splits.items() if part.rows]
    preferred = next((name for name in names if _is_test(name)), names[0])
    split = st.selectbox(
        f"{label} {plain(dataset_name(data))}",
        names,
        names.index(preferred),
        key=f"evaluate_split_{choice.title}_{prepared.fingerprint}",
        help="The dataset is the one that the Datasets page shows; choose another one there.",
    )
    training = model_columns.training(choice.subject, choice.title, choice.trained)
    fit = model_columns.choose(data, prepared, training, f"evaluate_{choice.title}", labelled=True)
    if fit is None:
        return None
    chosen = {"text_columns": fit.texts, "label_column": fit.label}
    return EvaluateSpec(model=choice.subject, data=data.model_copy(update=chosen), split=str(split))


def evaluated(choice: Choice, spec: EvaluateSpec) -> Judged | None:
    """The evaluation; while there is none, what makes it."""
    tree = spec.model_dump(mode="json")
    run = light_run.latest("evaluate", tree)
    if run is not None and run.status == "finished" and (opened := judged.open_judged(run)) is not None:
        return opened
    light_run.work_on(
        "evaluate",
        f"{TITLE} {choice.title}",
        tree,
        at_once=_is_free(choice, spec),
        offer=_offer(choice, spec),
        button="Evaluate",
        key=choice.title,
    )
    return None


def _is_free(choice: Choice, spec: EvaluateSpec) -> bool:
    """What a run was evaluated on costs nothing to look at: its predictions are there, and nothing is given away."""
    return choice.trained is not None and spec.data is None and not spec.split


def _offer(choice: Choice, spec: EvaluateSpec) -> str:
    where = f"“{plain(spec.split)}”" if spec.split else "the examples that it was evaluated on"
    offer = f"**Judge {plain(choice.title)} on {where}.** The model answers every example once, in the background."
    if not spec.split or choice.trained is None or spec.data is not None:
        return offer
    holdout = _holdout(choice.trained, spec.split)
    if holdout is not None:
        return (
            f"{offer} This is the **final test**: nothing is trained or tuned on it, and each look at it makes it a "
            f"little less honest. It has been looked at {counted(holdout.looks, 'time')}."
        )
    if _is_test(spec.split):
        return (
            f"{offer} It becomes the **final test** of this dataset: from then on no run trains or chooses by it, and "
            "this page counts how often it is looked at."
        )
    return offer


def _holdout(trained: Run, split: str) -> Holdout | None:
    from core.data.loading import holdout

    spec = _spec_of(trained)
    prepared = find_prepared(spec.data, resources.settings()) if spec is not None else None
    if spec is None or prepared is None or split not in prepared.splits:
        return None
    texts = trained_data(trained, resources.settings()).text_columns or prepared.text_guess
    return holdout.find(prepared, split, texts, final_tests.holdouts(resources.store()), holdout.PAGE_ROWS)


def by_link(run_id: str) -> Judged | None:
    """The evaluation that a link names; None if it is not there."""
    try:
        run = resources.store().run(run_id)
        resources.settings().run_dir(run_id)
    except (RunNotFound, PathError):
        return None
    return judged.open_judged(run) if run.kind == "evaluate" and run.status == "finished" else None

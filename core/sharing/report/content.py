"""What there is to tell of a run: gathered once, freed of secrets and local paths, for its report and its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from core.data.browsing import browse
from core.data.dataset import Prepared
from core.data.prepare import find_prepared
from core.errors import SpecError, TunedeckError
from core.evaluation.results import read_evaluation, read_report, read_robustness
from core.messages import Message
from core.runs.environment import Environment, TrainedDataset, read_environment
from core.settings import Settings
from core.sharing import redact
from core.sharing.report import origin
from core.sharing.report.document import visible
from core.spec.data import DataSpec
from core.spec.run import RunSpec, build
from core.spec.steps import step_words
from core.store import files as results
from core.store import final_tests
from core.store.record import Run
from core.store.store import Store
from core.store.watching import RunView
from core.tasks.contract import Task, task_of
from core.tasks.evaluations import Evaluation, Group, Robustness
from core.tasks.results import Report

if TYPE_CHECKING:
    import pandas as pd

Figures = Evaluation | Report
"""Whose metrics are shown."""

LOOKED_AT = 500
TEXTS = 20  # mistakes that come with their text
PUBLIC_GROUPS = {"length", "label", "form", "language"}  # groups of examples whose names hold no value of a column
KINDS = ("test", "validation", "other", "training")  # the most honest first


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation of the run's model, cleaned.

    looks: at the final test by now, None if it is none; robustness: None if it was not checked
    """

    id: str
    ended: float
    evaluation: Evaluation
    looks: int | None
    robustness: Robustness | None


@dataclass(frozen=True)
class Content:
    """One run. All texts are as others may see them.

    spec: without the way to its files; base_model: the Hub id that it began with, empty if it is none
    report, environment: None where there is none
    evaluations: the one to believe first; series: metric name -> step, epoch, value
    texts: row number of the first evaluation -> its texts; empty where texts are not to be shown
    licence, languages: as far as they can be told from the base model and the data
    """

    id: str
    name: str
    status: str
    error: str
    started: float | None
    ended: float | None
    step: int
    total: int
    spec: RunSpec
    base_model: str
    report: Report | None
    environment: Environment | None
    evaluations: tuple[Evaluated, ...]
    series: dict[str, pd.DataFrame]
    has_model: bool
    temperature: float
    with_texts: bool
    texts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    licence: str = ""
    languages: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        return task_of(self.spec)

    @property
    def best(self) -> Evaluated | None:
        """The evaluation whose figures count."""
        return self.evaluations[0] if self.evaluations else None

    @property
    def figures(self) -> Figures | None:
        """Those of the first evaluation, else of the run's own report."""
        return self.evaluations[0].evaluation if self.evaluations else self.report

    @property
    def seconds(self) -> float | None:
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def dataset(self) -> TrainedDataset:
        """As the worker noted it; nothing is known of the dataset of an older run."""
        return self.environment.dataset if self.environment else TrainedDataset(title="")

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that it read: as the worker noted them, else as the spec has them."""
        return self.dataset.source_columns or self.spec.data.text_columns

    @property
    def label_column(self) -> str:
        return self.dataset.label_column or self.spec.data.label_column or ""

    @property
    def preparation(self) -> tuple[str, ...]:
        return tuple(step_words(step) for step in self.spec.data.steps)


def texts_are_public(spec: RunSpec) -> bool:
    """Whether texts are shown unless somebody says otherwise: the sample's and the Hub's, not a person's own."""
    return spec.data.source != "file"


def gather(store: Store, settings: Settings, run: Run, with_texts: bool | None = None) -> Content:
    """Read a training run's record and files.

    with_texts: whether to take texts, and values of columns, of its data; None: only where they are public.
    Raises SpecError for a run whose settings are not valid any more.
    """
    content = _gathered(store, settings, run, with_texts)
    return replace(content, texts=_texts(content.evaluations, settings)) if content.with_texts else content


def gather_for_card(store: Store, settings: Settings, run: Run) -> Content:
    """The same without texts, and with what a card's metadata needs beside. Raises SpecError."""
    spec = cast(RunSpec, build(run.spec))
    content = _gathered(store, settings, run, None)
    return replace(content, licence=origin.licence(spec, settings), languages=origin.languages(spec, settings))


def _gathered(store: Store, settings: Settings, run: Run, with_texts: bool | None) -> Content:
    spec = cast(RunSpec, build(run.spec))
    folder = settings.run_dir(run.id)
    texts = texts_are_public(spec) if with_texts is None else with_texts
    evaluations = tuple(_evaluations(store, settings, run, texts))
    view = RunView(run.id)
    view.update(store, settings)
    report, environs = read_report(folder), read_environment(folder)
    place = results.model_folder(folder)
    return Content(
        id=run.id,
        name=_public(run.name, settings),
        status=run.status,
        error=_public(run.error or "", settings),
        started=run.started,
        ended=run.ended,
        step=run.step,
        total=run.total,
        spec=redact.public_spec(spec, settings),
        base_model=origin.base_model(spec, settings),
        report=_public(report, settings),
        environment=_public(environs, settings),
        evaluations=evaluations,
        series={name: view.series(name) for name in view.points},
        has_model=place is not None,
        temperature=results.read_temperature(place) if place else 1.0,
        with_texts=texts,
    )


def _public(value: Any, settings: Settings) -> Any:
    """`value` without secrets, local paths, and characters that show nothing."""
    return _seen(redact.clean(value, settings))


def _seen(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {_seen(key): _seen(v) for key, v in value.items()}
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _seen(getattr(value, name)) for name in value.model_fields_set})
    if isinstance(value, Message):
        return Message(_seen(value.text), _seen(value.id), _seen(value.arguments))
    return type(value)(_seen(v) for v in value) if isinstance(value, list | tuple) else value


def _evaluations(store: Store, settings: Settings, run: Run, with_values: bool) -> list[Evaluated]:
    """The finished evaluations of the model as it is now, of the same examples the newest; the most honest first."""
    looks = {holdout.content: holdout.looks for holdout in final_tests.holdouts(store)}
    newest: dict[tuple[object, ...], Evaluated] = {}
    for other in store.runs(kind="evaluate", statuses=("finished",), limit=LOOKED_AT):
        subject = other.spec.get("model", {})
        if subject.get("run") != run.id or subject.get("attempt", 0) not in (0, run.attempt):
            continue
        folder = settings.run_dir(other.id)
        evaluation = read_evaluation(folder)
        if evaluation is None:
            continue
        fast = evaluation.fast is not None
        examples = (evaluation.dataset, evaluation.split, evaluation.kind, evaluation.examples, fast)
        if examples in newest:
            continue
        public = _public(evaluation if with_values else without_values(evaluation), settings)
        test = evaluation.final_test
        newest[examples] = Evaluated(
            id=other.id,
            ended=other.ended or 0.0,
            evaluation=public,
            looks=looks.get(test.content) if test else None,
            robustness=_public(read_robustness(folder), settings),
        )
    return sorted(newest.values(), key=_rank)


def _rank(evaluated: Evaluated) -> tuple[int, bool, int, float]:
    evaluation = evaluated.evaluation
    return KINDS.index(evaluation.kind), evaluation.fast is not None, -evaluation.examples, -evaluated.ended


def without_values(evaluation: Evaluation) -> Evaluation:
    """An evaluation whose groups of examples are named by what divides them, not by values of the data's columns."""
    slices = evaluation.slices
    hidden = {"groups": tuple(map(_unnamed, slices.groups)), "worst": tuple(map(_unnamed, slices.worst))}
    return evaluation.model_copy(update={"slices": slices.model_copy(update=hidden)})


def _unnamed(group: Group) -> Group:
    kinds = group.kind.split(" + ")
    if set(kinds) <= PUBLIC_GROUPS:
        return group
    divided_by = " and ".join("class" if kind == "label" else kind for kind in kinds)
    return group.model_copy(update={"name": f"a group by {divided_by}"})


def _texts(evaluations: Sequence[Evaluated], settings: Settings) -> dict[int, tuple[str, ...]]:
    """The texts of the surest mistakes of the first evaluation; nothing if its dataset is not here or has changed."""
    if not evaluations:
        return {}
    evaluation = evaluations[0].evaluation
    rows = [answer.row for answer in evaluation.mistakes[:TEXTS]]
    prepared = _dataset(evaluation.data, settings)
    same = prepared is not None and prepared.fingerprint == evaluation.dataset.fingerprint
    if prepared is None or not same or evaluation.split not in prepared.splits:
        return {}
    try:
        frame = browse.rows(prepared, evaluation.split, rows)
    except TunedeckError:
        return {}
    columns = [column for column in evaluation.text_columns if column in frame]
    return {
        int(row): tuple(_public(str(value or ""), settings) for value in values)
        for row, values in zip(frame.index, frame[columns].itertuples(index=False), strict=True)
    }


def _dataset(tree: Any, settings: Settings) -> Prepared | None:
    try:
        return find_prepared(cast(DataSpec, build(tree, DataSpec)), settings)
    except SpecError:
        return None

"""What an exported script must know of a run besides its spec. Read from the run's folder, and clean of all secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, cast

from core.data.loading.split_dataset import in_dataset
from core.errors import DataError, TunedeckError
from core.evaluation.results import read_report
from core.hub import download as hub
from core.models.names import HUB_NAME
from core.runs.environment import Environment, HeadChange, read_environment
from core.runs.history import History, read_history
from core.settings import Settings
from core.sharing import redact
from core.spec import run as spec
from core.spec.run import RunSpec
from core.store.files import model_folder
from core.store.record import Run
from core.tasks.contract import task_of
from core.tasks.frozen import START, read_start
from core.tasks.results import Report, Start

BASE = "base"


@dataclass(frozen=True)
class HeadRows:
    """See `core.models.class_head.take_over`."""

    rows: tuple[int | None, ...]
    dimensions: dict[str, int]


@dataclass(frozen=True)
class Facts:
    """spec: as others may see it (see `redact.public_spec`)

    name, dataset: of the run and the dataset, for people; columns: the texts' columns in the Parquet files
    model_type: of config.json; base: what `from_pretrained` is given, empty for scratch; local: whether it is a folder
    model_revision, data_revision: commits of the Hub, None if there are none or they are not known
    device, precision, threads: what the run computed with; train_examples: how many there were
    pads_with_end: the model had no padding token and took its end token
    stopped: the run ended before its time, after this many steps; None if it ended as planned
    evaluated: whether it evaluated at that step; never_evaluated: whether it ended before it evaluated at all
    judged_on_part: whether the time was too short to judge it on all examples
    metrics: what it came to; label_names: the classes in the order of their ids; packages: versions
    head: what became of a trained head; tokens: rows of the token embedding, if some were added
    start: of a run whose head was fitted before training, see `core.engines.start.begin`
    padding_free: it computed without padding; the script pads
    """

    spec: RunSpec
    name: str
    dataset: str
    columns: tuple[str, ...]
    model_type: str
    base: str
    local: bool
    device: Literal["cpu", "cuda", "mps"]
    precision: str
    threads: int
    train_examples: int
    model_revision: str | None = None
    data_revision: str | None = None
    pads_with_end: bool = False
    stopped: int | None = None
    evaluated: bool = False
    never_evaluated: bool = False
    judged_on_part: bool = False
    metrics: dict[str, float] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    packages: dict[str, str] = field(default_factory=dict)
    head: HeadRows | None = None
    tokens: int | None = None
    start: Start | None = None
    padding_free: bool = False

    @property
    def exact(self) -> bool:
        """Whether a repetition comes to the same digits."""
        return self.device == "cpu" and not self.spec.execution.torch_compile and not self.padding_free


def facts_of(run: Run, settings: Settings) -> Facts:
    """Raises DataError for a task without a script, a run without a model, or one of an older version that left too
    little; SpecError.
    """
    plan = cast(RunSpec, spec.build(run.spec))
    room = task_of(plan).facts
    if "script" not in room.OFFERS:
        raise DataError.of(
            "task-without-script",
            "a run of the task {task!r} has no script; take its report, its bundle or its model",
            task=room.TITLE,
        )
    folder = settings.run_dir(run.id)
    environment: Environment | None = redact.clean(read_environment(folder), settings)
    report: Report | None = redact.clean(read_report(folder), settings)
    known = environment is not None and environment.dataset.train is not None and environment.hardware.threads
    if environment is None or report is None or not known or model_folder(folder) is None:
        raise DataError.of(
            "script-run-lacks-facts",
            "the run {run!r} did not come to a model, or was made by an older version, which did not write down "
            "what a script needs; train it again",
            run=run.name,
        )
    start = read_start(folder)
    if start is None and plan.model.initial_head != "random":
        raise DataError.of(
            "script-lacks-fitted-head",
            "the head of the run {run!r} was fitted before training, and the file with its weights, {file}, is not "
            "here, as a bundle has none; export the code where the run was trained",
            run=run.name,
            file=START,
        )
    noted, machine = environment.dataset, environment.hardware
    assert noted.train is not None and machine.threads is not None, "known"
    public = redact.public_spec(plan, settings)
    config = _json(folder / "model" / "config.json")
    history = read_history(folder) or History()
    stopped, evaluated = _ending(history)
    local = redact.is_folder(plan.model.name, settings)
    return Facts(
        spec=public,
        name=redact.clean(run.name, settings),
        dataset=noted.title,
        columns=tuple(in_dataset(name) for name in noted.source_columns),
        model_type=str(config.get("model_type", "")),
        base=_base(public.model.name, local),
        local=local,
        device=_device(machine.device),
        precision=machine.precision,
        threads=machine.threads,
        train_examples=noted.train.examples,
        model_revision=_commit("model", plan.model.name, plan.model.revision) if not local else None,
        data_revision=_commit("dataset", plan.data.path, plan.data.revision) if plan.data.source == "hub" else None,
        pads_with_end=_pads_with_end(folder / "model"),
        stopped=stopped,
        evaluated=evaluated,
        never_evaluated=not history.evaluations,
        judged_on_part=report.examples != report.eval_examples,
        metrics={name: value for name, value in report.metrics.items() if value is not None},
        label_names=tuple(noted.label_names),
        packages=environment.packages,
        head=_head(environment.head),
        tokens=environment.tokens or None,
        start=start,
        padding_free=environment.padding_free,
    )


def _head(change: HeadChange | None) -> HeadRows | None:
    if change is None:
        return None
    return HeadRows(tuple(change.rows), change.dimensions)


def _base(name: str, local: bool) -> str:
    if name == "scratch":
        return ""
    return f"{BASE}/{PurePath(name).name}" if local else name


def _device(title: str) -> Literal["cpu", "cuda", "mps"]:
    """The kind of device behind what a person calls it."""
    if title == "CPU":
        return "cpu"
    return "mps" if title == "Apple GPU" else "cuda"


def _commit(what: Any, name: str, revision: str | None) -> str | None:
    """The commit that was fetched last; the name of the revision if that is not known any more."""
    if not HUB_NAME.fullmatch(name):
        return revision
    try:
        return hub.cached_commit(what, name, revision) or revision
    except (TunedeckError, ValueError, OSError):
        return revision


def _pads_with_end(model: Path) -> bool:
    config = _json(model / "tokenizer_config.json")
    return config.get("pad_token") is not None and config.get("pad_token") == config.get("eos_token")


def _ending(history: History) -> tuple[int | None, bool]:
    """Where a run that was stopped, or whose training diverged, ended, and whether it evaluated there."""
    steps = history.steps
    if not steps or history.is_whole:
        return None, True
    return steps, any(point.get("step") == steps for point in history.evaluations)


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}

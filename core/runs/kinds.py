"""The kinds of work that a run can be. What is to be known about a kind stands here and nowhere else.

Specs and functions are named, not imported: pages import this module, and the work lies in folders that import it
(tests/test_architecture.py holds their order).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from core.errors import Problem, SpecError
from core.spec import run as specs
from core.spec.section import Section, value_at
from core.store.summaries import Summary

if TYPE_CHECKING:
    from core.access.demo import Scope
    from core.access.rules import Action

Work = Callable[..., Summary]
"""`work(spec, run, settings, report)`: does what a run is for and returns its summary."""

Lane = Literal["device", "light"]

CLOSE_OTHERS = "Close other programs and start again."
FEWER_EXAMPLES = "Choose fewer examples, close other programs, and start again."
PART_OF_DATA = "Open a part of the data, or close other programs, and start again."


@dataclass(frozen=True)
class Result:
    """What the Run page says when the work is done, and the way to what came of it."""

    sentence: str
    label: str
    """What the button says."""

    link: str = ""
    """The page and query where the result shows, such as "evaluate?evaluation={id}": {id} stands for the run's own id,
    {model.run} for that field of its spec, or the first of several. Empty where the run's summary has the address."""

    def address(self, run_id: str, spec: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """The page and the query for one run; a value is empty where the spec names no such thing."""
        page, _, query = self.link.partition("?")
        return page, {name: _filled(value, run_id, spec) for name, value in parse_qsl(query)}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of work. Paths name fields of its spec: "model.run"."""

    title: str
    """What lists of runs call it."""

    spec: str
    """The class of its specs, "module:Class". Light to import."""

    work: str
    """The function that does it, "module:function" (see Work). Only a worker imports it."""

    lane: Lane
    """device: waits for the CPU or GPU that its spec asks for; light: some at a time, beside what trains."""

    asks_model: bool = False
    """Light work that asks a model about many texts: it takes a GPU that nobody uses, but never waits for one."""

    runs: tuple[str, ...]
    """Paths of the runs that a spec names, by id or as a list of ids. Access checks look at each of them."""

    data: str | None
    """Path of the dataset in a spec; "" if the spec is the dataset; None if there is none."""

    model: str | None
    """Path of the folder or Hub id of a model; None if there is none."""

    action: Action
    """What a person must be allowed to do, at all and with each of the runs named."""

    demo: Scope = "nobody"
    """How much of it visitors of a demo may start."""

    less_memory: str = CLOSE_OTHERS
    """What to do when memory ran out."""

    result: Result | None
    """None for what shows its result on the Run page itself."""

    def spec_class(self) -> type[Section]:
        section: type[Section] = _named(self.spec)
        return section

    def work_function(self) -> Work:
        function: Work = _named(self.work)
        return function

    def runs_named(self, spec: dict[str, Any]) -> list[str]:
        """The ids of the runs that a spec of this kind names, whether or not the spec is a valid one."""
        ids: list[str] = []
        for value in (value_at(spec, path) for path in self.runs):
            several = value if isinstance(value, list | tuple) else (value,)
            ids += [run_id for run_id in several if isinstance(run_id, str) and run_id]
        return ids

    def data_of(self, spec: dict[str, Any]) -> Any:
        """The dataset in a spec, as a tree; None if it names none."""
        if self.data is None:
            return None
        return value_at(spec, self.data) if self.data else spec


KINDS: dict[str, Kind] = {
    "train": Kind(
        title="Training",
        spec="core.spec.run:RunSpec",
        work="core.engines.training_run:train",
        lane="device",
        runs=(),
        data="data",
        model="model.name",
        action="train",
        demo="small training",
        less_memory="Halve the batch size or the longest text, close other programs, and start again.",
        result=None,
    ),
    "import": Kind(
        title="Import",
        spec="core.spec.data:DataSpec",
        work="core.data.work:import_dataset",
        lane="light",
        runs=(),
        data="",
        model=None,
        action="work",
        demo="sample",
        less_memory=PART_OF_DATA,
        result=Result("The dataset is ready.", "Browse it", "datasets"),
    ),
    "inspect": Kind(
        title="Problems",
        spec="core.spec.data:DataSpec",
        work="core.data.work:inspect_dataset",
        lane="light",
        runs=(),
        data="",
        model=None,
        action="work",
        demo="sample",
        less_memory=PART_OF_DATA,
        result=Result("The dataset has been searched for problems.", "Open the dataset", "datasets"),
    ),
    "profile": Kind(
        title="Profile",
        spec="core.spec.run:ProfileSpec",
        work="core.data.work:profile_dataset",
        lane="light",
        runs=(),
        data="data",
        model="model.name",
        action="work",
        demo="sample",
        less_memory=PART_OF_DATA,
        result=Result("The profile of the dataset is ready.", "Open the dataset", "datasets"),
    ),
    "evaluate": Kind(
        title="Evaluation",
        spec="core.evaluation.specs:EvaluateSpec",
        work="core.evaluation.evaluate:evaluate",
        lane="light",
        asks_model=True,
        runs=("model.run",),
        data="data",
        model="model.name",
        action="work",
        demo="runs",
        less_memory=FEWER_EXAMPLES,
        result=Result("The model is evaluated.", "See how it did", "evaluate?evaluation={id}"),
    ),
    "predict": Kind(
        title="Predictions",
        spec="core.evaluation.specs:PredictSpec",
        work="core.evaluation.batch:predict",
        lane="light",
        asks_model=True,
        runs=("model.run",),
        data="data",
        model="model.name",
        action="work",
        less_memory="Give it a smaller file, close other programs, and start again.",
        result=Result("The predictions are ready.", "To the playground", "playground"),
    ),
    "certify": Kind(
        title="Fast answers",
        spec="core.evaluation.specs:CertifySpec",
        work="core.evaluation.fast.certify:certify",
        lane="light",
        asks_model=True,
        runs=("model.run",),
        data="data",
        model="model.name",
        action="work",
        result=Result("It is measured what fast answers cost.", "To the playground", "playground?run={model.run}"),
    ),
    "compare": Kind(
        title="Comparison",
        spec="core.evaluation.specs:CompareSpec",
        work="core.evaluation.compare:compare",
        lane="light",
        runs=("evaluations",),
        data=None,
        model=None,
        action="work",
        demo="runs",
        result=Result("The models are compared.", "To the comparison", "compare?comparison={id}"),
    ),
    "robustness": Kind(
        title="Robustness",
        spec="core.evaluation.specs:RobustnessSpec",
        work="core.evaluation.robustness:check",
        lane="light",
        asks_model=True,
        runs=("evaluation",),
        data=None,
        model=None,
        action="work",
        less_memory=FEWER_EXAMPLES,
        result=Result(
            "The model's robustness is measured.",
            "See how it did",
            "evaluate?evaluation={evaluation}&view=robustness",
        ),
    ),
    "neighbours": Kind(
        title="Neighbours",
        spec="core.evaluation.specs:NeighboursSpec",
        work="core.evaluation.neighbours:keep",
        lane="light",
        asks_model=True,
        runs=("run",),
        data=None,
        model=None,
        action="work",
        less_memory=FEWER_EXAMPLES,
        result=Result(
            "The nearest training examples can be looked up.",
            "See the mistakes",
            "evaluate?run={run}&view=mistakes",
        ),
    ),
    "bundle": Kind(
        title="Bundle",
        spec="core.sharing.bundles.bundle_spec:BundleSpec",
        work="core.sharing.bundles.bundle:bundle",
        lane="light",
        runs=("run",),
        data=None,
        model=None,
        action="work",
        result=Result("The bundle is ready.", "To the bundle", "share?run={run}&view=bundle"),
    ),
    "publish": Kind(
        title="Publication",
        spec="core.sharing.bundles.bundle_spec:PublishSpec",
        work="core.sharing.bundles.publish:publish",
        lane="light",
        runs=("runs",),
        data=None,
        model=None,
        action="publish",
        result=Result("The folder to deploy is ready.", "To the folder", "share?run={runs}&view=publish"),
    ),
    "code": Kind(
        title="Code",
        spec="core.sharing.code.code_spec:CodeSpec",
        work="core.sharing.code.examples:export",
        lane="light",
        runs=("run",),
        data=None,
        model=None,
        action="work",
        result=Result("The code is ready.", "To the code", "share?run={run}&view=code"),
    ),
    "push": Kind(
        title="Push to the Hub",
        spec="core.sharing.hub.push_spec:PushSpec",
        work="core.sharing.hub.push:push",
        lane="light",
        runs=("run",),
        data="data",
        model=None,
        action="push",
        result=Result("It is on the Hub.", "Open it on the Hub"),
    ),
    "export": Kind(
        title="Model files",
        spec="core.sharing.model.export_spec:ExportSpec",
        work="core.sharing.model.export:export",
        lane="light",
        runs=("model.run",),
        data=None,
        model="model.name",
        action="work",
        result=Result("The model files are ready.", "To the files", "share?run={model.run}&view=files"),
    ),
}


def kind_of(name: str) -> Kind:
    """Raises SpecError unless there is such work."""
    if name not in KINDS:
        raise SpecError(
            [
                Problem.of(
                    "no-such-kind",
                    "{name!r} is no kind of work; there are {kinds}",
                    "",
                    name=name[:40],
                    kinds=", ".join(KINDS),
                )
            ]
        )
    return KINDS[name]


def check(name: str, spec: dict[str, Any]) -> None:
    """Raises SpecError unless there is such work, and the spec is one of it."""
    specs.build(spec, kind_of(name).spec_class())


def title_of(name: str) -> str:
    """What lists call this kind; a kind of a later version by its own name."""
    return KINDS[name].title if name in KINDS else name


def _named(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def _filled(text: str, run_id: str, spec: dict[str, Any]) -> str:
    if not text.startswith("{"):
        return text
    path = text.strip("{}")
    value = run_id if path == "id" else value_at(spec, path)
    value = value[0] if isinstance(value, list | tuple) and value else value
    return value if isinstance(value, str) else ""

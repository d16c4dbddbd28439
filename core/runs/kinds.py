"""The kinds of work that a run can be. What is to be known about a kind stands here and nowhere else.

Specs and functions are named, not imported: this module is in every page, and the work is above it in the order of the
folders (see tests/test_architecture.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import Problem, SpecError
from core.spec import run as specs

if TYPE_CHECKING:
    from core.spec.section import Section

Work = Callable[..., dict[str, Any]]
"""`work(spec, run, settings, report)`: does what a run is for and returns its summary."""


@dataclass(frozen=True)
class Kind:
    """One kind of work."""

    spec: str
    """The class of its specs: "module:Class". Light to import."""

    work: str
    """The function that does it: "module:function". Only a worker imports it."""

    def spec_class(self) -> type[Section]:
        module, name = self.spec.split(":")
        section: type[Section] = getattr(importlib.import_module(module), name)
        return section

    def work_function(self) -> Work:
        module, name = self.work.split(":")
        function: Work = getattr(importlib.import_module(module), name)
        return function


KINDS: dict[str, Kind] = {
    "train": Kind(spec="core.spec.run:RunSpec", work="core.engines.training_run:train"),
    "import": Kind(spec="core.spec.run:DataSpec", work="core.data.work:import_dataset"),
    "inspect": Kind(spec="core.spec.run:DataSpec", work="core.data.work:inspect_dataset"),
    "profile": Kind(spec="core.spec.run:ProfileSpec", work="core.data.work:profile_dataset"),
    "evaluate": Kind(spec="core.evaluation.specs:EvaluateSpec", work="core.evaluation.evaluate:evaluate"),
    "predict": Kind(spec="core.evaluation.specs:PredictSpec", work="core.evaluation.batch:predict"),
    "compare": Kind(spec="core.evaluation.specs:CompareSpec", work="core.evaluation.compare:compare"),
    "robustness": Kind(spec="core.evaluation.specs:RobustnessSpec", work="core.evaluation.robustness:check"),
    "neighbours": Kind(spec="core.evaluation.specs:NeighboursSpec", work="core.evaluation.neighbours:keep"),
    "bundle": Kind(spec="core.sharing.bundles.bundle_spec:BundleSpec", work="core.sharing.bundles.bundle:bundle"),
    "publish": Kind(spec="core.sharing.bundles.bundle_spec:PublishSpec", work="core.sharing.bundles.publish:publish"),
    "code": Kind(spec="core.sharing.code.code_spec:CodeSpec", work="core.sharing.code.examples:export"),
    "push": Kind(spec="core.sharing.hub.push_spec:PushSpec", work="core.sharing.hub.push:push"),
    "export": Kind(spec="core.sharing.model.export_spec:ExportSpec", work="core.sharing.model.export:export"),
}


def kind_of(name: str) -> Kind:
    """Raises SpecError unless there is such work."""
    if name not in KINDS:
        raise SpecError([Problem("", f"{name[:40]!r} is no kind of work; there are {', '.join(KINDS)}")])
    return KINDS[name]


def check(name: str, spec: dict[str, Any]) -> None:
    """Raises SpecError unless there is such work, and the spec is one of it."""
    specs.build(spec, kind_of(name).spec_class())

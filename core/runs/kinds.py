"""The kinds of work that a run can be, and the spec that each is made from."""

from __future__ import annotations

from typing import Any

from core.errors import Problem, SpecError
from core.evaluation.specs import CompareSpec, EvaluateSpec, NeighboursSpec, PredictSpec, RobustnessSpec
from core.sharing.bundles.bundle_spec import BundleSpec, PublishSpec
from core.sharing.code.code_spec import CodeSpec
from core.sharing.hub.push_spec import PushSpec
from core.sharing.model.export_spec import ExportSpec
from core.spec import run as specs
from core.spec.run import DataSpec, ProfileSpec, RunSpec
from core.spec.section import Section

SPECS: dict[str, type[Section]] = {
    "train": RunSpec, "import": DataSpec, "inspect": DataSpec, "profile": ProfileSpec, "evaluate": EvaluateSpec,
    "predict": PredictSpec, "compare": CompareSpec, "robustness": RobustnessSpec, "neighbours": NeighboursSpec,
    "bundle": BundleSpec, "publish": PublishSpec, "code": CodeSpec, "push": PushSpec,
    "export": ExportSpec,
}  # fmt: skip


def check(kind: str, spec: dict[str, Any]) -> None:
    """Raises SpecError unless there is such work, and the spec is one of it."""
    if kind not in SPECS:
        raise SpecError([Problem("", f"{kind[:40]!r} is no kind of work; there are {', '.join(SPECS)}")])
    specs.build(spec, SPECS[kind])

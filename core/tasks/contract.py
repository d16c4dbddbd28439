"""What a task's room holds: the modules that worker, engines, evaluation, sharing and pages ask, with the same names.

    core/tasks/NAME/__init__.py     what the task is called, the engines that can train it: light, for pages and specs
    core/tasks/NAME/metrics.py      the table of metrics, the main one, and how they are computed: light until it is
    core/tasks/NAME/encode.py       typed examples to token ids and labels
    core/tasks/NAME/model.py        the head, what config.json says of it, and the loss of each framework

No base class: a room is a package with these modules, and `tests/tasks` holds each of them to what stands here. What
tasks share stands beside the rooms and is called: `texts` (tokenising, padding), `batches`, `statistics`,
`token_cache`, `running_metrics`.

Outputs are what a model gives for examples: `outputs.logits`, float32 (examples, ...). Labels are the column `labels`
of an `Encoded`, (examples, ...). Which shapes they have is the task's own business.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from core.tasks import TASKS, Metric

if TYPE_CHECKING:
    import numpy as np

    from core.data.loading.load import Loaded
    from core.events import Reporter
    from core.models.head import Head, HeadKind
    from core.spec.run import RunSpec
    from core.tasks.running_metrics import RunningMetrics
    from core.tasks.texts import Encoded


class Facts(Protocol):
    """The room itself."""

    TITLE: str  # for people: "Text classification"
    ENGINES: tuple[str, ...]  # the names of those that can train it


class Metrics(Protocol):
    """metrics.py"""

    METRICS: Mapping[str, Metric]
    MAIN: str

    def compute(self, names: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """`loss`, the mean over examples, and the named metrics. Raises ModelError for outputs that are not numbers."""

    def running(self, names: Sequence[str]) -> RunningMetrics:
        """The same, of outputs that come batch by batch."""


class Encode(Protocol):
    """encode.py"""

    def encode(
        self, loaded: Loaded, spec: RunSpec, tokenizer: Any, report: Reporter, cache: Path | None = None
    ) -> Encoded:
        """Both splits as token ids and labels. Deterministic. cache: a folder for token ids. Raises DataError."""


class Model(Protocol):
    """model.py"""

    KIND: HeadKind

    def head(self, label_names: Sequence[str]) -> Head:
        """The head for data with these classes; for a task without classes there are none."""

    def check_trained(self, config: Any, saved: dict[str, Any], title: str) -> None:
        """Refuse a trained model whose head is for another task. config: the model's; saved: its config.json.

        Raises ModelError.
        """

    def torch_loss(self, spec: RunSpec, encoded: Encoded, device: str) -> Callable[..., Any]:
        """`loss(logits, labels, examples=None)` of PyTorch: a batch's sum, divided by `examples`, else by its own."""

    def keras_loss(self, spec: RunSpec, encoded: Encoded) -> Callable[[Any, Any], Any]:
        """`loss(labels, logits)` of TensorFlow: the sum over a batch."""


@dataclass(frozen=True)
class Task:
    """One task's room. Each part is imported when it is asked for, so that a page imports no model."""

    name: str

    @property
    def facts(self) -> Facts:
        return cast(Facts, importlib.import_module(TASKS[self.name]))

    @property
    def metrics(self) -> Metrics:
        return cast(Metrics, self._part("metrics"))

    @property
    def encode(self) -> Encode:
        return cast(Encode, self._part("encode"))

    @property
    def model(self) -> Model:
        return cast(Model, self._part("model"))

    def _part(self, name: str) -> Any:
        return importlib.import_module(f"{TASKS[self.name]}.{name}")


def task_of(spec: RunSpec) -> Task:
    """The task of a run's spec."""
    return Task(spec.task)

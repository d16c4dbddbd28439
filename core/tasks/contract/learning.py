"""How a task learns: the room itself, its metrics, its data, its features, its head and loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import Progress
    from core.data.loading.load import Loaded, Part
    from core.events import Reporter
    from core.models.head import Head, HeadKind
    from core.settings import Settings
    from core.spec.data import DataSpec
    from core.spec.run import RunSpec
    from core.store.record import Holdout
    from core.tasks import Metric
    from core.tasks.running_metrics import RunningMetrics
    from core.tasks.texts import Encoded


class Facts(Protocol):
    """The room itself."""

    TITLE: str  # for people: "Text classification"
    ENGINES: tuple[str, ...]  # the names of those that can train it
    VIEWS: tuple[str, ...]  # of the Evaluate page, by their names in `ui/evaluate/views.py`, in the order of the tabs
    PARTS: tuple[str, ...]  # of pages, that not every task has: by their names in `ui/evaluate/parts.py`
    TUNED: str  # what is fitted on validation examples after training: "temperature and thresholds"; else empty
    CHAPTERS: tuple[str, ...]  # of report and card, by their names in `core/sharing/report/chapters`, in their order
    OFFERS: tuple[str, ...]  # of OFFERS above: what its models can do beside what every task's can
    MODEL: str  # what it trains, within a sentence: "a text classifier"
    LOSS: str  # what it is called: "cross-entropy"
    BASELINE: str  # what the simplest baseline always answers: "most common class"
    PIPELINE: str  # the pipeline of transformers that answers with names, which is the task on the Hub too; else empty


class Metrics(Protocol):
    """metrics.py"""

    METRICS: Mapping[str, Metric]
    MAIN: str

    def compute(self, names: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """`loss`, the mean over examples, and the named metrics. Raises ModelError for outputs that are not numbers."""

    def running(self, names: Sequence[str]) -> RunningMetrics:
        """The same, of outputs that come batch by batch."""

    def check_finite(self, logits: np.ndarray) -> None:
        """Raises ModelError for outputs that are not numbers."""


class Columns(Protocol):
    """columns.py"""

    def load(
        self, data: DataSpec, settings: Settings, progress: Progress = ..., holdouts: Sequence[Holdout] = ()
    ) -> Loaded:
        """The training and the evaluation part. holdouts: final tests, which take no part.

        Raises DataError, HubError, PathError.
        """

    def load_split(
        self, data: DataSpec, split: str, settings: Settings, progress: Progress = ..., like: str | None = None
    ) -> Part:
        """One split, to be judged on. like: the split that says what its labels mean. Raises DataError."""


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

    def names(self, config: Any) -> tuple[str, ...]:
        """The classes of a trained model in the order of their ids, if it has any. config: the model's"""

    def check_trained(self, config: Any, saved: dict[str, Any], title: str) -> None:
        """Refuse a trained model whose head is for another task. config: the model's; saved: its config.json.

        Raises ModelError.
        """

    def torch_loss(self, spec: RunSpec, encoded: Encoded, device: str) -> Callable[..., Any]:
        """`loss(logits, labels, examples=None)` of PyTorch: a batch's sum, divided by `examples`, else by its own."""

    def keras_loss(self, spec: RunSpec, encoded: Encoded) -> Callable[[Any, Any], Any]:
        """`loss(labels, logits)` of TensorFlow: the sum over a batch."""

"""What a task's room holds: the modules that worker, engines, evaluation, sharing and pages ask, with the same names.

    core/tasks/NAME/__init__.py     what the task is called, the engines that can train it: light, for pages and specs
    core/tasks/NAME/metrics.py      the table of metrics, the main one, and how they are computed: light until it is
    core/tasks/NAME/encode.py       typed examples to token ids and labels
    core/tasks/NAME/columns.py      the data of a spec as the typed splits that the task trains and is judged on
    core/tasks/NAME/model.py        the head, what config.json says of it, and the loss of each framework
    core/tasks/NAME/predictions.py  what a model answered, as files and back
    core/tasks/NAME/evaluation.py   what answers to labelled examples are worth
    core/tasks/NAME/results.py      the types of its result files
    core/tasks/NAME/analysis.py     the report of a run, from its outputs
    core/tasks/NAME/advice.py       what to try next, as far as it depends on the task
    core/tasks/NAME/script.py       what an exported script has of the task; only if the room offers "script"
    core/tasks/NAME/answers.py      what logits say; only if the room offers "playground" or "onnx"
    core/tasks/NAME/rivals.py       simpler models to measure a run by; only if the room offers "rivals"

No base class: a room is a package with these modules, and `tests/tasks` holds each of them to what stands here. What
tasks share stands beside the rooms and is called: `texts` (tokenising, padding), `batches`, `token_cache`,
`running_metrics`.

Outputs are what a model gives for examples: `outputs.logits`, float32 (examples, ...). Labels are the column `labels`
of an `Encoded`, (examples, ...). Which shapes they have is the task's own business.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from core.spec.evaluation import FIRST_TASK
from core.tasks import TASKS, Metric

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import Progress
    from core.data.loading.load import Loaded, Part
    from core.events import Reporter
    from core.messages import Message
    from core.models.head import Head, HeadKind
    from core.settings import Settings
    from core.spec.data import DataSpec
    from core.spec.run import RunSpec
    from core.store.record import Holdout
    from core.tasks.code import KerasLoss, Section
    from core.tasks.evaluations import Answer, Comparison, Different, Evaluation, Kind, Robustness, Value
    from core.tasks.frozen import Features, Pooling
    from core.tasks.results import Gap, Report, Rival
    from core.tasks.running_metrics import RunningMetrics
    from core.tasks.texts import Encoded


# What a task may offer; where it does not, pages and commands say so in a sentence.
OFFERS = {
    "script": "A run as a script and a notebook.",
    "playground": "Its models answer texts that a person types, and say why.",
    "onnx": "Its models as ONNX and Keras files, compared with torch.",
    "rivals": "Simpler models to measure a run by.",
}


class Answers(Protocol):
    """What a model answered, a row for each example: `predictions.parquet` in memory.

    names: of classes, if there are any; rows, text_ids: int64 and uint64 (examples,); labels, logits: (examples, ...)
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> np.ndarray: ...
    @property
    def text_ids(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def logits(self) -> np.ndarray: ...
    def __len__(self) -> int: ...
    def take(self, places: np.ndarray) -> Self: ...


@dataclass(frozen=True)
class Material:
    """What an evaluation is drawn from.

    metrics: the names of those to compute; kind: as in `Evaluation`; texts: of the answers, a pair as one
    seen: bool (examples,), whether the text was in training
    train: texts and labels of the training examples; None where they are not known
    tuning: the model's answers to the examples that its run was evaluated on; None where these are those
    """

    answers: Any
    metrics: tuple[str, ...]
    kind: Kind
    texts: Sequence[str]
    seen: np.ndarray
    train: tuple[Sequence[str], np.ndarray] | None
    tuning: Any


class Facts(Protocol):
    """The room itself."""

    TITLE: str  # for people: "Text classification"
    ENGINES: tuple[str, ...]  # the names of those that can train it
    VIEWS: tuple[str, ...]  # of the Evaluate page, by their names in `ui/evaluate/views.py`, in the order of the tabs
    RUN_VIEWS: tuple[str, ...]  # of a run's own report on its page, by their names there
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


class PredictionsFile(Protocol):
    """predictions.py"""

    COLUMNS: Mapping[str, str]  # what readers rely on: the names and Arrow types of its columns

    def Predictions(
        self, names: tuple[str, ...], rows: np.ndarray, text_ids: np.ndarray, labels: np.ndarray, logits: np.ndarray
    ) -> Any:
        """names: of classes, if there are any; rows, text_ids: int64 and uint64 (examples,)"""

    def write(self, path: Path, answers: Any) -> None:
        """Parquet, complete or not there at all."""

    def check(self, path: Path, result: Any) -> None:
        """Refuse a stranger's file that pages cannot show beside its result, a report or an evaluation.

        Its columns and rows are in order. Raises ValueError with what the file has: "predictions of classes that do
        not exist"; KeyError.
        """

    def read(self, path: Path) -> Any:
        """What `write` wrote, as Answers. Raises OSError, ValueError or KeyError if there is nothing of the kind."""

    def values(self, answers: Any) -> tuple[Sequence[Value], Sequence[Value]]:
        """The labels and the answers, as result files hold them."""

    def columns(
        self, names: Sequence[str], outputs: np.ndarray, temperature: float
    ) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
        """The columns that a file gets beside its texts, `prediction` first; and which of the outputs are numbers.

        names: of classes, if there are any; temperature: what logits are divided by before they become probabilities
        """

    def answers_to(self, path: Path, rows: Sequence[int]) -> Sequence[Answer]:
        """The answers to some rows of a file that `write` wrote, in their order."""

    def outcomes(self, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of all its examples the row numbers, the scores and which are errors: see Evaluating. Light, for a page."""


class Results(Protocol):
    """results.py: the types of report.json, evaluation.json, comparison.json and robustness.json"""

    REPORT: type[Report]
    EVALUATION: type[Evaluation]
    COMPARISON: type[Comparison]
    ROBUSTNESS: type[Robustness]


class Analysis(Protocol):
    """analysis.py"""

    def summarise(self, spec: RunSpec, encoded: Encoded, labels: np.ndarray, logits: np.ndarray) -> Report:
        """The report of a run. labels, logits: of the evaluation examples that were judged.

        Raises ModelError for outputs that are not numbers.
        """


class Evaluating(Protocol):
    """evaluation.py. Answers are what `predictions` reads."""

    SCORE: str  # the metric that is a mean over examples: groups of them are told by it
    RIGHT_OR_WRONG: bool  # whether a score is 1 or 0: an answer is right, or an error
    ERROR: str  # a sentence for people on which examples count as errors

    def labels(self, names: Sequence[str], part: Part, title: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """The labels of a split as a model has them, the places that it can be judged on, and sentences on both.

        names, title: of the model's classes, and what it is called. Raises DataError where it can be judged on none.
        """

    def in_order(self, answers: Any, names: tuple[str, ...], title: str) -> Any:
        """The answers with the classes in the order of `names`. Raises DataError if these are others."""

    def scores(self, answers: Any) -> np.ndarray:
        """Of each example the value of SCORE: float64 (examples,)."""

    def errors(self, answers: Any) -> np.ndarray:
        """Which examples count as errors: bool (examples,)."""

    def changed(self, first: Any, second: Any) -> np.ndarray:
        """Which of the same examples are answered differently: bool (examples,)."""

    def groups(self, answers: Any) -> dict[str, np.ndarray]:
        """Groups of examples by their labels: what each is called -> bool (examples,)."""

    def intervals(self, names: Sequence[str], answers: Any) -> dict[str, tuple[float, float]]:
        """The 95 % interval of each of these metrics."""

    def difference(self, names: Sequence[str], first: Any, second: Any) -> dict[str, Gap]:
        """Of each of these metrics second minus first, on the same examples."""

    def analyse(self, material: Material, progress: Progress) -> dict[str, Any]:
        """The fields of results.EVALUATION that are drawn from the answers, but for slices and overlap."""

    def own_fields(self, answers: Any) -> dict[str, Any]:
        """The fields of results.COMPARISON and results.ROBUSTNESS that only this task has."""

    def compared(self, answers: Any) -> dict[str, Any]:
        """The fields of one model in a comparison that only this task has."""

    def differing(self, first: Any, other: Any, places: np.ndarray, most: int) -> tuple[Different, ...]:
        """The clearest of these examples, of which one model has the better answer."""

    def lines(self, evaluation: Any) -> list[str]:
        """What a terminal says of an evaluation beside metrics and groups."""


class Advice(Protocol):
    """advice.py: each a piece of advice, None where there is nothing to say"""

    def is_perfect(self, report: Any) -> bool: ...
    def not_learned(self, spec: RunSpec, report: Any) -> Message | None: ...
    def too_good(self, report: Any) -> Message | None: ...
    def weak_spots(self, report: Any) -> Message | None: ...
    def uncertain(self, report: Any) -> Message | None: ...


class Shares(Protocol):
    """answers.py"""

    def shares(self, logits: np.ndarray, temperature: float) -> np.ndarray:
        """The probability of each answer, (texts, answers)."""

    def change(
        self, names: Sequence[str], before: np.ndarray, after: np.ndarray, labels: np.ndarray
    ) -> tuple[dict[str, float], dict[str, float], dict[str, Gap]]:
        """The named metrics of two models on the same examples, and their differences. before, after: shares"""


class Script(Protocol):
    """script.py: what an exported script has of the task, as code and words. Engines are named as in `spec.engine`."""

    NEW_HEAD: str  # what a pretrained model gets: "a new head for these classes with random weights"
    KEPT_HEAD: str  # a sentence for a model whose trained head is kept
    LABELS: tuple[str, ...]  # lines that set `label_names`, from `dataset`; an empty list where labels have no names
    LABEL_WORDS: str  # the end of a sentence on the columns of the data: what `label` is
    LABEL_DTYPE: str  # of NumPy and TensorFlow
    PROBLEM_TYPE: str  # as transformers has it
    HEAD: str  # the arguments of a model's config that make its head
    OUTPUTS: str  # how many numbers the head gives
    ANSWERS: Mapping[str, str]  # engine -> `predictions`, which the metrics take, from `logits`
    MEAN_LOSSES: Mapping[str, str]  # engine -> the mean loss over examples, from `logits` and `references`

    def label_feature(self, label_names: Sequence[str]) -> tuple[str, str]:
        """The column `label` as `datasets` has it: the name to import, and the feature."""

    def torch_loss(self, spec: RunSpec) -> Section | None:
        """`compute_loss(outputs, labels, num_items_in_batch=None)`; None where the model's own loss is the same."""

    def keras_loss(self, spec: RunSpec) -> KerasLoss: ...


class Rivals(Protocol):
    """rivals.py: simpler models on the data of a run, judged before it trains; None where there can be none"""

    def bag_of_words(self, spec: RunSpec, loaded: Loaded) -> Rival | None: ...
    def better_pooling(self, train: Features) -> Pooling | None:
        """What of a text a linear model had better read."""

    def linear(self, spec: RunSpec, train: Features, judged: Features, pooling: Pooling) -> dict[str, float]:
        """The metrics of a linear model on what the frozen model makes of texts."""


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

    @property
    def columns(self) -> Columns:
        return cast(Columns, self._part("columns"))

    @property
    def predictions(self) -> PredictionsFile:
        return cast(PredictionsFile, self._part("predictions"))

    @property
    def results(self) -> Results:
        return cast(Results, self._part("results"))

    @property
    def analysis(self) -> Analysis:
        return cast(Analysis, self._part("analysis"))

    @property
    def evaluation(self) -> Evaluating:
        return cast(Evaluating, self._part("evaluation"))

    @property
    def advice(self) -> Advice:
        return cast(Advice, self._part("advice"))

    @property
    def script(self) -> Script:
        """Only of a room that offers "script"."""
        return cast(Script, self._part("script"))

    @property
    def answers(self) -> Shares:
        """Only of a room that offers "playground" or "onnx"."""
        return cast(Shares, self._part("answers"))

    @property
    def rivals(self) -> Rivals:
        """Only of a room that offers "rivals"."""
        return cast(Rivals, self._part("rivals"))

    def _part(self, name: str) -> Any:
        return importlib.import_module(f"{TASKS[self.name]}.{name}")


def task_of(spec: RunSpec) -> Task:
    """The task of a run's spec."""
    return Task(spec.task)


def task_of_record(spec: Mapping[str, Any]) -> Task:
    """The same of a spec as the record keeps it; the first task where an earlier version named none."""
    return Task(str(spec.get("task", FIRST_TASK)))

"""How a task is judged: what a model answered, what that is worth, and the files and sentences that tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import Progress
    from core.data.loading.load import Part
    from core.messages import Message
    from core.spec.run import RunSpec
    from core.tasks.evaluations import Answer, Comparison, Different, Evaluation, Kind, Robustness, Value
    from core.tasks.results import Gap, Report
    from core.tasks.texts import Encoded


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

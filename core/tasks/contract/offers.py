"""What a task may offer beyond training and judging, and the modules that it then has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from core.data.loading.load import Loaded
    from core.spec.run import RunSpec
    from core.tasks.code import KerasLoss, Section
    from core.tasks.frozen import Features, LinearHead
    from core.tasks.results import Gap, Rival
    from core.tasks.texts import Encoded

# What a task may offer; where it does not, pages and commands say so in a sentence.
OFFERS = {
    "script": "A run as a script and a notebook.",
    "playground": "Its models answer texts that a person types, and say why.",
    "onnx": "Its models as ONNX and Keras files, compared with torch.",
    "rivals": "Simpler models to measure a run by.",
    "contrastive": "A contrastive stage before a head is fitted: its labels are classes of whole texts.",
}


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
    def fit_head(self, spec: RunSpec, encoded: Encoded, train: Features) -> LinearHead | None:
        """A linear head on what the frozen model makes of some training examples."""

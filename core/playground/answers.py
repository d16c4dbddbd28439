"""What a warm model answers: probabilities, the words that made it say so, and the training examples like a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import ModelError
from core.store.json_models import Count, Result
from core.tasks.contract import Task

MOST_UNEXPLAINED = 0.05  # of the probability: above it the scores of integrated gradients are not to be trusted


def check_offered(task: Task) -> None:
    """Raises ModelError for a task whose models the playground cannot ask."""
    if "playground" not in task.facts.OFFERS:
        raise ModelError.of(
            "task-not-in-playground",
            "a model of the task {task!r} cannot be asked in the playground; its report says how to load it",
            task=task.facts.TITLE,
        )


class Reading(Result):
    """How a text is read. unknown: tokens that the tokenizer does not know; read: tokens before the text is cut off"""

    tokens: Count
    unknown: Count
    read: Count


@dataclass(frozen=True)
class Answer:
    """names: the classes; probabilities: [text][class]; total: seconds, as whoever asked felt it

    waking: how many of them it took to load the model; reads: one of each text
    """

    names: tuple[str, ...]
    probabilities: list[list[float]]
    temperature: float
    total: float
    waking: float
    reads: list[Reading]


class Word(Result):
    """part: of a pair, which text; start, end: characters in it; score: positive where it speaks for the class"""

    part: Count
    start: Count
    end: Count
    score: float


class Explanation(Result):
    """The words of a text with their scores for one class, `target`.

    baseline: the probability of a text of padding; error: the part of the change that the scores leave unexplained;
    both only with integrated gradients
    """

    words: list[Word]
    target: Count
    probability: float
    baseline: float | None
    error: float | None
    method: Literal["integrated_gradients", "occlusion"]

    @property
    def is_rough(self) -> bool:
        """Whether too much is left unexplained."""
        return self.error is not None and self.error > MOST_UNEXPLAINED


class Neighbour(Result):
    """A training example that is like a text. label: class id; similarity: cosine"""

    row: Count
    label: int
    similarity: float

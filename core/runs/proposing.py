"""Which models suit a dataset on this machine, and about how long a training with each will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import psutil

from core.data.browsing.samples import sample_texts
from core.data.dataset import Prepared
from core.data.inspecting.guess_language import guess
from core.data.selection import splits_used
from core.errors import DataError
from core.hub import reach
from core.models.at_hand import at_hand
from core.models.catalogue import Entry
from core.models.proposal import Choice, Needs, candidates, propose
from core.runs import outlook as plan
from core.runs import process
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.engines import KERAS_TYPES
from core.spec.run import RunSpec
from core.wording import counted, language_name

TEXTS, SEED = 400, 42
CHARACTERS_PER_TOKEN = {"ja": 1.8, "zh": 1.1, "ko": 1.9}
OTHER_CHARACTERS_PER_TOKEN, SPECIAL_TOKENS = 4.2, 2
# Measured with MiniLM and DistilBERT on two cores: docs/models.md has the figures.
SHARE_OF_PEAK_CPU, SHARE_OF_PEAK_GPU = 0.42, 0.3
START_S, UPDATE_S_PER_WEIGHT = 8.0, 2.5e-9
# Dense bf16 operations per second as the makers state them; cards without bf16 compute in fp32.
GPU_PEAKS = {
    "H200": 990e12, "H100": 990e12, "A100": 312e12, "L40": 181e12, "4090": 165e12, "A10G": 70e12, "A10": 125e12,
    "L4": 121e12, "3090": 71e12, "V100": 14e12, "T4": 8e12,
}  # fmt: skip


@dataclass(frozen=True)
class Texts:
    """language: the code of nearly all of a dataset's texts, or empty; tokens: about how many some texts have"""

    language: str
    tokens: tuple[int, ...]

    def long(self) -> int:
        """The 95th percentile."""
        return sorted(self.tokens)[int(0.95 * (len(self.tokens) - 1))] if self.tokens else 0

    def mean(self, most: int) -> float:
        """Tokens of a text that is cut off after `most`."""
        return sum(min(count, most) for count in self.tokens) / len(self.tokens) if self.tokens else float(most)


UNREAD = Texts("", ())


@dataclass(frozen=True)
class Proposal:
    """choices: from fast to best, empty if there is no pretrained model to be had; downloads: whether they may be
    downloaded; ground: what they are chosen for, in one sentence
    """

    choices: tuple[Choice, ...]
    downloads: bool
    ground: str

    @property
    def default(self) -> Choice | None:
        return next((choice for choice in self.choices if choice.tier == "balanced"), None)


def describe_texts(data: DataSpec, prepared: Prepared) -> Texts:
    """Language and lengths of a sample of the training texts, without a tokenizer; takes milliseconds."""
    split, _ = splits_used(data, prepared)
    columns = data.text_columns or prepared.text_guess
    try:
        rows = sample_texts(prepared, split, columns, TEXTS, SEED)[0] if split else []
    except DataError:
        rows = []  # the form reports the fault
    texts = [" ".join(row) for row in rows]
    language = guess(texts)
    per_token = CHARACTERS_PER_TOKEN.get(language, OTHER_CHARACTERS_PER_TOKEN)
    return Texts(language, tuple(round(len(text) / per_token) + SPECIAL_TOKENS for text in texts))


def propose_models(
    spec: RunSpec,
    prepared: Prepared | None,
    settings: Settings,
    texts: Texts | None = None,
    here: Sequence[Entry] | None = None,
) -> Proposal:
    """Chooses models for a run. No network. texts, here: if they are known already"""
    if settings.mode == "demo":
        return Proposal((), False, "A demo trains new weights only.")
    texts = texts or (describe_texts(spec.data, prepared) if prepared else UNREAD)
    here = entries_here(settings) if here is None else here
    downloads, gpu = reach.may_be_asked(), _gpu(spec)
    types = frozenset(KERAS_TYPES) if spec.engine == "keras" else None
    memory = process.gpu_memory() if gpu else float(psutil.virtual_memory().available)
    outlook = plan.outlook(spec, prepared) if prepared else None
    needs = Needs(texts.language, texts.long(), outlook.train if outlook else 0, types, memory)

    def seconds(entry: Entry) -> float | None:
        return training_seconds(entry, spec, outlook, texts) if outlook else None

    choices = propose(candidates(here, downloads), needs, seconds)
    return Proposal(tuple(choices), downloads, _ground(texts))


def choose_model(spec: RunSpec, prepared: Prepared | None, settings: Settings) -> Choice | None:
    """The balanced model for a run that is about to start; None for new weights.

    Unlike a proposal this asks the Hub whether it answers, if the model is to be downloaded, so that the run does not
    fail for want of it.
    """
    choice = propose_models(spec, prepared, settings).default
    if choice is None or choice.here or reach.answers():
        return choice
    return propose_models(spec, prepared, settings).default


def times(
    proposal: Proposal, spec: RunSpec, prepared: Prepared | None, texts: Texts | None = None
) -> dict[str, float | None]:
    """The estimated seconds of a training with each proposed model, by the model's name; None where unknown."""
    outlook = plan.outlook(spec, prepared) if prepared else None
    if outlook is None or prepared is None:
        return {}
    texts = texts or describe_texts(spec.data, prepared)
    return {c.entry.name: training_seconds(c.entry, spec, outlook, texts) for c in proposal.choices}


def entries_here(settings: Settings) -> list[Entry]:
    """The models of this machine that a run can start from: encoders that were not yet trained for one task."""
    return [model.entry for model in at_hand(settings) if model.general]


def training_seconds(entry: Entry, spec: RunSpec, outlook: plan.Outlook, texts: Texts) -> float | None:
    """Estimates the seconds of a training on this machine; None for a device of unknown speed.

    Forward and backward take three times the operations of forward alone, which an evaluation needs (Kaplan et al.
    2020, arXiv 2001.08361); attention adds its part by the length of a text.
    """
    gpu = _gpu(spec)
    peak = _peak(spec, gpu)
    if peak is None:
        return None
    tokens = texts.mean(spec.model.max_length)
    shape, epochs = entry.shape, spec.training.num_train_epochs
    forward = tokens * (2 * shape.weights + 4 * shape.layers * shape.hidden * tokens)
    evaluations = max(1.0, epochs) if spec.training.eval_strategy == "epoch" else 1.0
    operations = forward * (3 * outlook.train * epochs + evaluations * outlook.evaluation)
    updates = 0.0 if gpu else outlook.steps * shape.weights * UPDATE_S_PER_WEIGHT
    return START_S + operations / (peak * (SHARE_OF_PEAK_GPU if gpu else SHARE_OF_PEAK_CPU)) + updates


def _gpu(spec: RunSpec) -> str:
    gpus = process.gpus() if spec.execution.device in ("auto", "cuda") else ()
    return gpus[0] if gpus else ""


def _peak(spec: RunSpec, gpu: str) -> float | None:
    """Operations per second; None for devices that are not known without torch."""
    if gpu:
        return next((peak for name, peak in GPU_PEAKS.items() if name in gpu), None)
    if spec.execution.device in ("cuda", "mps") or (spec.execution.device == "auto" and sys.platform == "darwin"):
        return None
    return matrix_rate()


@lru_cache(maxsize=1)
def matrix_rate() -> float:
    """Operations per second of this machine's product of matrices in fp32; measured once, in a tenth of a second."""
    import numpy as np

    size, times = 512, []
    left, right = np.ones((size, size), dtype=np.float32), np.ones((size, size), dtype=np.float32)
    for _ in range(8):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def _ground(texts: Texts) -> str:
    if not texts.tokens:
        return "The texts have not been read yet, so models of many languages are proposed."
    length = counted(texts.long(), "token")
    if not texts.language:
        return (
            f"The texts are in several languages, or in one without a model of its own; most have up to about {length}."
        )
    return f"The texts look {language_name(texts.language)}; most have up to about {length}."

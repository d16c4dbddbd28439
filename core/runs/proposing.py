"""Which models suit a dataset on this machine, and about how long a training with each will take."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import psutil

from core.data.browsing.samples import sample_texts
from core.data.dataset import Prepared
from core.data.inspecting.guess_language import guess
from core.data.selection import splits_used
from core.errors import DataError
from core.hub import reach
from core.machine import cpu_has_bf16, physical_cores
from core.models.at_hand import at_hand
from core.models.catalogue import Entry
from core.models.proposal import Choice, Needs, candidates, propose
from core.models.scratch import POSITIONS
from core.runs import outlook as plan
from core.runs import process
from core.settings import Settings
from core.spec.budget.fitting import evaluations_of
from core.spec.budget.pace import Pace
from core.spec.data import DataSpec
from core.spec.engines import KERAS_TYPES
from core.spec.recommended import LENGTHS, MOST_FITTED_TO, Facts, recommend, settled
from core.spec.recommended import Choice as Setting
from core.spec.run import RunSpec, replace
from core.wording import counted, language_name

TEXTS, SEED = 400, 42
RATE_SIZE, RATE_S = 64, 0.05
MOST_CORES = 16  # more of them speed up small batches little
CHARACTERS_PER_TOKEN = {"ja": 1.8, "zh": 1.1, "ko": 1.9}
OTHER_CHARACTERS_PER_TOKEN, SPECIAL_TOKENS = 4.2, 2
# Of the matrix product's rate, as measured with MiniLM on two cores and as usual with a tuned GPU run.
SHARE_OF_PEAK_CPU, SHARE_OF_PEAK_GPU = 0.42, 0.3
BF16_GAIN = 1.6  # of a CPU with instructions for bf16, over the same in fp32
START_S, UPDATE_S_PER_WEIGHT = 8.0, 2.5e-9
# What a run does besides: the last word on it; for each example, its tokens and a bag of words; a checkpoint's bytes
# (each weight and its two averages, in fp32).
END_S, EXAMPLE_S, CHECKPOINT_BYTES, DISK_RATE = 2.0, 0.001, 12, 300e6
PROPOSED_SHARE = 0.5  # of the usual epochs: with fewer, a larger model seldom earns its time
# Dense bf16 operations per second as the makers state them; cards without bf16 compute in fp32.
GPU_PEAKS = {
    "H200": 990e12, "H100": 990e12, "A100": 312e12, "L40": 181e12, "4090": 165e12, "A10G": 70e12, "A10": 125e12,
    "L4": 121e12, "3090": 71e12, "V100": 14e12, "T4": 8e12,
}  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """peak: operations per second of its matrix product, None if unknown; memory: bytes for a training, or None

    gain: how many times as fast a training is by its precision
    """

    peak: float | None
    memory: float | None
    is_gpu: bool
    gain: float = 1.0

    @property
    def rate(self) -> float:
        """Operations per second in training."""
        return (self.peak or 0.0) * self.gain * (SHARE_OF_PEAK_GPU if self.is_gpu else SHARE_OF_PEAK_CPU)

    @property
    def update_s(self) -> float:
        """Seconds of an update per weight."""
        return 0.0 if self.is_gpu else UPDATE_S_PER_WEIGHT


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
    classes: int | None = None,
) -> Proposal:
    """Chooses models for a run, by their time with its automatic settings. No network.

    texts, here, classes: if they are known already
    """
    if settings.mode == "demo":
        return Proposal((), False, "A demo trains new weights only.")
    texts = texts or (describe_texts(spec.data, prepared) if prepared else UNREAD)
    here = entries_here(settings) if here is None else here
    downloads, machine = reach.may_be_asked(), machine_for(spec)
    types = frozenset(KERAS_TYPES) if spec.engine == "keras" else None
    budget = spec.training.budget_minutes
    spec = settled(spec, recommended(spec, prepared, texts, classes=classes))  # of no model yet: the budget waits
    if budget is not None:
        spec = replace(spec, {"training.num_train_epochs": max(1.0, PROPOSED_SHARE * spec.training.num_train_epochs)})
    outlook = plan.outlook(spec, prepared) if prepared else None
    rows, limit = outlook.train if outlook else 0, None if budget is None else 60 * budget
    needs = Needs(texts.language, texts.long(), rows, types, machine.memory, limit)

    def seconds(entry: Entry) -> float | None:
        return training_seconds(entry, spec, outlook, texts, machine) if outlook else None

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
    entries: Iterable[Entry],
    spec: RunSpec,
    prepared: Prepared | None,
    texts: Texts | None = None,
    classes: int | None = None,
) -> dict[str, float | None]:
    """The estimated seconds of a training with each of some models, with the automatic settings that it gets.

    Returns them by the model's name; None where unknown.
    """
    if prepared is None:
        return {}
    texts, machine, seconds = texts or describe_texts(spec.data, prepared), machine_for(spec), {}
    for entry in entries:
        own = settled(spec, recommended(spec, prepared, texts, entry, classes))
        if (ahead := plan.outlook(own, prepared)) is not None:
            seconds[entry.name] = training_seconds(entry, own, ahead, texts, machine)
    return seconds


def recommended(
    spec: RunSpec,
    prepared: Prepared | None,
    texts: Texts | None = None,
    entry: Entry | None = None,
    classes: int | None = None,
) -> list[Setting]:
    """What the automatic settings of a spec will be, as far as it can be told before the start.

    texts, classes: if they are known already; entry: the chosen model, None if nothing is known of it
    """
    if not spec.auto or prepared is None or (outlook := plan.outlook(spec, prepared)) is None:
        return []
    texts, scratch = texts or describe_texts(spec.data, prepared), spec.model.name == "scratch"
    lengths, machine = texts.tokens, machine_for(spec)
    facts = Facts(
        rows=outlook.train,
        classes=classes,
        cut={n: sum(length > n for length in lengths) / len(lengths) for n in LENGTHS} if lengths else None,
        limit=POSITIONS if scratch else entry.longest if entry else None,
        pretrained=not scratch,
        width=entry.shape.hidden if entry else None,
        device="cuda" if machine.is_gpu else "cpu",
        pace=pace_for(entry, spec, outlook, texts, machine) if entry and machine.peak else None,
    )
    return recommend(spec, facts)


def entries_here(settings: Settings) -> list[Entry]:
    """The models of this machine that a run can start from: encoders that were not yet trained for one task."""
    return [model.entry for model in at_hand(settings) if model.general]


def training_seconds(
    entry: Entry, spec: RunSpec, outlook: plan.Outlook, texts: Texts, machine: Machine
) -> float | None:
    """Estimates the seconds of a training; None for a device of unknown speed, or a model of unknown size.

    Forward and backward take three times the operations of forward alone, which an evaluation needs (Kaplan et al.
    2020, arXiv 2001.08361); attention adds its part by the length of a text.
    """
    if machine.peak is None or not entry.shape.weights:
        return None
    pace = pace_for(entry, spec, outlook, texts, machine)(spec.model.max_length)
    epochs, updates = spec.training.num_train_epochs, outlook.steps / spec.training.num_train_epochs
    per_epoch = math.ceil(updates)
    return pace.seconds(epochs, outlook.train, per_epoch, evaluations_of(spec.training, per_epoch))


def pace_for(
    entry: Entry, spec: RunSpec, outlook: plan.Outlook, texts: Texts, machine: Machine
) -> Callable[[int], Pace]:
    """The pace of a training by its longest text, on a device of known speed; see `training_seconds`."""
    shape = entry.shape
    fitted = spec.model.initial_head != "random" or "model.initial_head" in spec.auto

    def pace(longest: int) -> Pace:
        tokens = texts.mean(longest)
        forward = tokens * (2 * shape.weights + 4 * shape.layers * shape.hidden * tokens) / machine.rate
        read = outlook.evaluation * 2 + (min(outlook.train, MOST_FITTED_TO) if fitted else 0)
        once = START_S + END_S + forward * read + EXAMPLE_S * (outlook.train + outlook.evaluation)
        saving = 0.0 if machine.is_gpu else CHECKPOINT_BYTES * shape.weights / DISK_RATE
        return Pace(once, forward * outlook.evaluation + saving, 3 * forward, shape.weights * machine.update_s)

    return pace


def machine_for(spec: RunSpec) -> Machine:
    """The device that a run will compute on, as far as it is known without torch."""
    device = spec.execution.device
    if device in ("auto", "cuda") and (gpu := _gpu()) is not None:
        name, memory = gpu
        return Machine(next((peak for part, peak in GPU_PEAKS.items() if part in name), None), memory, is_gpu=True)
    if device in ("cuda", "mps") or (device == "auto" and sys.platform == "darwin"):
        return Machine(None, None, is_gpu=True)
    cores = min(spec.execution.threads or physical_cores(), MOST_CORES)
    bf16 = spec.execution.precision == "auto" and spec.engine != "keras" and cpu_has_bf16()
    memory = float(psutil.virtual_memory().available)
    return Machine(cores * core_rate(), memory, is_gpu=False, gain=BF16_GAIN if bf16 else 1.0)


@lru_cache(maxsize=1)
def _gpu() -> tuple[str, float | None] | None:
    """Name and memory of the first GPU; asking the driver takes a while, and the answer stays the same."""
    gpus = process.gpus()
    return (gpus[0], process.gpu_memory()) if gpus else None


@lru_cache(maxsize=1)
def core_rate() -> float:
    """Operations per second of one core's product of matrices in fp32; measured once, in a twentieth of a second.

    The best of many products so small that they stay on one core: larger ones wait for cores that other programs use.
    """
    import numpy as np

    left = right = np.ones((RATE_SIZE, RATE_SIZE), dtype=np.float32)
    best, end = math.inf, time.perf_counter() + RATE_S
    while (start := time.perf_counter()) < end:
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * RATE_SIZE**3 / best


def _ground(texts: Texts) -> str:
    if not texts.tokens:
        return "The texts have not been read yet, so models of many languages are proposed."
    length = counted(texts.long(), "token")
    if not texts.language:
        return (
            f"The texts are in several languages, or in one without a model of its own; most have up to about {length}."
        )
    return f"The texts look {language_name(texts.language)}; most have up to about {length}."

"""Chooses models for texts: *fast*, *balanced* and *best*, of those that can be had, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from core.models.catalogue import CATALOGUE, MANY, Entry
from core.wording import counted, language_name

Tier = Literal["fast", "balanced", "best"]
TITLES: dict[Tier, str] = {"fast": "Fast", "balanced": "Balanced", "best": "Best"}

# A training of these tiers takes at most so long here, and has at most so many weights that every token passes through.
MOST_SECONDS: dict[Tier, float] = {"fast": float("inf"), "balanced": 600.0, "best": 3 * 3600.0}
MOST_WEIGHTS: dict[Tier, float] = {"fast": float("inf"), "balanced": 150e6, "best": 400e6}
LIMITS: dict[Tier, str] = {"balanced": "10 minutes", "best": "3 hours"}
AT_HAND = 1.0  # of strength: what is here needs no download
OWN_LANGUAGE = 0.5  # a model of one language has all of its vocabulary for it
UNKNOWN_LANGUAGE, TOO_SHORT = 1.0, 1.0
ORDINARY_LENGTH = 512  # tokens that most models take
FEW_ROWS, COMPARES = 2_000, 1.5
BYTES_PER_WEIGHT = 16  # while training: the weight, its gradient and two averages, in fp32
WORKING_BYTES = 1.5 * 1024**3  # libraries and activations


@dataclass(frozen=True)
class Candidate:
    """A model that can be had. here: whether it is on this machine already"""

    entry: Entry
    here: bool


@dataclass(frozen=True)
class Needs:
    """What a model is chosen for.

    language: the code of nearly all texts, empty for several or an unknown one; tokens: of a long text (the 95th
    percentile); rows: for training, 0 if unknown; types: the `model_type`s that the engine takes, None for all
    memory: bytes, None if unknown; seconds: that a training may take, None for what is usual for a tier
    """

    language: str
    tokens: int
    rows: int = 0
    types: frozenset[str] | None = None
    memory: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Choice:
    """seconds: of the training on this machine, None if it cannot be estimated; reason: one sentence for people"""

    tier: Tier
    entry: Entry
    here: bool
    seconds: float | None
    reason: str


def candidates(here: Iterable[Entry], downloads: bool) -> list[Candidate]:
    """Returns the models of this machine, and those of the catalogue if they may be downloaded."""
    local = {entry.name: Candidate(entry, True) for entry in here}
    return [*local.values(), *(Candidate(e, False) for e in CATALOGUE if downloads and e.name not in local)]


def propose(models: Iterable[Candidate], needs: Needs, seconds: Callable[[Entry], float | None]) -> list[Choice]:
    """Returns one to three choices, from fast to best, one of them balanced; none if no model fits.

    seconds: the estimated time of the training with a model
    """
    fitting = [(model, seconds(model.entry)) for model in models if _fits(model.entry, needs)]
    if not fitting:
        return []
    quickest = min(fitting, key=lambda pair: (pair[0].entry.shape.weights, not pair[0].here))
    chosen: dict[Tier, tuple[Candidate, float | None]] = {"fast": quickest}
    for tier in ("balanced", "best"):
        bonus = AT_HAND if tier == "balanced" else 0.0
        within = [pair for pair in fitting if _is_within(tier, *pair, needs)] or [quickest]
        chosen[tier] = max(within, key=lambda pair: (_strength(pair[0], needs, bonus), pair[0].here))
    return [
        Choice(tier, model.entry, model.here, time, reason(tier, model, time, needs))
        for tier, (model, time) in chosen.items()
        if tier == "balanced" or model != chosen["balanced"][0]
        if tier != "best" or _strength(model, needs) > _strength(chosen["balanced"][0], needs)
    ]


def _fits(entry: Entry, needs: Needs) -> bool:
    if needs.types is not None and entry.model_type not in needs.types:
        return False
    if needs.memory is not None and BYTES_PER_WEIGHT * entry.parameters + WORKING_BYTES > needs.memory:
        return False
    return entry.language in {needs.language, MANY, ""}


def _is_within(tier: Tier, model: Candidate, seconds: float | None, needs: Needs) -> bool:
    most = MOST_SECONDS[tier] if needs.seconds is None else needs.seconds
    return model.entry.shape.weights <= MOST_WEIGHTS[tier] and (seconds is None or seconds <= most)


def _strength(model: Candidate, needs: Needs, at_hand: float = 0.0) -> float:
    entry = model.entry
    strength = entry.strength + (at_hand if model.here else 0.0)
    if entry.language and entry.language == needs.language:
        strength += OWN_LANGUAGE
    if not entry.language:
        strength -= UNKNOWN_LANGUAGE
    if entry.compares and _few(needs):
        strength += COMPARES
    if entry.longest is not None and entry.longest < needs.tokens:
        strength -= TOO_SHORT
    return strength


def _few(needs: Needs) -> bool:
    return 0 < needs.rows < FEW_ROWS


def reason(tier: Tier, model: Candidate, seconds: float | None, needs: Needs) -> str:
    """Returns why a model is proposed, in one sentence."""
    entry, knows = model.entry, knowledge(model.entry)
    if tier == "fast" or not _is_within(tier, model, seconds, needs):
        return f"The quickest that {knows}."
    if seconds is None:
        return _reason_without_time(tier, model, needs)
    limit = LIMITS[tier] if needs.seconds is None else counted(needs.seconds / 60, "minute")
    if tier == "balanced" and model.here:
        return f"It is on this machine already, {knows}, and is done within {limit} here."
    if entry.compares and _few(needs):
        return f"It {knows}, was trained to compare texts, which counts with few rows, and is done within {limit} here."
    if _reads_long(entry, needs):
        return f"The strongest that {knows}, reads your longest texts whole and is done within {limit} here."
    if tier == "balanced":
        return f"The strongest of ordinary size that {knows} and is done within {limit} here."
    return f"The strongest that {knows} and is done within {limit} here."


def _reason_without_time(tier: Tier, model: Candidate, needs: Needs) -> str:
    entry, knows = model.entry, knowledge(model.entry)
    if tier == "balanced" and model.here:
        return f"It is on this machine already and {knows}."
    if entry.compares and _few(needs):
        return f"It {knows} and was trained to compare texts, which counts with few rows."
    if _reads_long(entry, needs):
        return f"The strongest that {knows} and reads your longest texts whole."
    if tier == "balanced":
        return f"The strongest of ordinary size that {knows}."
    return f"The strongest that {knows} and fits this machine."


def _reads_long(entry: Entry, needs: Needs) -> bool:
    return needs.tokens > ORDINARY_LENGTH and (entry.longest is None or entry.longest >= needs.tokens)


def knowledge(entry: Entry) -> str:
    """Returns what a model knows, as a predicate."""
    if entry.language == MANY:
        return "knows about a hundred languages"
    if not entry.language:
        return "may know your language (its files do not say)"
    return f"knows {language_name(entry.language)}"

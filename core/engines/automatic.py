"""The automatic settings of a training run, chosen by its worker from the data, the model and the machine."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engines import calibration
from core.messages import Message
from core.models.at_hand import describe
from core.models.folder import position_limit, read_config
from core.models.loading import tokenizer_failures
from core.models.scratch import POSITIONS
from core.runs.outlook import Outlook
from core.runs.proposing import describe_texts, machine_for, pace_for
from core.spec.budget.fitting import TOO_SHORT
from core.spec.recommended import LENGTHS, Choice, Facts, recommend, settled
from core.spec.run import replace

if TYPE_CHECKING:
    from core.data.loading.load import Loaded
    from core.events import Level
    from core.runs.device import Device
    from core.runs.writer import RunWriter
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

MEASURED, AT_ONCE = 2_000, 100  # texts whose length is looked at
CHARACTERS = 100_000  # of a text: more of them are more tokens than any longest text
MOST_CHARACTERS = 20_000_000  # of all texts, some seconds of a tokenizer
LENGTH, CLASS_WEIGHTS = ("model.max_length",), ("training.class_weights",)
COMPILE = "execution.torch_compile"
BATCH_SIZE = ("training.per_device_train_batch_size",)
USUAL_WIDTH = 768
# Compiling a model takes this long on a GPU, and steps then take less by this share: assumed with care, as are the time
# of a step at least and the operations per second, of which only a fast GPU makes more.
COMPILE_SECONDS, COMPILED_GAIN = 120, 0.15
LEAST_STEP_SECONDS, GPU_RATE = 0.02, 2e14
PAYS_FROM = 2 * COMPILE_SECONDS / COMPILED_GAIN

logger = logging.getLogger(__name__)


def settle_length(
    spec: RunSpec, loaded: Loaded, tokenizer: Any, source: Path | None, device: Device, report: RunWriter
) -> RunSpec:
    """The spec with the longest text chosen from the texts, if that is automatic. source: the model's folder"""
    if LENGTH[0] not in spec.auto:
        return spec
    limit = POSITIONS if source is None else position_limit(read_config(source))
    facts = Facts(cut=_cut(loaded, tokenizer, report), limit=limit, device=device.kind)
    if spec.training.budget_minutes is not None and source is not None:
        rows, judged = (len(loaded.dataset[split]) for split in ("train", "eval"))
        entry, ahead = describe(source, spec.model.name).entry, Outlook(rows, judged, 0, held_out=False)
        texts, machine = describe_texts(spec.data, loaded.prepared), machine_for(spec)
        pace = pace_for(entry, spec, ahead, texts, machine) if machine.peak else None
        facts = dataclasses.replace(facts, rows=rows, pace=pace)
    return _settle(spec, recommend(spec, facts, LENGTH), report)


def settle_class_weights(spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: RunWriter) -> RunSpec:
    """The spec with the class weights chosen, if they are automatic: a head is fitted with them."""
    return _settle(spec, recommend(spec, facts_of(spec, encoded, model, device), CLASS_WEIGHTS), report)


def settle_rest(
    spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: RunWriter, begun: float | None = None
) -> RunSpec:
    """The spec with every setting chosen that is still automatic.

    begun: when this attempt began, in seconds since 1970, for a budget of time
    """
    if not spec.auto:
        return spec
    facts = facts_of(spec, encoded, model, device)
    if spec.training.budget_minutes is not None and "training.num_train_epochs" in spec.auto:
        spec = _settle(spec, recommend(spec, facts, BATCH_SIZE), report)
        report.phase(Message("Measuring how fast it learns", "measuring-pace"))
        spent = 0.0 if begun is None else max(0.0, time.time() - begun)
        pace = calibration.measure(spec, encoded, model, device, report, spent)
        facts = dataclasses.replace(facts, pace=lambda _: pace)
    spec = _settle(spec, recommend(spec, facts), report)
    if COMPILE in spec.auto:
        return _settle_compiling(spec, encoded, model, device, report)
    return spec


def facts_of(spec: RunSpec, encoded: Encoded, model: Any, device: Device) -> Facts:
    """What is known of a run once its texts are encoded and its model is loaded."""
    counts = Counter(np.asarray(encoded.train["labels"]).tolist()) if encoded.label_names else Counter()
    per_class = (
        (max(counts.values()), min(counts.get(i, 0) for i in range(len(encoded.label_names)))) if counts else None
    )
    return Facts(
        rows=len(encoded.train),
        tokens=encoded.tokens["train"],
        classes=len(encoded.label_names) or None,
        per_class=per_class,
        pretrained=spec.model.name != "scratch",
        width=getattr(model.config, "hidden_size", USUAL_WIDTH),
        device=device.kind,
    )


def _settle_compiling(spec: RunSpec, encoded: Encoded, model: Any, device: Device, report: RunWriter) -> RunSpec:
    """Nothing is said where there is no GPU: compiling pays nowhere else."""
    if device.kind != "cuda" or spec.engine == "keras":
        return replace(spec, {COMPILE: False})
    parameters = sum(p.numel() for name, p in model.named_parameters() if "embeddings" not in name)
    return _settle(spec, [compiling(spec, len(encoded.train), encoded.tokens["train"], parameters)], report)


def compiling(spec: RunSpec, rows: int, tokens: int, parameters: int) -> Choice:
    """Whether torch.compile pays in a run on a GPU, by an estimate of how long the run takes.

    rows, tokens: of the training examples; parameters: of the model without its embeddings
    """
    training = spec.training
    budget = training.max_tokens_per_batch
    batches = math.ceil(tokens / budget) if budget else math.ceil(rows / training.per_device_train_batch_size)
    once = max(batches * LEAST_STEP_SECONDS, 6 * parameters * tokens / GPU_RATE)
    minutes, least = once * training.num_train_epochs / 60, PAYS_FROM / 60
    if minutes < least:
        return Choice(
            COMPILE,
            False,
            Message.of(
                "auto-compile-short",
                "Not compiled: an estimate gives this training {minutes:.0f} minutes on a fast GPU, and compiling pays "
                "from {least:.0f} on.",
                minutes=minutes,
                least=least,
            ),
        )
    if not _can_compile():
        return Choice(
            COMPILE,
            False,
            Message.of(
                "auto-compile-cannot",
                "Not compiled, though it would pay in so long a run: torch.compile does not work on this machine; "
                "worker.log says why.",
            ),
        )
    return Choice(
        COMPILE,
        True,
        Message.of(
            "auto-compile",
            "Compiled with torch.compile: an estimate gives this training {minutes:.0f} minutes on a fast GPU, and "
            "compiling pays from {least:.0f} on.",
            minutes=minutes,
            least=least,
        ),
    )


def _can_compile() -> bool:
    """Whether torch.compile works here, tried on a small function: what it needs is more than can be looked up."""
    import torch

    if importlib.util.find_spec("triton") is None:
        return False
    numbers = torch.ones(64, device="cuda")
    try:
        return bool(torch.compile(lambda x: torch.nn.functional.gelu(x) + 1)(numbers).isfinite().all())
    except Exception as error:  # no compiler, no headers of Python, a GPU that is too old
        logger.info("torch.compile does not work here: %s", error)
        return False


def _settle(spec: RunSpec, choices: Sequence[Choice], report: RunWriter) -> RunSpec:
    for choice in choices:
        level: Level = "warning" if choice.reason.id == TOO_SHORT else "info"
        report.message(choice.reason.text, level, choice.reason.id, **choice.reason.arguments)
    return settled(spec, choices)


def _cut(loaded: Loaded, tokenizer: Any, report: RunWriter) -> dict[int, float]:
    """Longest text in tokens -> the share of training texts that it would cut, of a sample, smaller for long texts."""
    rows = loaded.dataset["train"]
    chosen = np.random.default_rng(0).permutation(len(rows))[:MEASURED]
    lengths: list[int] = []
    characters = 0
    for start in range(0, len(chosen), AT_ONCE):
        report.check_stop()
        part = rows.select(np.sort(chosen[start : start + AT_ONCE]))
        columns = [[text[:CHARACTERS] for text in part[name][:]] for name in loaded.text_columns]
        with tokenizer_failures("the tokenizer of this model failed"):
            lengths += map(len, tokenizer(*columns, verbose=False)["input_ids"])
        characters += sum(len(text) for column in columns for text in column)
        if characters > MOST_CHARACTERS:
            break
    tokens = np.array(lengths)
    return {length: float((tokens > length).mean()) for length in LENGTHS}

"""The automatic settings of a training run, chosen by its worker from the data, the model and the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.models.folder import position_limit, read_config
from core.models.loading import tokenizer_failures
from core.models.scratch import POSITIONS
from core.spec.recommended import LENGTHS, Choice, Facts, recommend, settled

if TYPE_CHECKING:
    from core.data.loading.load import Loaded
    from core.runs.device import Device
    from core.runs.writer import RunWriter
    from core.spec.run import RunSpec
    from core.tasks.texts import Encoded

MEASURED, AT_ONCE = 2_000, 100  # texts whose length is looked at
CHARACTERS = 100_000  # of a text: more of them are more tokens than any longest text
MOST_CHARACTERS = 20_000_000  # of all texts, some seconds of a tokenizer
LENGTH, CLASS_WEIGHTS = ("model.max_length",), ("training.class_weights",)
USUAL_WIDTH = 768


def settle_length(
    spec: RunSpec, loaded: Loaded, tokenizer: Any, source: Path | None, device: Device, report: RunWriter
) -> RunSpec:
    """The spec with the longest text chosen from the texts, if that is automatic. source: the model's folder"""
    if LENGTH[0] not in spec.auto:
        return spec
    limit = POSITIONS if source is None else position_limit(read_config(source))
    facts = Facts(cut=_cut(loaded, tokenizer, report), limit=limit, device=device.kind)
    return _settle(spec, recommend(spec, facts, LENGTH), report)


def settle_rest(
    spec: RunSpec,
    encoded: Encoded,
    model: Any,
    device: Device,
    report: RunWriter,
    paths: Sequence[str] | None = None,
) -> RunSpec:
    """The spec with every setting chosen that is still automatic. paths: of those alone; None for all"""
    if not spec.auto:
        return spec
    return _settle(spec, recommend(spec, facts_of(spec, encoded, model, device), paths), report)


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


def _settle(spec: RunSpec, choices: Sequence[Choice], report: RunWriter) -> RunSpec:
    for choice in choices:
        report.message(choice.reason.text, "info", choice.reason.id, **choice.reason.arguments)
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

"""A classifier's ONNX file (`core.evaluation.fast.onnx_file`) for others: its tokenizer, and a check against torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from core.errors import ModelError
from core.evaluation.fast import onnx_file
from core.evaluation.trained_model import TrainedModel
from core.machine import physical_cores
from core.runs.device import set_threads
from core.sharing.model.inputs import Inputs

TOKENIZER = "tokenizer.json"
TOLERANCE = 1e-3  # of a probability; correct conversions differ by 1e-5
BATCHES = (1, 2, 3, 8, 32)  # the batch sizes of a comparison, in turn
EXTREMES = 20  # how many of the shortest and of the longest texts are always compared
TIMED_TEXTS, TIMED_BATCH, ROUNDS, TIMED_S = 32, 8, 5, 20.0

Tick = Callable[[str, float | None], None]


def check_kind(model: TrainedModel) -> None:
    """Raise ModelError for a model that cannot be exported to ONNX, before any work is done."""
    kind = model.model.config.model_type
    if kind in onnx_file.NOT_EXPORTED:
        raise ModelError.of(
            "kind-not-onnx",
            "{model} is a model of type {kind}, which cannot be converted to ONNX; export it as safetensors",
            model=model.title,
            kind=kind,
        )
    _check_tokenizer(model)


def _check_tokenizer(model: TrainedModel) -> None:
    if not model.tokenizer.is_fast:
        raise ModelError.of(
            "tokenizer-not-exportable",
            "the tokenizer of {model} exists only in Python, so this form cannot include it; choose safetensors",
            model=model.title,
        )


def write(model: TrainedModel, folder: Path) -> None:
    """Write model.onnx into `folder`. Raises ModelError."""
    try:
        onnx_file.write(model, folder)
    except onnx_file.NotConvertedError as error:
        raise ModelError.of(
            "onnx-failed",
            "{model} could not be converted to ONNX ({reason}); export it as safetensors",
            model=model.title,
            reason=str(error),
        ) from error


def quantise(folder: Path, title: str) -> None:
    """Quantise the weights in model.onnx from 32 to 8 bits. Raises ModelError."""
    try:
        onnx_file.quantise(folder)
    except onnx_file.NotConvertedError as error:
        raise ModelError.of(
            "weights-not-quantised",
            "the weights of {model} cannot be quantised ({reason}); export ONNX without int8",
            model=title,
            reason=str(error),
        ) from error


def write_tokenizer(model: TrainedModel, path: Path) -> None:
    """Write a tokenizer.json with the model's truncation and padding. Raises ModelError."""
    _check_tokenizer(model)
    tokenizer = model.tokenizer
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.enable_truncation(model.max_length, direction=tokenizer.truncation_side)
    backend.enable_padding(
        direction=tokenizer.padding_side,
        pad_id=tokenizer.pad_token_id,
        pad_token=tokenizer.pad_token,
        pad_type_id=tokenizer.pad_token_type_id,
    )
    backend.save(str(path))


class Runtime:
    """Runs a folder's model.onnx and tokenizer.json, as the exported predict.py does."""

    def __init__(self, folder: Path) -> None:
        self.session = onnx_file.session(folder / onnx_file.MODEL)
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.wanted = [put.name for put in self.session.get_inputs()]

    def encode(self, texts: Sequence[Sequence[str]]) -> list[Any]:
        """The tokenizer's encodings, padded to the longest text."""
        return list(self.tokenizer.encode_batch([text[0] if len(text) == 1 else tuple(text) for text in texts]))

    def tokens(self, texts: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """The model's inputs for a batch, by name: int64 (texts, longest)."""
        rows = self.encode(texts)
        fields = {
            "input_ids": [row.ids for row in rows],
            "attention_mask": [row.attention_mask for row in rows],
            "token_type_ids": [row.type_ids for row in rows],
        }
        return {name: np.array(fields[name], dtype=np.int64) for name in self.wanted}

    def run(self, tokens: dict[str, np.ndarray]) -> np.ndarray:
        """Probabilities: float32 (texts, classes)."""
        (probabilities,) = self.session.run(["probabilities"], tokens)
        return np.asarray(probabilities)

    def probabilities(self, texts: Sequence[Sequence[str]], batches: Sequence[np.ndarray], tick: Tick) -> np.ndarray:
        """Probabilities in the order of `texts`: float32 (texts, classes). batches: indices that cover all texts"""
        parts = []
        for done, batch in enumerate(batches, 1):
            parts.append(self.run(self.tokens([texts[i] for i in batch])))
            tick("Asking ONNX", done / len(batches))
        stacked = np.concatenate(parts)
        return stacked[np.argsort(np.concatenate(batches), kind="stable")]


def mixed_batches(count: int) -> list[np.ndarray]:
    """The indices of `count` texts, in order, in batches of the sizes of BATCHES."""
    batches: list[np.ndarray] = []
    start = 0
    while start < count:
        size = BATCHES[len(batches) % len(BATCHES)]
        batches.append(np.arange(start, min(count, start + size)))
        start += size
    return batches


def like_batches(texts: Sequence[Sequence[str]], size: int = TIMED_BATCH) -> list[np.ndarray]:
    """The indices of the texts in batches of similar length, so that little padding is needed."""
    order = np.argsort([sum(map(len, text)) for text in texts], kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]


def some(texts: Sequence[Sequence[str]], count: int) -> np.ndarray:
    """The indices of at most `count` texts in random order, with the shortest and longest among them."""
    order = np.argsort([sum(map(len, text)) for text in texts], kind="stable")
    first = np.concatenate([order[:EXTREMES], order[-EXTREMES:]])
    rest = np.random.default_rng(0).permutation(len(texts))
    _, places = np.unique(np.concatenate([first, rest]), return_index=True)
    chosen = np.concatenate([first, rest])[np.sort(places)][:count]
    return np.random.default_rng(1).permutation(chosen)


@dataclass(frozen=True)
class Reference:
    """Torch's results for some texts: their token ids, and probabilities, float32 (texts, classes)."""

    texts: list[tuple[str, ...]]
    tokens: list[list[int]]
    probabilities: np.ndarray


def reference(model: TrainedModel, inputs: Inputs, count: int, tick: Tick) -> Reference:
    """Torch's results for at most `count` of the texts, computed as in the playground."""
    texts = [inputs.texts[i] for i in some(inputs.texts, count)]
    tokens = [example["input_ids"] for example in model.encode(texts)]
    return Reference(texts, tokens, inputs.task.answers.shares(model.logits(texts, tick), model.temperature))


def check(model: TrainedModel, folder: Path, inputs: Inputs, known: Reference, tick: Tick) -> dict[str, Any]:
    """Compare the file's tokens and probabilities with torch's. Raises ModelError if they differ."""
    runtime = Runtime(folder)
    for ids, row in zip(known.tokens, runtime.encode(known.texts), strict=True):
        if ids != [i for i, kept in zip(row.ids, row.attention_mask, strict=True) if kept]:
            raise ModelError.of(
                "tokenizer-differs-outside",
                "the tokenizer of {model} produces other tokens outside transformers; choose safetensors",
                model=model.title,
            )
    probabilities = runtime.probabilities(known.texts, mixed_batches(len(known.texts)), tick)
    lengths = [len(ids) for ids in known.tokens]
    return compared("ONNX", known.probabilities, probabilities, inputs, model.title) | {
        "tokens": [min(lengths), max(lengths)],
        "batch_sizes": list(BATCHES),
    }


def compared(form: str, reference: np.ndarray, converted: np.ndarray, inputs: Inputs, title: str) -> dict[str, Any]:
    """Compare probabilities with torch's, both (texts, classes). Raises ModelError if they differ by > TOLERANCE."""
    difference = float(np.abs(reference - converted).max()) if np.isfinite(converted).all() else float("nan")
    if not difference <= TOLERANCE:
        raise ModelError.of(
            "converted-model-differs",
            "the {form} file of {model} predicts differently from torch (a probability differs by "
            "{difference:.2g}; at most {most:g} is allowed), so it was deleted; choose safetensors",
            form=form,
            model=title,
            difference=difference,
            most=TOLERANCE,
        )
    return {
        "texts": len(reference),
        "of": inputs.source,
        "max_difference": difference,
        "tolerance": TOLERANCE,
        "same_class": int((reference.argmax(axis=1) == converted.argmax(axis=1)).sum()),
    }


def cost(before: np.ndarray, after: np.ndarray, inputs: Inputs) -> dict[str, Any]:
    """What int8 changes. before, after: the probabilities of the same texts, (texts, classes)"""
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    changes: dict[str, Any] = {
        "texts": len(before),
        "of": inputs.source,
        "same_class": int((first == second).sum()),
        "max_difference": float(np.abs(before - after).max()),
    }
    if inputs.labels is None:
        return changes
    fp32, int8, gaps = inputs.task.answers.change(inputs.metrics, before, after, np.asarray(inputs.labels))
    return changes | {
        "metrics": {n: {"fp32": fp32[n], "int8": int8[n], "difference": gap.tree()} for n, gap in gaps.items()},
    }


def speed(model: TrainedModel, runtimes: dict[str, Runtime], inputs: Inputs, tick: Tick) -> dict[str, Any]:
    """The speed of each runtime relative to torch, with the same tokens, in alternation, on this machine's CPU."""
    texts = [inputs.texts[i] for i in some(inputs.texts, TIMED_TEXTS + 2 * EXTREMES)][:TIMED_TEXTS]
    batches = [[texts[i] for i in places] for places in like_batches(texts)]
    tokens = [model.batch(model.encode(batch)) for batch in batches]
    arrays = {name: [runtime.tokens(batch) for batch in batches] for name, runtime in runtimes.items()}
    seconds = dict.fromkeys(["torch", *runtimes], 0.0)
    set_threads(physical_cores())
    began = time.perf_counter()
    for number in range(ROUNDS + 1):  # the first round warms up and does not count
        for place in range(len(batches)):
            started = time.perf_counter()
            with torch.inference_mode():
                model.model(**tokens[place])
            spent = {"torch": time.perf_counter() - started}
            for name, runtime in runtimes.items():
                started = time.perf_counter()
                runtime.run(arrays[name][place])
                spent[name] = time.perf_counter() - started
            for name in spent:
                seconds[name] += spent[name] if number else 0.0
            tick("Measuring speed", (number * len(batches) + place + 1) / (len(batches) * (ROUNDS + 1)))
        if number and time.perf_counter() - began > TIMED_S:
            break
    return {name: round(seconds["torch"] / seconds[name], 2) for name in runtimes} | {"batch": TIMED_BATCH}

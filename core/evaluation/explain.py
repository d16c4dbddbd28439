"""Which words led the model to its answer.

Integrated gradients (Sundararajan et al., 2017; Captum): the words' shares of the change in probability from a text of
padding to this text. They add up to that change, apart from an error that is reported. Occlusion: how far the
probability falls when a word is masked; every word is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from core.errors import ModelError

if TYPE_CHECKING:
    from core.evaluation.trained_model import TrainedModel

Method = Literal["integrated_gradients", "occlusion"]
STEPS, STEPS_AT_ONCE = (50, 200, 800), 16  # more where fewer are not exact
EXACT, MOST_WORK = 0.02, 10_000  # of probability; tokens times steps after which it is left at that
MOST_WORDS = 400  # that are masked one by one


def explain(model: TrainedModel, texts: Sequence[str], method: Method, target: int | None = None) -> dict[str, Any]:
    """The words of one text, or of a pair, each with its score for the class `target` (None: the predicted one).

    Returns `words` (part, start, end: characters of the part; score), `target`, `probability`, `baseline` (that of the
    text of padding), and `error`, what integrated gradients leave unexplained. Raises ModelError.
    """
    if not model.tokenizer.is_fast:
        raise ModelError.of(
            "slow-tokenizer",
            "{model} has a slow tokenizer, which does not say where its tokens come from",
            model=model.title,
        )
    encoding = model.tokenizer(*texts, truncation=True, max_length=model.max_length, return_offsets_mapping=True)
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoding]
    inputs = {name: torch.tensor([encoding[name]], device=model.device.kind) for name in names}
    places = _places(encoding)
    probabilities = _shares(model, inputs)[0]
    target = int(probabilities.argmax()) if target is None else target
    if method == "integrated_gradients":
        tokens, baseline, error = _integrated_gradients(model, inputs, places, target)
        scores = [float(tokens[group["tokens"]].sum()) for group in places]
    else:
        scores, baseline, error = _occlusion(model, inputs, places, target), None, None
    words = [
        {"part": group["part"], "start": group["start"], "end": group["end"], "score": score}
        for group, score in zip(places, scores, strict=True)
    ]
    return {
        "words": words,
        "target": target,
        "probability": float(probabilities[target]),
        "baseline": baseline,
        "error": error,
        "method": method,
        "tokens": len(encoding["input_ids"]),
    }


def _places(encoding: Any) -> list[dict[str, Any]]:
    """The words: which tokens they are, and where in which text they stand."""
    groups: dict[tuple[int, int], dict[str, Any]] = {}
    for token, (word, part) in enumerate(zip(encoding.word_ids(), encoding.sequence_ids(), strict=True)):
        if word is None or part is None:
            continue
        start, end = encoding["offset_mapping"][token]
        group = groups.setdefault((part, word), {"part": part, "start": start, "end": end, "tokens": []})
        group["tokens"].append(token)
        group["start"], group["end"] = min(group["start"], start), max(group["end"], end)
    return list(groups.values())


def _shares(model: TrainedModel, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    with torch.inference_mode():
        logits = model.model(**inputs).logits.float() / model.temperature
    return logits.softmax(-1).cpu().numpy()


def _integrated_gradients(
    model: TrainedModel, inputs: dict[str, torch.Tensor], places: list[dict[str, Any]], target: int
) -> tuple[np.ndarray, float, float]:
    """Scores per token, the probability of the text of padding, and the error of their sum."""
    from captum.attr import LayerIntegratedGradients

    ids = inputs["input_ids"]
    empty = ids.clone()
    empty[0, [token for group in places for token in group["tokens"]]] = model.tokenizer.pad_token_id
    others = {name: values for name, values in inputs.items() if name != "input_ids"}

    def share(ids: torch.Tensor) -> torch.Tensor:
        more = {name: values.expand(len(ids), -1) for name, values in others.items()}
        logits = model.model(input_ids=ids, **more).logits.float() / model.temperature
        return logits.softmax(-1)[:, target]

    gradients = LayerIntegratedGradients(share, model.model.get_input_embeddings())
    baseline = float(_shares(model, inputs | {"input_ids": empty})[0][target])
    for steps in STEPS:
        attributions, delta = gradients.attribute(
            ids, baselines=empty, n_steps=steps, internal_batch_size=STEPS_AT_ONCE, return_convergence_delta=True
        )
        error = float(delta.abs().max())
        if error < EXACT or steps * ids.shape[1] > MOST_WORK:
            break
    return attributions.sum(-1)[0].detach().cpu().numpy(), baseline, error


def _occlusion(
    model: TrainedModel, inputs: dict[str, torch.Tensor], places: list[dict[str, Any]], target: int
) -> list[float]:
    """How far the probability falls without each word; in a long text, several words are masked together."""
    mask = model.tokenizer.mask_token_id
    mask = model.tokenizer.pad_token_id if mask is None else mask
    together = -(-len(places) // MOST_WORDS)
    groups = [places[i : i + together] for i in range(0, len(places), max(1, together))]
    whole = _shares(model, inputs)[0][target]
    falls: list[float] = []
    for start in range(0, len(groups), STEPS_AT_ONCE):
        some = groups[start : start + STEPS_AT_ONCE]
        batch = {name: values.repeat(len(some), 1) for name, values in inputs.items()}
        for line, group in enumerate(some):
            batch["input_ids"][line, [token for word in group for token in word["tokens"]]] = mask
        falls += (whole - _shares(model, batch)[:, target]).tolist()
    return [fall / len(group) for group, fall in zip(groups, falls, strict=True) for _ in group]

"""Whether a run computes without padding, and what a model needs for it besides the attention: where its head reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from core.engines.padding_free import attention
from core.engines.padding_free.attention import BOUNDARIES
from core.errors import Problem, SpecError
from core.events import Reporter
from core.messages import Message
from core.runs.device import Device
from core.spec.run import RunSpec

# Encoders whose classifier reads one state of each text, and whose tokens know their places from `position_ids`.
TYPES = {
    "bert": "BERT",
    "roberta": "RoBERTa",
    "xlm-roberta": "XLM-RoBERTa",
    "camembert": "CamemBERT",
    "distilbert": "DistilBERT",
    "modernbert": "ModernBERT",
}
Obstacle = Literal["type", "settings", "device", ""]

logger = logging.getLogger(__name__)


def chosen(spec: RunSpec, model: Any, tokenizer: Any, device: Device) -> bool:
    """Whether this run computes without padding. Raises SpecError if it is told to and cannot."""
    wanted = spec.execution.padding_free
    if wanted == "off" or (wanted == "auto" and (device.kind != "cuda" or spec.model.padding == "max_length")):
        return False
    obstacle = _obstacle(model, tokenizer, device)
    if wanted == "on" and obstacle:
        raise SpecError([_refusal(obstacle, model, device)])
    return not obstacle


def tell(spec: RunSpec, model: Any, tokenizer: Any, device: Device, report: Reporter) -> bool:
    """`chosen`, said to the person: always on a GPU, elsewhere only where it was asked for."""
    without = chosen(spec, model, tokenizer, device)
    if without:
        message = Message.of(
            "padding-free", "Batches have no padding: their texts lie end to end, and each sees only itself."
        )
    elif device.kind != "cuda":
        return without
    else:
        message = Message.of("padded-batches", "Each batch is padded to its longest text.")
        if spec.execution.padding_free == "auto" and spec.model.padding != "max_length":
            message = _note(_obstacle(model, tokenizer, device), model)
    report.message(message.text, "info", message.id, **message.arguments)
    return without


def _obstacle(model: Any, tokenizer: Any, device: Device) -> Obstacle:
    config = model.config
    if config.model_type not in TYPES or not type(model).__name__.endswith("ForSequenceClassification"):
        return "type"
    odd = (
        getattr(config, "is_decoder", False)
        or getattr(config, "chunk_size_feed_forward", 0)
        or getattr(config, "output_attentions", False)
        or getattr(config, "output_hidden_states", False)
        or not getattr(config, "return_dict", True)
        or tokenizer.padding_side != "right"  # padding before a text moves its positions
    )
    if odd or getattr(config, "_attn_implementation", None) != "sdpa":
        return "settings"
    if device.kind == "cpu":
        return ""
    size = config.hidden_size // config.num_attention_heads
    fits = size % attention.HEAD_MULTIPLE == 0 and size <= attention.HEAD_MOST
    return "" if device.kind == "cuda" and fits and attention.kernel_works(device.precision) else "device"


def _refusal(obstacle: Obstacle, model: Any, device: Device) -> Problem:
    path = "execution.padding_free"
    match obstacle:
        case "type":
            return Problem.of(
                "padding-free-type",
                "only classifiers of the types {types} compute without padding, and this model is of type "
                "{model_type!r}; choose automatic or off",
                path,
                types=list(TYPES.values()),
                model_type=str(model.config.model_type),
            )
        case "settings":
            return Problem.of(
                "padding-free-settings",
                "settings in the config.json of this model or of its tokenizer do not go with batches without padding; "
                "choose automatic or off",
                path,
            )
        case _:
            return Problem.of(
                "padding-free-device",
                "this computer's {device} has no kernel for batches without padding in {precision}: they need an "
                "NVIDIA GPU of 2020 or later and bf16 or fp16; choose automatic or off",
                path,
                device=device.title,
                precision=device.precision,
            )


def _note(obstacle: Obstacle, model: Any) -> Message:
    match obstacle:
        case "type":
            return Message.of(
                "padded-batches-type",
                "Each batch is padded to its longest text: only classifiers of the types {types} compute without "
                "padding, and this model is of type {model_type!r}.",
                types=list(TYPES.values()),
                model_type=str(model.config.model_type),
            )
        case "settings":
            return Message.of(
                "padded-batches-settings",
                "Each batch is padded to its longest text: settings in the config.json of this model or of its "
                "tokenizer do not go with batches without padding.",
            )
        case _:
            return Message.of(
                "padded-batches-device",
                "Each batch is padded to its longest text: batches without padding need an NVIDIA GPU of 2020 or "
                "later, and bf16 or fp16.",
            )


@contextmanager
def used(model: Any, without_padding: bool) -> Iterator[None]:
    """A context in which the model takes texts laid end to end, and nothing else; unchanged if it is not to."""
    if not without_padding:
        yield
        return
    before = model.config._attn_implementation
    model.set_attn_implementation(attention.NAME)
    handle = model.base_model.register_forward_hook(_one_state_per_text, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
        try:
            model.set_attn_implementation(before)
        except Exception:  # as `cpu_dropout` has it: what was trained is worth more than a tidy end
            logger.exception("the model keeps the attention that it was trained with")


def _one_state_per_text(body: Any, _: Any, named: dict[str, Any], output: Any) -> Any:
    """Makes of a body's states, (1, tokens of all, width), one state of each text, (texts, 1, width).

    A head reads the first token; so that is its state, or the mean where the model's config has it read the mean.
    """
    boundaries, states = named[BOUNDARIES], output.last_hidden_state[0]
    if getattr(body.config, "classifier_pooling", "cls") == "mean":
        pooled = _means(states, boundaries)
    else:
        pooled = states[boundaries[:-1].long()]
    output.last_hidden_state = pooled[:, None]
    if getattr(body, "pooler", None) is not None:
        output.pooler_output = body.pooler(output.last_hidden_state)
    return output


def _means(states: torch.Tensor, boundaries: torch.Tensor) -> torch.Tensor:
    """The mean of each text's states, (texts, width): a product with the share of each token, in full precision."""
    places = torch.arange(len(states), device=states.device)
    inside = (boundaries[:-1, None] <= places) & (places < boundaries[1:, None])
    with torch.autocast(states.device.type, enabled=False):
        shares = inside / inside.sum(1, keepdim=True)
        return (shares.float() @ states.float()).to(states.dtype)

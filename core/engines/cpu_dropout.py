"""Dropout on a CPU without the cost of torch's: in hidden layers, and inside attention.

torch draws each element's fate by itself, on one thread (`bernoulli_`), and its attention with dropout makes half a
dozen passes over matrices that do not fit the cache. Here one draw of 64 bits decides on four elements, and attention
goes head by head through matrices that stay in the cache. The same operation on the same distribution, with the share
rounded to 1/65,536; measured on reviews with a 6-layer model, a step takes nearly a third less time.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from core.runs.device import Device

NAME = "tunedeck_cpu"
OURS = (torch.float32, torch.bfloat16)
LEVELS, LOWEST = 2**16, -(2**15)
CHUNK_BYTES = 2**20  # of scores at a time; the best of 256 kB to 4 MB, half of a core's cache

logger = logging.getLogger(__name__)


@contextmanager
def used(model: Any, device: Device, compiled: bool) -> Iterator[None]:
    """A context in which the model has our dropout, where that is faster: on a CPU, and not under torch.compile."""
    if device.kind != "cpu" or compiled:
        yield
        return
    before = getattr(model.config, "_attn_implementation", None)
    changed = put_into(model)
    try:
        yield
    finally:
        _take_out(model, changed, before)


def put_into(model: Any) -> list[nn.Dropout]:
    """The dropout of a model's hidden layers, and of its attention where that is torch's own, becomes ours.

    Returns the layers that were changed: a model may put others in their place while it computes, as BigBird does.
    """
    changed = _dropouts(model)
    for module in changed:
        module.forward = partial(_forward, module)
    if getattr(model.config, "_attn_implementation", None) == "sdpa":
        model.set_attn_implementation(NAME)
    return changed


def _take_out(model: Any, changed: list[nn.Dropout], attention_before: str | None) -> None:
    """Undo `put_into`. Never fails: what was trained is worth more than a tidy end, and ours computes as torch's."""
    for module in changed:
        module.__dict__.pop("forward", None)
    if attention_before == "sdpa":
        try:
            model.set_attn_implementation(attention_before)
        except Exception:  # whatever a model's class makes of it; what is saved names no attention of ours
            logger.exception("the model keeps the attention that it was trained with")


def _dropouts(model: Any) -> list[nn.Dropout]:
    return [module for module in model.modules() if type(module) is nn.Dropout]


def _forward(module: nn.Dropout, values: torch.Tensor) -> torch.Tensor:
    if not module.training or not 0 < module.p < 1 or values.dtype not in OURS or not values.requires_grad:
        return nn.functional.dropout(values, module.p, module.training)
    dropped: torch.Tensor = _Dropout.apply(values, module.p)
    return dropped


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers' AttentionInterface calls it; torch's own where there is no dropout to speed up.

    query, key, value: (batch, heads, tokens, head size); returns (batch, tokens, heads, head size)
    """
    ours = (
        0 < dropout < 1
        and query.dtype in OURS
        and query.shape == key.shape == value.shape
        and not (kwargs.get("is_causal") or getattr(module, "is_causal", False))
        and kwargs.get("position_bias") is None
        and (attention_mask is None or attention_mask.dtype == torch.bool)
    )
    if not ours:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    answer = _Attention.apply(query, key, value, attention_mask, dropout, scaling)
    return answer.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def _threshold(p: float) -> tuple[int, float]:
    """Draws of 16 bits below the first are dropped; what stays is multiplied by the second."""
    dropped = min(LEVELS - 1, max(1, round(p * LEVELS)))
    return LOWEST + dropped, LEVELS / (LEVELS - dropped)


def _drawn(shape: torch.Size) -> torch.Tensor:
    """Random integers of 16 bits, four from each draw of torch's generator."""
    count = shape.numel()
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return draws.view(torch.int16)[:count].view(shape)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, p: float) -> torch.Tensor:
        threshold, ctx.scale = _threshold(p)
        kept = _drawn(values.shape).clamp_(threshold - 1, threshold).sub_(threshold - 1).to(torch.int8)
        ctx.save_for_backward(kept)
        return kept.to(values.dtype).mul_(values).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (kept,) = ctx.saved_tensors
        return kept.to(gradients[0].dtype).mul_(gradients[0]).mul_(ctx.scale), None


class _Attention(torch.autograd.Function):
    """Probabilities are kept for the way back with a minus sign where they were dropped."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        p: float,
        scaling: float,
    ) -> torch.Tensor:
        batch, heads, tokens, size = query.shape
        flat = (batch * heads, tokens, size)
        q, k, v = (query * scaling).reshape(flat), key.reshape(flat), value.reshape(flat)
        threshold, scale = _threshold(p)
        signed, answer = q.new_empty(flat[0], tokens, tokens), torch.empty_like(v)
        added = None if mask is None else _additive(mask, q.dtype, batch, heads)
        for part in _parts(signed):
            scores = signed[part]
            torch.bmm(q[part], k[part].transpose(1, 2), out=scores)
            if added is not None:
                scores.add_(added[part])
            torch.softmax(scores, -1, out=scores)
            signs = _drawn(scores.shape).clamp_(threshold - 1, threshold).sub_(threshold).mul_(2).add_(1)
            scores.mul_(signs.to(q.dtype))
            torch.bmm(torch.threshold(scores, 0, 0), v[part], out=answer[part])
        ctx.save_for_backward(q, k, v, signed)
        ctx.scale, ctx.scaling, ctx.shape = scale, scaling, query.shape
        return answer.mul_(scale).view(query.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, signed = ctx.saved_tensors
        given = (gradients[0] * ctx.scale).reshape(q.shape)
        to_q, to_k, to_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        for part in _parts(signed):
            scores = signed[part]
            torch.bmm(torch.threshold(scores, 0, 0).transpose(1, 2), given[part], out=to_v[part])
            inner = torch.bmm(given[part], v[part].transpose(1, 2))
            inner = torch.ops.aten.threshold_backward(inner, scores, 0)
            inner = torch.ops.aten._softmax_backward_data(inner, scores.abs(), -1, q.dtype)
            torch.bmm(inner, k[part], out=to_q[part])
            torch.bmm(inner.transpose(1, 2), q[part], out=to_k[part])
        to_q.mul_(ctx.scaling)
        return to_q.view(ctx.shape), to_k.view(ctx.shape), to_v.view(ctx.shape), None, None, None


def _parts(scores: torch.Tensor) -> Iterator[slice]:
    """Heads whose scores, (heads, tokens, tokens), together are about CHUNK_BYTES."""
    step = max(1, CHUNK_BYTES // (scores[0].numel() * scores.element_size()))
    return (slice(start, start + step) for start in range(0, len(scores), step))


def _additive(mask: torch.Tensor, dtype: torch.dtype, batch: int, heads: int) -> torch.Tensor:
    """What a mask adds to scores: (batch * heads, 1 or tokens, tokens); one row where all queries have the same."""
    if mask.stride(2) == 0:
        mask = mask[:, :, :1]
    added = torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)
    return added.expand(batch, heads, *mask.shape[2:]).reshape(batch * heads, *mask.shape[2:])

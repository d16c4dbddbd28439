"""Attention among the tokens of each text, where the texts of a batch lie end to end.

On a GPU by torch's flash kernel for texts of various lengths, the one behind `torch.nn.attention.varlen.varlen_attn`;
that function has no dropout, so the operation below it is called, as torch's own nested tensors do. On a CPU text by
text, with the same meaning. Both are put into a model as Transformers provides for, by `AttentionInterface`. No mask is
registered with it: the boundaries of the texts say what a mask would say, and Transformers then makes none.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

from core.engines import cpu_dropout

NAME = "tunedeck_padding_free"
BOUNDARIES, LONGEST = "cu_seq_lens_q", "max_length_q"  # what Transformers calls them on the way to an attention
HEAD_MULTIPLE, HEAD_MOST = 8, 256  # sizes of a head that the kernel takes
AMPERE = (8, 0)
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
CHECKED_LENGTHS = (5, 130, 1, 64)
TOLERANCE = 0.03  # of the largest value; bf16 keeps 8 bits of a number

logger = logging.getLogger(__name__)


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers' AttentionInterface calls it, for one line of texts laid end to end.

    query, key, value: (1, heads, tokens of all texts, head size); cu_seq_lens_q: where each text begins, and the end of
    the last, int32 (texts + 1,); max_length_q: tokens of the longest; sliding_window: a token sees those less than so
    many tokens away. Returns (1, tokens, heads, head size). Raises ValueError for a padded batch, whose texts would see
    each other.
    """
    if cu_seq_lens_q is None or max_length_q is None:
        raise ValueError("this attention takes texts laid end to end, with their boundaries")
    reach = None if sliding_window is None else sliding_window - 1
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.device.type == "cpu":
        answer = text_by_text(module, query, key, value, cu_seq_lens_q, dropout, scaling, reach)
    else:
        answer = flash(query, key, value, cu_seq_lens_q, max_length_q, dropout, scaling, reach)
    return answer, None


AttentionInterface.register(NAME, attention)


def flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    boundaries: torch.Tensor,
    longest: int,
    dropout: float,
    scaling: float,
    reach: int | None,
) -> torch.Tensor:
    """By the kernel of a GPU; shapes as those of `attention`. reach: how far a token sees to both sides"""
    if query.dtype == torch.float32 and torch.is_autocast_enabled("cuda"):  # rotary embeddings may have raised it
        kind = torch.get_autocast_dtype("cuda")
        query, key, value = query.to(kind), key.to(kind), value.to(kind)
    window = -1 if reach is None else reach
    answer = torch.ops.aten._flash_attention_forward(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        boundaries,
        boundaries,
        longest,
        longest,
        dropout,
        False,  # causal
        False,  # return the mask of dropout
        scale=scaling,
        window_size_left=window,
        window_size_right=window,
    )[0]
    return answer.unsqueeze(0)


@torch.compiler.disable()
def text_by_text(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    boundaries: torch.Tensor,
    dropout: float,
    scaling: float,
    reach: int | None,
) -> torch.Tensor:
    """One text after the other, by the attention that padded batches have on a CPU; shapes as those of `attention`."""
    lengths = [end - start for start, end in pairwise(boundaries.tolist())]
    answers = []
    for q, k, v in zip(*(states.split(lengths, dim=2) for states in (query, key, value)), strict=True):
        near = None if reach is None or q.shape[2] <= reach + 1 else _near(q.shape[2], reach, q.device)
        answer, _ = cpu_dropout.attention(module, q, k, v, near, dropout=dropout, scaling=scaling, is_causal=False)
        answers.append(answer)
    return torch.cat(answers, dim=1)


def _near(tokens: int, reach: int, device: torch.device) -> torch.Tensor:
    places = torch.arange(tokens, device=device)
    return ((places[:, None] - places).abs() <= reach)[None, None]


@lru_cache(maxsize=8)
def kernel_works(precision: str) -> bool:
    """Whether this GPU has the kernel and computes with it what `text_by_text` does: tried, not believed.

    precision: fp32, bf16 or fp16, of which the kernel has the last two. A few milliseconds.
    """
    if precision not in PRECISIONS or torch.cuda.get_device_capability() < AMPERE:
        return False
    try:
        with torch.random.fork_rng(devices=[torch.cuda.current_device()]):  # what a run draws stays the same
            return all(_agrees(PRECISIONS[precision], reach) for reach in (None, 16)) and _drops(PRECISIONS[precision])
    except Exception:  # a build of torch without it, or one that has changed it: padded batches work everywhere
        logger.exception("batches without padding cannot be computed here")
        return False


def _agrees(kind: torch.dtype, reach: int | None) -> bool:
    """Whether the answers and their derivatives are those of attention text by text in fp32."""
    inputs, boundaries = _example(torch.device("cuda"))
    weights = torch.randn_like(inputs[0]).transpose(1, 2)
    results = []
    for precise in (True, False):
        query, key, value = ((one if precise else one.to(kind)).detach().requires_grad_() for one in inputs)
        if precise:
            answer = text_by_text(nn.Identity(), query, key, value, boundaries, 0.0, 0.125, reach)
        else:
            answer = flash(query, key, value, boundaries, max(CHECKED_LENGTHS), 0.0, 0.125, reach)
        derivatives = torch.autograd.grad((answer.float() * weights).sum(), (query, key, value))
        results.append([answer.float(), *(one.float() for one in derivatives)])
    return all(float((a - b).abs().max() / a.abs().max()) < TOLERANCE for a, b in zip(*results, strict=True))


def _drops(kind: torch.dtype) -> bool:
    """Whether dropout changes single answers and leaves their mean: with values of one, about one."""
    inputs, boundaries = _example(torch.device("cuda"))
    query, key, value = (one.to(kind) for one in (inputs[0], inputs[1], torch.ones_like(inputs[2])))
    answer = flash(query, key, value, boundaries, max(CHECKED_LENGTHS), 0.1, 0.125, None).float()
    return bool(answer.std() > 0) and abs(float(answer.mean()) - 1) < 0.1


def _example(device: torch.device) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Queries, keys and values of a few texts, and their boundaries."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(1, 4, sum(CHECKED_LENGTHS), 64, generator=generator).to(device) for _ in range(3)]
    ends = torch.tensor([0, *CHECKED_LENGTHS]).cumsum(0).to(device, torch.int32)
    return inputs, ends

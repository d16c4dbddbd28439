"""Our dropout on the CPU: exact derivatives, the right share, the same attention, and a model as it was afterwards."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from core.engines import cpu_dropout
from core.models import loading as model_loading
from core.runs.device import choose
from core.spec import engines as support
from core.spec.execution import ExecutionSpec


def seeded(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The same draws at each call, so that derivatives can be compared with differences."""

    def call(*inputs: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return function(*inputs)

    return call


def inputs(*shape: int, count: int = 1, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(*shape, dtype=dtype).requires_grad_() for _ in range(count)]


def test_derivatives_of_hidden_dropout() -> None:
    drop: Any = cpu_dropout._Dropout.apply
    assert torch.autograd.gradcheck(seeded(lambda values: drop(values, 0.3)), inputs(3, 5))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("chunk", [1, 2**20])
def test_derivatives_of_attention(masked: bool, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_dropout, "CHUNK_BYTES", chunk)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=torch.bool)[:, None, None].expand(2, 1, 4, 4)
    apply: Any = cpu_dropout._Attention.apply
    attend = seeded(lambda q, k, v: apply(q, k, v, mask if masked else None, 0.25, 0.5))
    assert torch.autograd.gradcheck(attend, inputs(2, 3, 4, 5, count=3))


@pytest.mark.parametrize("full_mask", [False, True])
def test_attention_is_that_of_torch(full_mask: bool) -> None:
    """At a share so small that next to nothing is dropped."""
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[1, ..., 4:] = False
    if not full_mask:
        mask = mask[:, :, :1].expand(2, 1, 6, 6)
    ours, theirs = (inputs(2, 3, 6, 8, count=3, dtype=torch.float32) for _ in range(2))
    torch.manual_seed(1)
    answer, _ = cpu_dropout.attention(torch.nn.Identity(), ours[0], ours[1], ours[2], mask, dropout=1e-9)
    expected = functional.scaled_dot_product_attention(theirs[0], theirs[1], theirs[2], attn_mask=mask).transpose(1, 2)
    torch.testing.assert_close(answer, expected, atol=1e-4, rtol=1e-4)
    weights = torch.randn(answer.shape)
    for tensor in (answer, expected):
        (tensor * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_the_share_and_the_mean_are_right(p: float) -> None:
    (values,) = inputs(1_000, 999, dtype=torch.float32)
    drop: Any = cpu_dropout._Dropout.apply
    torch.manual_seed(5)
    dropped = drop(torch.ones_like(values).requires_grad_(), p)
    share = (dropped == 0).float().mean().item()
    assert share == pytest.approx(p, abs=5 * (p * (1 - p) / values.numel()) ** 0.5 + 1e-5)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    neighbours = torch.corrcoef(torch.stack([dropped[:, :-1].flatten(), dropped[:, 1:].flatten()]))[0, 1]
    assert abs(neighbours.item()) < 0.01, "four fates of one draw do not hang together"


def test_a_model_is_as_before_and_evaluates_alike() -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37)
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    ids = torch.randint(0, 50, (3, 9))
    with torch.no_grad():
        before = model(input_ids=ids).logits
    with cpu_dropout.used(model, choose(ExecutionSpec(device="cpu")), compiled=False):
        with torch.no_grad():
            torch.testing.assert_close(model(input_ids=ids).logits, before)
        torch.manual_seed(1)
        trained = model.train()(input_ids=ids, labels=torch.tensor([0, 1, 1]))
        trained.loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for n, p in model.named_parameters())
        assert model.config._attn_implementation == cpu_dropout.NAME
        assert cpu_dropout.NAME not in model.config.to_json_string(), "checkpoints name no attention of ours"
    assert model.config._attn_implementation == "sdpa"
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(input_ids=ids).logits, before)


@pytest.fixture
def big_bird(tiny_bert: Path, tmp_path: Path) -> Path:
    """A BigBird that puts another attention in the place of its own when it sees short texts, as all of them do."""
    from transformers import AutoTokenizer, BigBirdConfig, BigBirdModel

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    config = BigBirdConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        attention_type="block_sparse",
        block_size=4,
        num_random_blocks=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    model_loading.save(BigBirdModel(config), tokenizer, tmp_path / "bigbird")
    return tmp_path / "bigbird"


@pytest.mark.parametrize("engine", ["trainer", "torch"])
def test_a_model_that_replaces_its_layers_finishes(engine: str, big_bird: Path, prepare: Any, make_loaded: Any) -> None:
    texts = [f"word{i % 7} {('bad', 'good')[i % 2]}0" for i in range(24)]
    part = (texts, [i % 2 for i in range(24)])
    setup = prepare(
        make_loaded(part, part, ("bad", "good")),
        engine=engine,
        model__name=str(big_bird),
        training__num_train_epochs=1,
        training__save_strategy="no",
        training__load_best_model_at_end=False,
    )
    importlib.import_module(support.ENGINES[engine]).train(
        setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report
    )
    assert (setup.run_dir / "model" / "model.safetensors").is_file()
    assert not any("forward" in vars(module) for module in setup.model.modules())


class Stubborn(torch.nn.Module):
    """A model whose attention can be changed once, and whose dropout vanishes while it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.config = type("Config", (), {"_attn_implementation": "sdpa"})()
        self.dropout = torch.nn.Dropout(0.1)
        self.changes = 0

    def set_attn_implementation(self, name: str) -> None:
        self.changes += 1
        if self.changes > 1:
            raise ValueError("not twice")


def test_taking_it_out_never_fails_a_run_that_is_done() -> None:
    model = Stubborn()
    with cpu_dropout.used(model, choose(ExecutionSpec(device="cpu")), compiled=False):
        patched = model.dropout
        assert "forward" in vars(patched)
        model.dropout = torch.nn.Dropout(0.1)
    assert "forward" not in vars(patched) and model.changes == 2


def test_an_error_of_the_training_is_not_hidden_by_the_end() -> None:
    with (
        pytest.raises(RuntimeError, match="the real one"),
        cpu_dropout.used(Stubborn(), choose(ExecutionSpec(device="cpu")), compiled=False),
    ):
        raise RuntimeError("the real one")

"""Batches without padding: the same answers and derivatives as padded ones, in both engines, and said where not."""

from __future__ import annotations

import importlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForSequenceClassification

from core.engines import cpu_dropout, trainer, training_run
from core.engines.padding_free import attention, batches, use
from core.engines.vocabulary import Vocabulary
from core.errors import SpecError
from core.evaluation.after_training import evaluate_run
from core.models import pooling
from core.runs import checkpoints
from core.runs.device import Device
from core.spec import engines as support
from core.spec.engines import ENGINES
from core.spec.run import from_yaml
from core.tasks.texts import pad
from tests.learning.test_fitted_head import classifier

CPU = Device("cpu", "fp32", "CPU")
TOKENIZER = SimpleNamespace(pad_token_id=0, pad_token_type_id=0, padding_side="right")
ALL_ROWS = SimpleNamespace(rows=None, renumber=lambda batch: batch)
KINDS = [*use.TYPES]


def rows(pairs: bool, seed: int = 0, count: int = 7) -> Dataset:
    """Texts of 2 to 30 tokens, some with the very token that stands for padding, in several chunks."""
    drawn = np.random.default_rng(seed)
    ids = [[1, *drawn.integers(0, 50, drawn.integers(1, 30)).tolist()] for _ in range(count)]
    columns: dict[str, Any] = {"input_ids": ids, "attention_mask": [[1] * len(line) for line in ids]}
    if pairs:
        columns["token_type_ids"] = [[int(i > len(line) // 2) for i in range(len(line))] for line in ids]
    columns["labels"] = drawn.integers(0, 3, count).tolist()
    from datasets import concatenate_datasets

    part = Dataset.from_dict(columns)
    return concatenate_datasets([part, part])


def both_batches(model: Any, dataset: Dataset, indices: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same texts padded, and laid end to end."""
    padded = pad([dataset[i] for i in indices], TOKENIZER)
    vocabulary: Any = ALL_ROWS
    (texts, _) = batches.splits(model, SimpleNamespace(train=dataset, eval=dataset), vocabulary)  # type: ignore[arg-type]
    return {n: torch.from_numpy(v) for n, v in padded.items()}, batches.collate([texts[i] for i in indices])


def shorten_the_window(model: Any) -> None:
    """Has the layers of ModernBERT that look around a token only see less than the texts have."""
    model.config.sliding_window = 3
    for module in model.modules():
        if getattr(module, "sliding_window", None):
            module.sliding_window = 4


def logits_and_gradients(model: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits = model(**inputs).logits
    torch.nn.functional.cross_entropy(logits.float(), batch["labels"]).backward()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("mean", [False, True], ids=["own", "mean"])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_and_derivatives_are_those_of_padded_batches(kind: str, mean: bool) -> None:
    model = classifier(kind)
    shorten_the_window(model)
    if mean:
        pooling.pool_mean(model)
    dataset = rows(pairs=kind == "bert")
    padded, flat = both_batches(model, dataset, [9, 0, 3, 13, 6])
    expected, gradients = logits_and_gradients(model, padded)
    with use.used(model, True):
        answer, flat_gradients = logits_and_gradients(model, flat)
        assert flat["input_ids"].shape[1] == int(padded["attention_mask"].sum()) < padded["input_ids"].numel()
    torch.testing.assert_close(answer, expected, atol=2e-6, rtol=1e-5)
    assert set(flat_gradients) == set(gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(flat_gradients[name], gradient, atol=2e-6, rtol=1e-4, msg=name)
    torch.testing.assert_close(logits_and_gradients(model, padded)[0], expected, atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_in_bf16_the_answers_are_as_near_as_bf16_is(kind: str) -> None:
    model = classifier(kind)
    padded, flat = both_batches(model, rows(pairs=False), [0, 1, 2, 3, 4, 5, 6])
    exact, _ = logits_and_gradients(model, padded)
    with use.used(model, True), torch.autocast("cpu", torch.bfloat16):
        answer, _ = logits_and_gradients(model, flat)
    assert answer.dtype == torch.bfloat16
    torch.testing.assert_close(answer.float(), exact, atol=0.02, rtol=0.05)


def test_a_text_is_answered_alike_in_any_company_and_never_in_a_padded_batch() -> None:
    model = classifier("bert")
    dataset = rows(pairs=False)
    padded, alone = both_batches(model, dataset, [4])
    _, crowd = both_batches(model, dataset, [1, 4, 2])
    with use.used(model, True), torch.no_grad():
        one, among = (model(**{n: v for n, v in b.items() if n != "labels"}).logits for b in (alone, crowd))
        torch.testing.assert_close(among[1], one[0], atol=1e-6, rtol=1e-5)
        with pytest.raises((ValueError, KeyError)):
            model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"])


def test_the_call_of_the_kernel_has_its_shapes_and_derivatives() -> None:
    """On tensors without content, through what torch says of the kernel's shapes: no GPU is needed for that."""
    q, k, v = (torch.empty(1, 4, 90, 64, device="meta", dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    ends = torch.empty(4, device="meta", dtype=torch.int32)
    for dropout, reach in ((0.1, None), (0.0, 16)):
        answer = attention.flash(q, k, v, ends, 40, dropout, 0.125, reach)
        assert answer.shape == (1, 90, 4, 64) and answer.dtype == torch.bfloat16
        assert [g.shape for g in torch.autograd.grad(answer.sum(), (q, k, v))] == [q.shape] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_reaches_the_kernel_and_back(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way of a GPU in bf16, again without content."""
    reaches: list[int | None] = []
    flash = attention.flash

    def watched(*given: Any) -> torch.Tensor:
        reaches.append(given[-1])
        return flash(*given)

    monkeypatch.setattr(attention, "flash", watched)
    model = classifier(kind)
    _, flat = both_batches(model, rows(pairs=kind == "bert"), [0, 1, 2])
    batch = {name: value.to("meta") if isinstance(value, torch.Tensor) else value for name, value in flat.items()}
    labels = batch.pop("labels")
    model = model.to("meta", torch.bfloat16).train()
    with use.used(model, True):
        logits = model(**batch).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
    assert logits.shape == (3, 3) and len(reaches) == 2
    assert all(reach is None for reach in reaches) or (kind == "modernbert" and 64 in reaches)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_it_compiles_to_one_graph_for_all_batches(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_blocks(_: Any, q: Any, k: Any, v: Any, ends: Any, dropout: float, scaling: float, reach: Any) -> Any:
        places = torch.arange(q.shape[2])
        owner = (places[:, None] >= ends[1:]).sum(1)
        mask = owner[:, None] == owner
        near = mask if reach is None else mask & ((places[:, None] - places).abs() <= reach)
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, near, scale=scaling).transpose(1, 2)

    monkeypatch.setattr(attention, "text_by_text", in_blocks)  # ours goes text by text, which no graph can
    model = classifier(kind)
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph

    compiled = torch.compile(model, dynamic=True, backend=backend, fullgraph=True)
    for indices in ([0, 1, 2], [3, 4, 5, 6]):
        padded, flat = both_batches(model, rows(pairs=False), indices)
        expected, _ = logits_and_gradients(model, padded)
        with use.used(model, True):
            answer, _ = logits_and_gradients(compiled, flat)
        torch.testing.assert_close(answer, expected, atol=2e-6, rtol=1e-5)
    assert len(graphs) == 1
    torch.compiler.reset()


def test_the_reference_of_the_kernel_is_torchs_own_attention() -> None:
    (q, k, v), ends = attention._example(torch.device("cpu"))
    ours = attention.text_by_text(torch.nn.Identity(), q, k, v, ends, 0.0, 0.125, None)
    for start, end in pairwise(ends.tolist()):
        text = [one[:, :, start:end] for one in (q, k, v)]
        theirs = torch.nn.functional.scaled_dot_product_attention(text[0], text[1], text[2], scale=0.125)
        torch.testing.assert_close(ours[:, start:end], theirs.transpose(1, 2), atol=1e-5, rtol=1e-5)


def test_dropout_drops_in_the_attention_of_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    apply = cpu_dropout.attention

    def watched(*arguments: Any, **named: Any) -> Any:
        asked.append(named["dropout"])
        return apply(*arguments, **named)

    monkeypatch.setattr(cpu_dropout, "attention", watched)
    model = classifier("bert").train()
    _, flat = both_batches(model, rows(pairs=False), [0, 1, 2])
    with cpu_dropout.used(model, CPU, False), use.used(model, True):
        torch.manual_seed(1)
        one, _ = logits_and_gradients(model, flat)
        other, _ = logits_and_gradients(model, flat)
    assert asked == [0.1] * 3 * 2 * 2 and not torch.equal(one, other)
    assert model.config._attn_implementation == "sdpa"


def run(setup: Any, resume: Path | None = None) -> None:
    importlib.import_module(ENGINES[setup.spec.engine]).train(
        setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report, resume
    )


@pytest.mark.parametrize("engine", ["trainer", "torch"])
def test_a_run_learns_the_same_as_with_padding(
    engine: str, prepare: Any, make_loaded: Any, new_recorder: Any, tiny_bert: Path, tmp_path: Path
) -> None:
    still = tmp_path / "still"
    network = AutoModelForSequenceClassification.from_pretrained(
        tiny_bert, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    network.bert.save_pretrained(still)
    for file in tiny_bert.glob("tokenizer*"):
        (still / file.name).write_bytes(file.read_bytes())
    reports = []
    for wanted in ("off", "on"):
        report = new_recorder()
        setup = prepare(
            loaded=make_loaded(70),
            report=report,
            folder=wanted,
            engine=engine,
            model__name=str(still),
            execution__padding_free=wanted,
            training__num_train_epochs=2,
            training__logging_steps=1,
            training__learning_rate=1e-3,
            training__gradient_accumulation_steps=2,
            training__train_sampling_strategy="random",
        )
        run(setup)
        reports.append(report)
        result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, report)
        assert result.metrics["accuracy"] == pytest.approx(max(report.series("eval_accuracy")))
    padded, flat = reports
    assert "padding-free" in flat.codes - padded.codes
    assert padded.steps == flat.steps
    for name in ("loss", "learning_rate", "grad_norm", "eval_loss", "eval_accuracy"):
        np.testing.assert_allclose(flat.series(name), padded.series(name), rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("engine", ["trainer", "torch"])
def test_a_stopped_run_goes_on_to_the_same_weights(
    engine: str, prepare: Any, make_loaded: Any, new_recorder: Any
) -> None:
    """With dropout, on the CPU."""
    settings: dict[str, Any] = {"engine": engine, "execution__padding_free": "on", "training__num_train_epochs": 1}
    settings |= {
        "loaded": make_loaded(64, 8),
        "training__eval_strategy": "no",
        "training__load_best_model_at_end": False,
    }
    whole = prepare(report=new_recorder(), folder="whole", **settings)
    run(whole)
    stopped = prepare(report=new_recorder(stop_at=3), folder="stopped", **settings)
    run(stopped)
    again = prepare(report=new_recorder(), folder="again", **settings)
    run(again, checkpoints.latest(stopped.run_dir))
    for (name, one), other in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_the_run_says_which_it_uses(make_spec: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, model = Device("cuda", "bf16", "a GPU"), classifier("bert")
    fp32 = replace(gpu, precision="fp32")
    monkeypatch.setattr(attention, "kernel_works", lambda precision: precision != "fp32")
    tell = lambda spec, model, device: use.tell(spec, model, TOKENIZER, device, recorder)  # noqa: E731
    assert not tell(make_spec(), model, CPU) and not recorder.codes
    assert tell(make_spec(), model, gpu) and recorder.codes == {"padding-free"}
    assert not tell(make_spec(), model, fp32) and "padded-batches-device" in recorder.codes
    assert not tell(make_spec(), classifier("electra"), gpu) and "padded-batches-type" in recorder.codes
    model.config.is_decoder = True
    assert not tell(make_spec(), model, gpu) and "padded-batches-settings" in recorder.codes
    for changes in ({"execution__padding_free": "off"}, {"model__padding": "max_length"}):
        assert not tell(make_spec(**changes), classifier("bert"), gpu)
    assert "padded-batches" in recorder.codes


@pytest.mark.parametrize(
    ("kind", "device", "code"),
    [
        ("electra", CPU, "padding-free-type"),
        ("bert", Device("mps", "fp32", "Apple GPU"), "padding-free-device"),
        ("bert", Device("cuda", "fp32", "a GPU"), "padding-free-device"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_asked_for(kind: str, device: Device, code: str, make_spec: Any) -> None:
    with pytest.raises(SpecError) as refusal:
        use.chosen(make_spec(execution__padding_free="on"), classifier(kind), TOKENIZER, device)
    assert [problem.id for problem in refusal.value.problems] == [code]


def test_settings_that_exclude_it_are_refused_before_the_start(make_spec: Any) -> None:
    def codes(**changes: Any) -> list[str]:
        return [p.id for p in support.problems(make_spec(execution__padding_free="on", **changes), "bert")]

    assert codes(engine="keras") == ["keras-pads"]
    assert codes(model__padding="max_length") == ["padding-free-and-padded"]
    assert not codes() and not codes(engine="torch")
    assert from_yaml("execution: {padding_free: on}").execution.padding_free == "on", "which YAML reads as true"


def test_rows_of_the_embedding_are_renumbered(prepare: Any) -> None:
    setup = prepare(execution__padding_free="on")
    vocabulary = Vocabulary(setup.model, setup.encoded, setup.spec.training)
    (texts, _) = batches.splits(setup.model, setup.encoded, vocabulary)
    whole = torch.tensor([setup.encoded.train[i]["input_ids"] for i in (3,)])
    batch = texts.laid_out([3])
    rows_used = np.arange(10**6) if vocabulary.rows is None else vocabulary.rows
    assert rows_used[batch["input_ids"].numpy()].tolist() == whole.tolist()


class Reads(TorchDispatchMode):
    """Counts how often a number of a tensor is read, for which a program waits until a GPU has come so far."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("engine", ["trainer", "torch"])
def test_a_step_waits_for_nothing(engine: str, prepare: Any, make_loaded: Any, new_recorder: Any) -> None:
    counts = []
    for examples in (40, 120):
        setup = prepare(
            loaded=make_loaded(examples, 8),
            report=new_recorder(),
            folder=str(examples),
            engine=engine,
            execution__padding_free="on",
            training__num_train_epochs=1,
            training__logging_steps=1000,
            training__eval_strategy="no",
            training__save_strategy="no",
            training__load_best_model_at_end=False,
        )
        with Reads() as reads:
            run(setup)
        assert setup.report.steps[-1] == (examples // 8, examples // 8)
        counts.append(reads.count)
    assert counts[0] == counts[1] > 0


def test_copies_to_a_gpu_do_not_wait(make_spec: Any, tmp_path: Path) -> None:
    for kind in ("cuda", "cpu"):
        args = trainer.arguments(make_spec(), Device(kind, "fp32", kind), tmp_path)
        assert args.accelerator_config.non_blocking == args.dataloader_pin_memory == (kind == "cuda")


@pytest.mark.parametrize(
    ("checkpoint", "padding_free", "padded"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_run_that_goes_on_pads_as_it_began(
    checkpoint: bool, padding_free: bool, padded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engines.training_run.checkpoints.latest", lambda folder: folder if checkpoint else None)
    earlier = SimpleNamespace(padding_free=padding_free)
    monkeypatch.setattr("core.engines.training_run.environment.read_environment", lambda folder: earlier)
    assert training_run._was_padded(tmp_path) is padded

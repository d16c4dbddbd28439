"""The Trainer engine, on tiny real models: it learns, reports, stops, keeps the best, and can be repeated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core.engines import trainer
from core.errors import ModelError
from core.evaluation.after_training import evaluate_run

PICKLED = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


def run(setup: Any) -> None:
    trainer.train(setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_the_same_seed_gives_the_same_weights(prepare: Any, strategy: str) -> None:
    results = []
    for folder, seed in (("one", 7), ("two", 7), ("three", 8)):
        setup = prepare(
            folder=folder, training__seed=seed, training__num_train_epochs=1, training__train_sampling_strategy=strategy
        )
        torch.rand(3)  # what was drawn before must not matter
        run(setup)
        results.append(weights(setup.model))
    one, two, three = results
    assert all(torch.equal(one[n], two[n]) for n in one)
    assert not all(torch.equal(one[n], three[n]) for n in one)


def test_a_stopped_run_is_judged_on_what_time_allows(prepare: Any, recorder: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("core.evaluation.after_training.SECONDS_AFTER_STOP", 0.0)
    setup = prepare(training__per_device_eval_batch_size=4)
    recorder.stop_requested = True
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert 4 <= result.examples < 40
    assert pq.read_table(setup.run_dir / "predictions.parquet").num_rows == result.examples


def test_a_run_that_diverges_late_falls_back_to_its_best(prepare: Any, recorder: Any, monkeypatch: Any) -> None:
    setup = prepare(training__num_train_epochs=2)

    watch = trainer.Watcher.on_step_end

    def watch_and_break(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        watch(self, args, state, control, **more)
        if state.global_step == 32:
            with torch.no_grad():
                setup.model.classifier.bias.fill_(math.nan)

    monkeypatch.setattr(trainer.Watcher, "on_step_end", watch_and_break)
    run(setup)
    assert "diverged" in recorder.codes
    assert all(torch.isfinite(v).all() for v in weights(setup.model).values() if v.is_floating_point())
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert (result.metrics["accuracy"] or 0) > 0.2


def test_out_of_memory_says_what_to_halve(prepare: Any, monkeypatch: Any) -> None:
    setup = prepare()

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(setup.model.bert, "forward", full)
    with pytest.raises(ModelError, match="batch size to 4 and the gradient accumulation to 2"):
        run(setup)


def test_bf16_on_a_cpu_when_asked(prepare: Any, recorder: Any) -> None:
    setup = prepare(execution__precision="bf16", training__num_train_epochs=1)
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert result.precision == "bf16"
    assert AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model").dtype == torch.float32


def test_japanese_from_scratch(prepare: Any, recorder: Any, make_loaded: Any) -> None:
    good = ["この店はとてもおいしいです。また来ます", "がっこうの近くで、すばらしい料理でした", "大好きです！最高"]
    bad = ["ひどい店でした。二度と行きません", "まずいし、店員の態度が最悪", "がっかりしました。高すぎる"]
    texts, labels = (good + bad) * 12, [1, 1, 1, 0, 0, 0] * 12
    setup = prepare(
        make_loaded((texts, labels), (texts[:12], labels[:12]), ("わるい", "よい")),
        model__name="scratch",
        training__learning_rate=1e-3,
        training__num_train_epochs=6,
    )
    tokenizer = setup.encoded.tokenizer
    assert tokenizer.unk_token_id not in tokenizer("がっこう　うこっが")["input_ids"], "new words of known signs"
    assert tokenizer("が")["input_ids"] != tokenizer("か")["input_ids"]
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert (result.metrics["accuracy"] or 0) >= 0.9
    assert AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model").config.label2id["よい"] == 1
    loaded = AutoTokenizer.from_pretrained(setup.run_dir / "model")
    assert loaded(texts[:6])["input_ids"] == tokenizer(texts[:6])["input_ids"]


def test_a_model_without_a_padding_token(prepare: Any, recorder: Any, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    from core.models import loading as model_loading
    from core.models import scratch

    base = scratch.tokenizer(["word1 word2 good1 bad1 middling1"] * 3, 32)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer,
        eos_token="[SEP]",
        unk_token="[UNK]",
        model_input_names=["input_ids", "attention_mask"],
    )
    model_loading.save(
        GPT2Model(GPT2Config(vocab_size=len(base), n_embd=32, n_layer=1, n_head=2, n_positions=64)),
        tokenizer,
        tmp_path / "gpt2",
    )
    setup = prepare(model__name=str(tmp_path / "gpt2"), training__num_train_epochs=1)
    assert "padding-token" in recorder.codes
    run(setup)
    loaded = AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model")
    assert loaded.config.pad_token_id == AutoTokenizer.from_pretrained(setup.run_dir / "model").pad_token_id == 3

"""The Trainer engine, on tiny real models: it learns, reports, stops, keeps the best, and can be repeated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core.engines import trainer
from core.errors import ModelError
from core.evaluation.report import evaluate_run

PICKLED = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


def run(setup: Any) -> None:
    trainer.train(setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def test_learns_and_reports_and_its_model_loads_elsewhere(prepare: Any, recorder: Any, make_loaded: Any) -> None:
    loaded = make_loaded()
    setup = prepare(loaded)
    before = weights(setup.model)
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)

    after = weights(setup.model)
    still = [n for n in before if before[n].is_floating_point() and torch.equal(before[n], after[n])]
    assert not still, f"these did not move: {still}"
    losses = recorder.series("loss")
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    assert result["metrics"]["accuracy"] > result["baseline"]["metrics"]["accuracy"] + 0.15
    assert recorder.steps[0] == (0, 75)
    assert recorder.steps[-1] == (75, 75)
    assert len(recorder.series("eval_accuracy")) == len(recorder.series("eval_loss")) == 3
    for name in ("learning_rate", "grad_norm"):
        assert len(recorder.series(name)) == len(losses)
    assert recorder.series("examples_per_second") and all(v > 0 for v in recorder.series("tokens_per_second"))
    assert {step for _, step, _ in recorder.checkpoints} == {25, 50, 75}
    assert "new-head" in recorder.codes

    folder = setup.run_dir / "model"
    assert not [p for p in folder.rglob("*") if p.suffix in PICKLED]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.id2label == {0: "bad", 1: "middling", 2: "good"}
    assert model.config.problem_type == "single_label_classification"
    assert model.dtype == torch.float32
    table = pq.read_table(setup.run_dir / "predictions.parquet").to_pandas()
    inputs = tokenizer(
        loaded.dataset["eval"]["text"][:], truncation=True, max_length=48, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**inputs).logits.numpy()
    np.testing.assert_allclose(np.stack(table["logits"]), logits, atol=1e-4)
    assert table["row"].tolist() == loaded.dataset["eval"]["row"][:]
    assert table["label"].tolist() == loaded.dataset["eval"]["label"][:]
    assert table["prediction"].tolist() == logits.argmax(-1).tolist()


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


def test_a_stop_ends_after_the_step_and_keeps_the_model(prepare: Any, new_recorder: Any) -> None:
    report = new_recorder(stop_at=5)
    setup = prepare(report=report)
    run(setup)
    assert report.steps[-1] == (5, 75)
    assert [step for _, step, _ in report.checkpoints] == [5]
    assert not report.series("eval_loss")
    kept = AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model").state_dict()
    assert all(torch.equal(kept[n], v) for n, v in weights(setup.model).items())
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, report)
    assert "5 of 75 steps" in result["advice"][0]


def test_a_stop_during_an_evaluation_cuts_it_short(prepare: Any, new_recorder: Any) -> None:
    report = new_recorder(stop_in_phase="Evaluating")
    setup = prepare(report=report, training__per_device_eval_batch_size=2)
    run(setup)
    assert report.steps[-1] == (25, 75)
    assert not report.series("eval_loss"), "an evaluation of a part is not shown as one of all"
    assert [(step, best) for _, step, best in report.checkpoints] == [(25, False)]
    assert (setup.run_dir / "model" / "model.safetensors").is_file()


def test_a_stopped_run_is_judged_on_what_time_allows(prepare: Any, recorder: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("core.evaluation.report.SECONDS_AFTER_STOP", 0.0)
    setup = prepare(training__per_device_eval_batch_size=4)
    recorder.stop_requested = True
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert 4 <= result["examples"] < 40
    assert pq.read_table(setup.run_dir / "predictions.parquet").num_rows == result["examples"]


def test_the_best_checkpoint_is_kept(prepare: Any, recorder: Any) -> None:
    setup = prepare(
        training__eval_strategy="steps", training__eval_steps=10, training__learning_rate=1e-2,
        training__num_train_epochs=3, training__lr_scheduler_type="constant", training__save_total_limit=1,
    )  # fmt: skip
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    accuracies = recorder.series("eval_accuracy")
    assert len(accuracies) == 8
    assert result["metrics"]["accuracy"] == pytest.approx(max(accuracies))
    best = [i for i, (_, _, is_best) in enumerate(recorder.checkpoints) if is_best][-1]
    assert best == int(np.argmax(accuracies))
    losses = recorder.series("eval_loss")
    assert result["metrics"]["loss"] == pytest.approx(losses[best], rel=1e-5), "the loss is the mean over examples"


def test_no_evaluation_while_training(prepare: Any, recorder: Any) -> None:
    setup = prepare(training__eval_strategy="no", training__num_train_epochs=0.5)
    run(setup)
    assert recorder.steps[-1] == (13, 13)
    assert not recorder.series("eval_loss") and not recorder.checkpoints
    assert evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)["examples"] == 40


def test_accumulated_batches_make_one_step(prepare: Any, recorder: Any) -> None:
    setup = prepare(training__gradient_accumulation_steps=5, training__num_train_epochs=1, training__logging_steps=1)
    run(setup)
    assert recorder.steps[-1] == (5, 5)
    assert len(recorder.series("tokens_per_second")) == 5


def test_a_diverged_run_says_what_to_change(prepare: Any, recorder: Any) -> None:
    setup = prepare()
    with torch.no_grad():
        setup.model.classifier.weight.fill_(math.nan)
    with pytest.raises(ModelError, match=r"no longer a number at step 1\b.*0\.0005"):
        run(setup)
    assert not (setup.run_dir / "model").exists()
    with pytest.raises(ModelError, match=r"no numbers.*40 of 40 examples"):
        evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)


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
    assert evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)["metrics"]["accuracy"] > 0.2


def test_out_of_memory_says_what_to_halve(prepare: Any, monkeypatch: Any) -> None:
    setup = prepare()

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(setup.model.bert, "forward", full)
    with pytest.raises(ModelError, match="batch size to 4 and the gradient accumulation to 2"):
        run(setup)


def test_pairs_of_texts(prepare: Any, recorder: Any, make_loaded: Any) -> None:
    pairs = [("word1 word2", "good1 word3"), ("word4", "bad2 word5"), ("word6 word7", "middling3")] * 8
    loaded = make_loaded((pairs, [2, 0, 1] * 8), (pairs[:6], [2, 0, 1] * 2), columns=("premise", "claim"))
    setup = prepare(loaded, training__num_train_epochs=1)
    assert 1 in setup.encoded.train[0]["token_type_ids"]
    run(setup)
    assert evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)["examples"] == 6


def test_bf16_on_a_cpu_when_asked(prepare: Any, recorder: Any) -> None:
    setup = prepare(execution__precision="bf16", training__num_train_epochs=1)
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert result["precision"] == "bf16"
    assert AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model").dtype == torch.float32


def test_japanese_from_scratch(prepare: Any, recorder: Any, make_loaded: Any) -> None:
    good = ["この店はとてもおいしいです。また来ます", "がっこうの近くで、すばらしい料理でした", "大好きです！最高"]
    bad = ["ひどい店でした。二度と行きません", "まずいし、店員の態度が最悪", "がっかりしました。高すぎる"]
    texts, labels = (good + bad) * 12, [1, 1, 1, 0, 0, 0] * 12
    setup = prepare(
        make_loaded((texts, labels), (texts[:12], labels[:12]), ("わるい", "よい")),
        model__name="scratch", training__learning_rate=1e-3, training__num_train_epochs=6,
    )  # fmt: skip
    tokenizer = setup.encoded.tokenizer
    assert tokenizer.unk_token_id not in tokenizer("がっこう　うこっが")["input_ids"], "new words of known signs"
    assert tokenizer("が")["input_ids"] != tokenizer("か")["input_ids"]
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert result["metrics"]["accuracy"] >= 0.9
    assert AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model").config.label2id["よい"] == 1
    loaded = AutoTokenizer.from_pretrained(setup.run_dir / "model")
    assert loaded(texts[:6])["input_ids"] == tokenizer(texts[:6])["input_ids"]


def test_a_model_without_a_padding_token(prepare: Any, recorder: Any, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    from core import models, scratch

    base = scratch.tokenizer(["word1 word2 good1 bad1 middling1"] * 3, 32)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer,
        eos_token="[SEP]",
        unk_token="[UNK]",
        model_input_names=["input_ids", "attention_mask"],
    )
    models.save(
        GPT2Model(GPT2Config(vocab_size=len(base), n_embd=32, n_layer=1, n_head=2, n_positions=64)),
        tokenizer,
        tmp_path / "gpt2",
    )
    setup = prepare(model__name=str(tmp_path / "gpt2"), training__num_train_epochs=1)
    assert "padding-token" in recorder.codes
    run(setup)
    loaded = AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model")
    assert loaded.config.pad_token_id == AutoTokenizer.from_pretrained(setup.run_dir / "model").pad_token_id == 3

"""The contract of an engine, the same for all: whichever trains, the same is told, kept, stopped and resumed."""

from __future__ import annotations

import gc
import importlib
import json
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core.errors import DataError, ModelError, SpecError
from core.evaluation.after_training import evaluate_run
from core.models import loading as model_loading
from core.models import scratch
from core.runs import checkpoints
from core.spec.engines import ENGINES
from core.tasks.text_classification.results import ClassReport

CODE = {".bin", ".pkl", ".ckpt", ".py"}
KINDS = ("trainer", "torch", "keras-tf_data", "keras-numpy")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """An engine with its input."""
    return str(request.param)


@pytest.fixture
def prepare_for(prepare: Any, still_bert: Path) -> Callable[..., Any]:
    """`prepare` for an engine; `still`: with a model without dropout, whose numbers are the same everywhere."""

    def make(kind: str, *, still: bool = False, **changes: Any) -> Any:
        engine, _, keras_input = kind.partition("-")
        changes |= {"engine": engine} | ({"keras_input": keras_input} if keras_input else {})
        return prepare(**({"model__name": str(still_bert)} if still else {}) | changes)

    return make


@pytest.fixture(scope="session")
def still_bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT without dropout, and with the activation that every engine computes alike."""
    folder = tmp_path_factory.mktemp("models") / "still-bert"
    network = AutoModelForSequenceClassification.from_pretrained(tiny_bert).bert
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        setattr(network.config, name, 0.0)
    network.config.hidden_act = "gelu_pytorch_tanh"
    model_loading.save(network, AutoTokenizer.from_pretrained(tiny_bert), folder)
    return folder


def run(setup: Any, resume: Path | None = None) -> None:
    engine = importlib.import_module(ENGINES[setup.spec.engine])
    engine.train(setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report, resume)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items() if value.is_floating_point()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


class Killed(BaseException):
    """What a kill is to the code that runs: the end, here and now."""


def test_it_learns_and_tells_and_its_model_loads(kind: str, prepare_for: Any, make_loaded: Any, recorder: Any) -> None:
    loaded = make_loaded()
    setup = prepare_for(kind, loaded=loaded)
    before = weights(setup.model)
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)

    assert moved(before, weights(setup.model)) == set(before)
    losses = recorder.series("loss")
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    assert (result.metrics["accuracy"] or 0) > (result.baseline.metrics["accuracy"] or 0) + 0.15
    assert recorder.steps[0] == (0, 75) and recorder.steps[-1] == (75, 75)
    steps = {name: [step for step, values in recorder.points if name in values] for name in ("loss", "eval_loss")}
    assert steps["loss"] == sorted({1, *range(5, 76, 5)})
    assert steps["eval_loss"] == [25, 50, 75]
    for name in ("learning_rate", "grad_norm"):
        assert len(recorder.series(name)) == len(losses)
    assert all(math.isfinite(v) and v > 0 for v in recorder.series("grad_norm"))
    assert recorder.series("examples_per_second") and all(v > 0 for v in recorder.series("tokens_per_second"))
    for name in setup.spec.evaluation.metrics:
        assert len(recorder.series(f"eval_{name}")) == 3
    assert result.metrics["accuracy"] == pytest.approx(max(recorder.series("eval_accuracy")))
    assert {step for _, step, _ in recorder.checkpoints} == {25, 50, 75}
    assert {"Training", "Evaluating", "Saving the model"} <= set(recorder.phases)
    history = json.loads((setup.run_dir / "history.json").read_text())
    assert (history["steps"], history["total_steps"]) == (75, 75)

    folder = setup.run_dir / "model"
    assert not [p for p in folder.rglob("*") if p.suffix in CODE]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert model.config.id2label == {0: "bad", 1: "middling", 2: "good"}
    inputs = AutoTokenizer.from_pretrained(folder)(
        loaded.dataset["eval"]["text"][:], truncation=True, max_length=48, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**inputs).logits.numpy()
    table = pq.read_table(setup.run_dir / "predictions.parquet").to_pandas()
    np.testing.assert_allclose(np.stack(table["logits"]), logits, atol=1e-4)


SAME_LEARNING: list[dict[str, Any]] = [
    {},
    {"training__weight_decay": 0.1, "training__warmup_steps": 0.2, "training__lr_scheduler_type": "cosine"},
    {"training__gradient_accumulation_steps": 3, "training__max_grad_norm": 0.1},
    {"training__class_weights": "custom", "training__custom_class_weights": {"good": 5.0, "bad": 0.5}},
    {"training__class_weights": "balanced", "training__label_smoothing_factor": 0.2, "training__max_grad_norm": 0},
    {"training__lr_scheduler_type": "polynomial", "training__train_sampling_strategy": "random"},
]


@pytest.mark.parametrize(
    "settings_of", SAME_LEARNING, ids=lambda s: "-".join(n.partition("__")[2] for n in s) or "plain"
)
@pytest.mark.parametrize("other", KINDS[1:])
def test_every_engine_learns_the_same(
    other: str, settings_of: dict[str, Any], prepare_for: Any, new_recorder: Any, make_loaded: Any
) -> None:
    """Same examples in the same order, same head, same loss and schedule: the same curve, up to rounding."""
    curves = []
    for number, kind in enumerate(("trainer", other)):
        report = new_recorder()
        setup = prepare_for(
            kind,
            still=True,
            loaded=make_loaded(70),
            report=report,
            folder=f"run{number}",
            training__num_train_epochs=2,
            training__logging_steps=1,
            training__learning_rate=1e-3,
            **settings_of,
        )
        run(setup)
        curves.append(report)
    ours, theirs = curves
    assert ours.steps == theirs.steps
    for name in ("loss", "learning_rate", "grad_norm", "eval_loss", "eval_accuracy"):
        np.testing.assert_allclose(theirs.series(name), ours.series(name), rtol=2e-3, atol=1e-6, err_msg=name)


def test_a_stop_ends_after_the_step_and_can_go_on(kind: str, prepare_for: Any, new_recorder: Any) -> None:
    report = new_recorder(stop_at=5)
    setup = prepare_for(kind, report=report, folder="stopped")
    run(setup)
    assert report.steps[-1] == (5, 75)
    assert [step for _, step, _ in report.checkpoints] == [5]
    assert not report.series("eval_loss")
    kept = AutoModelForSequenceClassification.from_pretrained(setup.run_dir / "model").state_dict()
    assert all(torch.equal(kept[name], value) for name, value in weights(setup.model).items())
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, report)
    assert "5 of 75 steps" in result.advice[0].text

    again = prepare_for(kind, report=new_recorder(), folder="again")
    run(again, checkpoints.latest(setup.run_dir))
    assert [step for step, _ in again.report.steps][:2] == [5, 6] and again.report.steps[-1] == (75, 75)


def test_a_stop_during_an_evaluation_cuts_it_short(kind: str, prepare_for: Any, new_recorder: Any) -> None:
    report = new_recorder(stop_in_phase="Evaluating")
    setup = prepare_for(kind, report=report, training__per_device_eval_batch_size=2)
    run(setup)
    assert report.steps[-1] == (25, 75)
    assert not report.series("eval_loss"), "an evaluation of a part is not shown as one of all"
    assert [(step, best) for _, step, best in report.checkpoints] == [(25, False)]
    assert (setup.run_dir / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("strategy", ["epoch", "steps"])
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    kind: str, strategy: str, prepare_for: Any, new_recorder: Any, monkeypatch: Any
) -> None:
    """With dropout: the random state counts too. Killed within an epoch, with accumulated batches."""
    changes: dict[str, Any] = {
        "training__save_strategy": strategy, "training__save_steps": 4, "training__gradient_accumulation_steps": 2,
        "training__logging_steps": 1, "training__weight_decay": 0.01, "training__eval_strategy": "epoch",
        "training__load_best_model_at_end": False, "training__save_total_limit": 1,
    }  # fmt: skip
    whole = prepare_for(kind, report=new_recorder(), folder="whole", **changes)
    run(whole)

    broken = prepare_for(kind, report=new_recorder(), folder="broken", **changes)
    tell = broken.report.progress

    def die(step: int, total: int, epoch: float | None = None) -> None:
        tell(step, total, epoch)
        if step == 19:
            raise Killed

    broken.report.progress = die
    with pytest.raises(Killed):
        run(broken)
    assert checkpoints.steps(broken.run_dir) == ([16] if strategy == "steps" else [13])
    torch.rand(7)  # what is drawn in between must not matter
    np.random.rand(7)
    resumed = prepare_for(kind, report=new_recorder(), folder="resumed", **changes)
    run(resumed, checkpoints.latest(broken.run_dir))

    tolerance = 1e-3 if kind.startswith("keras") else 0.0
    points = [
        {(step, name): value for step, values in setup.report.points for name, value in values.items()}
        for setup in (whole, resumed)
    ]
    start = resumed.report.steps[0][0]
    assert start == checkpoints.steps(broken.run_dir)[0]
    for (step, name), value in points[0].items():
        if step > start and not name.endswith("_per_second"):
            np.testing.assert_allclose(points[1][step, name], value, tolerance, tolerance, err_msg=f"{name} at {step}")
    one, other = weights(whole.model), weights(resumed.model)
    for name in one:
        np.testing.assert_allclose(other[name], one[name], tolerance, tolerance, err_msg=name)
    logs = [json.loads((s.run_dir / "history.json").read_text())["log"] for s in (whole, resumed)]
    assert [entry["step"] for entry in logs[0]] == [entry["step"] for entry in logs[1]]


def test_a_run_that_had_learned_all_is_only_finished(kind: str, prepare_for: Any, new_recorder: Any) -> None:
    """It was killed between its last step and its model."""
    whole = prepare_for(kind, report=new_recorder(), folder="whole", training__num_train_epochs=0.5)
    run(whole)
    again = prepare_for(kind, report=new_recorder(), folder="again", training__num_train_epochs=0.5)
    run(again, checkpoints.latest(whole.run_dir))
    assert not again.report.series("loss")
    kept = weights(AutoModelForSequenceClassification.from_pretrained(again.run_dir / "model"))
    for name, value in weights(whole.model).items():
        torch.testing.assert_close(kept[name], value)


def test_it_does_not_go_on_with_other_examples(
    kind: str, prepare_for: Any, make_loaded: Any, new_recorder: Any
) -> None:
    setup = prepare_for(kind, report=new_recorder(stop_at=3))
    run(setup)
    other = prepare_for(kind, loaded=make_loaded(199), report=new_recorder(), folder="other")
    with pytest.raises(DataError, match="changed since this run began"):
        run(other, checkpoints.latest(setup.run_dir))


def test_the_best_checkpoint_is_kept_and_the_others_are_few(kind: str, prepare_for: Any, recorder: Any) -> None:
    setup = prepare_for(
        kind,
        training__eval_strategy="steps",
        training__eval_steps=10,
        training__learning_rate=1e-2,
        training__lr_scheduler_type="constant",
        training__save_strategy="steps",
        training__save_steps=25,
        training__save_total_limit=2,
    )
    run(setup)
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    accuracies, losses = recorder.series("eval_accuracy"), recorder.series("eval_loss")
    assert len(accuracies) == 8
    best = int(np.argmax(accuracies))
    best_step = [step for step, values in recorder.points if "eval_loss" in values][best]
    assert result.metrics["accuracy"] == pytest.approx(accuracies[best])
    assert result.metrics["loss"] == pytest.approx(losses[best], rel=1e-3), "the mean over examples"
    assert [step for _, step, is_best in recorder.checkpoints if is_best][-1] == best_step
    assert {25, 50, 75} <= {step for _, step, _ in recorder.checkpoints}
    assert set(checkpoints.steps(setup.run_dir)) == {75, best_step} | ({70} if best_step == 75 else set()) or (
        best_step in checkpoints.steps(setup.run_dir) and len(checkpoints.steps(setup.run_dir)) == 2
    )


def test_without_evaluation_and_checkpoints(kind: str, prepare_for: Any, recorder: Any) -> None:
    setup = prepare_for(
        kind, training__eval_strategy="no", training__save_strategy="no", training__num_train_epochs=0.5
    )
    run(setup)
    assert recorder.steps[-1] == (13, 13)
    assert not recorder.series("eval_loss") and not recorder.checkpoints
    assert evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder).examples == 40


def test_early_stopping(kind: str, prepare_for: Any, recorder: Any) -> None:
    setup = prepare_for(
        kind, training__learning_rate=1e-9, training__num_train_epochs=10, evaluation__early_stopping_patience=2
    )
    run(setup)
    assert recorder.steps[-1] == (75, 250), "one evaluation to compare with, then two that are no better"
    assert "early-stopping" in recorder.codes
    result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder)
    assert not any("let it run to the end" in tip.text for tip in result.advice)


def test_a_class_that_counts_more_is_found_more(
    kind: str, prepare_for: Any, make_loaded: Any, new_recorder: Any
) -> None:
    """Texts that say nothing: what the loss counts decides what is answered."""
    rng = np.random.default_rng(0)
    labels = [2 if i % 6 == 0 else 0 for i in range(96)]
    texts = [" ".join(rng.choice([f"word{n}" for n in range(30)], 5)) for _ in labels]
    recalls = {}
    for weight in (1.0, 100.0):
        report = new_recorder()
        setup = prepare_for(
            kind,
            loaded=make_loaded((texts, labels), (texts, labels)),
            report=report,
            folder=f"weight{weight:.0f}",
            training__class_weights="custom",
            training__custom_class_weights={"good": weight},
            training__num_train_epochs=2,
        )
        run(setup)
        result = evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, report)
        assert isinstance(result, ClassReport)
        recalls[weight] = result.per_class[2].recall
    assert recalls[1.0] < 0.3 and recalls[100.0] > 0.9


def test_a_weight_for_a_class_that_is_not_there(kind: str, prepare_for: Any) -> None:
    setup = prepare_for(kind, training__class_weights="custom", training__custom_class_weights={"goood": 2.0})
    with pytest.raises(SpecError, match=r"'goood'.*bad, middling, good"):
        run(setup)


@pytest.mark.parametrize("layers", [0, 1])
def test_frozen_layers_stay(kind: str, layers: int, prepare_for: Any, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    tokenizer = scratch.tokenizer(["word1 good1 bad1 middling1"] * 9, 64)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    model_loading.save(BertModel(config), tokenizer, tmp_path / "two-layers")
    setup = prepare_for(
        kind,
        model__name=str(tmp_path / "two-layers"),
        training__trainable_layers=layers,
        training__num_train_epochs=0.2,
        training__weight_decay=0.1,
    )
    before = weights(setup.model)
    run(setup)
    names = moved(before, weights(setup.model))
    free = ("classifier", "bert.pooler", *(["bert.encoder.layer.1."] if layers else []))
    assert names == {name for name in before if name.startswith(free)}

    setup = prepare_for(kind, folder="more", training__trainable_layers=5)
    with pytest.raises(SpecError, match="5 layers are to be trained, but this model has 1"):
        run(setup)


def test_a_diverged_run_says_what_to_change(kind: str, prepare_for: Any) -> None:
    setup = prepare_for(kind)
    with torch.no_grad():
        setup.model.classifier.weight.fill_(math.nan)
    with pytest.raises(ModelError, match=r"no longer a number at step 1\b.*0\.0005"):
        run(setup)
    assert not (setup.run_dir / "model").exists()


def test_pairs_of_texts(kind: str, prepare_for: Any, make_loaded: Any, recorder: Any) -> None:
    pairs = [("word1 word2", "good1 word3"), ("word4", "bad2 word5"), ("word6 word7", "middling3")] * 8
    loaded = make_loaded((pairs, [2, 0, 1] * 8), (pairs[:6], [2, 0, 1] * 2), columns=("premise", "claim"))
    setup = prepare_for(kind, loaded=loaded, training__num_train_epochs=1)
    assert 1 in setup.encoded.train[0]["token_type_ids"]
    run(setup)
    assert evaluate_run(setup.spec, setup.encoded, setup.model, setup.run_dir, recorder).examples == 6


def test_a_new_model_from_scratch(kind: str, prepare_for: Any, recorder: Any) -> None:
    setup = prepare_for(kind, model__name="scratch", training__learning_rate=1e-3, training__num_train_epochs=1)
    before = weights(setup.model)
    run(setup)
    assert moved(before, weights(setup.model)) == set(before)
    assert (setup.run_dir / "model" / "model.safetensors").is_file()


def test_memory_is_given_back(kind: str, prepare_for: Any) -> None:
    setup = prepare_for(kind, training__num_train_epochs=0.2)
    run(setup)
    network = weakref.ref(setup.model)
    del setup
    gc.collect()
    assert network() is None, "somebody still holds the model"


def test_the_same_seed_gives_the_same_model(kind: str, prepare_for: Any) -> None:
    results = []
    for folder, seed in (("one", 7), ("two", 7), ("three", 8)):
        setup = prepare_for(kind, folder=folder, training__seed=seed, training__num_train_epochs=0.4)
        torch.rand(3)  # what was drawn before must not matter
        run(setup)
        results.append(weights(setup.model))
    one, two, three = results
    for name in one:
        torch.testing.assert_close(one[name], two[name])
    assert moved(one, three)

"""A head that is fitted to the frozen model: what it reads, where training starts, and what it returns to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.engines import keras_fit, torch_loop, trainer
from core.engines.start import begin, contrastive, frozen_model
from core.errors import SpecError
from core.evaluation.after_training import predict
from core.models import loading as model_loading
from core.models import pooling, scratch
from core.runs import checkpoints
from core.runs.device import choose_for
from core.runs.history import read_history
from core.settings import Settings
from core.spec import engines
from core.spec import run as specs
from core.store.store import Store
from core.tasks.frozen import START, drawn, read_start
from tests.evaluation.conftest import worker_of
from tests.learning.conftest import LABELS, make_texts

ENGINES = {"trainer": trainer.train, "torch": torch_loop.train, "keras": keras_fit.train}
SMALL = {"vocab_size": 50, "max_position_embeddings": 64}


def classifier(kind: str) -> Any:
    """A small random classifier of a type, in eval mode."""
    import transformers

    if kind == "distilbert":
        config = transformers.DistilBertConfig(**SMALL, dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    else:
        config = transformers.AutoConfig.for_model(
            kind,
            **SMALL,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
        )
    config.num_labels = 3
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(config).eval()


@pytest.mark.parametrize("kind", [*pooling.ARCHITECTURES, *pooling.SAID_BY_CONFIG])
def test_the_head_reads_the_mean_of_all_tokens(kind: str, tmp_path: Path) -> None:
    model = classifier(kind)
    ids = torch.randint(3, 50, (4, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = mask[2, 9:] = 0
    ids[mask == 0] = 0
    with torch.no_grad():
        expected = pooling.mean_features(model, model.base_model(ids, attention_mask=mask)[0], mask)
        config, modules = pooling.pool_mean(model)
        read = []
        frozen_model.last_matrix(model).register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
        logits = model(ids, attention_mask=mask).logits
        assert torch.allclose(read[0], expected, atol=1e-5)
        model.save_pretrained(tmp_path)
        again = type(model).from_pretrained(tmp_path).eval()
        assert torch.equal(again(ids, attention_mask=mask).logits, logits), "an ordinary model of its type"
    assert all(getattr(again.config, name) == value for name, value in config.items()) and config
    assert all(list(again.get_submodule(name).parameters()) for name in modules)


def test_a_model_of_another_type_keeps_its_own_pooling() -> None:
    assert not pooling.can_pool_mean(classifier("electra"))


def fitted(setup: Any, new_head: bool = True) -> Any:
    """The spec after `begin.begin`."""
    device = choose_for(setup.spec)
    return begin.begin(setup.spec, setup.encoded, setup.model, new_head, setup.run_dir, device, setup.report)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_makes_nothing_better_returns_to_its_start(engine: str, prepare: Callable[..., Any]) -> None:
    setup = prepare(engine=engine, model__initial_head="fitted", training__learning_rate=1.0)
    assert fitted(setup) == setup.spec and "fitted-head" in setup.report.codes
    begun = read_start(setup.run_dir)
    assert begun is not None and (begun.metrics["accuracy"] or 0) > 0.45, "chance is a third"
    ENGINES[engine](setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)
    history = read_history(setup.run_dir)
    assert history is not None and history.best_step == 0
    assert history.evaluations[0]["step"] == 0 and len(history.evaluations) == 4
    assert history.evaluations[0]["eval_accuracy"] == begun.metrics["accuracy"]
    _, logits = predict(setup.model, setup.encoded, 8, choose_for(setup.spec), setup.report)
    labels = np.asarray(setup.encoded.eval["labels"])
    assert (logits.argmax(1) == labels).mean() == pytest.approx(begun.metrics["accuracy"])
    assert checkpoints.steps(setup.run_dir), "those to resume from are kept beside the start"
    assert 0 not in checkpoints.steps(setup.run_dir)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_goes_on_from_the_start(engine: str, prepare: Callable[..., Any]) -> None:
    setup = prepare(engine=engine, model__initial_head="fitted", training__num_train_epochs=6)
    fitted(setup)
    ENGINES[engine](setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)
    history = read_history(setup.run_dir)
    assert history is not None and history.best_step
    values = [point["eval_accuracy"] for point in history.evaluations]
    assert max(values) > values[0]


def test_an_attempt_that_goes_on_has_the_same_start(prepare: Callable[..., Any]) -> None:
    setup = prepare(model__initial_head="fitted")
    fitted(setup)
    again = prepare(folder="again", model__initial_head="fitted")
    (again.run_dir / START).write_bytes((setup.run_dir / START).read_bytes())
    again.report.messages.clear()
    fitted(again)
    assert "fitted-head" not in again.report.codes, "nothing is fitted anew"
    ours, theirs = setup.model.state_dict(), again.model.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_start_from_other_examples_is_made_anew(prepare: Callable[..., Any], make_loaded: Callable[..., Any]) -> None:
    setup = prepare(model__initial_head="fitted")
    fitted(setup)
    other = prepare(make_loaded(120, 40), folder="other", model__initial_head="fitted")
    (other.run_dir / START).write_bytes((setup.run_dir / START).read_bytes())
    fitted(other)
    begun = read_start(other.run_dir)
    assert begun is not None and begun.train_examples == 120 and begun.data == other.encoded.fingerprint


def test_a_trained_head_is_not_fitted_anew(prepare: Callable[..., Any]) -> None:
    setup = prepare(model__initial_head="fitted")
    with pytest.raises(SpecError) as caught:
        fitted(setup, new_head=False)
    assert [(problem.id, problem.field) for problem in caught.value.problems] == [
        ("head-is-trained", begin.INITIAL_HEAD)
    ]
    setup.spec = specs.replace(setup.spec, {begin.INITIAL_HEAD: "auto"})
    settled = fitted(setup, new_head=False)
    assert settled.model.initial_head == "random" and not settled.auto
    assert not (setup.run_dir / START).exists()


def test_no_head_is_fitted_to_random_weights(prepare: Callable[..., Any]) -> None:
    setup = prepare(model__name="scratch", model__initial_head="auto")
    assert not engines.problems(setup.spec, None)
    assert fitted(setup).model.initial_head == "random" and not (setup.run_dir / START).exists()
    by_hand = specs.replace(setup.spec, {begin.INITIAL_HEAD: "fitted"})
    assert [problem.id for problem in engines.problems(by_hand, None)] == ["head-of-scratch"], "before the start"


def test_a_damaged_start_is_made_anew(prepare: Callable[..., Any]) -> None:
    setup = prepare(model__initial_head="fitted")
    (setup.run_dir / START).write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    assert fitted(setup).model.initial_head == "fitted" and read_start(setup.run_dir) is not None


def test_the_same_examples_are_drawn_for_the_same_seed(make_spec: Callable[..., Any]) -> None:
    assert drawn(100, 10, make_spec()).tolist() == drawn(100, 10, make_spec()).tolist()


def test_a_head_is_fitted_with_class_weights_that_are_chosen(settings: Settings, tmp_path: Path) -> None:
    import pandas as pd
    import transformers

    texts, labels = make_texts(600, 0)
    tokenizer = scratch.tokenizer(texts, 48)
    torch.manual_seed(0)
    body = transformers.BertModel(scratch.model(len(tokenizer), 48, tokenizer.pad_token_id, {"num_labels": 2}).config)
    model_loading.save(body, tokenizer, tmp_path / "model")
    frame = pd.DataFrame({"text": texts, "label": [LABELS[label] for label in labels]})
    uneven = pd.concat([frame[frame.label == "bad"], frame[frame.label == "good"].head(16)])
    (tmp_path / "data").mkdir()
    uneven.iloc[::2].to_csv(tmp_path / "data" / "train.csv", index=False)
    uneven.iloc[1::2].to_csv(tmp_path / "data" / "validation.csv", index=False)
    starts = []
    for weights in ("auto", "off"):
        spec = specs.from_yaml(
            json.dumps(
                {
                    "data": {"source": "file", "path": str(tmp_path / "data")},
                    "model": {"name": str(tmp_path / "model"), "max_length": 48, "initial_head": "fitted"},
                    "training": {"num_train_epochs": 1, "learning_rate": 1e-4, "class_weights": weights},
                    "evaluation": {"metric_for_best_model": "f1_macro"},
                }
            )
        )
        run, _ = worker_of(Store(settings.store_path), settings)("train", spec.model_dump(mode="json"))
        starts.append(load_file(settings.run_dir(run) / START)["classifier.weight"])
    assert not torch.equal(*starts)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert"])
def test_a_contrastive_stage_brings_texts_of_a_class_together(
    kind: str, prepare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrastive, "RATES", ((math.inf, 3e-3),))  # of models this small, with random weights
    setup = prepare(model__initial_head="fitted")
    labels = np.asarray(setup.encoded.train["labels"])
    model = classifier(kind)
    model.resize_token_embeddings(len(setup.encoded.tokenizer))
    device = choose_for(setup.spec)

    def apart() -> float:
        """How much more alike the vectors of one class are than those of two."""
        features = contrastive.read(model, np.arange(len(labels)), setup.encoded, setup.spec, device, setup.report)
        assert features is not None
        vectors = features.own / np.linalg.norm(features.own, axis=1, keepdims=True)
        cosines, alike = vectors @ vectors.T, labels[:, None] == labels
        return float(cosines[alike].mean() - cosines[~alike].mean())

    before = apart()
    state = torch.get_rng_state()
    contrastive.learn(model, np.arange(len(labels)), setup.encoded, setup.spec, device, setup.report)
    assert torch.equal(torch.get_rng_state(), state), "what is drawn later does not change by it"
    assert apart() > before + 0.2 and not model.training


@pytest.mark.parametrize("engine", ENGINES)
def test_training_starts_after_a_contrastive_stage(engine: str, prepare: Callable[..., Any]) -> None:
    setup = prepare(engine=engine, model__initial_head="contrastive", training__learning_rate=1.0)
    assert fitted(setup) == setup.spec and "head-after-contrastive" in setup.report.codes
    begun = read_start(setup.run_dir)
    assert begun is not None and begun.frozen is not None
    assert (begun.metrics["accuracy"] or 0) > 0.45 and begun.metrics != begun.frozen.metrics, "chance is a third"
    again = prepare(folder="again", engine=engine, model__initial_head="contrastive")
    (again.run_dir / START).write_bytes((setup.run_dir / START).read_bytes())
    fitted(again)
    ours, theirs = setup.model.state_dict(), again.model.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    ENGINES[engine](setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)
    _, logits = predict(setup.model, setup.encoded, 8, choose_for(setup.spec), setup.report)
    labels = np.asarray(setup.encoded.eval["labels"])
    assert (logits.argmax(1) == labels).mean() == pytest.approx(begun.metrics["accuracy"]), "it returns to its start"


def test_cross_validation_decides_on_a_contrastive_stage(
    prepare: Callable[..., Any], make_loaded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for values, head in (((0.5, 0.6), "contrastive"), ((0.6, 0.5), "fitted"), (None, "fitted")):
        monkeypatch.setattr(contrastive, "cross_validated", lambda *_, values=values: values)
        setup = prepare(make_loaded(60, 40), folder=f"{head}{values}", model__initial_head="auto")
        assert fitted(setup).model.initial_head == head
        begun = read_start(setup.run_dir)
        assert begun is not None and (begun.frozen is not None) == (head == "contrastive")


def test_cross_validation_leaves_the_model_as_it_is(
    prepare: Callable[..., Any], make_loaded: Callable[..., Any]
) -> None:
    setup = prepare(make_loaded(60, 40), model__initial_head="auto")
    before = {name: tensor.clone() for name, tensor in setup.model.state_dict().items()}
    device = choose_for(setup.spec)
    places = np.arange(60)
    features = contrastive.read(setup.model, places, setup.encoded, setup.spec, device, setup.report)
    assert features is not None
    values = contrastive.cross_validated(setup.model, features, places, setup.encoded, setup.spec, device, setup.report)
    assert values is not None and all(0 <= value <= 1 for value in values)
    assert all(torch.equal(tensor, before[name]) for name, tensor in setup.model.state_dict().items())


def test_a_contrastive_stage_is_refused_where_it_cannot_be(make_spec: Callable[..., Any]) -> None:
    spec = make_spec(model__name="tiny/bert", model__initial_head="contrastive", training__trainable_layers=1)
    assert [problem.id for problem in engines.problems(spec, None)] == ["contrastive-trains-all"]


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_contrastive_stage_that_fails_leaves_the_fitted_head(
    by_hand: bool, prepare: Callable[..., Any], make_loaded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model: Any, *_: Any) -> None:
        with torch.no_grad():
            model.get_parameter("bert.embeddings.word_embeddings.weight").fill_(math.nan)

    plain = prepare(make_loaded(60, 40), folder="plain", model__initial_head="fitted")
    fitted(plain)
    monkeypatch.setattr(contrastive, "learn", spoil)
    monkeypatch.setattr(contrastive, "cross_validated", lambda *_: (0.5, 0.6))
    setup = prepare(make_loaded(60, 40), model__initial_head="contrastive" if by_hand else "auto")
    assert fitted(setup).model.initial_head == "fitted" and "contrastive-failed" in setup.report.codes
    ours, theirs = setup.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_where_memory_or_a_budget_is_short_no_stage_is_tried(
    prepare: Callable[..., Any], make_loaded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(contrastive, "cross_validated", full)
    for more, code in (({}, "contrastive-no-memory"), ({"training__budget_minutes": 5.0}, "contrastive-not-in-budget")):
        setup = prepare(make_loaded(60, 40), folder=code, model__initial_head="auto", **more)
        assert fitted(setup).model.initial_head == "fitted" and code in setup.report.codes

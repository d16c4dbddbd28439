"""Models that differ from BERT: without a vocabulary, with an extra token, with another task."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    CanineConfig,
    CanineModel,
    CanineTokenizer,
    PerceiverConfig,
    PerceiverModel,
    PerceiverTokenizer,
)

from core.errors import ModelError
from core.evaluation.trained_model import TrainedModel
from core.models import loading as model_loading
from core.models import names as models
from core.settings import Settings
from core.spec import engines as support
from core.spec.model import ModelSpec
from core.tasks.text_classification import model as task

PARTS = ([f"{'good' if i % 2 else 'bad'} word{i % 5}" for i in range(16)], [i % 2 for i in range(16)])


def canine(folder: Path) -> None:
    config = CanineConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_hash_buckets=16,
        local_transformer_stride=8,
        max_position_embeddings=64,
    )
    CanineModel(config).save_pretrained(folder)
    CanineTokenizer(model_max_length=64).save_pretrained(folder)


def perceiver(folder: Path) -> None:
    config = PerceiverConfig(
        num_latents=4,
        d_latents=16,
        d_model=8,
        num_self_attends_per_block=1,
        num_self_attention_heads=2,
        num_cross_attention_heads=2,
        qk_channels=8,
        v_channels=16,
        max_position_embeddings=64,
    )
    PerceiverModel(config).save_pretrained(folder)
    PerceiverTokenizer(model_max_length=64).save_pretrained(folder)


@pytest.mark.parametrize("make", [canine, perceiver])
@pytest.mark.parametrize("engine", ["trainer", "torch"])
def test_models_of_characters_train_and_answer(
    make: Callable[[Path], None], engine: str, tmp_path: Path, prepare: Any, make_loaded: Any
) -> None:
    make(tmp_path / "base")
    setup = prepare(
        make_loaded(PARTS, PARTS, ("bad", "good")),
        engine=engine,
        model__name=str(tmp_path / "base"),
        training__num_train_epochs=1,
    )
    importlib.import_module(support.ENGINES[engine]).train(
        setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report
    )
    answers = TrainedModel(setup.run_dir / "model", 48)
    assert answers.logits([["good"], ["bad words"]]).shape == (2, 2)
    assert answers.reads([["good"]])[0]["tokens"] == 4, "a token is a character"


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def add_tokens(folder: Path, *tokens: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(list(tokens))
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("engine", ["trainer", "torch", "keras"])
def test_tokens_that_were_added_get_rows_and_it_is_said(
    engine: str, copy: Path, prepare: Any, make_loaded: Any
) -> None:
    add_tokens(copy, "<user>", "<link>")
    setup = prepare(
        make_loaded(PARTS, PARTS, ("bad", "good")), engine=engine, model__name=str(copy), training__num_train_epochs=1
    )
    size = len(setup.encoded.tokenizer)
    assert setup.model.get_input_embeddings().num_embeddings == size == setup.model.config.vocab_size
    text = next(text for text, _, code in setup.report.messages if code == "resized")
    assert "2 added tokens ('<user>', '<link>')" in text or "2 added tokens ('<link>', '<user>')" in text
    importlib.import_module(support.ENGINES[engine]).train(
        setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report
    )
    assert TrainedModel(setup.run_dir / "model", 48).logits([["<user> good"]]).shape == (1, 2)


def test_the_tokenizer_of_another_model_is_refused_with_the_fix(copy: Path, recorder: Any) -> None:
    config = json.loads((copy / "config.json").read_text())
    weights = model_loading.load_model(
        ModelSpec(name=str(copy)), copy, task.head(("a", "b")), AutoTokenizer.from_pretrained(copy), 1, recorder
    )
    weights.resize_token_embeddings(config["vocab_size"] - 40)
    weights.save_pretrained(copy)
    with pytest.raises(ModelError, match=r"do not belong together.*resize_token_embeddings"):
        model_loading.load_model(
            ModelSpec(name=str(copy)), copy, task.head(("a", "b")), AutoTokenizer.from_pretrained(copy), 1, recorder
        )


def classifier(folder: Path, **config: Any) -> None:
    network = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    network.save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"problem_type": "regression"}, "predicts a number"),
        ({"problem_type": "multi_label_classification"}, "any number of labels"),
        ({"id2label": {"0": "a", "2": "b"}}, "does not number its classes"),
        ({"id2label": {"a": "x", "b": "y"}}, "name the classes by their numbers"),
        ({"id2label": ["x", "y"]}, "name the classes by their numbers"),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "do not fit its config.json"),
    ],
)
def test_heads_that_cannot_answer_with_one_class(config: dict[str, Any], says: str, copy: Path) -> None:
    classifier(copy, **config)
    with pytest.raises(ModelError, match=says):
        TrainedModel(copy, 32)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_of_16_bits_are_trained_as_32(kind: str, copy: Path, recorder: Any) -> None:
    tokenizer = AutoTokenizer.from_pretrained(copy)
    spec = ModelSpec(name=str(copy))
    model_loading.load_model(spec, copy, task.head(("a", "b")), tokenizer, 1, recorder).to(
        getattr(torch, kind)
    ).save_pretrained(copy)
    again = model_loading.load_model(spec, copy, task.head(("a", "b")), tokenizer, 1, recorder)
    assert {p.dtype for p in again.parameters()} == {torch.float32}


def test_the_id_of_a_run_is_told_from_a_name_of_the_hub(settings: Settings, copy: Path) -> None:
    place = settings.run_dir("0123456789") / "model"
    shutil.copytree(copy, place)
    with pytest.raises(ModelError, match=f"is the id of a run.*{place}"):
        models.fetch(ModelSpec(name="0123456789"), settings, lambda text, share: None)
    assert (
        models.fetch(ModelSpec(name=str(place), max_length=32), settings, lambda text, share: None) == place.resolve()
    )


def test_an_error_in_the_code_of_a_model_is_a_sentence(tiny_bert: Path, prepare: Any, make_loaded: Any) -> None:
    """The texts are longer than the model's positions, which the check of the folder would refuse."""
    from core.engines import torch_loop

    setup = prepare(
        make_loaded((["word1 " * 60] * 8, [0, 1] * 4), PARTS, ("bad", "good")), training__num_train_epochs=1
    )
    setup.model.bert.embeddings.register_buffer("position_ids", torch.arange(8).expand(1, -1), persistent=False)
    with pytest.raises(ModelError, match="models of type 'bert' cannot compute these texts"):
        torch_loop.train(setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)

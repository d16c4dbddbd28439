"""The head of a trained classifier: each class keeps its trained row, wherever the data has the class."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BloomConfig,
    CanineConfig,
    DistilBertConfig,
    PerceiverConfig,
    Qwen3Config,
    RobertaConfig,
    XLMConfig,
    XLNetConfig,
)

from core.models import class_head
from core.models import loading as model_loading
from core.models.class_head import plan_for, trained_names
from core.spec import engines as support
from core.spec.model import ModelSpec
from core.tasks.text_classification import model as task

SMALL: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip
CONFIGS: dict[str, Callable[..., Any]] = {
    "bert": lambda **more: BertConfig(**SMALL, **more),
    "distilbert": lambda **more: DistilBertConfig(vocab_size=60, dim=16, n_layers=1, n_heads=2, hidden_dim=16, **more),
    "roberta": lambda **more: RobertaConfig(**SMALL, **more),
    "qwen3": lambda **more: Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=8, pad_token_id=0, **more),
    "bloom": lambda **more: BloomConfig(vocab_size=60, hidden_size=16, n_layer=1, n_head=2, pad_token_id=0, **more),
    "xlnet": lambda **more: XLNetConfig(vocab_size=60, d_model=16, n_layer=1, n_head=2, d_inner=16, **more),
    "xlm": lambda **more: XLMConfig(vocab_size=60, emb_dim=16, n_layers=1, n_heads=2, **more),
    "canine": lambda **more: CanineConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_hash_buckets=16,
        local_transformer_stride=8,
        **more,
    ),
    "perceiver": lambda **more: PerceiverConfig(
        num_latents=4,
        d_latents=16,
        d_model=8,
        num_self_attends_per_block=1,
        num_self_attention_heads=2,
        num_cross_attention_heads=2,
        qk_channels=8,
        v_channels=16,
        max_position_embeddings=32,
        **more,
    ),
}


def named(names: tuple[str, ...]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def trained(kind: str, names: tuple[str, ...], folder: Path) -> Any:
    """Saves a classifier of these classes, whose head differs from any new one, in `folder`."""
    torch.manual_seed(3)
    network = AutoModelForSequenceClassification.from_config(CONFIGS[kind](**named(names)))
    with torch.no_grad():
        for name in class_head.class_parameters(network):
            network.get_parameter(name).normal_(5.0, 1.0)
    network.save_pretrained(folder)
    return network


class NoTokens:
    """A tokenizer of which only its size and padding matter."""

    pad_token_id = 0

    def __len__(self) -> int:
        return 60


def taken_over(folder: Path, names: tuple[str, ...], report: Any) -> Any:
    return model_loading.load_model(ModelSpec(name=str(folder)), folder, task.head(names), NoTokens(), 1, report)


@pytest.mark.parametrize("kind", CONFIGS)
def test_rows_follow_the_names_of_the_classes(kind: str, tmp_path: Path, recorder: Any) -> None:
    before = trained(kind, ("Good", "bad ", "so-so"), tmp_path)
    after = taken_over(tmp_path, ("bad", "good", "so-so"), recorder)
    dimensions = class_head.class_parameters(before)
    assert dimensions, "a classifier has something for each class"
    for name, dimension in dimensions.items():
        wanted = before.get_parameter(name).index_select(dimension, torch.tensor([1, 0, 2]))
        assert torch.equal(after.get_parameter(name), wanted), name
    assert dict(after.config.id2label) == {0: "bad", 1: "good", 2: "so-so"}
    assert recorder.codes == {"kept-head-reordered"} and "another order" in recorder.messages[0][0]


@pytest.mark.parametrize("kind", ["bert", "roberta", "qwen3", "xlnet"])
def test_other_classes_of_the_same_number_get_a_new_head(kind: str, tmp_path: Path, recorder: Any) -> None:
    before = trained(kind, ("toxic", "fine"), tmp_path)
    after = taken_over(tmp_path, ("bad", "good"), recorder)
    for name in class_head.class_parameters(before):
        assert after.get_parameter(name).abs().max() < 1, "weights of the trained head are about 5"
    text, _, code = recorder.messages[0]
    assert code == "new-head-other-classes" and "toxic, fine" in text and "bad, good" in text


@pytest.mark.parametrize("names", [("bad", "good", "mixed"), ("good", "mixed"), ("good", *tuple("abcdef"))])
def test_classes_that_are_known_keep_their_rows_among_new_ones(
    names: tuple[str, ...], tmp_path: Path, recorder: Any
) -> None:
    changes: list[Any] = []
    before = trained("distilbert", ("good", "bad"), tmp_path)
    after = model_loading.load_model(
        ModelSpec(name=str(tmp_path)),
        tmp_path,
        task.head(names),
        NoTokens(),
        1,
        recorder,
        lambda *change: changes.append(change),
    )
    known = {name: row for name, row in (("good", 0), ("bad", 1)) if name in names}
    for i, name in enumerate(names):
        row = after.classifier.weight[i]
        assert torch.equal(row, before.classifier.weight[known[name]]) if name in known else row.abs().max() < 1
    text, _, code = recorder.messages[0]
    assert code == "kept-head-in-part"
    assert "keeps what this model has learned" in text and "random weights" in text
    rows = [known.get(name) for name in names]
    assert changes == [("head", {"rows": rows, "dimensions": {"classifier.weight": 0, "classifier.bias": 0}})]


def test_the_same_classes_go_on_and_it_is_said(tmp_path: Path, recorder: Any) -> None:
    before = trained("bert", ("bad", "good"), tmp_path)
    after = taken_over(tmp_path, ("bad", "good"), recorder)
    assert torch.equal(after.classifier.weight, before.classifier.weight)
    assert recorder.codes == {"kept-head"} and "goes on from what it has learned" in recorder.messages[0][0]


def test_the_head_comes_from_the_weights_that_are_loaded(tmp_path: Path) -> None:
    before = trained("bert", ("good", "bad"), tmp_path)
    stale = {name: torch.zeros_like(tensor) for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    save_file(stale, tmp_path / "model-00001-of-00002.safetensors")
    name = next(iter(class_head.class_parameters(before)))
    assert torch.equal(class_head.saved_tensor(tmp_path, name), before.get_parameter(name))


def of_two(names: tuple[str, ...], **config: Any) -> class_head.HeadPlan:
    return plan_for(config, {"w": torch.zeros(2, 4)}, {"w": 0}, names)


def test_a_class_without_a_name_is_its_number_and_nothing_else() -> None:
    numbers = {"0": "LABEL_0", "1": "LABEL_1"}
    assert of_two(("0", "1"), id2label=numbers).rows == (0, 1)
    assert of_two(("1", "0"), id2label=numbers).rows == (1, 0)
    assert of_two(("0", "1")).rows == (0, 1), "no id2label stands for LABEL_0, LABEL_1"
    for names in (("bad", "good"), ("1", "2")):
        plan = of_two(names, id2label=numbers)
        assert plan.rows == (None, None) and "have no names (LABEL_0, LABEL_1)" in plan.message(names).text


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"id2label": {"0": "good", "2": "bad"}}, "does not number its classes"),
        ({"id2label": {"a": "good", "b": "bad"}}, "not class numbers"),
        ({"id2label": ["good", "bad"]}, "not class numbers"),
        ({"id2label": {"0": "good", "1": "bad"}, "label2id": {"bad": 0, "good": 1}}, "contradict"),
        ({"id2label": {"0": "good", "1": "bad", "2": "mixed"}}, "Its weights are for 2 classes"),
    ],
)  # fmt: skip
def test_tables_of_labels_that_cannot_be_trusted(config: dict[str, Any], says: str) -> None:
    plan = of_two(("bad", "good"), **config)
    assert plan.rows == (None, None) and not plan.keeps
    assert says in plan.message(("bad", "good")).text and "is new" in plan.message(("bad", "good")).text


def test_names_that_are_the_same_but_for_case_match_only_if_one_does() -> None:
    assert of_two(("GOOD", "Bad"), id2label={"0": "bad", "1": "good"}).rows == (1, 0)
    assert of_two(("good", "Good"), id2label={"0": "Good", "1": "good"}).rows == (1, 0)
    assert of_two(("GOOD", "x"), id2label={"0": "Good", "1": "good"}).rows == (None, None)


def test_labels_left_from_before_the_classes_had_names_do_not_contradict() -> None:
    config = {"id2label": {"0": "bad", "1": "good"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    assert trained_names(config) == ("bad", "good")


@pytest.mark.parametrize("engine", ["trainer", "torch", "keras"])
def test_every_engine_goes_on_from_the_trained_head(
    engine: str, prepare: Any, make_loaded: Any, tmp_path: Path
) -> None:
    """After steps too small to learn from, it predicts as before, each class under its own name."""
    first = prepare(make_loaded(8, 8), folder="first")
    with torch.no_grad():
        first.model.classifier.weight.normal_(0, 1.0)
    model_loading.save(first.model, first.encoded.tokenizer, tmp_path / "trained")
    loaded = make_loaded(8, 8, label_names=("good", "bad", "middling"))
    second = prepare(
        loaded,
        folder="second",
        engine=engine,
        model__name=str(tmp_path / "trained"),
        training__num_train_epochs=1,
        training__learning_rate=1e-8,
    )
    importlib.import_module(support.ENGINES[engine]).train(
        second.spec, second.encoded, second.model, second.run_dir, second.report
    )
    result = AutoModelForSequenceClassification.from_pretrained(second.run_dir / "model")
    assert dict(result.config.id2label) == {0: "good", 1: "bad", 2: "middling"}
    ids = torch.arange(5, 25).reshape(2, 10)
    with torch.no_grad():
        before, after = first.model.eval()(input_ids=ids).logits, result.eval()(input_ids=ids).logits
    torch.testing.assert_close(after, before[:, [2, 0, 1]], atol=0.02, rtol=0.02)
    assert (before.max() - before.min()) > 0.5, "else any order would do"


def test_a_script_repeats_what_became_of_the_head(tmp_path: Path, recorder: Any) -> None:
    """The lines of an exported script give the same weights."""
    from core.sharing.code.exact import trained_head
    from core.sharing.code.facts import HeadRows

    trained("distilbert", ("good", "bad"), tmp_path)
    changes: dict[str, Any] = {}
    names = ("bad", "mixed", "good")
    ours = model_loading.load_model(
        ModelSpec(name=str(tmp_path)), tmp_path, task.head(names), NoTokens(), 1, recorder, changes.__setitem__
    )
    head = HeadRows(tuple(changes["head"]["rows"]), changes["head"]["dimensions"])
    section = trained_head(head, "")
    code = "\n".join(
        [
            *section.imports,
            section.code,
            "from transformers import set_seed",
            "set_seed(1)",
            "model = AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=3, "
            "ignore_mismatched_sizes=True)",
            "take_over_head(model, MODEL)",
        ]
    )
    space: dict[str, Any] = {"MODEL": str(tmp_path)}
    exec(code, space)
    torch.testing.assert_close(space["model"].state_dict(), ours.state_dict(), rtol=0, atol=0)

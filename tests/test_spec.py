"""The spec: what is accepted, and the sentence for what is not."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SpecError
from core.spec.presets import PRESETS
from core.spec.run import RunSpec, build, from_yaml, get_field, parse_assignments, replace, spec_fields, to_yaml
from core.spec.section import Section


@pytest.mark.parametrize("spec", [RunSpec(), *(preset.spec for preset in PRESETS.values())])
def test_yaml_and_back(spec: RunSpec) -> None:
    assert from_yaml(to_yaml(spec)) == spec


def test_every_field_explains_itself() -> None:
    for path, info in spec_fields():
        assert info.title, path
        assert info.description and info.description.endswith("."), path
        assert len(info.description) < 160, path
        assert not isinstance(get_field(RunSpec(), path), Section), path


def test_the_settings_that_matter_are_few() -> None:
    main = [p for p, info in spec_fields() if p.startswith("training.") and info.json_schema_extra["main"]]  # type: ignore[index]
    assert main == ["training.learning_rate", "training.num_train_epochs", "training.per_device_train_batch_size"]


@pytest.mark.parametrize(
    ("tree", "field", "words"),
    [
        ({"training": {"learning_rate": 0}}, "training.learning_rate", ["0", "greater than 0"]),
        ({"training": {"learning_rate": float("nan")}}, "training.learning_rate", ["nan"]),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate", ["'fast'", "not a number"]),
        ({"training": {"num_train_epochs": -1}}, "training.num_train_epochs", ["-1", "greater than 0"]),
        ({"training": {"per_device_train_batch_size": 0}}, "training.per_device_train_batch_size", ["0", "least is 1"]),
        ({"training": {"seed": 2**40}}, "training.seed", ["most is"]),
        ({"training": {"learning_rat": 1}}, "training.learning_rat", ["spelling", "learning_rate"]),
        ({"model": {"max_length": 12.5}}, "model.max_length", ["12.5", "whole number"]),
        ({"model": {"padding": "left"}}, "model.padding", ["'left'", "dynamic"]),
        ({"engine": "magic"}, "engine", ["'magic'", "trainer"]),
        ({"data": {"source": "file"}}, "data", ["data.path"]),
        ({"data": {"path": "x.csv"}}, "data", ["'x.csv'", "source"]),
        ({"data": {"text_columns": ["a", "a"]}}, "data.text_columns", ["'a'", "twice"]),
        ({"data": {"text_columns": ["a"], "label_column": "a"}}, "data", ["both text and label"]),
        ({"data": {"validation_fraction": 0.9}}, "data.validation_fraction", ["0.9", "0.5"]),
        ({"evaluation": {"metrics": ["f1_macro"]}}, "evaluation", ["accuracy", "add it"]),
        ("text", "", ["'text'", "mapping"]),
    ],
)
def test_a_broken_field_has_its_sentence(tree: Any, field: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        build(tree)
    (problem,) = caught.value.problems
    assert problem.field == field
    for word in words:
        assert word in problem.message


def test_all_problems_come_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        build({"training": {"seed": -1, "weight_decay": 2}, "model": {"max_length": 1}})
    assert {p.field for p in caught.value.problems} == {"training.seed", "training.weight_decay", "model.max_length"}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: [*x, *x]",
        "training: [",
        "!!python/object/apply:os.system ['true']",
        "[" * 5000,
        "!!timestamp x",
        "a: !!bool x",
        "a: !!int ''",
        "x" * 300_000,
        "training: {learning_rate: 1e-5, learning_rate: {}}",
    ],
)
def test_hostile_yaml_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        from_yaml(text)


def test_a_power_of_ten_without_a_dot_is_a_number() -> None:
    assert from_yaml("training: {learning_rate: 5e-4}").training.learning_rate == 5e-4


def test_words_that_older_yaml_takes_for_true_and_false_stay_words() -> None:
    spec = from_yaml(
        "training: {eval_strategy: no, class_weights: custom, custom_class_weights: {no: 2, yes: 3}}\n"
        "execution: {torch_compile: yes, padding_free: off}"
    )
    assert spec.training.eval_strategy == "no" and spec.training.custom_class_weights == {"no": 2.0, "yes": 3.0}
    assert spec.execution.torch_compile is True and spec.execution.padding_free == "off"
    assert from_yaml(to_yaml(spec)) == spec
    assert from_yaml("training: {class_weights: off}").training.class_weights == "off"
    assert from_yaml("execution: {torch_compile: true}").execution.torch_compile is True


def test_assignments_change_single_fields() -> None:
    changes = parse_assignments(
        ["training.seed=7", "data.text_columns=[a, b]", "data.eval_split=null", "model.name=x=y"]
    )
    spec = replace(RunSpec(), {**changes, "model.name": "x"})
    assert (spec.training.seed, spec.data.text_columns, spec.data.eval_split) == (7, ("a", "b"), None)
    assert changes["model.name"] == "x=y"


@pytest.mark.parametrize("text", ["training.seed", "=1", "a b=1", "training.sed=1", "seed.training=1", "training=1"])
def test_a_bad_assignment_has_its_sentence(text: str) -> None:
    with pytest.raises(SpecError):
        replace(RunSpec(), parse_assignments([text]))

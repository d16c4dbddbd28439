"""What a spec amounts to, before it starts: it must agree with what the run then does."""

from contextlib import suppress
from pathlib import Path

import pytest

from core.data import selection
from core.data.loading.load import load
from core.data.prepare import prepare
from core.errors import ModelError, PathError
from core.models import names as models
from core.runs import outlook as plan
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.presets import PRESETS, SAMPLE
from core.spec.run import RunSpec, replace

SPEC = PRESETS[SAMPLE].spec


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data.max_train_examples": 100, "data.max_eval_examples": 40},
        {"data.train_split": "test"},
        {"training.num_train_epochs": 0.5, "training.gradient_accumulation_steps": 4},
    ],
)
def test_examples_are_those_that_are_loaded(settings: Settings, changes: dict[str, object]) -> None:
    spec = replace(SPEC, changes)
    outlook = plan.outlook(spec, prepare(spec.data, settings))
    loaded = load(spec.data, settings)
    assert outlook is not None
    assert (outlook.train, outlook.evaluation) == (len(loaded.dataset["train"]), len(loaded.dataset["eval"]))


def test_a_part_is_held_out_where_there_is_one_split(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("text,label\n" + "".join(f"words in row {i},{'ab'[i % 2]}\n" for i in range(200)))
    spec = RunSpec(data=DataSpec(source="file", path=str(file)))
    outlook = plan.outlook(spec, prepare(spec.data, settings))
    loaded = load(spec.data, settings)
    assert outlook is not None and outlook.held_out
    assert (outlook.train, outlook.evaluation) == (len(loaded.dataset["train"]), len(loaded.dataset["eval"]))


def test_steps_are_whole_and_counted_with_accumulation(settings: Settings) -> None:
    spec = replace(
        SPEC,
        {
            "data.max_train_examples": 100,
            "training.per_device_train_batch_size": 8,
            "training.gradient_accumulation_steps": 2,
            "training.num_train_epochs": 3,
        },
    )
    outlook = plan.outlook(spec, prepare(spec.data, settings))
    assert outlook is not None and outlook.steps == 21  # 13 batches, 7 steps, 3 epochs


def test_a_fitting_spec_has_no_problems(settings: Settings, minilm: Path) -> None:
    spec = replace(SPEC, {"model.name": str(minilm)})
    assert plan.problems(spec, prepare(spec.data, settings), settings) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data.label_column": "none"}, "data.label_column"),
        ({"data.text_columns": ["none"]}, "data.text_columns"),
        ({"data.train_split": "none"}, "data.train_split"),
        ({"data.eval_split": "none"}, "data.eval_split"),
        ({"data.eval_split": "train"}, "data.eval_split"),
        ({"model.name": "./none"}, "model.name"),
    ],
)
def test_what_would_fail_is_said(settings: Settings, changes: dict[str, object], field: str) -> None:
    spec = replace(SPEC, changes)
    assert [p.field for p in plan.problems(spec, prepare(spec.data, settings), settings)] == [field]


def test_a_text_longer_than_the_model_takes_is_said(settings: Settings, minilm: Path) -> None:
    spec = replace(SPEC, {"model.name": str(minilm), "model.max_length": 4096})
    (problem,) = plan.problems(spec, None, settings)
    assert problem.field == "model.max_length" and "512" in problem.message


def test_sources_are_the_same_whatever_is_chosen_of_them() -> None:
    one = DataSpec(source="hub", path="x/y", text_columns=("a",), max_train_examples=5)
    assert selection.same_source(one, DataSpec(source="hub", path="x/y", seed=1))
    assert not selection.same_source(one, DataSpec(source="hub", path="x/y", config="c"))


UNOPENABLE = ["x" * 300, "/" + "x" * 300, "a\0b", "/a\0b", "~no-such-user/model"]


@pytest.mark.parametrize("name", UNOPENABLE)
def test_a_model_path_that_cannot_be_is_said_beside_its_field(settings: Settings, name: str) -> None:
    (problem,) = plan.problems(replace(SPEC, {"model.name": name}), None, settings)
    assert problem.field == "model.name"
    with suppress(ModelError, PathError):  # as the tab of text lengths asks for it
        assert models.tokenizer_json(ModelSpec(name=name), settings) is None


def test_a_model_folder_that_may_not_be_read_is_said(
    settings: Settings, minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refused)
    (problem,) = plan.problems(replace(SPEC, {"model.name": str(minilm)}), None, settings)
    assert problem.field == "model.name" and "check the path and its permissions" in problem.message
    with pytest.raises(ModelError, match="Permission denied"):
        models.tokenizer_json(ModelSpec(name=str(minilm)), settings)

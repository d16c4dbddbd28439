"""The form of a run: made from the spec, kept over page changes, refused where it is wrong."""

from pathlib import Path

import pytest

from core.data.prepare import prepare
from core.settings import from_environment
from core.spec.data import DataSpec, ReadSpec
from core.spec.presets import PRESETS, SAMPLE
from core.spec.run import RunSpec, get_field, replace, spec_fields, to_yaml
from tests.pages.form import PAGE, Open, field, put, start, store, write


def test_every_field_of_the_spec_has_its_place(app: Open) -> None:
    app()
    from ui.new_run import form as spec_form
    from ui.new_run import summary as spec_summary

    for path, _ in spec_fields():
        has_place = spec_form.is_main(path) or spec_form.has_choice(path)
        assert has_place or path == "task", path
        assert spec_form.help_text(path), path
    assert all(any(path.startswith(e) for path, _ in spec_fields()) for e in spec_summary.ELSEWHERE)


def test_the_sample_starts_with_one_click(app: Open) -> None:
    page = app(PAGE)
    assert start(page) == PRESETS[SAMPLE].spec
    assert store().runs()[0].name == "Sample reviews · scratch"


def test_what_will_happen_is_told(app: Open) -> None:
    page = app(PAGE)
    put(page, "training.num_train_epochs", 2.0)
    put(page, "training.per_device_train_batch_size", 16)
    page_text = "\n".join(text.value for text in page.markdown)
    assert (
        "4,000 examples for training" in page_text and "1,000 for evaluation" in page_text and " 500 steps" in page_text
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.learning_rate", "7", "the most is 1"),
        ("training.learning_rate", "fast", "not a number"),
        ("training.per_device_train_batch_size", 0, "the least is 1"),
        ("data.text_columns", ["text", "label"], "both text and label"),
        ("data.max_train_examples", 1, "the least is 2"),
        ("evaluation.metrics", ["f1_macro"], "main metric"),
        ("model.name", "/no/such/folder", "is not a folder"),
        ("model.name", "what is this", "is not a model"),
    ],
)
def test_a_bad_value_is_explained_and_refused(app: Open, path: str, value: object, message: str) -> None:
    page = app(PAGE)
    (write if path == "model.name" else put)(page, path, value)
    beside = [text.value for text in page.markdown if text.value.startswith(":red[")]
    assert any(message in text.replace("\\", "") for text in beside), beside
    assert page.button(key="start").disabled
    assert message in page.warning[0].value.replace("\\", "")
    assert store().runs() == []


def test_values_stay_while_another_page_is_looked_at(app: Open) -> None:
    page = app(PAGE)
    put(page, "training.num_train_epochs", 7.0)
    put(page, "training.learning_rate", "oops")
    page.switch_page("../pages/train/runs.py").run()
    page.switch_page(f"../pages/{PAGE}.py").run()
    assert field(page, "training.num_train_epochs").value == 7.0  # type: ignore[attr-defined]
    assert field(page, "training.learning_rate").value == "oops"  # type: ignore[attr-defined]
    put(page, "training.learning_rate", "2e-4")
    spec = start(page)
    assert spec.training.num_train_epochs == 7 and spec.training.learning_rate == 2e-4


def test_an_emptied_field_is_its_default(app: Open) -> None:
    page = app(PAGE)
    put(page, "training.num_train_epochs", None)
    put(page, "data.max_train_examples", 100)
    put(page, "data.max_train_examples", None)
    spec = start(page)
    assert spec.training.num_train_epochs == 3 and spec.data.max_train_examples is None


def test_settings_move_with_the_kind_of_model_unless_touched(app: Open) -> None:
    page = app(PAGE)
    put(page, "training.per_device_train_batch_size", 5)
    put(page, "model.name", "distilbert/distilbert-base-uncased")
    spec = start(page)
    assert spec.training.learning_rate == 5e-5 and spec.training.per_device_train_batch_size == 5


def test_a_preset_fills_everything(app: Open) -> None:
    page = app(PAGE)
    put(page, "preset", "yelp-trainer")
    assert start(page) == PRESETS["yelp-trainer"].spec


def test_a_cloned_spec_is_taken_over_once(app: Open) -> None:
    page = app()
    spec = replace(PRESETS[SAMPLE].spec, {"training.seed": 7, "data.max_train_examples": 50})
    page.session_state["draft"] = spec
    page.switch_page(f"../pages/{PAGE}.py").run()
    assert start(page) == spec
    assert page.session_state["draft"] is None


def test_yaml_can_be_edited_and_says_the_line(app: Open) -> None:
    page = app(PAGE)
    page.session_state["as_yaml"] = True
    page.run()
    text = to_yaml(PRESETS[SAMPLE].spec)
    assert page.text_area[0].value == text
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  num_train_epochs:"))
    lines[at] = "  num_train_epochs: -1"
    page.text_area[0].set_value("\n".join(lines))
    page.button(key="yaml_apply").click().run()
    assert f"line {at + 1}:" in page.error[0].value.replace("\\", "")
    lines[at] = "  num_train_epochs: 9"
    page.text_area[0].set_value("\n".join(lines))
    page.button(key="yaml_apply").click().run()
    assert start(page).training.num_train_epochs == 9


def test_an_uploaded_yaml_fills_the_form_and_is_let_go(app: Open) -> None:
    page = app(PAGE)
    page.session_state["as_yaml"] = True
    page.run()
    spec = replace(PRESETS[SAMPLE].spec, {"training.weight_decay": 0.5})
    page.file_uploader[0].upload("spec.yaml", to_yaml(spec).encode()).run()
    assert not page.exception and page.file_uploader[0].value is None
    assert start(page) == spec
    page = app(PAGE)
    page.session_state["as_yaml"] = True
    page.run()
    page.file_uploader[0].upload("bad.yaml", b"training:\n  seed: [").run()
    assert "not YAML" in page.error[0].value


def test_a_dataset_that_is_gone_is_said(app: Open) -> None:
    page = app()
    page.session_state["draft"] = RunSpec(data=DataSpec(source="file", path="/no/such.csv"))
    page.switch_page(f"../pages/{PAGE}.py").run()
    assert page.button(key="start").disabled and "/no/such.csv" in page.warning[0].value.replace("\\", "")


def test_columns_that_do_not_exist_are_said(app: Open) -> None:
    page = app()
    page.session_state["draft"] = replace(
        PRESETS[SAMPLE].spec, {"data.label_column": "stars", "data.train_split": "nope"}
    )
    page.switch_page(f"../pages/{PAGE}.py").run()
    warning = page.warning[0].value.replace("\\", "")
    assert "no column 'stars'" in warning and "no split 'nope'" in warning and "text, label" in warning


def test_seldom_meant_settings_are_pointed_out_but_allowed(app: Open) -> None:
    page = app(PAGE)
    put(page, "training.learning_rate", "1e-5")
    assert any("low for new weights" in c.value.lower().replace("\\", "") for c in page.caption)
    assert start(page).training.learning_rate == 1e-5


@pytest.mark.parametrize(("text", "warned"), [("この店はとてもおいしい", True), ("this place is very good", False)])
def test_a_model_for_another_language_is_pointed_out(app: Open, tmp_path: Path, text: str, warned: bool) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"{text} {n},{'ab'[n % 2]}\n" for n in range(40)), encoding="utf-8")
    page = app()
    data = DataSpec(source="file", path=str(path))
    prepare(data, from_environment())
    page.session_state["draft"] = replace(
        RunSpec(data=data), {"model.name": "google-bert/bert-base-cased", "data.text_columns": ("text",)}
    )
    page.switch_page(f"../pages/{PAGE}.py").run()
    assert not page.exception
    hints = [c.value.replace("\\", "") for c in page.caption if "nows English only" in c.value]
    assert bool(hints) is warned
    if warned:
        assert "most texts look Japanese; try sbintuitions/modernbert-ja-130m" in hints[0]


def test_all_values_of_a_spec_survive_the_form(app: Open) -> None:
    page = app()
    changes = {
        "training.learning_rate": 2.5e-5, "training.warmup_steps": 0.06, "training.lr_scheduler_type": "cosine",
        "evaluation.metrics": ["accuracy", "f1_macro"], "execution.threads": 3, "data.validation_fraction": 0.25,
        "training.load_best_model_at_end": False, "data.train_split": "train", "engine": "keras",
        "keras_input": "numpy", "training.class_weights": "custom", "training.custom_class_weights": {"1 star": 2.5},
        "training.trainable_layers": 0, "evaluation.early_stopping_patience": 3, "training.save_strategy": "steps",
    }  # fmt: skip
    spec = replace(PRESETS[SAMPLE].spec, changes)
    page.session_state["draft"] = spec
    page.switch_page(f"../pages/{PAGE}.py").run()
    from ui.new_run import form as spec_form

    held = page.session_state["form"]
    read, problems = spec_form.read(held)
    assert read == spec and not problems
    assert all(get_field(read, path) == get_field(spec, path) for path, _ in spec_fields())
    assert start(page) == spec


def test_the_engine_is_chosen_with_what_only_it_has(app: Open) -> None:
    page = app(PAGE)
    held = page.session_state["form"]
    offered = lambda path: held.key(path) in {w.key for w in [*page.selectbox, *page.number_input, *page.toggle]}  # noqa: E731
    assert not offered("keras_input") and not offered("training.max_tokens_per_batch")
    put(page, "engine", "torch")
    assert offered("training.max_tokens_per_batch") and offered("execution.torch_compile")
    put(page, "engine", "keras")
    assert offered("keras_input") and not offered("execution.torch_compile")
    assert any("BERT, DistilBERT, ALBERT, RoBERTa and XLM-RoBERTa" in c.value for c in page.caption)
    put(page, "keras_input", "numpy")
    spec = start(page)
    assert (spec.engine, spec.keras_input) == ("keras", "numpy")


def test_a_model_that_keras_cannot_take_is_refused_with_the_other_engines(app: Open) -> None:
    page = app(PAGE)
    put(page, "engine", "keras")
    put(page, "model.name", "answerdotai/ModernBERT-base")
    warning = page.warning[0].value.replace("\\", "")
    assert "'modernbert'" in warning and "choose the Trainer or the PyTorch loop" in warning
    assert page.button(key="start").disabled
    put(page, "engine", "torch")
    assert not page.warning and not page.button(key="start").disabled


def test_fields_that_mean_nothing_are_not_asked(app: Open) -> None:
    page = app(PAGE)
    held = page.session_state["form"]
    assert held.key("training.eval_steps") not in {w.key for w in page.number_input}
    put(page, "training.eval_strategy", "steps")
    put(page, "training.eval_steps", 7)
    put(page, "training.eval_strategy", "epoch")
    assert field(page, "training.eval_steps").value == 7, "what was set is not hidden"  # type: ignore[attr-defined]


def test_class_weights_are_a_table_of_the_classes(app: Open) -> None:
    page = app(PAGE)
    put(page, "training.class_weights", "custom")
    assert "none is given" in page.warning[0].value
    key = page.session_state["form"].key("training.custom_class_weights")
    assert list(page.session_state[f"{key}_base"]) == ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]
    write(page, "training.custom_class_weights", {"5 stars": 3.0})
    assert start(page).training.custom_class_weights == {"5 stars": 3.0}


@pytest.mark.parametrize(
    ("values", "words", "starts"),
    [(["same"] * 60, "nothing to learn", False), ([str(i) for i in range(60)], "more than 50 different", True)],
)
def test_the_labels_are_looked_at_before_anything_starts(
    app: Open, tmp_path: Path, values: list[str], words: str, starts: bool
) -> None:
    rows = "".join(f"some words here {i},{value}\n" for i, value in enumerate(values))
    (tmp_path / "data.csv").write_text("text,label\n" + rows)
    page = app()
    data = DataSpec(
        source="file",
        path=str(tmp_path / "data.csv"),
        text_columns=("text",),
        label_column="label",
        read=ReadSpec(header=True),
    )
    page.session_state["draft"] = RunSpec(data=data)
    page.switch_page(f"../pages/{PAGE}.py").run()
    texts = [*(m.value for m in page.markdown), *(c.value for c in page.caption)]
    assert any(words in text for text in texts)
    assert page.button(key="start").disabled is not starts

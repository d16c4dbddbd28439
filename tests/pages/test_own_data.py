"""The New run page with a dataset of one's own: the proposed models, and what is automatic."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.prepare import prepare
from core.hub import reach
from core.runs import proposing
from core.settings import from_environment
from core.spec.data import DataSpec
from core.spec.run import RunSpec
from tests.pages.form import PAGE, Open, field, put, start, store
from tests.synthetic import Synthetic


@pytest.fixture
def own(tmp_path: Path) -> DataSpec:
    """A dataset of one's own in English."""
    path = tmp_path / "own.csv"
    path.write_text(
        "text,label\n" + "".join(f"what is the answer to my question {n},{'ab'[n % 2]}\n" for n in range(60))
    )
    return DataSpec(source="file", path=str(path), text_columns=("text",), label_column="label")


def open_form(app: Open, data: DataSpec) -> AppTest:
    """The New run page as the Datasets page opens it."""
    page = app()
    prepare(data, from_environment())
    page.session_state["data"] = data
    page.switch_page(f"../pages/{PAGE}.py").run()
    assert not page.exception
    return page


def tiers(page: AppTest) -> list[str]:
    return [tier for tier in ("fast", "balanced", "best") if any(b.key == f"propose_{tier}" for b in page.button)]


def test_without_any_model_ones_own_data_starts_from_scratch_and_is_told_the_price(app: Open, own: DataSpec) -> None:
    page = open_form(app, own)
    assert tiers(page) == [] and "knows no language beforehand" in page.info[0].value
    spec = start(page)
    assert spec.model.name == "scratch" and "training.learning_rate" in spec.auto


def test_a_budget_changes_what_is_automatic_and_says_so(
    app: Open, own: DataSpec, minilm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(minilm, tmp_path / "models" / "minilm")
    monkeypatch.setenv("TUNEDECK_ROOTS", str(tmp_path / "models"))
    monkeypatch.setattr(proposing, "machine_for", lambda spec: proposing.Machine(1e9, None, is_gpu=False))
    path = "training.budget_minutes"
    page = open_form(app, own)
    usual = field(page, "training.num_train_epochs").placeholder  # type: ignore[attr-defined]
    assert not any("not enough" in c.value or "too few" in c.value for c in page.caption)
    put(page, path, 0.1)
    assert any("are too few for this model and these texts" in c.value for c in page.caption)
    assert field(page, "training.num_train_epochs").placeholder != usual  # type: ignore[attr-defined]
    put(page, "training.num_train_epochs", 2.0)
    put(page, "model.max_length", 32)
    assert any("nothing follows from a budget" in c.value for c in page.caption)
    spec = start(page)
    assert spec.training.budget_minutes == 0.1 and spec.training.num_train_epochs == 2


def test_early_stopping_is_automatic_until_a_number_or_zero_is_given(app: Open, own: DataSpec) -> None:
    path = "evaluation.early_stopping_patience"
    page = open_form(app, own)
    assert field(page, path).placeholder.startswith("auto: ")  # type: ignore[attr-defined]
    put(page, path, 4)
    assert start(page).evaluation.early_stopping_patience == 4
    page = open_form(app, own)
    put(page, path, 0)
    spec = start(page)
    assert spec.evaluation.early_stopping_patience is None and path not in spec.auto and "model.max_length" in spec.auto


def test_the_model_that_is_here_is_the_default(
    app: Open, own: DataSpec, minilm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(minilm, tmp_path / "models" / "minilm")
    monkeypatch.setenv("TUNEDECK_ROOTS", str(tmp_path / "models"))
    page = open_form(app, own)
    assert tiers(page) == ["balanced"]
    spec = start(page)
    assert spec.model.name == str(tmp_path / "models" / "minilm") and spec.training.learning_rate == 5e-5


def test_a_proposal_is_picked_with_one_click_and_then_stays(
    app: Open, own: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "may_be_asked", lambda: True)
    page = open_form(app, own)
    assert "balanced" in tiers(page) and "fast" in tiers(page)
    default = page.session_state["form"].values["model.name"]
    page.button(key="propose_fast").click().run()
    fast = page.session_state["form"].values["model.name"]
    assert not page.exception and fast != default and "/" in fast
    put(page, "engine", "keras")
    assert start(page).model.name == fast


def test_a_hub_that_does_not_answer_starts_no_run_and_changes_the_proposal(
    app: Open, own: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [False]

    def answers() -> bool:
        silent[0] = True
        return False

    monkeypatch.setattr(reach, "may_be_asked", lambda: not silent[0])
    monkeypatch.setattr(reach, "answers", answers)
    page = open_form(app, own)
    assert "/" in page.session_state["form"].values["model.name"]
    page.button(key="start").click().run()
    assert not page.exception and store().runs() == [] and "cannot be downloaded" in page.error[0].value
    assert start(page).model.name == "scratch"


def test_a_run_starts_with_the_model_that_was_shown_or_not_at_all(
    app: Open, own: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [True]
    monkeypatch.setattr(reach, "may_be_asked", lambda: asked[0])
    page = open_form(app, own)
    shown = page.session_state["form"].values["model.name"]
    asked[0] = False  # another session has found out that the Hub does not answer
    page.button(key="start").click().run()
    assert not page.exception and store().runs() == []
    notice = page.error[0].value.replace("\\", "")
    assert shown.split("/")[1] in notice and "scratch" in notice
    assert start(page).model.name == "scratch"


def test_the_sample_keeps_its_model_until_another_dataset_is_chosen(
    app: Open, own: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "may_be_asked", lambda: True)
    page = app(PAGE)
    assert page.session_state["form"].values["model.name"] == "scratch"
    prepare(own, from_environment())
    page.session_state["data"] = own
    page.run()
    assert not page.exception and page.session_state["form"].values["model.name"] != "scratch"
    assert page.session_state["form"].values["training.learning_rate"] is None  # automatic


def test_a_model_that_a_run_left_is_listed_by_the_runs_name(app: Open, own: DataSpec, minilm: Path) -> None:
    settings = from_environment()
    run = Synthetic(store(), settings, "My first", RunSpec(data=own).model_dump(mode="json")).working()
    store().finish(run.id, run.token, "finished", summary={})
    folder = settings.run_dir(run.id) / "model"
    shutil.copytree(minilm, folder)
    page = open_form(app, own)
    box = field(page, "model.name")
    assert "Model of the run “My first”" in box.options  # type: ignore[attr-defined]
    assert tiers(page) == [], "it is not proposed"
    put(page, "model.name", "Model of the run “My first”")
    assert any("Trained here before" in caption.value for caption in page.caption)
    assert start(page).model.name == str(folder)

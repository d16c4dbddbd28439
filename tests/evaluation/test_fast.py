"""Fast answers: what they cost is measured, kept with the model, and decides whether they may be used."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.cli.lines import evaluation_lines
from core.errors import DataError, ModelError, SpecError
from core.evaluation.fast import certify, kept, onnx_file, words
from core.evaluation.fast.int8_model import Int8Model
from core.evaluation.results import read_evaluation, read_robustness
from core.evaluation.specs import CertifySpec, EvaluateSpec, PredictSpec, Subject
from core.evaluation.trained_model import TrainedModel
from core.person import Person, Role
from core.settings import Settings
from core.sharing.report import card_metadata
from core.sharing.report.card_edits import Edits
from core.sharing.report.chapters import quality
from core.sharing.report.content import gather
from core.sharing.report.document import Paragraph
from core.spec.run import build
from core.store.certificate import Certificate
from core.store.store import Store
from core.store.summaries import Certified, Predicted
from core.tasks import sureness
from tests.evaluation.conftest import LABELS, make_texts
from tests.sharing.test_export import tiny
from tests.synthetic import Synthetic

Work = Callable[..., tuple[str, dict[str, Any]]]
Reviews = Callable[..., Path]


@pytest.fixture(scope="session")
def written(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier's ONNX file, converted once for all tests."""
    folder = tmp_path_factory.mktemp("written")
    onnx_file.write(TrainedModel(classifier, 48, device="cpu"), folder, native=True)
    return folder / onnx_file.MODEL


@pytest.fixture
def quick(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversion of any model is that of the classifier, written before."""
    monkeypatch.setattr(
        onnx_file, "write", lambda model, folder, native: shutil.copy(written, folder / onnx_file.MODEL)
    )
    monkeypatch.setattr(certify, "ROUNDS", 1)


@pytest.fixture
def trained(store: Store, settings: Settings, classifier: Path, reviews: Reviews) -> Callable[[int], str]:
    """`trained(900)`: a run whose model is the classifier, with so many validation examples."""

    def made(count: int) -> str:
        folder = reviews(train=60, validation=count, test=40)
        columns = {"text_columns": ["text"], "label_column": "label"}
        spec = {
            "data": {"source": "file", "path": str(folder), **columns},
            "model": {"name": str(classifier), "max_length": 48},
        }
        run = Synthetic(store, settings, "Stars", build(spec).model_dump(mode="json")).working()
        shutil.copytree(classifier, settings.run_dir(run.id) / "model")
        store.finish(run.id, run.token, "finished")
        return run.id

    return made


def asked(run: str) -> dict[str, Any]:
    return CertifySpec(model=Subject(run=run)).model_dump(mode="json")


def predicting(run: str, file: Path, answers: str, form: str = "csv") -> dict[str, Any]:
    data = {"source": "file", "path": str(file), "text_columns": ["text"]}
    spec: PredictSpec = build({"model": {"run": run}, "data": data, "form": form, "answers": answers}, PredictSpec)
    return spec.model_dump(mode="json")


def found(run: str, settings: Settings, store: Store) -> Certificate | None:
    measured = kept.find(Subject(run=run), settings, store)
    return measured[1] if measured else None


def test_a_run_is_measured_once_and_answers_fast(
    work: Work, trained: Callable[[int], str], settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Converted for real, with enough examples that few differences prove a small loss."""
    monkeypatch.setattr(certify, "ROUNDS", 1)
    run = trained(1500)
    with pytest.raises(ModelError, match="has not been measured"):
        work("predict", predicting(run, Path(store.run(run).spec["data"]["path"]), "fast"))
    _, summary = work("certify", asked(run))
    certificate = Certified.of(summary).certificate
    assert certificate is not None and certificate == found(run, settings, store)
    assert certificate.examples == 1500 and certificate.kind == "validation" and certificate.metric == "accuracy"
    assert certificate.exact is not None and certificate.fast is not None and certificate.exact > 0.8
    assert certificate.loss.value == pytest.approx(certificate.exact - certificate.fast)
    assert certificate.loss.value == pytest.approx((certificate.losses - certificate.gains) / 1500)
    assert certificate.loss.low < certificate.loss.value < certificate.loss.high <= 0.005
    assert certificate.grant == "granted" and certificate.same > 1450
    assert certificate.bytes < 0.4 * certificate.exact_bytes and certificate.speed is not None
    folder = settings.run_dir(run) / "fast"
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "certificate.json"}

    # The predictions file says in each row how it was made; the exact one is as it was.
    file = Path(store.run(run).spec["data"]["path"]) / "test.csv"
    fast, summary = work("predict", predicting(run, file, "fast"))
    exact, plain = work("predict", predicting(run, file, "exact"))
    assert Predicted.of(summary).fast == certificate and "fast" not in plain
    assert (summary["title"], plain["title"]) == ("Stars (fast)", "Stars")
    with (settings.run_dir(fast) / "predictions.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    with (settings.run_dir(exact) / "predictions.csv").open(encoding="utf-8-sig", newline="") as lines:
        exact_rows = list(csv.DictReader(lines))
    assert {row["answers"] for row in rows} == {"fast"} and "answers" not in exact_rows[0]
    same = [a["prediction"] == b["prediction"] for a, b in zip(rows, exact_rows, strict=True)]
    assert len(same) == 40 and sum(same) >= 38
    message = next(e for e in store.events_since(fast) if e.payload.get("code") == "fast-answers")
    assert message.payload["text"] == words.note(certificate)


def test_the_certificate_goes_stale_with_weights_and_data(
    work: Work, trained: Callable[[int], str], settings: Settings, store: Store, quick: None
) -> None:
    run = trained(80)
    work("certify", asked(run))
    assert found(run, settings, store) is not None
    config = settings.run_dir(run) / "model" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert found(run, settings, store) is None
    work("certify", asked(run))
    assert found(run, settings, store) is not None
    (settings.run_dir(run) / "model" / "calibration.json").write_text('{"temperature": 2.0}')
    assert found(run, settings, store) is not None, "a temperature changes no class"
    longer = Subject(run=run, max_length=16)
    assert kept.find(longer, settings, store) is None
    validation = Path(store.run(run).spec["data"]["path"]) / "validation.csv"
    validation.write_text(validation.read_text() + "one more,good,a\n")
    from core.data.prepare import prepare
    from core.runs.environment import trained_data

    prepare(trained_data(store.run(run), settings), settings)
    assert found(run, settings, store) is None


def test_an_8_bit_file_that_was_replaced_is_refused(
    work: Work, trained: Callable[[int], str], settings: Settings, store: Store, quick: None, written: Path
) -> None:
    run = trained(80)
    work("certify", asked(run))
    shutil.copy(written, settings.run_dir(run) / "fast" / "model.onnx")
    with pytest.raises(ModelError, match="is not the one that was measured"):
        work("predict", predicting(run, Path(store.run(run).spec["data"]["path"]), "fast_unproven"))


def test_few_examples_prove_nothing_and_a_person_decides(
    work: Work, trained: Callable[[int], str], settings: Settings, store: Store, quick: None
) -> None:
    run = trained(80)
    _, summary = work("certify", asked(run))
    certificate = Certified.of(summary).certificate
    assert certificate is not None and certificate.grant == "unproven"
    assert certificate.needed is not None and certificate.needed > 700
    assert f"about {certificate.needed:,} would" in words.permission(certificate)
    data = Path(store.run(run).spec["data"]["path"])
    with pytest.raises(ModelError, match="80 examples are too few to tell") as refused:
        work("predict", predicting(run, data, "fast"))
    assert refused.value.message.id == "fast-unproven"
    fast, _ = work("predict", predicting(run, data / "test.csv", "fast_unproven", "parquet"))
    table = pq.read_table(settings.run_dir(fast) / "predictions.parquet")
    assert set(table["answers"].to_pylist()) == {"fast_unproven"}
    assert "is not proven" in words.note(certificate)


def test_a_loss_above_half_a_point_is_refused(
    work: Work, trained: Callable[[int], str], settings: Settings, store: Store, quick: None
) -> None:
    run = trained(80)
    work("certify", asked(run))
    path = settings.run_dir(run) / "fast" / "certificate.json"
    certificate = Certificate.load(path)
    assert certificate is not None
    loss = certificate.loss.model_copy(update={"value": 0.02, "low": 0.01, "high": 0.03})
    certificate.model_copy(update={"loss": loss}).save(path)
    for answers in ("fast", "fast_unproven"):
        with pytest.raises(ModelError, match=r"lose 2\.00 points of accuracy, and at most 0\.5 are allowed"):
            work("predict", predicting(run, Path(store.run(run).spec["data"]["path"]), answers))


def test_an_evaluation_says_that_its_answers_are_fast(
    work: Work, trained: Callable[[int], str], settings: Settings, store: Store, quick: None
) -> None:
    run = trained(80)
    subject = Subject(run=run, attempt=1)
    _, summary = work("certify", asked(run))
    certificate = Certified.of(summary).certificate
    assert certificate is not None
    spec = EvaluateSpec(model=subject, split="test", answers="fast_unproven").model_dump(mode="json")
    fast, _ = work("evaluate", spec)
    evaluation = read_evaluation(settings.run_dir(fast))
    assert evaluation is not None and evaluation.fast is not None
    assert evaluation.fast == found(run, settings, store)
    assert evaluation.title == "Stars (fast)" and evaluation_lines(evaluation)[1] == words.note(evaluation.fast)
    own = EvaluateSpec(model=Subject(run=run), answers="fast_unproven").model_dump(mode="json")
    with pytest.raises(DataError, match="answered its validation examples exactly"):
        work("evaluate", own)
    exact, _ = work("evaluate", EvaluateSpec(model=subject, split="test").model_dump(mode="json"))
    evaluation = read_evaluation(settings.run_dir(exact))
    assert evaluation is not None and evaluation.fast is None and evaluation.title == "Stars"
    content = gather(store, settings, store.run(run), with_texts=False)
    assert content.best is not None and content.best.id == exact, "of the same examples the exact answers count more"
    bundle, _ = work("bundle", {"run": run})
    with zipfile.ZipFile(next(settings.run_dir(bundle).glob("*.zip"))) as archive:
        evaluated = json.loads(archive.read(f"runs/{fast}/evaluation.json"))
        assert Certificate.model_validate(evaluated["fast"]) == certificate
        assert not [name for name in archive.namelist() if name.endswith(("model.onnx", "certificate.json"))]
        assert words.note(certificate) not in archive.read("report.md").decode(), "its figures are of the exact answers"
        assert "Fast (8 bits)" in archive.read("report.md").decode()
    table = quality.evaluations_table(content)
    assert [row[3] for row in table.rows] == ["Exact", "Fast (8 bits)"]
    only_fast = dataclasses.replace(content, evaluations=content.evaluations[1:])
    (noted,) = quality.fast_note(only_fast)
    assert noted == Paragraph((words.note(certificate),)) and not quality.fast_note(content)
    metadata = card_metadata.metadata(only_fast, Edits())
    assert "model-index" not in metadata and "model-index" in card_metadata.metadata(content, Edits())
    work("robustness", {"evaluation": fast, "examples": 20})
    assert read_robustness(settings.run_dir(fast)) is not None


def test_a_model_made_elsewhere_is_measured_on_labelled_data(
    work: Work, classifier: Path, reviews: Reviews, settings: Settings, store: Store, quick: None
) -> None:
    folder = reviews(test=80)
    data = {"source": "file", "path": str(folder), "text_columns": ["text"], "label_column": "label"}
    subject = Subject(name=str(classifier), max_length=48)
    spec: CertifySpec = build({"model": subject.model_dump(), "data": data}, CertifySpec)
    run, _ = work("certify", spec.model_dump(mode="json"))
    measured = kept.find(subject, settings, store)
    assert measured is not None and measured[0] == settings.run_dir(run) / "fast" and measured[1].kind == "other"
    assert kept.find(Subject(name=str(classifier)), settings, store) is None, "another longest text"
    theirs = replace(settings, mode="team", person=Person("ann@example.org", "Ann", Role.TRAINER))
    assert kept.find(subject, theirs, store) is None, "on whose examples it was measured is nobody else's matter"


def test_what_cannot_be_converted_leaves_nothing(
    work: Work, trained: Callable[[int], str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(80)

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("unsupported operator\n  many lines")

    import torch

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(ModelError, match="could not be converted to 8 bits") as refused:
        work("certify", asked(run))
    assert "\n" not in str(refused.value) and refused.value.message.id == "fast-failed"

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_file, "write", full)
    with pytest.raises(OSError, match="No space left"):
        work("certify", asked(run))
    monkeypatch.setattr(onnx_file, "NOT_EXPORTED", {"bert"})
    with pytest.raises(ModelError, match="of type bert, which cannot be converted to 8 bits"):
        work("certify", asked(run))
    monkeypatch.setattr(kept, "PACKAGES", ("onnx_of_another_world",))
    assert importlib.util.find_spec("onnx_of_another_world") is None
    with pytest.raises(ModelError, match="packages that are not installed: onnx_of_another_world"):
        work("certify", asked(run))
    assert {path.name for path in settings.run_dir(run).iterdir() if path.is_dir()} == {"model"}


def test_a_spec_that_answers_exactly_is_what_it_was() -> None:
    """Pages find kept results by their spec, and earlier versions read it."""
    spec = EvaluateSpec(model=Subject(run="abc"))
    assert "answers" not in spec.model_dump(mode="json") and build(spec.model_dump(mode="json"), EvaluateSpec) == spec
    fast = EvaluateSpec(model=Subject(run="abc"), answers="fast").model_dump(mode="json")
    assert fast["answers"] == "fast" and build(fast, EvaluateSpec).answers == "fast"
    with pytest.raises(SpecError):
        build({"model": {"name": "abc"}}, CertifySpec)


def test_texts_of_all_lengths_in_any_order(classifier: Path, written: Path, tmp_path: Path) -> None:
    shutil.copy(written, tmp_path / onnx_file.MODEL)
    exact = TrainedModel(classifier, 48, device="cpu")
    whole = Int8Model(classifier, tmp_path / onnx_file.MODEL, 48)
    texts = [(text,) for text in [*make_texts(30, 1)[0], "good", "word1 " * 90, ""]]
    np.testing.assert_allclose(whole.logits(texts), exact.logits(texts), atol=1e-4)
    onnx_file.quantise(tmp_path)
    fast = Int8Model(classifier, tmp_path / onnx_file.MODEL, 48)
    assert fast.names == LABELS and fast.max_length == 48 and fast.logits([]).shape == (0, 3)
    logits = fast.logits(texts)
    assert 0 < np.abs(logits - exact.logits(texts)).max() < 1


def test_an_architecture_that_onnxruntime_computes_in_the_plain_form_alone(tmp_path: Path) -> None:
    """ModernBERT's positions: the fused form of them fails on two texts."""
    source = tiny("modernbert", tmp_path / "model")
    model = TrainedModel(source, 48, device="cpu")
    folder = tmp_path / "making" / "out"
    folder.mkdir(parents=True)
    onnx_file.write_int8(model, folder)
    fast = Int8Model(source, folder / onnx_file.MODEL, 48)
    texts = [(text,) for text in make_texts(60, 1)[0]]
    exact, answers = model.logits(texts), fast.logits(texts)
    assert (exact.argmax(axis=1) == answers.argmax(axis=1)).mean() > 0.9
    (folder / onnx_file.MODEL).write_bytes(b"no model")
    with pytest.raises(onnx_file.NotConvertedError):
        onnx_file.check(model, folder)


def test_the_interval_of_a_paired_share() -> None:
    """Tango's: closed where nothing differs, McNemar's test at zero, and right 95 times of 100."""
    for count in (50, 764, 765):
        none = sureness.share_difference(0, 0, count)
        assert none.high == pytest.approx(sureness.Z**2 / (count + sureness.Z**2), abs=1e-6) == -none.low
    assert sureness.examples_needed(0, 0, 50, 0.005) == 765
    for gains, losses in ((3, 12), (4, 14), (5, 14), (10, 20), (9, 21)):
        high = sureness.share_difference(gains, losses, 400).high
        mcnemar = (gains - losses) / (gains + losses) ** 0.5
        assert (high < 0) == (mcnemar < -sureness.Z)
    draw = np.random.default_rng(0)
    for first, second in ((0.002, 0.006), (0.01, 0.01), (0.05, 0.02)):
        drawn = draw.multinomial(300, [first, second, 1 - first - second], size=400)
        gaps = [sureness.share_difference(int(g), int(n), 300) for g, n, _ in drawn]
        inside = sum(gap.low <= first - second <= gap.high for gap in gaps)
        assert 0.92 <= inside / 400 <= 1
    assert sureness.examples_needed(1, 9, 1000, 0.005) is None, "the loss itself is above the limit"
    needed = sureness.examples_needed(2, 3, 1000, 0.005)
    assert needed is not None and 1000 < needed < 5000
    scale = needed / 1000
    assert -sureness.share_difference(2 * scale, 3 * scale, needed).low <= 0.005

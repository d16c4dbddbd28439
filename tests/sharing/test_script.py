"""Exported scripts and notebooks: they repeat their runs, and nothing that a run carries with it becomes code."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.engines.sampling import TrainingBatches
from core.engines.vocabulary import PADDING_COUNTS, TYPES
from core.errors import DataError
from core.sharing.code import exact as exact_parts
from core.sharing.code.facts import Facts, facts_of
from core.sharing.code.notebook import notebook
from core.sharing.code.pieces import CORE, constant, imports, one_line, taken, without_marked
from core.sharing.code.readme import readme, requirements
from core.sharing.code.script import exact, script
from core.sharing.report.content import texts_are_public
from core.spec import run as specs
from core.spec.run import RunSpec
from tests.sharing.code_runs import (
    CASES,
    HOSTILE_COLUMNS,
    HOSTILE_LABELS,
    HOSTILE_NAME,
    STOPPED,
    Done,
    Workshop,
    printed,
    run_python,
    run_scripts,
)

EXACT = [name for name in CASES if not name.startswith("keras")]
LEARNS = ("trainer", "torch", "keras")
PLAIN = (*LEARNS, "trainer-hostile", "torch-budget", "keras-numpy")
MOST_LINES = 90
COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def done(workshop: Workshop) -> dict[str, Done]:
    """Every case trained by the worker, exported, and its script run in another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(workshop.root / "hf"))
        patch.delenv("HF_TOKEN", raising=False)
        outputs = {}
        for case in CASES:
            run = workshop.train(case)
            outputs[case] = workshop.made(run, workshop.export(run))
        plain = [workshop.without_exact(outputs[case].folder) for case in PLAIN]
        run_scripts([*(one.folder for one in outputs.values()), *plain], workshop.root / "hf")
    return outputs


@pytest.mark.parametrize("case", PLAIN)
def test_a_script_without_its_marked_lines_learns_as_well(done: dict[str, Done], workshop: Workshop, case: str) -> None:
    one = done[case]
    folder = workshop.root / "plain" / one.folder.name
    text = (folder / "train.py").read_text(encoding="utf-8")
    assert "exact" not in imported(text) and not (folder / "exact.py").exists()
    metrics = printed(folder)
    assert metrics.keys() == one.report["metrics"].keys()
    assert 0 < metrics["loss"] < 1.3, "three classes guessed are 1.1"
    if case in LEARNS:
        assert metrics["accuracy"] > 0.6, "the largest class has a third of the examples"
    assert list((folder / "model").iterdir())


@pytest.mark.parametrize("base", ["scratch", "google-bert/bert-base-cased"])
@pytest.mark.parametrize("engine", ["trainer", "torch", "keras"])
def test_a_script_of_the_default_settings_is_short(engine: str, base: str) -> None:
    spec = specs.replace(RunSpec(), {"engine": engine, "model.name": base})
    pretrained = {"base": base, "model_revision": COMMIT} if base != "scratch" else {"base": ""}
    text = script(some_facts(spec=spec, local=False, metrics={"accuracy": 0.9}, **pretrained))
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 120
    marked = [line for line in lines if line.endswith("# exact")]
    assert marked[0] == "import exact  # exact" and 3 <= len(marked) <= 6


@pytest.mark.parametrize("case", EXACT)
def test_a_script_of_a_pytorch_engine_comes_to_the_same_figures_and_weights(done: dict[str, Done], case: str) -> None:
    one = done[case]
    wanted, repeated = one.report["metrics"], one.metrics
    assert repeated.keys() == wanted.keys()
    assert repeated["loss"] == pytest.approx(wanted["loss"], abs=1e-6)
    assert {k: v for k, v in repeated.items() if k != "loss"} == {k: v for k, v in wanted.items() if k != "loss"}
    ours, theirs = weights(one.run_dir / "model"), weights(one.folder / "model")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("keras")])
def test_a_script_of_keras_comes_to_nearly_the_same(done: dict[str, Done], case: str) -> None:
    one = done[case]
    assert one.metrics == pytest.approx(one.report["metrics"], abs=1e-3)
    ours, theirs = weights(one.run_dir / "model"), weights(one.folder / "model")
    assert ours.keys() == theirs.keys()
    assert all(np.allclose(ours[name], theirs[name], atol=1e-3) for name in ours)


def test_runs_learned_something_that_could_differ(done: dict[str, Done], workshop: Workshop) -> None:
    base = weights(workshop.bases["bert"])
    for case in ("trainer", "torch", "keras"):
        learned = weights(done[case].folder / "model")
        assert not np.allclose(learned["bert.pooler.dense.weight"], base["pooler.dense.weight"], atol=1e-3)
    assert not np.array_equal(
        weights(done["trainer"].folder / "model")["classifier.weight"],
        weights(done["torch-mix"].folder / "model")["classifier.weight"],
    )


def test_a_stopped_run_is_repeated_up_to_where_it_was_stopped(done: dict[str, Done], workshop: Workshop) -> None:
    for case, step in STOPPED.items():
        facts = facts_of(workshop.store.run(done[case].run), workshop.settings)
        assert facts.stopped == step and not facts.evaluated
        assert f"after step {step}" in (done[case].folder / "train.py").read_text(encoding="utf-8")


def test_the_saved_model_loads_with_its_labels(done: dict[str, Done]) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    for case in ("trainer-hostile", "keras"):
        model = AutoModelForSequenceClassification.from_pretrained(done[case].folder / "model")
        assert list(model.config.id2label.values()) == done[case].report["labels"]
        assert AutoTokenizer.from_pretrained(done[case].folder / "model")("some words")["input_ids"]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_scripts_are_sound_and_short(done: dict[str, Done], workshop: Workshop) -> None:
    for case, one in done.items():
        for name in ("train.py", "exact.py"):
            text = (one.folder / name).read_text(encoding="utf-8")
            compile(text, case, "exec")
            modules = {module.split(".")[0] for module in imported(text)}
            assert not modules & {"core", "ui", "streamlit", "tunedeck", "pickle"}
            assert str(workshop.root) not in text
        assert len((one.folder / "train.py").read_text(encoding="utf-8").splitlines()) <= MOST_LINES + 30, case
    folders = [str(one.folder / name) for one in done.values() for name in ("train.py", "exact.py")]
    plain = [str(workshop.root / "plain" / done[case].folder.name / "train.py") for case in PLAIN]
    lint(*folders)
    lint(*plain, but="I001")  # where the import of exact was, an empty line is left


def lint(*paths: str, but: str = "") -> None:
    """Checks files with ruff's own rules, so that a name that is not there or not used is seen."""
    beside = 'lint.isort.known-first-party = ["exact"]'
    options = ["--isolated", "--line-length", "120", "--config", beside, *(["--ignore", but] if but else [])]
    linted = subprocess.run([sys.executable, "-m", "ruff", "check", *options, *paths], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


def imported(text: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(text)))
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return modules + [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]


def test_only_what_a_run_needs_is_in_its_script(done: dict[str, Done]) -> None:
    plain = (done["torch"].folder / "train.py").read_text(encoding="utf-8")
    for word in ("class_weights", "label_smoothing", "waited", "autocast", "GradScaler", "new_model", "islice"):
        assert word not in plain
    mixed = (done["torch-mix"].folder / "train.py").read_text(encoding="utf-8")
    assert "class_weights" in mixed and "label_smoothing=0.1" in mixed and "islice" in mixed
    beside, mixed = ((done[case].folder / "exact.py").read_text(encoding="utf-8") for case in ("torch", "torch-mix"))
    assert "UsedRows" in beside and "UsedRows" not in mixed  # weight decay pulls at every row


def test_the_notebook_is_valid_and_repeats_its_run(done: dict[str, Done], workshop: Workshop) -> None:
    import nbformat
    from nbclient import NotebookClient

    one = done["torch"]
    for each in done.values():
        nbformat.validate(nbformat.read(each.folder / "notebook.ipynb", as_version=4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(workshop.root / "hf"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("PYTHONPATH", raising=False)
        book = nbformat.read(one.folder / "notebook.ipynb", as_version=4)
        NotebookClient(book, timeout=200, resources={"metadata": {"path": str(one.folder)}}).execute()
    printed = "".join(o.get("text", "") for o in book.cells[-1].outputs if o.get("name") == "stdout")
    assert json.loads(printed.strip().splitlines()[-1]) == one.metrics


def test_hostile_words_stay_words(done: dict[str, Done], workshop: Workshop) -> None:
    for case in ("trainer-hostile", "torch-hostile"):
        text = (done[case].folder / "train.py").read_text(encoding="utf-8")
        values = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
        assert set(HOSTILE_COLUMNS) <= values
        assert not any(isinstance(n, ast.Name) and n.id == "__import__" for n in ast.walk(ast.parse(text)))
        assert not [line for line in text.splitlines() if line.strip() == "import os; os.abort()"]
        assert "\u202e" not in text
        book = json.loads((done[case].folder / "notebook.ipynb").read_text(encoding="utf-8"))
        head = "".join(book["cells"][0]["source"])
        assert '`Repeats the run: A run import os; os.abort() """ # \'<img src=x onerror=alert(1)>\' {} \\`' in head
    assert done["torch-hostile"].report["labels"] == sorted(HOSTILE_LABELS)


def test_without_texts_the_zip_has_none_and_says_what_is_missing(done: dict[str, Done], workshop: Workshop) -> None:
    spec = {"run": done["torch-hostile"].run, "attempt": 1, "with_texts": False}
    code = workshop.work("code", "code", spec)
    with zipfile.ZipFile(workshop.settings.run_dir(code) / "code.zip") as zipped:
        names = {"train.py", "exact.py", "notebook.ipynb", "requirements.txt", "README.txt"}
        assert set(zipped.namelist()) == names
        text = zipped.read("README.txt").decode()
        whole = b"".join(zipped.read(name) for name in zipped.namelist())
    assert b"word12" not in whole
    assert "The examples are not in here" in text and repr(HOSTILE_COLUMNS[0]) in text
    snippet = "\n".join(line.strip() for line in text.splitlines() if line.startswith("    "))
    snippet = snippet[snippet.index("from datasets") :].replace("[...]", "['x', 'y']", 2).replace("[...]", "[0, 2]")
    folder = workshop.root / "by-hand"
    (folder / "data").mkdir(parents=True)
    run_python(["-c", snippet], folder, workshop.root / "hf")
    assert (folder / "data" / "train.parquet").is_file()


def test_a_changed_dataset_is_not_passed_off_as_the_old_one(workshop: Workshop, done: dict[str, Done]) -> None:
    import pandas as pd

    path = workshop.data["hostile"] / "train.parquet"
    before = path.read_bytes()
    frame = pd.read_parquet(path)
    frame.loc[0, HOSTILE_COLUMNS[0]] = "something else"
    frame.to_parquet(path)
    spec = {"run": done["torch-hostile"].run, "attempt": 1, "with_texts": True}
    with pytest.raises(DataError, match="has changed since this run"):
        workshop.work("code", "code", spec)
    path.write_bytes(before)


def test_secrets_and_paths_stay_here(workshop: Workshop, done: dict[str, Done], monkeypatch: Any) -> None:
    secret = "s3cret-value-of-the-environment"
    monkeypatch.setenv("SERVICE_TOKEN", secret)
    run = workshop.store.run(done["trainer"].run)
    workshop.store.rename(run.id, f"{secret} in {workshop.settings.home}/x, hf_{'a' * 30}")
    facts = facts_of(workshop.store.run(run.id), workshop.settings)
    for text in (script(facts), exact(facts), notebook(facts), readme(facts, with_texts=False)):
        assert secret not in text and "hf_aaaa" not in text and str(workshop.settings.home) not in text
        assert str(workshop.root) not in text
    workshop.store.rename(run.id, HOSTILE_NAME)


def test_versions_are_pinned_as_pypi_has_them() -> None:
    packages = {"torch": "2.13.0+cpu", "transformers": "5.23.0", "accelerate": "1.15.0", "keras": "3.15.1"}
    assert requirements(some_facts(packages=packages)) == "torch==2.13.0\ntransformers==5.23.0\naccelerate==1.15.0\n"


def test_texts_go_along_unasked_only_where_everybody_has_them() -> None:
    assert texts_are_public(some_facts().spec)
    spec = specs.replace(RunSpec(), {"data.source": "file", "data.path": "mine.csv"})
    assert not texts_are_public(some_facts(spec=spec).spec)


def some_facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "spec": RunSpec(), "name": "a run", "dataset": "reviews", "columns": ("text",), "model_type": "bert",
        "base": "base/bert", "local": True, "device": "cpu", "precision": "fp32", "threads": 1, "train_examples": 90,
    }  # fmt: skip
    return Facts(**(given | changes))


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
@pytest.mark.parametrize("budget", [None, 64, 300])
@pytest.mark.parametrize("size", [1, 8, 33])
def test_scripts_order_examples_as_the_engines_do(strategy: str, budget: int | None, size: int) -> None:
    spec = specs.replace(
        RunSpec(engine="torch"),
        {
            "training.train_sampling_strategy": strategy,
            "training.max_tokens_per_batch": budget,
            "training.per_device_train_batch_size": size,
            "training.seed": 7,
        },
    )
    space: dict[str, Any] = {"np": np}
    exec(exact_parts.batches(some_facts(spec=spec)), space)
    rng = np.random.default_rng(size)
    for count in (1, 7, 100):
        lengths = rng.integers(3, 90, count)
        wanted = TrainingBatches(lengths, spec.training)
        for epoch in range(3):
            order = space["batches_of"](epoch, lengths)
            assert [b.tolist() for b in order] == [b.tolist() for b in wanted.of(epoch)]


def test_pieces_of_core_are_found_whole() -> None:
    code, needed = taken("engines/cpu_dropout.py", "put_into", "attention")
    assert "AttentionInterface.register(NAME, attention)" in code and "core" not in "".join(needed)
    assert constant("engines/vocabulary.py", "TYPES") == TYPES
    assert constant("engines/vocabulary.py", "PADDING_COUNTS") == PADDING_COUNTS
    with pytest.raises(KeyError):
        constant("engines/vocabulary.py", "NOTHING")


def test_a_file_whose_text_is_exported_says_so() -> None:
    """Every path below core that the makers of scripts name."""
    names = set()
    for path in (CORE / "sharing" / "code").glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names |= {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    exported = [CORE / name for name in names if name.endswith(".py") and "/" in name and (CORE / name).is_file()]
    assert len(exported) >= 7
    for path in exported:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert "exact.py of exported scripts" in docstring, path


def test_imports_are_merged_and_sorted() -> None:
    merged = imports(["import torch", "from a import b, C", "from a import D", "import json", "import torch"])
    assert merged == "import json\n\nimport torch\nfrom a import C, D, b"


def test_comments_are_one_printable_line() -> None:
    assert one_line("a\nb\r\x0b\x1b[31m\u2028c\ud800") == "a b [31m c"
    assert len(one_line("x" * 1000)) <= 160


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bf16"},
        {"precision": "fp16", "device": "cuda"},
        {"device": "mps"},
        {"pads_with_end": True, "model_type": "gpt2"},
        {"base": "google-bert/bert-base-cased", "local": False, "model_revision": "abc123"},
        {"stopped": 9, "evaluated": True},
        {"padding_free": True},
    ],
)
@pytest.mark.parametrize("engine", ["trainer", "torch", "keras"])
def test_what_is_not_trained_here_is_sound_too(engine: str, changes: dict[str, Any], tmp_path: Path) -> None:
    if engine == "keras":  # which has neither fp16 nor GPT-2
        changes = {k: {"fp16": "bf16", "gpt2": "albert"}.get(v, v) for k, v in changes.items()}
    compiled = {} if engine == "keras" else {"execution.torch_compile": "precision" in changes}
    spec = specs.replace(RunSpec(), {"engine": engine, "training.gradient_accumulation_steps": 2, **compiled})
    facts = some_facts(spec=spec, **changes)
    text = script(facts)
    for name, code in {"train.py": text, "exact.py": exact(facts), "plain.py": without_marked(text)}.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    lint(str(tmp_path / "train.py"), str(tmp_path / "exact.py"))
    lint(str(tmp_path / "plain.py"), but="I001")
    assert ("without padding" in text) == facts.padding_free and not (facts.padding_free and facts.exact)
    if changes.get("model_revision"):
        assert 'REVISION = "abc123"' in text and "revision=REVISION" in text

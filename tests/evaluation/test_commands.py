"""`evaluate` and `predict` on the command line, through the scheduler and a worker of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.settings import PROJECT, Settings
from core.store.store import Store
from tests.hub_server.server import LoopbackHub

pytestmark = pytest.mark.slow


def command(*arguments: str, settings: Settings, **env: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"TUNEDECK_HOME": str(settings.home)} | env,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_judge_and_predict(classifier: Path, reviews: Callable[..., Path], settings: Settings, tmp_path: Path) -> None:
    folder = reviews(train=20, test=60)
    status, result, messages = command(
        "evaluate", str(classifier), "--data", str(folder), "--split", "test", settings=settings
    )
    assert status == 0 and result["status"] == "finished", messages
    assert result["metrics"]["accuracy"] > 0.8 and (Path(result["folder"]) / "predictions.parquet").is_file()
    out = tmp_path / "out.parquet"
    with (folder / "test.csv").open("a") as file:
        file.write(",good\n")
    status, result, messages = command(
        "predict", str(classifier), str(folder / "test.csv"), "--out", str(out), settings=settings
    )
    assert status == 0 and result["rows"] == 61 and result["empty"] == 1, messages
    assert "60 of 61 rows have a prediction" in messages
    assert result["text_columns"] == ["text"]
    assert any("guessed from the columns" in note["text"] for note in result["notes"]), "a folder names no columns"
    assert {"text", "label", "prediction", "confidence", "p_good"} <= set(pq.read_table(out).column_names)
    arguments = "predict", str(classifier), str(folder / "test.csv"), "--out", str(out)
    status, result, messages = command(*arguments, "--fast", settings=settings)
    assert status == 2 and "60 examples are too few to tell" in result["error"], messages
    assert "% of the answers stay the same" in messages, "what they cost is said before they are refused"
    status, result, messages = command(*arguments, "--fast-unproven", settings=settings)
    assert status == 0 and set(pq.read_table(out)["answers"].to_pylist()) == {"fast_unproven"}, messages
    assert len(Store(settings.store_path).runs(kind="certify")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "/no/such/model", "--data", "sample", "--split", "test"), "is not a folder"),
        (("evaluate", "core/no_such_model", "--data", "sample"), "is not a folder"),
        (("evaluate", "a/b"), "has no dataset of its own"),
        (("evaluate", "MODEL", "--data", "no/such/file.csv"), "there is no file or folder 'no/such/file.csv'"),
        (("evaluate", "MODEL", "--data", "sample", "--split", "dev"), "has no split 'dev'; its splits are train, test"),
        (("evaluate", "MODEL", "--data", "sample", "--text", "body"), "has no column 'body'"),
        (("evaluate", "MODEL", "--data", "sample", "--label", "klass"), "has no column 'klass'"),
        (("predict", "MODEL", "nothing.csv", "--out", "x.csv"), "there is no file or folder 'nothing.csv'"),
        (("predict", "MODEL", "sample", "--text", "body", "--out", "x.csv"), "has no column 'body'"),
        (("predict", "MODEL", "sample", "--split", "dev", "--out", "x.csv"), "has no split 'dev'"),
        (("predict", "a/b", "sample", "--out", "x.xlsx"), "neither a .csv nor a .parquet"),
        (("predict", "MODEL", "sample", "--out", "/no/such/folder/x.csv"), "there is no folder"),
    ],
)
def test_bad_input_is_exit_2_and_nothing_is_queued(
    arguments: tuple[str, ...], message: str, classifier: Path, settings: Settings
) -> None:
    given = [str(classifier) if argument == "MODEL" else argument for argument in arguments]
    status, result, _ = command(*given, settings=settings)
    assert status == 2 and message in str(result["error"])
    assert not Store(settings.store_path).runs()


def test_the_file_that_is_read_is_not_written_over(
    classifier: Path, reviews: Callable[..., Path], settings: Settings
) -> None:
    path = reviews(train=20) / "train.csv"
    before = path.read_bytes()
    status, result, _ = command("predict", str(classifier), str(path), "--out", str(path), settings=settings)
    assert status == 2 and "is the file that is read" in result["error"] and path.read_bytes() == before


def test_a_model_of_the_hub(
    classifier: Path, reviews: Callable[..., Path], settings: Settings, hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.model("me/judged", {path.name: path.read_bytes() for path in classifier.iterdir()})
    env = hub.env(tmp_path / "hf")
    data = ("--data", str(reviews(train=20, test=40)), "--split", "test")
    status, result, messages = command("evaluate", "me/judged", *data, settings=settings, **env)
    assert status == 0 and result["metrics"]["accuracy"] > 0.8, messages
    status, result, _ = command("evaluate", "tiny/bert", *data, settings=settings, **env)
    assert status == 1 and "no trained head" in result["error"]

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

from core.process import PROJECT
from core.settings import Settings
from tests.hub_server.server import LoopbackHub

pytestmark = pytest.mark.slow


def command(*arguments: str, settings: Settings, **env: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"], cwd=PROJECT, capture_output=True, text=True, timeout=300,
        env=os.environ | {"TUNEDECK_HOME": str(settings.home)} | env,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_judge_and_predict(classifier: Path, reviews: Callable[..., Path], settings: Settings, tmp_path: Path) -> None:
    folder = reviews(train=20, test=60)
    status, result, said = command(
        "evaluate", str(classifier), "--data", str(folder), "--split", "test", settings=settings
    )
    assert status == 0 and result["status"] == "finished", said
    assert result["metrics"]["accuracy"] > 0.8 and (Path(result["folder"]) / "predictions.parquet").is_file()
    out = tmp_path / "out.parquet"
    status, result, said = command(
        "predict", str(classifier), str(folder / "test.csv"), "--out", str(out), settings=settings
    )
    assert status == 0 and result["rows"] == 60, said
    assert {"text", "label", "prediction", "confidence", "p_good"} <= set(pq.read_table(out).column_names)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "/no/such/model", "--data", "sample", "--split", "test"), "is not a folder"),
        (("evaluate", "a/b"), "has no dataset of its own"),
        (("predict", "a/b", "sample", "--out", "x.xlsx"), "neither a .csv nor a .parquet"),
        (("predict", "a/b", "sample", "--out", "/no/such/folder/x.csv"), "there is no folder"),
    ],
)
def test_bad_input_gets_a_sentence(arguments: tuple[str, ...], said: str, settings: Settings) -> None:
    status, result, _ = command(*arguments, settings=settings)
    assert status in (1, 2) and said in str(result["error"])


def test_a_model_of_the_hub(
    classifier: Path, reviews: Callable[..., Path], settings: Settings, hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.model("me/judged", {path.name: path.read_bytes() for path in classifier.iterdir()})
    env = hub.env(tmp_path / "hf")
    data = ("--data", str(reviews(train=20, test=40)), "--split", "test")
    status, result, said = command("evaluate", "me/judged", *data, settings=settings, **env)
    assert status == 0 and result["metrics"]["accuracy"] > 0.8, said
    status, result, _ = command("evaluate", "tiny/bert", *data, settings=settings, **env)
    assert status == 1 and "no trained head" in result["error"]

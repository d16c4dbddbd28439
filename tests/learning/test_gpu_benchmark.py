"""The small CPU mode of benchmarks/gpu.py: all of it but the GPU."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.made_texts import CLASSES, LENGTHS, MadeTexts


def test_every_side_learns_the_classes_from_the_same_updates(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--tiny", "--peak", "0.1", "--sides", "torch", "trainer", "tuned"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    sides = result["sides"]
    updates = gpu.TINY.rows // gpu.TINY.batch * gpu.TINY.epochs
    for name in ("torch", "trainer", "tuned"):
        assert sides[name]["updates"] == updates and sides[name]["f1"] > 0.5 > 2 / CLASSES, sides
        assert sides[name]["examples_per_second"] > 0 and 0 < sides[name]["mfu"] < 1
    assert sides["torch"]["padding_free"] and sides["trainer"]["padding_free"]
    ratio = max(sides[name]["examples_per_second"] for name in ("torch", "trainer"))
    assert result["ratios"]["tuned"]["ratio"] == pytest.approx(ratio / sides["tuned"]["examples_per_second"], abs=0.01)
    assert result["device"] == "CPU" and not result["met"]


def test_a_side_that_fails_or_has_no_time_leaves_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(gpu, "train_ours", broken)
    assert gpu.main(["--tiny", "--minutes", "0", "--sides", "torch", "plain"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["sides"]["torch"] == {"failed": "RuntimeError: no such kernel"}
    assert "failed" in result["sides"]["plain"] and result["value"] is None and not result["met"]


def test_it_says_what_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pydantic" else find(name))
    assert gpu.main(["--tiny"]) == 2 and "pydantic" in capsys.readouterr().err


def test_made_texts_have_the_lengths_of_real_ones() -> None:
    texts = MadeTexts(gpu.BASE, 2_000, LENGTHS["reviews"], "cpu")
    lengths = np.array(texts.train["length"])
    assert np.median(lengths) == pytest.approx(130, rel=0.1) and lengths.max() == 512
    assert lengths.tolist() == [len(ids) for ids in texts.train["input_ids"]]
    assert sorted(set(texts.train["labels"])) == list(range(CLASSES))


PEAKS = {
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H200": 989e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA L4": 121e12,
    "NVIDIA GH200 480GB": 989e12,
    "Tesla T4": None,
}


def test_peaks_are_those_of_the_card() -> None:
    assert {title: gpu.peak_of(title) for title in PEAKS} == PEAKS

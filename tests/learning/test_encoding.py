"""From texts to token ids and batches: what is cut is counted, padding changes nothing, labels are int64."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import DataError
from core.spec.run import replace
from core.tasks import texts, token_cache
from core.tasks.text_classification import encode as task


def logits(setup: Any, batch: dict[str, np.ndarray]) -> np.ndarray:
    batch.pop("labels")
    with torch.no_grad():
        return np.asarray(setup.model(**{k: torch.from_numpy(v) for k, v in batch.items()}).logits)


def test_columns_and_types(prepare: Any, make_loaded: Any) -> None:
    setup = prepare(make_loaded(20, 10))
    train = setup.encoded.train
    assert set(train.column_names) == {"input_ids", "token_type_ids", "attention_mask", "labels", "length", "row"}
    assert train.features["labels"].dtype == "int64"
    assert train[3]["length"] == len(train[3]["input_ids"])
    assert train["row"][:3] == [100, 101, 102]
    assert setup.encoded.tokens["train"] == sum(train["length"])


def test_padding_to_the_longest_or_the_full_length_is_the_same(prepare: Any, make_loaded: Any) -> None:
    loaded = make_loaded(20, 10)
    dynamic = prepare(loaded, folder="dynamic")
    full = prepare(loaded, folder="full", model__padding="max_length")
    examples = [dynamic.encoded.eval[i] for i in range(6)]
    narrow, wide = dynamic.encoded.pad(examples), full.encoded.pad(examples)
    assert narrow["input_ids"].shape == (6, max(e["length"] for e in examples))
    assert wide["input_ids"].shape == (6, 48)
    assert dynamic.encoded.pad(examples, 8)["input_ids"].shape[1] % 8 == 0
    assert narrow["labels"].dtype == narrow["input_ids"].dtype == np.int64
    np.testing.assert_allclose(logits(dynamic, narrow), logits(dynamic, wide), atol=1e-5)


def test_padding_is_what_the_tokenizer_does_on_both_sides(prepare: Any, make_loaded: Any) -> None:
    loaded = make_loaded(20, 10)
    setup = prepare(loaded)
    texts = loaded.dataset["train"]["text"][:5]
    examples = [setup.encoded.train[i] for i in range(5)]
    for side in ("right", "left"):
        setup.encoded.tokenizer.padding_side = side
        expected = setup.encoded.tokenizer(texts, truncation=True, max_length=48, padding=True, return_tensors="np")
        padded = setup.encoded.pad(examples)
        for name in expected:
            np.testing.assert_array_equal(padded[name], expected[name])


def test_what_is_cut_is_counted_and_said(prepare: Any, make_loaded: Any, recorder: Any) -> None:
    long, short = "word1 " * 60, "word1 word2"
    loaded = make_loaded(([long, short, short, short], [0, 1, 2, 0]), ([long, long], [0, 1]))
    setup = prepare(loaded)
    assert setup.encoded.truncated == {"train": 0.25, "eval": 1.0}
    assert max(setup.encoded.train["length"]) == 48
    assert any(code == "truncated" and "25.0%" in text for text, _, code in recorder.messages)


def test_a_text_of_just_the_limit_is_not_cut(prepare: Any, make_loaded: Any) -> None:
    exact = " ".join(["word1"] * 46)
    setup = prepare(make_loaded(([exact, exact + " word1"], [0, 1]), (["word1"], [0])))
    assert setup.encoded.train["length"][:] == [48, 48]
    assert setup.encoded.truncated["train"] == 0.5


def test_unbalanced_classes_are_mentioned(prepare: Any, make_loaded: Any, recorder: Any) -> None:
    prepare(make_loaded((["word1"] * 45, [0] * 40 + [1] * 4 + [2]), (["word1"], [0])))
    assert any(code == "class-imbalance" and "'good' has 1" in text for text, _, code in recorder.messages)


def encode(setup: Any, loaded: Any, report: Any, cache: Path, **changes: Any) -> Any:
    spec = replace(setup.spec, {path.replace("__", "."): value for path, value in changes.items()})
    return task.encode(loaded, spec, setup.encoded.tokenizer, report, cache)


def used_again(report: Any) -> bool:
    return "tokens-reused" in report.codes


def test_what_was_tokenised_is_used_again(
    prepare: Any, make_loaded: Any, new_recorder: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    loaded = make_loaded(50, 10)
    setup, cache = prepare(loaded), tmp_path / "encoded"
    first = encode(setup, loaded, report := new_recorder(), cache, model__max_length=20)
    assert not used_again(report) and "truncated" in report.codes
    assert first.train.cache_files and first.fingerprint != setup.encoded.fingerprint

    monkeypatch.setattr(texts, "_Encoder", None)  # nothing is tokenised any more
    again = encode(setup, make_loaded(50, 10), report := new_recorder(), cache, model__max_length=20, training__seed=9)
    assert used_again(report) and "truncated" in report.codes, "what is to be known is said again"
    assert again.fingerprint == first.fingerprint
    assert again.train.to_dict() == first.train.to_dict()
    assert (again.truncated, again.tokens) == (first.truncated, first.tokens)


def test_other_content_or_settings_are_tokenised_anew(
    prepare: Any, make_loaded: Any, new_recorder: Any, tmp_path: Path
) -> None:
    texts, labels = ["word1 good1", "bad2 word3", "word4"], [2, 0, 1]
    loaded = make_loaded((texts, labels), (texts, labels))
    setup, cache = prepare(loaded), tmp_path / "encoded"
    encode(setup, loaded, new_recorder(), cache)
    others = [
        (make_loaded((texts[::-1], labels), (texts, labels)), {}),
        (make_loaded((texts, labels[::-1]), (texts, labels)), {}),
        (make_loaded((texts, labels), (texts[:2], labels[:2])), {}),
        (loaded, {"model__max_length": 8}),
    ]
    for other, changes in others:
        encode(setup, other, report := new_recorder(), cache, **changes)
        assert not used_again(report)
    shuffled = make_loaded((texts, labels), (texts, labels))
    shuffled.dataset["train"] = shuffled.dataset["train"].select([1, 0, 2])
    encode(setup, shuffled, report := new_recorder(), cache)
    assert not used_again(report), "the order counts too"
    encode(setup, loaded, report := new_recorder(), cache)
    assert used_again(report)
    setup.encoded.tokenizer.add_tokens(["good1"])
    encode(setup, loaded, report := new_recorder(), cache)
    assert not used_again(report), "another tokenizer"


@pytest.mark.parametrize("how", ["cut", "zeroed", "garbled"])
@pytest.mark.parametrize("damage", ["train.arrow", "eval.arrow", "info.json", "info.json.seal"])
def test_what_is_damaged_is_made_anew(
    damage: str, how: str, prepare: Any, make_loaded: Any, new_recorder: Any, tmp_path: Path
) -> None:
    loaded = make_loaded(50, 10)
    setup, cache = prepare(loaded), tmp_path / "encoded"
    whole = encode(setup, loaded, new_recorder(), cache).train.to_dict()
    (folder,) = cache.iterdir()
    content = (folder / damage).read_bytes()
    damaged = {"cut": content[: -len(content) // 2], "zeroed": bytes(len(content)), "garbled": content[::-1]}[how]
    (folder / damage).write_bytes(damaged)
    again = encode(setup, loaded, report := new_recorder(), cache)
    assert not used_again(report) and again.train.to_dict() == whole
    encode(setup, loaded, report := new_recorder(), cache)
    assert used_again(report)


def test_what_was_not_used_for_longest_goes_first(
    prepare: Any, make_loaded: Any, new_recorder: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    loaded, cache = make_loaded(50, 10), tmp_path / "encoded"
    setup = prepare(loaded)
    kept: list[Path] = []
    for number, length in enumerate((10, 11, 12)):
        encode(setup, loaded, new_recorder(), cache, model__max_length=length)
        (new,) = set(cache.iterdir()) - set(kept)
        kept.append(new)
        os.utime(new, (number, number))
    encode(setup, loaded, new_recorder(), cache, model__max_length=10)
    size = sum(file.stat().st_size for file in kept[0].iterdir())
    monkeypatch.setattr(token_cache, "MOST_BYTES", 2.5 * size)
    encode(setup, loaded, new_recorder(), cache, model__max_length=13)
    left = set(cache.iterdir())
    assert kept[0] in left and kept[1] not in left and kept[2] not in left and len(left) == 2


def test_a_stop_while_tokenising_leaves_nothing(prepare: Any, make_loaded: Any, recorder: Any, tmp_path: Path) -> None:
    setup = prepare()
    recorder.stop_requested = True
    with pytest.raises(InterruptedError):
        task.encode(make_loaded(), setup.spec, setup.encoded.tokenizer, recorder, tmp_path / "encoded")
    assert not list((tmp_path / "encoded").iterdir())


def test_a_stop_while_encoding(prepare: Any, make_loaded: Any, recorder: Any) -> None:
    setup = prepare()
    recorder.stop_requested = True
    with pytest.raises(InterruptedError):
        task.encode(make_loaded(), setup.spec, setup.encoded.tokenizer, recorder)


def test_nothing_to_train_on(prepare: Any, make_loaded: Any) -> None:
    loaded = make_loaded(5, 5)
    loaded.dataset["train"] = loaded.dataset["train"].select([])
    with pytest.raises(DataError, match="no training examples"):
        prepare(loaded)

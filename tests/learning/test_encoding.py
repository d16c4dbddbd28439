"""From texts to token ids and batches: what is cut is counted, padding changes nothing, labels are int64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import DataError
from core.tasks import text_classification as task


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
        found = setup.encoded.pad(examples)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])


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


def test_twice_the_same_and_in_a_file(
    prepare: Any, make_loaded: Any, recorder: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    loaded = make_loaded(50, 10)
    setup = prepare(loaded)
    monkeypatch.setattr(task, "MAX_ROWS_IN_MEMORY", 20)
    again = task.encode(loaded, setup.spec, setup.encoded.tokenizer, recorder, tmp_path / "encoded")
    assert again.train.to_dict() == setup.encoded.train.to_dict()
    assert (tmp_path / "encoded" / "train.arrow").is_file()
    assert again.train.cache_files and not again.eval.cache_files


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

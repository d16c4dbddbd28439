"""The profile of a dataset is compared with pandas in several languages; samples are reported as such."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import seals
from core.cli.commands import main
from core.cli.lines import profile_lines
from core.data.dataset import Prepared
from core.data.inspecting import profile as profiles
from core.data.inspecting.profile import find_profile, profile, profile_of
from core.data.inspecting.statistics import LabelRows, Languages, Profile, TokenLengths, Value
from core.data.prepare import prepare
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.run import ProfileSpec, build

ENGLISH = "The waiter brought us the wrong order and then he argued about the bill for a very long time."
JAPANESE = "店員さんがとても親切で、料理も美味しかったです。また行きたいと思います。"
GERMAN = "Der Kellner brachte uns das falsche Essen und stritt dann noch lange über die Rechnung."


@pytest.fixture
def prepared(tmp_path: Path, settings: Settings) -> Prepared:
    rng = np.random.default_rng(1)
    texts = [ENGLISH] * 50 + [JAPANESE] * 30 + [GERMAN] * 15 + ["12345 😀"] * 3 + [None, "  "]
    folder = tmp_path / "data"
    folder.mkdir()
    frame = pd.DataFrame(
        {
            "text": texts,
            "label": ["a", "b"] * 50,
            "price": rng.normal(9, 2, 100).round(2),
            "day": pd.Timestamp("2026-01-01"),
        }
    )
    frame.loc[:9, "price"] = None
    table = pa.Table.from_pandas(frame, preserve_index=False)
    picture = pa.array([{"bytes": b"x", "path": "a.png"}] * 100)
    table = table.append_column("picture", picture).append_column("tags", pa.array([["x", "y"]] * 100))
    pq.write_table(table, folder / "train.parquet")
    pq.write_table(table.slice(0, 20), folder / "test.parquet")
    return prepare(DataSpec(source="file", path=str(folder)), settings)


def tokens_of(profile: Profile) -> TokenLengths:
    tokens = profile.splits["train"].tokens
    assert tokens is not None
    return tokens


def test_numbers_are_those_of_pandas(prepared: Prepared, minilm: Path) -> None:
    result = profile(prepared, ["text"], "label", minilm / "tokenizer.json", 512)
    frame = pd.read_parquet(prepared.splits["train"].path)
    train = result.splits["train"]
    assert result.rows == {"train": 100, "test": 20} and train.rows == 100
    assert train.labels == (LabelRows(label="a", rows=50), LabelRows(label="b", rows=50))
    lengths, text = frame["text"].str.len(), train.texts["text"]
    assert text.empty == 2
    assert text.characters.max == lengths.max() and text.characters.mean == pytest.approx(lengths.mean())
    assert text.characters.p95 == pytest.approx(lengths.quantile(0.95))
    assert text.words.max == len(ENGLISH.split())
    price = train.columns["price"]
    assert (price.missing, price.min) == (10, frame["price"].min())
    assert price.median == pytest.approx(frame["price"].median())
    assert train.columns["label"].top == (Value(value="a", rows=50), Value(value="b", rows=50))
    assert train.columns["picture"].holds == "images or sounds, as files in the cells"
    assert train.columns["tags"].kind == "list" and "timestamp" in train.columns["day"].type
    assert find_profile(prepared, ["text"], "label", minilm / "tokenizer.json") == result


def test_languages_and_scripts(prepared: Prepared) -> None:
    train = profile(prepared, ["text"], "label", None).splits["train"]
    assert train.languages == Languages(rows=100, counts={"en": 50, "ja": 30, "de": 15, "none": 5})
    assert train.texts["text"].scripts == {"Latin": 65, "Han": 30, "Kana": 30, "Emoji": 3}
    assert train.tokens is None


def test_tokens_say_what_a_length_cuts(prepared: Prepared, minilm: Path) -> None:
    from tokenizers import Tokenizer

    result = profile(prepared, ["text"], "label", minilm / "tokenizer.json", 512)
    tokens = tokens_of(result)
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = pd.read_parquet(prepared.splits["train"].path)["text"].fillna("")
    lengths = np.array([len(tokenizer.encode(text).ids) for text in texts])
    assert (tokens.max, tokens.median) == (lengths.max(), np.median(lengths))
    assert tokens.cut["32"] == pytest.approx((lengths > 32).mean()) and tokens.cut["512"] == 0
    assert result.recommended_max_length in (32, 64)
    ids = np.concatenate([tokenizer.encode(text).ids for text in texts])
    assert tokens.unknown == pytest.approx((ids == tokenizer.token_to_id("[UNK]")).mean())
    assert tokens.vocabulary_used == len(set(ids.tolist()))


def test_a_sample_is_called_one_and_all_rows_on_request(
    prepared: Prepared, minilm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "TOKEN_SAMPLE", 40)
    tokens = tokens_of(profile(prepared, ["text"], "label", minilm / "tokenizer.json"))
    assert (tokens.rows, tokens.of) == (40, 100)
    exact = profile(prepared, ["text"], "label", minilm / "tokenizer.json", exact=True)
    tokens = tokens_of(exact)
    assert (tokens.rows, tokens.of) == (100, 100)
    assert find_profile(prepared, ["text"], "label", minilm / "tokenizer.json") == exact, "the exact one is taken"


def test_a_kept_profile_that_says_too_little_counts_as_none(prepared: Prepared) -> None:
    profile(prepared, ["text"], "label", None)
    (path,) = prepared.folder.glob("profile-*.json")
    tree = json.loads(path.read_text())
    del tree["rows"]
    seals.write_text(path, json.dumps(tree))
    assert find_profile(prepared, ["text"], "label", None) is None


def test_the_longest_text_a_model_has_is_the_most(prepared: Prepared, minilm: Path) -> None:
    assert profile(prepared, ["text"], "label", minilm / "tokenizer.json", 16).recommended_max_length == 32
    assert profile(prepared, [], None, None).recommended_max_length is None


def test_the_command(settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["profile", "sample", "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["rows"] == {"train": 4000, "test": 1000} and result["recommended_max_length"] == 128
    spec = build({"model": {"name": "scratch"}}, ProfileSpec)
    kept = profile_of(spec, settings)
    assert json.loads(json.dumps(kept.tree())) == result
    assert any("128 tokens" in line for line in profile_lines(kept))

    file = tmp_path / "a.csv"
    file.write_text("t,l\n" + "good food,x\nbad food,y\n" * 9)
    assert main(["profile", str(file), "--text", "t", "--label", "l"]) == 0
    assert "x 9, y 9" in capsys.readouterr().out
    assert main(["profile", str(tmp_path / "nobody.csv")]) == 2
    assert "nobody.csv" in capsys.readouterr().err

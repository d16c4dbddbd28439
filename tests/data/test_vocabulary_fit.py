"""Warnings about a tokenizer that cannot read the texts: unknown tokens, or bytes in place of letters."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from core.data.inspecting import vocabulary_fit
from core.data.inspecting.profile import profile_of
from core.data.prepare import prepare
from core.runs import outlook as plan
from core.settings import Settings
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.run import ProfileSpec, RunSpec

ENGLISH = [
    f"the {a} of the old {b} was closed in the morning and nobody could say when it would open again"
    for a in ("door", "market", "station", "library", "garden", "museum", "harbour", "school")
    for b in ("town", "village", "castle", "city", "island", "valley", "river", "house")
]
JAPANESE = [
    f"{place}の{thing}は今日とても{how}だった"
    for place in ("駅前", "新宿", "海辺", "京都", "空港", "山")
    for thing in ("料理", "部屋", "景色", "店")
    for how in ("良い日", "静か", "残念")
]
RUSSIAN = [
    f"{a} был очень {b}, и мы остались довольны поездкой"
    for a in ("отель", "номер", "завтрак", "персонал")
    for b in ("хороший", "чистый", "вкусный", "приятный", "тихий")
]
GREEK = [
    f"το {a} ήταν πολύ {b} και μείναμε ευχαριστημένοι"
    for a in ("δωμάτιο", "φαγητό", "μέρος", "ξενοδοχείο")
    for b in ("καλό", "ήσυχο", "ωραίο", "μεγάλο", "ακριβό")
]


def word_pieces(texts: list[str], place: Path) -> Path:
    """A vocabulary of letters with an unknown token, like BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=2000, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return saved(tokenizer, place)


def byte_pairs(texts: list[str], place: Path, size: int = 1500) -> Path:
    """A vocabulary of bytes and common byte pairs, like GPT-2's, in which nothing is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet))
    return saved(tokenizer, place)


def saved(tokenizer: Tokenizer, place: Path) -> Path:
    place.mkdir()
    tokenizer.add_tokens([f"<filler{i}>" for i in range(max(0, 1100 - tokenizer.get_vocab_size()))])
    tokenizer.save(str(place / "tokenizer.json"))
    config = {"model_type": "bert", "vocab_size": 2000, "hidden_size": 8, "num_hidden_layers": 1,
              "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": 512}  # fmt: skip
    (place / "config.json").write_text(json.dumps(config))
    (place / "model.safetensors").write_bytes(b"")
    return place


def dataset(texts: list[str], path: Path) -> DataSpec:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *([t, "ab"[i % 2]] for i, t in enumerate(texts))])
    return DataSpec(source="file", path=str(path), text_columns=("text",), label_column="label")


@pytest.mark.parametrize(
    ("texts", "language", "unread"),
    [(ENGLISH, "", False), (JAPANESE, "Japanese", True), (RUSSIAN, "Russian", True), (GREEK, "", True)],
)
@pytest.mark.parametrize("kind", [word_pieces, byte_pairs])
def test_an_english_model_on_other_languages(
    kind: object, texts: list[str], language: str, unread: bool, settings: Settings, tmp_path: Path
) -> None:
    assert callable(kind)
    folder, data = kind(ENGLISH, tmp_path / "model"), dataset(texts, tmp_path / "d.csv")
    spec, prepared = RunSpec(data=data, model=ModelSpec(name=str(folder))), prepare(data, settings)
    problem = plan.unread(spec, prepared, settings)
    assert (problem is not None) == unread
    profile = profile_of(ProfileSpec(data=data, model=ModelSpec(name=str(folder))), settings)
    warnings = [note.text for note in profile.notes if note.level == "warning"]
    assert bool(warnings) == unread
    if problem is not None:
        assert problem.field == "model.name" and language in problem.message and language in warnings[0]
        marks = "unknown to the vocabulary" if kind is word_pieces else "pieces smaller than a letter"
        assert marks in problem.message and str(tmp_path) not in problem.message


@pytest.mark.parametrize("texts", [JAPANESE, RUSSIAN, GREEK])
@pytest.mark.parametrize("kind", [word_pieces, byte_pairs])
def test_a_model_of_the_language_is_not_doubted(
    kind: object, texts: list[str], settings: Settings, tmp_path: Path
) -> None:
    assert callable(kind)
    folder, data = kind(texts, tmp_path / "model"), dataset(texts, tmp_path / "d.csv")
    spec = RunSpec(data=data, model=ModelSpec(name=str(folder)))
    assert plan.unread(spec, prepare(data, settings), settings) is None


def test_a_vocabulary_of_bytes_alone_is_meant_so() -> None:
    rows = [[text] for text in JAPANESE]
    reading = vocabulary_fit.read(rows, lambda some: [list("".join(row).encode()) for row in some], [], 259)
    assert reading.tokens >= reading.size and vocabulary_fit.warning(reading, "google/byt5-small") is None


def test_few_tokens_tell_nothing() -> None:
    reading = vocabulary_fit.read([["x"]], lambda some: [[1] for _ in some], [1], 5000)
    assert vocabulary_fit.warning(reading, "some/model") is None

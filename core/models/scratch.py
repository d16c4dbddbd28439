"""Builds the `scratch` model: a small BERT with a WordPiece vocabulary from the training texts.

It has about a million weights, trains in seconds on a CPU and needs no download. It knows no language beforehand, so a
pretrained model does better if one is available.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 6_000
# Beyond these limits the vocabulary hardly changes, but takes seconds to build.
MAX_TEXTS, MAX_CHARACTERS = 20_000, 2_000
POSITIONS = 512


def train_wordpiece(texts: Iterable[str]) -> Any:
    """Trains a `tokenizers.Tokenizer` (WordPiece, lower case, any script) on the first 20,000 of `texts`.

    Unlike BERT's uncased tokenizer, it keeps accents and the voicing marks of Japanese kana, without which different
    words become the same.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]", max_input_chars_per_word=500))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.BertNormalizer(lowercase=True, strip_accents=False)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    vocabulary = _vocabulary(tokenizer, [text[:MAX_CHARACTERS] for text in islice(texts, MAX_TEXTS)])
    tokenizer.model = WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=500)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    return tokenizer


def _vocabulary(tokenizer: Any, texts: list[str]) -> dict[str, int]:
    """Returns token → id, the same for the same texts in any process.

    The trainer numbers characters in the order of its hash table and breaks ties by these numbers, so that each process
    would learn another vocabulary. Passing the characters as special tokens fixes their order.
    """
    from tokenizers import Tokenizer, trainers
    from tokenizers.models import WordPiece

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    alphabet = sorted(sorted(counts, key=lambda c: (-counts[c], c))[: VOCABULARY // 2])
    alphabet = [character for character in alphabet if not character.isspace()]
    inside = [f"##{character}" for character in alphabet if not _is_ideograph(character)]
    trained = Tokenizer(WordPiece(unk_token="[UNK]"))
    trained.normalizer, trained.pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        limit_alphabet=0,
        special_tokens=[*SPECIAL_TOKENS, *alphabet, *inside],
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    return _with_all_positions(trained.get_vocab())


def _with_all_positions(vocabulary: dict[str, int]) -> dict[str, int]:
    """Completes the vocabulary so that each character is known both at the start of a word and inside one.

    Otherwise a known character in a new place makes the whole word unknown, and in scripts without spaces a "word" is
    half a sentence. Ideographs are words of their own, so they need no second form.
    """
    vocabulary = dict(vocabulary)
    for character in sorted({t.removeprefix("##") for t in vocabulary if len(t.removeprefix("##")) == 1}):
        if not _is_ideograph(character):
            for form in (character, f"##{character}"):
                vocabulary.setdefault(form, len(vocabulary))
    return vocabulary


def _is_ideograph(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def tokenizer(texts: Iterable[str], max_length: int) -> Any:
    """Trains a vocabulary and returns it as a `transformers` tokenizer that `AutoTokenizer` can load again."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=train_wordpiece(texts),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=max(POSITIONS, max_length),
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def model(
    vocabulary: int,
    max_length: int,
    pad_token_id: int,
    head: dict[str, Any],
    architecture: str = "BertForSequenceClassification",
) -> Any:
    """Creates a random BERT of 2 layers, 128 wide. head: the config's fields of the head; architecture: its class"""
    import transformers

    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=max(POSITIONS, max_length),
        pad_token_id=pad_token_id,
        **head,
    )
    return getattr(transformers, architecture)(config)

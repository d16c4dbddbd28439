"""The `scratch` model: a small BERT with a WordPiece vocabulary of its own, both made from the training texts.

About a million weights: it learns in seconds on a CPU and needs no download. It knows no language beforehand, so a
pretrained model does better wherever one can be had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 6_000
# Above this the vocabulary hardly changes, while building it takes seconds.
MAX_TEXTS, MAX_CHARACTERS = 20_000, 2_000
POSITIONS = 512


def train_wordpiece(texts: Iterable[str]) -> Any:
    """A `tokenizers.Tokenizer` (WordPiece, lower case, any script) trained on the first 20,000 of `texts`.

    Accents and the voicing marks of Japanese kana are kept, unlike in BERT's own uncased tokenizer: without them
    different words become one.
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
    """Token -> id: the same for the same texts, in any process.

    The trainer numbers characters as its hash table gives out the words, and breaks ties by these numbers, so that each
    process would learn another vocabulary. Given to it beforehand, they are in order.
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
    """The vocabulary, with every character known both at the start of a word and inside one.

    Else a word that has a known character in a new place is unknown as a whole, and in scripts without spaces a
    "word" is half a sentence. Ideographs are words of their own, so they need no second form.
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
    """The trained vocabulary as a `transformers` tokenizer, which `AutoTokenizer` loads again as it was saved."""
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
    """A BERT of 128 × 2 layers with random weights; `head`: the config's fields of it, `architecture`: its class."""
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

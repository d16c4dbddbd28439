"""Checks whether a model's tokenizer can read texts, by the share of tokens that are unknown or single bytes.

A vocabulary of words or word pieces uses its unknown token for everything it lacks. A vocabulary of bytes lacks
nothing, but spells a script that it has not learned byte by byte: for non-ASCII letters, a suited vocabulary needs
0.15 to 0.3 tokens per byte, an unsuited one 0.45 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.browsing.samples import sample_texts
from core.data.browsing.token_process import open_limited
from core.data.dataset import Prepared
from core.messages import Message
from core.models import names as models
from core.spec.names import model_name
from core.wording import language_name

MOST_UNKNOWN = 0.05  # of the tokens
MOST_TOKENS_PER_BYTE = 0.4  # of texts that are mostly not ASCII
FOREIGN = 0.5  # of the bytes
LEAST_VOCABULARY = 1_000  # a smaller vocabulary consists of bytes or characters by design
TEXTS, CHARACTERS, SEED = 200, 2_000, 42
LEAST_TOKENS = 50

Ids = Callable[[Sequence[Sequence[str]]], Sequence[Sequence[int]]]
"""Token ids of texts, each a row of one text or a pair."""


@dataclass(frozen=True)
class Reading:
    """Counts of a tokenizer's output for some texts. Special tokens and whitespace do not count.

    tokens, unknown: the number of tokens, and of unknown tokens among them; characters: of the texts
    size, foreign: bytes of the texts in UTF-8, and the bytes of non-ASCII letters among them
    vocabulary: how many tokens the tokenizer knows
    """

    tokens: int
    unknown: int
    characters: int
    size: int
    foreign: int
    vocabulary: int

    @property
    def unknown_share(self) -> float:
        return self.unknown / max(1, self.tokens)

    @property
    def is_by_bytes(self) -> bool:
        """Whether the tokenizer splits most letters into several tokens."""
        mostly_foreign = self.foreign > FOREIGN * self.size
        return (
            mostly_foreign
            and self.vocabulary >= LEAST_VOCABULARY
            and self.tokens > MOST_TOKENS_PER_BYTE * self.size
            and self.unknown == 0
        )


def read(rows: Sequence[Sequence[str]], ids: Ids, unknown: Sequence[int], vocabulary: int) -> Reading:
    """Tokenizes the beginnings of texts and counts the result. Raises what `ids` raises."""
    cut = [[text[:CHARACTERS] for text in row] for row in rows]
    special = len(ids([[""] * len(cut[0])])[0]) if cut else 0
    encoded = ids(cut)
    letters = ["".join(text.split()) for row in cut for text in row]
    return Reading(
        tokens=sum(max(0, len(row) - special) for row in encoded),
        unknown=sum(number in unknown for row in encoded for number in row),
        characters=sum(map(len, letters)),
        size=sum(len(text.encode("utf-8", "replace")) for text in letters),
        foreign=sum(len(text.encode("utf-8", "replace")) - sum(map(str.isascii, text)) for text in letters),
        vocabulary=vocabulary,
    )


def read_split(prepared: Prepared, split: str, columns: Sequence[str], tokenizer_json: Path) -> Reading:
    """Tokenizes a sample of a split and counts the result. Raises DataError."""
    tokenizer = open_limited(tokenizer_json)
    rows, _ = sample_texts(prepared, split, columns, TEXTS, SEED)
    return read(rows, tokenizer.ids, tokenizer.unknown, tokenizer.vocabulary)


def warning(reading: Reading, name: str, language: str = "") -> Message | None:
    """Returns a warning if a model's tokenizer cannot read these texts; None if it can.

    name: the model's name in a spec; language: the code of the language of most texts; empty if unknown
    """
    if reading.tokens < LEAST_TOKENS:
        return None
    known = language_name(language) if language else "their language"
    better, model = models.suited(language), model_name(name)
    share, per_character = reading.unknown_share, reading.tokens / max(1, reading.characters)
    if share > MOST_UNKNOWN and better == name:
        return Message.of(
            "unknown-tokens",
            "{share:.0%} of the tokens of these texts are unknown to the vocabulary of {model}, which cannot tell such "
            "words apart. Choose a model that knows {language}",
            share=share,
            model=model,
            language=known,
        )
    if share > MOST_UNKNOWN:
        return Message.of(
            "unknown-tokens-other-model",
            "{share:.0%} of the tokens of these texts are unknown to the vocabulary of {model}, which cannot tell such "
            "words apart. Choose a model that knows {language}, such as {better}",
            share=share,
            model=model,
            language=known,
            better=better,
        )
    if reading.is_by_bytes and better == name:
        return Message.of(
            "tokens-smaller-than-letters",
            "{model} reads these texts in pieces smaller than a letter ({tokens:.1f} tokens per character), as its "
            "vocabulary lacks their script: it learns little, and cuts texts off early. Choose a model that knows "
            "{language}",
            model=model,
            tokens=per_character,
            language=known,
        )
    if reading.is_by_bytes:
        return Message.of(
            "tokens-smaller-than-letters-other-model",
            "{model} reads these texts in pieces smaller than a letter ({tokens:.1f} tokens per character), as its "
            "vocabulary lacks their script: it learns little, and cuts texts off early. Choose a model that knows "
            "{language}, such as {better}",
            model=model,
            tokens=per_character,
            language=known,
            better=better,
        )
    return None

"""Whether a model's tokenizer can read some texts: the share of tokens that it does not know, or that are bytes.

A vocabulary of words or word pieces answers what it lacks with its unknown token. One of bytes knows everything, but
writes a script that it has not learned byte by byte: for letters beyond ASCII, a suited one needs 0.15 to 0.3 tokens a
byte, an unsuited one 0.45 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.browsing import browse
from core.data.browsing.token_process import open_limited
from core.data.dataset import Prepared
from core.models import names as models
from core.spec.names import model_name
from core.wording import language_name

MOST_UNKNOWN = 0.05  # of the tokens
MOST_TOKENS_PER_BYTE = 0.4  # of texts that are mostly not ASCII
FOREIGN = 0.5  # of the bytes
LEAST_VOCABULARY = 1_000  # a smaller one is of bytes or characters by design
TEXTS, CHARACTERS, SEED = 200, 2_000, 42
LEAST_TOKENS = 50

Ids = Callable[[Sequence[Sequence[str]]], Sequence[Sequence[int]]]
"""Token ids of texts, each a row of one text or a pair."""


@dataclass(frozen=True)
class Reading:
    """What a tokenizer makes of texts. Special tokens and blanks do not count.

    tokens, unknown: how many, and how many of them stand for what it does not know; size, foreign: bytes of the texts
    in UTF-8, and those of them that are not ASCII; characters: of the texts; vocabulary: how many tokens it knows
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
        """Whether it writes most letters in several pieces."""
        mostly_foreign = self.foreign > FOREIGN * self.size
        return (
            mostly_foreign
            and self.vocabulary >= LEAST_VOCABULARY
            and self.tokens > MOST_TOKENS_PER_BYTE * self.size
            and self.unknown == 0
        )


def read(rows: Sequence[Sequence[str]], ids: Ids, unknown: Sequence[int], vocabulary: int) -> Reading:
    """What a tokenizer makes of the beginnings of texts. Raises what `ids` raises."""
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
    """What a tokenizer makes of some texts of a split. Raises DataError."""
    tokenizer = open_limited(tokenizer_json)
    rows, _ = browse.sample_texts(prepared, split, columns, TEXTS, SEED)
    return read(rows, tokenizer.ids, tokenizer.unknown, tokenizer.vocabulary)


def warning(reading: Reading, name: str, language: str = "") -> str | None:
    """What is to be said of a model whose tokenizer cannot read these texts; None if it can.

    name: of the model, as a spec has it; language: the code of that of most texts; empty if it is not known
    """
    if reading.tokens < LEAST_TOKENS:
        return None
    knows = f"knows {language_name(language)}" if language else "knows their language"
    better, model = models.suited(language), model_name(name)
    other = f"Choose a model that {knows}" + (f", such as {better}" if better != name else "")
    if reading.unknown_share > MOST_UNKNOWN:
        return (
            f"{reading.unknown_share:.0%} of the tokens of these texts are unknown to the vocabulary of {model}, which "
            f"cannot tell such words apart. {other}"
        )
    if reading.is_by_bytes:
        return (
            f"{model} reads these texts in pieces smaller than a letter "
            f"({reading.tokens / max(1, reading.characters):.1f} tokens per character), as its vocabulary lacks their "
            f"script: it learns little, and cuts texts off early. {other}"
        )
    return None

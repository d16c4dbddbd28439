"""Recognises half-width katakana of old Japanese systems, which Shift-JIS writes as one byte each."""

from __future__ import annotations

import re

from core.data.reading.text import letters

BITS = 6.5  # the cost of a kana in Japanese words; letters of a known language cost 4 to 12
RUN = re.compile("[\uff61-\uff9f]+")
FIRST_HALF = re.compile("[\uff71-\uff7f]")  # from a to so, which are common in Japanese words
MISPLACED = re.compile(
    "(?<![\uff73\uff76-\uff84\uff8a-\uff8e])\uff9e"  # a voiced mark after a kana that cannot be voiced
    "|(?<![\uff8a-\uff8e])\uff9f"
    "|(?<![\uff66-\uff9f])[\uff67-\uff70\uff9d]"  # a small kana, a long mark or an n at the beginning of a word
)


def is_written(text: str) -> bool:
    """Whether a text read as Shift-JIS has words in half-width katakana: in runs, with marks in the right places.

    Texts in other encodings have single signs there, or letters that rarely fall in the first half of the kana.
    """
    runs = RUN.findall(text)
    kana = sum(map(len, runs))
    beyond = sum(c >= "\x80" for c in text)
    return (
        kana * 5 > beyond
        and sum(len(run) for run in runs if len(run) > 1) * 5 >= kana * 4
        and len(FIRST_HALF.findall(text)) * 7 >= kana
        and len(MISPLACED.findall(text)) * 50 <= kana
    )


def bits(text: str) -> float:
    """Returns the cost of the non-ASCII characters as Japanese, in bits; see `letters`."""
    kana = sum(map(len, RUN.findall(text)))
    return kana * BITS + letters.ideograph_bits(RUN.sub(" ", text), "cp932")

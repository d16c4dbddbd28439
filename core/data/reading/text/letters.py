"""Measures how likely a decoded text is in the languages of an encoding, as a cost in bits: the fewer, the likelier.

Non-ASCII letters are judged by the pairs that they form with their neighbours in each language, ideographs and Korean
syllables by how common they are. A wrong encoding turns letters into symbols inside words, capitals after small
letters, box drawing and control characters, which all cost more.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import log2

from core.data.reading.text.code_pages import DOUBLE_BYTE, SINGLE_BYTE
from core.data.reading.text.letter_pairs import PAIRS

MOST_BYTES = 32 * 1024
UNKNOWN_PAIR = 16.0
UNKNOWN_ACROSS = 13.0  # in Thai, which has no blanks between words, so that any two letters may meet
OWN_SCRIPT = {"ru", "uk", "bg", "mk", "el", "he", "ar", "fa", "th"}  # languages without ASCII letters
MOST_SURE = 13.0  # bits per non-ASCII byte; text of a known language takes 4 to 12
LEAST_MARGIN = 8.0  # bits to the next best encoding
CAPITAL = 3.0  # for a single Latin capital, which is rarer than a small letter
LATIN_END = "\u0250"
ODD_CASE = 10.0
INSIDE_WORD = 10.0
MARKS = set("‘’‚“”„–—…•\xa0«»")
SIGNS = set("€£¥§©®™°±¡¿´ªº²³½¼¾†‰‹›·№µ")
CHINESE = set(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里很好"
    "這個們來為國說時會對於著過發後裡還沒給吃没还给买買东東西真太差服务務质質量快慢非常喜欢歡"
)
KOREAN = set("이다는에가하을의고지도한은기로사리아서어나를대인시자그해라들만있부수전과요했았었습니네음없좋안보게면")
CJK_MARKS = set("，。！？、：；“”‘’（）《》「」『』…—·　～【】")
COMMON_IN = {  # encoding → (standard of its language, end of the common characters in it, commonest characters)
    "gb18030": ("gb2312", 0xD8, CHINESE),
    "big5": ("big5", 0xC7, CHINESE),
    "big5hkscs": ("big5", 0xC7, CHINESE),
    "cp949": ("euc_kr", 0xC9, KOREAN),
    "cp932": ("euc_jp", 0xD0, set()),
    "euc_jp": ("euc_jp", 0xD0, set()),
    "euc_jis_2004": ("euc_jp", 0xD0, set()),
}
JAPANESE = ("cp932", "euc_jp", "euc_jis_2004")
EAST = "\u3041-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff9f\u3300-\u33ff"
MIXED = re.compile(
    rf"(?<=[a-z])[{EAST}]{{1,2}}(?![{EAST}])|(?<![{EAST}])[{EAST}]{{1,2}}(?=[a-z])"
)  # inside a Latin word
CASE = re.compile(r"(?<=[^\W\d_])[^\W\d_]")
WORD_SIGN = re.compile(r"(?<=[^\W\d_])(\xa0|[^\w\s\x00-\x7f’·\u0300-\u036f])(?=[^\W\d_])")
LATE_OPENING = re.compile(r"(?<=[^\W\d_])[‚„“«‹¿¡‘†‡](?![^\W\d_])")  # an opening mark at the end of a word


@dataclass(frozen=True)
class Verdict:
    """The likeliest encoding of a sample.

    bits: the cost of its text; sure: whether no other is nearly as likely; ratio: bits per non-ASCII byte
    """

    encoding: str
    bits: float
    sure: bool
    ratio: float


def likeliest(sample: bytes) -> Verdict:
    """Returns the encoding, other than UTF-8 and the Japanese ones, in which a sample gives the likeliest text.

    sample: lines with non-ASCII bytes, of which the first MOST_BYTES are used
    """
    sample = sample[:MOST_BYTES]
    texts: dict[str, tuple[float, str]] = {}
    for encoding, (languages, prior) in SINGLE_BYTE.items():
        text = sample.decode(encoding, "replace")
        texts[encoding] = (prior + bits_of(text, languages), text)
    for encoding, prior in DOUBLE_BYTE.items():
        text = sample.decode(encoding, "replace")
        texts[encoding] = (prior + ideograph_bits(text, encoding), text)
    order = sorted(texts, key=lambda encoding: texts[encoding][0])
    best, text = texts[order[0]]
    beyond = sum(byte > 127 for byte in sample) or 1
    rival = next((e for e in order[1:] if texts[e][1] != text), None)
    sure = best / beyond < MOST_SURE and not any("\x80" <= c <= "\x9f" or c == "\ufffd" for c in text)
    if rival:
        differing = sum(a != b for a, b in zip(text, texts[rival][1], strict=False))
        # A rival that differs in few letters can only differ by few bits.
        least = LEAST_MARGIN if differing * 20 < beyond else max(LEAST_MARGIN, 0.05 * best)
        sure = sure and texts[rival][0] - best > least
    return Verdict(order[0], best, sure, best / beyond)


def bits_of(text: str, languages: tuple[str, ...]) -> float:
    """Returns the cost of the non-ASCII characters of a text in the best of some languages, in bits."""
    plain = "".join(c if ord(c) > 127 or c.isalpha() else " " for c in text)
    odd = sum(_is_odd(text[m.start() - 1], m[0]) for m in CASE.finditer(text)) * ODD_CASE
    odd += len(WORD_SIGN.findall(text)) * INSIDE_WORD
    odd += (
        sum("\x7f" < c < LATIN_END and c.isupper() and not f"{a}{b}".isupper() for a, c, b in _neighbours(text))
        * CAPITAL
    )
    odd += len(LATE_OPENING.findall(text)) * INSIDE_WORD
    small = "".join(map(_small, plain))
    pairs = Counter(zip(f" {small}", f"{small} ", strict=True))
    signs = 0.0
    letters: dict[str, int] = {}
    for (first, second), count in pairs.items():
        if first < "\x80" and second < "\x80":
            continue
        cost = _sign_bits(first) + _sign_bits(second)
        signs += count * cost / 2
        one, two = (" " if _sign_bits(c) else c for c in (first, second))
        if one >= "\x80" or two >= "\x80":
            letters[one + two] = letters.get(one + two, 0) + count
    best = min(_pair_bits(letters, language) for language in languages)
    return odd + signs + best / 2  # each letter is in two pairs


def _neighbours(text: str) -> Iterator[tuple[str, str, str]]:
    """Yields each character with its left and right neighbour; a neighbour that is not a letter is a blank."""
    letters = "".join(c if c.isalpha() else " " for c in text)
    return zip(f" {letters}", text, f"{letters[1:]} ", strict=False)


def _pair_bits(pairs: dict[str, int], language: str) -> float:
    known = _table(language)
    unknown = UNKNOWN_ACROSS if language == "th" else UNKNOWN_PAIR
    return sum(count * known.get(pair, unknown) for pair, count in pairs.items())


@cache
def _table(language: str) -> dict[str, float]:
    """Returns the cost of each pair; in a script of its own, by how often the second letter follows the first."""
    bits = {chunk[i : i + 2]: float(n) for n, chunk in PAIRS[language].items() for i in range(0, len(chunk), 2)}
    if language not in OWN_SCRIPT:
        return bits
    first: dict[str, float] = {}
    for pair, cost in bits.items():
        first[pair[0]] = first.get(pair[0], 0.0) + 2.0**-cost
    return {pair: min(UNKNOWN_PAIR, max(1.0, 2 * (cost + log2(first[pair[0]])))) for pair, cost in bits.items()}


@cache
def _small(character: str) -> str:
    small = character.lower()
    return small if len(small) == 1 else character


@cache
def _sign_bits(character: str) -> float:
    """Returns the cost of a non-ASCII character that is not a letter; 0 for letters, combining marks and ASCII."""
    if character < "\x80":
        return 0.0
    if character in MARKS:
        return 6.0
    if character in SIGNS:
        return 9.0
    if character == "\ufffd" or character <= "\x9f":
        return 24.0
    kind = unicodedata.category(character)
    return 0.0 if kind[0] in "LM" else 24.0 if kind[0] == "C" else 16.0


def _is_odd(before: str, letter: str) -> bool:
    """Whether a capital follows a small letter, unless both are ASCII, as in product names."""
    return before.islower() and letter.isupper() and not (before.isascii() and letter.isascii())


def ideograph_bits(text: str, encoding: str) -> float:
    """Returns the cost of the non-ASCII characters in the language of a double-byte encoding, in bits."""
    mixed = len(MIXED.findall(text)) * INSIDE_WORD
    return mixed + sum(count * _ideograph(c, encoding) for c, count in Counter(text).items() if c >= "\x80")


@cache
def _ideograph(character: str, encoding: str) -> float:
    standard, end, common = COMMON_IN[encoding]
    if character in common or character in CJK_MARKS:
        return 7.0
    if "\u3041" <= character <= "\u30ff" and encoding in JAPANESE:
        return 6.0
    if "\u4e00" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3":
        return 12.0 if _is_level_one(character, standard, end) else 18.0
    if "\uff01" <= character <= "\uff5e":
        return 9.0
    return 24.0 if character == "\ufffd" or unicodedata.category(character)[0] == "C" else 18.0


def _is_level_one(character: str, standard: str, end: int) -> bool:
    """Whether a character is among the common ones of a standard, whose first bytes are below `end`."""
    try:
        return character.encode(standard)[0] < end
    except UnicodeEncodeError:
        return False

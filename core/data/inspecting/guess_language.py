"""Guesses the language of texts from their script and their commonest words: in milliseconds, for choosing a model.

`core.data.inspecting.language` tells a hundred languages apart, but takes seconds and 80 MB to open; a proposal of a
model needs to know only the languages that have models of their own. Whatever is not plain is "".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

CHARACTERS = 500  # of a text
MOST_OF_ALL, FOREIGN = 0.7, 0.2  # shares of the texts whose language is plain
CLEAR = 2  # a text's first language has so many times the common words of the second

KANA, HANGUL, HAN = (
    re.compile("[\u3041-\u30ff\uff66-\uff9f]"),
    re.compile("[\uac00-\ud7af]"),
    re.compile("[\u4e00-\u9fff]"),
)
CYRILLIC, LATIN = re.compile("[\u0400-\u04ff]"), re.compile("[a-z\u00df-\u024f]")
WORD = re.compile("[a-z\u00df-\u024f]+(?:'[a-z]+)?")
NOT_RUSSIAN = re.compile("[іїєґўјљњћђџ]")
WORDS = {
    "en": "the and of to is in it you that was for are with this have not but be at my what how i on can do we your",
    "de": "der die und das ist nicht ich ein eine zu mit den sich auf für es im dem von sind auch wie war wir bei",
    "fr": "le la les et est des une un pas que qui pour dans je ce il en du vous sur avec nous très au c'est mais",
    "es": "el la los las y es de que un una por con para en no se del lo muy pero como su al mi está más",
    "it": "il la che di e è un una per non con sono del della le mi si ma come ho più questo gli anche molto",
    "pt": "o os as e é de que um uma não com para por em do da no na se mais muito mas como você",
    "nl": "de het een en is van niet ik dat met op te zijn voor er maar ook heb als deze naar bij aan wat",
}
COMMON = {language: frozenset(words.split()) for language, words in WORDS.items()}


def guess(texts: Iterable[str]) -> str:
    """The code of the language of nearly all texts; "" for several languages, for others, and if it is not plain."""
    counts = Counter(language for text in texts if (language := guess_one(text[:CHARACTERS].lower())) is not None)
    known = Counter({language: count for language, count in counts.items() if language})
    if not known:
        return ""
    (first, most), *others = known.most_common()
    if most < MOST_OF_ALL * known.total() or (others and others[0][1] > FOREIGN * known.total()):
        return ""
    # Texts that are not plain are short ones, unless there are many.
    return first if most >= FOREIGN * counts.total() else ""


def guess_one(text: str) -> str | None:
    """The language of one text in lower case; "" if it is not plain, None for a text without letters."""
    kana, hangul, han = (len(pattern.findall(text)) for pattern in (KANA, HANGUL, HAN))
    cyrillic, latin = len(CYRILLIC.findall(text)), len(LATIN.findall(text))
    letters = kana + hangul + han + cyrillic + latin
    if not letters:
        return "" if any(map(str.isalpha, text)) else None
    if 2 * latin >= letters:
        return _latin(text)
    if hangul >= max(kana, han):
        return "ko" if hangul > cyrillic else "" if NOT_RUSSIAN.search(text) else "ru"
    return "ja" if 10 * kana > han else "zh"


def _latin(text: str) -> str:
    words = WORD.findall(text)
    hits = sorted(((sum(word in common for word in words), code) for code, common in COMMON.items()), reverse=True)
    (first, language), (second, _) = hits[0], hits[1]
    return language if first and first >= CLEAR * second else ""

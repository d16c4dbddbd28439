"""Decides when two names mean the same label, for files, splits, models and the checks of a dataset."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from core.wording import shortened

LONGEST = 10_000  # characters of a label that results can hold
BLANK = {"\u2800": " ", "\u3164": " ", "\u1160": " ", "\u115f": " ", "\uffa0": " "}  # letters that look like blanks
UNSEEN = {"\u034f"}  # the invisible grapheme joiner, which is not one of Unicode's format characters


def normal_form(name: str) -> str:
    """Returns the same text for names that look the same to a person: NFKC, without case and invisible characters.

    Invisible are format characters (zero width space, byte order mark, soft hyphen, bidi marks), control characters and
    variation selectors. Blanks become single. A name of only such characters gives an empty text.
    """
    if name.isascii() and name.isprintable():
        return " ".join(name.casefold().split())
    visible = "".join(BLANK.get(c, c) for c in unicodedata.normalize("NFKC", name) if c.isspace() or not _unseen(c))
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())


def _unseen(character: str) -> bool:
    return (
        character in UNSEEN
        or unicodedata.category(character) in ("Cf", "Cc")
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def places(names: Sequence[str], known: Sequence[str]) -> list[int]:
    """Returns for each name its place in `known`: of the identical name, else of the only one with its normal form,
    else -1.
    """
    exact = {name: place for place, name in reversed(list(enumerate(known)))}
    forms = [normal_form(name) for name in known]
    single = {form for form, count in Counter(forms).items() if count == 1}
    alike = {form: place for place, form in enumerate(forms) if form in single}
    return [exact[name] if name in exact else alike.get(normal_form(name), -1) for name in names]


def groups(names: Sequence[str]) -> list[list[str]]:
    """Returns groups of two or more names that have the same normal form."""
    by_form: dict[str, list[str]] = {}
    for name in names:
        by_form.setdefault(normal_form(name), []).append(name)
    return [same for same in by_form.values() if len(same) > 1]


def telling(name: str, other: str) -> str:
    """Returns a name for a message beside another: with codes of unusual characters if the two look the same."""
    if name.casefold() == other.casefold() and name.isprintable():
        return shortened(name, 40)
    return shortened("".join(c if c.isascii() and c.isprintable() else f"\\u{ord(c):04x}" for c in name), 40)

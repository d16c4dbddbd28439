"""Computes from a tokenizer.json how much longer its rules can make a text, before it runs.

Rules in a row multiply: a rule that replaces a letter by two, thirty times in a row, turns one letter into a gigabyte.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.wording import library_message, size

LARGEST = 100 * 1024**2  # bytes; the largest in use, of 250,000 tokens, have 35 MB
MOST_GROWTH = 1_000.0  # rules in use turn one character into a hundred at most
MOST_SPECIAL = 10_000  # tokens that are put around a text
DEEPEST = 32
REMAKING = ("Precompiled", "ByteLevel")


def check_rules(path: Path) -> None:
    """Raises ModelError for a tokenizer.json that is not valid or whose rules make texts far too long; OSError."""
    length = path.stat().st_size
    if length > LARGEST:
        raise ModelError.of(
            "tokenizer-too-large",
            "{file} has {size}; the most that is loaded here is {most}",
            file=path.name,
            size=size(length),
            most=size(LARGEST),
        )
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(tree, dict):
            raise ValueError("it is not an object")
        factor = growth(tree)
        around = _special(tree.get("post_processor"), 0)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError.of(
            "tokenizer-unreadable",
            "{file} is not a tokenizer that can be read ({reason})",
            file=path.name,
            reason=library_message(error),
        ) from None
    if factor > MOST_GROWTH:
        raise ModelError.of(
            "tokenizer-grows-texts",
            "{file} has rules that can make a text more than {most:,.0f} times as long, which no "
            "tokenizer needs; it is not used",
            file=path.name,
            most=MOST_GROWTH,
        )
    if around > MOST_SPECIAL:
        raise ModelError.of(
            "tokenizer-adds-tokens",
            "{file} puts more than {most:,} tokens around each text; it is not used",
            file=path.name,
            most=MOST_SPECIAL,
        )


def growth(tree: dict[str, Any]) -> float:
    """Returns how many times as long the rules of a tokenizer.json can make a text, at most."""
    factor = longest = 1.0
    written: set[str] = set()  # letters that earlier rules write, on which a later rule can work again
    remade = False  # whether an earlier rule can turn any letter into any other
    for rule in [*_rules(tree.get("normalizer"), 0), *_rules(tree.get("pre_tokenizer"), 0)]:
        times, text, read = _times(rule)
        if read is None or (remade and read) or not read.isdisjoint(written):
            factor *= times
        else:
            longest = max(longest, times)
        written |= _letters(text)
        remade |= rule.get("type") in REMAKING
        if factor * longest > MOST_GROWTH:
            break
    return factor * longest


def _letters(text: str) -> set[str]:
    """Returns the letters of a text, ignoring case, accents and compatibility forms."""
    return set(unicodedata.normalize("NFKD", text.casefold()))


def _rules(part: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yields the rules of a normalizer or pre-tokenizer in order, also those in sequences."""
    if depth > DEEPEST:
        raise ValueError("its rules are nested too deeply")
    if not isinstance(part, dict):
        return
    inner = part.get("normalizers", part.get("pretokenizers"))
    if isinstance(inner, list):
        for rule in inner:
            yield from _rules(rule, depth + 1)
    else:
        yield part


def _times(rule: dict[str, Any]) -> tuple[float, str, set[str] | None]:
    """Returns how many times longer a rule can make a text, what it writes, and the letters it reads (None: any)."""
    match rule.get("type"):
        case "Replace":
            content, pattern = str(rule.get("content", "")), rule.get("pattern")
            plain = pattern.get("String") if isinstance(pattern, dict) else pattern
            if isinstance(plain, str) and plain:
                return max(1.0, len(content) / len(plain)), content, _letters(plain)
            regex = pattern.get("Regex") if isinstance(pattern, dict) else None
            return max(1.0, len(content) + _matches_nothing(str(regex or ""))), content, None
        case "Prepend":
            text = str(rule.get("prepend", ""))
            # Once per text, which may be a word of one letter.
            return 1.0 + len(text), text, None if len(text) > 8 else set()
        case "Precompiled":
            return _longest_replacement(str(rule.get("precompiled_charsmap") or "")), "", None
        case "ByteLevel":
            return 2.0, "", None
        case _:
            return 1.0, "", set()


def _matches_nothing(pattern: str) -> int:
    """Returns 1 for a pattern that can match between two letters, where the content is then inserted; else 0."""
    try:
        return int(re._parser.parse(pattern).getwidth()[0] == 0)  # type: ignore[attr-defined]
    except (re.error, RecursionError, OverflowError):  # a dialect that Python does not know
        return int(not re.search(r"[+}\])\w]$", pattern))


def _longest_replacement(charsmap: str) -> float:
    """Returns the length of the longest replacement in SentencePiece's table of characters."""
    table = base64.b64decode(charsmap, validate=False)
    start = 4 + int.from_bytes(table[:4], "little")
    if start > len(table) or start % 4:
        raise ValueError("its table of characters is damaged")
    return float(max((len(text) for text in table[start:].split(b"\0")), default=1) or 1)


def _special(part: Any, depth: int) -> int:
    """Returns the number of tokens that a post-processor adds to a text; a repeated text counts as 100."""
    if depth > DEEPEST:
        raise ValueError("its rules are nested too deeply")
    if not isinstance(part, dict):
        return 0
    if part.get("type") == "Sequence":
        return sum(_special(inner, depth + 1) for inner in part.get("processors") or [])
    tokens = part.get("special_tokens") if isinstance(part.get("special_tokens"), dict) else {}
    ids = {name: len(token.get("ids") or []) for name, token in (tokens or {}).items() if isinstance(token, dict)}
    total = 0
    for form in ("single", "pair"):
        pieces = part.get(form) if isinstance(part.get(form), list) else []
        total += sum(ids.get(str(p["SpecialToken"].get("id")), 1) for p in pieces or [] if "SpecialToken" in p)
        total += 100 * max(0, len([p for p in pieces or [] if "Sequence" in p]) - 2)
    return total

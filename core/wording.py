"""The wording of numbers, durations, sizes and metrics: the same on pages, in figures and on the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from core.messages import with_noun
from core.tasks import metric

ENGINE_TITLES = {"trainer": "Trainer", "torch": "PyTorch loop", "keras": "Keras"}
ENGINE_MEANINGS = {
    "trainer": "The Transformers Trainer: the tutorial's first way, and the one that most people use.",
    "torch": "A training loop in plain PyTorch, the tutorial's last way; can fill its batches by tokens.",
    "keras": "Keras on TensorFlow trains with model.fit; the result is also saved as a Transformers model.",
}
KERAS_INPUTS = {"tf_data": "tf.data", "numpy": "NumPy"}


LANGUAGES = {
    "en": "English", "ja": "Japanese", "de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese",
    "it": "Italian", "pt": "Portuguese", "ru": "Russian", "ko": "Korean", "ar": "Arabic", "nl": "Dutch",
    "pl": "Polish", "tr": "Turkish", "hi": "Hindi", "sv": "Swedish", "cs": "Czech", "uk": "Ukrainian",
    "vi": "Vietnamese", "th": "Thai", "none": "No letters",
}  # fmt: skip


def language_name(code: str) -> str:
    return LANGUAGES.get(code, code)


def engine_title(spec: dict[str, Any]) -> str:
    """The engine of a run's spec for people: "Trainer", "Keras (tf.data)"; empty if the spec names none."""
    title = ENGINE_TITLES.get(spec.get("engine", ""), "")
    way = KERAS_INPUTS.get(spec.get("keras_input", ""), "")
    return f"{title} ({way})" if spec.get("engine") == "keras" and way else title


def metric_title(name: str) -> str:
    """`eval_f1_macro` as "F1 (macro)"; an unknown name with spaces in place of underscores."""
    bare = name.removeprefix("eval_")
    known = metric(bare)
    return known.title if known else bare.replace("_", " ").capitalize()


def metric_words(name: str) -> str:
    """A metric within a sentence: "accuracy", "F1 (macro)", "Matthews correlation"."""
    title, known = metric_title(name), metric(name.removeprefix("eval_"))
    return title if known and known.proper_name else title[:1].lower() + title[1:]


def metric_meaning(name: str) -> str | None:
    """One sentence on what a metric measures; None for a name that we do not know."""
    known = metric(name)
    return known.meaning or None if known else None


def score(value: float | None, signed: bool = False) -> str:
    """A metric between -1 and 1 with three decimals; a dash for None."""
    if value is None or not math.isfinite(value):
        return "–" if value is None else "not a number"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits and separated thousands; an exponent only if it is tiny."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number"
    if value and abs(value) < 0.001:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float | None) -> str:
    """Seconds as "8 s", "1 min 20 s", "2 h 5 min", "3 d 4 h"; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if 0 < seconds < 1:
        return "under 1 s"
    whole = round(max(seconds, 0))
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for (size, unit), (smaller, minor) in pairwise(units):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {minor}" if rest else "")
    return f"{whole} s"


def rough_duration(seconds: float) -> str:
    """An estimate: "a few seconds", "about 40 s", "about 3 min"."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 5) * 5} s"
    if seconds < 3_600:
        return f"about {round(seconds / 60)} min"
    return f"about {duration(round(seconds / 300) * 300)}"


def size(count: float) -> str:
    """Bytes as "812 B", "3.4 MB", "1.2 GB" (powers of ten)."""
    for limit, unit in ((1e3, "B"), (1e6, "kB"), (1e9, "MB"), (1e12, "GB")):
        if count < limit:
            value = count / (limit / 1e3)
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
    return f"{count / 1e12:.1f} TB"


def counted(count: float, one: str, many: str = "") -> str:
    """A number with its noun: "1 run", "2,000 runs", "0.5 epochs". many: the plural, if it is not `one` with an s"""
    return with_noun(count, one, many or f"{one}s")


def shortened(text: str, length: int) -> str:
    """`text` in at most `length` characters, with an ellipsis if it is cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")


def library_message(error: BaseException, most: int = 300) -> str:
    """A library's error message as part of a sentence of ours: its first statement, on one printable line.

    Leaves out escape codes, and an introduction ("…:") whose list follows on other lines. most: characters
    """
    lines = [printable(line) for line in ESCAPES.sub("", str(error)[:20_000]).splitlines()]
    lines = [line for line in lines if line]
    if not lines:
        return type(error).__name__
    text = lines[0]
    if text.endswith(":"):  # keep the statement before it; if there is none, append the first line that follows
        before, stop, _ = text.rpartition(". ")
        text = before if stop else f"{text} {lines[1].lstrip('-*• ')}" if len(lines) > 1 else text
    text = f"there is no {text}" if type(error) is KeyError else text
    return shortened(text.rstrip(".:;, "), most) or type(error).__name__


def printable(text: str) -> str:
    """`text` on one line, with single spaces and no unprintable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def sentence(text: str) -> str:
    """`text` with a capital at its start and a punctuation mark at its end."""
    text = text.strip()
    if not text:
        return text
    starts_a_name = re.match(r"[a-z]+[._/\\\d]", text)  # a path, a file or a field keeps its case
    text = text if starts_a_name else text[0].upper() + text[1:]
    return text if text[-1] in ".!?…:" else text + "."


def capitalised(text: str) -> str:
    """`text` with a capital at its start."""
    return text[:1].upper() + text[1:]


def listed(names: Iterable[str]) -> str:
    """Names in a row: "BERT, DistilBERT and ALBERT". names: at least one"""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def part_of(held_out: bool) -> str:
    """How an evaluation's examples belong to their split: all of it, or a part of it that training did not see."""
    return "held out of" if held_out else "of"

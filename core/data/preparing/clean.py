"""Cleans texts: repairs a wrong encoding, removes invisible characters, and replaces HTML by its text."""

from __future__ import annotations

import html
import re

from core.spec.steps import CleanText

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff]")
LOST = re.compile(r"(?:^|[ &])(#\d{2,4}|quot|amp|lt|gt|nbsp|apos);")  # entities, also with a blank in place of the &
TAGS = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|span|strong|table|td|th|tr|u|ul)\b[^<>]*>", re.IGNORECASE
)


def clean(text: str, step: CleanText) -> str:
    """Applies a cleaning step to one text."""
    if step.fix_encoding and not text.isascii():
        from ftfy import fix_encoding

        text = fix_encoding(text)
    if step.remove_control:
        text = CONTROL.sub("", text)
    return plain_text(text) if step.remove_markup else text


def plain_text(text: str) -> str:
    """Removes HTML: entities become their characters, even those that lost their &, and tags become blanks."""
    if "<" in text:
        text = TAGS.sub(" ", text)
    return html.unescape(LOST.sub(r"&\1;", text)) if ";" in text else text

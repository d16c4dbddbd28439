"""Text that a spreadsheet program does not execute as a formula."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# Characters with which a formula begins, also full-width and small forms (Japanese editions accept them), and
# characters that a spreadsheet skips before one.
FORMULA = r"^[=+\-@\x00-\x1f\x7f＝＋－＠﹦﹢﹣﹫−]"
NUMBER = r"^[+-]?[0-9.]+$"


def harmless(text: str) -> str:
    """`text` as a spreadsheet cell that is not a formula."""
    return str(harmless_values(pa.array([text], pa.string()))[0].as_py())


def harmless_values(values: Any) -> Any:
    """An Arrow array of strings as spreadsheet cells; a would-be formula gets a leading apostrophe."""
    starts, number = pc.match_substring_regex(values, FORMULA), pc.match_substring_regex(values, NUMBER)
    return pc.if_else(pc.and_not(starts, number), pc.binary_join_element_wise("'", values, ""), values)

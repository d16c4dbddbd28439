"""Text that a spreadsheet does not take for a formula."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# What a spreadsheet takes for the beginning of a formula, in full width and small form too (Japanese ones do), or skips
# before it.
FORMULA = r"^[=+\-@\x00-\x1f\x7f＝＋－＠﹦﹢﹣﹫−]"
NUMBER = r"^[+-]?[0-9.]+$"


def harmless(text: str) -> str:
    """`text` for a cell of a spreadsheet."""
    return str(harmless_values(pa.array([text], pa.string()))[0].as_py())


def harmless_values(values: Any) -> Any:
    """An Arrow array of strings for cells of a spreadsheet: an apostrophe stands before what would be a formula."""
    starts, number = pc.match_substring_regex(values, FORMULA), pc.match_substring_regex(values, NUMBER)
    return pc.if_else(pc.and_not(starts, number), pc.binary_join_element_wise("'", values, ""), values)

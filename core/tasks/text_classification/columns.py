"""The columns of text classification: one text or two, and a label whose values are the classes.

`core.data.loading` reads them; this says which of its ways is this task's.
"""

from __future__ import annotations

from core.data.loading.load import load, load_split

__all__ = ["load", "load_split"]

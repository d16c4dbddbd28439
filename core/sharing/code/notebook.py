"""The same sections as a Jupyter notebook (nbformat 4.5), explained in the tutorial's manner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from core.sharing.code.facts import Facts
from core.sharing.code.pieces import one_line, spaced
from core.sharing.code.script import ENGINES, about, exact, libraries, sections
from core.tasks.code import Section
from core.tasks.contract import task_of


def notebook(facts: Facts) -> str:
    """The notebook as JSON. Words from outside stand in code spans, where nothing of them is markup."""
    parts = sections(facts)
    cells = [_markdown(_introduction(facts)), _markdown(EXACT), _code(f"%%writefile exact.py\n{exact(facts)}")]
    cells += [_markdown("## Libraries"), _code(libraries(parts))]
    for part in parts:
        cells += [_markdown(_explained(part)), _code(part.code)]
    tree = {
        "cells": [cell | {"id": f"cell-{number}"} for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(tree, ensure_ascii=False, indent=1) + "\n"


EXACT = """## What makes it repeat the run

The next cell writes `exact.py`. You may pass over it: training needs none of it. Without this cell, and without the
lines that end with `# exact`, the notebook learns as well, only not to the same digits."""


def _introduction(facts: Facts) -> str:
    return "\n".join(
        [
            f"# Fine-tune {task_of(facts.spec).facts.MODEL} with {ENGINES[facts.spec.engine][0]}",
            "",
            *(f"- {_span(line)}" for line in about(facts)),
            "",
            "It needs what `requirements.txt` names (`pip install -r requirements.txt`), and the examples in `data/`.",
        ]
    )


def _explained(part: Section) -> str:
    return f"## {part.title or 'The pretrained model'}" + (f"\n\n{part.text}" if part.text else "")


def _span(text: str) -> str:
    return "`" + one_line(text).replace("`", "'") + "`"


def _lines(text: str) -> list[str]:
    """Text as nbformat has it: lines that keep their ends."""
    return text.splitlines(keepends=True)


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(text)}


def _code(text: str) -> dict[str, Any]:
    source: Sequence[str] = _lines(spaced(text.strip("\n")))
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source}

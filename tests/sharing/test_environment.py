"""environment.json: written, completed and read as one model; an old or damaged one is as good as none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.runs import environment
from core.runs.environment import ENVIRONMENT, Environment, Hardware, TrainedDataset, read_environment


def test_facts_are_added_and_nothing_else_changes(tmp_path: Path) -> None:
    dataset = TrainedDataset(
        title="reviews", source_columns=("text",), train=environment.Examples(examples=3, content="c")
    )
    written = Environment(python="3.13", packages={"torch": "2"}, hardware=Hardware(threads=2), dataset=dataset)
    written.save(tmp_path / ENVIRONMENT)
    environment.add(tmp_path, "tokens", 120)
    environment.add(tmp_path, "head", {"rows": [0, None], "dimensions": {"classifier.weight": 0}})
    changed = read_environment(tmp_path)
    assert changed is not None and changed.tokens == 120 and changed.head is not None
    assert changed.head.rows == [0, None] and changed.dataset == dataset and changed.packages == {"torch": "2"}
    tree = json.loads((tmp_path / ENVIRONMENT).read_text(encoding="utf-8"))
    assert "seeds" not in tree and tree["dataset"].keys() == {"title", "source_columns", "train"}


@pytest.mark.parametrize("text", ["", "[]", '{"packages": {}}', '{"packages": 3, "hardware": {}, "dataset": {}}'])
def test_one_that_lacks_its_parts_reads_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ENVIRONMENT).write_text(text)
    assert read_environment(tmp_path) is None

"""When to log, evaluate and save; what a pruned folder keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.engines.timetable import Timetable
from core.runs import checkpoints
from core.spec.run import RunSpec, replace


def timetable(batches: Any, **training: Any) -> Timetable:
    spec = replace(RunSpec(), {f"training.{name}": value for name, value in training.items()})
    return Timetable.of(spec, batches if callable(batches) else lambda epoch: batches)


def test_steps_of_whole_epochs() -> None:
    table = timetable(10, num_train_epochs=3, gradient_accumulation_steps=4)
    assert (table.epoch_ends, table.total) == ((3, 6, 9), 9)
    assert [step for step in range(1, 10) if table.evaluates(step)] == [3, 6, 9]
    assert [table.place(done) for done in (0, 2, 3, 8)] == [(0, 0), (0, 2), (1, 0), (2, 2)]
    assert [table.epoch(step) for step in (1, 3, 4)] == pytest.approx([1 / 3, 1.0, 4 / 3])


def test_a_part_of_an_epoch_ends_with_an_evaluation() -> None:
    table = timetable(10, num_train_epochs=1.25)
    assert (table.epoch_ends, table.total) == ((10, 20), 13)
    assert [step for step in range(1, 14) if table.evaluates(step)] == [10, 13]
    assert table.ends(13) and table.epoch(13) == pytest.approx(1.3)


def test_epochs_of_different_lengths() -> None:
    table = timetable(lambda epoch: (5, 7, 6)[epoch], num_train_epochs=2.5)
    assert (table.epoch_ends, table.total) == ((5, 12, 18), 15)
    assert table.place(5) == (1, 0) and table.place(14) == (2, 2)
    assert table.epoch(12) == 2.0


def test_by_steps_and_never() -> None:
    table = timetable(10, num_train_epochs=1, eval_strategy="steps", eval_steps=4, save_strategy="no", logging_steps=6)
    assert [step for step in range(1, 11) if table.evaluates(step)] == [4, 8, 10]
    assert not any(table.saves(step) for step in range(1, 11))
    assert [step for step in range(1, 11) if table.logs(step)] == [1, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("keep", "best", "kept"),
    [(2, None, [30, 40]), (2, 10, [10, 40]), (2, 40, [30, 40]), (1, 10, [10, 40]), (3, 10, [10, 30, 40])],
)
def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path, keep: int, best: int | None, kept: list[int]) -> None:
    for step in (10, 20, 30, 40):
        with checkpoints.writing(tmp_path, step) as partial:
            (partial / checkpoints.RECORD).write_text("{}")
    (tmp_path / checkpoints.FOLDER / "checkpoint-50.abc.partial").mkdir()
    (tmp_path / checkpoints.FOLDER / "checkpoint-50").mkdir()  # without a record: not a whole one
    assert checkpoints.latest(tmp_path) == checkpoints.path_of(tmp_path, 40)
    checkpoints.prune(tmp_path, keep, best)
    assert checkpoints.steps(tmp_path) == kept
    assert len(list((tmp_path / checkpoints.FOLDER).iterdir())) == len(kept)


def test_what_fails_while_it_is_written_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(OSError), checkpoints.writing(tmp_path, 7) as partial:
        (partial / checkpoints.RECORD).write_text("{}")
        raise OSError("the disk is full")
    assert checkpoints.latest(tmp_path) is None and not list((tmp_path / checkpoints.FOLDER).iterdir())

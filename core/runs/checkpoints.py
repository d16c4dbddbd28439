"""Where a run resumes from: `checkpoints/checkpoint-<step>`, each complete or not there at all.

What lies in one is its engine's own, and besides a `record.json` (see `core.engines.record`). Nothing here is pickled.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import ModelError
from core.files import replace_folder, write_text

FOLDER = "checkpoints"
RECORD, SIZES = "record.json", "sizes.json"


def path_of(run_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return run_dir / FOLDER / f"checkpoint-{step}"


def steps(run_dir: Path) -> list[int]:
    """The steps of all complete checkpoints to resume from, ascending; one with a file of the wrong size is none.

    Checkpoint 0 is none of them: it holds the model that a run began with, to return to, and nothing to go on with.
    """
    matches = (re.fullmatch(r"checkpoint-(\d+)", path.name) for path in (run_dir / FOLDER).glob("checkpoint-*"))
    numbers = sorted(int(match[1]) for match in matches if match and int(match[1]))
    return [step for step in numbers if _is_whole(path_of(run_dir, step))]


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / RECORD).read_text(encoding="utf-8"))
        sizes = json.loads((checkpoint / SIZES).read_text(encoding="utf-8"))
        return all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except FileNotFoundError as error:  # one of an earlier version has no list of sizes
        return Path(error.filename or "").name == SIZES
    except (OSError, ValueError, AttributeError):
        return False


def damaged(checkpoint: Path) -> ModelError:
    """What to say of one that cannot be read without running what it holds, or at all."""
    return ModelError.of(
        "checkpoint-damaged",
        "{checkpoint} of this run is damaged, or holds what could run code when it is opened; it "
        "is not opened. Start the run anew with “Change and run again”",
        checkpoint=checkpoint.name,
    )


def latest(run_dir: Path) -> Path | None:
    """The newest complete checkpoint; None if there is none."""
    complete = steps(run_dir)
    return path_of(run_dir, complete[-1]) if complete else None


@contextmanager
def writing(run_dir: Path, step: int) -> Iterator[Path]:
    """A folder to fill that becomes the checkpoint of `step` when the block ends well; synced to disk."""
    (run_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    with replace_folder(path_of(run_dir, step)) as partial:
        yield partial
        sizes = {path.name: path.stat().st_size for path in partial.iterdir() if path.is_file() and path.name != RECORD}
        write_text(partial / SIZES, json.dumps(sizes))


def prune(run_dir: Path, keep: int, best: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best, and what an interrupted writing left.

    With `keep` of 1 the best one stays besides the newest: without it there is nothing to return to, without the
    newest nothing to resume from.
    """
    kept = {*steps(run_dir)[-keep:], *([best] if best is not None else [])}
    if best is not None and keep > 1 and len(kept) > keep:
        kept.remove(min(kept - {best}))
    paths = {path_of(run_dir, step) for step in kept}
    with suppress(OSError):  # a folder that cannot be looked at now is tidied next time; the run goes on
        for path in (run_dir / FOLDER).iterdir():
            if path not in paths:
                shutil.rmtree(path, ignore_errors=True)

"""A run's code as one zip: script, notebook, requirements, and, if a person wants it, the examples themselves.

    code.zip ── train.py, exact.py, notebook.ipynb, requirements.txt, README.txt, data/train.parquet, data/eval.parquet

Runs in the worker, for it loads the dataset as the run did.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from core.errors import DataError
from core.runs import environment
from core.runs.environment import read_environment, trained_data
from core.settings import Settings
from core.sharing.bundles import zips
from core.sharing.code.code_spec import CodeSpec
from core.sharing.code.facts import Facts, facts_of
from core.sharing.code.notebook import notebook
from core.sharing.code.readme import readme, requirements
from core.sharing.code.script import exact, script
from core.store import final_tests
from core.store.record import Run
from core.store.summaries import Scripted
from core.tasks.contract import task_of_record
from core.tasks.frozen import START

if TYPE_CHECKING:
    from core.data.loading.load import Loaded
    from core.runs.writer import RunWriter

NAME = "code.zip"
SPLITS = ("train", "eval")


def export(spec: CodeSpec, run: Run, settings: Settings, report: RunWriter) -> Scripted:
    """Writes code.zip into the folder of `run`. Raises DataError if the dataset is not what it was, RunNotFound."""
    trained = report.store.run(spec.run)
    facts = facts_of(trained, settings)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if spec.with_texts:
            report.phase("Loading the examples")
            _write_examples(_loaded(trained, settings, report), folder)
            report.check_stop()
        report.phase("Writing the zip")
        path = settings.run_dir(run.id) / NAME
        write(path, facts, folder if spec.with_texts else None, settings.run_dir(trained.id))
    return Scripted(file=NAME, bytes=path.stat().st_size, with_texts=spec.with_texts)


def write(path: Path, facts: Facts, data: Path | None, trained: Path | None = None) -> None:
    """The zip, complete or not there.

    data: a folder with train.parquet and eval.parquet; None leaves them out. trained: the folder of the run, which has
    the weights of a head that was fitted before training
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    contents: dict[str, Path | str] = dict(files(facts, with_texts=data is not None))
    if data is not None:
        contents |= {f"data/{split}.parquet": data / f"{split}.parquet" for split in SPLITS}
    if facts.start and trained is not None:
        contents[START] = trained / START
    zips.write(contents, path)


def files(facts: Facts, *, with_texts: bool) -> dict[str, str]:
    """The text files of the zip by their names."""
    return {
        "train.py": script(facts),
        "exact.py": exact(facts),
        "notebook.ipynb": notebook(facts),
        "requirements.txt": requirements(facts),
        "README.txt": readme(facts, with_texts=with_texts),
    }


def _loaded(trained: Run, settings: Settings, report: RunWriter) -> Loaded:
    """The examples as the run had them. Raises DataError if they are others by now."""
    from core.data.loading.text_ids import ids_of

    data, holdouts = trained_data(trained, settings), final_tests.holdouts(report.store, before=trained.created)
    loaded = task_of_record(trained.spec).columns.load(data, settings, report.fraction, holdouts)
    noted = read_environment(settings.run_dir(trained.id))
    for split in SPLITS:
        rows = loaded.dataset[split]
        now = environment.described(ids_of(rows, loaded.text_columns), rows["label"])
        if noted is None or getattr(noted.dataset, split) != now:
            raise DataError.of(
                "script-data-changed",
                "the dataset {data} has changed since this run, so its examples cannot be put into the zip; "
                "export the code without them, or bring the dataset back as it was",
                "data.path",
                data=loaded.prepared.title,
            )
    return loaded


def _write_examples(loaded: Loaded, folder: Path) -> None:
    for split in SPLITS:
        rows = loaded.dataset[split].select_columns([*loaded.text_columns, "label"])
        rows.to_parquet(str(folder / f"{split}.parquet"))

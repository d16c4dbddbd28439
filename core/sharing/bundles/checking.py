"""What a bundle holds, checked: specs, tables and results must be as the pages need them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.errors import DataError, SpecError
from core.evaluation.results import COMPARISON, EVALUATION, REPORT
from core.network_paths import network_path_in
from core.sharing.bundles import bundle_shapes, examples_file
from core.sharing.bundles.bundle import specs_of
from core.sharing.bundles.bundle_format import Manifest, Record, first_line, read_json
from core.spec import run as specs
from core.spec.data import DataSpec
from core.store.json_models import Result
from core.tasks.contract import Task, task_of_record
from core.tasks.evaluations import Comparison, Evaluation, Robustness
from core.tasks.results import Report

MOST_METRICS, MOST_ROWS = 500_000, 5_000_000
MOST_ROW = 2**53  # the number of a row, as results have it
MOST_TEXT_BYTES, ROWS_AT_ONCE = 1024**3, 50_000  # of a table in memory
METRICS = {"name": "string", "step": "int64", "epoch": "double", "time": "double", "value": "double"}


def check(manifest: Manifest, partial: Path, name: str) -> None:
    """Raises DataError unless every page can show what is there."""
    try:
        specs_of(manifest.runs)
    except SpecError as error:
        raise DataError.of(
            "bundle-settings-not-valid",
            "{bundle} has settings that are not valid ({problem})",
            bundle=name,
            problem=error.problems[0].message[:200],
        ) from None
    evaluations = {run.id for run in manifest.runs if run.kind == "evaluate"}
    task = task_of_record(manifest.trained.spec)
    for run in manifest.runs:
        if (path := network_path_in(run.spec)) is not None:
            raise DataError.of(
                "bundle-names-path",
                "{bundle} names {path!r}, a place on another machine; export the run again without it",
                bundle=name,
                path=path[:100],
            )
        folder = partial / "runs" / run.id
        folder.mkdir(parents=True, exist_ok=True)
        _belongs(run, manifest.trained, evaluations, name)
        trees = {p.name: read_json(p, name) for p in folder.glob("*.json")}
        results = {
            file: bundle_shapes.check_result(file, tree, name)
            for file, tree in trees.items()
            if file in bundle_shapes.RESULTS
        }
        _results(run, task, folder, results, name)


def _belongs(run: Record, trained: Record, evaluations: set[str], name: str) -> None:
    subject = run.spec.get("model", {})
    if run.kind == "evaluate" and subject.get("run") != trained.id:
        raise DataError.of(
            "bundle-evaluation-of-another-run",
            "{bundle} has an evaluation of another run than its own; export the run again",
            bundle=name,
        )
    if run.kind == "compare" and not evaluations & set(run.spec["evaluations"]):
        raise DataError.of(
            "bundle-comparison-of-others",
            "{bundle} has a comparison that its run has no part in; export the run again",
            bundle=name,
        )


def _results(run: Record, task: Task, folder: Path, results: dict[str, Result], name: str) -> None:
    needed = {"train": (), "evaluate": (EVALUATION, "predictions.parquet"), "compare": (COMPARISON,)}
    for file in needed[run.kind]:
        if not (folder / file).is_file():
            raise DataError.of(
                "bundle-lacks-file",
                "{bundle} is not complete: run {run} has no {file}; export the run again",
                bundle=name,
                run=run.id,
                file=file,
            )
    judged = results.get(EVALUATION) or results.get(COMPARISON)
    if isinstance(judged, Evaluation | Comparison):
        if network_path_in(judged.tree()) is not None:
            raise DataError.of(
                "bundle-names-data-elsewhere",
                "{bundle} names data on another machine; export the run again without it",
                bundle=name,
            )
        try:
            specs.build(judged.data, DataSpec)
        except SpecError as error:
            raise DataError.of(
                "bundle-data-not-valid",
                "{bundle} names data that is not valid ({problem})",
                bundle=name,
                problem=error.problems[0].message[:200],
            ) from None
    for result in results.values():
        if isinstance(result, Report | Evaluation | Comparison | Robustness) and result.task != task.name:
            raise DataError.of(
                "bundle-task-differs",
                "{bundle} has a result of the task {task!r} for a run of {expected!r}; export the run again",
                bundle=name,
                task=result.task,
                expected=task.name,
            )
    answered = results.get(EVALUATION) or results.get(REPORT)
    if (path := folder / "predictions.parquet").is_file():
        _table(path, task.predictions.COLUMNS, name)
        if isinstance(answered, Report | Evaluation):
            _predictions(path, answered, task, name)
    if (path := folder / "metrics.parquet").is_file():
        _table(path, METRICS, name, MOST_METRICS)
    if (path := folder / examples_file.NAME).is_file() and isinstance(judged, Evaluation):
        texts = {f"text_{n}": "string" for n in range(len(judged.text_columns))}
        _table(path, {"row": "int64", **texts}, name)
        _texts(path, name)


def _table(path: Path, columns: Mapping[str, str], name: str, most: int = MOST_ROWS) -> None:
    """Its columns, how many rows it has, and how much its texts take once they are in memory."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    texts, size = [column for column, kind in columns.items() if kind == "string"], 0
    try:
        schema = pq.read_schema(path)
        kinds = {f.name: f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in schema}
        if any(str(kinds.get(column)) != kind for column, kind in columns.items()):
            raise DataError.of(
                "bundle-table-other-columns",
                "{bundle} has a {file} with other columns than a bundle's; export the run again",
                bundle=name,
                file=path.name,
            )
        with pq.ParquetFile(path, read_dictionary=texts) as file:  # what stands there often is not repeated
            if file.metadata.num_rows > most:
                raise DataError.of(
                    "bundle-table-too-long",
                    "{bundle} has a {file} with too many rows, over {most:,}; export the run again",
                    bundle=name,
                    file=path.name,
                    most=most,
                )
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=texts) if texts else ():
                for column in batch.columns:
                    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
                    size += pc.sum(lengths).as_py() or 0
                if size > MOST_TEXT_BYTES:
                    raise DataError.of(
                        "bundle-table-fills-memory",
                        "{bundle} has a {file} made to fill the memory; export the run without texts",
                        bundle=name,
                        file=path.name,
                    )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError.of(
            "bundle-not-parquet",
            "{bundle} has a {file} that is no Parquet file ({reason})",
            bundle=name,
            file=path.name,
            reason=first_line(error),
        ) from None


def _predictions(path: Path, judged: Report | Evaluation, task: Task, name: str) -> None:
    """One of each row, and as the task's pages need them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path, columns=["row"]).column("row")
        inside = pc.all(pc.and_(pc.greater_equal(rows, 0), pc.less_equal(rows, MOST_ROW)), min_count=0).as_py()
        if rows.null_count or not inside or pc.count_distinct(rows).as_py() < len(rows):
            raise DataError.of(
                "bundle-predictions-not-unique",
                "{bundle} has predictions that are not one of each row; export the run again",
                bundle=name,
            )
        task.predictions.check(path, judged)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError.of(
            "bundle-table-unreadable",
            "{bundle} has a {file} that cannot be read ({reason})",
            bundle=name,
            file=path.name,
            reason=first_line(error),
        ) from None
    except ValueError as error:
        raise DataError.of(
            "bundle-predictions-not-valid",
            "{bundle} has {problem}; export the run again",
            bundle=name,
            problem=first_line(error),
        ) from None


def _texts(path: Path, name: str) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=["row"]).column("row")
    if rows.null_count or pc.count_distinct(rows).as_py() < len(rows):
        raise DataError.of(
            "bundle-texts-not-unique", "{bundle} has two texts of one example; export the run again", bundle=name
        )

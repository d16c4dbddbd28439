"""Predictions for a whole file: the same rows come back with classes and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import streamlit as st

from core.data.dataset import Prepared
from core.data.prepare import find_prepared
from core.data.reading import uploads
from core.errors import TunedeckError
from core.evaluation.specs import PredictSpec
from core.spec.data import DataSpec
from core.spec.names import dataset_name
from core.spec.run import build
from core.store.record import Run
from core.store.summaries import Predicted
from core.wording import counted, size
from ui.components import fast_answers, light_run, model_columns
from ui.components.basics import allowed, plain, show_error
from ui.datasets.choosing import opening
from ui.playground.ask import Asked
from ui.session import resources, state

KIND = "predict"
LOOK = 20
TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def render(asked: Sequence[Asked]) -> None:
    """Choose the texts, start the prediction, download the result."""
    if not asked or not allowed("upload"):
        return
    model = asked[0]
    data = _source()
    if data is None:
        return
    prepared = _opened(data)
    if prepared is None:
        return
    training = model_columns.training(model.subject, model.title, model.trained)
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left:
        fit = model_columns.choose(data, prepared, training, f"play_batch_{model.title}", labelled=False)
    form = right.segmented_control(
        "File", ["csv", "parquet"], default="csv", required=True, key="play_batch_form", format_func=str.upper
    )
    if fit is None:
        return
    answers = fast_answers.choose(model.subject, model.title, f"play_batch_{model.title}")
    if answers is None:
        return
    where = _where(data) | {"text_columns": fit.texts}
    tree = {"model": model.subject.model_dump(), "data": where, "form": form, "answers": answers}
    spec: PredictSpec = build(tree, PredictSpec)
    tree = spec.model_dump(mode="json")
    run = light_run.latest(KIND, tree)
    if run is not None and run.status == "finished" and (path := _file(run)) is not None:
        _result(run, path, tree)
        return
    rows = sum(part.rows for part in prepared.splits.values())
    light_run.work_on(
        KIND,
        f"Predicting {prepared.title}",
        tree,
        at_once=False,
        button="Predict all",
        key="batch",
        offer=f"**{counted(rows, 'text')} of {plain(prepared.title)}**, predicted by {plain(model.title)} in the "
        "background. Each row is returned unchanged, with the predicted class and the probability of every class.",
    )


def _where(data: DataSpec) -> dict[str, Any]:
    return data.model_dump(include={"source", "path", "config", "revision", "read", "steps"})


def _source() -> DataSpec | None:
    """An uploaded file, or the dataset of the Datasets page; None until a file is uploaded."""
    here = state.data()
    chosen = st.segmented_control(
        "Texts from",
        ["upload", "dataset"],
        default="upload",
        required=True,
        key="play_batch_from",
        format_func={"upload": "A file to upload", "dataset": f"The dataset {plain(dataset_name(here))}"}.__getitem__,
    )
    if chosen == "dataset":
        return here
    file = st.file_uploader(
        "CSV, TSV, JSON, JSON Lines, Parquet, Arrow or Excel, also packed",
        key=state.upload_key("play_batch"),
    )
    if file is not None:
        try:
            path = uploads.save_upload(resources.settings(), file.name, file)
        except TunedeckError as error:
            show_error(error)
            return None
        state.forget_upload(file)
        state.remember("play_batch_file", str(path))
        st.rerun()
    held = state.widget("play_batch_file")
    return DataSpec(source="file", path=held) if held and Path(held).exists() else None


def _opened(data: DataSpec) -> Prepared | None:
    prepared = find_prepared(data, resources.settings())
    if prepared is not None:
        return prepared
    return opening.opened_or_importing(data)


def _file(run: Run) -> Path | None:
    path = resources.settings().run_dir(run.id) / Predicted.of(run.summary).file
    return path if path.is_file() else None


def _result(run: Run, path: Path, tree: dict[str, Any]) -> None:
    predicted = Predicted.of(run.summary)
    counts = pd.DataFrame({"Class": list(predicted.counts), "Texts": list(predicted.counts.values())})
    with st.container(border=True, key="play_batch_result"):
        seconds = run.seconds or 0.0
        line = f"**{counted(predicted.rows or 0, 'row')}** in {seconds:,.0f} s"
        if predicted.empty:
            line += f" · {counted(predicted.empty, 'row')} without text have no prediction"
        st.markdown(line)
        fast_answers.banner(predicted.fast)
        left, right = st.columns([1, 2], gap="medium")
        if len(counts):  # of a task with classes
            left.dataframe(
                counts,
                hide_index=True,
                key="play_batch_counts",
                alt="Texts per class",
                column_config={"Texts": st.column_config.NumberColumn(format="localized")},
            )
        right.dataframe(_look(path), hide_index=True, key="play_batch_look", alt="The first rows", height=280)
        with st.container(horizontal=True):
            st.download_button(
                f"Download ({size(path.stat().st_size)})",
                lambda: path.open("rb"),
                f"predictions{'-fast' if predicted.fast else ''}{path.suffix}",
                TYPES[path.suffix[1:]],
                key="play_batch_download",
                type="primary",
                icon=":material/download:",
                on_click="ignore",
            )
            st.button(
                "Predict again",
                key="play_batch_again",
                type="tertiary",
                on_click=light_run.start,
                args=(KIND, run.name, tree),
            )


def _look(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path, nrows=LOOK, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    with pq.ParquetFile(path) as file:
        return next(file.iter_batches(batch_size=LOOK)).to_pandas()

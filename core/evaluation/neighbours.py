"""The training examples that a model finds most like a text: by the mean of its last hidden layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.specs import NeighboursSpec, Subject, task_of_subject
from core.files import replace_file
from core.runs.environment import trained_data
from core.settings import Settings
from core.store import final_tests
from core.store.files import vectors_of
from core.store.summaries import Summary

if TYPE_CHECKING:
    from core.evaluation.trained_model import TrainedModel
    from core.runs.writer import RunWriter
    from core.store.record import Run

MOST = 5_000  # training examples
NEAREST = 5


def embed(
    model: TrainedModel, texts: Sequence[Sequence[str]], progress: Callable[[str, float | None], None]
) -> np.ndarray:
    """Vectors of length 1: float32 (texts, hidden size)."""
    examples = model.encode(texts)
    embeddings: np.ndarray | None = None
    for number, places in enumerate(batches := model.batches([len(e["input_ids"]) for e in examples])):
        inputs = model.batch([examples[i] for i in places])
        hidden = model.forward(inputs, output_hidden_states=True).hidden_states[-1].float()
        mask = inputs["attention_mask"].unsqueeze(-1)
        vectors = ((hidden * mask).sum(1) / mask.sum(1)).cpu().numpy()
        embeddings = np.empty((len(texts), vectors.shape[1]), np.float32) if embeddings is None else embeddings
        embeddings[places] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        progress("Reading the training texts", (number + 1) / len(batches))
    return np.empty((0, 0), np.float32) if embeddings is None else embeddings


def keep(spec: NeighboursSpec, run: Run, settings: Settings, report: RunWriter) -> Summary:
    """Write the vectors of a run's training examples beside its model; of many, some drawn by a seed."""
    from core.evaluation.trained_model import open_subject

    trained = report.store.run(spec.run)
    data = trained_data(trained, settings)
    theirs = settings.on_behalf_of(trained.owner)
    before = final_tests.holdouts(report.store, before=trained.created)
    loaded = task_of_subject(Subject(run=spec.run), report.store).columns.load(data, theirs, report.fraction, before)
    train = loaded.dataset["train"]
    if len(train) > MOST:
        train = train.select(np.sort(np.random.default_rng(0).permutation(len(train))[:MOST]))
    texts = list(zip(*(train[column] for column in loaded.text_columns), strict=True))
    model = open_subject(Subject(run=spec.run), settings, report.fraction)
    vectors = embed(model, texts, report.fraction)
    with replace_file(vectors_of(settings.run_dir(trained.id), spec.attempt)) as partial, partial.open("wb") as file:
        np.savez(
            file,
            vectors=vectors.astype(np.float16),
            rows=np.asarray(train["row"]),
            labels=np.asarray(train["label"]),
            split=np.array(loaded.train_split),
        )
    return Summary(examples=len(texts))


def nearest(model: TrainedModel, path: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """The training examples nearest to one text: row, label, similarity (cosine). path: what `keep` wrote."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            vectors, rows, labels = (kept[name] for name in ("vectors", "rows", "labels"))
    except (OSError, ValueError, KeyError):
        return []
    (vector,) = embed(model, [texts], lambda text, share: None)
    likeness = vectors.astype(np.float32) @ vector
    order = np.argsort(-likeness, kind="stable")[:NEAREST]
    return [{"row": int(rows[i]), "label": int(labels[i]), "similarity": float(likeness[i])} for i in order]

"""What a trained model learned from: the columns and the preparation of its data, as far as that is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.prepare import find_prepared
from core.errors import RunNotFound
from core.evaluation.specs import Subject
from core.models import folder as model_folder
from core.models import names as models
from core.runs.environment import trained_data
from core.settings import Settings
from core.store.record import Run
from core.store.store import Store

PAIR_TASKS = {"mrpc", "qqp", "stsb", "sts-b", "mnli", "mnli-mm", "qnli", "rte", "wnli", "snli", "xnli", "paws"}
SINGLE_TASKS = {"cola", "sst2", "sst-2", "imdb", "ag_news"}
CROSS_ENCODER = ("sbert_ce_default_activation_function", "sentence_transformers")


@dataclass(frozen=True)
class Training:
    """What a model was trained on, as far as that is known.

    title: what the model is called; texts, label: its columns after the preparation, empty and None if not known;
    count: how many texts it reads at a time, None if not known; steps: the preparation of its data;
    train_split: the split that it learned from
    """

    title: str
    texts: tuple[str, ...] = ()
    label: str | None = None
    count: int | None = None
    steps: tuple[Any, ...] = ()
    train_split: str = ""


def training_of(run: Run, settings: Settings) -> Training:
    """What a run trained on. Raises SpecError, PathError.

    A run of an early version kept no columns that were guessed; then its dataset says, if it still is there.
    """
    data = trained_data(run, settings)
    texts, label = data.text_columns, data.label_column
    if not texts or label is None:
        prepared = find_prepared(data, settings.on_behalf_of(run.owner))
        if prepared is not None:
            texts = texts or tuple(name for name in prepared.text_guess if name != label)
            label = label or (prepared.label_guess if prepared.label_guess not in texts else None)
    return Training(run.name, texts, label, len(texts) or None, data.steps, data.train_split or "train")


def training_for(subject: Subject, folder: Path, title: str, store: Store, settings: Settings) -> Training:
    """What a model that is asked was trained on. folder, title: as `find_subject` has them. Raises ModelError."""
    if subject.run:
        return training_of(store.run(subject.run), settings)
    return training_of_folder(folder, title, store, settings)


def known_training(subject: Subject, title: str, store: Store, settings: Settings) -> Training:
    """The same in a moment and without the network, for a page. Raises ModelError, PathError, SpecError."""
    folder = models.known_folder(subject.name, subject.revision, settings)
    return training_of_folder(folder, title, store, settings) if folder else Training(title)


def training_of_folder(folder: Path, title: str, store: Store, settings: Settings) -> Training:
    """What a model's folder tells: that of a run here, or its config.json. Raises ModelError for one without that."""
    runs, place = settings.home.resolve() / "runs", folder.resolve()
    if place.name == "model" and place.parent.parent == runs:
        try:
            return training_of(store.run(place.parent.name), settings)
        except RunNotFound:
            pass  # its record is gone, its files are not
    return Training(title, count=texts_of(model_folder.read_config(folder)))


def texts_of(config: dict[str, Any]) -> int | None:
    """How many texts a model reads at a time, by what its config.json says of its task; None if it says nothing."""
    task = str(config.get("finetuning_task", "")).lower()
    if task in PAIR_TASKS or any(key in config for key in CROSS_ENCODER):
        return 2
    if task in SINGLE_TASKS:
        return 1
    named = config.get("id2label")
    classes = {str(name).casefold() for name in named.values()} if isinstance(named, dict) else set()
    return 2 if {"entailment", "not_entailment"} <= classes or {"entailment", "neutral"} <= classes else None

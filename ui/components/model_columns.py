"""The columns of a dataset that a trained model reads: those of its training, or others that a person chooses."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Prepared
from core.data.reading.aligning.types import PLAIN
from core.errors import DataError, ModelError, PathError, SpecError, TunedeckError
from core.evaluation.columns import fitting, trained_on
from core.evaluation.columns.fitting import Fit
from core.evaluation.columns.trained_on import Training
from core.evaluation.specs import Subject
from core.spec.data import DataSpec
from core.store.record import Run
from ui.components.basics import plain, show_error
from ui.session import resources


def training(subject: Subject, title: str, trained: Run | None) -> Training:
    """What a model was trained on, as far as it is known without the network and without waiting."""
    settings = resources.settings()
    try:
        if trained is not None:
            return trained_on.training_of(trained, settings)
        return trained_on.known_training(subject, title, resources.store(), settings)
    except (ModelError, PathError, SpecError):
        return Training(title)


def choose(data: DataSpec, prepared: Prepared, training: Training, key: str, *, labelled: bool) -> Fit | None:
    """Widgets for the columns, initially those of the training. Returns None while the columns do not fit the model."""
    known = {"text_columns": ()} if training.texts else {}
    data = data.model_copy(update=known | ({"label_column": None} if training.label or not labelled else {}))
    suited = problem = None
    try:
        suited = fitting.fit(data, prepared, training, labelled=labelled)
    except DataError as error:
        problem = error
    names = [c.name for c in prepared.columns if c.kind in PLAIN]
    key = f"{key}_{prepared.fingerprint}"
    texts = st.multiselect(
        "Text column",
        names,
        list(suited.texts) if suited else None,
        max_selections=2,
        key=f"{key}_text",
        help="Initially the columns of the training, if they are known. One column, or two for pairs of texts.",
    )
    label = None
    if labelled:
        usual = names.index(suited.label) if suited and suited.label in names else None
        label = st.selectbox("Label column", names, usual, key=f"{key}_label", placeholder="The column with the class")
    if not texts or (labelled and not label):
        if problem is not None:
            show_error(problem, "Choose the columns")
        else:
            st.caption("Choose the columns.")
        return None
    if suited is None or (tuple(texts), label) != (suited.texts, suited.label):
        data = data.model_copy(update={"text_columns": tuple(texts), "label_column": label})
        try:
            suited = fitting.fit(data, prepared, training, labelled=labelled)
        except TunedeckError as error:
            show_error(error)
            return None
    for note in suited.notes:
        st.caption(plain(note.text))
    return suited

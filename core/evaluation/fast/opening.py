"""Opens a model to answer as a spec asks: exactly, or fast where its certificate allows it."""

from __future__ import annotations

from core.errors import ModelError
from core.evaluation.fast import kept, onnx_file
from core.evaluation.fast.int8_model import Int8Model
from core.evaluation.specs import Answers, Subject, task_of_subject
from core.evaluation.text_model import Progress, TextModel, ignore
from core.evaluation.trained_model import TrainedModel, find_subject, trained_in
from core.settings import Settings
from core.store.certificate import Certificate
from core.store.store import Store


def open_model(
    subject: Subject, answers: Answers, settings: Settings, progress: Progress = ignore
) -> tuple[TextModel, Certificate | None]:
    """The model, and what its fast answers cost; None where it answers exactly.

    Raises ModelError where it may not answer so; HubError, PathError, RunNotFound.
    """
    store = Store(settings.store_path)
    folder, max_length, title = find_subject(subject, settings, progress)
    task = task_of_subject(subject, store).name
    if answers == "exact":
        exact = TrainedModel(folder, max_length, title, task=task, trained_in=trained_in(subject, settings))
        return exact, None
    kept.check_packages()
    measured = kept.find(subject, settings, store)
    kept.check(measured[1] if measured else None, answers, title)
    assert measured is not None, "checked"
    place, certificate = measured
    digests = kept.weights(folder), kept.contents(onnx_file.files(place))
    if digests != (certificate.weights, certificate.file):
        raise ModelError.of(
            "fast-file-changed",
            "the 8-bit file of {model} is not the one that was measured; measure its fast answers again",
            model=title,
        )
    return Int8Model(folder, place / kept.FILE, max_length, title, task), certificate

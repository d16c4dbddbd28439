"""Compares the Keras engine's file with the Transformers model of the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.engines import keras_weights  # isort: skip  # first: it chooses TensorFlow for Keras
import keras
import numpy as np
from tokenizers import Tokenizer

from core.engines.keras_fit import NAMES
from core.errors import ModelError
from core.evaluation.trained_model import TrainedModel
from core.sharing.model.inputs import Inputs
from core.sharing.model.onnx_model import Tick, compared, mixed_batches, reference
from core.wording import library_message

assert keras_weights.ARCHITECTURES
FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


def check(model: TrainedModel, path: Path, tokenizer: Path, inputs: Inputs, count: int, tick: Tick) -> dict[str, Any]:
    """Compare the Keras file's predictions with torch's on at most `count` texts. Raises ModelError if they differ.

    tokenizer: a tokenizer.json with truncation and padding
    """
    try:
        classifier = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many types for a damaged file
        raise ModelError.of(
            "keras-file-unusable",
            "the Keras file of {model} cannot be loaded ({reason})",
            model=model.title,
            reason=library_message(error, 160),
        ) from error
    known = reference(model, inputs, count, tick)
    texts, reads = known.texts, Tokenizer.from_file(str(tokenizer))
    parts, batches = [], mixed_batches(len(texts))
    for done, batch in enumerate(batches, 1):
        rows = reads.encode_batch([texts[i][0] if len(texts[i]) == 1 else texts[i] for i in batch])
        fed = {NAMES[n]: np.array([getattr(row, field) for row in rows], np.int32) for n, field in FIELDS.items()}
        logits = classifier({name: fed[name] for name in classifier.input}, training=False)
        parts.append(np.asarray(logits))
        tick("Asking Keras", done / len(batches))
    shares = inputs.task.answers.shares(np.concatenate(parts), model.temperature)
    return compared("Keras", known.probabilities, shares, inputs, model.title)

"""What only the Keras engine has: its own file, two ways of input, and where TensorFlow computes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import keras_hub  # registers its classes, which a Keras file names
import numpy as np
import pytest
import torch

from core.engines import keras_fit
from core.engines.sampling import TrainingBatches
from core.engines.vocabulary import Vocabulary
from core.errors import DataError, SpecError
from core.spec import run as spec_module
from core.spec.engines import problems

assert keras_hub


def train(setup: Any) -> None:
    keras_fit.train(setup.spec, setup.encoded, setup.model, setup.run_dir, setup.report)


def test_the_keras_file_answers_as_the_model_does(prepare: Any) -> None:
    setup = prepare(engine="keras", training__num_train_epochs=0.5)
    train(setup)
    classifier = keras.saving.load_model(setup.run_dir / "model.keras", safe_mode=True, compile=False)
    inputs, _ = padding(setup)(list(setup.encoded.eval))
    batch = setup.encoded.pad(list(setup.encoded.eval))
    batch.pop("labels")
    with torch.no_grad():
        logits = setup.model.eval()(**{name: torch.from_numpy(values) for name, values in batch.items()}).logits
    np.testing.assert_allclose(np.asarray(classifier(inputs)), logits.numpy(), atol=1e-4)


def padding(setup: Any) -> keras_fit.Padding:
    """Of the whole vocabulary."""
    training = spec_module.replace(setup.spec, {"training.weight_decay": 0.1}).training
    return keras_fit.Padding(setup.encoded, Vocabulary(setup.model, setup.encoded, training), 64)


@pytest.mark.parametrize("data_of", [keras_fit.WholeArrays, keras_fit.Pipeline])
def test_both_inputs_give_the_same_examples_in_the_same_order(data_of: Any, prepare: Any) -> None:
    setup = prepare(training__seed=5)
    pad = padding(setup)
    whole = data_of is keras_fit.WholeArrays
    data = data_of(setup.encoded, pad, *([setup.report] if whole else []))
    batches = TrainingBatches(setup.encoded.train["length"], setup.spec.training).of(2)[3:]
    widths = set()
    for indices, (inputs, labels) in zip(batches, data(batches, 8), strict=True):
        examples = setup.encoded.train[indices]
        assert labels.numpy().tolist() == list(examples["labels"])
        widths.add(inputs["token_ids"].shape[1])
        ids, mask = inputs["token_ids"].numpy(), inputs["padding_mask"].numpy()
        for row, wanted in enumerate(examples["input_ids"]):
            assert ids[row][mask[row] == 1].tolist() == list(wanted)
    if whole:
        assert len(widths) == 1
    else:
        assert len(widths) > 2 and all(keras_fit.bucket(width) == width for width in widths)


def test_batches_have_few_widths_and_little_padding() -> None:
    widths = [keras_fit.bucket(length) for length in range(1, 513)]
    assert all(length <= width <= max(16, 1.125 * length) for length, width in enumerate(widths, 1))
    assert len(set(widths)) < 60


def test_whole_arrays_tell_their_size_before_they_are_made(prepare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = prepare(engine="keras", keras_input="numpy", training__num_train_epochs=0.1)
    train(setup)
    (message,) = [text for text, _, code in setup.report.messages if code == "whole-arrays"]
    assert "200 texts" in message and "% of that is padding" in message
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(DataError, match=r"only 0\.0 GB of memory is free; choose tf\.data"):
        train(setup)


def test_bf16_learns(prepare: Any) -> None:
    setup = prepare(engine="keras", execution__precision="bf16", training__num_train_epochs=2)
    train(setup)
    losses = setup.report.series("loss")
    assert losses[-1] < losses[0] and all(np.isfinite(losses))
    assert {p.dtype for p in setup.model.parameters()} == {torch.float32}


def test_a_gpu_that_is_not_there_is_refused(prepare: Any) -> None:
    setup = prepare(engine="keras", execution__device="cuda")
    with pytest.raises(SpecError, match=r"no CUDA GPU|sees no GPU"):
        train(setup)


def test_what_keras_cannot_do_is_known_before_the_start() -> None:
    def found(model_type: str | None = "bert", **changes: Any) -> list[str]:
        tree = {"engine": "keras"} | {path.replace("__", "."): value for path, value in changes.items()}
        return [problem.field for problem in problems(spec_module.replace(spec_module.RunSpec(), tree), model_type)]

    assert found() == found(None) == found("xlm-roberta") == []
    assert found("modernbert") == ["model.name"]
    assert found(execution__torch_compile=True) == ["execution.torch_compile"]
    assert found(execution__precision="fp16") == ["execution.precision"]
    assert found(training__max_tokens_per_batch=4096) == ["training.max_tokens_per_batch"]

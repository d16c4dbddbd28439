"""The instructions in an exported zip: a README and a short program that loads the model.

The programs are the same for every model; they read what differs (classes, lengths, padding) from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.store.files import load_code
from core.tasks.contract import Task

PREDICT, LABELS, README = "predict.py", "labels.json", "README.txt"
SAFETENSORS = "A folder of Hugging Face Transformers: weights as safetensors, config, tokenizer."

ONNX_PROGRAM = '''\
"""python predict.py "a text" "another": the class of each. Needs onnxruntime, tokenizers and numpy."""
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

here = Path(__file__).parent
labels = json.loads((here / "labels.json").read_text(encoding="utf-8"))
tokenizer = Tokenizer.from_file(str(here / "tokenizer.json"))  # it cuts long texts and fills up short ones
session = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])


def predict(texts):
    """Probabilities, (texts, classes). For a model of pairs of texts, give pairs."""
    rows = tokenizer.encode_batch(texts)
    fields = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    names = [put.name for put in session.get_inputs()]
    inputs = {n: np.array([getattr(row, fields[n]) for row in rows], dtype=np.int64) for n in names}
    return session.run(["probabilities"], inputs)[0]


if __name__ == "__main__":
    for text, shares in zip(sys.argv[1:], predict(sys.argv[1:])):
        print(f"{labels[shares.argmax()]}  {shares.max():.3f}  {text}")
'''

KERAS_PROGRAM = '''\
"""python predict.py "a text" "another": the class of each. Needs tensorflow, keras, keras-hub and tokenizers."""
import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import keras_hub  # Keras finds the model's layers there
import numpy as np
from tokenizers import Tokenizer

here = Path(__file__).parent
settings = json.loads((here / "labels.json").read_text(encoding="utf-8"))
tokenizer = Tokenizer.from_file(str(here / "tokenizer.json"))  # it cuts long texts and fills up short ones
model = keras.saving.load_model(here / "model.keras", compile=False, safe_mode=True)


def predict(texts):
    """Probabilities, (texts, classes). For a model of pairs of texts, give pairs."""
    rows = tokenizer.encode_batch(texts)
    fields = {"token_ids": "ids", "padding_mask": "attention_mask", "segment_ids": "type_ids"}
    inputs = {n: np.array([getattr(row, fields[n]) for row in rows], dtype="int32") for n in model.input}
    logits = model(inputs, training=False) / settings["temperature"]
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


if __name__ == "__main__":
    for text, shares in zip(sys.argv[1:], predict(sys.argv[1:])):
        print(f"{settings['labels'][shares.argmax()]}  {shares.max():.3f}  {text}")
'''


def safetensors_readme(title: str, name: str, labels: Sequence[str], temperature: float, task: Task) -> str:
    """labels: of a classifier"""
    loading, pipeline = _indented(load_code(Path(name), task.model.KIND.auto_class)), task.facts.PIPELINE
    if not pipeline:
        return _readme(
            title,
            labels,
            SAFETENSORS,
            f"""To load it and ask it (pip install torch transformers), beside this folder:

{loading}
    inputs = tokenizer("a text", truncation=True, return_tensors="pt")
    print(model(**inputs).logits)
""",
        )
    return _readme(
        title,
        labels,
        SAFETENSORS,
        f"""To load it (pip install torch transformers), beside this folder:

{loading}

To classify:

    from transformers import pipeline
    classify = pipeline("{pipeline}", model=model, tokenizer=tokenizer)
    print(classify("a text", truncation=True))
"""
        + _temperature(temperature),
    )


def onnx_readme(title: str, labels: Sequence[str], temperature: float, int8: bool) -> str:
    kind = "The weights have 8 bits; check.json has what that costs.\n" if int8 else ""
    applied = (
        f"The temperature {temperature:.4g} is applied in probabilities, not in logits.\n" if temperature != 1 else ""
    )
    return _readme(
        title,
        labels,
        "An ONNX model for onnxruntime, in any language that has it, and its tokenizer.",
        f"""To use it:

    pip install onnxruntime tokenizers numpy
    python predict.py "a text"

model.onnx takes input_ids, attention_mask and, if the model has them, token_type_ids: int64, (texts, tokens). It gives
logits and probabilities: float32, (texts, classes), the classes in the order of labels.json.
{kind}{applied}check.json says on how many texts it was compared with torch, and how far apart the results were.
""",
    )


def keras_readme(title: str, labels: Sequence[str], versions: dict[str, str]) -> str:
    wanted = " ".join(f"{n}=={versions[n]}" for n in ("tensorflow", "keras", "keras-hub") if n in versions)
    return _readme(
        title,
        labels,
        "A Keras model of KerasHub, and its tokenizer.",
        f"""To use it:

    pip install {wanted} tokenizers
    python predict.py "a text"

In code: import keras_hub first, so that Keras knows the layers, then keras.saving.load_model("model.keras"). Its output
is logits. The file contains no code, so safe_mode can stay on.
check.json says on how many texts it was compared with torch, and how far apart the results were.
""",
    )


def _readme(title: str, labels: Sequence[str], what: str, how: str) -> str:
    classes = ", ".join(_line(label) for label in labels[:50]) + (" …" if len(labels) > 50 else "")
    named = f"{what}\nClasses: {classes}" if labels else what
    return f"{_line(title)}\n\n{named}\n\n{how}\nMade with Tunedeck.\n"


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())


def _temperature(value: float) -> str:
    if value == 1:
        return ""
    return f"\nIts calibrated probabilities are softmax(logits / {value:.4f}), the temperature of calibration.json.\n"

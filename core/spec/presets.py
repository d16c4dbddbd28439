"""Whole specs to start from, each with what to expect of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.spec.data import DataSpec
from core.spec.evaluation import EvaluationSpec
from core.spec.model import ModelSpec
from core.spec.run import RunSpec
from core.spec.training import TrainingSpec


@dataclass(frozen=True)
class Preset:
    """title: in a list; summary: what it does; expectation: how long and how good, with and without a GPU."""

    title: str
    summary: str
    expectation: str
    spec: RunSpec


SAMPLE = "sample"

YELP = DataSpec(
    source="hub",
    path="Yelp/yelp_review_full",
    train_split="train",
    eval_split="test",
    text_columns=("text",),
    label_column="label",
    max_train_examples=1000,
    max_eval_examples=1000,
)
COLA = DataSpec(
    source="hub",
    path="nyu-mll/glue",
    config="cola",
    train_split="train",
    eval_split="validation",
    text_columns=("sentence",),
    label_column="label",
)
BERT = "google-bert/bert-base-cased"


def _cola(keras_input: Literal["tf_data", "numpy"]) -> RunSpec:
    """Adam at 3e-5, as the tutorial has it, judged by GLUE's own metric for CoLA."""
    return RunSpec(
        data=COLA,
        model=ModelSpec(name=BERT, max_length=128),
        engine="keras",
        keras_input=keras_input,
        training=TrainingSpec(learning_rate=3e-5, num_train_epochs=3),
        evaluation=EvaluationSpec(metric_for_best_model="matthews_correlation"),
    )


PRESETS: dict[str, Preset] = {
    SAMPLE: Preset(
        "Sample reviews, from scratch",
        "A small new BERT learns to tell one to five stars from our own generated reviews.",
        "Works offline. About half a minute on a laptop; it finds the right one of five classes three times in four.",
        RunSpec(
            data=DataSpec(source="sample", text_columns=("text",), label_column="label"),
            model=ModelSpec(name="scratch", max_length=128),
            training=TrainingSpec(learning_rate=1e-3, num_train_epochs=3, per_device_train_batch_size=32),
        ),
    ),
    "yelp-trainer": Preset(
        "Yelp reviews with the Trainer",
        "The Transformers tutorial: 1,000 reviews for training, 1,000 for evaluation, google-bert/bert-base-cased.",
        "Downloads about 650 MB once. Minutes on a GPU; without one, expect one to two hours: "
        "lower the longest text to 128 tokens, or choose a smaller model, to be done in a fraction of that. "
        "Accuracy comes to about 0.55 to 0.6 of five classes.",
        RunSpec(
            data=YELP,
            model=ModelSpec(name=BERT, max_length=512),
            training=TrainingSpec(num_train_epochs=3),
        ),
    ),
    "yelp-torch": Preset(
        "Yelp reviews with the PyTorch loop",
        "The same 1,000 reviews and model, in the loop that the tutorial writes by hand, with its batch size of 8.",
        "Downloads about 650 MB once. As long and as good as with the Trainer, which learns the same steps.",
        RunSpec(
            data=YELP,
            model=ModelSpec(name=BERT, max_length=512),
            engine="torch",
            training=TrainingSpec(num_train_epochs=3),
        ),
    ),
    "cola-keras-tf-data": Preset(
        "CoLA with Keras, tf.data",
        "Is a sentence good English? The tutorial's Keras example on GLUE CoLA, each batch padded to its own longest.",
        "Downloads about 440 MB once. Minutes on a GPU, about an hour without one. Matthews correlation comes to "
        "about 0.5 to 0.6; 0 is guessing.",
        _cola("tf_data"),
    ),
    "cola-keras-numpy": Preset(
        "CoLA with Keras, NumPy arrays",
        "The same, with all sentences in whole arrays as the tutorial does it first: simpler, slower.",
        "As with tf.data, but every sentence is padded to the longest of all: about three times as long.",
        _cola("numpy"),
    ),
}

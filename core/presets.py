"""Whole specs to start from, each with what to expect of it."""

from __future__ import annotations

from dataclasses import dataclass

from core.spec import DataSpec, ModelSpec, RunSpec, TrainingSpec


@dataclass(frozen=True)
class Preset:
    """title: in a list; summary: what it does; expectation: how long and how good, with and without a GPU."""

    title: str
    summary: str
    expectation: str
    spec: RunSpec


SAMPLE = "sample"

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
            data=DataSpec(
                source="hub",
                path="Yelp/yelp_review_full",
                train_split="train",
                eval_split="test",
                text_columns=("text",),
                label_column="label",
                max_train_examples=1000,
                max_eval_examples=1000,
            ),
            model=ModelSpec(name="google-bert/bert-base-cased", max_length=512),
            training=TrainingSpec(num_train_epochs=3),
        ),
    ),
}

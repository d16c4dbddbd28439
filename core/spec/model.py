"""The model section of a spec: the pretrained model and how texts become tokens."""

from __future__ import annotations

from typing import Literal

from core.spec.section import Section, setting


class ModelSpec(Section):
    """The pretrained model and how texts become tokens."""

    name: str = setting("scratch", "Model", "Needs no download.", main=True, min_length=1, max_length=1000)
    """A Hub id such as google-bert/bert-base-cased, a local folder, or scratch: a small new BERT for your data."""

    revision: str | None = setting(None, "Model revision", max_length=200)
    """The Hub model's branch, tag or commit. Empty takes the newest."""

    max_length: int = setting(
        128, "Longest text in tokens", "Fast, and most short texts fit.", main=True, ge=8, le=8192
    )
    """Longer texts are cut off after this many tokens. The Datasets page shows the share that this cuts."""

    padding: Literal["dynamic", "max_length"] = setting("dynamic", "Padding", "Computes several times less.")
    """dynamic pads each batch to its longest text; max_length pads all to the full length, as the tutorial does."""

    initial_head: Literal["random", "fitted", "contrastive"] = setting("random", "New head", "As Transformers has it.")
    """What a new head starts with: random weights, or fitted to the training examples. contrastive is fitted after the
    model has learned what is alike."""

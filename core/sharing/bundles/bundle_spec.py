"""What sharing a run is made from."""

from __future__ import annotations

from typing import Literal

from core.spec.section import Section, setting


class BundleSpec(Section):
    """The result bundle of a training run: see `core.sharing.bundles.bundle`."""

    run: str = setting(..., "Run", min_length=1, max_length=40)
    """The id of the training run."""

    attempt: int = setting(0, "Attempt", ge=0, le=1_000_000)
    """Which attempt of it: one that was resumed has other results."""

    texts: bool = setting(False, "Texts", "What is uploaded here may not be meant for others.")
    """Whether the texts of the judged examples go along."""


class PublishSpec(Section):
    """A folder to deploy that shows some runs: see `core.sharing.bundles.publish`."""

    runs: tuple[str, ...] = setting(..., "Runs", min_length=1, max_length=50)
    """The ids of training runs that have ended."""

    texts: bool = setting(False, "Texts", "What is uploaded here may not be meant for others.")
    """Whether the texts of the judged examples go along."""

    mode: Literal["viewer", "demo"] = setting("viewer", "Mode", "Small, fast, and nothing can be changed.")
    """viewer only shows; demo also lets visitors train the sample, under strict limits."""

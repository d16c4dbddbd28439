"""What tests of sharing take from those of evaluation: a small classifier that learned, data, runs done here."""

from __future__ import annotations

from tests.evaluation.conftest import classifier, reviews, store, work

__all__ = ["classifier", "reviews", "store", "work"]

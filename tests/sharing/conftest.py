"""What tests of sharing take from those of evaluation: a small classifier that learned, data, runs done here."""

from __future__ import annotations

from tests.evaluation.conftest import classifier, reviews, store, work
from tests.learning.conftest import one_thread

__all__ = ["classifier", "one_thread", "reviews", "store", "work"]

"""What tests of sharing take from the others: a small classifier that learned, data, runs done here, the pages."""

from __future__ import annotations

from tests.evaluation.conftest import classifier, reviews, store, work
from tests.learning.conftest import one_thread
from tests.pages.conftest import app

__all__ = ["app", "classifier", "one_thread", "reviews", "store", "work"]

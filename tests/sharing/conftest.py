"""What the tests of sharing need: small real models and runs, as the tests of evaluations have them."""

from tests.evaluation.conftest import classifier, reviews, store, work

__all__ = ["classifier", "reviews", "store", "work"]

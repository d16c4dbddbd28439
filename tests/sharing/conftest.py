"""What the tests of sharing need: small real models and runs, as the tests of evaluations have them."""

from tests.evaluation.conftest import classifier, reviews, store, work
from tests.learning.conftest import one_thread
from tests.sharing.judged_run import judged_run

__all__ = ["classifier", "judged_run", "one_thread", "reviews", "store", "work"]

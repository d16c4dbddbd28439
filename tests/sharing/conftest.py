"""What the tests of sharing take from the others: small real models and runs, and the pages."""

from tests.evaluation.conftest import classifier, reviews, store, work
from tests.learning.conftest import one_thread
from tests.pages.conftest import app
from tests.sharing.judged_run import judged_run

__all__ = ["app", "classifier", "judged_run", "one_thread", "reviews", "store", "work"]

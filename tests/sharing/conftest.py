"""Fixtures that the tests of sharing have in common."""

from __future__ import annotations

from tests.sharing.judged_run import judged_run

__all__ = ["judged_run"]

from __future__ import annotations

from typing import Any

from core.messages import Message


def is_perfect(report: Any) -> bool:
    return bool(report.metrics["mae"] < 0.1)


def not_learned(spec: Any, report: Any) -> Message | None:
    if report.metrics["mae"] < report.baseline.metrics["mae"]:
        return None
    return Message("It is no better than the mean.", "no-better-than-mean")


def too_good(report: Any) -> Message | None:
    return None


def weak_spots(report: Any) -> Message | None:
    return None


def uncertain(report: Any) -> Message | None:
    return None

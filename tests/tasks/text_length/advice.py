from __future__ import annotations

from typing import Any


def is_perfect(report: Any) -> bool:
    return bool(report.metrics["mae"] < 0.1)


def not_learned(spec: Any, report: Any) -> str:
    return "" if report.metrics["mae"] < report.baseline.metrics["mae"] else "It is no better than the mean."


def too_good(report: Any) -> str:
    return ""


def weak_spots(report: Any) -> str:
    return ""


def uncertain(report: Any) -> str:
    return ""

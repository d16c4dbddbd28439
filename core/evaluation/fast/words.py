"""Sentences on what fast answers cost: one source for the pages, the command line, reports and cards."""

from __future__ import annotations

from core.store.certificate import LIMIT, Certificate
from core.wording import counted, metric_words, score


def points(share: float) -> str:
    """A share in points of a hundred: "0.42"."""
    return f"{100 * share + 0.0:.2f}".replace("-0.00", "0.00")


def _change(share: float) -> str:
    """Points with their sign: "+0.42", "-0.42"."""
    text = points(share)
    return text if text.startswith("-") else f"+{text}"


def measured(certificate: Certificate) -> str:
    """What fast answers cost, as it was measured."""
    examples = counted(certificate.examples, "example")
    same = certificate.same / max(1, certificate.examples)
    metric, loss = metric_words(certificate.metric), certificate.loss
    change, low, high = (_change(-share) for share in (loss.value, loss.high, loss.low))
    return (
        f"Fast answers come from 8-bit weights: on {examples} ({certificate.split} of {certificate.dataset}) "
        f"{metric} is {score(certificate.fast)} instead of {score(certificate.exact)}, a change "
        f"of {change} points (95% interval {low} to {high}), and {same:.1%} of the answers stay the same."
    )


def permission(certificate: Certificate) -> str:
    """Whether they may be used, and why."""
    worst, most = points(certificate.loss.high), f"{100 * LIMIT:g}"
    match certificate.grant:
        case "granted":
            return f"At the worst end of the interval {worst} points are lost, and {most} are allowed."
        case "refused":
            return (
                f"They lose {points(certificate.loss.value)} points, and {most} are allowed: fast answers are refused "
                "for this model."
            )
    if certificate.needed is None:
        return (
            f"Up to {worst} points may be lost, and {most} are allowed: less is not proven, and more such examples "
            "would not prove it. You may still use fast answers; the results will say so."
        )
    return (
        f"Up to {worst} points may be lost, and {most} are allowed: {counted(certificate.examples, 'example')} cannot "
        f"prove less, about {certificate.needed:,} would. You may still use fast answers; the results will say so."
    )


def fast_title(model: str) -> str:
    """What a model is called that answers fast."""
    return f"{model} (fast)"


def note(certificate: Certificate) -> str:
    """What a result says that was made with fast answers."""
    proven = certificate.grant == "granted"
    return measured(certificate) + ("" if proven else " That they lose no more than half a point is not proven.")


def faster(certificate: Certificate) -> str:
    """How much faster they are, where that was measured."""
    if certificate.speed is None:
        return ""
    if certificate.speed < 1:
        return (
            f"They would take longer than exact answers here: {certificate.speed:.2f} times as many texts per second."
        )
    return f"{certificate.speed:.1f} times as many texts per second as exact answers, as measured here."

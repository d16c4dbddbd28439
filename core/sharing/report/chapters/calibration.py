"""The chapter on a classifier's calibration: whether its confidence can be believed."""

from __future__ import annotations

from core.evaluation import verdict
from core.evaluation.verdict import Trust
from core.figures.judge import confidence_figure, reliability_figure
from core.sharing.report.chapters.chapter import Fact
from core.sharing.report.content import Content
from core.sharing.report.document import Block, Figure, Line, Paragraph, Section, Strong
from core.tasks.text_classification.results import ClassEvaluation

TRUST: dict[Trust, str] = {
    "believable": "Its confidence can be believed",
    "rough": "Its confidence is roughly right",
    "unreliable": "Its confidence should not be taken at its word",
}


def _evaluation(content: Content) -> ClassEvaluation | None:
    evaluation = content.best.evaluation if content.best is not None else None
    return evaluation if isinstance(evaluation, ClassEvaluation) else None


def facts(content: Content) -> list[Fact]:
    evaluation = _evaluation(content)
    if evaluation is None:
        return []
    return [("Calibration error", f"{evaluation.calibration.ece:.3f}", "confidence against being right")]


def section(content: Content) -> Section | None:
    evaluation = _evaluation(content)
    if evaluation is None:
        return None
    calibration, confidence = evaluation.calibration, evaluation.confidence
    after = calibration.after.bins if calibration.effect != "none" else None
    blocks: tuple[Block, ...] = (
        Paragraph(_trust(evaluation)),
        Figure(
            reliability_figure(calibration.bins, after),
            "Share that is right against confidence",
            "Of the answers given with a confidence of 0.8, eight of ten should be right. Below the dotted line it is "
            "too sure, above it not sure enough; larger dots hold more examples.",
        ),
        Figure(
            confidence_figure(confidence.edges, confidence.right, confidence.wrong),
            "Right and wrong answers by confidence",
            "How many answers there are at each confidence.",
        ),
    )
    return Section("calibration", "Can its confidence be believed?", blocks)


def limits(content: Content) -> list[Line]:
    evaluation = _evaluation(content)
    return [] if evaluation is None else [_trust(evaluation)]


def _trust(evaluation: ClassEvaluation) -> Line:
    calibration = evaluation.calibration
    line = f": it differs from how often it is right by {calibration.ece:.3f} on average (expected calibration error)."
    if calibration.effect != "none":
        line += (
            f" Dividing its logits by {calibration.temperature:.3g}, which {calibration.effect} all probabilities and "
            f"changes no answer, makes that {calibration.after.ece:.3f}."
        )
    return (Strong(TRUST[verdict.trust(calibration.ece)]), line)

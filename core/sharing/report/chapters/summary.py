"""The first chapter: how good the model is, in a few sentences, and what its examples were used for before."""

from __future__ import annotations

from collections.abc import Sequence

from core.evaluation import verdict as core_verdict
from core.evaluation.verdict import Use, Verdict
from core.sharing.report.chapters.chapter import Chapter
from core.sharing.report.chapters.quality import interval, metric_names
from core.sharing.report.content import Content, Figures
from core.sharing.report.document import Block, Facts, Line, Note, Section, Strong
from core.wording import counted, metric_title, part_of, score, sentence


def section(content: Content, chapters: Sequence[Chapter]) -> Section:
    figures = content.figures
    blocks: list[Block] = [verdict(content)]
    if figures is not None:
        blocks.append(_facts(content, figures, chapters))
    if (honest := honesty(content)) is not None:
        blocks.append(honest)
    if figures is not None and content.error:
        blocks.append(Note((f"The run {content.status}: ", sentence(content.error)), "care"))
    elif content.status == "stopped" and figures is not None:
        blocks.append(
            Note((f"The run was stopped after {content.step:,} of {content.total:,} steps; this is the model so far.",))
        )
    return Section("summary", "Summary", tuple(blocks))


def _facts(content: Content, figures: Figures, chapters: Sequence[Chapter]) -> Facts:
    entries = [
        (metric_title(name), score(figures.metrics.get(name)), interval(figures, name))
        for name in metric_names(figures)[:2]
    ]
    entries += [fact for chapter in chapters for fact in chapter.facts(content)]
    entries.append(("Judged on", f"{figures.examples:,}", _judged_on(content)))
    return Facts(tuple(entries))


def _judged_on(content: Content) -> str:
    best = content.best
    if best is None:
        return "examples of its own evaluation"
    return f"examples {part_of(best.evaluation.held_out)} {best.evaluation.split}"


def verdict(content: Content) -> Block:
    """How good it is, in a few sentences, beside what is simple."""
    figures = content.figures
    if figures is None:
        return Note(_without_figures(content), "bad")
    result = core_verdict.verdict(figures)
    title = metric_title(result.metric)
    if result.outcome == "not a number":
        line: Line = (
            Strong(f"The {title} is not a number"),
            ": the model's answers were none, so it has learned nothing.",
        )
        return Note(line, "bad")
    start = _figure_words(content, figures, result)
    gap, bag = result.gap, result.bag_of_words
    if gap is None or bag is None:
        if content.best is None:
            start += ("How sure that figure is, and what a bag of words would reach, an evaluation would tell.",)
        return Note(start, "good" if result.outcome == "above baseline" else "care")
    apart = f"{abs(gap.value):.3f} (the difference lies between {score(gap.low, True)} and {score(gap.high, True)})"
    reached = score(bag.metrics[result.metric])
    start += (f"A bag of words, trained on the same examples in seconds, reaches {reached}. ",)
    match result.outcome:
        case "better":
            return Note((*start, Strong(f"The model is better by {apart}: it earns its cost.")), "good")
        case "worse":
            return Note((*start, Strong(f"That is better than this model by {apart}.")), "bad")
        case "equal":
            return Note((*start, Strong("The model is no better"), ": the two do equally well."), "care")
        case _:
            return Note((*start, Strong(f"The model is not surely better: {apart}.")), "care")


def _figure_words(content: Content, figures: Figures, verdict: Verdict) -> Line:
    """The main metric, on what, and what always giving the same answer would reach."""
    span = interval(figures, verdict.metric)
    examples = counted(figures.examples, "example")
    seen = content.best is not None and content.best.evaluation.kind == "training"
    always = f"; always answering “{verdict.baseline_label}” would reach {score(verdict.baseline)}. "
    return (
        Strong(f"{metric_title(verdict.metric)} {score(verdict.value)}"),
        f" (95% interval {span})" if span else "",
        f" on {examples} that it was trained on" if seen else f" on {examples} that it was not trained on",
        always if verdict.baseline is not None else ". ",
    )


def _without_figures(content: Content) -> Line:
    how = {"stopped": "was stopped", "failed": "failed", "lost": "was lost"}.get(content.status, "has not ended")
    at = f" after {content.step:,} of {content.total:,} steps" if content.total else ""
    why = (f": {content.error.rstrip('.')}",) if content.error else ()
    return (Strong(f"This run {how}{at}"), *why, ". It left no figures of how good its model is.")


HONESTY: dict[Use, str] = {
    "validation": "The run chose its best checkpoint by these examples, so the figures are a little too good. An "
    "evaluation on a test split, which nothing has seen, says the truth.",
    "training": "The model was trained on these examples and knows their labels by heart: the figures say nothing "
    "about other texts.",
    "uncounted test": "The split was not trained on; how often it was looked at before was not counted.",
    "other": "The examples are of another dataset, or of a split that the run did not use.",
}


def honesty(content: Content) -> Block | None:
    """What the examples were used for before."""
    if content.best is None:
        if content.report is None:
            return None
        return Note(
            (
                "The figures are of the examples that the run chose its best checkpoint by, so they are a little too "
                "good. An evaluation on a test split, which nothing has seen, says the truth.",
            )
        )
    result = core_verdict.honesty(content.best.evaluation, content.best.looks)
    if result.looks is None:
        return Note((HONESTY[result.use],), "bad" if result.use == "training" else "care")
    often = f"It has been looked at {counted(result.looks, 'time')}"
    overused = result.use == "overused final test"
    return Note(
        (
            Strong("Final test. "),
            "Nothing was trained, chosen or tuned on these examples. ",
            f"{often}: choosing between models by it makes its figures too good." if overused else f"{often}.",
        ),
        "care" if overused else "good",
    )

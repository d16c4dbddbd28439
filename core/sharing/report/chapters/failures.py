"""Where a model fails: hard groups of examples, the answers to look at first, disturbed texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.figures.judge import robustness_figure
from core.sharing.report.chapters.chapter import Chapter
from core.sharing.report.content import Content
from core.sharing.report.document import Block, Figure, Paragraph, Section, Share, Table
from core.tasks.evaluations import Answer, Evaluation, Robustness
from core.wording import counted, metric_title, metric_words, number, score

LEAST_CHANCE = 0.001
GROUPS, ANSWERS = 12, 15


def section(content: Content, chapters: Sequence[Chapter]) -> Section | None:
    """What the task's chapters say of failures, and what disturbed texts cost."""
    if content.figures is None:
        return None
    blocks = [block for chapter in chapters for block in chapter.failures(content)]
    if content.best is not None and content.best.robustness is not None:
        blocks += _disturbed(content.best.robustness)
    return Section("failures", "Where it fails", tuple(blocks)) if blocks else None


def _disturbed(robustness: Robustness) -> list[Block]:
    kinds, count, words = robustness.kinds, robustness.examples, metric_words(robustness.metric)
    rows = tuple((k.title, score(k.score), score(k.change, True)) for k in kinds)
    return [
        Figure(
            robustness_figure(kinds, robustness.metric),
            f"Change of {words} when texts are disturbed",
            f"What disturbances of {counted(count, 'text')} cost, in points of {words}.",
        ),
        Table("Robustness", ("Disturbance", metric_title(robustness.metric), "Change"), rows, (1, 2)),
    ]


def groups(content: Content) -> list[Block]:
    """The hard groups with their scores."""
    return hard_groups(content.best.evaluation, _score_title(content), score) if content.best else []


def _score_title(content: Content) -> str:
    return metric_title(content.task.evaluation.SCORE)


def hard_groups(evaluation: Evaluation, title: str, words: Callable[[float], str]) -> list[Block]:
    """Groups of examples on which it errs more than chance explains. title, words: of their scores"""
    slices = evaluation.slices
    worst = slices.worst[:GROUPS]
    if not worst:
        line = f"No group of examples is harder than chance explains, of {slices.tried:,} that were tried."
        return [Paragraph((line,))]
    rows = tuple(
        (g.name, Share(g.score, words(g.score)), f"{g.count:,}", f"{g.coverage:.1%}", chance(g.q)) for g in worst
    )
    return [
        Paragraph(
            (
                f"{counted(len(slices.worst), 'group')} of examples, of {slices.tried:,} that were tried, "
                "are harder for it than chance explains; the hardest first. Chance is how likely so many errors would "
                "fall into such a group by luck, corrected for all that were tried (Benjamini and Hochberg).",
            )
        ),
        Table("Groups of examples that are hard", ("Group", title, "Examples", "Of all", "Chance"), rows, (2, 3, 4)),
    ]


def chance(q: float) -> str:
    return "below 0.001" if q < LEAST_CHANCE else number(q, 2)


def answers(content: Content) -> list[Block]:
    """The answers to look at first."""
    if content.best is None or not content.best.evaluation.mistakes:
        return []
    line = "The answers to look at first:" if content.texts else "The answers to look at first; texts are left out:"
    header = ("Label", "Answer", _score_title(content))
    return [Paragraph((line,)), answers_table(content, "Answers to look at first", header, lambda a: score(a.score))]


def answers_table(content: Content, caption: str, header: tuple[str, str, str], last: Callable[[Answer], str]) -> Table:
    """Some of the evaluation's `mistakes`; their texts only where they may be shown, else their rows.

    header: of the label, the answer, and what `last` says of it
    """
    assert content.best is not None, "asked for only where there is an evaluation"
    evaluation, texts = content.best.evaluation, content.texts
    rows = tuple(
        (
            evaluation.words(answer.label),
            evaluation.words(answer.prediction),
            last(answer),
            " / ".join(texts.get(answer.row, ())) if texts else f"{answer.row:,}",
        )
        for answer in evaluation.mistakes[:ANSWERS]
    )
    return Table(caption, (*header, "Text" if texts else "Row"), rows, (2,) if texts else (2, 3))

"""The chapters on a classifier's classes: metrics, confusions, the most confident mistakes, doubtful labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.figures.evaluation import MOST_CLASSES, confusion_figure, frequent_mistakes
from core.sharing.report.chapters.data import data_words
from core.sharing.report.chapters.failures import answers_table, hard_groups
from core.sharing.report.content import Content
from core.sharing.report.document import Block, Figure, Folded, Line, Paragraph, Section, Share, Strong, Table
from core.tasks.evaluations import Answer
from core.tasks.text_classification.results import ClassAnswer, ClassEvaluation, ClassTables, PerClass
from core.wording import counted, listed, score

WEAKEST, CONFUSIONS = 15, 8
WEAK = 0.6  # F1


def names_of(content: Content) -> list[str]:
    """The classes, as far as they are known."""
    if isinstance(content.figures, ClassTables):
        return content.figures.labels
    return list(content.dataset.label_names)


def lead(content: Content) -> str:
    names = names_of(content)
    return f"A classifier of {counted(len(names), 'class', 'classes')}" if names else ""


def description(content: Content) -> str:
    names = names_of(content)
    return f"A text classifier of {counted(len(names), 'class', 'classes')}" if names else ""


def data(content: Content) -> list[tuple[str, Line]]:
    names = names_of(content)
    return [("Classes", (f"{len(names):,}: {_some(names)}",))] if names else []


def uses(content: Content) -> Line:
    names = names_of(content)
    return (
        "It sorts texts of the kind that it was trained on (",
        *data_words(content),
        ") into ",
        f"{counted(len(names), 'class', 'classes')}: {_some(names)}." if names else "its classes.",
        " Texts of another kind, length or language it was not judged on.",
    )


def _some(names: Sequence[str], most: int = 12) -> str:
    """Names in a row; of many the first."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def section(content: Content) -> Section | None:
    figures = content.figures
    if not isinstance(figures, ClassTables):
        return None
    blocks = results(content)
    if len(figures.labels) <= MOST_CLASSES:
        blocks.append(
            Figure(
                confusion_figure(figures.labels, figures.confusion),
                "Confusion matrix: true classes against predicted",
                "Rows are true classes, columns what it said; blue is right, orange is wrong, shares are of a row.",
            )
        )
    return Section("classes", "Class by class", tuple(blocks))


def results(content: Content) -> list[Block]:
    """Precision, recall and F1 of each class; of many the weakest, and all of them folded."""
    if not isinstance(content.figures, ClassTables):
        return []
    each = content.figures.per_class
    if len(each) <= MOST_CLASSES:
        return [_table("Precision, recall and F1 of each class", each)]
    weakest = sorted(each, key=lambda entry: entry.f1)[:WEAKEST]
    return [
        Paragraph((f"The {WEAKEST} weakest of {len(each):,} classes:",)),
        _table("The weakest classes", weakest),
        Folded(f"All {len(each):,} classes", (_table("Precision, recall and F1 of each class", each),)),
    ]


def _table(caption: str, each: Iterable[PerClass]) -> Table:
    rows = tuple(
        (e.label, Share(e.f1, score(e.f1)), score(e.precision), score(e.recall), f"{e.support:,}") for e in each
    )
    return Table(caption, ("Class", "F1", "Precision", "Recall", "Examples"), rows, (2, 3, 4))


def confusions(content: Content) -> list[Block]:
    """The classes that are most often taken for another."""
    figures = content.figures
    if not isinstance(figures, ClassTables):
        return []
    pairs = frequent_mistakes(figures.labels, figures.confusion, CONFUSIONS)
    rows = tuple((true, taken, f"{count:,}", f"{share:.1%}") for true, taken, count, share in pairs)
    if not rows:
        return []
    header = ("True class", "Taken for", "Examples", "Of the class")
    table = Table("Most frequent confusions", header, rows, (2, 3))
    return [Paragraph(("What it takes for something else most often:",)), table]


def groups(content: Content) -> list[Block]:
    """The hard groups, with the share that is right."""
    return hard_groups(content.best.evaluation, "Right", "{:.1%}".format) if content.best else []


def mistakes(content: Content) -> list[Block]:
    """The wrong answers that it is surest of."""
    if content.best is None or not content.best.evaluation.mistakes:
        return []
    line = "The wrong answers that it is surest of:"
    if not content.texts:
        line = "The wrong answers that it is surest of; texts are left out:"
    header = ("True class", "Said", "Confidence")
    return [Paragraph((line,)), answers_table(content, "The surest mistakes", header, _confidence)]


def _confidence(answer: Answer) -> str:
    return f"{answer.confidence:.1%}" if isinstance(answer, ClassAnswer) else ""


def label_errors(content: Content) -> list[Block]:
    return [Paragraph(line) for line in doubtful(content)]


def doubtful(content: Content) -> list[Line]:
    """How many labels may be wrong."""
    evaluation = content.best.evaluation if content.best else None
    suspected = evaluation.label_errors if isinstance(evaluation, ClassEvaluation) else None
    if suspected is None:
        return []
    if suspected.held_back:
        return [(f"Whether labels are wrong is not told. {suspected.held_back}",)]
    if not suspected.count:
        return []
    which = "label" if suspected.count == 1 else "labels"
    return [
        (
            f"{suspected.count:,} of the {which} themselves may be wrong (confident learning), which limits any "
            "model's figures.",
        )
    ]


def limits(content: Content) -> list[Line]:
    """The weakest classes, and that there is no other answer than a class."""
    lines: list[Line] = []
    if isinstance(content.figures, ClassTables):
        weakest = sorted(content.figures.per_class, key=lambda entry: entry.f1)[:3]
        if weak := [f"“{entry.label}” (F1 {score(entry.f1)})" for entry in weakest if entry.f1 < WEAK]:
            lines.append((Strong("Weakest classes"), f": {listed(weak)}."))
    return [*lines, ("It answers with one of its classes, also for a text that belongs to none of them.",)]


def hard_groups_line(content: Content) -> list[Line]:
    """The hardest groups of examples."""
    worst = content.best.evaluation.slices.worst[:3] if content.best else ()
    if not worst:
        return []
    each = [f"{g.name} ({g.score:.0%} right of {g.count:,})" for g in worst]
    return [(Strong("Errs more than chance explains"), f" on: {'; '.join(each)}.")]

"""How good a model is: its metrics beside those of simple models, and all evaluations of it."""

from __future__ import annotations

from core.evaluation.fast import words
from core.figures.judge import Measured, intervals_figure
from core.sharing.report.content import Content, Evaluated, Figures
from core.sharing.report.document import Block, Cell, Figure, Paragraph, Section, Strong, Table
from core.tasks.contract import Task
from core.tasks.evaluations import Evaluation, Kind
from core.wording import capitalised, counted, metric_meaning, metric_title, metric_words, score

KIND_TITLES: dict[Kind, str] = {
    "test": "Test", "validation": "Validation: the run chose its best checkpoint by it",
    "other": "Another dataset or split", "training": "Training: the model has seen it",
}  # fmt: skip


def section(content: Content) -> Section | None:
    figures = content.figures
    if figures is None:
        return None
    blocks: list[Block] = []
    if content.best is not None:
        evaluation = content.best.evaluation
        series: dict[str, Measured] = {"This model": (evaluation.metrics, evaluation.intervals)}
        if bag := evaluation.baselines.bag_of_words:
            series["Bag of words"] = (bag.metrics, bag.intervals)
        series[capitalised(content.task.facts.BASELINE)] = (evaluation.baseline_metrics, {})
        blocks.append(
            Figure(
                intervals_figure(metric_names(figures), series),
                "Metrics with their intervals beside simple models",
                "With other examples of the same kind, a metric would lie within its line 95 times of 100 (bootstrap). "
                "Where the lines of two overlap widely, call them equal.",
            )
        )
    blocks += [*fast_note(content), metrics_table(figures)]
    if content.best is not None:
        blocks += _overlap(content.best.evaluation)
    if len(content.evaluations) > 1:
        blocks += [Paragraph(("All evaluations of this model; the figures above are of the first:",))]
        blocks.append(evaluations_table(content))
    return Section("quality", "How good it is", tuple(blocks))


def fast_note(content: Content) -> list[Block]:
    """What the figures owe to fast answers; nothing where the model answered exactly."""
    fast = content.best.evaluation.fast if content.best is not None else None
    return [] if fast is None else [Paragraph((words.note(fast),))]


def metric_names(figures: Figures) -> list[str]:
    """Those that we know, the main one first; loss is none of them."""
    main = figures.main_metric
    return [main, *(name for name in figures.metrics if name != main and metric_meaning(name))]


def interval(figures: Figures, name: str) -> str:
    low, high = figures.interval(name)
    return "" if low is None or high is None else f"{score(low)} to {score(high)}"


def metrics_table(figures: Figures) -> Table:
    """Each metric with its interval, beside a bag of words and what always giving the same answer reaches."""
    task = Task(figures.task).facts
    evaluated = isinstance(figures, Evaluation)
    bag = figures.baselines.bag_of_words if isinstance(figures, Evaluation) else None
    header = [
        "Metric",
        "Value",
        *(["95% interval"] if evaluated else []),
        *(["Bag of words"] if bag else []),
        capitalised(task.BASELINE),
    ]
    rows = []
    for name in metric_names(figures):
        row: list[Cell] = [metric_title(name), score(figures.metrics.get(name))]
        row += [interval(figures, name)] if evaluated else []
        row += [score(bag.metrics.get(name))] if bag else []
        rows.append((*row, score(figures.baseline_metrics.get(name))))
    if (loss := figures.metrics.get("loss")) is not None:
        rows.append((f"Loss ({task.LOSS})", score(loss), *[""] * (len(header) - 2)))
    return Table("Metrics beside simple models", tuple(header), tuple(rows), tuple(range(1, len(header))))


def evaluations_table(content: Content) -> Table:
    """All evaluations of the model, the one to believe first at the top."""
    evaluations = [evaluated.evaluation for evaluated in content.evaluations]
    main, some_fast = evaluations[0].main_metric, any(e.fast for e in evaluations)
    rows = tuple(
        (
            e.dataset.title,
            e.split,
            KIND_TITLES[e.kind],
            *((("Fast (8 bits)" if e.fast else "Exact"),) if some_fast else ()),
            f"{e.examples:,}",
            score(e.metrics.get(main)),
            interval(e, main),
        )
        for e in evaluations
    )
    answers = ("Answers",) if some_fast else ()
    header = ("Dataset", "Split", "What it is", *answers, "Examples", metric_title(main), "95% interval")
    return Table("Evaluations", header, rows, tuple(range(len(header) - 3, len(header))))


def evaluated_on(evaluated: Evaluated) -> str:
    return f"{evaluated.evaluation.dataset.title}, split {evaluated.evaluation.split}"


def _overlap(evaluation: Evaluation) -> list[Block]:
    """How many of the examples were in training."""
    seen = evaluation.overlap
    if seen is None:
        return []
    if not seen.count:
        return [Paragraph(("None of these texts was among the training examples.",))]
    main = evaluation.main_metric
    without = seen.metrics_without.get(main)
    be, those = ("is", "it") if seen.count == 1 else ("are", "them")
    more = f"; without {those} {metric_words(main)} is {score(without)}" if without is not None else ""
    share = f"{seen.count:,} of {counted(seen.of, 'text')} {be} also among the training examples"
    return [Paragraph((Strong(share), f"{more}."))]

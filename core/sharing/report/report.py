"""The report of a run: what was done, on what, how good it is, where it fails, how to load it. As HTML and Markdown."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pandas as pd

from core.figures.evaluation import MOST_CLASSES, confusion_figure
from core.figures.judge import Measured, confidence_figure, intervals_figure, reliability_figure, robustness_figure
from core.figures.run import loss_figure, metrics_figure, rate_figure
from core.figures.style import safe
from core.sharing.report import sentences
from core.sharing.report.as_html import html_page
from core.sharing.report.as_markdown import markdown as as_markdown
from core.sharing.report.content import Content
from core.sharing.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Facts,
    Figure,
    Folded,
    Line,
    Name,
    Note,
    Paragraph,
    Section,
    Table,
)  # fmt: skip
from core.spec.run import to_yaml
from core.tasks.text_classification.results import ClassAnswer, ClassEvaluation, ClassTables
from core.wording import counted, duration, metric_title, metric_words, part_of, score, sentence

NOTHING = pd.DataFrame({"step": [], "epoch": [], "time": [], "value": []})


def html(content: Content) -> str:
    """One self-contained file; the same content gives the same bytes."""
    return html_page(document(content))


def markdown(content: Content) -> str:
    """The same without figures: every number that they draw stands in a table."""
    return as_markdown(document(content))


def file_name(name: str, run_id: str, suffix: str) -> str:
    """What to call the file: of the run's name what every system takes, and its id."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:40].strip("-")
    return f"report-{slug}-{run_id}{suffix}" if slug else f"report-{run_id}{suffix}"


def document(content: Content) -> Document:
    parts = [
        _summary(content), _data(content), _training(content), _quality(content), _classes(content), _trust(content),
        _failures(content), _loading(content), _again(content),
    ]  # fmt: skip
    when = f"Run {content.id}"
    if content.ended is not None:
        when += f", {datetime.fromtimestamp(content.ended, UTC):%d %B %Y, %H:%M} UTC"
    return Document(
        kicker="Report of a training run",
        title=content.name or "A run",
        lead=_lead(content),
        sections=tuple(part for part in parts if part is not None),
        foot=f"{when}. Made with Tunedeck. This file needs no network and sends nothing.",
    )


def _lead(content: Content) -> Line:
    train, _ = sentences.examples(content)
    names = sentences.labels(content)
    begun = "A text classifier" if not names else f"A classifier of {counted(len(names), 'class', 'classes')}"
    on = f", trained on {counted(train, 'example')} of " if train else ", trained on "
    end = f" and took {duration(content.seconds)}." if content.seconds else "."
    return (begun, on, *sentences.data_words(content), ". It began as ", *sentences.model_words(content), end)


def _summary(content: Content) -> Section:
    figures = content.figures
    blocks: list[Block] = [sentences.verdict(content)]
    if figures is not None:
        blocks.append(_facts(content))
    if (honest := sentences.honesty(content)) is not None:
        blocks.append(honest)
    if figures is not None and content.error:
        blocks.append(Note((f"The run {content.status}: ", sentence(content.error)), "care"))
    elif content.status == "stopped" and figures is not None:
        blocks.append(
            Note((f"The run was stopped after {content.step:,} of {content.total:,} steps; this is the model so far.",))
        )
    return Section("summary", "Summary", tuple(blocks))


def _facts(content: Content) -> Facts:
    figures = content.figures
    assert figures is not None, "asked for only where there are figures"
    entries = [
        (metric_title(name), score(figures.metrics.get(name)), sentences.interval(figures, name))
        for name in sentences.metric_names(figures)[:2]
    ]
    if isinstance(figures, ClassEvaluation):
        ece = f"{figures.calibration.ece:.3f}"
        entries.append(("Calibration error", ece, "confidence against being right"))
    entries.append(("Judged on", f"{figures.examples:,}", _judged_on(content)))
    return Facts(tuple(entries))


def _judged_on(content: Content) -> str:
    best = content.best
    if best is None:
        return "examples of its own evaluation"
    return f"examples {part_of(best.evaluation.held_out)} {best.evaluation.split}"


def _data(content: Content) -> Section:
    data, noted = content.spec.data, content.dataset
    train, evaluation = sentences.examples(content)
    names = sentences.labels(content)
    of = {
        "train": noted.train_split or data.train_split,
        "eval": noted.eval_split or data.eval_split,
    }
    columns: list[str | Name] = []
    for column in content.text_columns:
        columns += [" and "] * bool(columns) + [Name(column)]
    parts: list[tuple[str, Line]] = [("Dataset", sentences.data_words(content))]
    if columns:
        parts.append(("Text", tuple(columns)))
    if content.label_column:
        parts.append(("Label", (Name(content.label_column),)))
    if names:
        parts.append(("Classes", (f"{len(names):,}: {sentences.some(names)}",)))
    if train:
        parts.append(("Trained on", (f"{counted(train, 'example')}", *_split(of["train"]))))
    if evaluation:
        parts.append(("Evaluated on", (f"{counted(evaluation, 'example')}", *_split(of["eval"]))))
    cut = content.report.truncated.get("train") if content.report else None
    if cut:
        parts.append(
            ("Cut off", (f"{cut:.1%} of the training texts are longer than {content.spec.model.max_length:,} tokens",))
        )
    if noted.fingerprint:
        parts.append(("Fingerprint", (Name(noted.fingerprint),)))
    blocks: list[Block] = [sentences.facts_line(parts), *sentences.preparation(content)]
    return Section("data", "What it was trained on", tuple(blocks))


def _split(name: str | None) -> Line:
    return (" of the split ", Name(name)) if name else ()


def _training(content: Content) -> Section:
    changed, _ = sentences.settings(content.spec)
    begun: Line = ("It began as ", *sentences.model_words(content), ". ", *sentences.procedure(content))
    blocks: list[Block] = [Paragraph(begun)]
    if changed is not None:
        blocks += [Paragraph(("What differs from the defaults:",)), changed]
    blocks += _curves(content)
    return Section("training", "How it was trained", tuple(blocks))


def _curves(content: Content) -> list[Block]:
    series = content.series
    training, evaluation = series.get("loss", NOTHING), series.get("eval_loss", NOTHING)
    blocks: list[Block] = []
    if len(training) or len(evaluation):
        blocks.append(
            Figure(
                loss_figure(training, evaluation), _loss_words(training, evaluation),
                "The loss on the training batches and on the evaluation examples. Where the second rises while the "
                "first falls, the model learns by heart.",
            )
        )  # fmt: skip
    judged = {n.removeprefix("eval_"): s for n, s in series.items() if n.startswith("eval_") and n != "eval_loss"}
    main = content.spec.evaluation.metric_for_best_model
    known: dict[str, pd.DataFrame] = {name: s for name, s in judged.items() if name in content.spec.evaluation.metrics}
    if known:
        common = content.report.baseline_metrics.get(main) if content.report else None
        blocks.append(
            Figure(
                metrics_figure(known, main, common), f"{metric_title(main)} and other metrics of each evaluation",
                f"Each evaluation while it trained. The model kept is the one with the best {metric_words(main)}."
                if content.spec.training.load_best_model_at_end
                else "Each evaluation while it trained. The model kept is the last one.",
            )
        )  # fmt: skip
        blocks.append(_history(known, series.get("eval_loss", NOTHING)))
    if len(series.get("learning_rate", NOTHING)) > 1:
        blocks.append(
            Figure(rate_figure(series["learning_rate"]), "The learning rate at each step", "The learning rate.")
        )
    return blocks


def _loss_words(training: pd.DataFrame, evaluation: pd.DataFrame) -> str:
    said = [
        f"{name} loss from {score(float(s['value'].iloc[0]))} to {score(float(s['value'].iloc[-1]))}"
        for name, s in (("training", training), ("evaluation", evaluation))
        if len(s)
    ]
    return f"Curves of the {' and the '.join(said)}"


def _history(judged: dict[str, pd.DataFrame], losses: pd.DataFrame) -> Folded:
    """The evaluations as a table, for those who do not see the curves."""
    columns = {"eval_loss": losses} | judged
    by_step = {name: dict(zip(s["step"], s["value"], strict=True)) for name, s in columns.items()}
    steps = sorted({step for values in by_step.values() for step in values})
    rows = tuple(
        (f"{int(step):,}", *(score(values.get(step)) for values in by_step.values()))
        for step in steps
    )  # fmt: skip
    header = ("Step", "Loss", *(metric_title(name) for name in judged))
    return Folded(
        "The evaluations in figures", (Table("Evaluations while it trained", header, rows, tuple(range(len(header)))),)
    )


def _quality(content: Content) -> Section | None:
    figures = content.figures
    if figures is None:
        return None
    blocks: list[Block] = []
    if content.best is not None:
        evaluation = content.best.evaluation
        series: dict[str, Measured] = {"This model": (evaluation.metrics, evaluation.intervals)}
        if bag := evaluation.baselines.bag_of_words:
            series["Bag of words"] = (bag.metrics, bag.intervals)
        series["Commonest class"] = (evaluation.baseline_metrics, {})
        blocks.append(
            Figure(
                intervals_figure(sentences.metric_names(figures), series),
                "Metrics with their intervals beside simple models",
                "With other examples of the same kind, a metric would lie within its line 95 times of 100 (bootstrap). "
                "Where the lines of two overlap widely, call them equal.",
            )
        )  # fmt: skip
    blocks.append(sentences.metrics_table(figures))
    if content.best is not None:
        blocks += sentences.inline(sentences.overlap(content.best.evaluation))
    if len(content.evaluations) > 1:
        blocks += [Paragraph(("All evaluations of this model; the figures above are of the first:",))]
        blocks.append(sentences.evaluations_table(content))
    return Section("quality", "How good it is", tuple(blocks))


def _classes(content: Content) -> Section | None:
    figures = content.figures
    if not isinstance(figures, ClassTables):
        return None
    blocks: list[Block] = sentences.classes(figures)
    if len(figures.labels) <= MOST_CLASSES:
        blocks.append(
            Figure(
                confusion_figure(figures.labels, figures.confusion),
                "Confusion matrix: true classes against predicted",
                "Rows are true classes, columns what it said; blue is right, orange is wrong, shares are of a row.",
            )
        )  # fmt: skip
    return Section("classes", "Class by class", tuple(blocks))


def _trust(content: Content) -> Section | None:
    evaluation = content.best.evaluation if content.best is not None else None
    if not isinstance(evaluation, ClassEvaluation):
        return None
    calibration, confidence = evaluation.calibration, evaluation.confidence
    after = calibration.after.bins if calibration.effect != "none" else None
    blocks: tuple[Block, ...] = (
        Paragraph(sentences.trust(evaluation)),
        Figure(
            reliability_figure(calibration.bins, after),
            "Share that is right against confidence",
            "Of the answers given with a confidence of 0.8, eight of ten should be right. Below the dotted line it is "
            "too sure, above it not sure enough; larger dots hold more examples.",
        ),
        Figure(
            confidence_figure(confidence.edges, confidence.right, confidence.wrong),
            "Right and wrong answers by confidence", "How many answers there are at each confidence.",
        ),
    )  # fmt: skip
    return Section("calibration", "Can its confidence be believed?", blocks)


def _failures(content: Content) -> Section | None:
    figures = content.figures
    if figures is None:
        return None
    best = content.best
    blocks: list[Block] = sentences.hard_groups(best.evaluation) if best else []
    if isinstance(figures, ClassTables) and (table := sentences.taken_for(figures)) is not None:
        blocks += [Paragraph(("What it takes for something else most often:",)), table]
    blocks += _mistakes(content)
    if best is not None and best.robustness is not None:
        kinds, count = best.robustness.kinds, best.robustness.examples
        blocks.append(
            Figure(
                robustness_figure([kind.model_copy(update={"title": safe(kind.title)}) for kind in kinds]),
                "Change of accuracy when texts are disturbed",
                f"What disturbances of {counted(count, 'text')} cost, in points of accuracy.",
            )
        )  # fmt: skip
        rows = tuple((k.title, score(k.score), score(k.change, True)) for k in kinds)
        blocks.append(Table("Robustness", ("Disturbance", "Accuracy", "Change"), rows, (1, 2)))
    if best is not None:
        blocks += sentences.inline(sentences.doubtful(best.evaluation))
    if not blocks:
        return None
    return Section("failures", "Where it fails", tuple(blocks))


def _mistakes(content: Content) -> list[Block]:
    """The wrong answers that it is surest of; their texts only where they may be shown."""
    best = content.best
    if best is None or not best.evaluation.mistakes:
        return []
    answers, words = best.evaluation.mistakes[: sentences.MISTAKES], best.evaluation.words
    texts = content.texts
    if texts:
        header = ("True class", "Said", "Confidence", "Text")
    else:
        header = ("True class", "Said", "Confidence", "Row")
    rows = tuple(
        (
            words(answer.label), words(answer.prediction),
            f"{answer.confidence:.1%}" if isinstance(answer, ClassAnswer) else "",
            " / ".join(texts.get(answer.row, ())) if texts else f"{answer.row:,}",
        )
        for answer in answers
    )  # fmt: skip
    said = "The wrong answers that it is surest of" + ("" if texts else "; texts are left out")
    return [Paragraph((f"{said}:",)), Table("The surest mistakes", header, rows, (2,) if texts else (2, 3))]


def _loading(content: Content) -> Section | None:
    if not content.has_model:
        return None
    blocks: list[Block] = [
        Paragraph(
            (
                "The model is a folder with safetensors, configuration and tokenizer; ", Name("transformers"),
                " loads it without any code of ours. Put its folder, or its id on the Hub, in place of ",
                Name(sentences.MODEL_FOLDER), ".",
            )
        ),
        sentences.load_code(content),
    ]  # fmt: skip
    return Section("load", "How to load it", tuple(blocks))


def _again(content: Content) -> Section:
    exact = (
        "On a CPU with the same versions the same settings give the same figures."
        if content.spec.engine != "keras"
        else "With the same versions the same settings come to nearly the same figures."
    )
    where = "Point data.path to the file with the data first. " if content.spec.data.source == "file" else ""
    noted = content.dataset
    blocks: list[Block] = [
        Paragraph((f"Keep the settings at the end as spec.yaml, and run this. {where}{exact}",)),
        Code("sh", "python -m core train spec.yaml"),
        Folded("All settings", (sentences.settings(content.spec)[1],)),
        Folded("The same as spec.yaml", (Code("yaml", to_yaml(content.spec)),)),
    ]  # fmt: skip
    contents = [
        (f"{title} examples: {part.examples:,}, content ", Name(part.content))
        for part, title in ((noted.train, "Training"), (noted.eval, "Evaluation"))
        if part is not None
    ]
    if contents:
        blocks.append(Bullets(tuple(contents)))
    if (table := sentences.environment_table(content)) is not None:
        blocks.append(Folded("Versions and hardware", (table,)))
    return Section("again", "How to run it again", tuple(blocks))

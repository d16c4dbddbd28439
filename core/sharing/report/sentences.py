"""What report and card say of a run, in sentences and tables: how good, on what, how honest, where it fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.evaluation import verdict as core_verdict
from core.evaluation.verdict import Trust, Use, Verdict
from core.figures.evaluation import MOST_CLASSES, frequent_mistakes
from core.sharing.report.content import Content, Evaluated
from core.sharing.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Folded,
    Inline,
    Line,
    Link,
    Name,
    Note,
    Paragraph,
    Share,
    Strong,
    Table,
)  # fmt: skip
from core.spec.names import dataset_name, model_name
from core.spec.run import RunSpec, get_field, spec_fields
from core.store import files as results
from core.tasks.evaluations import Evaluation, Kind
from core.tasks.results import Report
from core.tasks.text_classification.results import ClassEvaluation, ClassTables, PerClass
from core.wording import counted, engine_title, listed, metric_meaning, metric_title, metric_words, number, score

Figures = Evaluation | Report

HUB = "https://huggingface.co/"
LEAST_CHANCE = 0.001
WEAKEST, MISTAKES, CONFUSIONS, GROUPS = 15, 15, 8, 12
MODEL_FOLDER = "model"
KIND_TITLES: dict[Kind, str] = {
    "test": "Test", "validation": "Validation: the run chose its best checkpoint by it",
    "other": "Another dataset or split", "training": "Training: the model has seen it",
}  # fmt: skip


def metric_names(figures: Figures) -> list[str]:
    """Those that we know, the main one first; loss is none of them."""
    main = figures.main_metric
    return [main, *(name for name in figures.metrics if name != main and metric_meaning(name))]


def interval(figures: Figures, name: str) -> str:
    low, high = figures.interval(name)
    return "" if low is None or high is None else f"{score(low)} to {score(high)}"


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


def metrics_table(figures: Figures) -> Table:
    """Each metric with its interval, beside a bag of words and the commonest class."""
    evaluated = isinstance(figures, Evaluation)
    bag = figures.baselines.bag_of_words if isinstance(figures, Evaluation) else None
    header = [
        "Metric",
        "Value",
        *(["95% interval"] if evaluated else []),
        *(["Bag of words"] if bag else []),
        "Commonest class",
    ]
    rows = []
    for name in metric_names(figures):
        row: list[Cell] = [metric_title(name), score(figures.metrics.get(name))]
        row += [interval(figures, name)] if evaluated else []
        row += [score(bag.metrics.get(name))] if bag else []
        rows.append((*row, score(figures.baseline_metrics.get(name))))
    if (loss := figures.metrics.get("loss")) is not None:
        rows.append(("Loss (cross-entropy)", score(loss), *[""] * (len(header) - 2)))
    return Table("Metrics beside simple models", tuple(header), tuple(rows), tuple(range(1, len(header))))


def evaluations_table(content: Content) -> Table:
    """All evaluations of the model, the one to believe first at the top."""
    evaluations = [evaluated.evaluation for evaluated in content.evaluations]
    main = evaluations[0].main_metric
    rows = tuple(
        (
            e.dataset.title, e.split, KIND_TITLES[e.kind], f"{e.examples:,}", score(e.metrics.get(main)),
            interval(e, main),
        )
        for e in evaluations
    )  # fmt: skip
    header = ("Dataset", "Split", "What it is", "Examples", metric_title(main), "95% interval")
    return Table("Evaluations", header, rows, (3, 4, 5))


def classes(figures: ClassTables) -> list[Block]:
    """Precision, recall and F1 of each class; of many the weakest, and all of them folded."""
    each = figures.per_class
    if len(each) <= MOST_CLASSES:
        return [_classes("Precision, recall and F1 of each class", each)]
    weakest = sorted(each, key=lambda entry: entry.f1)[:WEAKEST]
    return [
        Paragraph((f"The {WEAKEST} weakest of {len(each):,} classes:",)),
        _classes("The weakest classes", weakest),
        Folded(f"All {len(each):,} classes", (_classes("Precision, recall and F1 of each class", each),)),
    ]


def _classes(caption: str, each: Iterable[PerClass]) -> Table:
    rows = tuple(
        (e.label, Share(e.f1, score(e.f1)), score(e.precision), score(e.recall), f"{e.support:,}") for e in each
    )
    return Table(caption, ("Class", "F1", "Precision", "Recall", "Examples"), rows, (2, 3, 4))


def taken_for(figures: ClassTables) -> Table | None:
    """The classes that are most often taken for another."""
    pairs = frequent_mistakes(figures.labels, figures.confusion, CONFUSIONS)
    rows = tuple((true, taken, f"{count:,}", f"{share:.1%}") for true, taken, count, share in pairs)
    header = ("True class", "Taken for", "Examples", "Of the class")
    return Table("Most frequent confusions", header, rows, (2, 3)) if rows else None


def hard_groups(evaluation: Evaluation) -> list[Block]:
    """Groups of examples on which it errs more than chance explains."""
    slices = evaluation.slices
    worst = slices.worst[:GROUPS]
    if not worst:
        line = f"No group of examples is harder than chance explains, of {slices.tried:,} that were tried."
        return [Paragraph((line,))]
    rows = tuple(
        (g.name, Share(g.score, f"{g.score:.1%}"), f"{g.count:,}", f"{g.coverage:.1%}", chance(g.q)) for g in worst
    )
    return [
        Paragraph(
            (
                f"{counted(len(slices.worst), 'group')} of examples, of {slices.tried:,} that were tried, "
                "are harder for it than chance explains; the hardest first. Chance is how likely so many errors would "
                "fall into such a group by luck, corrected for all that were tried (Benjamini and Hochberg).",
            )
        ),
        Table("Groups of examples that are hard", ("Group", "Right", "Examples", "Of all", "Chance"), rows, (2, 3, 4)),
    ]


def chance(q: float) -> str:
    return "below 0.001" if q < LEAST_CHANCE else number(q, 2)


TRUST: dict[Trust, str] = {
    "believable": "Its confidence can be believed",
    "rough": "Its confidence is roughly right",
    "unreliable": "Its confidence should not be taken at its word",
}


def trust(evaluation: ClassEvaluation) -> Line:
    """Whether its confidence can be believed."""
    calibration = evaluation.calibration
    line = f": it differs from how often it is right by {calibration.ece:.3f} on average (expected calibration error)."
    if calibration.effect != "none":
        line += (
            f" Dividing its logits by {calibration.temperature:.3g}, which {calibration.effect} all probabilities and "
            f"changes no answer, makes that {calibration.after.ece:.3f}."
        )
    return (Strong(TRUST[core_verdict.trust(calibration.ece)]), line)


def overlap(evaluation: Evaluation) -> Line | None:
    """How many of the examples were in training."""
    seen = evaluation.overlap
    if seen is None:
        return None
    if not seen.count:
        return ("None of these texts was among the training examples.",)
    main = evaluation.main_metric
    without = seen.metrics_without.get(main)
    be, those = ("is", "it") if seen.count == 1 else ("are", "them")
    more = f"; without {those} {metric_words(main)} is {score(without)}" if without is not None else ""
    share = f"{seen.count:,} of {counted(seen.of, 'text')} {be} also among the training examples"
    return (Strong(share), f"{more}.")


def doubtful(evaluation: Evaluation) -> Line | None:
    suspected = evaluation.label_errors if isinstance(evaluation, ClassEvaluation) else None
    if suspected is None:
        return None
    if suspected.held_back:
        return (f"Whether labels are wrong is not told. {suspected.held_back}",)
    if not suspected.count:
        return None
    which = "label" if suspected.count == 1 else "labels"
    return (
        f"{suspected.count:,} of the {which} themselves may be wrong (confident learning), which limits any model's "
        "figures.",
    )


def model_words(content: Content) -> Line:
    """What it began with, as a link where the Hub has it."""
    name = content.spec.model.name
    if name == "scratch":
        return ("a small new BERT with random weights",)
    if content.base_model:
        return (Link(content.base_model, f"{HUB}{content.base_model}"),)
    return (Name(model_name(name)), " (a folder)")


def data_words(content: Content) -> Line:
    data = content.spec.data
    if data.source == "hub":
        link = Link(data.path, f"{HUB}datasets/{data.path}")
        return (link, *((", configuration ", Name(data.config)) if data.config else ()))
    return (dataset_name(data.model_copy(update={"steps": ()})),)


def examples(content: Content) -> tuple[int | None, int | None]:
    """How many it was trained and evaluated on."""
    noted, report = content.dataset, content.report
    counts = (report.train_examples, report.eval_examples) if report else (None, None)
    train = noted.train.examples if noted.train else counts[0]
    return train, noted.eval.examples if noted.eval else counts[1]


def labels(content: Content) -> list[str]:
    if isinstance(content.figures, ClassTables):
        return content.figures.labels
    return list(content.dataset.label_names)


def some(names: list[str], most: int = 12) -> str:
    """Names in a row; of many the first."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def preparation(content: Content) -> list[Block]:
    steps = content.preparation
    if not steps:
        return []
    head = Paragraph((f"Before training the data went through {counted(len(steps), 'step')}:",))
    return [head, Bullets(tuple((step,) for step in steps))]


def settings(spec: RunSpec) -> tuple[Table | None, Table]:
    """The settings that differ from their defaults, without data and model, which are told elsewhere; and all."""
    start = RunSpec()
    rows, changed = [], []
    for path, info in spec_fields():
        value = get_field(spec, path)
        if path == "data.steps" or _is_void(path, value, spec):
            continue
        row: tuple[Cell, ...] = (str(info.title), Name(path), setting_words(value))
        rows.append(row)
        told = path.startswith("data.") or path in ("task", "model.name", "model.revision")
        if not told and value != get_field(start, path):
            changed.append((str(info.title), Name(path), setting_words(value), setting_words(get_field(start, path))))
    header = ("Setting", "Name", "Value")
    most = Table("Settings that differ from their defaults", (*header, "Default"), tuple(changed)) if changed else None
    return most, Table("All settings", header, tuple(rows))


def _is_void(path: str, value: Any, spec: RunSpec) -> bool:
    """Whether a setting says nothing here, such as how Keras is fed where another engine trains."""
    if path == "keras_input":
        return spec.engine != "keras"
    return value in (None, "", ()) and path.startswith(("data.", "model."))


def setting_words(value: Any) -> str:
    """A setting's value as a person reads it."""
    match value:
        case None | () | "":
            return "automatic" if value is None else "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{key}: {v:g}" for key, v in value.items()) or "–"
        case _:
            return str(value) if str(value).strip() else repr(value)


def procedure(content: Content) -> Line:
    """How it was trained, in a sentence."""
    spec = content.spec
    training = spec.training
    batch = f"{training.per_device_train_batch_size:,}"
    if training.gradient_accumulation_steps > 1:
        batch += f" × {training.gradient_accumulation_steps:,}"
    parts = [
        f"learning rate {training.learning_rate:g} ({training.lr_scheduler_type})", f"batches of {batch}",
        f"{counted(training.num_train_epochs, 'epoch')}",
        f"texts of up to {spec.model.max_length:,} tokens",
    ]  # fmt: skip
    tool = engine_title(spec.model_dump(mode="json"))
    return (f"Trained with the {tool if spec.engine != 'keras' else tool + ' engine'}: {listed(parts)}.",)


def environment_table(content: Content) -> Table | None:
    environment = content.environment
    if environment is None:
        return None
    hardware = environment.hardware
    rows = [("Python", environment.python), *environment.packages.items()]
    rows += [
        ("Computed on", f"{hardware.device}, {hardware.precision}"),
        ("Threads", "" if hardware.threads is None else str(hardware.threads)),
        ("Processor", f"{hardware.processor}, {hardware.cores} cores, {hardware.memory_gb} GB"),
        ("GPU", ", ".join(hardware.gpus) or "none"),
        ("System", f"{hardware.system} ({hardware.machine})"),
    ]
    return Table("Versions and hardware", ("What", "Which"), tuple(rows))


def load_code(content: Content, model: str = MODEL_FOLDER) -> Code:
    """Python that loads the model and asks it. model: its folder or Hub id"""
    length, pair = content.spec.model.max_length, len(content.text_columns) == 2
    asked = '{"text": "The first text", "text_pair": "the second"}' if pair else '"A text to classify"'
    lines = [
        "from transformers import pipeline",
        "",
        f"classify = pipeline('text-classification', model={model!r})",
        f"print(classify({asked}, top_k=None, truncation=True, max_length={length}))",
    ]
    if content.temperature == 1.0:
        return Code("python", "\n".join(lines))
    return Code("python", "\n".join([*lines, "", *_with_temperature(content, model, pair)]))


def _with_temperature(content: Content, model: str, pair: bool) -> list[str]:
    texts = '"The first text", "the second"' if pair else '"A text to classify"'
    return [
        "# Or with probabilities that can be believed: a temperature was fitted on validation examples.",
        "import torch",
        *results.load_code(model).replace("\nmodel = ", "\nnetwork = ").split("\n"),
        f"inputs = tokenizer({texts}, truncation=True, max_length={content.spec.model.max_length}, "
        "return_tensors='pt')",
        "with torch.inference_mode():",
        f"    shares = (network(**inputs).logits / {content.temperature:.4f}).softmax(-1)[0]",
        "print({network.config.id2label[i]: round(float(share), 3) for i, share in enumerate(shares)})",
    ]


def inline(line: Line | None) -> list[Block]:
    return [Paragraph(line)] if line else []


def facts_line(parts: Iterable[tuple[str, Line]]) -> Bullets:
    """What is what: a name in bold and its value."""
    lines: list[tuple[Inline, ...]] = [(Strong(name), ": ", *value) for name, value in parts]
    return Bullets(tuple(lines))


def evaluated_on(evaluated: Evaluated) -> str:
    return f"{evaluated.evaluation.dataset.title}, split {evaluated.evaluation.split}"

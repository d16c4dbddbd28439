"""What report and card say of a run, in sentences and tables: how good, on what, how honest, where it fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
from core.wording import counted, engine_title, listed, metric_meaning, metric_title, metric_words, number, score

HUB = "https://huggingface.co/"
REPEATED_LOOKS = 3
LEAST_CHANCE = 0.001
WEAKEST, MISTAKES, CONFUSIONS, GROUPS = 15, 15, 8, 12
MODEL_FOLDER = "model"
KIND_TITLES = {
    "test": "Test", "validation": "Validation: the run chose its best checkpoint by it",
    "other": "Another dataset or split", "training": "Training: the model has seen it",
}  # fmt: skip


def figures(content: Content) -> dict[str, Any] | None:
    """Metrics, classes and confusion to show: of the evaluation to believe first, else of the run's own report."""
    return content.best.found if content.best else content.report


def metric_names(found: dict[str, Any]) -> list[str]:
    """Those that we know, the main one first; loss is none of them."""
    main = found["main_metric"]
    return [main, *(name for name in found["metrics"] if name != main and metric_meaning(name))]


def baseline(found: dict[str, Any]) -> dict[str, float | None]:
    """The metrics of always answering the commonest class: a report and an evaluation keep them in different places."""
    kept = found.get("baselines", {}).get("majority") or found.get("baseline") or {}
    return dict(kept.get("metrics", {}))


def common_class(found: dict[str, Any]) -> str:
    kept = found.get("baselines", {}).get("majority") or found.get("baseline") or {}
    label = kept.get("label", "")
    return str(found["labels"][label]) if isinstance(label, int) else str(label)


def interval(found: dict[str, Any], name: str) -> str:
    low, high = found.get("intervals", {}).get(name, (None, None))
    return "" if low is None or high is None else f"{score(low)} to {score(high)}"


def verdict(content: Content) -> Block:
    """How good it is, in a few sentences, beside what is simple."""
    found = figures(content)
    if found is None:
        return Note(_without_figures(content), "bad")
    main = found["main_metric"]
    title, value, common = metric_title(main), found["metrics"].get(main), baseline(found).get(main)
    if value is None:
        said: Line = (
            Strong(f"The {title} is not a number"),
            ": the model's answers were none, so it has learned nothing.",
        )
        return Note(said, "bad")
    span = interval(found, main)
    start: Line = (
        Strong(f"{title} {score(value)}"), f" (95% interval {span})" if span else "",
        f" on {counted(found['examples'], 'example')} that it was not trained on" if not _is_seen(content) else
        f" on {counted(found['examples'], 'example')} that it was trained on",
        f"; always answering “{common_class(found)}” would reach {score(common)}. " if common is not None else ". ",
    )  # fmt: skip
    bag = found.get("baselines", {}).get("bag_of_words")
    if bag is None:
        if content.best is None:
            start += ("How sure that figure is, and what a bag of words would reach, an evaluation would tell.",)
        surely = common is not None and (found.get("intervals", {}).get(main) or [value])[0] > common
        return Note(start, "good" if surely else "care")
    gap = bag["difference"][main]
    span = f"{score(gap['low'], True)} and {score(gap['high'], True)}"
    apart = f"{abs(gap['value']):.3f} (the difference lies between {span})"
    start += (f"A bag of words, trained on the same examples in seconds, reaches {score(bag['metrics'][main])}. ",)
    if gap["low"] > 0:
        return Note((*start, Strong(f"The model is better by {apart}: it earns its cost.")), "good")
    if gap["high"] < 0:
        return Note((*start, Strong(f"That is better than this model by {apart}.")), "bad")
    if gap["low"] == gap["high"] == 0:
        return Note((*start, Strong("The model is no better"), ": the two do equally well."), "care")
    return Note((*start, Strong(f"The model is not surely better: {apart}.")), "care")


def _is_seen(content: Content) -> bool:
    return content.best is not None and content.best.kind == "training"


def _without_figures(content: Content) -> Line:
    how = {"stopped": "was stopped", "failed": "failed", "lost": "was lost"}.get(content.status, "has not ended")
    at = f" after {content.step:,} of {content.total:,} steps" if content.total else ""
    why = (f": {content.error.rstrip('.')}",) if content.error else ()
    return (Strong(f"This run {how}{at}"), *why, ". It left no figures of how good its model is.")


def honesty(content: Content) -> Block | None:
    """What the examples were used for before."""
    best = content.best
    if best is None:
        if content.report is None:
            return None
        return Note(
            (
                "The figures are of the examples that the run chose its best checkpoint by, so they are a little too "
                "good. An evaluation on a test split, which nothing has seen, says the truth.",
            )
        )
    test = best.found.get("final_test")
    if test:
        looks = best.looks if best.looks is not None else int(test.get("looks", 0))
        often = f"It has been looked at {counted(looks, 'time')}"
        said: Line = (
            Strong("Final test. "),
            "Nothing was trained, chosen or tuned on these examples. ",
            f"{often}: choosing between models by it makes its figures too good."
            if looks > REPEATED_LOOKS
            else f"{often}.",
        )
        return Note(said, "care" if looks > REPEATED_LOOKS else "good")
    words = {
        "validation": "The run chose its best checkpoint by these examples, so the figures are a little too good. An "
        "evaluation on a test split, which nothing has seen, says the truth.",
        "training": "The model was trained on these examples and knows their labels by heart: the figures say nothing "
        "about other texts.",
        "test": "The split was not trained on; how often it was looked at before was not counted.",
    }.get(best.kind, "The examples are of another dataset, or of a split that the run did not use.")  # fmt: skip
    return Note((words,), "bad" if best.kind == "training" else "care")


def metrics_table(found: dict[str, Any]) -> Table:
    """Each metric with its interval, beside a bag of words and the commonest class."""
    bag = found.get("baselines", {}).get("bag_of_words", {}).get("metrics", {})
    common, spans = baseline(found), "intervals" in found
    header = [
        "Metric",
        "Value",
        *(["95% interval"] if spans else []),
        *(["Bag of words"] if bag else []),
        "Commonest class",
    ]
    rows = []
    for name in metric_names(found):
        row: list[Cell] = [metric_title(name), score(found["metrics"].get(name))]
        row += [interval(found, name)] if spans else []
        row += [score(bag.get(name))] if bag else []
        rows.append((*row, score(common.get(name))))
    if (loss := found["metrics"].get("loss")) is not None:
        rows.append(("Loss (cross-entropy)", score(loss), *[""] * (len(header) - 2)))
    return Table("Metrics beside simple models", tuple(header), tuple(rows), tuple(range(1, len(header))))


def evaluations_table(content: Content) -> Table:
    """All evaluations of the model, the one to believe first at the top."""
    main = content.evaluations[0].found["main_metric"]
    rows = tuple(
        (
            str(e.found.get("dataset", {}).get("title", "")), e.split, KIND_TITLES.get(e.kind, e.kind),
            f"{e.found['examples']:,}", score(e.found["metrics"].get(main)), interval(e.found, main),
        )
        for e in content.evaluations
    )  # fmt: skip
    header = ("Dataset", "Split", "What it is", "Examples", metric_title(main), "95% interval")
    return Table("Evaluations", header, rows, (3, 4, 5))


def classes(found: dict[str, Any]) -> list[Block]:
    """Precision, recall and F1 of each class; of many the weakest, and all of them folded."""
    each = list(found["per_class"])
    if len(each) <= MOST_CLASSES:
        return [_classes("Precision, recall and F1 of each class", each)]
    weakest = sorted(each, key=lambda entry: entry["f1"] or 0)[:WEAKEST]
    return [
        Paragraph((f"The {WEAKEST} weakest of {len(each):,} classes:",)),
        _classes("The weakest classes", weakest),
        Folded(f"All {len(each):,} classes", (_classes("Precision, recall and F1 of each class", each),)),
    ]


def _classes(caption: str, each: Iterable[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            str(e["label"]), Share(e["f1"], score(e["f1"])), score(e["precision"]), score(e["recall"]),
            f"{e['support']:,}",
        )
        for e in each
    )  # fmt: skip
    return Table(caption, ("Class", "F1", "Precision", "Recall", "Examples"), rows, (2, 3, 4))


def taken_for(found: dict[str, Any]) -> Table | None:
    """The classes that are most often taken for another."""
    pairs = frequent_mistakes(found["labels"], found["confusion"], CONFUSIONS)
    rows = tuple((true, taken, f"{count:,}", f"{share:.1%}") for true, taken, count, share in pairs)
    header = ("True class", "Taken for", "Examples", "Of the class")
    return Table("Most frequent confusions", header, rows, (2, 3)) if rows else None


def hard_groups(found: dict[str, Any]) -> list[Block]:
    """Groups of examples on which it errs more than chance explains."""
    slices = found.get("slices")
    if not slices:
        return []
    worst = slices["worst"][:GROUPS]
    if not worst:
        said = f"No group of examples is harder than chance explains, of {slices['tried']:,} that were tried."
        return [Paragraph((said,))]
    rows = tuple(
        (
            g["name"], Share(g["accuracy"], f"{g['accuracy']:.1%}"), f"{g['count']:,}", f"{g['coverage']:.1%}",
            chance(g["q"]),
        )
        for g in worst
    )  # fmt: skip
    return [
        Paragraph(
            (
                f"{counted(len(slices['worst']), 'group')} of examples, of {slices['tried']:,} that were tried, "
                "are harder for it than chance explains; the hardest first. Chance is how likely so many errors would "
                "fall into such a group by luck, corrected for all that were tried (Benjamini and Hochberg).",
            )
        ),
        Table("Groups of examples that are hard", ("Group", "Right", "Examples", "Of all", "Chance"), rows, (2, 3, 4)),
    ]


def chance(q: float | None) -> str:
    return "below 0.001" if q is not None and q < LEAST_CHANCE else number(q, 2)


def trust(found: dict[str, Any]) -> Line | None:
    """Whether its confidence can be believed."""
    calibration = found.get("calibration")
    if not calibration or calibration.get("ece") is None:
        return None
    ece, after, temperature = calibration["ece"], calibration["after"]["ece"], calibration["temperature"]
    how = "can be believed" if ece < 0.03 else "is roughly right" if ece < 0.08 else "should not be taken at its word"
    said = f": it differs from how often it is right by {ece:.3f} on average (expected calibration error)."
    if temperature != 1.0:
        which = "softens" if temperature > 1 else "sharpens"
        said += f" Dividing its logits by {temperature:.3g}, which {which} all probabilities and changes no answer, "
        said += f"makes that {after:.3f}."
    return (Strong(f"Its confidence {how}"), said)


def overlap(found: dict[str, Any]) -> Line | None:
    """How many of the examples were in training."""
    seen = found.get("overlap")
    if not seen:
        return None
    if not seen["count"]:
        return ("None of these texts was among the training examples.",)
    main = found["main_metric"]
    without = (seen.get("metrics_without") or {}).get(main)
    be, those = ("is", "it") if seen["count"] == 1 else ("are", "them")
    more = f"; without {those} {metric_words(main)} is {score(without)}" if without is not None else ""
    said = f"{seen['count']:,} of {counted(seen['of'], 'text')} {be} also among the training examples"
    return (Strong(said), f"{more}.")


def doubtful(found: dict[str, Any]) -> Line | None:
    suspected = found.get("label_errors") or {}
    if reason := suspected.get("held_back"):
        return (f"Whether labels are wrong is not told. {reason}",)
    count = suspected.get("count")
    if not count:
        return None
    which = "label" if count == 1 else "labels"
    return (
        f"{count:,} of the {which} themselves may be wrong (confident learning), which limits any model's figures.",
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
    noted = (content.environment or {}).get("dataset", {})
    report = content.report or {}
    train = noted.get("train", {}).get("examples") or report.get("train_examples")
    return train, noted.get("eval", {}).get("examples") or report.get("eval_examples")


def labels(content: Content) -> list[str]:
    found = figures(content)
    if found is not None:
        return list(map(str, found["labels"]))
    return list(map(str, (content.environment or {}).get("dataset", {}).get("label_names", [])))


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
    found = content.environment
    if not found:
        return None
    hardware, rows = found["hardware"], []
    rows.append(("Python", str(found.get("python", ""))))
    rows += [(str(name), str(version)) for name, version in found["packages"].items()]
    gpus = ", ".join(map(str, hardware.get("gpus", [])))
    cores, memory = hardware.get("cores"), hardware.get("memory_gb")
    rows += [
        ("Computed on", ", ".join(str(hardware.get(key, "")) for key in ("device", "precision"))),
        ("Threads", str(hardware.get("threads", ""))),
        ("Processor", f"{hardware.get('processor', '')}, {cores} cores, {memory} GB"),
        ("GPU", gpus or "none"),
        ("System", f"{hardware.get('system', '')} ({hardware.get('machine', '')})"),
    ]  # fmt: skip
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
    return f"{evaluated.found.get('dataset', {}).get('title', '')}, split {evaluated.split}"

"""How a model was trained: what it began as, its settings, its curves."""

from __future__ import annotations

from typing import Any

import pandas as pd

from core.figures.run import loss_figure, metrics_figure, rate_figure
from core.sharing.report.chapters.data import HUB
from core.sharing.report.content import Content
from core.sharing.report.document import (
    Block,
    Cell,
    Figure,
    Folded,
    Line,
    Link,
    Name,
    Paragraph,
    Section,
    Table,
)
from core.spec.automatic import AUTOMATIC
from core.spec.names import model_name
from core.spec.run import RunSpec, build, get_field, spec_fields
from core.wording import counted, engine_title, listed, metric_title, metric_words, score

NOTHING = pd.DataFrame({"step": [], "epoch": [], "time": [], "value": []})


def section(content: Content) -> Section:
    changed, _ = settings(content.spec)
    begun: Line = ("It began as ", *model_words(content), ". ", *procedure(content))
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
                loss_figure(training, evaluation),
                _loss_words(training, evaluation),
                "The loss on the training batches and on the evaluation examples. Where the second rises while the "
                "first falls, the model learns by heart.",
            )
        )
    judged = {n.removeprefix("eval_"): s for n, s in series.items() if n.startswith("eval_") and n != "eval_loss"}
    main = content.spec.evaluation.metric_for_best_model
    known: dict[str, pd.DataFrame] = {name: s for name, s in judged.items() if name in content.spec.evaluation.metrics}
    if known:
        common = content.report.baseline_metrics.get(main) if content.report else None
        blocks.append(
            Figure(
                metrics_figure(known, main, common, always=content.task.facts.BASELINE),
                f"{metric_title(main)} and other metrics of each evaluation",
                f"Each evaluation while it trained. The model kept is the one with the best {metric_words(main)}."
                if content.spec.training.load_best_model_at_end
                else "Each evaluation while it trained. The model kept is the last one.",
            )
        )
        blocks.append(_history(known, series.get("eval_loss", NOTHING)))
    if len(series.get("learning_rate", NOTHING)) > 1:
        blocks.append(
            Figure(rate_figure(series["learning_rate"]), "The learning rate at each step", "The learning rate.")
        )
    return blocks


def _loss_words(training: pd.DataFrame, evaluation: pd.DataFrame) -> str:
    names = [
        f"{name} loss from {score(float(s['value'].iloc[0]))} to {score(float(s['value'].iloc[-1]))}"
        for name, s in (("training", training), ("evaluation", evaluation))
        if len(s)
    ]
    return f"Curves of the {' and the '.join(names)}"


def _history(judged: dict[str, pd.DataFrame], losses: pd.DataFrame) -> Folded:
    """The evaluations as a table, for those who do not see the curves."""
    columns = {"eval_loss": losses} | judged
    by_step = {name: dict(zip(s["step"], s["value"], strict=True)) for name, s in columns.items()}
    steps = sorted({step for values in by_step.values() for step in values})
    rows = tuple((f"{int(step):,}", *(score(values.get(step)) for values in by_step.values())) for step in steps)
    header = ("Step", "Loss", *(metric_title(name) for name in judged))
    return Folded(
        "The evaluations in figures", (Table("Evaluations while it trained", header, rows, tuple(range(len(header)))),)
    )


def model_words(content: Content) -> Line:
    """What it began with, as a link where the Hub has it."""
    name = content.spec.model.name
    if name == "scratch":
        return ("a small new BERT with random weights",)
    if content.base_model:
        return (Link(content.base_model, f"{HUB}{content.base_model}"),)
    return (Name(model_name(name)), " (a folder)")


def procedure(content: Content) -> Line:
    """How it was trained, in a sentence."""
    spec = content.spec
    training = spec.training
    batch = f"{training.per_device_train_batch_size:,}"
    if training.gradient_accumulation_steps > 1:
        batch += f" × {training.gradient_accumulation_steps:,}"
    parts = [
        f"learning rate {training.learning_rate:g} ({training.lr_scheduler_type})",
        f"batches of {batch}",
        f"{counted(training.num_train_epochs, 'epoch')}",
        f"texts of up to {spec.model.max_length:,} tokens",
    ]
    tool = engine_title(spec.model_dump(mode="json"))
    return (f"Trained with the {tool if spec.engine != 'keras' else tool + ' engine'}: {listed(parts)}.",)


def settings(spec: RunSpec) -> tuple[Table | None, Table]:
    """The settings that differ from their defaults, except for data and model, which have chapters; all settings."""
    start = build({"task": spec.task})
    rows, changed = [], []
    for path, info in spec_fields():
        value = get_field(spec, path)
        if path == "data.steps" or _is_void(path, value, spec):
            continue
        words = "off" if value is None and path in AUTOMATIC else setting_words(value)
        row: tuple[Cell, ...] = (str(info.title), Name(path), words)
        rows.append(row)
        is_elsewhere = path.startswith("data.") or path in ("task", "model.name", "model.revision")
        if not is_elsewhere and value != get_field(start, path):
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

"""The model card: what the Hub shows and indexes of a model. Filled from the run, edited by a person, checked.

gather ── card ── (edited and saved as card.md in the run's folder) ── outgoing: what is uploaded as README.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.access.rules import check
from core.errors import Problem, SpecError
from core.evaluation.verdict import honesty
from core.files import write_text
from core.settings import Settings
from core.sharing import redact
from core.sharing.report import hub_rules, sentences
from core.sharing.report.as_markdown import markdown
from core.sharing.report.content import Content, gather_for_card
from core.sharing.report.document import Block, Bullets, Document, Folded, Line, Name, Paragraph, Section, Strong
from core.sharing.report.sentences import Figures
from core.spec.names import dataset_name
from core.store.record import Run
from core.store.store import Store
from core.tasks import metric
from core.tasks.evaluations import Evaluation
from core.tasks.text_classification.results import ClassEvaluation, ClassTables
from core.wording import counted, listed, metric_title, score

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

NAME = "card.md"
MOST_CHARACTERS = 500_000
PLACEHOLDER = "YOUR-NAME/THIS-MODEL"  # for the model's id on the Hub, which it does not have yet
TASK, TASK_TITLE = "text-classification", "Text classification"
WEAK = 0.6  # F1


@dataclass(frozen=True)
class Edits:
    """What a person says that a run does not know. Empty: as far as it can be told from the base model and the data

    licence: by the Hub's name for it; languages: codes; description: one line; intended: what it is for
    """

    licence: str = ""
    languages: tuple[str, ...] = ()
    description: str = ""
    intended: str = ""


NOTHING = Edits()


def card(content: Content, edits: Edits = NOTHING, model: str = PLACEHOLDER) -> str:
    """README.md for the Hub: metadata in YAML, then Markdown. model: its id on the Hub, for the code that loads it"""
    return f"---\n{_metadata(content, edits)}\n---\n\n{markdown(_document(content, edits, model))}"


def outgoing(store: Store, settings: Settings, run: Run, model: str = "") -> str:
    """The card as it goes out: the one that was saved, else one filled from the run.

    model: the id on the Hub that it goes to. Raises SpecError for a saved one that the Hub would not take.
    """
    text = read_card(settings.run_dir(run.id))
    if text is None:
        text = card(gather_for_card(store, settings, run))
    text = str(redact.clean(text, settings))
    if found := check_card(text, settings):
        raise SpecError(found)
    return text.replace(PLACEHOLDER, model) if model else text


def read_card(folder: Path) -> str | None:
    """The card that was saved for a run; None if there is none."""
    try:
        return (folder / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write_card(run: Run, text: str, settings: Settings) -> None:
    """Save an edited card. Raises SpecError if the Hub would not take it, or it holds a secret; AccessDenied."""
    check(settings, "card", run)
    text = text.replace("\r\n", "\n")
    if found := check_card(text, settings):
        raise SpecError(found)
    write_text(settings.run_dir(run.id) / NAME, text)


def forget_card(run: Run, settings: Settings) -> None:
    """Go back to the card that is filled from the run. Raises AccessDenied."""
    check(settings, "card", run)
    (settings.run_dir(run.id) / NAME).unlink(missing_ok=True)


def check_card(text: str, settings: Settings) -> list[Problem]:
    """What is wrong with an edited card: metadata that the Hub would refuse, secrets, ways to files of this machine."""
    if len(text) > MOST_CHARACTERS:
        return [Problem("", f"a card has at most {MOST_CHARACTERS:,} characters, this has {len(text):,}; shorten it")]
    found = list(_secrets(text, settings))
    try:
        return found + hub_rules.problems(hub_rules.metadata(text))
    except SpecError as error:
        return found + error.problems


def _secrets(text: str, settings: Settings) -> Iterator[Problem]:
    for number, line in enumerate(text.splitlines(), 1):
        cleaned = str(redact.clean(line, settings))
        if cleaned == line:
            continue
        if redact.HIDDEN in cleaned and redact.HIDDEN not in line:
            yield Problem("", f"line {number} holds a token or password; take it out, and renew it if it was shown")
        else:
            yield Problem("", f"line {number} names a folder of this machine; say it without the way to it")
    if redact.clean(text, settings).count(redact.HIDDEN) > sum(
        str(redact.clean(line, settings)).count(redact.HIDDEN) for line in text.splitlines()
    ):
        yield Problem("", "the card holds a private key; take it out, and renew it if it was shown")


def _metadata(content: Content, edits: Edits) -> str:
    from huggingface_hub import ModelCardData

    results = list(_results(content))
    spec = content.spec
    data = ModelCardData(
        language=list(edits.languages or content.languages) or None,
        license=edits.licence or content.licence or None,
        library_name="transformers",
        pipeline_tag=TASK,
        tags=[TASK, "tunedeck"],
        base_model=content.base_model or None,
        base_model_relation="finetune" if content.base_model else None,
        datasets=[spec.data.path] if spec.data.source == "hub" and hub_rules.is_id(spec.data.path) else None,
        metrics=list(
            dict.fromkeys(known.hub for name in spec.evaluation.metrics if (known := metric(name)) and known.hub)
        ),
        model_name=content.name or "model",
        eval_results=results or None,
    )
    if not results:
        data.pop("model_name")
    return data.to_yaml()


def _results(content: Content) -> Iterator[EvalResult]:
    """What the Hub shows beside the model: of each split that it was not trained on, the evaluation of the most."""
    spec, noted = content.spec, content.dataset
    if not content.evaluations and content.report is not None:
        split = noted.eval_split or spec.data.eval_split or "validation"
        title = noted.title or dataset_name(spec.data)
        yield from _result(content, content.report, title, split, own=True)
    shown = set[tuple[str, str]]()
    for one in content.evaluations:
        evaluation = one.evaluation
        title = evaluation.dataset.title or dataset_name(spec.data)
        if evaluation.kind != "training" and (title, evaluation.split) not in shown:
            shown.add((title, evaluation.split))
            yield from _result(content, evaluation, title, evaluation.split, own=_is_own(content, evaluation))


def _is_own(content: Content, evaluation: Evaluation) -> bool:
    """Whether it was judged on the dataset that the run was trained on."""
    data, judged = content.spec.data, evaluation.data
    return judged.get("source") == data.source and (data.source != "hub" or judged.get("path") == data.path)


def _result(content: Content, figures: Figures, title: str, split: str, *, own: bool) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    data = content.spec.data
    known = own and data.source == "hub"
    for name, value in figures.metrics.items():
        known_metric = metric(name)
        if not known_metric or not known_metric.hub or value is None or not math.isfinite(value):
            continue
        yield EvalResult(
            task_type=TASK, task_name=TASK_TITLE, dataset_type=data.path if known else "custom",
            dataset_name=title or "custom", dataset_config=data.config if known else None, dataset_split=split,
            dataset_revision=data.revision if known else None, metric_type=known_metric.hub, metric_value=float(value),
            metric_name=metric_title(name), metric_args=dict(known_metric.hub_arguments) or None,
        )  # fmt: skip


def _document(content: Content, edits: Edits, model: str) -> Document:
    parts = [
        _uses(content, edits), _limits(content), _data(content), _procedure(content), _figures(content),
        Section("load", "How to use it", (sentences.load_code(content, model),)), _environment(content),
    ]  # fmt: skip
    lead: Line = (edits.description.strip(),) if edits.description.strip() else _description(content)
    return Document("Model card", content.name or "A text classifier", lead, tuple(p for p in parts if p is not None))


def _description(content: Content) -> Line:
    names = sentences.labels(content)
    what = f"A text classifier of {counted(len(names), 'class', 'classes')}" if names else "A text classifier"
    made = ", trained from " if content.spec.model.name == "scratch" else ", fine-tuned from "
    return (what, made, *sentences.model_words(content), " on ", *sentences.data_words(content), ".")


def _uses(content: Content, edits: Edits) -> Section:
    names = sentences.labels(content)
    said = [
        Paragraph((line.strip(),)) for line in edits.intended.replace("\r\n", "\n").split("\n\n") if line.strip()
    ] or [
        Paragraph(
            (
                "It sorts texts of the kind that it was trained on (", *sentences.data_words(content), ") into ",
                f"{counted(len(names), 'class', 'classes')}: {sentences.some(names)}." if names else "its classes.",
                " Texts of another kind, length or language it was not judged on.",
            )
        )
    ]  # fmt: skip
    return Section("uses", "Intended uses", tuple(said))


def _limits(content: Content) -> Section:
    """What a person should know before trusting it, from what was measured, and what was not."""
    figures, lines = content.figures, list[Line]()
    if figures is None:
        lines.append(("How good it is was not measured.",))
    else:
        evaluation = content.best.evaluation if content.best else None
        limits: list[Line | None] = [_weak(figures) if isinstance(figures, ClassTables) else None]
        if evaluation is not None:
            trust = sentences.trust(evaluation) if isinstance(evaluation, ClassEvaluation) else None
            limits += [_hard(evaluation), trust, sentences.doubtful(evaluation)]
        lines += [line for line in limits if line]
        if honesty(evaluation).use == "validation":
            lines.append(
                ("The figures are of the examples that its best checkpoint was chosen by: a little too good.",)
            )
    cut = content.report.truncated.get("train") if content.report else None
    length = f"It reads the first {content.spec.model.max_length:,} tokens of a text"
    lines.append((f"{length}; {cut:.1%} of the training texts are longer." if cut else f"{length}.",))
    lines.append(("It answers with one of its classes, also for a text that belongs to none of them.",))
    lines.append(("Whether it errs more often on texts by or about some people than others was not measured.",))
    return Section("limits", "Limits", (Bullets(tuple(lines)),))


def _weak(figures: ClassTables) -> Line | None:
    weakest = sorted(figures.per_class, key=lambda entry: entry.f1)[:3]
    weak = [f"“{entry.label}” (F1 {score(entry.f1)})" for entry in weakest if entry.f1 < WEAK]
    if not weak:
        return None
    return (Strong("Weakest classes"), f": {listed(weak)}.")


def _hard(evaluation: Evaluation) -> Line | None:
    worst = evaluation.slices.worst[:3]
    if not worst:
        return None
    each = [f"{g.name} ({g.score:.0%} right of {g.count:,})" for g in worst]
    return (Strong("Errs more than chance explains"), f" on: {'; '.join(each)}.")


def _data(content: Content) -> Section:
    train, evaluation = sentences.examples(content)
    noted = content.dataset
    said: Line = (*sentences.data_words(content), ".")
    counts = []
    if train:
        of = noted.train_split or content.spec.data.train_split
        counts.append(f"{counted(train, 'example')} to train on" + (f" (split {of})" if of else ""))
    if evaluation:
        of = noted.eval_split or content.spec.data.eval_split
        counts.append(f"{evaluation:,} to choose the best checkpoint by" + (f" (split {of})" if of else ""))
    columns = [Name(column) for column in content.text_columns]
    if counts:
        said = (*said, f" {listed(counts)}.")
    if columns and content.label_column:
        between: list[Name | str] = [columns[0], *((" and ", columns[1]) if len(columns) > 1 else ())]
        said = (*said, " The text is in ", *between, ", the class in ", Name(content.label_column), ".")
    return Section("data", "Training data", (Paragraph(said), *sentences.preparation(content)))


def _procedure(content: Content) -> Section:
    changed, whole = sentences.settings(content.spec)
    blocks: list[Block] = [Paragraph(sentences.procedure(content))]
    if changed is not None:
        blocks.append(changed)
    return Section("procedure", "Training procedure", (*blocks, Folded("All settings", (whole,))))


def _figures(content: Content) -> Section | None:
    figures = content.figures
    if figures is None:
        return None
    on = sentences.evaluated_on(content.best) if content.best else "the examples that it was evaluated on"
    blocks: list[Block] = [Paragraph((f"On {counted(figures.examples, 'example')} of {on}:",))]
    blocks.append(sentences.metrics_table(figures))
    if isinstance(figures, ClassTables):
        blocks += sentences.classes(figures)
    if len(content.evaluations) > 1:
        blocks += [Paragraph(("All evaluations:",)), sentences.evaluations_table(content)]
    return Section("results", "Results", tuple(blocks))


def _environment(content: Content) -> Section | None:
    table = sentences.environment_table(content)
    return None if table is None else Section("versions", "Versions and hardware", (Folded("Versions", (table,)),))

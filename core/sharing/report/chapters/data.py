"""What a model was trained on: the dataset, its columns, and how they were prepared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.sharing.report.chapters.chapter import Chapter
from core.sharing.report.content import Content
from core.sharing.report.document import Block, Bullets, Inline, Line, Link, Name, Paragraph, Section, Strong
from core.spec.names import dataset_name
from core.wording import counted

HUB = "https://huggingface.co/"


def section(content: Content, chapters: Sequence[Chapter]) -> Section:
    data, noted = content.spec.data, content.dataset
    train, evaluation = examples(content)
    of = {
        "train": noted.train_split or data.train_split,
        "eval": noted.eval_split or data.eval_split,
    }
    columns: list[str | Name] = []
    for column in content.text_columns:
        columns += [" and "] * bool(columns) + [Name(column)]
    parts: list[tuple[str, Line]] = [("Dataset", data_words(content))]
    if columns:
        parts.append(("Text", tuple(columns)))
    if content.label_column:
        parts.append(("Label", (Name(content.label_column),)))
    parts += [entry for chapter in chapters for entry in chapter.data(content)]
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
    blocks: list[Block] = [_named(parts), *preparation(content)]
    return Section("data", "What it was trained on", tuple(blocks))


def _split(name: str | None) -> Line:
    return (" of the split ", Name(name)) if name else ()


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


def preparation(content: Content) -> list[Block]:
    steps = content.preparation
    if not steps:
        return []
    head = Paragraph((f"Before training the data went through {counted(len(steps), 'step')}:",))
    return [head, Bullets(tuple((step,) for step in steps))]


def _named(parts: Iterable[tuple[str, Line]]) -> Bullets:
    """What is what: a name in bold and its value."""
    lines: list[tuple[Inline, ...]] = [(Strong(name), ": ", *value) for name, value in parts]
    return Bullets(tuple(lines))

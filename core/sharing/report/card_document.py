"""The model card's text: uses, limits, data, training, results, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from core.evaluation.verdict import honesty
from core.sharing.report.card_edits import Edits
from core.sharing.report.chapters import data, loading, quality, table, training
from core.sharing.report.chapters.chapter import Chapter
from core.sharing.report.content import Content
from core.sharing.report.document import Block, Bullets, Document, Folded, Line, Name, Paragraph, Section
from core.wording import capitalised, counted, listed


def document(content: Content, edits: Edits, model: str) -> Document:
    chapters = table.of(content)
    parts = [
        _uses(content, edits, chapters),
        _limits(content, chapters),
        _data(content),
        _procedure(content),
        _figures(content, chapters),
        Section("load", "How to use it", (loading.load_code(content, model),)),
        _environment(content),
    ]
    lead: Line = (edits.description.strip(),) if edits.description.strip() else _description(content, chapters)
    return Document(
        "Model card",
        content.name or capitalised(content.task.facts.MODEL),
        lead,
        tuple(p for p in parts if p is not None),
    )


def _description(content: Content, chapters: Sequence[Chapter]) -> Line:
    usual = capitalised(content.task.facts.MODEL)
    what = next((words for chapter in chapters if (words := chapter.description(content))), usual)
    origin = ", trained from " if content.spec.model.name == "scratch" else ", fine-tuned from "
    return (what, origin, *training.model_words(content), " on ", *data.data_words(content), ".")


def _uses(content: Content, edits: Edits, chapters: Sequence[Chapter]) -> Section:
    paragraphs = [
        Paragraph((line.strip(),)) for line in edits.intended.replace("\r\n", "\n").split("\n\n") if line.strip()
    ] or [Paragraph(next((line for chapter in chapters if (line := chapter.uses(content))), _usual_uses(content)))]
    return Section("uses", "Intended uses", tuple(paragraphs))


def _usual_uses(content: Content) -> Line:
    return (
        "It is for texts of the kind that it was trained on (",
        *data.data_words(content),
        "). Texts of another kind, length or language it was not judged on.",
    )


def _limits(content: Content, chapters: Sequence[Chapter]) -> Section:
    """What a person should know before trusting it, from what was measured, and what was not."""
    figures, lines = content.figures, list[Line]()
    if figures is None:
        lines.append(("How good it is was not measured.",))
    lines += [line for chapter in chapters for line in chapter.limits(content)]
    if figures is not None and honesty(content.best.evaluation if content.best else None).use == "validation":
        lines.append(("The figures are of the examples that its best checkpoint was chosen by: a little too good.",))
    cut = content.report.truncated.get("train") if content.report else None
    length = f"It reads the first {content.spec.model.max_length:,} tokens of a text"
    lines.append((f"{length}; {cut:.1%} of the training texts are longer." if cut else f"{length}.",))
    lines.append(("Whether it errs more often on texts by or about some people than others was not measured.",))
    return Section("limits", "Limits", (Bullets(tuple(lines)),))


def _data(content: Content) -> Section:
    train, evaluation = data.examples(content)
    noted = content.dataset
    line: Line = (*data.data_words(content), ".")
    counts = []
    if train:
        of = noted.train_split or content.spec.data.train_split
        counts.append(f"{counted(train, 'example')} to train on" + (f" (split {of})" if of else ""))
    if evaluation:
        of = noted.eval_split or content.spec.data.eval_split
        counts.append(f"{evaluation:,} to choose the best checkpoint by" + (f" (split {of})" if of else ""))
    columns = [Name(column) for column in content.text_columns]
    if counts:
        line = (*line, f" {listed(counts)}.")
    if columns and content.label_column:
        between: list[Name | str] = [columns[0], *((" and ", columns[1]) if len(columns) > 1 else ())]
        line = (*line, " The text is in ", *between, ", the label in ", Name(content.label_column), ".")
    return Section("data", "Training data", (Paragraph(line), *data.preparation(content)))


def _procedure(content: Content) -> Section:
    changed, whole = training.settings(content.spec)
    blocks: list[Block] = [Paragraph(training.procedure(content))]
    if changed is not None:
        blocks.append(changed)
    return Section("procedure", "Training procedure", (*blocks, Folded("All settings", (whole,))))


def _figures(content: Content, chapters: Sequence[Chapter]) -> Section | None:
    figures = content.figures
    if figures is None:
        return None
    on = quality.evaluated_on(content.best) if content.best else "the examples that it was evaluated on"
    blocks: list[Block] = [Paragraph((f"On {counted(figures.examples, 'example')} of {on}:",))]
    blocks += [*quality.fast_note(content), quality.metrics_table(figures)]
    blocks += [block for chapter in chapters for block in chapter.results(content)]
    if len(content.evaluations) > 1:
        blocks += [Paragraph(("All evaluations:",)), quality.evaluations_table(content)]
    return Section("results", "Results", tuple(blocks))


def _environment(content: Content) -> Section | None:
    table = loading.environment_table(content)
    return None if table is None else Section("versions", "Versions and hardware", (Folded("Versions", (table,)),))

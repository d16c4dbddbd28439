"""Describes for people how a delimited file was read, and returns the reading as fields of ReadSpec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.data.notes import Note
from core.data.reading.text import dialect as dialects
from core.data.reading.text import preamble as preambles
from core.data.reading.text.labelled import MORE
from core.data.reading.text.textfile import TextFile
from core.wording import counted


def reading(file: TextFile) -> dict[str, Any]:
    """Returns how a file was read, as fields of ReadSpec; None for what does not apply to its form."""
    dialect = file.dialect
    return {
        "encoding": file.detected.encoding,
        "delimiter": None if file.form else dialect.delimiter,
        "quoting": bool(dialect.quote),
        "header": dialect.header,
        "skip_lines": dialect.skip,
        "quote_character": dialect.quote or None,
        "escape_character": dialect.escape,
    }


def notes(file: TextFile, name: str) -> list[Note]:
    """Describes for people how a file was read."""
    detected, layout = file.detected, " ".join(_layout(file))
    if detected.level == "warning":
        notes = [
            Note.of("file-encoding", "{name}: {note}", "warning", name=name, note=detected.note),
            Note.of("file-layout", "{name}: {layout}", name=name, layout=layout),
        ]
    else:
        notes = [
            Note.of(
                "file-encoding-and-layout",
                "{name}: {encoding} {layout}",
                name=name,
                encoding=detected.note,
                layout=layout,
            )
        ]
    if file.dialect.skip:
        notes.append(_above_note(file, name))
    if file.renamed:
        renamed = ", ".join(file.renamed[:5])
        notes.append(
            Note.of(
                "columns-renamed",
                "{name}: columns with no name or a name used twice were renamed: {columns}.",
                name=name,
                columns=renamed,
            )
        )
    notes += _odd_rows(file, name)
    if file.blank:
        notes.append(
            Note.of(
                "blank-lines-skipped", "{name}: skipped {count:blank line|blank lines}.", name=name, count=file.blank
            )
        )
    if file.empty:
        notes.append(
            Note.of(
                "empty-rows-skipped",
                "{name}: skipped {count:row|rows} without any value, like blank lines.",
                name=name,
                count=file.empty,
            )
        )
    return notes


def _layout(file: TextFile) -> Iterator[str]:
    """Yields sentences on the columns, quotes, escapes and header of a file."""
    dialect = file.dialect
    if file.form:
        yield f"Each line begins with its label, as {file.form} writes it ({', '.join(file.names)})."
        return
    if len(file.names) == 1:
        yield "There is one column."
    else:
        yield f"Columns are separated by {dialects.DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))}."
    if dialect.quote:
        mark = dialects.QUOTES.get(dialect.quote, f"pairs of {dialect.quote}")
        yield f"Values may be enclosed in {mark}."
    else:
        yield "Quotes are ordinary characters."
    if dialect.escape:
        escape = "a backslash" if dialect.escape == "\\" else dialect.escape
        yield f"The escape character is {escape}."
    if not dialect.header:
        yield "There is no header line, so the columns are numbered."
    elif dialect.skip:
        yield f"Line {dialect.skip + 1} names the columns."
    else:
        yield "The first line names the columns."


def _above_note(file: TextFile, name: str) -> Note:
    lines = counted(file.dialect.skip, "line")
    examples = ", ".join(repr(line) for line in file.above) or "blank"
    if "skip_lines" in file.chosen:
        return Note.of(
            "lines-skipped-as-chosen",
            "{name}: skipped {lines} above the table, as chosen ({examples}).",
            name=name,
            lines=lines,
            examples=examples,
        )
    if dialects.HINT.fullmatch(file.above[0] if file.above else "") and file.dialect.skip == 1:
        match = dialects.separator_hint(file.above[0])[0] == file.dialect.delimiter
        if not match and "delimiter" not in file.chosen:
            return Note.of(
                "delimiter-line-wrong",
                "{name}: the first line, {line!r}, names a delimiter that does not occur; it is "
                "skipped, and the delimiter is detected.",
                "warning",
                name=name,
                line=file.above[0],
            )
        return Note.of(
            "delimiter-line",
            "{name}: the first line, {line!r}, names the delimiter and is not a row.",
            name=name,
            line=file.above[0],
        )
    plain = all(line.startswith((*preambles.COMMENT, "sep=")) for line in file.above)
    return Note.of(
        "lines-skipped",
        "{name}: skipped {lines} above the table ({examples}).",
        "info" if plain else "warning",
        name=name,
        lines=lines,
        examples=examples,
    )


def _odd_rows(file: TextFile, name: str) -> Iterator[Note]:
    """Yields notes on rows that are not used as the file has them."""
    width = len(file.names)
    if file.short[0]:
        yield (
            Note.of(
                "rows-too-short",
                "{name}: {count:row|rows} had fewer than {width} values (the first on line {line:,}); "
                "the missing ones are empty.",
                "warning",
                name=name,
                count=file.short[0],
                width=width,
                line=file.short[1],
            )
        )
    if file.long[0]:
        yield (
            Note.of(
                "rows-too-long",
                "{name}: {count:row|rows} had more than {width} values (the first on line {line:,}); "
                "they were taken as delimiters inside {column}.",
                "warning",
                name=name,
                count=file.long[0],
                width=width,
                line=file.long[1],
                column=file.names[file.widest],
            )
        )
    if file.repeated[0]:
        yield (
            Note.of(
                "header-repeated",
                "{name}: skipped {count:row|rows} that repeat the header (the first on line "
                "{line:,}), as in joined files.",
                "warning",
                name=name,
                count=file.repeated[0],
                line=file.repeated[1],
            )
        )
    if file.below:
        footer = ", ".join(repr(row) for row in file.below)
        yield Note.of(
            "lines-below-skipped",
            "{name}: skipped {count:line|lines} below the table ({footer}).",
            "warning",
            name=name,
            count=len(file.below),
            footer=footer,
        )
    if file.total:
        yield Note.of(
            "last-row-is-sum",
            "{name}: the last row looks like a sum ({total!r}) but is read as a row; filter it out if it is one.",
            "warning",
            name=name,
            total=file.total,
        )
    if file.nulls:
        yield Note.of(
            "nulls-read-as-empty",
            "{name}: read as empty: {count:value|values} of \\N, which databases write for NULL.",
            "warning",
            name=name,
            count=file.nulls,
        )
    if file.several:
        yield (
            Note.of(
                "several-labels-on-line",
                "{name}: there are several labels in {count:line|lines}; label has the first of them, "
                "{more} the others.",
                "warning",
                name=name,
                count=file.several,
                more=MORE,
            )
        )
    if file.dialect.kept_quotes and not file.dialect.quote:
        yield (
            Note.of(
                "quotes-kept",
                "{name}: most values begin with {quotes}, which is read as part of them: it does "
                "not enclose values throughout. Set the quote character, or write double quotes.",
                "warning",
                name=name,
                quotes=file.dialect.kept_quotes,
            )
        )
    if file.loose_quote:
        yield Note.of(
            "quote-misplaced",
            "{name}: a quote stands where none should be (the first about line {line:,}).",
            "warning",
            name=name,
            line=file.loose_quote,
        )

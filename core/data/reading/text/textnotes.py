"""What a person should know about how a delimited file was read, and the reading by the names of ReadSpec."""

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
    """How a file was read, by the names of ReadSpec; what does not apply to its form is None."""
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
    """What a person should know about how a file was read, in sentences."""
    detected = file.detected
    if detected.level == "warning":
        notes = [Note(f"{name}: {detected.note}", "warning"), Note(f"{name}: read with {_layout(file)}.")]
    else:
        notes = [Note(f"{name}: {detected.note[:-1]}; {_layout(file)}.")]
    if file.dialect.skip:
        notes.append(_above_note(file, name))
    if file.renamed:
        renamed = ", ".join(file.renamed[:5])
        notes.append(Note(f"{name}: columns with no name or a name used twice were renamed: {renamed}."))
    notes += [Note(f"{name}: {text}", "warning") for text in _odd_rows(file)]
    if file.blank:
        notes.append(Note(f"{name}: {file.blank:,} blank {'line was' if file.blank == 1 else 'lines were'} skipped."))
    if file.empty:
        notes.append(
            Note(
                f"{name}: {counted(file.empty, 'row')} without any value {'was' if file.empty == 1 else 'were'} "
                "skipped, like blank lines."
            )
        )
    return notes


def _layout(file: TextFile) -> str:
    dialect = file.dialect
    if file.form:
        return f"each line begins with its label, as {file.form} writes it ({', '.join(file.names)})"
    layout = (
        "one column"
        if len(file.names) == 1
        else f"{dialects.DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))} between columns"
    )
    mark = dialects.QUOTES.get(dialect.quote, f"{dialect.quote} as quotes")
    quotes = (
        f"{'quotes' if dialect.quote == chr(34) else mark} enclose values"
        if dialect.quote
        else "quotes are ordinary characters"
    )
    if dialect.escape:
        quotes += f", {'a backslash' if dialect.escape == chr(92) else dialect.escape} escapes"
    first = "the first line" if not dialect.skip else f"line {dialect.skip + 1}"
    header = f"{first} names the columns" if dialect.header else "no header line, so columns are numbered"
    return f"{layout}, {quotes}, {header}"


def _above_note(file: TextFile, name: str) -> Note:
    lines = counted(file.dialect.skip, "line")
    shown = ", ".join(repr(line) for line in file.above) or "blank"
    if "skip_lines" in file.chosen:
        return Note(f"{name}: {lines} above the table skipped, as chosen ({shown}).")
    if dialects.HINT.fullmatch(file.above[0] if file.above else "") and file.dialect.skip == 1:
        match = dialects.separator_hint(file.above[0])[0] == file.dialect.delimiter
        if not match and "delimiter" not in file.chosen:
            return Note(
                f"{name}: the first line, {file.above[0]!r}, names a delimiter that does not occur; it is skipped, and "
                "the delimiter is detected.",
                "warning",
            )
        return Note(f"{name}: the first line, {file.above[0]!r}, names the delimiter and is no row.")
    plain = all(line.startswith((*preambles.COMMENT, "sep=")) for line in file.above)
    return Note(f"{name}: {lines} above the table skipped ({shown}).", "info" if plain else "warning")


def _odd_rows(file: TextFile) -> Iterator[str]:
    """Sentences on rows that are not used as the file has them."""
    width = len(file.names)
    if file.short[0]:
        yield (
            f"{counted(file.short[0], 'row')} had fewer than {width} values (the first on line {file.short[1]:,}); "
            "the missing ones are empty."
        )
    if file.long[0]:
        yield (
            f"{counted(file.long[0], 'row')} had more than {width} values (the first on line {file.long[1]:,}); "
            f"they were taken as delimiters inside {file.names[file.widest]}."
        )
    if file.repeated[0]:
        yield (
            f"the header stands again in {counted(file.repeated[0], 'row')} (the first on line {file.repeated[1]:,}), "
            "as in files that were joined; skipped."
        )
    if file.below:
        shown = ", ".join(repr(row) for row in file.below)
        yield f"{counted(len(file.below), 'line')} below the table skipped ({shown})."
    if file.total:
        yield f"the last row looks like a sum ({file.total!r}) but is read as a row; filter it out if it is one."
    if file.nulls:
        verb = "is" if file.nulls == 1 else "are"
        yield f"{counted(file.nulls, 'value')} \\N, which databases write for NULL, {verb} empty."
    if file.several:
        yield (
            f"{counted(file.several, 'line')} {'has' if file.several == 1 else 'have'} several labels; label has the "
            f"first of them, {MORE} the others."
        )
    if file.dialect.kept_quotes and not file.dialect.quote:
        yield (
            f"most values begin with {file.dialect.kept_quotes}, which is read as part of them: it does not enclose "
            "values throughout. Set the quote character, or write double quotes."
        )
    if file.loose_quote:
        yield f"a quote stands where none should be (the first about line {file.loose_quote:,})."

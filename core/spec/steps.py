"""How a dataset is prepared: steps in a spec's `data.steps`, each done to what the one before it left.

A step says what is wanted, not which rows: done again on the same data it gives the same rows.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.spec.section import Section, setting
from core.wording import counted, listed

LONG_TEXT, NAME = 2000, 1000  # characters
SHARE_SLACK = 1e-6


class Condition(Section):
    """One thing that is true of a row, or, with `negate`, is not."""

    column: str = setting(..., "Column", max_length=NAME)
    """The column it is about."""

    op: Literal["is", "between", "length", "contains", "matches", "missing"] = setting("is", "Condition")
    """is one of some values; a number between two; characters between two; contains a text; matches a pattern; is
    missing (empty, or blanks only)."""

    values: tuple[str, ...] = setting((), "Values", max_length=1000)
    """With is: the values, classes by their names. With contains and matches: one text or regular expression."""

    low: float | None = setting(None, "From", allow_inf_nan=False)
    """With between and length: the least, included. Empty for no limit."""

    high: float | None = setting(None, "To", allow_inf_nan=False)
    """With between and length: the most, included. Empty for no limit."""

    match_case: bool = setting(False, "Match case")
    """With contains and matches: whether capital and small letters differ."""

    negate: bool = setting(False, "Not")
    """Take the rows of which it is not true."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.op == "is" and not self.values:
            raise ValueError(f"the condition on {self.column!r} names no value; give at least one")
        if self.op in ("contains", "matches"):
            if len(self.values) != 1 or not self.values[0]:
                raise ValueError(f"the condition on {self.column!r} needs one text to look for; give it in values")
            if (length := len(self.values[0])) > LONG_TEXT:
                raise ValueError(f"the text to look for has {length:,} characters; the most is {LONG_TEXT:,}")
        if self.op in ("between", "length"):
            if self.low is None and self.high is None:
                raise ValueError(f"the condition on {self.column!r} has no limit; give low, high or both")
            if self.low is not None and self.high is not None and self.low > self.high:
                raise ValueError(
                    f"the condition on {self.column!r} goes from {self.low:g} to {self.high:g}; low is above high"
                )
        return self


class _Step(Section):
    """What all steps share."""

    splits: tuple[str, ...] = setting((), "Splits", max_length=100)
    """The splits it is done to. Empty for all."""


class Filter(_Step):
    """Keep the rows of which all conditions are true."""

    step: Literal["filter"] = "filter"
    where: tuple[Condition, ...] = setting(..., "Conditions", min_length=1, max_length=50)
    """All of them must be true."""


class Columns(Section):
    """Keep some columns."""

    step: Literal["columns"] = "columns"
    keep: tuple[str, ...] = setting(..., "Columns kept", min_length=1, max_length=10_000)
    """The columns that stay, in this order."""


class Rename(Section):
    """Give columns other names."""

    step: Literal["rename"] = "rename"
    names: dict[str, str] = setting(..., "New names", min_length=1, max_length=10_000)
    """Old name: new name."""

    @field_validator("names")
    @classmethod
    def _named(cls, names: dict[str, str]) -> dict[str, str]:
        for old, new in names.items():
            if not new.strip() or len(new) > NAME:
                raise ValueError(f"the new name of {old!r} must have 1 to {NAME:,} characters")
        return names


class MapLabels(_Step):
    """Give labels other names; two that get the same name become one class."""

    step: Literal["map_labels"] = "map_labels"
    column: str = setting(..., "Column", max_length=NAME)
    """The column with the labels."""

    labels: dict[str, str] = setting(..., "New names", min_length=1, max_length=1000)
    """Old label: new label. A label that is not named stays as it is."""


class CorrectLabels(_Step):
    """Put labels right, and leave out rows, that somebody has looked at."""

    step: Literal["correct_labels"] = "correct_labels"
    columns: tuple[str, ...] = setting(..., "Text columns", min_length=1, max_length=2)
    """The columns with the text."""

    label: str = setting(..., "Label column", max_length=NAME)
    """The column with the label."""

    labels: dict[str, str] = setting({}, "New labels", max_length=10_000)
    """Text id: its label. A text id is the hash of a text, as predictions have it; where the row lies is no matter."""

    drop: tuple[str, ...] = setting((), "Left out", max_length=10_000)
    """The ids of texts that are left out."""

    @model_validator(mode="after")
    def _of_texts(self) -> Self:
        if not self.labels and not self.drop:
            raise ValueError("no label is put right and no row left out; name at least one text id")
        for number in (*self.labels, *self.drop):
            if not (number.isascii() and number.isdigit() and int(number) < 2**64):
                raise ValueError(f"{number[:40]!r} is no text id; an id is a number of up to 20 digits")
        return self


class CleanText(_Step):
    """Repair texts."""

    step: Literal["clean_text"] = "clean_text"
    columns: tuple[str, ...] = setting(..., "Columns", min_length=1, max_length=100)
    """The columns with the texts."""

    fix_encoding: bool = setting(True, "Repair the encoding")
    """Undo text that was read in a wrong encoding, such as cafÃ© for café."""

    remove_control: bool = setting(True, "Remove control characters")
    """Leave out characters that nobody sees; tabs and line ends stay."""

    remove_markup: bool = setting(False, "Remove HTML")
    """Turn what is left of a web page into text: &amp; and #39; into & and ', tags such as <br /> into a blank."""


class Deduplicate(_Step):
    """Keep the first of the rows that have the same content."""

    step: Literal["deduplicate"] = "deduplicate"
    columns: tuple[str, ...] = setting((), "Columns", max_length=100)
    """What must be the same. Empty for all columns."""

    match: Literal["exact", "near"] = setting("exact", "Same means")
    """exact: the same but for case and blanks; near: nearly the same words, by MinHash."""

    threshold: float = setting(
        0.85, "Similarity", "Finds reworded copies, seldom two texts on one topic.", ge=0.5, le=1
    )
    """With near: the share of common word groups (Jaccard) from which two texts count as the same."""


class DropConflicts(_Step):
    """Leave out the rows whose text occurs with different labels."""

    step: Literal["drop_conflicts"] = "drop_conflicts"
    columns: tuple[str, ...] = setting(..., "Text columns", min_length=1, max_length=2)
    """The columns with the text."""

    label: str = setting(..., "Label column", max_length=NAME)
    """The column with the label."""


class DropLeaks(Section):
    """Leave out the rows of one split whose text also is in another, so that a model is not tested on what it read."""

    step: Literal["drop_leaks"] = "drop_leaks"
    columns: tuple[str, ...] = setting(..., "Text columns", min_length=1, max_length=2)
    """The columns with the text."""

    split: str = setting("train", "Split", max_length=NAME)
    """The split that gives up rows; those it is tested on stay as they are."""

    match: Literal["exact", "near"] = setting("exact", "Same means")
    """As for duplicates."""

    threshold: float = setting(0.85, "Similarity", ge=0.5, le=1)
    """As for duplicates."""


class Subset(_Step):
    """Keep so many rows, drawn by the seed."""

    step: Literal["subset"] = "subset"
    rows: int = setting(..., "Rows", ge=1, le=10**12)
    """How many rows of each split; a split with fewer keeps all."""

    seed: int = setting(42, "Seed", ge=0, le=2**32 - 1)
    """Decides which rows."""


class Divide(Section):
    """Make splits out of one."""

    step: Literal["split"] = "split"
    split: str = setting("", "Split", max_length=NAME)
    """The split that is divided. Empty joins all splits and divides the whole."""

    parts: dict[str, float] = setting(..., "Parts", min_length=2, max_length=20)
    """Name: share of the rows. The shares add up to 1."""

    by: Literal["stratified", "random", "group", "time"] = setting("stratified", "How")
    """stratified: each part has the same proportions of a column's values; random; group: rows with the same value
    stay together; time: in the order of a column, the first part the earliest."""

    column: str | None = setting(None, "Column", max_length=NAME)
    """The column to stratify, group or order by."""

    seed: int = setting(42, "Seed", ge=0, le=2**32 - 1)
    """Decides which rows go where; not for time."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        for name, share in self.parts.items():
            if not name.strip() or len(name) > 100:
                raise ValueError(f"the part {name!r} must have a name of 1 to 100 characters")
            if not 0 < share < 1:
                raise ValueError(f"the share of {name!r} is {share:g}; it must be between 0 and 1")
        if not math.isclose(total := sum(self.parts.values()), 1, abs_tol=SHARE_SLACK):
            raise ValueError(f"the shares add up to {total:g}; they must add up to 1")
        if self.by != "random" and not self.column:
            raise ValueError(f"to split by {self.by}, name the column")
        return self


class SplitBy(Section):
    """Make splits of the values of a column that says which split a row belongs to."""

    step: Literal["split_by"] = "split_by"
    column: str = setting(..., "Column", max_length=NAME)
    """The column that names the split of each row."""

    parts: dict[str, str] = setting({}, "Splits", max_length=1000)
    """Value: name of its split. Empty knows the usual words, such as train, Dev, TEST, 学習, 検証 and テスト."""

    split: str = setting("", "Split", max_length=NAME)
    """The split that is divided. Empty joins all splits and divides the whole."""

    @field_validator("parts")
    @classmethod
    def _named(cls, parts: dict[str, str]) -> dict[str, str]:
        for value, name in parts.items():
            if not name.strip() or len(name) > 100:
                raise ValueError(f"the split of the value {value[:100]!r} must have a name of 1 to 100 characters")
        return parts


Step = Annotated[
    Filter
    | Columns
    | Rename
    | MapLabels
    | CorrectLabels
    | CleanText
    | Deduplicate
    | DropConflicts
    | DropLeaks
    | Subset
    | Divide
    | SplitBy,
    Field(discriminator="step"),
]


def dump_steps(*steps: Any) -> tuple[dict[str, Any], ...]:
    """Steps as short plain data: what differs from the defaults, and their kind."""
    return tuple({"step": s.step, **s.model_dump(mode="json", exclude_defaults=True)} for s in steps)


def limits(low: float | None, high: float | None) -> str:
    """ "from 2 to 5", "at least 2", "at most 5"."""
    if low is None or high is None:
        return f"at most {high:,g}" if low is None else f"at least {low:,g}"
    return f"{low:,g}" if low == high else f"from {low:,g} to {high:,g}"


def condition_words(condition: Condition, most: int = 3) -> str:
    """A condition as a person says it: "label is 5 stars", "text does not contain “food”"."""
    column, no = condition.column, condition.negate
    match condition.op:
        case "is":
            values = " or ".join(condition.values[:most])
            more = len(condition.values) - most
            return f"{column} is {'not ' if no else ''}{values}" + (f" or {more:,} more" if more > 0 else "")
        case "between":
            return f"{column} is {'not ' if no else ''}{limits(condition.low, condition.high)}"
        case "length":
            has = "does not have" if no else "has"
            unit = "character" if condition.low == condition.high == 1 else "characters"
            return f"{column} {has} {limits(condition.low, condition.high)} {unit}"
        case "contains":
            return f"{column} {'does not contain' if no else 'contains'} “{condition.values[0]}”"
        case "matches":
            return f"{column} {'does not match' if no else 'matches'} /{condition.values[0]}/"
        case _:
            return f"{column} is {'there' if no else 'missing'}"


def step_words(step: Any) -> str:
    """A step as a person says it, in one line."""
    where = f" in {' and '.join(step.splits)}" if getattr(step, "splits", ()) else ""
    match step:
        case Filter():
            return f"Keep rows where {' and '.join(map(condition_words, step.where))}{where}"
        case Columns():
            return f"Keep the columns {', '.join(step.keep)}"
        case Rename():
            return "Rename " + ", ".join(f"{old} to {new}" for old, new in step.names.items())
        case MapLabels():
            return f"Rename labels of {step.column}: " + ", ".join(f"{a} → {b}" for a, b in step.labels.items()) + where
        case CorrectLabels():
            done = [f"correct {step.label} of {len(step.labels):,}"] * bool(step.labels)
            done += [f"leave out {len(step.drop):,}"] * bool(step.drop)
            return f"{listed(done).capitalize()} by text{where}"
        case CleanText():
            done = ["repair the encoding"] * step.fix_encoding + ["remove control characters"] * step.remove_control
            done += ["remove HTML"] * step.remove_markup or ["nothing"] * (not done)
            return f"{listed(done).capitalize().replace('html', 'HTML')} of {', '.join(step.columns)}{where}"
        case Deduplicate():
            same = f"nearly the same ({step.threshold:.0%})" if step.match == "near" else "the same"
            return f"Keep one of the rows with {same} {', '.join(step.columns) or 'values'}{where}"
        case DropConflicts():
            return f"Drop rows whose {' and '.join(step.columns)} has different values of {step.label}{where}"
        case DropLeaks():
            same = f"nearly ({step.threshold:.0%}) " if step.match == "near" else ""
            return f"Drop rows of {step.split} whose {' and '.join(step.columns)} is {same}the same in another split"
        case SplitBy():
            named = ", ".join(f"{value} → {name}" for value, name in step.parts.items())
            return f"Make splits of the values of {step.column}" + (f": {named}" if named else "")
        case Subset():
            return f"Keep {counted(step.rows, 'row')} of each split{where}, drawn with seed {step.seed}"
        case _:
            parts = ", ".join(f"{name} {share:.0%}" for name, share in step.parts.items())
            how = {
                "stratified": f"in the same proportions of {step.column}",
                "random": "at random",
                "group": f"keeping the same {step.column} together",
                "time": f"in the order of {step.column}",
            }[step.by]
            return f"Split {step.split or 'all rows'} into {parts}, {how}"

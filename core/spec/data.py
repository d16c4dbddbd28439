"""The data section of a spec: where the examples come from, how a file is read, which examples are used."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

from core.spec.section import Section, setting
from core.spec.steps import Step


class ReadSpec(Section):
    """How to read a file. Empty fields are detected, and the detection is shown."""

    encoding: str | None = setting(None, "Encoding", "Detected from the bytes.", max_length=40)
    """The file's character encoding, such as utf-8, cp932 (Shift-JIS), euc_jp, utf-16 or latin-1."""

    delimiter: str | None = setting(None, "Delimiter", "Detected from the first lines.", min_length=1, max_length=1)
    """The one character between two columns: a comma, a tab, a semicolon or a bar."""

    quoting: bool | None = setting(None, "Quoted values", "Detected from the first lines.")
    """Whether quotes enclose values; off for files such as CoLA's, where a quote is a character like others."""

    header: bool | None = setting(None, "Header line", "Detected from the first lines.")
    """Whether the first line names the columns; without one they are named column_1, column_2 and so on."""

    records_key: str | None = setting(None, "Key of the records", "The one with the most text.", max_length=1000)
    """In a JSON file that is one object: the key under which the records are, such as data, or result.items."""

    skip_lines: int | None = setting(None, "Lines to skip", "Detected from the first lines.", ge=0, le=10_000)
    """How many lines stand above the table, such as a title or comments; 0 reads from the first line."""

    quote_character: str | None = setting(None, "Quote", "Detected from the first lines.", min_length=1, max_length=1)
    """The character that encloses values: a double quote, or a single one."""

    escape_character: str | None = setting(None, "Escape", "Detected from the first lines.", max_length=1)
    """The character before a quote or delimiter that is part of a value, usually a backslash; "" for none."""

    sheet: str | None = setting(None, "Sheet", "The first one with rows.", min_length=1, max_length=100)
    """Which sheet of an Excel workbook is read, by its name."""

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        if self.quoting is False and self.quote_character is not None:
            raise ValueError(
                f"quoted values are off but {self.quote_character!r} is to enclose them; turn them on or leave it empty"
            )
        chosen = [c for c in (self.delimiter, self.quote_character) if c]
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"{chosen[0]!r} is both delimiter and quote; choose another character for one of them")
        return self


class DataSpec(Section):
    """Where the examples come from and which of them are used."""

    source: Literal["sample", "hub", "file"] = setting("sample", "Source", "Works offline in seconds.", main=True)
    """The embedded sample, a dataset of the Hugging Face Hub, or a file or folder of yours."""

    path: str = setting("", "Dataset", main=True, max_length=1000)
    """A Hub id such as yelp_review_full, or the path of a file or folder. Empty for the sample."""

    config: str | None = setting(None, "Configuration", max_length=200)
    """The Hub dataset's configuration, such as cola for glue. Empty takes the only or default one."""

    revision: str | None = setting(None, "Revision", max_length=200)
    """The Hub dataset's branch, tag or commit. Empty takes the newest."""

    read: ReadSpec = setting(ReadSpec(), "Reading")
    """How to read a text file, where the detection is to be overruled."""

    steps: tuple[Step, ...] = setting((), "Preparation", "The data as it is.", max_length=50)
    """What is done to the dataset before it is used, one step after the other."""

    train_split: str | None = setting(None, "Training split", "train where there is one.", max_length=200)
    """The split to train on."""

    eval_split: str | None = setting(None, "Evaluation split", "validation, else test, else cut off.", max_length=200)
    """The split to evaluate on. Empty takes validation, dev or test; without any, a part of the training split."""

    validation_fraction: float = setting(
        0.1, "Share held out", "Enough to judge, little lost to training.", gt=0, le=0.5
    )
    """The share of the training split held out for evaluation when there is no evaluation split; stratified, seeded."""

    text_columns: tuple[str, ...] = setting((), "Text columns", "Guessed from the columns.", main=True, max_length=2)
    """The column with the text, or two columns for a pair of texts."""

    label_column: str | None = setting(None, "Label column", "Guessed from the columns.", main=True, max_length=1000)
    """The column with the class of each example."""

    max_train_examples: int | None = setting(None, "Training examples", "All of them.", main=True, ge=2)
    """Train on this many examples, chosen by shuffling with the seed. Empty trains on all."""

    max_eval_examples: int | None = setting(None, "Evaluation examples", "All of them.", ge=1)
    """Evaluate on this many examples, chosen by shuffling with the seed. Empty evaluates on all."""

    seed: int = setting(42, "Data seed", "The tutorial's.", ge=0, le=2**32 - 1)
    """Decides which examples are held out and which are in a subset."""

    @field_validator("text_columns")
    @classmethod
    def _differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"{names[0]!r} is named twice; a pair of texts needs two different columns")
        return names

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.source != "sample" and not self.path.strip():
            what = "a Hub id such as yelp_review_full" if self.source == "hub" else "the path of a file or folder"
            raise ValueError(f"the source is {self.source!r} but no dataset is named; give {what} in data.path")
        if self.source == "sample" and self.path:
            raise ValueError(
                f"the sample has no path, but {self.path!r} was given; leave it empty or change the source"
            )
        if self.label_column is not None and self.label_column in self.text_columns:
            raise ValueError(f"{self.label_column!r} is both text and label; choose another column for one of them")
        return self

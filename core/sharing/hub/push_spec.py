"""What a push to the Hub is made from: which model or dataset, to which repository, who may see it."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, Self

from pydantic import field_validator, model_validator

from core.hub.errors import hub_id_problem, revision_problem
from core.spec.run import DataSpec
from core.spec.section import Section, setting

MOST_CARD = 500_000  # characters


def repo_name(title: str) -> str:
    """A name for a repository, made of a run's: "Sample reviews · scratch" becomes sample-reviews-scratch."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "my-model"


class PushSpec(Section):
    """A model with its card, or a prepared dataset, as a repository on the Hub."""

    run: str = setting("", "Run", max_length=40)
    """The id of the training run whose model goes out, or on whose data the dataset is. Empty for a dataset alone."""

    attempt: int = setting(0, "Attempt", ge=0, le=1_000_000)
    """Which attempt of the run left the model: one that is resumed leaves another one."""

    what: Literal["model", "dataset"] = setting("model", "What")
    """The run's model, or the dataset that it was trained on."""

    repo_id: str = setting(..., "Repository", max_length=200)
    """Where it goes: owner/name, the owner being you or an organization of yours."""

    private: bool = setting(True, "Private", "Whether others may see it is decided, not forgotten.")
    """Only you and those whom you let in see a private repository."""

    branch: str | None = setting(None, "Branch", "main", max_length=200)
    """The branch of the repository; made if it is not there. Empty for main."""

    message: str = setting("", "Commit message", max_length=200)
    """One line for the repository's history."""

    update: bool = setting(False, "Update", "What is there is not overwritten by mistake.")
    """Replace what a repository of this name holds already."""

    card: str = setting("", "Card", max_length=MOST_CARD)
    """The text of README.md, with its metadata. Empty makes a short one of a dataset, and leaves a model's as it is."""

    data: DataSpec | None = setting(None, "Data")
    """The dataset. Empty for the one that the run was trained on."""

    splits: tuple[str, ...] = setting((), "Splits", "All but final tests.", max_length=100)
    """The splits that go out."""

    columns: tuple[str, ...] = setting((), "Columns", "The texts and the label.", max_length=200)
    """The columns that go out."""

    licence: str = setting("", "Licence", max_length=60)
    """The dataset's licence as the Hub calls it, such as cc-by-4.0."""

    language: str = setting("", "Language", max_length=60)
    """The dataset's language as a code, such as en; several with commas."""

    with_texts: bool = setting(False, "Texts may be published")
    """That whoever pushes may hand on the texts of the dataset. Without it no dataset goes out."""

    final_tests: bool = setting(False, "Final tests too")
    """Also splits that are set aside as final tests: texts that models may find on the Hub test nothing any more."""

    @field_validator("repo_id")
    @classmethod
    def _repository(cls, name: str) -> str:
        if problem := hub_id_problem(name):
            raise ValueError(problem)
        if "/" not in name:
            raise ValueError(f"{name!r} has no owner; give owner/name, such as your-name/{name}")
        return name

    @field_validator("branch")
    @classmethod
    def _revision(cls, branch: str | None) -> str | None:
        if problem := revision_problem(branch):
            raise ValueError(problem)
        return branch

    @field_validator("licence")
    @classmethod
    def _licence(cls, licence: str) -> str:
        if licence and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", licence):
            raise ValueError(f"{licence!r} is no licence's name on the Hub; give one such as mit, cc-by-4.0 or other")
        return licence

    @field_validator("language")
    @classmethod
    def _language(cls, language: str) -> str:
        if language and not re.fullmatch(
            r"[a-z]{2,8}(-[A-Za-z0-9]{2,8})*( *, *[a-z]{2,8}(-[A-Za-z0-9]{2,8})*)*", language
        ):
            raise ValueError(f"{language!r} is no language code; give one such as en, or several with commas")
        return language

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.what == "model" and not self.run:
            raise ValueError("name the run whose model is to go out")
        if self.what == "dataset" and not self.run and self.data is None:
            raise ValueError("name a run or a dataset")
        if self.what == "dataset" and not self.with_texts:
            raise ValueError(
                "a dataset goes out with its texts; confirm that you may publish them (with_texts), or push the model"
            )
        return self

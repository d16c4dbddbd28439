"""The spec of a push to the Hub: which model or dataset goes to which repository, and who may see it."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, Self

from pydantic import field_validator, model_validator

from core.hub.errors import hub_id_problem, revision_problem
from core.spec.data import DataSpec
from core.spec.section import Section, setting

MOST_CARD = 500_000  # characters


def repo_name(title: str) -> str:
    """A repository name from a run's name: "Sample reviews · scratch" becomes sample-reviews-scratch."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "my-model"


class PushSpec(Section):
    """A model with its card, or a prepared dataset, as a repository on the Hub."""

    run: str = setting("", "Run", max_length=40)
    """The id of the training run whose model or dataset is pushed. Empty for a dataset without a run."""

    attempt: int = setting(0, "Attempt", ge=0, le=1_000_000)
    """The attempt of the run that trained the model; a resumed run trains a new one."""

    what: Literal["model", "dataset"] = setting("model", "What")
    """Push the run's model, or the dataset that it was trained on."""

    repo_id: str = setting(..., "Repository", max_length=200)
    """The repository as owner/name; the owner is you or one of your organizations."""

    private: bool = setting(True, "Private", "Publishing is a decision, never an oversight.")
    """Only you and the people whom you admit can see a private repository."""

    branch: str | None = setting(None, "Branch", "main", max_length=200)
    """The branch of the repository; created if it does not exist. Empty for main."""

    message: str = setting("", "Commit message", max_length=200)
    """One line for the repository's history."""

    update: bool = setting(False, "Update", "Existing files are not overwritten by mistake.")
    """Replace the files of an existing repository with this name."""

    card: str = setting("", "Card", max_length=MOST_CARD)
    """The text of README.md with its metadata. Empty: a dataset gets a short card, a model keeps its own."""

    data: DataSpec | None = setting(None, "Data")
    """The dataset to push. Empty for the one that the run was trained on."""

    splits: tuple[str, ...] = setting((), "Splits", "All except final tests.", max_length=100)
    """The splits to push."""

    columns: tuple[str, ...] = setting((), "Columns", "The texts and the label.", max_length=200)
    """The columns to push."""

    licence: str = setting("", "Licence", max_length=60)
    """The Hub's name of the dataset's licence, such as cc-by-4.0."""

    language: str = setting("", "Language", max_length=60)
    """The code of the dataset's language, such as en; several are separated by commas."""

    with_texts: bool = setting(False, "Texts may be published")
    """Confirms that you may publish the texts of the dataset. Without it no dataset is pushed."""

    final_tests: bool = setting(False, "Final tests too")
    """Also push splits that are set aside as final tests. Once public, other models may be trained on them."""

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
            raise ValueError(f"{licence!r} is not a licence name of the Hub; give one such as mit, cc-by-4.0 or other")
        return licence

    @field_validator("language")
    @classmethod
    def _language(cls, language: str) -> str:
        if language and not re.fullmatch(
            r"[a-z]{2,8}(-[A-Za-z0-9]{2,8})*( *, *[a-z]{2,8}(-[A-Za-z0-9]{2,8})*)*", language
        ):
            raise ValueError(f"{language!r} is not a language code; give one such as en, or several with commas")
        return language

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.what == "model" and not self.run:
            raise ValueError("a model needs its run; name the run whose model you want to push")
        if self.what == "dataset" and not self.run and self.data is None:
            raise ValueError("there is neither a run nor a dataset; name one of them")
        if self.what == "dataset" and not self.with_texts:
            raise ValueError(
                "a dataset is pushed with its texts; confirm that you may publish them (with_texts), or push the model"
            )
        return self

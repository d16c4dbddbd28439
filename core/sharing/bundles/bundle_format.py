"""What a result bundle is: version 3, as models that both sides hold it to.

    bundle.json                    Manifest: the records of the runs, and each file's size and SHA-256
    README.md report.html report.md  for people; never read again
    runs/<id>/…                    what the result pages read, see FILES

One bundle is one training run, with the evaluations of its model, their robustness checks and comparisons. Nothing in
it is a pickle, a model's weights, a log or, unless it was asked for, a text of the dataset.

Version 2 has advice with its id and arguments, where version 1 had sentences; version 3 has lists among the arguments
of a sentence, and settings that were left open. All are read. Raise VERSION whenever a Tunedeck of the version before
would refuse a file: only so does it say that it is the older one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from core.errors import DataError
from core.store import summaries
from core.store.json_models import Count, Name
from core.wording import library_message

FORMAT: Literal["tunedeck-bundle"] = "tunedeck-bundle"
VERSION = 3
MANIFEST = "bundle.json"
FOR_PEOPLE = ("README.md", "report.html", "report.md")
FILES: dict[str, tuple[str, ...]] = {
    "train": ("spec.yaml", "environment.json", "report.json", "predictions.parquet", "metrics.parquet", "events.json"),
    "evaluate": ("evaluation.json", "predictions.parquet", "robustness.json", "examples.parquet"),
    "compare": ("comparison.json",),
}
MOST_FILES, MOST_RUNS = 2000, 500
MOST_ERROR = 5000  # characters of what a run ended with
MOST_JSON_BYTES = 256 * 1024**2

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{4,40}$")]
Time = Annotated[float, Field(ge=0, le=1e11)]


class Strict(BaseModel):
    """No field too many."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Summary(summaries.Summary):
    """What lists show of a run that ended; no field too many."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Record(Strict):
    """A run as the store has it, without whose it was and where it worked. Times: seconds since 1970"""

    id: Id
    kind: Literal["train", "evaluate", "compare"]
    name: Name
    status: Literal["finished", "stopped", "failed", "lost"]
    spec: dict[str, Any]
    created: Time
    started: Time | None
    ended: Time | None
    attempt: Annotated[int, Field(ge=0, le=1_000_000)]
    step: Count
    total: Count
    epoch: float | None
    error: Annotated[str, StringConstraints(max_length=MOST_ERROR)] | None
    summary: Summary


class FileEntry(Strict):
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: Count


class Manifest(Strict):
    """runs: the training run first; texts: whether texts of the dataset are in it"""

    format: Literal["tunedeck-bundle"] = FORMAT
    version: Annotated[int, Field(ge=1)] = VERSION
    tunedeck: Name
    created: Time
    texts: bool
    runs: Annotated[tuple[Record, ...], Field(min_length=1, max_length=MOST_RUNS)]
    files: Annotated[dict[str, FileEntry], Field(max_length=MOST_FILES)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        trained, *others = self.runs
        if trained.kind != "train" or any(run.kind == "train" for run in others):
            raise ValueError("the first run, and no other, must be a training run")
        if len({run.id for run in self.runs}) < len(self.runs):
            raise ValueError("two runs have the same id")
        allowed = {f"runs/{run.id}/{name}" for run in self.runs for name in FILES[run.kind]} | set(FOR_PEOPLE)
        if stray := sorted(set(self.files) - allowed):
            raise ValueError(f"{stray[0][:120]!r} is no file of a bundle")
        return self

    @property
    def trained(self) -> Record:
        return self.runs[0]


def parse_manifest(text: str, name: str) -> Manifest:
    """Raises DataError for what is no bundle, is of a newer version, or breaks the format."""
    tree = parse_json(text, name)
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise DataError.of(
            "not-a-bundle",
            "{bundle} is not a result bundle of Tunedeck; make one on the Share page, or with `export`",
            bundle=name,
        )
    version = tree.get("version")
    if isinstance(version, int) and version > VERSION:
        raise DataError.of(
            "bundle-is-newer",
            "{bundle} was made by a newer Tunedeck (format {version}, here {here}); update this one",
            bundle=name,
            version=version,
            here=VERSION,
        )
    try:
        return Manifest.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise DataError.of(
            "bundle-not-valid",
            "{bundle} is not a valid bundle: {problem}; export the run again",
            bundle=name,
            problem=first_problem(error),
        ) from None


def parse_json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError.of(
            "bundle-json-unreadable",
            "{bundle} holds JSON that cannot be read ({reason}); export the run again",
            bundle=name,
            reason=str(error)[:80],
        ) from None


def read_json(path: Path, name: str) -> Any:
    if path.stat().st_size > MOST_JSON_BYTES:
        raise DataError.of(
            "bundle-json-too-large",
            "{bundle} holds a {file} of over {most:,.0f} MB; export the run again",
            bundle=name,
            file=path.name,
            most=MOST_JSON_BYTES / 1024**2,
        )
    try:
        return parse_json(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError:
        raise DataError.of(
            "bundle-json-not-utf8",
            "{bundle} holds a {file} that is not UTF-8; export the run again",
            bundle=name,
            file=path.name,
        ) from None


def first_line(error: BaseException) -> str:
    """The beginning of what a library said, without the place where a file lies."""
    return library_message(error).split("'/")[0][:80]


def first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:80]
    return f"{place}: {first['msg']}"[:200] if place else str(first["msg"])[:200]

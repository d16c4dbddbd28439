"""What the command line is given: specs, cards, models and datasets as a person names them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from core.cli.work import say
from core.data.reading.files import DATA_SUFFIXES, base_suffix
from core.errors import DataError, HubError, ModelError, RunNotFound, TunedeckError
from core.models import folder as model_folder
from core.models import names as models
from core.settings import Settings, allowed_path
from core.spec import run as specs
from core.store import files as results
from core.store.store import Store

PACKED = {".gz", ".zip", ".bz2", ".xz", ".tar", ".tgz", ".xlsx", ".arrow", ".feather"}


def read_spec(path: str, settings: Settings) -> specs.RunSpec:
    """A training's spec from a YAML file, or from standard input. Raises SpecError, TunedeckError."""
    if path == "-":
        return specs.from_yaml(sys.stdin.read(specs.MAX_SPEC_CHARACTERS + 1))
    file = allowed_path(settings, path)
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return specs.from_yaml(stream.read(specs.MAX_SPEC_CHARACTERS + 1))
    except FileNotFoundError:
        raise TunedeckError.of(
            "no-spec-file", "There is no file {path!r}; give the path of a YAML spec.", path=path
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise TunedeckError.of(
            "spec-unreadable", "{path!r} cannot be read as a spec: {reason}.", path=path, reason=why
        ) from None


def read_card(path: str | None, settings: Settings) -> str:
    """The text of a card. Raises TunedeckError."""
    if path is None:
        return ""
    try:
        return allowed_path(settings, path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise TunedeckError.of(
            "card-unreadable",
            "{path!r} cannot be read as a card: {reason}; give a Markdown file",
            path=path,
            reason=why,
        ) from None


def subject(model: str, store: Store, settings: Settings) -> dict[str, Any]:
    """What a person means by a model: a run's id, else a folder, else a Hub id. Raises ModelError, PathError."""
    try:
        run = store.run(model)
    except RunNotFound:
        pass
    else:
        if results.model_folder(settings.run_dir(run.id)) is None:
            raise ModelError.of(
                "run-without-model", "the run {run!r} left no model; choose one that has finished", run=run.name
            )
        return {"run": run.id, "attempt": run.attempt}
    if _is_path(model) or models.kind_of(model, settings) == "folder":
        model_folder.check_folder(models.folder_of(model, settings), name=model)
        return {"name": str(Path(model).expanduser().absolute())}
    if models.kind_of(model, settings) == "hub":
        say(f"There is no run {model!r} and no such folder, so it is taken for a model of the Hub.")
    return {"name": model}


def dataset(path: str, config: str | None, texts: list[str], label: str | None) -> dict[str, Any]:
    """What a person means by a dataset: the sample, a file or folder, else a Hub id. Raises DataError for a path to
    nothing.
    """
    place = Path(path).expanduser()
    if path == "sample":
        source, path = "sample", ""
    elif exists(place):
        source, path = "file", str(place.absolute())
    elif _is_path(path):
        raise DataError.of(
            "no-such-file", "there is no file or folder {path!r}; check the spelling", "data.path", path=path
        )
    else:
        source = "hub"
        say(f"There is no file or folder {path!r}, so it is taken for a dataset of the Hub.")
    return {"source": source, "path": path, "config": config, "text_columns": texts, "label_column": label}


def exists(place: Path) -> bool:
    """Whether there is a file or folder; False for text that no path can be."""
    try:
        return place.exists()
    except (OSError, ValueError):  # too long, or with a character that no path has
        return False


def _is_path(text: str) -> bool:
    """Whether what is not there can only be meant as a path: a Hub id has one slash at most, no data suffix, and no
    folder here by the name of its owner.
    """
    first, slash, _ = text.partition("/")
    return bool(
        models.PATH_START.match(text)
        or text.count("/") > 1
        or "\\" in text
        or base_suffix(Path(text)) in DATA_SUFFIXES
        or Path(text).suffix.lower() in PACKED
        or (slash and exists(Path(first)))
    )


def progress() -> Any:
    """A progress callback that says each new phase."""
    last = ""

    def phase(text: str, share: float | None) -> None:
        nonlocal last
        if text != last:
            last = text
            say(text)

    return phase


def with_path(error: HubError, path: str) -> str:
    """What the Hub said of a dataset that may have been meant as a path."""
    return f"{str(error).rstrip('.')}; nor is there a file or folder {path!r} here"

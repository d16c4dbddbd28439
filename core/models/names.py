"""Resolves the names of models: what a name means, where the model is, and what is known of it without loading it.

Pages use this module, so it imports nothing heavy. `core.models.folder` checks a folder, `core.models.loading` loads
it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from core.errors import ModelError, PathError
from core.messages import Message
from core.models.catalogue import BY_NAME, CATALOGUE, MANY
from core.models.folder import check_folder, model_type, opening, position_limit, read_config
from core.settings import Settings, allowed_path, begins_with_root
from core.spec.model import ModelSpec
from core.wording import language_name

Kind = Literal["scratch", "folder", "hub"]
SMALL = 80_000_000  # weights that every token passes through


def suited(language: str) -> str:
    """Returns a small pretrained model that knows a language. language: its code, empty if unknown"""
    own = [entry for entry in CATALOGUE if entry.language == language]
    known = own or [entry for entry in CATALOGUE if entry.language == MANY]
    small = [entry for entry in known if entry.shape.weights < SMALL] or known
    return max(small, key=lambda entry: entry.strength).name


def only_language(name: str) -> str:
    """Returns the only language of a model of the catalogue; empty for other models and for several languages."""
    entry = BY_NAME.get(name)
    return "" if entry is None or entry.language == MANY else entry.language


def foreign_to(name: str, language: str) -> str:
    """Returns a warning, without its subject, if a model does not know the language of most texts; else empty."""
    known = only_language(name)
    if not known or not language or known == language:
        return ""
    return f"knows {language_name(known)} only, and most texts look {language_name(language)}; try {suited(language)}"


HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
RUN_ID = re.compile(r"[0-9a-f]{8,40}")
PATH_START = re.compile(r"[.~/\\]|[A-Za-z]:[\\/]")


def kind_of(name: str, settings: Settings | None = None) -> Kind:
    """Returns what a name means: scratch, a folder here, or a Hub id. Raises ModelError if it cannot be any of them.

    settings: of a server, on which the names of its roots stand for their paths: models/ours is no Hub id there
    """
    if name == "scratch":
        return "scratch"
    if settings is not None and begins_with_root(settings, name):
        return "folder"
    if PATH_START.match(name) or os.path.exists(name):  # noqa: PTH110 - a Path raises for malformed names
        return "folder"
    if HUB_NAME.fullmatch(name) and ".." not in name and "--" not in name:
        return "hub"
    raise ModelError.of(
        "not-a-model",
        "{name!r} is not a model: give scratch, a folder, or a Hub id such as google-bert/bert-base-cased",
        name=name[:100],
    )


def ignore(message: Message) -> None:
    """A `note` callback that does nothing."""


def fetch(
    model: ModelSpec,
    settings: Settings,
    progress: Callable[[str, float | None], None],
    note: Callable[[Message], None] = ignore,
) -> Path | None:
    """Returns the local folder of a pretrained model, after a download if needed; None for scratch.

    note: gets a sentence if the Hub does not answer and an earlier download is used.
    Raises ModelError, HubError or PathError.
    """
    match kind_of(model.name, settings):
        case "scratch":
            return None
        case "folder":
            folder = folder_of(model.name, settings)
        case "hub":
            from core.hub import download as hub

            check_no_run(model.name, settings)
            folder = hub.fetch_model(model.name, model.revision, progress, note)
    check_folder(folder, model.max_length, model.name)
    return folder


def check_no_run(name: str, settings: Settings) -> None:
    """Raises ModelError for the id of a run, which looks like a Hub id."""
    if RUN_ID.fullmatch(name) and (settings.run_dir(name) / "model" / "config.json").is_file():
        raise ModelError.of(
            "model-is-run-id",
            "{name} is the id of a run; to train its model further, give the folder of its model: {folder}",
            name=name,
            folder=settings.run_dir(name) / "model",
        )


def folder_of(name: str, settings: Settings) -> Path:
    """Returns the path of a model that is a folder, without checking that it exists. Raises ModelError, PathError.

    In team mode everybody may use the models of all runs.
    """
    with opening(name):
        if settings.mode == "team":
            path = Path(name).resolve()
            inside = (
                path.relative_to(runs).parts if path.is_relative_to(runs := settings.home.resolve() / "runs") else ()
            )
            if inside[1:] == ("model",):
                return path
        return allowed_path(settings, name)


def known_type(name: str, revision: str | None, settings: Settings) -> str | None:
    """Returns the `model_type` of a model in a spec, if it is known without the network; else None."""
    try:
        match kind_of(name, settings):
            case "scratch":
                return model_type(None)
            case "folder":
                folder = folder_of(name, settings)
                check_folder(folder)
                return model_type(folder)
            case "hub":
                from core.hub import download as hub

                config = hub.cached_file(name, "config.json", revision)
                if config is not None:
                    return model_type(config.parent)
                return BY_NAME[name].model_type if name in BY_NAME and revision is None else None
    except (ModelError, PathError):
        return None


def known_folder(name: str, revision: str | None, settings: Settings) -> Path | None:
    """Returns the folder of a model if it is on this machine; no network. Raises ModelError, PathError."""
    match kind_of(name, settings):
        case "folder":
            return folder_of(name, settings)
        case "hub":
            from core.hub import download as hub

            config = hub.cached_file(name, "config.json", revision)
            return config.parent if config else None
        case _:
            return None


def known_limit(model: ModelSpec, settings: Settings) -> int | None:
    """Returns the most tokens that a model can take, if it has a limit that is known without the network; else None."""
    try:
        match kind_of(model.name, settings):
            case "folder":
                return position_limit(read_config(folder_of(model.name, settings)))
            case "hub":
                from core.hub import download as hub

                path = hub.cached_file(model.name, "config.json", model.revision)
                return position_limit(read_config(path.parent)) if path else None
    except (ModelError, PathError):
        pass
    return None


def tokenizer_json(model: ModelSpec, settings: Settings) -> Path | None:
    """Returns the model's `tokenizer.json` if it is on this machine, for the `tokenizers` library; no network.

    None for scratch, whose tokenizer comes from the data, and for a model without the file or not downloaded yet.
    Raises ModelError or PathError.
    """
    match kind_of(model.name, settings):
        case "scratch":
            return None
        case "folder":
            path = folder_of(model.name, settings) / "tokenizer.json"
            with opening(model.name):
                return path if path.is_file() else None
        case "hub":
            from core.hub import download as hub

            return hub.cached_file(model.name, "tokenizer.json", model.revision)

"""The models that this machine has already: in the Hub's cache, and in folders that the operator names.

They are described by the same facts as the catalogue's, read from config.json, the card and the header of the weights.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import ModelError, PathError, SpecError
from core.hub import download as hub
from core.models import catalogue
from core.models.catalogue import BY_NAME, MANY, Entry, Shape
from core.models.files import nested_models, weight_files
from core.models.folder import check_folder, position_limit, read_config
from core.settings import Settings
from core.spec.yaml_text import read_yaml

MOST_FOLDERS = 100  # of a folder that the operator names
CARD_BYTES = 16_384
MOST_WIDE, MOST_DIMENSIONS = 10_000_000, 4
WEIGHTS_PER_BYTE = 2  # at most
# Encoders, whose output on a whole text a classifier can stand on.
ENCODERS = {
    "albert", "bert", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2", "distilbert",
    "electra", "ernie", "eurobert", "ibert", "luke", "megatron-bert", "mobilebert", "modernbert", "mpnet", "rembert",
    "roberta", "roberta-prelayernorm", "roformer", "squeezebert", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
FINISHED = re.compile(r"For(SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice)\b")


class AtHand(NamedTuple):
    """entry: its facts, under the name that a spec gives it; folder: where it is
    general: whether it is an encoder that was not yet trained for one task
    """

    entry: Entry
    folder: Path
    general: bool


def at_hand(settings: Settings) -> list[AtHand]:
    """Lists the models of this machine that can be trained. No network, and no weights are read."""
    models = []
    for name, folder in [*_cached(), *_named(settings)]:
        try:
            check_folder(folder, name=name)
            models.append(describe(folder, name))
        except (ModelError, PathError, OSError):
            continue  # incomplete, pickled, or not a model: a person who names it is told why
    return models


def describe(folder: Path, name: str) -> AtHand:
    """Reads the facts of a checked folder. Raises ModelError, OSError."""
    config = read_config(folder)
    kind = str(config["model_type"])
    general = kind in ENCODERS and not FINISHED.search(str(config.get("architectures"))[:1000])
    if (known := BY_NAME.get(name)) is not None:
        return AtHand(known, folder, general)
    weights = weight_files(folder)
    shape = _shape(config, kind)
    language, licence = _card(folder)
    entry = Entry(
        name=name,
        model_type=kind,
        language=language,
        parameters=sum(map(_parameters, weights)),
        shape=shape,
        longest=position_limit(config),
        size=sum(path.stat().st_size for path in weights),
        licence=licence,
        strength=catalogue.strength_of(shape.weights),
    )
    return AtHand(entry, folder, general)


def _cached() -> Iterator[tuple[str, Path]]:
    for name in hub.cached_models():
        if (config := hub.cached_file(name, "config.json")) is not None:
            yield name, config.parent


def _named(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Models in the roots. On a server people see and write a root's name in place of its path."""
    for root in settings.roots:
        for folder in [root, *nested_models(root)][:MOST_FOLDERS]:
            if (folder / "config.json").is_file():
                inner = folder.relative_to(root)
                yield str(folder) if settings.mode == "local" else f"{root.name}/{inner.as_posix()}", folder


def _shape(config: dict[str, Any], kind: str) -> Shape:
    def first(*names: str) -> int:
        return next((config[n] for n in names if isinstance(config.get(n), int) and 0 < config[n] <= MOST_WIDE), 0)

    hidden = first("hidden_size", "dim", "d_model", "n_embd")
    inner = first("intermediate_size", "hidden_dim", "n_inner") or 4 * hidden
    return Shape(hidden, inner, first("num_hidden_layers", "n_layers", "n_layer"), kind in catalogue.GATED)


def _parameters(path: Path) -> int:
    """Counts the weights of a file that `check_folder` has accepted, from its header; 0 if its shapes make no sense."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    shapes = [tensor.get("shape") for name, tensor in header.items() if name != "__metadata__"]
    count = sum(map(math.prod, shapes)) if all(map(_is_shape, shapes)) else 0
    return count if count <= WEIGHTS_PER_BYTE * path.stat().st_size else 0


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) <= MOST_DIMENSIONS
        and all(isinstance(extent, int) and 0 <= extent <= MOST_WIDE for extent in shape)
    )


def _card(folder: Path) -> tuple[str, str]:
    """Returns the language (its code, MANY, or empty) and the licence (empty if unknown) from the card's metadata."""
    card = folder / "README.md"
    if not card.is_file():  # none, or a pipe, which would be waited for
        return "", ""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            text = file.read(CARD_BYTES)
        parts = text.split("---\n", 2)
        metadata = read_yaml(parts[1]) if len(parts) == 3 and not parts[0].strip() else {}
    except (OSError, SpecError):
        return "", ""
    if not isinstance(metadata, dict):
        return "", ""
    languages = metadata.get("language")
    codes = languages if isinstance(languages, list) else [languages]
    known = [code for code in codes if isinstance(code, str) and re.fullmatch(r"[a-z]{2,3}", code)]
    language = MANY if len(known) > 1 or known in (["mul"], ["multilingual"]) else "".join(known)
    licence = metadata.get("license")
    return language, licence if isinstance(licence, str) and re.fullmatch(r"[\w.+-]{1,40}", licence) else ""

"""Checks that a folder holds a model that can be trained here, by its file names and small JSON files alone.

The folder may come from anyone, so it is checked before any library opens it: it may have no pickled weights, no code
of its own, no names of files elsewhere, and no sizes that fill the memory. No heavy library is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.messages import Message
from core.models.files import check_tokenizer, check_weights, nested_models, read_json
from core.wording import library_message

ATTENTION = ("attn_implementation", "_attn_implementation")
# Models whose first position is the padding id plus one, so that the rows before it are not used.
OFFSET_POSITIONS = {
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "mpnet",
    "longformer", "luke", "ibert", "xmod",
}  # fmt: skip
# Types that transformers knows, even if a repository has code of its own for them; that code is not run.
KNOWN_TYPES = OFFSET_POSITIONS | {
    "albert", "bert", "big_bird", "bloom", "convbert", "deberta", "deberta-v2", "distilbert", "electra", "ernie",
    "eurobert", "gpt2", "llama", "megatron-bert", "mistral", "mobilebert", "modernbert", "nomic_bert", "opt", "qwen2",
    "qwen3", "rembert", "roformer", "squeezebert", "xlm",
}  # fmt: skip
# Types that divide a text into a fixed number of parts, or have positions for one length only.
ONE_WIDTH = {"nystromformer", "reformer"}
# Limits above those of any model that can be trained on one machine.
MOST = {
    "num_hidden_layers": 1000, "n_layer": 1000, "n_layers": 1000, "num_layers": 1000, "hidden_size": 100_000,
    "n_embd": 100_000, "dim": 100_000, "d_model": 100_000, "intermediate_size": 1_000_000, "vocab_size": 10_000_000,
    "num_labels": 1_000_000,
}  # fmt: skip
NO_LIMIT = 1_000_000  # a tokenizer or config with more positions than this has no limit


def check_folder(folder: Path, max_length: int | None = None, name: str = "") -> None:
    """Raises ModelError unless `folder` holds a model that can be trained here.

    max_length: tokens per text, checked against the model's limit; name: of the model in messages, if not the folder's
    """
    if os.path.isfile(folder):  # noqa: PTH113 - a Path raises for malformed names
        raise ModelError.of(
            "model-path-is-file",
            "{path} is a file, not a folder; give the folder that has config.json and model.safetensors in it",
            path=folder,
        )
    if not os.path.isdir(folder):  # noqa: PTH112
        raise ModelError.of(
            "model-path-not-folder",
            "{path} is not a folder; give the folder that has config.json and model.safetensors in it",
            path=folder,
        )
    with opening(folder):
        _check_contents(folder, max_length, name or folder.name)


def _check_contents(folder: Path, max_length: int | None, name: str) -> None:
    config = read_config(folder)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError.of(
            "config-without-model-type",
            "config.json in {folder} names no model_type; save the model again with save_pretrained",
            folder=folder,
        )
    if "auto_map" in config and kind not in KNOWN_TYPES:
        raise ModelError.of(
            "model-needs-code",
            "{name} needs code of its own to load (auto_map), which is not run here; use another model",
            name=name,
        )
    if config.get("is_encoder_decoder"):
        raise ModelError.of(
            "model-is-encoder-decoder",
            "{name} is an encoder-decoder ({kind}), which cannot classify texts here; use an encoder",
            name=name,
            kind=kind,
        )
    if kernel := _foreign_attention(config):
        raise ModelError.of(
            "model-wants-hub-kernel",
            "{name} wants to compute with code from the Hub (attn_implementation {kernel!r}), which is "
            "not run here; remove that line from its config.json",
            name=name,
            kernel=kernel[:100],
        )
    table = config.get("id2label")
    if table is not None and not (isinstance(table, dict) and all(key.isdecimal() and len(key) < 8 for key in table)):
        raise ModelError.of(
            "config-id2label-unreadable",
            "config.json of {name} has an id2label that cannot be read; it has to name the classes by "
            'their numbers, as in {{"0": "bad", "1": "good"}}',
            name=name,
        )
    if kind in ONE_WIDTH:
        raise ModelError.of(
            "model-fixed-length",
            "{name} is a {kind}, which takes texts of one fixed length only; use another model",
            name=name,
            kind=kind,
        )
    if config.get("quantization_config"):
        raise ModelError.of(
            "model-quantised",
            "{name} has quantised weights (quantization_config in its config.json), which cannot be "
            "trained; take the original model",
            name=name,
        )
    _check_size(config, name)
    check_weights(folder)
    check_tokenizer(folder, name)
    limit = position_limit(config)
    if max_length is not None and limit is not None and max_length > limit:
        raise ModelError.of(
            "longest-text-above-limit",
            "the longest text is set to {tokens:,} tokens, but {name} takes at most {most:,}; set "
            "model.max_length to {most} or less",
            tokens=max_length,
            name=name,
            most=limit,
        )


def position_limit(config: dict[str, Any]) -> int | None:
    """Returns the most tokens that a model with this config.json can take; None if it names no limit."""
    names = ("max_position_embeddings", "n_positions", "max_seq_len")
    limit = next((config[n] for n in names if type(config.get(n)) is int), None)  # a bool is an int to isinstance
    if limit is None or not 0 < limit < NO_LIMIT:
        return None
    if config.get("model_type") in OFFSET_POSITIONS:
        padding = config.get("pad_token_id")
        return limit - (padding if isinstance(padding, int) and padding else 1) - 1
    return limit


def model_type(folder: Path | None) -> str:
    """Returns the `model_type` of a checked folder; for None (scratch), that of our new models."""
    return "bert" if folder is None else str(read_config(folder)["model_type"])


def read_config(folder: Path) -> dict[str, Any]:
    """Reads the folder's config.json. Raises ModelError if it is missing or cannot be read."""
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(_without_config(folder))
    return read_json(path)


def _without_config(folder: Path) -> Message:
    """Explains what a folder without config.json is, and the fix."""
    if (folder / "adapter_config.json").is_file():
        return Message.of(
            "folder-holds-adapter",
            "{folder} holds an adapter, not a whole model; merge it into its base model first",
            folder=folder,
        )
    if inner := nested_models(folder):
        return Message.of(
            "config-in-inner-folder",
            "{folder} has no config.json; the model in it lies in {relative}, so give {inner}",
            folder=folder,
            relative=inner[0].relative_to(folder),
            inner=inner[0],
        )
    if gguf := next(iter(sorted(folder.glob("*.gguf"))), None):
        return Message.of(
            "folder-holds-gguf",
            "{folder} holds weights for llama.cpp ({gguf}, GGUF), which are not trained here; take "
            "the original model with config.json and model.safetensors",
            folder=folder,
            gguf=gguf.name,
        )
    return Message.of(
        "folder-without-config",
        "{folder} has no config.json, so it is not a model; give the folder that save_pretrained wrote",
        folder=folder,
    )


def _check_size(config: dict[str, Any], name: str) -> None:
    """Raises ModelError for numbers that would fill the memory, as layers are built before weights are read."""
    for field, most in MOST.items():
        value = config.get(field)
        if isinstance(value, int | float) and not 0 <= value <= most:
            raise ModelError.of(
                "config-value-too-large",
                "config.json of {name} has {field} {value}; the most that is loaded here is {most:,}",
                name=name,
                field=field,
                value=str(value)[:20],
                most=most,
            )


def _foreign_attention(tree: Any) -> str:
    """Returns the repository whose code a config asks for as attention, at any depth; empty if there is none."""
    if isinstance(tree, list):
        return next(filter(None, map(_foreign_attention, tree)), "")
    if not isinstance(tree, dict):
        return ""
    for key, value in tree.items():
        choices = value.values() if isinstance(value, dict) else [value]
        if key in ATTENTION and (kernel := next((v for v in choices if isinstance(v, str) and "/" in v), "")):
            return kernel
        if kernel := _foreign_attention(value):
            return kernel
    return ""


@contextmanager
def opening(name: object) -> Iterator[None]:
    """Turns the system's errors about a path into a ModelError: too long, a zero byte, not readable, unknown user."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError.of(
            "model-folder-not-opened",
            "{name!r} cannot be opened ({reason}); check the path and its permissions",
            name=str(name)[:200],
            reason=library_message(error),
        ) from None

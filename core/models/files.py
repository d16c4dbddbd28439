"""Checks the files of a model's folder, JSON, weights and tokenizer, by their names, first bytes and sizes alone.

Incomplete downloads, Git LFS pointers, web pages in place of files, and weights in other formats are reported, each
in a sentence with the fix, before a library opens them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from core import strange_files
from core.errors import ModelError
from core.messages import Message
from core.models import tokenizer_rules
from core.wording import library_message, listed, size

TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model",
    "tokenizer.model", "spm.model",
)  # fmt: skip
# Tokenizers of characters or bytes, which have no vocabulary file.
WITHOUT_FILE = {"CanineTokenizer", "PerceiverTokenizer", "ByT5Tokenizer"}
# Packages that transformers imports only when it builds such a tokenizer.
WORD_SPLITTERS = {"mecab": "fugashi", "sudachi": "sudachipy", "jumanpp": "rhoknp"}
DICTIONARIES = {"unidic_lite": "unidic-lite", "ipadic": "ipadic", "unidic": "unidic"}
PACKAGES = {"XLMTokenizer": "sacremoses", "FlaubertTokenizer": "sacremoses", "RoFormerTokenizer": "rjieba"}
TOKENIZER_JSON = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
# Settings that a tokenizer may not have: the library takes a string there for a path and reads that file, wherever it
# is. `save_pretrained` never writes them.
READS_FILES = ("vocab", "merges", "init_inputs", "tokenizer_object", "slow_tokenizer", "gguf_file")
LARGEST_JSON = 16 * 1024**2  # bytes; an index of thousands of weights has a hundredth of that
LARGEST_HEADER = 16 * 1024**2  # bytes of a safetensors header, which may have 100 MB; one of 10,000 weights has 1 MB

ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
PART = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
# Weights of other libraries: pattern → their name for people.
OTHER_FORMATS = {
    "*.gguf": "GGUF, the format of llama.cpp",
    "*.onnx": "ONNX",
    "onnx/*.onnx": "ONNX",
    "openvino_model.xml": "OpenVINO",
    "tf_model.h5": "TensorFlow",
    "*.ckpt.index": "TensorFlow",
    "saved_model.pb": "TensorFlow",
    "saved_model/*/saved_model.pb": "TensorFlow",
    "flax_model*.msgpack": "Flax",
    "rust_model.ot": "rust-bert",
    "*.mlpackage": "Core ML",
    "coreml/*": "Core ML",
    "*.keras": "Keras",
}
NESTED_DEPTH, MOST_LOOKED_AT = 3, 2000


def read_json(path: Path, largest: int | None = None) -> dict[str, Any]:
    """Reads a JSON object. Raises ModelError if it is too large, too deep or not an object."""
    try:
        largest = largest or LARGEST_JSON
        if path.stat().st_size > largest:
            raise ModelError.of(
                "model-file-too-large",
                "{path} has more than {megabytes} MB, the most that a {file} may have",
                path=path,
                megabytes=largest // 1024**2,
                file=path.name,
            )
        check_strange(path)
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError.of(
            "model-file-unreadable", "{path} cannot be read: {reason}", path=path, reason=library_message(error)
        ) from None
    if not isinstance(tree, dict):
        raise ModelError.of(
            "not-a-model-file",
            "{path} is not a model's {kind}; save the model again with save_pretrained",
            path=path,
            kind=path.stem,
        )
    return tree


def check_strange(path: Path) -> None:
    """Raises ModelError if a file is a pointer, a web page or the like instead of its content; OSError."""
    if message := strange_files.strange(path):
        raise ModelError.of("model-json-unreadable", "{path} cannot be read: {reason}", path=path, reason=message)


def check_weights(folder: Path) -> None:
    """Raises ModelError for weights that are missing, incomplete, pickled or of another format."""
    if (folder / ONE_FILE).is_file() or (folder / INDEX).is_file():
        for path in weight_files(folder):
            _check_safetensors(path)
        return
    if parts := [path for path in folder.glob("model*.safetensors") if PART.fullmatch(path.name)]:
        raise ModelError.of(
            "weights-without-index",
            "{folder} has parts of weights ({part}), but no {index} that lists their content; download "
            "it too, or save the model again with save_pretrained",
            folder=folder,
            part=min(path.name for path in parts),
            index=INDEX,
        )
    raise ModelError(_without_weights(folder))


def weight_files(folder: Path) -> list[Path]:
    """Returns the files that a model's weights are loaded from, whatever else lies beside them. Raises ModelError."""
    if (folder / ONE_FILE).is_file():
        return [folder / ONE_FILE]
    return [folder / name for name in _parts_of(folder)]


def _parts_of(folder: Path) -> list[str]:
    """Returns the files that the index names. Raises ModelError unless all are safetensors beside it."""
    table = read_json(folder / INDEX).get("weight_map")
    names = sorted(set(map(str, table.values()))) if isinstance(table, dict) else []
    if foreign := [name for name in names if not PART.fullmatch(name)]:
        raise ModelError.of(
            "weights-index-outside",
            "{index} in {folder} names {part!r} as a part of the weights; the parts must lie beside it "
            "as model-00001-of-00002.safetensors and so on, as save_pretrained writes them",
            index=INDEX,
            folder=folder,
            part=foreign[0][:100],
        )
    if not names:
        raise ModelError.of(
            "weights-index-empty",
            "{index} in {folder} names no weights; save the model again with save_pretrained",
            index=INDEX,
            folder=folder,
        )
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ModelError.of(
            "weights-parts-missing",
            "{folder} lacks {count} of the {total:part|parts} of its weights ({part}); download what is missing",
            folder=folder,
            count=len(missing),
            total=len(names),
            part=missing[0],
        )
    return names


def _check_safetensors(path: Path) -> None:
    """Raises ModelError if the header is not valid or the file is incomplete. Reads no weights."""
    try:
        check_strange(path)
        length = path.stat().st_size
        with path.open("rb") as file:
            header_length = int.from_bytes(file.read(8), "little")
            if length < 8 or header_length > max(length - 8, LARGEST_HEADER):
                raise ModelError.of(
                    "weights-damaged",
                    "{path} cannot be loaded: it is not a safetensors file, or damaged; download it again",
                    path=path,
                )
            if header_length > LARGEST_HEADER:
                raise ModelError.of(
                    "weights-header-too-large",
                    "{path} cannot be loaded: its header has {size}; the most is {most}",
                    path=path,
                    size=size(header_length),
                    most=size(LARGEST_HEADER),
                )
            header = file.read(header_length)
        if len(header) < header_length:
            raise ModelError(_incomplete(path, length, None))
        end = _end_of_data(json.loads(header)) + 8 + header_length
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError, IndexError):
        raise ModelError.of(
            "weights-damaged",
            "{path} cannot be loaded: it is not a safetensors file, or damaged; download it again",
            path=path,
        ) from None
    if length < end:
        raise ModelError(_incomplete(path, length, end))
    if length > end:
        raise ModelError.of(
            "weights-too-long",
            "{path} cannot be loaded: it has {bytes:,} bytes more than the weights that it lists; download it again",
            path=path,
            bytes=length - end,
        )


def _end_of_data(header: dict[str, Any]) -> int:
    """Returns the offset of the end of the last tensor, from the end of the header."""
    ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    return max(ends, default=0)


def _incomplete(path: Path, length: int, whole: int | None) -> Message:
    if whole is None or whole > 2**50:
        return Message.of(
            "weights-end-too-early",
            "{path} cannot be loaded: the file ends too early ({length}); download it again",
            path=path,
            length=size(length),
        )
    return Message.of(
        "weights-incomplete",
        "{path} cannot be loaded: the download is incomplete, {length} of {whole} are there "
        "({bytes:,} of {whole_bytes:,} bytes); download it again",
        path=path,
        length=size(length),
        whole=size(whole),
        bytes=length,
        whole_bytes=whole,
    )


def _without_weights(folder: Path) -> Message:
    """Explains what a folder has in place of safetensors, and the fix."""
    pickled = [path for pattern in PICKLED for path in folder.glob(pattern) if path.is_file()]
    for path in pickled:
        if message := strange_files.strange(path):
            return Message.of(
                "weights-not-loadable",
                "{folder} has no weights that can be loaded: {reason}",
                folder=folder,
                reason=message,
            )
    if pickled:
        return Message.of(
            "weights-pickled",
            "{folder} has its weights only in a pickled file, which can run code when it is opened "
            "({file}); convert them where you trust the file: model.save_pretrained(folder) writes "
            "model.safetensors",
            folder=folder,
            file=pickled[0].name,
        )
    for pattern, title in OTHER_FORMATS.items():
        if paths := sorted(folder.glob(pattern)):
            return Message.of(
                "weights-other-format",
                "{folder} has its weights only for {title} ({file}), which is not trained here; take the "
                "original model with a model.safetensors, which most of them were converted from",
                folder=folder,
                title=title,
                file=paths[0].name,
            )
    others = sorted(path.name for path in folder.glob("*.safetensors") if path.is_file())
    if "adapter_model.safetensors" in others:
        return Message.of(
            "folder-is-adapter",
            "{folder} holds an adapter, not a whole model; merge it into its base model first",
            folder=folder,
        )
    if len(others) == 1:
        return Message.of(
            "weights-other-name",
            "{folder} has its weights as {file}; rename the file to model.safetensors",
            folder=folder,
            file=others[0],
        )
    names = [path.name for path in folder.glob("*safetensors*") if path.is_file()]
    if unfinished := [name for name in names if name.endswith(strange_files.UNFINISHED)]:
        return Message.of(
            "weights-unfinished",
            "{folder} has no weights yet: {file} is a download that did not finish; download it again",
            folder=folder,
            file=unfinished[0],
        )
    return Message.of(
        "folder-without-weights",
        "{folder} has no weights (model.safetensors); save the model there with save_pretrained",
        folder=folder,
    )


def check_tokenizer(folder: Path, name: str) -> None:
    """Raises ModelError for a tokenizer that is missing, names files to read, or has files of the wrong format."""
    for file in TOKENIZER_JSON:
        settings = read_json(folder / file) if (folder / file).is_file() else {}
        if forbidden := [key for key in READS_FILES if settings.get(key)]:
            raise ModelError.of(
                "tokenizer-reads-files",
                "{file} of {name} names files to read ({files}), which a tokenizer may not; remove that "
                "line, or use another model",
                file=file,
                name=name,
                files=forbidden[0],
            )
    paths = [folder / file for file in TOKENIZER_FILES if (folder / file).is_file()]
    for path in paths:
        check_strange(path)
        length = path.stat().st_size
        if length > tokenizer_rules.LARGEST:
            raise ModelError.of(
                "tokenizer-file-too-large",
                "{file} of {name} has {size}; the most that is loaded here is {most}",
                file=path.name,
                name=name,
                size=size(length),
                most=size(tokenizer_rules.LARGEST),
            )
        if path.suffix == ".json" and not _begins_as_json(path):
            raise ModelError.of(
                "model-file-not-json", "{path} cannot be read: it is not JSON; download it again", path=path
            )
    if not paths and tokenizer_class(folder) not in WITHOUT_FILE:
        raise ModelError.of(
            "tokenizer-missing",
            "{folder} has no tokenizer ({files} are looked for, and others); save it there with "
            "tokenizer.save_pretrained(folder)",
            folder=folder,
            files=listed(TOKENIZER_FILES[:2]),
        )
    _check_packages(folder, name)


def tokenizer_class(folder: Path) -> str:
    """Returns the tokenizer class in tokenizer_config.json; empty if it names none."""
    return str(_tokenizer_config(folder).get("tokenizer_class") or "")


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    path = folder / TOKENIZER_JSON[0]
    return read_json(path) if path.is_file() else {}


def _check_packages(folder: Path, name: str) -> None:
    """Raises ModelError for a tokenizer that needs a Python package which is not installed."""
    packages = _packages(_tokenizer_config(folder))
    missing = [package for package in packages if importlib.util.find_spec(package.replace("-", "_")) is None]
    if len(missing) == 1:
        raise ModelError.of(
            "tokenizer-library-missing",
            "the tokenizer of {name} ({kind}) needs {library}, which is not installed: run `pip "
            "install {library}` in Tunedeck's environment, or use another model",
            name=name,
            kind=tokenizer_class(folder),
            library=missing[0],
        )
    if missing:
        raise ModelError.of(
            "tokenizer-libraries-missing",
            "the tokenizer of {name} ({kind}) needs {libraries}, which are not installed: run `pip "
            "install {packages}` in Tunedeck's environment, or use another model",
            name=name,
            kind=tokenizer_class(folder),
            libraries=listed(missing),
            packages=" ".join(missing),
        )


def _packages(config: dict[str, Any]) -> list[str]:
    """Returns the packages that the tokenizer of a tokenizer_config.json imports."""
    kind = str(config.get("tokenizer_class") or "").removesuffix("Fast")
    if kind != "BertJapaneseTokenizer":
        return [PACKAGES[kind]] if kind in PACKAGES else []
    splitter = str(config.get("word_tokenizer_type"))
    if not config.get("do_word_tokenize", True) or splitter not in WORD_SPLITTERS:
        return []
    settings = config.get("mecab_kwargs")
    dictionary = str((settings if isinstance(settings, dict) else {}).get("mecab_dic", "unidic_lite"))
    needed = [DICTIONARIES[dictionary]] if splitter == "mecab" and dictionary in DICTIONARIES else []
    return [WORD_SPLITTERS[splitter], *needed]


def _begins_as_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def nested_models(folder: Path) -> list[Path]:
    """Returns inner folders that hold a model, the nearest first: sentence-transformers has one in 0_Transformer, the
    Trainer in checkpoint-500, the Hub's cache in snapshots.
    """
    level, looked_at, models = [folder], 0, []
    for _ in range(NESTED_DEPTH):
        below = (inner for outer in level for inner in _folders(outer))
        level = list(islice(below, MOST_LOOKED_AT - looked_at))
        looked_at += len(level)
        models += [inner for inner in level if (inner / "config.json").is_file() and any(_weights_in(inner))]
    return models


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _weights_in(folder: Path) -> Iterable[Path]:
    return (path for pattern in ("*.safetensors", "pytorch_model*.bin") for path in folder.glob(pattern))

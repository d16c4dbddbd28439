"""Incomplete or foreign model folders: each is refused in one sentence with the fix."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ModelError
from core.models.folder import check_folder

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 90868376\n".format("0" * 64)
PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "モデル with blanks"))


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(ModelError) as caught:
        check_folder(folder, 32)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text and "Traceback" not in text
    return text


def test_a_folder_with_blanks_and_other_letters_in_its_name_is_fine(copy: Path) -> None:
    check_folder(copy, 32)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (POINTER, ("Git LFS pointer", "git lfs pull")),
        (PAGE, ("web page", "download the file again")),
        ("", ("is empty", "download it again")),
        ('{"error": "Repository not found"}', ("server's error message",)),
    ],
)
def test_what_lies_in_the_place_of_a_file(file: str, content: str, words: tuple[str, ...], copy: Path) -> None:
    (copy / file).write_text(content)
    refused(copy, file, *words)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.999])
def test_weights_that_were_not_downloaded_to_the_end(kept: float, copy: Path) -> None:
    path = copy / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    refused(copy, "model.safetensors", "download it again")
    if kept > 0.1:
        refused(copy, "incomplete", f"of {len(whole):,} bytes")


def test_weights_with_more_bytes_than_they_list(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"more")
    refused(copy, "4 bytes more")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"a": 1}',
        b'{"a": {"data_offsets": [0]}}',
        b'{"a": {"data_offsets": [0, "x"]}}',
        b"[" * 5000,
        b"\xff\xfe",
    ],
)
def test_headers_that_are_none(header: bytes, copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    refused(copy, "not a safetensors file, or damaged")


def in_parts(folder: Path) -> dict[str, str]:
    """Splits the weights into three files with an index, as for large models."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    table: dict[str, str] = {}
    names = sorted(weights)
    for number in range(3):
        file = f"model-0000{number + 1}-of-00003.safetensors"
        save_file({name: weights[name] for name in names[number::3]}, folder / file)
        table |= dict.fromkeys(names[number::3], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    return table


def test_parts_of_weights(copy: Path) -> None:
    in_parts(copy)
    check_folder(copy, 32)
    part = copy / "model-00002-of-00003.safetensors"
    content = part.read_bytes()
    part.write_text(POINTER)
    refused(copy, part.name, "Git LFS pointer")
    part.write_bytes(content[:-5])
    refused(copy, part.name, "incomplete")
    part.unlink()
    refused(copy, "lacks 1 of the 3 parts", part.name)
    (copy / "model.safetensors.index.json").unlink()
    refused(copy, "no model.safetensors.index.json")


def other_format(*files: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        for file in files:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(b"\x01\x02 weights")

    return make


def pointer_to_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_text(POINTER)


def adapter(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "adapter_config.json").write_text("{}")
    save_file({"a": torch.zeros(1)}, folder / "adapter_model.safetensors")


def gguf_alone(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "model-q4_k_m.gguf").write_bytes(b"GGUF")


def inner(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        files = list(folder.iterdir())
        (folder / name).mkdir(parents=True)
        for path in files:
            shutil.move(path, folder / name / path.name)
        (folder / "modules.json").write_text("[]")

    return make


def quantised(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_format("pytorch_model.bin"), ("pickled file", "save_pretrained")),
        (pointer_to_a_pickle, ("Git LFS pointer",)),
        (other_format("tf_model.h5"), ("only for TensorFlow (tf_model.h5)",)),
        (other_format("flax_model.msgpack"), ("only for Flax",)),
        (other_format("onnx/model.onnx"), ("only for ONNX (model.onnx)",)),
        (other_format("model.gguf", "tf_model.h5"), ("only for GGUF",)),
        (other_format("weights.safetensors"), ("as weights.safetensors; rename the file to model.safetensors",)),
        (other_format("model.safetensors.part"), ("did not finish",)),
        (other_format("model.safetensors.incomplete"), ("did not finish",)),
        (adapter, ("holds an adapter",)),
        (gguf_alone, ("GGUF", "config.json and model.safetensors")),
        (inner("0_Transformer"), ("the model in it lies in 0_Transformer, so give",)),
        (inner("checkpoints/checkpoint-20"), ("checkpoint-20",)),
        (inner("snapshots/0123abc"), ("snapshots",)),
        (quantised, ("quantised weights", "original model")),
    ],
)
def test_folders_of_other_programs(change: Callable[[Path], None], words: tuple[str, ...], copy: Path) -> None:
    change(copy)
    refused(copy, *words)


def test_a_file_in_the_place_of_a_folder(copy: Path) -> None:
    refused(copy / "config.json", "is a file, not a folder")


def test_a_tokenizer_larger_than_any(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.models import tokenizer_rules

    monkeypatch.setattr(tokenizer_rules, "LARGEST", 1000)
    refused(copy, "tokenizer.json", "the most that is loaded here is 1.0 kB")


@pytest.mark.parametrize("name", ["CanineTokenizer", "PerceiverTokenizer", "ByT5Tokenizer"])
def test_tokenizers_without_a_file(name: str, copy: Path) -> None:
    for path in copy.glob("*token*"):
        path.unlink()
    refused(copy, "has no tokenizer")
    (copy / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    refused(copy, "has no tokenizer")
    (copy / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    check_folder(copy, 32)


MECAB = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        (MECAB, "fugashi and unidic-lite, which are not installed: run `pip install fugashi unidic-lite`"),
        (MECAB | {"mecab_kwargs": {"mecab_dic": "ipadic"}}, "`pip install fugashi ipadic`"),
        (MECAB | {"mecab_kwargs": {"mecab_dic": None}}, "needs fugashi, which is not installed"),
        (MECAB | {"mecab_kwargs": [], "word_tokenizer_type": "sudachi"}, "needs sudachipy"),
        ({"tokenizer_class": "XLMTokenizer"}, "needs sacremoses"),
        ({"tokenizer_class": "RoFormerTokenizerFast"}, "needs rjieba"),
    ],
)
def test_a_tokenizer_whose_package_is_missing(
    config: dict[str, object], needed: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.models.files.importlib.util.find_spec", lambda name: None)
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    refused(copy, needed, "use another model")
    monkeypatch.setattr("core.models.files.importlib.util.find_spec", lambda name: object())
    check_folder(copy, 32)


@pytest.mark.parametrize("config", [{"tokenizer_class": ["x"]}, MECAB | {"word_tokenizer_type": ["basic"]}, {}])
def test_a_tokenizer_that_needs_no_package(config: dict[str, object], copy: Path) -> None:
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    check_folder(copy, 32)


@pytest.mark.parametrize("kind", ["reformer", "nystromformer"])
def test_models_of_one_width(kind: str, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_type": kind}))
    refused(copy, f"is a {kind}", "one fixed length")

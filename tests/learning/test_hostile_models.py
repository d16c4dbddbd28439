"""Hostile folders and Hub models: they try to read other files, unpickle, fetch code, or crash a page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.errors import ModelError
from core.evaluation.results import read_evaluation, read_report
from core.evaluation.trained_model import TrainedModel
from core.models import files as folder_files
from core.models.folder import check_folder
from core.models.names import known_limit, known_type
from core.settings import Settings
from core.spec.model import ModelSpec
from core.store.files import read_temperature

WORDS = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nprivate-key-of-somebody\n"


@pytest.fixture
def model(tiny_bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bert, tmp_path / "model")


def put(folder: Path, file: str, **more: Any) -> None:
    """Adds fields to a JSON file of a model."""
    path = folder / file
    tree = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(tree | more))


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("setting", ["vocab", "init_inputs"])
def test_a_tokenizer_cannot_read_other_files(model: Path, tmp_path: Path, file: str, setting: str) -> None:
    """The words of any file would become a vocabulary, which is saved and shared with the model."""
    (tmp_path / "id_rsa").write_text(WORDS)
    (model / "vocab.txt").write_text("\n".join(json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]))
    (model / "tokenizer.json").unlink()
    (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    check_folder(model)
    secret = str(tmp_path / "id_rsa")
    put(model, file, **{setting: [secret] if setting == "init_inputs" else secret})
    with pytest.raises(ModelError, match="names files to read"):
        check_folder(model)


@pytest.mark.parametrize("part", ["../outside.safetensors", "weights.bin", "/etc/passwd", "sub/model.safetensors"])
def test_parts_of_weights_lie_beside_their_index(model: Path, part: str) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    put(model, "model.safetensors.index.json", metadata={}, weight_map={"a": "model-00001-of-00001.safetensors"})
    check_folder(model)
    put(model, "model.safetensors.index.json", weight_map={"a": "model-00001-of-00001.safetensors", "b": part})
    with pytest.raises(ModelError, match="as a part of the weights"):
        check_folder(model)
    with pytest.raises(ModelError, match="as a part of the weights"):
        TrainedModel(model)


@pytest.mark.parametrize(
    "asked",
    [
        {"attn_implementation": "somebody/kernel"}, {"_attn_implementation": "somebody/kernel@main"},
        {"_attn_implementation": {"": "sdpa", "text": "somebody/kernel:forward"}},
        {"text_config": {"layers": [{"attn_implementation": "somebody/kernel"}]}},
    ],
)  # fmt: skip
def test_no_code_in_the_place_of_attention(model: Path, asked: dict[str, Any]) -> None:
    put(model, "config.json", attn_implementation="sdpa", problem="a/b")
    check_folder(model)
    put(model, "config.json", **asked)
    with pytest.raises(ModelError, match=r"code from the Hub \(attn_implementation 'somebody/kernel"):
        check_folder(model)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"temperature": 1' + "0" * 400 + "}", "[]", ""])
def test_json_made_to_bring_a_page_down(model: Path, settings: Settings, text: str) -> None:
    for file in ("config.json", "calibration.json", "report.json", "evaluation.json"):
        (model / file).write_text(text)
    assert read_temperature(model) == 1.0 and read_report(model) is None and read_evaluation(model) is None
    assert known_limit(ModelSpec(name=str(model)), settings) is None
    assert known_type(str(model), None, settings) is None
    with pytest.raises(ModelError):
        check_folder(model)


def test_a_config_too_large_to_be_one_is_not_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_files, "LARGEST_JSON", 1024**2)
    put(model, "config.json", padding="x" * 1024**2)
    with pytest.raises(ModelError, match="more than 1 MB"):
        check_folder(model)

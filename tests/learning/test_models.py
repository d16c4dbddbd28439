"""Names of models, refusals of folders, and loading without pickles or foreign code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import ModelError, PathError, SpecError
from core.models import folder as model_folder
from core.models import loading as model_loading
from core.models import names as models
from core.models import scratch
from core.models.catalogue import BY_NAME, CATALOGUE
from core.runs import device
from core.settings import PROJECT, Settings
from core.spec.execution import ExecutionSpec
from core.spec.model import ModelSpec
from core.spec.run import RunSpec
from core.tasks.text_classification import model as task


def quiet(text: str, share: float | None) -> None:
    pass


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    """Returns a copy of a model folder that a test may damage."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def edit(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scratch", "scratch"),
        ("google-bert/bert-base-cased", "hub"),
        ("gpt2", "hub"),
        ("./model", "folder"),
        ("~/model", "folder"),
        ("/srv/model", "folder"),
        (r"C:\models\bert", "folder"),
        ("..", "folder"),
    ],
)
def test_what_a_name_means(name: str, kind: str) -> None:
    assert models.kind_of(name) == kind


@pytest.mark.parametrize("name", ["a/b/c", "bert base", "https://huggingface.co/gpt2", "a/../b", "-x", "モデル"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="is not a model: give scratch, a folder, or a Hub id"):
        models.kind_of(name)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "モ" * 200])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="is not a model: give scratch, a folder, or a Hub id"):
        models.kind_of(name)


def test_suggestions_are_names() -> None:
    assert {models.kind_of(entry.name) for entry in CATALOGUE} == {"hub"}
    assert len(BY_NAME) == len(CATALOGUE)


def test_pages_can_ask_about_models_without_heavy_imports(tiny_bert: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.models import folder, loading, names;"
        "folder.check_folder(Path(sys.argv[1]), 32);"
        "heavy = ('torch', 'transformers', 'tokenizers', 'datasets', 'evaluate', 'sklearn');"
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code, tiny_bert], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_whole_model_is_accepted(tiny_bert: Path, minilm: Path, settings: Settings) -> None:
    assert models.fetch(ModelSpec(name=str(tiny_bert), max_length=64), settings, quiet) == tiny_bert.resolve()
    model_folder.check_folder(minilm, 512)
    assert models.fetch(ModelSpec(name="scratch"), settings, quiet) is None
    assert models.tokenizer_json(ModelSpec(name=str(tiny_bert)), settings) == tiny_bert.resolve() / "tokenizer.json"
    assert models.tokenizer_json(ModelSpec(name="scratch"), settings) is None


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def adapter(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


def only_pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def own_code(folder: Path) -> None:
    edit(folder, model_type="my_bert", auto_map={"AutoModel": "modeling.MyBert"})


def encoder_decoder(folder: Path) -> None:
    edit(folder, model_type="t5", is_encoder_decoder=True)


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def short(folder: Path) -> None:
    edit(folder, max_position_embeddings=16)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (no_config, "has no config.json"),
        (adapter, "holds an adapter, not a whole model"),
        (broken_config, "cannot be read"),
        (only_pickled, "only in a pickled file.*model.safetensors"),
        (no_weights, "has no weights"),
        (own_code, "needs code of its own"),
        (encoder_decoder, "encoder-decoder"),
        (no_tokenizer, "has no tokenizer"),
        (short, r"set to 32 tokens, but model takes at most 16; set model.max_length to 16 or less"),
    ],
)
def test_what_cannot_be_trained_is_refused(damage: Callable[[Path], None], sentence: str, copy: Path) -> None:
    damage(copy)
    with pytest.raises(ModelError, match=sentence):
        model_folder.check_folder(copy, 32)


def test_a_missing_folder_and_one_out_of_bounds(tmp_path: Path, tiny_bert: Path, settings: Settings) -> None:
    with pytest.raises(ModelError, match="is not a folder"):
        model_folder.check_folder(tmp_path / "nothing")
    hosted = Settings(home=settings.home, mode="hosted")
    with pytest.raises(PathError):
        models.fetch(ModelSpec(name=str(tiny_bert)), hosted, quiet)


def test_positions_that_no_token_uses_do_not_count() -> None:
    assert (
        model_folder.position_limit({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}) == 512
    )
    assert model_folder.position_limit({"model_type": "gpt2", "n_positions": 1024}) == 1024
    assert model_folder.position_limit({"model_type": "t5"}) is None
    assert model_folder.position_limit({"model_type": "bert", "max_position_embeddings": True}) is None


@pytest.mark.parametrize(
    ("kind", "sentence"), [("vit", "cannot classify texts"), ("nothing-known", "cannot load a model of type")]
)
def test_an_architecture_without_text_classification(copy: Path, recorder: Any, kind: str, sentence: str) -> None:
    edit(copy, model_type=kind)
    with pytest.raises(ModelError, match=sentence):
        model_loading.load_tokenizer(ModelSpec(name=str(copy)), copy, task.KIND, [], recorder)


def load(folder: Path, recorder: Any, names: tuple[str, ...] = ("no", "yes")) -> Any:
    spec = ModelSpec(name=str(folder))
    tokenizer = model_loading.load_tokenizer(spec, folder, task.KIND, [], recorder)
    return model_loading.load_model(spec, folder, task.head(names), tokenizer, 1, recorder)


def test_a_broken_file_and_weights_that_do_not_fit(copy: Path, recorder: Any) -> None:
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(copy, recorder)
    weights.write_bytes(whole)
    edit(copy, hidden_size=64)
    with pytest.raises(ModelError, match="do not fit its config"):
        load(copy, recorder)


def test_a_classifier_with_other_classes_gets_a_new_head(copy: Path, recorder: Any) -> None:
    first = load(copy, recorder, ("a", "b", "c"))
    first.save_pretrained(copy)
    recorder.messages.clear()
    second = load(copy, recorder, ("no", "yes"))
    assert second.config.num_labels == 2 and second.classifier.weight.shape == (2, 32)
    assert "new-head-other-classes" in recorder.codes
    recorder.messages.clear()
    third = load(copy, recorder, ("a", "b", "c"))
    assert torch.equal(third.classifier.weight, first.classifier.weight)
    assert "kept-head" in recorder.codes and third.config.id2label[0] == "a"


def test_the_head_depends_on_the_seed_alone(tiny_bert: Path, recorder: Any) -> None:
    heads = [load(tiny_bert, recorder).classifier.weight for _ in range(2)]
    assert torch.equal(*heads)


def test_every_process_builds_the_same_vocabulary() -> None:
    """Runs must be repeatable and resumable in another process. The texts have ties, and more characters than fit."""
    code = """
import hashlib, random
from core.models import scratch
draw = random.Random(0)
characters = [chr(0x4E00 + i) for i in range(4000)] + list("abcdefgh")
words = ["".join(draw.choices(characters, k=draw.randint(2, 9))) for _ in range(4000)]
texts = [" ".join(draw.choices(words, k=20)) for _ in range(160)]
print(hashlib.sha256(str(sorted(scratch.train_wordpiece(texts).get_vocab().items())).encode()).hexdigest())
"""
    run = [sys.executable, "-c", code]
    outputs = {subprocess.run(run, cwd=PROJECT, capture_output=True, text=True, check=True).stdout for _ in range(3)}
    assert len(outputs) == 1 and len(outputs.pop()) > 60


def test_scratch_is_small_and_takes_any_text(recorder: Any) -> None:
    spec = ModelSpec(name="scratch")
    tokenizer = model_loading.load_tokenizer(
        spec, None, task.KIND, ["Größe naïve 日本語のテキスト مرحبا hello hello"] * 3, recorder
    )
    assert tokenizer.unk_token_id not in tokenizer("größe NAÏVE 本日 hello")["input_ids"]
    assert tokenizer("")["input_ids"] == [tokenizer.cls_token_id, tokenizer.sep_token_id]
    network = model_loading.load_model(spec, None, task.head(("a", "b")), tokenizer, 0, recorder)
    assert 300_000 < network.num_parameters() < 1_500_000


def test_a_vocabulary_is_quick_and_bounded() -> None:
    texts = (f"word{i % 7000} and number {i}" for i in range(10**9))
    assert scratch.train_wordpiece(texts).get_vocab_size() <= scratch.VOCABULARY + 200


def test_devices_that_are_not_here_are_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.choose(ExecutionSpec()).kind == "cpu"
    for has_bf16, precision in ((False, "fp32"), (True, "bf16")):
        monkeypatch.setattr(device, "_cpu_has_bf16", lambda has_bf16=has_bf16: has_bf16)
        assert device.choose(ExecutionSpec()).precision == precision
        assert device.choose_for(RunSpec()).precision == precision
        assert device.choose_for(RunSpec(engine="keras")).precision == "fp32"
    assert device.choose(ExecutionSpec(precision="bf16")).precision == "bf16"
    for wanted, field in (
        (ExecutionSpec(device="cuda"), "device"),
        (ExecutionSpec(device="mps"), "device"),
        (ExecutionSpec(precision="fp16"), "precision"),
    ):
        with pytest.raises(SpecError) as caught:
            device.choose(wanted)
        assert caught.value.problems[0].field == f"execution.{field}"

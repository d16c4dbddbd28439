"""Pytest fixtures around the loopback Hub. A test that adds repositories gives them names of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .contents import as_csv, as_jsonl, as_parquet, bert_config, card, reviews, tiny_bert, tokenizer
from .repos import Faults
from .server import GOOD_TOKEN, LoopbackHub

STARS = ["bad", "good"]
HUGE = 10**15


@pytest.fixture(scope="session")
def shared_hub() -> Iterator[LoopbackHub]:
    """One Hub for the whole session, with `fill`'s repositories. Tests must not count its requests overall."""
    with LoopbackHub() as running:
        fill(running)
        yield running


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """A Hub of the test's own, with `fill`'s repositories and no requests seen yet."""
    with LoopbackHub() as running:
        fill(running)
        yield running


def fill(hub: LoopbackHub) -> None:
    """The usual repositories: good ones, and one for each thing that can be wrong with a repository."""
    _good_models(hub)
    _odd_models(hub)
    _datasets(hub)
    _faulty(hub)


def _good_models(hub: LoopbackHub) -> None:
    tiny = hub.model("tiny/bert", tiny_bert() | {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"onnx"})
    tiny.commit({"modeling_extra.py": "raise SystemExit('code from the Hub ran')", "vocab.txt": "never used"})
    tiny.commit({"model.safetensors": tiny_bert(seed=1)["model.safetensors"]}, ref="v1")
    hub.model("tiny/private", tiny_bert(), private=True).readers.add("alice")
    hub.model("tiny/gated", tiny_bert(), gated=True).readers.add("alice")


def _odd_models(hub: LoopbackHub) -> None:
    files = tiny_bert()
    rest = {path: content for path, content in files.items() if path != "model.safetensors"}
    hub.model("odd/pickled", rest | {"pytorch_model.bin": b"\x80\x02would run code"})
    hub.model("odd/tensorflow", rest | {"tf_model.h5": b"hdf5"})
    hub.model("odd/adapter", {"adapter_config.json": "{}", "adapter_model.safetensors": b"x", "README.md": "# x"})
    hub.model("odd/no-config", {"model.safetensors": files["model.safetensors"]})
    hub.model("odd/no-tokenizer-json", {"config.json": files["config.json"], "vocab.txt": "[PAD]\n[UNK]\n"})
    code = {"auto_map": {"AutoModel": "modeling_odd.OddModel", "AutoConfig": "modeling_odd.OddConfig"}}
    config = str(bert_config(model_type="odd", **code)).replace("'", '"')
    hub.model("odd/custom-code", files | {"config.json": config, "modeling_odd.py": "raise SystemExit('code ran')"})
    huge = hub.model("odd/huge", files)
    huge.commit({"model.safetensors": files["model.safetensors"]}, announce={"model.safetensors": HUGE})
    hub.model("plain-name", {"config.json": files["config.json"], "tokenizer.json": tokenizer().to_str()})


def _datasets(hub: LoopbackHub) -> None:
    train, test = reviews(80), reviews(20, seed=1)
    parquet = {"data/train.parquet": as_parquet(train, STARS), "data/test.parquet": as_parquet(test, STARS)}
    one = card({"default": {"train": "data/train.parquet", "test": "data/test.parquet"}})
    hub.dataset("tiny/reviews", parquet | {"README.md": one}).commit(
        {"data/train.parquet": as_parquet(reviews(60), STARS)}, ref="v1"
    )
    several = card(
        {"short": {"train": "short.jsonl"}, "long": {"train": "long/train.jsonl", "test": "long/test.jsonl"}}
    )
    files = {"short.jsonl": as_jsonl(test), "long/train.jsonl": as_jsonl(train), "long/test.jsonl": as_jsonl(test)}
    hub.dataset("tiny/several", files | {"README.md": several})
    default = card({"short": {"train": "short.jsonl"}, "long": {"train": "long/train.jsonl"}}, default="long")
    hub.dataset("tiny/several-default", files | {"README.md": default})
    hub.dataset("tiny/CamelCase", {"train.csv": as_csv(train), "test.csv": as_csv(test)})
    hub.dataset("plain-dataset", {"train.csv": as_csv(train)})
    hub.moved["dataset", "reviews"] = "tiny/reviews"
    hub.moved["model", "old-bert"] = "tiny/bert"
    hub.dataset("tiny/private-data", parquet | {"README.md": one}, private=True).readers.add("alice")
    hub.dataset("tiny/gated-data", parquet | {"README.md": one}, gated=True).readers.add("alice")
    script = "raise SystemExit('code from the Hub ran')"
    hub.dataset("odd/script", {"script.py": script, "README.md": "# Needs a script"})
    hub.dataset("odd/other-script", {"loader.py": script, "README.md": "# Needs a script"})
    hub.dataset("odd/empty", {"README.md": "# Nothing here"})
    hub.dataset("odd/pictures", {"train/a.png": b"\x89PNG", "train/b.png": b"\x89PNG"})
    uneven = b"text,label\na,0\nb,1\n" + b"c,1,and,too,many\n"
    hub.dataset("odd/broken-csv", {"train.csv": uneven})
    hub.dataset("odd/broken-parquet", {"train.parquet": b"PAR1 this is no Parquet file"})
    hub.dataset("odd/columns-differ", {"train.jsonl": as_jsonl(train), "test.jsonl": b'{"other": 1}\n'})
    hub.dataset("odd/broken-gzip", {"train.csv.gz": b"\x1f\x8b\x08 this is no gzip"})
    hub.dataset("odd/wrong-encoding", {"train.csv": "text,label\nd\u00e9j\u00e0 vu,1\n".encode("latin-1")})
    huge = hub.dataset("odd/huge-data", parquet | {"README.md": one})
    huge.commit({"data/train.parquet": parquet["data/train.parquet"]}, announce={"data/train.parquet": HUGE})


def _faulty(hub: LoopbackHub) -> None:
    """Repositories named for their fault; set `repo.faults` for others."""
    files, data = tiny_bert(), {"train.csv": as_csv(reviews(4000))}
    faults = {
        "faulty/slow": lambda: Faults(bytes_per_s=200_000),
        "faulty/always-cut": lambda: Faults(cut_at=5_000),
        "faulty/always-500": lambda: Faults(status=500),
        "faulty/always-503": lambda: Faults(status=503),
        "faulty/once-503": lambda: Faults(status=503, times=1),
        "faulty/rate-limited": lambda: Faults(status=429, retry_after_s=120),
    }
    for name, make in faults.items():
        hub.model(name, files).faults = make()
        hub.dataset(f"{name}-data", data).faults = make()
    hub.repos["model", "faulty/always-cut"].faults.only = ".safetensors"
    large = tiny_bert()["model.safetensors"]
    once = hub.model("faulty/cut-once", files | {"model.safetensors": large + bytes(12 * 1024 * 1024)})
    once.faults = Faults(cut_at=11 * 1024 * 1024, times=1, only=".safetensors")


__all__ = ["GOOD_TOKEN", "HUGE", "STARS", "fill", "hub", "shared_hub"]

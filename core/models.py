"""Models: what a name means, whether a folder holds one we can train, and loading it with its tokenizer.

Nothing is ever unpickled and no code of a model is ever run: weights come from safetensors alone, and
`trust_remote_code` is off. What pages need (names, checks) imports nothing heavy; loading does, inside its functions.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core import scratch
from core.errors import ModelError, PathError
from core.events import Reporter
from core.files import replace_folder
from core.settings import Settings, allowed_path
from core.spec import ModelSpec

logger = logging.getLogger(__name__)

Kind = Literal["scratch", "folder", "hub"]


class Suggestion(NamedTuple):
    """name: as a spec has it; model_type: of its config.json; note: one line for a person."""

    name: str
    model_type: str
    note: str


SUGGESTIONS = (
    Suggestion(
        "scratch", "bert", "A small new BERT trained on your data alone: no download, seconds per run, modest accuracy."
    ),
    Suggestion(
        "google-bert/bert-base-cased", "bert", "The tutorial's model: English, keeps upper and lower case. 436 MB."
    ),
    Suggestion(
        "distilbert/distilbert-base-uncased", "distilbert", "English, nearly as good as BERT in half the time. 268 MB."
    ),
    Suggestion(
        "answerdotai/ModernBERT-base",
        "modernbert",
        "English, newer and stronger, long texts of up to 8,192 tokens. 599 MB.",
    ),
    Suggestion(
        "sentence-transformers/all-MiniLM-L6-v2", "bert", "English, small and quick: the choice for a CPU. 91 MB."
    ),
    Suggestion(
        "FacebookAI/xlm-roberta-base", "xlm-roberta",
        "100 languages, also mixed ones. 1.1 GB.",
    ),
    Suggestion(
        "distilbert/distilbert-base-multilingual-cased",
        "distilbert",
        "104 languages, lighter than XLM-RoBERTa. 542 MB.",
    ),
    Suggestion(
        "sbintuitions/modernbert-ja-130m", "modernbert",
        "Japanese, needs no word splitter. 531 MB.",
    ),
)  # fmt: skip

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
PATH_START = re.compile(r"[.~/\\]|[A-Za-z]:[\\/]")
TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
    "spm.model",
)  # fmt: skip
WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
INDEX = "model.safetensors.index.json"
# What a tokenizer's settings may not set: the library takes a string here for the path of a file, and reads it
# wherever it lies. `save_pretrained` never writes them.
READS_FILES = ("vocab", "merges", "init_inputs", "tokenizer_object", "slow_tokenizer", "gguf_file")
ATTENTION = ("attn_implementation", "_attn_implementation")
LARGEST_JSON = 64 * 1024**2  # bytes; an index of thousands of weights has a tenth of one
PICKLED_WEIGHTS = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
# Their position table has rows that no token uses: the first token's position is the padding id plus one.
OFFSET_POSITIONS = {
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "mpnet",
    "longformer", "luke", "ibert", "xmod",
}  # fmt: skip
# Repositories of these kinds may carry code of their own beside what transformers itself knows; that code is not run.
KNOWN_TYPES = OFFSET_POSITIONS | {
    "albert", "bert", "big_bird", "bloom", "convbert", "deberta", "deberta-v2", "distilbert", "electra", "ernie",
    "eurobert", "gpt2", "llama", "megatron-bert", "mistral", "mobilebert", "modernbert", "nomic_bert", "opt", "qwen2",
    "qwen3", "rembert", "roformer", "squeezebert", "xlm",
}  # fmt: skip
# More of these than any model has that is trained on one machine.
MOST = {
    "num_hidden_layers": 1000, "n_layer": 1000, "n_layers": 1000, "num_layers": 1000, "hidden_size": 100_000,
    "n_embd": 100_000, "dim": 100_000, "d_model": 100_000, "intermediate_size": 1_000_000, "vocab_size": 10_000_000,
    "num_labels": 1_000_000,
}  # fmt: skip
NO_LIMIT = 1_000_000  # a tokenizer or config that names more positions than this names none


def kind_of(name: str) -> Kind:
    """What `name` means: scratch, a folder here, or a Hub id. Raises ModelError for what can be none of them."""
    if name == "scratch":
        return "scratch"
    if PATH_START.match(name) or os.path.isdir(name):  # noqa: PTH112 - a Path raises for names that are none
        return "folder"
    if HUB_NAME.fullmatch(name) and ".." not in name and "--" not in name:
        return "hub"
    raise ModelError(
        f"{name[:100]!r} is not a model: give scratch, a folder, or a Hub id such as google-bert/bert-base-cased"
    )


def ignore(sentence: str) -> None:
    """A `note` for those who do not listen."""


def fetch(
    model: ModelSpec,
    settings: Settings,
    progress: Callable[[str, float | None], None],
    note: Callable[[str], None] = ignore,
) -> Path | None:
    """The local folder of a pretrained model, downloaded if it is the Hub's and not here yet; None for scratch.

    note: told a sentence when the Hub did not answer and an earlier download is used.
    Raises ModelError, HubError or PathError.
    """
    match kind_of(model.name):
        case "scratch":
            return None
        case "folder":
            folder = folder_of(model.name, settings)
        case "hub":
            from core import hub

            folder = hub.fetch_model(model.name, model.revision, progress, note)
    check_folder(folder, model.max_length, model.name)
    return folder


def folder_of(name: str, settings: Settings) -> Path:
    """The path of a model that is a folder; whether it is there is not looked at. Raises ModelError, PathError.

    In team mode the models of all runs are everybody's to use.
    """
    with _opening(name):
        if settings.mode == "team":
            path = Path(name).resolve()
            inside = (
                path.relative_to(runs).parts if path.is_relative_to(runs := settings.home.resolve() / "runs") else ()
            )
            if inside[1:] == ("model",):
                return path
        return allowed_path(settings, name)


@contextmanager
def _opening(name: object) -> Iterator[None]:
    """One sentence for whatever the system says of a path: too long, with a zero byte, not to be read, no such user."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{str(name)[:200]!r} cannot be opened ({_first_line(error)}); check the path and its permissions"
        ) from None


def check_folder(folder: Path, max_length: int | None = None, name: str = "") -> None:
    """Whether `folder` holds a model that can be trained here, by its file names and config alone.

    max_length: tokens per text, checked against what the model can take. name: what a person calls the model, if not
    by its folder. Raises ModelError.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - a Path raises for names that are none
        raise ModelError(f"{folder} is not a folder; give the folder that has config.json and model.safetensors in it")
    with _opening(folder):
        _check_contents(folder, max_length, name or folder.name)


def _check_contents(folder: Path, max_length: int | None, name: str) -> None:
    config = _read_config(folder)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise ModelError(f"config.json in {folder} names no model_type; save the model anew with save_pretrained")
    if "auto_map" in config and kind not in KNOWN_TYPES:
        raise ModelError(f"{name} needs code of its own to load (auto_map), which is not run here; use another model")
    if config.get("is_encoder_decoder"):
        raise ModelError(f"{name} is an encoder-decoder ({kind}), which cannot classify texts here; use an encoder")
    if kernel := _foreign_attention(config):
        raise ModelError(
            f"{name} wants to compute with code from the Hub (attn_implementation {kernel[:100]!r}), which is not run "
            "here; remove that line from its config.json"
        )
    _check_size(config, name)
    _check_weights(folder)
    _check_tokenizer_settings(folder, name)
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise ModelError(f"{folder} has no tokenizer (tokenizer.json or vocab.txt); save it there with save_pretrained")
    limit = position_limit(config)
    if max_length is not None and limit is not None and max_length > limit:
        raise ModelError(
            f"the longest text is set to {max_length:,} tokens, but {name} takes at most {limit:,}; "
            f"set model.max_length to {limit} or less"
        )


def position_limit(config: dict[str, Any]) -> int | None:
    """How many tokens a model with this config (of config.json) can take; None if it names no limit."""
    names = ("max_position_embeddings", "n_positions", "max_seq_len")
    limit = next((config[n] for n in names if isinstance(config.get(n), int)), None)
    if limit is None or not 0 < limit < NO_LIMIT:
        return None
    if config.get("model_type") in OFFSET_POSITIONS:
        padding = config.get("pad_token_id")
        return limit - (padding if isinstance(padding, int) and padding else 1) - 1
    return limit


def model_type(folder: Path | None) -> str:
    """The `model_type` of a checked folder's config.json; that of our new models for None (scratch)."""
    return "bert" if folder is None else str(_read_config(folder)["model_type"])


def known_type(name: str, revision: str | None, settings: Settings) -> str | None:
    """The `model_type` of a model as a spec names it, if it can be told in a moment and without the network."""
    try:
        match kind_of(name):
            case "scratch":
                return model_type(None)
            case "folder":
                folder = folder_of(name, settings)
                check_folder(folder)
                return model_type(folder)
            case "hub":
                from core import hub

                config = hub.cached_file(name, "config.json", revision)
                suggested = (s.model_type for s in SUGGESTIONS if s.name == name and revision is None)
                return model_type(config.parent) if config else next(suggested, None)
    except (ModelError, PathError):
        return None


def known_limit(model: ModelSpec, settings: Settings) -> int | None:
    """How many tokens a model can take, if it says so and can be told without the network."""
    try:
        match kind_of(model.name):
            case "folder":
                return position_limit(_read_config(folder_of(model.name, settings)))
            case "hub":
                from core import hub

                path = hub.cached_file(model.name, "config.json", model.revision)
                return position_limit(_read_config(path.parent)) if path else None
    except (ModelError, PathError):
        pass
    return None


def tokenizer_json(model: ModelSpec, settings: Settings) -> Path | None:
    """The model's `tokenizer.json` if it lies on this machine, for the `tokenizers` library; no network.

    None for scratch (its tokenizer comes from the data) and for a model without such a file or not downloaded yet.
    Raises ModelError or PathError.
    """
    match kind_of(model.name):
        case "scratch":
            return None
        case "folder":
            path = folder_of(model.name, settings) / "tokenizer.json"
            with _opening(model.name):
                return path if path.is_file() else None
        case "hub":
            from core import hub

            return hub.cached_file(model.name, "tokenizer.json", model.revision)


def load_tokenizer(model: ModelSpec, folder: Path | None, texts: Iterable[str], report: Reporter) -> Any:
    """The tokenizer (a `transformers` one) of a pretrained folder, or one trained on `texts` for scratch.

    folder: what `fetch` returned. texts: the training texts; read for scratch alone. Raises ModelError.
    """
    if folder is None:
        report.phase("Building a vocabulary")
        tokenizer = scratch.tokenizer(texts, model.max_length)
        report.message(f"Built a vocabulary of {len(tokenizer):,} word pieces from the training texts.")
        return tokenizer
    _check_architecture(folder)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises whatever its many tokenizers do
        raise ModelError(f"the tokenizer in {folder} cannot be loaded: {_first_line(error)}") from error
    if tokenizer.pad_token is None:
        _add_padding(tokenizer, folder, report)
    return tokenizer


def load_model(
    model: ModelSpec, folder: Path | None, label_names: Sequence[str], tokenizer: Any, seed: int, report: Reporter
) -> Any:
    """An `AutoModelForSequenceClassification` in float32 on the CPU, its new head drawn with `seed`, in eval mode.

    folder: what `fetch` returned. label_names: the classes in the order of their ids. Raises ModelError.
    """
    from transformers import set_seed

    labels = {
        "id2label": dict(enumerate(label_names)),
        "label2id": {name: i for i, name in enumerate(label_names)},
        "problem_type": "single_label_classification",
    }
    set_seed(seed)
    if folder is None:
        network = scratch.model(len(tokenizer), model.max_length, tokenizer.pad_token_id, labels)
        report.message(f"Made a new BERT with {network.num_parameters():,} weights, all of them still random.")
    else:
        network = _load_pretrained(folder, labels, tokenizer, report)
    network.config.pad_token_id = tokenizer.pad_token_id
    return network.eval()


def load_trained(folder: Path, title: str) -> Any:
    """A classifier as it was saved, with its own head, in float32. Raises ModelError if it has none or is damaged."""
    import torch
    from transformers import AutoModelForSequenceClassification

    _check_architecture(folder)
    with _quiet():
        try:
            network, info = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True,
                weights_only=True, output_loading_info=True,
            )  # fmt: skip
        except Exception as error:  # whatever the library makes of a broken file
            raise ModelError(f"the model {title} cannot be loaded: {_first_line(error)}") from error
    if info["missing_keys"]:
        raise ModelError(
            f"{title} has no trained head ({sorted(info['missing_keys'])[0]} is missing), so it cannot classify yet; "
            "train it first, or choose one that was trained for classification"
        )
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's table of new and unused weights, which alarms."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the Hub's bars have a switch of their own in the environment
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a folder that `from_pretrained` loads (safetensors, config, tokenizer); complete or not there at all."""
    with replace_folder(folder) as partial:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)


def _foreign_attention(tree: Any) -> str:
    """The repository whose code a config asks for in the place of attention, at any depth; empty if none."""
    if isinstance(tree, list):
        return next(filter(None, map(_foreign_attention, tree)), "")
    if not isinstance(tree, dict):
        return ""
    for key, value in tree.items():
        wanted = value.values() if isinstance(value, dict) else [value]
        if key in ATTENTION and (found := next((v for v in wanted if isinstance(v, str) and "/" in v), "")):
            return found
        if found := _foreign_attention(value):
            return found
    return ""


def _check_tokenizer_settings(folder: Path, name: str) -> None:
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        settings = _read_json(folder / file) if (folder / file).is_file() else {}
        if found := [key for key in READS_FILES if settings.get(key)]:
            raise ModelError(
                f"{file} of {name} names files to read ({found[0]}), which a tokenizer may not; remove that line, or "
                "use another model"
            )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelError(f"{folder} holds an adapter, not a whole model; merge it into its base model first")
        raise ModelError(f"{folder} has no config.json, so it is no model; give the folder that save_pretrained wrote")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
    """Raises ModelError for what is no object of a size and depth that can be read."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ModelError(f"{path} has more than {LARGEST_JSON // 1024**2} MB, which no {path.name} has")
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {_first_line(error)}") from None
    if not isinstance(tree, dict):
        raise ModelError(f"{path} is not a model's {path.stem}; save the model anew with save_pretrained")
    return tree


def _check_size(config: dict[str, Any], name: str) -> None:
    """A config makes layers before any weights are looked at: no numbers that fill the memory."""
    for field, most in MOST.items():
        value = config.get(field)
        if isinstance(value, int | float) and not 0 <= value <= most:
            raise ModelError(
                f"config.json of {name} has {field} {str(value)[:20]}; the most that is loaded here is {most:,}"
            )


def _check_weights(folder: Path) -> None:
    if (folder / "model.safetensors").is_file():
        return
    if any(folder.glob("model*.safetensors")):
        if (folder / INDEX).is_file():
            _check_index(folder)
        return
    if any(p for pattern in PICKLED_WEIGHTS for p in folder.glob(pattern)):
        raise ModelError(
            f"{folder} has its weights only in a pickled file, which can run code when it is opened; "
            "convert them where you trust the file: model.save_pretrained(folder) writes model.safetensors"
        )
    raise ModelError(f"{folder} has no weights (model.safetensors); save the model there with save_pretrained")


def _check_index(folder: Path) -> None:
    """The parts of the weights lie beside their index, as safetensors; not elsewhere, and not pickled."""
    parts = _read_json(folder / INDEX).get("weight_map")
    names = set(map(str, parts.values())) if isinstance(parts, dict) else set()
    if strange := sorted(name for name in names if not WEIGHTS.fullmatch(name)):
        raise ModelError(
            f"{INDEX} in {folder} names {strange[0][:100]!r} as a part of the weights; they have to lie beside it as "
            "model-00001-of-00002.safetensors and so on, as save_pretrained writes them"
        )


def _check_architecture(folder: Path) -> None:
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig

    kind = _read_config(folder)["model_type"]
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # an unknown type, or a config that its class refuses
        raise ModelError(
            f"the installed transformers cannot load a model of type {kind!r}: {_first_line(error)}"
        ) from error
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise ModelError(
            f"{folder.name} is of type {kind!r}, which cannot classify texts; use a text encoder such as BERT"
        )


def _add_padding(tokenizer: Any, folder: Path, report: Reporter) -> None:
    if tokenizer.eos_token is None:
        raise ModelError(f"the tokenizer in {folder} has neither a padding nor an end token; use another model")
    tokenizer.pad_token = tokenizer.eos_token
    report.message(
        f"This model has no padding token, as is usual for models that write text. Its end token "
        f"{tokenizer.eos_token} fills up short texts; the model is told to ignore it.",
        level="notice",
        code="padding-token",
    )


def _load_pretrained(folder: Path, labels: dict[str, Any], tokenizer: Any, report: Reporter) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    with _quiet():  # _check_loaded explains
        try:
            network, info = AutoModelForSequenceClassification.from_pretrained(
                folder,
                **labels,
                num_labels=len(labels["id2label"]),
                dtype=torch.float32,  # master weights: lower precision, where chosen, comes from autocast
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                weights_only=True,
                ignore_mismatched_sizes=True,  # a head for other classes is made anew; all else is checked below
                output_loading_info=True,
            )
        except Exception as error:  # a broken file, a config that fits no weights: whatever the library makes of it
            raise ModelError(f"the model in {folder} cannot be loaded: {_first_line(error)}") from error
    _check_loaded(folder, network, info, report)
    rows = network.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer in {folder} has {len(tokenizer):,} tokens, its model only {rows:,}; they do not fit"
        )
    return network


def _check_loaded(folder: Path, network: Any, info: dict[str, Any], report: Reporter) -> None:
    """Explain a new head; refuse a body that is not all there."""
    body = f"{network.base_model_prefix}."
    changed = {*info["missing_keys"], *(m[0] for m in info["mismatched_keys"])}
    lost = sorted(k for k in changed if k.startswith(body) and "pooler" not in k)
    if lost:
        raise ModelError(
            f"the weights in {folder} do not fit its config.json: {len(lost):,} are missing or of another size, "
            f"such as {lost[0]}; use the folder as save_pretrained wrote it"
        )
    logger.info("new weights: %s; unused: %s", sorted(changed) or "none", sorted(info["unexpected_keys"]) or "none")
    if changed:
        report.message(
            "The part that chooses the class (the head) is new and starts with random weights. That is normal: "
            "the pretrained part knows language, and this training teaches the head your classes.",
            level="notice",
            code="new-head",
        )
    if info["unexpected_keys"]:
        report.message(
            "Some pretrained weights are not used: they belong to the task that the model was trained for before. "
            "That is normal.",
            level="notice",
            code="unused-weights",
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]

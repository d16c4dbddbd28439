"""Loads a model that `core.models.folder` has checked, with its tokenizer, and saves it.

Nothing is unpickled and no code of a model is run: weights come from safetensors alone, and `trust_remote_code` is off.
transformers and torch are imported inside the functions.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import ModelError, TunedeckError
from core.events import Reporter
from core.files import replace_folder
from core.messages import Message
from core.models import class_head, scratch
from core.models.folder import model_type, read_config
from core.models.head import Head, HeadKind
from core.models.tokenizer_rules import check_rules
from core.spec.model import ModelSpec
from core.wording import counted, library_message

logger = logging.getLogger(__name__)

PANIC = "PanicException"  # of pyo3; its class cannot be imported


def load_tokenizer(
    model: ModelSpec, folder: Path | None, kind: HeadKind, texts: Iterable[str], report: Reporter
) -> Any:
    """Loads the `transformers` tokenizer of a pretrained folder; for scratch, trains one on `texts`.

    folder: from `fetch`; kind: of the head that the model gets; texts: the training texts, which are read only for
    scratch. Raises ModelError.
    """
    if folder is None:
        report.phase(Message("Building a vocabulary", "building-vocabulary"))
        tokenizer = scratch.tokenizer(texts, model.max_length)
        report.message(
            f"Built a vocabulary of {counted(len(tokenizer), 'word piece')} from the training texts.",
            code="new-vocabulary",
            tokens=len(tokenizer),
        )
        return tokenizer
    _check_architecture(folder, kind)
    tokenizer = open_tokenizer(folder, str(folder))
    if tokenizer.pad_token is None:
        _add_padding(tokenizer, folder, report)
    return tokenizer


def open_tokenizer(folder: Path, title: str) -> Any:
    """Loads the `transformers` tokenizer of a checked folder. Raises ModelError."""
    from transformers import AutoTokenizer

    if (folder / "tokenizer.json").is_file():
        check_rules(folder / "tokenizer.json")
    with tokenizer_failures(f"the tokenizer of {title} cannot be loaded"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


@contextmanager
def tokenizer_failures(failure: str) -> Iterator[None]:
    """Turns the errors of a tokenizer into a ModelError: `failure`, a colon and the library's message."""
    try:
        yield
    except (TunedeckError, MemoryError, OSError):
        raise
    except BaseException as error:  # a panic in the library's Rust is not an Exception
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        raise ModelError.of(
            "loading-failed", "{what}: {reason}", what=failure, reason=library_message(error)
        ) from error


def ignore(change: str, value: Any) -> None:
    """An `adapted` callback that does nothing."""


def load_model(
    model: ModelSpec,
    folder: Path | None,
    head: Head,
    tokenizer: Any,
    seed: int,
    report: Reporter,
    adapted: Callable[[str, Any], None] = ignore,
) -> Any:
    """Loads a model with this head in float32 on the CPU, in eval mode; `seed` draws new parts of the head.

    folder: from `fetch`. adapted: gets each change beyond `from_pretrained`, so that a script can repeat it: `head`
    (its rows and dimensions, see `core.models.class_head.take_over`) and `tokens` (rows of the token embedding); and
    `new_head`, True, for a head of which nothing was kept.
    Raises ModelError.
    """
    from transformers import set_seed

    set_seed(seed)
    if folder is None:
        network = scratch.model(
            len(tokenizer), model.max_length, tokenizer.pad_token_id, dict(head.config), head.kind.scratch_class
        )
        report.message(
            f"Created a new BERT with {network.num_parameters():,} random weights.",
            code="new-model",
            weights=network.num_parameters(),
        )
    else:
        network = _load_pretrained(folder, head, tokenizer, report, adapted)
    network.config.pad_token_id = tokenizer.pad_token_id
    return network.eval()


def load_trained(folder: Path, title: str, kind: HeadKind) -> Any:
    """Loads a saved model with its own head, in float32. Raises ModelError if it has no head or is damaged."""
    import torch

    _check_architecture(folder, kind)
    with _quiet():
        try:
            network, info = _auto_class(kind).from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                weights_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused below
            )
        except Exception as error:  # a broken file makes the library raise errors of many kinds
            raise ModelError.of(
                "model-not-loaded",
                "the model {title} cannot be loaded: {reason}",
                title=title,
                reason=library_message(error),
            ) from error
    if other := sorted(mismatch[0] for mismatch in info["mismatched_keys"]):
        raise ModelError.of(
            "weights-do-not-fit",
            "the weights of {title} do not fit its config.json ({part} has another size); use the "
            "folder as save_pretrained wrote it",
            title=title,
            part=other[0],
        )
    if info["missing_keys"]:
        raise ModelError(kind.untrained.format(title=title, missing=sorted(info["missing_keys"])[0]))
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the library's table of new and unused weights, which alarms people for no reason."""
    from transformers.utils import logging as transformers_logging

    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the Hub's progress bars have their own switch in the environment
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes a folder that `from_pretrained` loads (safetensors, config, tokenizer), either complete or not at all."""
    with replace_folder(folder) as partial:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)


def _auto_class(kind: HeadKind) -> Any:
    import transformers

    return getattr(transformers, kind.auto_class)


def open_config(folder: Path) -> Any:
    """The config.json of a model, as transformers reads it. Raises ModelError."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # an unknown type, or a config that its class refuses
        raise ModelError.of(
            "model-type-not-supported",
            "the installed transformers cannot load a model of type {model_type!r}: {reason}",
            model_type=model_type(folder),
            reason=library_message(error),
        ) from error


def _check_architecture(folder: Path, kind: HeadKind) -> None:
    architecture, config = model_type(folder), open_config(folder)
    if type(config) not in _auto_class(kind)._model_mapping:
        raise ModelError(kind.unfit.format(name=folder.name, kind=architecture))


def _add_padding(tokenizer: Any, folder: Path, report: Reporter) -> None:
    if tokenizer.eos_token is None:
        raise ModelError.of(
            "tokenizer-without-padding",
            "the tokenizer in {folder} has neither a padding nor an end token; use another model",
            folder=folder,
        )
    tokenizer.pad_token = tokenizer.eos_token
    report.message(
        f"This model has no padding token, as is usual for models that write text. Its end token "
        f"{tokenizer.eos_token} fills up short texts; the model is told to ignore it.",
        level="notice",
        code="padding-token",
        token=str(tokenizer.eos_token),
    )


def _load_pretrained(
    folder: Path, head: Head, tokenizer: Any, report: Reporter, adapted: Callable[[str, Any], None]
) -> Any:
    import torch

    with _quiet():  # _check_body and _settle_head explain
        try:
            network, info = _auto_class(head.kind).from_pretrained(
                folder,
                **head.config,
                dtype=torch.float32,  # master weights; a lower precision comes from autocast
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                weights_only=True,
                ignore_mismatched_sizes=True,  # a head for other classes becomes new; the rest is checked below
                output_loading_info=True,
            )
        except Exception as error:  # a broken file or config makes the library raise errors of many kinds
            raise ModelError.of(
                "model-in-folder-not-loaded",
                "the model in {folder} cannot be loaded: {reason}",
                folder=folder,
                reason=library_message(error),
            ) from error
    dimensions = class_head.class_parameters(network)
    _check_body(folder, network, info, dimensions)
    _settle_head(folder, network, head, info, dimensions, report, adapted)
    if info["unexpected_keys"]:
        report.message(
            "Some pretrained weights are not used, as they belong to the task that the model was trained for before. "
            "That is normal.",
            level="notice",
            code="unused-weights",
        )
    _fit_tokens(folder, network, tokenizer, report, adapted)
    return network


def _check_body(folder: Path, network: Any, info: dict[str, Any], dimensions: dict[str, int]) -> None:
    """Raises ModelError if weights of the body are missing; weights that only a head for classes has may be new."""
    body = f"{network.base_model_prefix}."
    changed = {*info["missing_keys"], *(m[0] for m in info["mismatched_keys"])}
    lost = sorted(k for k in changed - dimensions.keys() if k.startswith(body) and "pooler" not in k)
    if lost:
        bare = class_head.bare_parameters(network)
        lost = [k for k in lost if k.removeprefix(body) in bare]
    if lost:
        raise ModelError.of(
            "weights-in-folder-do-not-fit",
            "the weights in {folder} do not fit its config.json: {count:,} are missing or of another "
            "size, such as {part}; use the folder as save_pretrained wrote it",
            folder=folder,
            count=len(lost),
            part=lost[0],
        )
    logger.info("new weights: %s; unused: %s", sorted(changed) or "none", sorted(info["unexpected_keys"]) or "none")


def _settle_head(
    folder: Path,
    network: Any,
    head: Head,
    info: dict[str, Any],
    dimensions: dict[str, int],
    report: Reporter,
    adapted: Callable[[str, Any], None],
) -> None:
    """Keeps the trained rows of a head for the rows that the new head has too, and reports the result."""
    other_size = {m[0] for m in info["mismatched_keys"]}
    if dimensions.keys() & set(info["missing_keys"]) or (head.rows is None and dimensions.keys() & other_size):
        report.message(head.kind.new, level="notice", code="new-head")
        adapted("new_head", True)
        return
    if head.rows is None:
        return  # its rows have no names, so the trained head stays as it is
    names = head.rows
    trained = {
        name: class_head.saved_tensor(folder, name) if name in other_size else network.get_parameter(name)
        for name in dimensions
    }
    plan = class_head.plan_for(read_config(folder), trained, dimensions, names)
    message = plan.message(names)
    report.message(message.text, level="notice", code=message.id, **message.arguments)
    if not plan.keeps:
        adapted("new_head", True)
    if plan.unchanged or (other_size and not plan.keeps):  # in the latter case loading has drawn a new head
        return
    class_head.take_over(network, trained, dimensions, plan.rows)
    adapted("head", {"rows": list(plan.rows), "dimensions": dimensions})


def _fit_tokens(
    folder: Path, network: Any, tokenizer: Any, report: Reporter, adapted: Callable[[str, Any], None]
) -> None:
    """Adds embedding rows for tokens that were added to the tokenizer only, such as [PAD]. Raises ModelError."""
    rows = _embedding_rows(network)
    if rows is None or len(tokenizer) <= rows:
        return
    added = sorted((number, token) for token, number in tokenizer.get_added_vocab().items() if number >= rows)
    if len(added) < len(tokenizer) - rows:
        raise ModelError.of(
            "tokenizer-larger-than-model",
            "the tokenizer in {folder} has {tokens:,} tokens, its model only {rows:,}; they do not "
            "belong together. Take the tokenizer that the model was trained with; or in Python, "
            "model.resize_token_embeddings(len(tokenizer)), and save both with save_pretrained",
            folder=folder,
            tokens=len(tokenizer),
            rows=rows,
        )
    size = max(len(tokenizer), added[-1][0] + 1)
    network.resize_token_embeddings(size, mean_resizing=False)
    tokens = ", ".join(repr(token[:40]) for _, token in added[:5])
    report.message(
        f"The tokenizer has {counted(len(added), 'added token')} ({tokens}) without weights in the model. The "
        f"embedding gets new rows with random weights: {size:,} rows in all instead of {rows:,}.",
        level="notice",
        code="resized",
        added=len(added),
        tokens=tokens,
        size=size,
        rows=rows,
    )
    adapted("tokens", size)


def _embedding_rows(network: Any) -> int | None:
    """Returns the number of tokens in a network's embedding; None for a network without an embedding table."""
    import torch

    try:
        embedding = network.get_input_embeddings()
    except (NotImplementedError, AttributeError):
        return None
    return embedding.num_embeddings if isinstance(embedding, torch.nn.Embedding) else None

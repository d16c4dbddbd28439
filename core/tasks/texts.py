"""Texts to token ids and to batches: what every task shares whose examples are texts or pairs of texts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.inspecting import vocabulary_fit
from core.data.inspecting.language import main_language
from core.errors import DataError
from core.events import Reporter
from core.messages import Message
from core.models.loading import tokenizer_failures
from core.spec.run import RunSpec
from core.tasks import token_cache
from core.wording import sentence

if TYPE_CHECKING:
    from datasets import Dataset

    from core.data.loading.load import Loaded

TITLES = {"train": "training", "eval": "evaluation"}


@dataclass(frozen=True)
class Encoded:
    """A dataset as a model reads it.

    train, eval: columns input_ids, attention_mask, token_type_ids if the model reads them, labels (`label_type`),
        length (tokens, special ones included) and row (row number in the source's split); not padded
    label_names: the classes in the order of their ids; empty for a task without classes
    label_type: of a label, as numpy and `datasets` call it
    truncated: split -> share of examples that were cut to the longest text allowed
    tokens: split -> tokens in all
    fingerprint: names the content of both splits; the same examples in the same order have the same
    """

    train: Dataset
    eval: Dataset
    label_names: tuple[str, ...]
    tokenizer: Any
    truncated: dict[str, float]
    tokens: dict[str, int]
    pad_to: int | None
    fingerprint: str
    label_type: str = "int64"

    @property
    def columns(self) -> list[str]:
        """What a model reads of the splits, and the labels."""
        return [name for name in self.train.column_names if name not in ("length", "row")]

    def pad(self, examples: Sequence[dict[str, Any]], multiple_of: int | None = None) -> dict[str, np.ndarray]:
        """A batch: arrays of int64, (examples, longest length), and `labels` of (examples,), `label_type`.

        Padded to the longest of the batch, or to the full length if the spec says so; then up to `multiple_of`.
        """
        return pad(examples, self.tokenizer, self.pad_to, multiple_of, self.label_type)


def pad(
    examples: Sequence[dict[str, Any]],
    tokenizer: Any,
    width: int | None = None,
    multiple_of: int | None = None,
    label_type: str = "int64",
) -> dict[str, np.ndarray]:
    """Examples of token ids as one batch, filled up to `width`, or to the longest of them."""
    width = width or max(len(e["input_ids"]) for e in examples)
    if multiple_of:
        width = -(-width // multiple_of) * multiple_of
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    left = tokenizer.padding_side == "left"
    batch: dict[str, np.ndarray] = {}
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        if name not in examples[0]:
            continue
        batch[name] = np.full((len(examples), width), fill.get(name, 0), dtype=np.int64)
        for line, example in zip(batch[name], examples, strict=True):
            ids = example[name]
            line[width - len(ids) if left else 0 : width if left else len(ids)] = ids
    if "labels" in examples[0]:
        batch["labels"] = np.array([e["labels"] for e in examples], dtype=label_type)
    return batch


def encode_texts(
    loaded: Loaded,
    spec: RunSpec,
    tokenizer: Any,
    report: Reporter,
    cache: Path | None = None,
    label_type: str = "int64",
) -> Encoded:
    """Tokenise both splits of `loaded`, cut to the longest text allowed. Deterministic.

    cache: a folder for token ids, where they are also looked for first; without it they stay in memory
    Raises DataError if there is nothing to train on.
    """
    if not loaded.dataset["train"].num_rows:
        raise DataError.of(
            "no-training-examples",
            "there are no training examples; choose another split or a larger share",
            "data.train_split",
        )
    if cache is None:
        splits, truncated = _tokenise(loaded, spec, tokenizer, report, None, label_type)
    else:
        name = token_cache.key(
            loaded.dataset,
            loaded.text_columns,
            tokenizer,
            {"max_length": spec.model.max_length, "label_type": label_type},
        )
        if (kept := token_cache.get(cache, name)) is None:
            token_cache.put(cache, name, lambda folder: _to_files(loaded, spec, tokenizer, report, folder, label_type))
            kept = token_cache.get(cache, name)
        else:
            report.message(
                "These texts were tokenised before with the same settings, so the tokens are reused.",
                code="tokens-reused",
            )
        assert kept is not None, "it was written a moment ago"
        splits, truncated = kept
    encoded = Encoded(
        splits["train"],
        splits["eval"],
        tuple(loaded.label_names),
        tokenizer,
        truncated,
        {split: int(sum(rows["length"])) for split, rows in splits.items()},
        spec.model.max_length if spec.model.padding == "max_length" else None,
        _fingerprint(splits.values()),
        label_type,
    )
    _explain_cuts(encoded, spec, report)
    return encoded


def _tokenise(
    loaded: Loaded, spec: RunSpec, tokenizer: Any, report: Reporter, folder: Path | None, label_type: str
) -> tuple[dict[str, Dataset], dict[str, float]]:
    """Both splits, and of each the share that was cut. folder: for files, else it stays in memory"""
    splits, truncated = {}, {}
    for split in ("train", "eval"):
        encoder = _Encoder(
            loaded.text_columns, tokenizer, spec.model.max_length, len(loaded.dataset[split]), split, report
        )
        splits[split] = _map(loaded.dataset[split], encoder, folder, split, label_type)
        truncated[split] = encoder.truncated / max(1, encoder.done)
    return splits, truncated


def _to_files(
    loaded: Loaded, spec: RunSpec, tokenizer: Any, report: Reporter, folder: Path, label_type: str
) -> tuple[dict[str, int], dict[str, float]]:
    splits, truncated = _tokenise(loaded, spec, tokenizer, report, folder, label_type)
    return {split: len(rows) for split, rows in splits.items()}, truncated


class _Encoder:
    """The function that `datasets.map` calls, with what it counts on the way."""

    def __init__(
        self, columns: Sequence[str], tokenizer: Any, max_length: int, total: int, split: str, report: Reporter
    ) -> None:
        self.columns, self.tokenizer, self.max_length = list(columns), tokenizer, max_length
        self.total, self.split, self.report = total, split, report
        self.done = self.truncated = 0
        self.reported = time.monotonic()

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        self.report.check_stop()
        texts = [batch[column] for column in self.columns]
        with tokenizer_failures("the model's tokenizer cannot read these texts"):
            encoding = self.tokenizer(*texts, truncation=True, max_length=self.max_length)
        lengths = [len(ids) for ids in encoding["input_ids"]]
        self.truncated += sum(
            self._was_cut(encoding, i, texts) for i, length in enumerate(lengths) if length >= self.max_length
        )
        self.done += len(lengths)
        if time.monotonic() - self.reported > 1:
            self.reported = time.monotonic()
            self.report.phase(
                Message.of(
                    "tokenising-texts",
                    "Tokenising the {split} texts: {done:,} of {total:,}",
                    split=TITLES[self.split],
                    done=self.done,
                    total=self.total,
                )
            )
        return {**dict(encoding), "labels": batch["label"], "length": lengths, "row": batch["row"]}

    def _was_cut(self, encoding: Any, index: int, texts: list[list[str]]) -> bool:
        if self.tokenizer.is_fast:
            return bool(encoding.encodings[index].overflowing)
        whole = self.tokenizer(*[column[index] for column in texts], truncation=False, verbose=False)
        return len(whole["input_ids"]) > self.max_length


def _map(dataset: Dataset, encoder: _Encoder, folder: Path | None, split: str, label_type: str) -> Dataset:
    from datasets import Features, List, Value, disable_progress_bars

    disable_progress_bars()
    ids = {"input_ids": "int32", "token_type_ids": "int8", "attention_mask": "int8"}
    features = {name: List(Value(kind)) for name, kind in ids.items() if name in encoder.tokenizer.model_input_names}
    features |= {"labels": Value(label_type), "length": Value("int32"), "row": Value("int64")}
    return dataset.map(
        encoder,
        batched=True,
        remove_columns=dataset.column_names,
        features=Features(features),
        keep_in_memory=folder is None,
        cache_file_name=str(folder / f"{split}.arrow") if folder is not None else None,
        load_from_cache_file=False,
        new_fingerprint=f"encoded-{split}",  # else the tokenizer is pickled to find out whether it is the same
    )


def _fingerprint(splits: Iterable[Dataset]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for split in splits:
        for name in ("labels", "length", "input_ids"):
            for chunk in split.data.column(name).chunks:
                values = chunk.flatten() if name == "input_ids" else chunk
                digest.update(values.to_numpy(zero_copy_only=False).tobytes())
    return digest.hexdigest()


def warn_unread(loaded: Loaded, spec: RunSpec, tokenizer: Any, report: Reporter) -> None:
    """A warning if the tokenizer cannot read the training texts."""
    if spec.model.name == "scratch":
        return  # its vocabulary comes from these texts
    some = loaded.dataset["train"][: vocabulary_fit.TEXTS]
    rows = list(zip(*(some[column] for column in loaded.text_columns), strict=True))

    def ids(texts: Sequence[Sequence[str]]) -> list[list[int]]:
        columns = [list(column) for column in zip(*texts, strict=True)]
        return list(tokenizer(*columns, add_special_tokens=False, verbose=False)["input_ids"])

    unknown = [] if tokenizer.unk_token_id is None else [tokenizer.unk_token_id]
    reading = vocabulary_fit.read(rows, ids, unknown, len(tokenizer))
    if vocabulary_fit.warning(reading, spec.model.name) is None:
        return
    language = main_language(spec.data, loaded.prepared, loaded.train_split, loaded.source_columns)
    if message := vocabulary_fit.warning(reading, spec.model.name, language):
        report.message(sentence(message.text), level="warning", code=message.id, **message.arguments)


def _explain_cuts(encoded: Encoded, spec: RunSpec, report: Reporter) -> None:
    share = encoded.truncated["train"]
    if share > 0:
        report.message(
            f"{share:.1%} of the training texts are longer than {spec.model.max_length:,} tokens and were cut there.",
            level="notice",
            code="truncated",
            share=share,
            max_length=spec.model.max_length,
        )

"""A classifier as an ONNX file, and that file with weights of 8 bits.

The file outputs `logits`, as transformers does, and `probabilities`, with the model's saved temperature, as the
playground shows them. Weights above 2 GB, the limit of a protobuf, lie in a second file.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.machine import physical_cores
from core.tasks.texts import pad
from core.wording import library_message

if TYPE_CHECKING:
    import onnxruntime

    from core.evaluation.trained_model import TrainedModel

MODEL, WEIGHTS = "model.onnx", "model.onnx.data"
OPSET = 18  # native to torch's exporter, so it needs no conversion; onnxruntime 1.14 (2023) and later read it
NATIVE_OPSET = 23  # the first with attention as an operation
CLOSE = 1e-2  # of the largest logit; correct conversions differ by 1e-6
WIDTH = 16  # tokens of the traced example; the file accepts any number
LARGEST_FILE = 1_500_000_000  # bytes; a protobuf holds at most 2 GB
QUANTISED = ("MatMul", "Gather")  # the dense layers and the embeddings, which are half of a small model

# Model types that torch's exporter cannot trace, of the thirty that were tried (torch 2.13, transformers 5).
NOT_EXPORTED = {"funnel", "longformer", "xlnet"}


class NotConvertedError(Exception):
    """A library could not convert the model; the reason, in a few words of its own."""


class _Answers(torch.nn.Module):
    """The exported graph: logits, and probabilities with the temperature."""

    def __init__(self, model: Any, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask, **more).logits.float()
        return logits, torch.softmax(logits / self.temperature, dim=-1)


def write(model: TrainedModel, folder: Path, *, native: bool = False) -> None:
    """Write model.onnx into `folder`, for batches of any size and texts of any length.

    native: attention and GELU as one operation each, which onnxruntime 1.23 (2025) and later compute faster
    Raises NotConvertedError, OSError.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    examples = [{name: values[:WIDTH] for name, values in e.items()} for e in model.encode([("good",)] * 2)]
    padded = {
        name: torch.from_numpy(values)
        for name, values in pad(examples, model.tokenizer, min(WIDTH, model.max_length)).items()
    }
    attention = model.model.config._attn_implementation
    try:
        if not native:
            model.model.set_attn_implementation("eager")  # plain matrix products, which every runtime has
        program = torch.onnx.export(
            _Answers(model.model, model.temperature).eval(),
            (),
            kwargs=padded,
            dynamo=True,
            verbose=False,
            opset_version=NATIVE_OPSET if native else OPSET,
            input_names=list(padded),
            output_names=["logits", "probabilities"],
            dynamic_shapes={name: {0: "batch", 1: "sequence"} for name in padded},
        )
        assert program is not None, "dynamo=True returns one"
        ClearMetadataAndDocStringPass()(program.model)  # each node names the source file on this machine
        program.save(folder / MODEL, external_data=model.model.num_parameters() * 4 > LARGEST_FILE)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # the exporter raises whatever the model's code raises
        raise NotConvertedError(library_message(error, 160)) from error
    finally:
        with suppress(Exception):  # a failure here must hide neither the file nor the error above
            model.model.set_attn_implementation(attention)


def write_int8(model: TrainedModel, folder: Path) -> None:
    """Write the 8-bit model.onnx that answers fast on this machine. Raises NotConvertedError, OSError."""
    try:
        write(model, folder, native=True)
        check(model, folder)
    except NotConvertedError:  # not every architecture has its attention in that form, or computes in it
        write(model, folder)
        check(model, folder)
    quantise(folder)


def check(model: TrainedModel, folder: Path) -> None:
    """Raise NotConvertedError unless the file in `folder` answers texts of several lengths as the model does."""
    examples = model.encode([("good",), ("good " * WIDTH,), ("good " * 2 * WIDTH,)])
    padded = pad(examples, model.tokenizer)
    try:
        runtime = session(folder / MODEL)
        inputs = {part.name: padded[part.name] for part in runtime.get_inputs()}
        (answers,) = runtime.run(["logits"], inputs)
    except Exception as error:  # onnxruntime raises errors of its own
        raise NotConvertedError(library_message(error, 160)) from error
    expected = model.compute(examples)
    if not np.allclose(answers, expected, rtol=CLOSE, atol=CLOSE * float(np.abs(expected).max())):
        raise NotConvertedError("it answers otherwise than the model")


def quantise(folder: Path) -> None:
    """Quantise the weights in model.onnx from 32 to 8 bits. Raises NotConvertedError, OSError.

    Each column of a dense layer has its own scale. Only 7 of the 8 bits are used, because processors without VNNI sum
    8-bit products in 16 bits, which overflows; so what is measured here holds there too. On 150 Yelp reviews and
    a 6-layer MiniLM with a random head, 92 % of the predictions stay the same (one scale per matrix: 75 %; all 8 bits:
    91 %; embeddings not quantised, 59 instead of 23 MB: 91 %). Of a trained one with 150 classes, 3,000 examples: 95 %
    (one scale per matrix: 92 %; all 8 bits or embeddings not quantised: 95 %); in blocks of 32 (MatMulNBits) 99 %, but
    that is 1.4 times as fast as torch, and this is 2.4 times.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(dir=folder) as held:
        small = Path(held)
        try:
            whole = onnx.load(folder / MODEL, load_external_data=False)
            del whole.graph.value_info[:]  # it records the matrices' shapes before they are transposed
            onnx.save(whole, folder / MODEL)
            quantize_dynamic(
                folder / MODEL,
                small / MODEL,
                op_types_to_quantize=list(QUANTISED),
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=bytes_of(folder) > LARGEST_FILE,
            )
        except (OSError, MemoryError):
            raise
        except Exception as error:  # the quantiser raises many types for a graph that it does not support
            raise NotConvertedError(library_message(error, 160)) from error
        for path in files(folder):
            path.unlink()
        for path in files(small):
            shutil.move(path, folder / path.name)


def files(folder: Path) -> list[Path]:
    """model.onnx, and the second file with its weights if there is one."""
    return [path for path in (folder / MODEL, folder / WEIGHTS) if path.exists()]


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


def session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to compute on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = physical_cores()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it starves what computes beside it
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

"""Where a run computes, in which precision and with how many threads."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from core.errors import Problem, SpecError
from core.spec.execution import ExecutionSpec
from core.spec.run import RunSpec


@dataclass(frozen=True)
class Device:
    """kind: cpu, cuda or mps; precision: fp32, bf16 or fp16; title: what a person calls it."""

    kind: str
    precision: str
    title: str

    @property
    def pad_to_multiple_of(self) -> int | None:
        """Tensor cores want lengths that are multiples of 8; on a CPU the padding would only cost."""
        return 8 if self.kind == "cuda" else None

    def autocast(self) -> AbstractContextManager[Any]:
        """A context for a forward pass in this precision."""
        import torch

        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.kind, dtype=torch.bfloat16 if self.precision == "bf16" else torch.float16)


def choose(execution: ExecutionSpec) -> Device:
    """The device and precision that a spec asks for, on this machine. Raises SpecError if it has no such thing."""
    import torch

    kind: str = execution.device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise SpecError(
            [
                Problem.of(
                    "no-cuda-gpu",
                    "the device is 'cuda', but torch sees no CUDA GPU here; choose auto or cpu",
                    "execution.device",
                )
            ]
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SpecError(
            [
                Problem.of(
                    "no-apple-gpu",
                    "the device is 'mps', but this machine has no Apple GPU; choose auto or cpu",
                    "execution.device",
                )
            ]
        )
    title = torch.cuda.get_device_name(0) if kind == "cuda" else {"mps": "Apple GPU", "cpu": "CPU"}[kind]
    return Device(kind, _precision(kind, execution.precision), title)


def choose_for(spec: RunSpec) -> Device:
    """`choose`, for a training run: TensorFlow gains nothing from bf16 on a CPU, so Keras has it only when asked."""
    chosen = choose(spec.execution)
    if spec.engine == "keras" and chosen.kind == "cpu" and spec.execution.precision == "auto":
        return replace(chosen, precision="fp32")
    return chosen


def set_threads(count: int) -> None:
    """Compute on the CPU with this many threads."""
    import torch

    torch.set_num_threads(count)


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies matrices of bf16 by instructions of its own; else they are a slow emulation."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _precision(kind: str, wanted: str) -> str:
    import torch

    has_bf16 = kind != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "auto":
        fast = has_bf16 if kind == "cuda" else kind == "cpu" and _cpu_has_bf16()
        return "bf16" if fast else "fp32"
    if wanted == "bf16" and not has_bf16:
        raise SpecError(
            [
                Problem.of(
                    "no-bf16",
                    "the precision is 'bf16', which this GPU does not have; choose fp16 or fp32",
                    "execution.precision",
                )
            ]
        )
    if wanted == "fp16" and kind != "cuda":
        raise SpecError(
            [
                Problem.of(
                    "fp16-needs-cuda",
                    "the precision is 'fp16', which needs a CUDA GPU, not {kind}; choose bf16 or fp32",
                    "execution.precision",
                    kind=kind,
                )
            ]
        )
    return wanted

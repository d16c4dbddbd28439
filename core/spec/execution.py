"""The execution section of a spec: where and how the run computes."""

from __future__ import annotations

from typing import Literal

from core.spec.section import Section, setting


class ExecutionSpec(Section):
    """Where and how the run computes."""

    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Device", "A GPU where there is one.")
    """auto takes a CUDA GPU, else Apple's (mps), else the CPU."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting(
        "auto", "Precision", "bf16 where the device is fast in it."
    )
    """Number format of the computation; auto is bf16 on a GPU, or a CPU with instructions for it, else fp32."""

    torch_compile: bool = setting(False, "Compile the model", "Costs minutes; pays for long runs on a GPU.")
    """Have torch.compile make faster kernels for this model before training. Not for the Keras engine."""

    padding_free: Literal["auto", "on", "off"] = setting("auto", "Without padding", "Pays on a GPU.")
    """Lay the texts of a batch end to end; auto does on an NVIDIA GPU in bf16 or fp16, for models that can."""

    threads: int | None = setting(None, "CPU threads", "One per physical core.", ge=1, le=512)
    """Threads for computing on the CPU."""

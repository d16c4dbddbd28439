"""The spec of an export."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from core.evaluation.specs import Subject
from core.spec.section import Section, setting


class ExportSpec(Section):
    """A model in a form that others can use."""

    model: Subject = setting(..., "Model")

    form: Literal["safetensors", "onnx", "keras"] = setting("safetensors", "Form", "Transformers loads it.")
    """A Transformers folder (safetensors), an ONNX file, or the Keras file of a run that Keras trained."""

    int8: bool = setting(False, "8-bit weights", "They cost a little quality, which is measured.")
    """ONNX only: quantise the weights to 8 bits, a quarter of the size."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.int8 and self.form != "onnx":
            raise ValueError("8-bit weights exist only for ONNX; choose form onnx, or turn int8 off")
        if self.form == "keras" and not self.model.run:
            raise ValueError("only a run trained with Keras has a Keras file; name such a run, or choose another form")
        return self

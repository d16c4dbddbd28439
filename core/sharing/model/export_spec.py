"""What exporting a model is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from core.evaluation.specs import Subject
from core.spec.section import Section, setting

if TYPE_CHECKING:
    pass


class ExportSpec(Section):
    """A model in a form that others can use."""

    model: Subject = setting(..., "Model")

    form: Literal["safetensors", "onnx", "keras"] = setting("safetensors", "Form", "What Transformers loads.")
    """Transformers' own folder, an ONNX file, or the Keras file of a run that Keras trained."""

    int8: bool = setting(False, "8-bit weights", "They cost a little accuracy, which is measured.")
    """For ONNX: weights of 8 bits instead of 32, a quarter of the size."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.int8 and self.form != "onnx":
            raise ValueError("8-bit weights are made for ONNX alone; choose form onnx, or turn int8 off")
        if self.form == "keras" and not self.model.run:
            raise ValueError("only a run that Keras trained has a Keras file; name a run, or choose another form")
        return self

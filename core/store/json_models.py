"""Frozen models that are kept as JSON: their base, and texts and numbers with bounds.

One definition serves the worker that writes a file, the pages and reports that read it, and the import of a bundle,
which holds a stranger's file to the same bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from core.files import write_text
from core.models.label_names import LONGEST

Name = Annotated[str, StringConstraints(max_length=200)]
METRIC_NAME = r"[A-Za-z0-9_.-]{1,100}"
"""Of characters that are no markup: pages and figures show it as it is."""
MetricName = Annotated[str, StringConstraints(pattern=f"^{METRIC_NAME}$")]
Label = Annotated[str, StringConstraints(max_length=LONGEST)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
Count = Annotated[int, Field(ge=0, le=2**53)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""None where it is not finite: JSON has no NaN."""

Metrics = Mapping[MetricName, Number]
Interval = tuple[Number, Number]
"""Low and high of a 95 % interval."""


class Result(BaseModel):
    """A file of JSON, or a part of one. A field that this version does not know is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, validate_by_name=True)

    def tree(self) -> dict[str, Any]:
        """As it stands in the file: only what was given, under the file's names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def save(self, path: Path, indent: int | None = None) -> None:
        """Write it as JSON, all of it or nothing. Raises OSError."""
        write_text(path, self.model_dump_json(by_alias=True, exclude_unset=True, indent=indent))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read it from JSON; None if the file is not there or damaged."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            return None

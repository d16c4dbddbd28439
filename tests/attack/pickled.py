"""A pickle that leaves a file when it is opened."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Planted:
    """mark: the folder that appears if the code in it runs"""

    mark: Path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.mark),)

    def pickle(self) -> bytes:
        return pickle.dumps(self)

    @property
    def ran(self) -> bool:
        return self.mark.exists()

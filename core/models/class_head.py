"""The part of a trained classifier that chooses the class, when it goes on learning on data with classes of its own.

A head has one row per class, and only their names say which is which. Rows of classes that the data has too go where
the data has them; the others are drawn anew. transformers alone would keep the rows where they are and rename them.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.models.label_names import places
from core.wording import counted

if TYPE_CHECKING:
    import torch

NAMELESS = re.compile(r"LABEL_(\d+)")
SPREAD = 0.02  # of new weights, as transformers draws nearly every head
SHOWN = 6  # class names in a sentence

Rows = list[int | None]


@dataclass(frozen=True)
class HeadPlan:
    """What becomes of a trained head.

    rows: for each class of the data its row in the trained head, None for one that is drawn anew
    unclear: why nothing says which row is which class, if nothing does
    """

    trained: tuple[str, ...]
    rows: tuple[int | None, ...]
    unclear: str = ""

    @property
    def unchanged(self) -> bool:
        return self.rows == tuple(range(len(self.trained)))

    @property
    def keeps(self) -> bool:
        """Whether any class keeps what was learned of it."""
        return any(row is not None for row in self.rows)

    def sentence(self, names: Sequence[str]) -> str:
        """What a person is told. names: the classes of the data"""
        known = [name for name, row in zip(names, self.rows, strict=True) if row is not None]
        fresh = [name for name, row in zip(names, self.rows, strict=True) if row is None]
        if self.unclear:
            return (
                f"This model is a classifier already, but {self.unclear}, so nothing tells which of its classes is "
                "which of yours: the part that chooses the class (the head) is new and starts with random weights."
            )
        if not known:
            return (
                f"This model was trained for other classes ({_listed(self.trained)}) than this data has "
                f"({_listed(names)}), so the part that chooses the class (the head) is new and starts with random "
                "weights."
            )
        if fresh:
            return (
                f"Of the part that chooses the class (the head), what this model has learned of {_listed(known)} is "
                f"kept; {counted(len(fresh), 'class', 'classes')} of this data that it does not know "
                f"({_listed(fresh)}) {'starts' if len(fresh) == 1 else 'start'} with random weights."
            )
        if self.unchanged:
            return "This model tells the classes of this data apart already: it goes on from what it has learned."
        return (
            f"This model knows the classes of this data, but in another order ({_listed(self.trained)}); the rows of "
            f"its head were put into the order of the data ({_listed(names)}), so it goes on from what it has learned."
        )


def plan_for(
    config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], dimensions: Mapping[str, int], names: Sequence[str]
) -> HeadPlan:
    """How the classes of the data take over a trained head.

    config: the tree of the folder's config.json; weights, dimensions: as for `take_over`; names: the data's classes
    """
    nothing = (None,) * len(names)
    try:
        trained = trained_names(config)
    except ValueError as error:
        return HeadPlan((), nothing, str(error))
    rows = {weights[name].shape[dimension] for name, dimension in dimensions.items()}
    if rows != {len(trained)}:
        have = counted(max(rows, default=0), "class", "classes")
        return HeadPlan(trained, nothing, f"its weights are for {have} and its config.json names {len(trained):,}")
    numbers = [NAMELESS.fullmatch(name) for name in trained]
    if trained and all(numbers):
        digits = tuple(match[1] for match in numbers if match)
        if sorted(digits) == sorted(name.strip() for name in names):  # the data's classes are these numbers
            return HeadPlan(trained, tuple(digits.index(name.strip()) for name in names))
        unclear = f"its classes have no names ({_listed(trained)})"
        return HeadPlan(trained, nothing, unclear)
    return HeadPlan(trained, tuple(_matching(trained, names)))


def trained_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a classifier's classes in the order of their rows; LABEL_0 … where its config.json gives none.

    Raises ValueError, with what is wrong, where its tables of labels have holes or contradict one another.
    """
    table, reverse = config.get("id2label"), config.get("label2id")
    if table is None:
        count = config.get("num_labels", 2)
        count = count if isinstance(count, int) and 0 < count <= 1_000_000 else 2
        return tuple(f"LABEL_{i}" for i in range(count))
    if not isinstance(table, dict) or not all(re.fullmatch(r"\d{1,7}", str(key)) for key in table):
        raise ValueError("id2label in its config.json has keys that are no class numbers")
    by_number = {int(key): str(name) for key, name in table.items()}
    if sorted(by_number) != list(range(len(table))):
        raise ValueError("id2label in its config.json does not number its classes 0, 1, 2 and so on")
    if isinstance(reverse, dict):
        wrong = [name for name, i in reverse.items() if str(i) in table and by_number[int(i)] != str(name)]
        nameless = all(NAMELESS.fullmatch(str(name)) for name in reverse)  # left from before the classes got names
        if wrong and not nameless:
            raise ValueError("id2label and label2id in its config.json contradict one another")
    return tuple(by_number[i] for i in range(len(table)))


def _matching(trained: Sequence[str], names: Sequence[str]) -> Rows:
    """Row of each name, see `label_names.places`; if two want the same row, it is that of the same text."""
    rows = places(names, trained)
    wanted = Counter(rows)
    return [
        row if row >= 0 and (wanted[row] == 1 or trained[row] == name) else None
        for name, row in zip(names, rows, strict=True)
    ]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN:,} more" if len(names) > SHOWN else shown


def class_parameters(network: Any) -> dict[str, int]:
    """The parameters that have a part for each class, and along which dimension: those whose shape follows the number
    of classes. The network is made twice more for it, without memory for weights.
    """
    import torch

    shapes = []
    for more in (1, 2):
        config = copy.deepcopy(network.config)
        config.num_labels = network.config.num_labels + more
        with torch.device("meta"):
            other = type(network)(config)
        shapes.append({name: p.shape for name, p in other.named_parameters()})
    return {
        name: next(i for i, (a, b) in enumerate(zip(shape, shapes[1][name], strict=True)) if a != b)
        for name, shape in shapes[0].items()
        if shape != shapes[1][name]
    }


def bare_parameters(network: Any) -> set[str]:
    """The names of what the model without any head has."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        return {name for name, _ in AutoModel.from_config(network.config).named_parameters()}


def saved_tensor(folder: Path, name: str) -> torch.Tensor:
    """A parameter as the safetensors files of a folder have it, float32. Raises KeyError."""
    from safetensors import safe_open

    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            if name in file.keys():  # noqa: SIM118 - no dict
                return file.get_tensor(name).float()
    raise KeyError(name)


def take_over(
    model: Any, trained: Mapping[str, torch.Tensor], dimensions: Mapping[str, int], rows: Sequence[int | None]
) -> None:
    """Give each class of a model the part that `rows` names of the trained weights, or new random ones for None.

    trained, dimensions: parameter -> its trained values; the dimension along which the classes lie
    """
    import torch

    kept = torch.tensor([i for i, row in enumerate(rows) if row is not None], dtype=torch.long)
    places = torch.tensor([row for row in rows if row is not None], dtype=torch.long)
    with torch.no_grad():
        for name, dimension in dimensions.items():
            parameter = model.get_parameter(name)
            old = trained[name].detach().clone()
            torch.nn.init.normal_(parameter, std=SPREAD) if parameter.ndim > 1 else torch.nn.init.zeros_(parameter)
            parameter.index_copy_(dimension, kept, old.index_select(dimension, places))

"""Fits the head of a trained classifier, the part that chooses the class, to the classes of new data.

A head has one row per class, and only the class names say which row is which. The row of a class that the data has too
moves to its place in the data; the other rows start with random weights. transformers alone would leave the rows where
they are and rename them.

Parts of this file are copied, as text, into the exact.py of exported scripts: see core/sharing/code.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.messages import Message
from core.models.files import weight_files
from core.models.label_names import places
from core.wording import counted, sentence

if TYPE_CHECKING:
    import torch

NAMELESS = re.compile(r"LABEL_(\d+)")
SPREAD = 0.02  # standard deviation of new weights, as transformers uses for nearly every head
SHOWN = 6  # class names in a message

Rows = list[int | None]


@dataclass(frozen=True)
class HeadPlan:
    """How a trained head is fitted to the classes of new data.

    trained: the names of its classes; rows: for each class of the data its row in the trained head, None for a new one
    unclear: a sentence on why the rows cannot be matched to classes, empty if they can
    """

    trained: tuple[str, ...]
    rows: tuple[int | None, ...]
    unclear: str = ""

    @property
    def unchanged(self) -> bool:
        """Whether the head already has the classes of the data in their order."""
        return self.rows == tuple(range(len(self.trained)))

    @property
    def keeps(self) -> bool:
        """Whether any class keeps its trained row."""
        return any(row is not None for row in self.rows)

    def message(self, names: Sequence[str]) -> Message:
        """Explains the plan to a person. names: the classes of the data"""
        known = [name for name, row in zip(names, self.rows, strict=True) if row is not None]
        fresh = [name for name, row in zip(names, self.rows, strict=True) if row is None]
        trained, classes = _listed(self.trained), _listed(names)
        if self.unclear:
            return Message(
                "This model is a classifier already, but its classes cannot be matched to yours. "
                f"{self.unclear} So the part that chooses the class (the head) is new: nothing of it is trained.",
                "new-head-unclear",
                {"reason": self.unclear},
            )
        if not known:
            return Message(
                f"This model was trained for other classes ({trained}) than this data has ({classes}), so the part "
                "that chooses the class (the head) is new: nothing of it is trained.",
                "new-head-other-classes",
                {"trained": trained, "classes": classes},
            )
        if fresh:
            return Message(
                f"The part that chooses the class (the head) keeps what this model has learned of {_listed(known)}; it "
                f"starts with random weights for {counted(len(fresh), 'new class', 'new classes')} of this data "
                f"({_listed(fresh)}).",
                "kept-head-in-part",
                {"known": _listed(known), "new": _listed(fresh), "count": len(fresh)},
            )
        if self.unchanged:
            return Message(
                "This model was trained for the classes of this data already: it goes on from what it has learned.",
                "kept-head",
            )
        return Message(
            f"This model knows the classes of this data, but in another order ({trained}); the rows of its head were "
            f"put into the order of the data ({classes}), so it goes on from what it has learned.",
            "kept-head-reordered",
            {"trained": trained, "classes": classes},
        )


def plan_for(
    config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], dimensions: Mapping[str, int], names: Sequence[str]
) -> HeadPlan:
    """Plans how the classes of the data take over a trained head.

    config: the content of config.json; weights, dimensions: as for `take_over`; names: the classes of the data
    """
    nothing = (None,) * len(names)
    try:
        trained = trained_names(config)
    except ValueError as error:
        return HeadPlan((), nothing, sentence(str(error)))
    rows = {weights[name].shape[dimension] for name, dimension in dimensions.items()}
    if rows != {len(trained)}:
        count = counted(max(rows, default=0), "class", "classes")
        return HeadPlan(trained, nothing, f"Its weights are for {count} and its config.json names {len(trained):,}.")
    numbers = [NAMELESS.fullmatch(name) for name in trained]
    if trained and all(numbers):
        digits = tuple(match[1] for match in numbers if match)
        if sorted(digits) == sorted(name.strip() for name in names):  # the data's classes are these numbers
            return HeadPlan(trained, tuple(digits.index(name.strip()) for name in names))
        return HeadPlan(trained, nothing, f"Its classes have no names ({_listed(trained)}).")
    return HeadPlan(trained, tuple(_matching(trained, names)))


def trained_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns a classifier's class names in the order of their rows; LABEL_0 … if its config.json has none.

    Raises ValueError with an explanation if its tables of labels have gaps or contradict each other.
    """
    table, reverse = config.get("id2label"), config.get("label2id")
    if table is None:
        count = config.get("num_labels", 2)
        count = count if isinstance(count, int) and 0 < count <= 1_000_000 else 2
        return tuple(f"LABEL_{i}" for i in range(count))
    if not isinstance(table, dict) or not all(re.fullmatch(r"\d{1,7}", str(key)) for key in table):
        raise ValueError("id2label in its config.json has keys that are not class numbers")
    by_number = {int(key): str(name) for key, name in table.items()}
    if sorted(by_number) != list(range(len(table))):
        raise ValueError("id2label in its config.json does not number its classes 0, 1, 2 and so on")
    if isinstance(reverse, dict):
        wrong = [name for name, i in reverse.items() if str(i) in table and by_number[int(i)] != str(name)]
        nameless = all(NAMELESS.fullmatch(str(name)) for name in reverse)  # from before the classes got names
        if wrong and not nameless:
            raise ValueError("id2label and label2id in its config.json contradict each other")
    return tuple(by_number[i] for i in range(len(table)))


def _matching(trained: Sequence[str], names: Sequence[str]) -> Rows:
    """Returns the row of each name, see `label_names.places`; if two names match a row, the identical one gets it."""
    rows = places(names, trained)
    wanted = Counter(rows)
    return [
        row if row >= 0 and (wanted[row] == 1 or trained[row] == name) else None
        for name, row in zip(names, rows, strict=True)
    ]


def _listed(names: Sequence[str]) -> str:
    """Lists names for a message: the first few, and how many more there are."""
    first = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:SHOWN])
    return f"{first} and {len(names) - SHOWN:,} more" if len(names) > SHOWN else first


def class_parameters(network: Any) -> dict[str, int]:
    """Returns the parameters whose shape depends on the number of classes: name → the dimension of the classes.

    Compares two networks of other class counts, which are built without memory for weights.
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
    """Returns the names of the parameters of the model without a head."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        return {name for name, _ in AutoModel.from_config(network.config).named_parameters()}


def saved_tensor(folder: Path, name: str) -> torch.Tensor:
    """Reads a parameter from the weights of a checked folder, as float32. Raises KeyError, ModelError."""
    from safetensors import safe_open

    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            if name in file.keys():  # noqa: SIM118 - not a dict
                return file.get_tensor(name).float()
    raise KeyError(name)


def take_over(
    model: Any, trained: Mapping[str, torch.Tensor], dimensions: Mapping[str, int], rows: Sequence[int | None]
) -> None:
    """Gives each class of a model its row of the trained weights, or new random weights.

    trained: parameter → trained values; dimensions: parameter → the dimension of the classes
    rows: for each class its row in the trained weights, or None
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

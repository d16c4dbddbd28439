"""What goes with a script: which versions it needs, which files, and what they are."""

from __future__ import annotations

import textwrap

from core.sharing.code.facts import Facts
from core.sharing.code.pieces import one_line
from core.tasks.contract import task_of

COMMON = ("torch", "transformers", "datasets", "safetensors", "tokenizers", "numpy", "scikit-learn", "pyarrow")
OF_ENGINE = {"trainer": ("accelerate",), "torch": (), "keras": ("tensorflow", "keras", "keras-hub")}
MOST_LABELS = 2000


def requirements(facts: Facts) -> str:
    """requirements.txt with the versions of the run; a build's own suffix, such as +cu130, is no version of PyPI."""
    versions = {name: facts.packages[name] for name in COMMON + OF_ENGINE[facts.spec.engine] if name in facts.packages}
    return "".join(f"{name}=={version.split('+')[0]}\n" for name, version in versions.items())


def readme(facts: Facts, *, with_texts: bool) -> str:
    """README.txt; with_texts: the examples lie in data/"""
    parts = [
        f"The run “{one_line(facts.name)}” as code: train.py and notebook.ipynb do the same.",
        "    python -m pip install -r requirements.txt\n    python train.py",
        "The script trains, prints the metrics as its last line, and saves the model in model/.",
        "exact.py makes it repeat the run. Training needs none of it: delete the file, and the lines of train.py that "
        "end with “# exact”, and what is left comes to about the same figures.",
    ]
    if facts.local:
        parts.append(
            f"The base model was a folder of the machine that trained, so it is not in here: put it at "
            f"{one_line(facts.base)}, or change MODEL in the script."
        )
    if facts.start is not None and facts.start.frozen is not None:
        parts.append(
            "start.safetensors has the weights of the whole model from where training starts: in a contrastive stage "
            "they have learned from the training examples already."
        )
    if facts.exact and facts.spec.engine != "keras":
        parts.append(
            f"With these versions and {facts.threads} CPU thread{'s' if facts.threads > 1 else ''}, as the script "
            "sets, it comes to the same figures as the run; another processor may round differently."
        )
    parts.append(_data(facts, with_texts))
    filled = (part if part.startswith("    ") else textwrap.fill(part, 100) for part in parts[:-1])
    return "\n\n".join([*filled, parts[-1]]) + "\n"


def _data(facts: Facts, with_texts: bool) -> str:
    columns, task = [*facts.columns, "label"], task_of(facts.spec).script
    if with_texts:
        text = (
            f"data/train.parquet and data/eval.parquet hold the examples, in the order in which the run had them. "
            f"Columns: {', '.join(map(repr, columns))}; {task.LABEL_WORDS}"
        )
        return textwrap.fill(text, 100)
    kind, feature = task.label_feature(facts.label_names[:MOST_LABELS])
    columns_of = ", ".join(f'{name!r}: Value("string")' for name in facts.columns)
    rows = ", ".join(f"{name!r}: [...]" for name in columns)
    head = textwrap.fill(
        f"The examples are not in here. Put data/train.parquet ({facts.train_examples:,} examples) and "
        "data/eval.parquet beside the script, in the order in which the run had them, with these columns:",
        100,
    )
    return "\n".join(
        [
            head,
            "",
            f"    from datasets import {', '.join(sorted({kind, 'Dataset', 'Features', 'Value'}))}",
            f'    features = Features({{{columns_of}, "label": {feature}}})',
            f'    Dataset.from_dict({{{rows}}}, features=features).to_parquet("data/train.parquet")',
        ]
    )

"""A run as a short Python script in the style of the tutorial, without anything of Tunedeck in it.

`sections(facts)` is what the script and the notebook are both made from. On a CPU the scripts of the PyTorch engines
come to the same metrics as the run, digit by digit; Keras's to about a thousandth.
"""

from __future__ import annotations

from collections.abc import Callable

from core.sharing.code import script_keras, script_torch, script_trainer
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import Section, heading, literal, one_line, source

ENGINES: dict[str, tuple[str, Callable[[Facts], list[Section]]]] = {
    "trainer": ("the Transformers Trainer", script_trainer.sections),
    "torch": ("a native PyTorch loop", script_torch.sections),
    "keras": ("Keras on TensorFlow", script_keras.sections),
}


def sections(facts: Facts) -> list[Section]:
    """The parts of the script in their order; the first is what it begins with."""
    made = [part for part in ENGINES[facts.spec.engine][1](facts) if part.code]
    first = next(i for i, part in enumerate(made) if part.main)
    return [*made[:first], _base(facts), *made[first:]] if facts.base else made


def _base(facts: Facts) -> Section:
    if facts.local:
        text = "This model was a folder of the machine that trained: put it, or a link to it, where MODEL says."
    else:
        text = "From the Hugging Face Hub."
    return Section("The pretrained model", text, f"MODEL = {literal(facts.base)}")


def script(facts: Facts) -> str:
    """The source of train.py."""
    made = sections(facts)
    title = heading(next(part for part in made if part.main))
    docstring = f"Fine-tune a text classifier with {ENGINES[facts.spec.engine][0]}."
    lines = source(made, about(facts, 0), docstring).split("\n")
    return source(made, about(facts, lines.index(title) + 1), docstring)


def main_part(facts: Facts) -> str:
    """The part of train.py that one reads, without imports and what makes it repeat exactly."""
    text, first = script(facts), next(part for part in sections(facts) if part.main)
    lines = text.split("\n")
    return "\n".join(lines[lines.index(heading(first)) :])


def about(facts: Facts, begin: int) -> list[str]:
    """What it repeats, and what it comes to; each one line. begin: the line where its main part does"""
    spec = facts.spec
    main = spec.evaluation.metric_for_best_model
    value = facts.metrics.get(main)
    lines = [
        f"Repeats the run: {facts.name}",
        f"Dataset: {facts.dataset}{_hub(facts)}",
        f"Base model: {spec.model.name}{f' at {facts.model_revision}' if facts.model_revision else ''}",
    ]
    if value is not None:
        lines.append(f"It came to: {main.replace('_', ' ')} {value:.4f}{_how_sure(facts)}")
    if facts.stopped is not None:
        lines.append(f"The run was ended after step {facts.stopped:,}, before its time; so is this script.")
    if facts.judged_on_part:
        lines.append("It was then judged on a part of the evaluation examples only; this script takes all of them.")
    lines.append("Needs what requirements.txt names, and the examples in data/. Run it in its folder: python train.py")
    lines.append(f"To read it, begin at line {begin}.")
    return [one_line(line) for line in lines]


def _hub(facts: Facts) -> str:
    data = facts.spec.data
    if data.source != "hub":
        return ""
    config = f", {data.config!r}" if data.config else ""
    at = f", revision={facts.data_revision!r}" if facts.data_revision else ""
    return f"; on the Hub load_dataset({data.path!r}{config}{at})"


def _how_sure(facts: Facts) -> str:
    if facts.spec.engine == "keras":
        return ", which this script repeats to about a thousandth"
    return ", which this script repeats exactly" if facts.exact else ""


def main_lines(facts: Facts) -> int:
    """How many lines of code the main part has, without blank ones and comments."""
    code = [line for part in sections(facts) if part.main for line in part.code.split("\n")]
    return sum(1 for line in code if line.strip() and not line.strip().startswith("#"))

"""A run as a short Python script in the style of the tutorial, without anything of Tunedeck in it.

`train.py` works by itself. Its lines that end with `# exact` call `exact.py` beside it, which makes it repeat the run:
on a CPU the scripts of the PyTorch engines come to the same metrics, digit by digit; Keras's to about a hundredth.
`sections(facts)` is what train.py and the notebook are both made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.sharing.code import exact as exact_torch
from core.sharing.code import exact_keras, script_keras, script_torch, script_trainer
from core.sharing.code.facts import Facts
from core.sharing.code.pieces import imports_of, literal, marked, one_line, source
from core.sharing.code.script_common import revision_line
from core.tasks.code import Section
from core.tasks.contract import task_of

ENGINES: dict[str, tuple[str, Callable[[Facts], list[Section]]]] = {
    "trainer": ("the Transformers Trainer", script_trainer.sections),
    "torch": ("a native PyTorch loop", script_torch.sections),
    "keras": ("Keras on TensorFlow", script_keras.sections),
}


def sections(facts: Facts) -> list[Section]:
    """The parts of train.py in their order."""
    parts = ENGINES[facts.spec.engine][1](facts)
    return [_base(facts), *parts] if facts.base else parts


def _base(facts: Facts) -> Section:
    if facts.local:
        text = "a folder of the machine that trained: put it, or a link to it, there"
    else:
        text = "from the Hugging Face Hub"
    code = [f"MODEL = {literal(facts.base)}  # {text}", *revision_line(facts)]
    return Section("", "", "\n".join(code))


def script(facts: Facts) -> str:
    """The source of train.py."""
    parts, engine = sections(facts), ENGINES[facts.spec.engine][0]
    model = task_of(facts.spec).facts.MODEL
    docstring = f"Fine-tune {model} with {engine}, on the examples in data/: python train.py"
    comments = "\n".join(f"# {line}".rstrip() for line in (*about(facts), HOW))
    return source(parts, f'"""{docstring}"""\n{comments}\n\n{libraries(parts)}')


EXACT = '"""What makes train.py repeat its run. Training needs none of it, and learns as well without."""'
HOW = (
    'The lines that end with "exact" make it repeat the run, by exact.py. Without them it learns as well: delete them.'
)


def libraries(parts: Sequence[Section]) -> str:
    """The imports of train.py, with that of exact.py, which is marked."""
    return f"{imports_of(parts)}\n\n{marked('import exact')}"


def exact(facts: Facts) -> str:
    """The source of exact.py."""
    if facts.spec.engine == "keras":
        parts = exact_keras.sections(facts)
    else:
        parts = exact_torch.sections(facts)
    return source(parts, f"{EXACT}\n\n{imports_of(parts)}")


def about(facts: Facts) -> list[str]:
    """What it repeats, and what it comes to; each one line."""
    spec = facts.spec
    main = spec.evaluation.metric_for_best_model
    value = facts.metrics.get(main)
    lines = [f"Repeats the run: {facts.name}", f"Dataset: {facts.dataset}{_hub(facts)}"]
    if value is not None:
        lines.append(f"It came to: {main.replace('_', ' ')} {value:.4f}{_how_sure(facts)}")
    if facts.stopped is not None:
        lines.append(f"The run was ended after step {facts.stopped:,}, before its time; so is this script.")
    if facts.judged_on_part:
        lines.append("It was then judged on a part of the evaluation examples only; this script takes all of them.")
    if facts.padding_free:
        lines.append(
            "The run computed without padding, this script pads: the same but for rounding and dropout's draws."
        )
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
        return ", which this script repeats to about a hundredth"
    return ", which this script repeats exactly" if facts.exact else ""

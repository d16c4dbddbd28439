"""The work that a visitor may start in demo mode: small and short, on the sample, with the PyTorch engines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from core.errors import SpecError
from core.settings import Demo
from core.spec.run import RunSpec, build, get_field
from core.spec.section import value_at

Scope = Literal["small training", "sample", "runs", "nobody"]
"""What visitors may start of a kind of work: training within RULES, what is about the sample alone, what is about runs
that they see, or nothing."""

MOST_THREADS = 4
MOST_CHARACTERS = 20_000  # of a spec as JSON: the store keeps it, and pages read it often


class Rule(NamedTuple):
    """field: its path in the spec; holds: whether its value is allowed; wanted: the allowed values, and why"""

    field: str
    holds: Callable[[Any, Demo], bool]
    wanted: Callable[[Demo], str]


RULES = (
    Rule("data.source", lambda v, d: v == "sample", lambda d: "the sample alone: other data belongs to somebody"),
    Rule("data.steps", lambda v, d: not v, lambda d: "no steps of preparation, which take time and room"),
    Rule("engine", lambda v, d: v in ("trainer", "torch"), lambda d: "trainer or torch: Keras needs 2 GB of memory"),
    Rule("model.name", lambda v, d: v == "scratch", lambda d: "scratch: a pretrained model needs a large download"),
    Rule("model.max_length", lambda v, d: v <= d.length, lambda d: f"at most {d.length}"),
    Rule("data.max_train_examples", lambda v, d: v is None or v <= d.examples, lambda d: f"at most {d.examples:,}"),
    Rule("training.num_train_epochs", lambda v, d: v <= d.epochs, lambda d: f"at most {d.epochs:g}"),
    Rule("training.per_device_train_batch_size", lambda v, d: v <= 64, lambda d: "at most 64, for memory"),
    Rule("training.per_device_eval_batch_size", lambda v, d: v <= 64, lambda d: "at most 64, for memory"),
    Rule("training.max_tokens_per_batch", lambda v, d: v is None or v <= 8192, lambda d: "at most 8,192, for memory"),
    Rule("training.gradient_accumulation_steps", lambda v, d: v <= 16, lambda d: "at most 16, for memory"),
    Rule("training.logging_steps", lambda v, d: v >= 5, lambda d: "at least 5: each point is kept"),
    Rule("training.custom_class_weights", lambda v, d: len(v) <= 20, lambda d: "at most 20 weights"),
    Rule("evaluation.metrics", lambda v, d: len(v) <= len(set(v)), lambda d: "each metric once"),
    Rule("training.eval_steps", lambda v, d: v >= 20, lambda d: "at least 20, so that most of the time is training"),
    Rule("training.save_steps", lambda v, d: v >= 20, lambda d: "at least 20: each checkpoint takes room on the disk"),
    Rule("training.save_total_limit", lambda v, d: v <= 2, lambda d: "at most 2: each takes room on the disk"),
    Rule("execution.device", lambda v, d: v in ("auto", "cpu"), lambda d: "auto or cpu"),
    Rule("execution.threads", lambda v, d: v is None or v <= MOST_THREADS, lambda d: f"at most {MOST_THREADS}"),
    Rule("execution.torch_compile", lambda v, d: not v, lambda d: "off: compiling takes longer than the run"),
)


def broken(limits: Demo, spec: RunSpec) -> list[tuple[str, str]]:
    """The fields of a spec that a visitor must change, each with a sentence that says how."""
    problems = []
    for rule in RULES:
        value = get_field(spec, rule.field)
        if rule.field in spec.auto:
            problems.append((rule.field, f"this demo has no room for automatic settings; use {rule.wanted(limits)}"))
            continue
        if not rule.holds(value, limits):
            given = "the value" if isinstance(value, tuple) else repr(value)
            problems.append((rule.field, f"{given} is more than this demo has room for; use {rule.wanted(limits)}"))
    return problems


def why_not(limits: Demo, kind: str, scope: Scope, spec: dict[str, Any], data: Any) -> str | None:
    """Why a visitor may not start work of this kind with this spec; None if they may.

    scope: of the kind; data: the dataset that the spec names, as a tree
    """
    if (size := len(json.dumps(spec))) > MOST_CHARACTERS:
        return f"the settings have {size:,} characters; this demo accepts at most {MOST_CHARACTERS:,}"
    match scope:
        case "small training":
            return _why_not_train(limits, spec)
        case "runs":
            return _why_not_evaluate(limits, spec)
        case "sample" if value_at(data, "source") == "sample" and not value_at(data, "steps"):
            named = value_at(spec, "model.name")
            return None if named in (None, "scratch") else "this demo counts tokens for the model scratch only"
    return f"this demo trains and evaluates models on the sample; for {kind}, install Tunedeck on your own machine"


def _why_not_train(limits: Demo, spec: dict[str, Any]) -> str | None:
    try:
        rules = broken(limits, build(spec))
    except SpecError as error:
        return str(error)
    return "; ".join(f"{field}: {why}" for field, why in rules) or None


def _why_not_evaluate(limits: Demo, spec: dict[str, Any]) -> str | None:
    if spec.get("data") or value_at(spec, "model.name"):
        return "this demo evaluates only runs, on the data that they were trained on"
    longest = value_at(spec, "model.max_length")
    fits = longest is None or (isinstance(longest, int) and longest <= limits.length)
    return None if fits else f"in this demo a text has at most {limits.length} tokens"

"""Reads the tasks of a Label Studio export: each control's answers become a column with the control's name."""

from __future__ import annotations

from collections import Counter
from typing import Any

DISAGREE = "annotators_disagree"
ANSWERS = ("choices", "rating", "number", "taxonomy", "text")


def with_answers(task: dict[str, Any]) -> dict[str, Any]:
    """Adds a column for each control to a task. If annotators differ, the commonest answer counts, else the first.

    Answers of cancelled annotations do not count.
    """
    given: dict[str, list[Any]] = {}
    for annotation in task["annotations"] if isinstance(task.get("annotations"), list) else ():
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            for name, answer in _answers(annotation.get("result")):
                given.setdefault(name, []).append(answer)
    record = dict(task)
    differ = False
    for name, answers in given.items():
        counts = Counter(map(repr, answers))
        ((common, _),) = counts.most_common(1)
        differ = differ or len(counts) > 1
        record[name if name not in task else f"answer.{name}"] = next(a for a in answers if repr(a) == common)
    if differ:
        record[DISAGREE] = True
    return record


def _answers(results: Any) -> list[tuple[str, Any]]:
    answers = []
    for result in results if isinstance(results, list) else ():
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict) and "start" not in value:
            kind = next((kind for kind in ANSWERS if kind in value), None)
            if kind is not None:
                answers.append((str(result.get("from_name") or kind), _plain(kind, value[kind])))
    return answers


def _plain(kind: str, value: Any) -> Any:
    """Returns the value of an answer; a path in a taxonomy becomes its names, joined by " > "."""
    if kind == "taxonomy" and isinstance(value, list):
        return [" > ".join(map(str, path)) if isinstance(path, list) else str(path) for path in value]
    return value

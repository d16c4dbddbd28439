"""What in a dataset will hurt a model: every check, one after the other, and the findings kept with the dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import seals
from core.data.dataset import Prepared, Progress, ignore
from core.data.inspecting.problems.characters import characters
from core.data.inspecting.problems.columns import columns
from core.data.inspecting.problems.finding import SEVERITIES, Finding
from core.data.inspecting.problems.labels import labels
from core.data.inspecting.problems.lengths import lengths
from core.data.inspecting.problems.near_copies import near_copies
from core.data.inspecting.problems.repeats import conflicts, copies, leaks
from core.data.loading.choices import choose_train
from core.messages import Message
from core.spec.data import DataSpec

VERSION = 5  # raise it when a check finds something else than before

Check = Callable[[], Iterator[Finding]]


def inspect(prepared: Prepared, data: DataSpec, progress: Progress = ignore) -> list[Finding]:
    """All problems of a dataset with these text and label columns, the worst first; kept for `find_inspection`."""
    checks = _checks(prepared, data, progress)
    findings: list[Finding] = []
    for number, (phase, check) in enumerate(checks):
        progress(phase, number / len(checks))
        findings += check()
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    seals.write_text(_path(prepared, data), json.dumps([asdict(finding) for finding in findings], ensure_ascii=True))
    return findings


def find_inspection(prepared: Prepared, data: DataSpec) -> list[Finding] | None:
    """The findings of an earlier `inspect`; None if there was none."""
    try:
        kept = json.loads(seals.read_text(_path(prepared, data)) or "null")
        return [_kept(finding) for finding in kept]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _kept(tree: dict[str, Any]) -> Finding:
    """A finding as its file has it; earlier versions wrote the sentences alone."""
    sentences = {name: tree[name] for name in ("title", "text", "remedy")}
    messages = {n: Message(**kept) if isinstance(kept, dict) else Message(kept) for n, kept in sentences.items()}
    return Finding(**{**tree, **messages, "rows": tuple(tree["rows"]), "steps": tuple(tree["steps"])})


def _checks(prepared: Prepared, data: DataSpec, progress: Progress) -> list[tuple[str, Check]]:
    """The checks that these columns allow, each with what it is called while it works."""
    texts = [name for name in data.text_columns if prepared.column(name) is not None]
    label = data.label_column if data.label_column and prepared.column(data.label_column) else None
    train = choose_train(prepared, data, [])
    checks: list[tuple[str, Check]] = []
    if texts:
        checks += [
            ("Looking for empty and endless texts", lambda: lengths(prepared, texts)),
            ("Looking for copies", lambda: copies(prepared, texts)),
            ("Looking for leaks", lambda: leaks(prepared, texts, train)),
            ("Looking for broken characters", lambda: characters(prepared, texts)),
            ("Comparing texts", lambda: near_copies(prepared, texts, train, progress)),
        ]
    if texts and label:
        checks.append(("Looking for contradictions", lambda: conflicts(prepared, texts, label)))
    if label:
        checks.append(("Looking at the labels", lambda: labels(prepared, texts, label, train)))
    used = [*texts, label] if label else texts
    return [*checks, ("Looking at the columns", lambda: columns(prepared, used))]


def _path(prepared: Prepared, data: DataSpec) -> Path:
    key = json.dumps([VERSION, data.text_columns, data.label_column, data.train_split])
    return prepared.folder / f"problems-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"

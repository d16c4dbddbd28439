"""The table of kinds: each line of it is complete, and what it names is there."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

from core.access.demo import Scope
from core.access.rules import Action
from core.errors import SpecError
from core.evaluation.specs import Subject
from core.runs import kinds
from core.runs.kinds import KINDS, Kind, Lane
from core.settings import PROJECT
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.run import ProfileSpec
from core.spec.section import Section, setting
from core.store import summaries

HEAVY = ("torch", "tensorflow", "transformers", "datasets", "pandas", "pyarrow")


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_names_a_spec_and_the_function_that_takes_it(name: str) -> None:
    kind = KINDS[name]
    spec = kind.spec_class()
    assert issubclass(spec, Section)
    parameters = inspect.signature(kind.work_function()).parameters
    assert list(parameters) == ["spec", "run", "settings", "report"]
    assert parameters["spec"].annotation == spec.__name__
    kept = inspect.signature(kind.work_function()).return_annotation
    assert issubclass(getattr(summaries, kept.rpartition(".")[2]), summaries.Summary)
    assert kind.title[0].isupper() and kind.lane in get_args(Lane)
    assert kind.action in get_args(Action) and kind.demo in get_args(Scope)


def test_a_summary_of_another_version_reads_as_far_as_it_goes() -> None:
    later = {"value": 0.5, "main_metric": "accuracy", "of a later version": 1}
    assert summaries.Summary.of(later) == summaries.Summary(value=0.5, main_metric="accuracy")
    earlier = summaries.Exported.of({"file": "model.zip", "speed": {"onnx": 2.5, "batch": 8}})
    assert (earlier.temperature, earlier.int8, earlier.speed) == (1.0, None, summaries.Speed(onnx=2.5, batch=8))
    assert summaries.Pushed.of({"commit": ["abc"]}) == summaries.Pushed.of({}) == summaries.Pushed()


def test_titles_tell_kinds_apart() -> None:
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
    assert kinds.title_of("bundle") == "Bundle" and kinds.title_of("of a later version") == "of a later version"


def test_other_work_is_refused_with_the_names_of_what_there_is() -> None:
    with pytest.raises(SpecError, match="'mine' is no kind of work; there are train, import"):
        kinds.check("mine", {})


def test_specs_of_all_kinds_are_light_to_import() -> None:
    """Pages check what they start."""
    code = (
        "import sys; from core.runs.kinds import KINDS; [kind.spec_class() for kind in KINDS.values()];"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# What a spec names: found in its fields, and compared with what the table says. A new field that holds a run's id, a
# dataset or a model cannot be forgotten in the table, where the access checks look.


def fields(section: type[Section], path: str = "") -> Iterator[tuple[str, type[Section], FieldInfo]]:
    """Each field of a spec and of the sections in it: its dotted path, the section that it stands in, and itself."""
    for name, field in section.model_fields.items():
        yield f"{path}{name}", section, field
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, Section):
                yield from fields(inner, f"{path}{name}.")


def holds(field: FieldInfo, wanted: type) -> bool:
    return wanted in (field.annotation, *get_args(field.annotation))


def runs_in(section: type[Section]) -> set[str]:
    """Paths of the fields that hold ids of runs: they are called so, or described so."""
    named = re.compile(r"(\w+_)?(run|evaluation|comparison)s?(_ids?)?")
    described = re.compile(r"\bids? of\b", re.I)
    return {
        path
        for path, _, field in fields(section)
        if holds(field, str) and (named.fullmatch(path.rpartition(".")[2]) or described.search(field.description or ""))
    }


def data_in(section: type[Section]) -> str | None:
    if issubclass(section, DataSpec):
        return ""
    paths = [path for path, _, field in fields(section) if holds(field, DataSpec)]
    assert len(paths) < 2, "the table has room for one dataset: give Kind.data several paths"
    return paths[0] if paths else None


def model_in(section: type[Section]) -> str | None:
    paths = [path for path, within, _ in fields(section) if within in (Subject, ModelSpec) and path.endswith(".name")]
    assert len(paths) < 2, "the table has room for one model: give Kind.model several paths"
    return paths[0] if paths else None


@pytest.mark.parametrize("name", KINDS)
def test_the_table_knows_what_a_spec_names(name: str) -> None:
    kind, spec = KINDS[name], KINDS[name].spec_class()
    assert set(kind.runs) == runs_in(spec)
    assert kind.data == data_in(spec)
    assert kind.model == model_in(spec)


class MergeSpec(Section):
    """A kind of work that nobody has built."""

    first: Subject = setting(..., "First")
    weights_of: str = setting("", "Weights")
    """The id of the run whose weights are taken."""
    other_runs: tuple[str, ...] = setting((), "Others")
    profile: ProfileSpec | None = setting(None, "Profile")
    note: str = setting("", "Note")
    """A sentence."""


def test_what_a_new_spec_names_is_found() -> None:
    assert runs_in(MergeSpec) == {"first.run", "weights_of", "other_runs"}
    assert data_in(MergeSpec) == "profile.data"
    with pytest.raises(AssertionError, match="several paths"):
        model_in(MergeSpec)


def test_a_kind_without_its_runs_cannot_be_written_down() -> None:
    required = {f.name for f in dataclasses.fields(Kind) if f.default is dataclasses.MISSING}
    assert {"runs", "data", "model", "action", "lane", "title", "spec", "work", "result"} <= required


@pytest.mark.parametrize(
    ("name", "spec", "ids"),
    [
        ("evaluate", {"model": {"run": "a"}}, ["a"]),
        ("compare", {"evaluations": ["a", "b"]}, ["a", "b"]),
        ("publish", {"runs": ("a", "b")}, ["a", "b"]),
        ("push", {"run": ""}, []),
        ("push", {}, []),
        ("export", {"model": "no section"}, []),
        ("compare", {"evaluations": [["a"], {"b": "c"}, 5, "d"]}, ["d"]),
    ],
)
def test_runs_are_read_from_any_spec_without_a_trace(name: str, spec: dict[str, Any], ids: list[str]) -> None:
    assert KINDS[name].runs_named(spec) == ids

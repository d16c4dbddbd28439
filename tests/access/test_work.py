"""Background work of every kind: the runs, files and folders that its spec names are looked at before it is queued."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from core.errors import AccessDenied, ModelError, PathError, RunNotFound, SpecError
from core.runs.kinds import KINDS
from tests.access.conftest import ANN, OTHER_VISITOR, PEOPLE, SPEC, House

MISSING = "0123456789"
SAMPLE = {"source": "sample"}
# A spec of each kind that would be queued if there were such a run.
SPECS: dict[str, dict[str, Any]] = {
    "train": SPEC,
    "import": SAMPLE,
    "inspect": SAMPLE,
    "profile": {"data": SAMPLE, "model": {"name": "scratch"}},
    "evaluate": {"model": {"run": MISSING}},
    "predict": {"model": {"run": MISSING}, "data": SAMPLE},
    "certify": {"model": {"run": MISSING}},
    "compare": {"evaluations": [MISSING, MISSING]},
    "robustness": {"evaluation": MISSING},
    "neighbours": {"run": MISSING},
    "bundle": {"run": MISSING},
    "publish": {"runs": [MISSING]},
    "code": {"run": MISSING},
    "push": {"run": MISSING, "repo_id": "tom/x"},
    "export": {"model": {"run": MISSING}},
}
NAMED = [(name, path) for name, kind in KINDS.items() for path in kind.runs]


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The spec with another value at a path; a list stays one."""
    tree = copy.deepcopy(spec)
    *sections, last = path.split(".")
    within = tree
    for section in sections:
        within = within.setdefault(section, {})
    within[last] = [*within[last][:-1], value] if isinstance(within.get(last), list) else value
    return tree


def test_every_kind_is_tried() -> None:
    assert set(SPECS) == set(KINDS)


@pytest.mark.parametrize(("kind", "path"), NAMED)
def test_a_run_that_is_not_there_ends_it(team: House, kind: str, path: str) -> None:
    with pytest.raises(RunNotFound, match=MISSING):
        team.of(PEOPLE["trainer"]).submit(kind, "x", changed(SPECS[kind], path, MISSING))
    assert not team.plain.runs()


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, path in NAMED if KINDS[kind].demo != "nobody"])
def test_another_visitors_run_ends_it(demo: House, kind: str, path: str) -> None:
    hidden, mine = demo.ended(OTHER_VISITOR.id), demo.ended(PEOPLE["visitor"].id)
    spec = changed(SPECS[kind], path, mine.id)
    spec = changed(spec | ({path: [mine.id, mine.id]} if path == "evaluations" else {}), path, hidden.id)
    with pytest.raises(RunNotFound, match=hidden.id):
        demo.of(PEOPLE["visitor"]).submit(kind, "x", spec)
    assert len(demo.plain.runs()) == 2


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, path in NAMED if KINDS[kind].action != "work"])
def test_what_goes_out_is_the_owners_to_send(team: House, kind: str, path: str) -> None:
    spec = changed(SPECS[kind], path, team.ended(ANN.id).id)
    with pytest.raises(AccessDenied, match=r"belongs to ann@example\.org"):
        team.of(PEOPLE["trainer"]).submit(kind, "x", spec)
    assert team.of(ANN).submit(kind, "x", spec)


def test_what_goes_out_is_known() -> None:
    assert {name: kind.action for name, kind in KINDS.items() if kind.action != "work"} == {
        "train": "train",
        "push": "push",
        "publish": "publish",
    }


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.data is not None])
def test_a_file_outside_ends_it(team: House, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "elsewhere.csv"
    outside.write_text("text,label\na,b\n")
    data = {"source": "file", "path": str(outside)}
    spec = data if KINDS[kind].data == "" else changed(known(team, kind), KINDS[kind].data or "", data)
    with pytest.raises(PathError, match="outside"):
        team.of(PEOPLE["trainer"]).submit(kind, "x", spec)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.model is not None])
def test_a_model_folder_outside_ends_it(team: House, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    spec = changed(known(team, kind), KINDS[kind].model or "", str(folder)) | {"data": SAMPLE}
    spec = {name: value for name, value in spec.items() if name in KINDS[kind].spec_class().model_fields}
    spec["model"].pop("run", None)
    with pytest.raises((PathError, ModelError), match="outside"):
        team.of(PEOPLE["trainer"]).submit(kind, "x", spec)


def known(house: House, kind: str) -> dict[str, Any]:
    """A spec of this kind that names a run which is there, and the person's."""
    spec, run = SPECS[kind], house.ended(PEOPLE["trainer"].id)
    for path in KINDS[kind].runs:
        spec = changed(spec, path, run.id)
    return spec


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.demo == "nobody"])
def test_the_rest_is_not_for_visitors(demo: House, kind: str) -> None:
    with pytest.raises(AccessDenied, match=r"this is a demo|this demo"):
        demo.of(PEOPLE["visitor"]).submit(kind, "x", SPECS[kind])


@pytest.mark.parametrize("who", ["trainer", "operator"])
def test_work_that_does_not_exist_is_refused(team: House, who: str) -> None:
    with pytest.raises(SpecError, match="no kind of work"):
        team.of(PEOPLE[who]).submit("shell", "x", {})

"""The table of kinds: each line of it is complete, and what it names is there."""

from __future__ import annotations

import inspect

import pytest

from core.errors import SpecError
from core.runs import kinds
from core.spec.section import Section


@pytest.mark.parametrize("name", kinds.KINDS)
def test_a_kind_names_a_spec_and_the_function_that_takes_it(name: str) -> None:
    kind = kinds.KINDS[name]
    spec = kind.spec_class()
    assert issubclass(spec, Section)
    work = kind.work_function()
    parameters = inspect.signature(work).parameters
    assert list(parameters) == ["spec", "run", "settings", "report"]
    assert parameters["spec"].annotation == spec.__name__


def test_other_work_is_refused_with_the_names_of_what_there_is() -> None:
    with pytest.raises(SpecError, match="'mine' is no kind of work; there are train, import"):
        kinds.check("mine", {})

"""A stranger's result files, held to the models that wrote them: no more is trusted than pages and reports read."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from core.errors import DataError
from core.evaluation import results
from core.runs.environment import ENVIRONMENT, Environment
from core.sharing.bundles.bundle_format import first_problem
from core.store.json_models import Result

RESULTS: dict[str, type[Result]] = {**results.TYPES, ENVIRONMENT: Environment}
"""What each file is in general, see `type_of`."""


def type_of(name: str, tree: Any) -> type[Result]:
    """The model of a result file. Raises ValueError for the result of a task that is not known."""
    return results.type_of(name, tree) if name in results.TYPES else RESULTS[name]


def check_result(name: str, tree: Any, bundle: str) -> Result:
    """A result file as its model. Raises DataError if pages could not read it."""
    try:
        return type_of(name, tree).model_validate_json(json.dumps(tree), strict=True)
    except ValueError as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise DataError.of(
            "bundle-result-not-valid",
            "{bundle} has a {file} that is not valid: {problem}; export the run again",
            bundle=bundle,
            file=name,
            problem=problem,
        ) from None

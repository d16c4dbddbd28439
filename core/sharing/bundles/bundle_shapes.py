"""A stranger's result files, held to the models that wrote them: no more is trusted than pages and reports read."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from core.errors import DataError
from core.evaluation.results import (
    COMPARISON,
    EVALUATION,
    REPORT,
    ROBUSTNESS,
    Comparison,
    Evaluation,
    Report,
    Robustness,
)
from core.runs.environment import ENVIRONMENT, Environment
from core.sharing.bundles.bundle_format import first_problem
from core.tasks.results import Result

RESULTS: dict[str, type[Result]] = {
    REPORT: Report,
    EVALUATION: Evaluation,
    COMPARISON: Comparison,
    ROBUSTNESS: Robustness,
    ENVIRONMENT: Environment,
}


def check_result(name: str, tree: Any, bundle: str) -> Result:
    """A result file as its model. Raises DataError if pages could not read it."""
    try:
        return RESULTS[name].model_validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        problem = first_problem(error)
        raise DataError(f"{bundle} has a {name} that is not valid: {problem}; export the run again") from None

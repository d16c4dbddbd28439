"""Labels that are probably wrong: confident learning (Northcutt et al., 2021), by cleanlab.

Only of use on examples that the model was not trained on: it knows the labels of the others by heart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.evaluation.predictions import Predictions

LEAST = 20  # examples
KEPT = 300


def suspected(found: Predictions, fresh: np.ndarray) -> dict[str, Any]:
    """The labels that are most probably wrong, the worst first.

    fresh: bool (examples,), those whose text was not in training. Returns `count`, `of`, and `rows` with row, label,
    suggested, and quality, the model's probability of the given label.
    """
    places = np.flatnonzero(fresh)
    labels = found.labels[places]
    present = np.unique(labels)
    none = {"count": 0, "of": len(places), "rows": []}
    if len(places) < LEAST or len(present) < 2:
        return none
    from cleanlab.filter import find_label_issues

    shares = found.probabilities[places][:, present].astype(np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    numbers = np.searchsorted(present, labels)
    order = find_label_issues(numbers, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    rows = [
        {
            "row": int(found.rows[places[i]]), "text_id": str(found.text_ids[places[i]]),
            "label": int(labels[i]), "suggested": int(present[shares[i].argmax()]),
            "quality": float(shares[i, numbers[i]]), "confidence": float(shares[i].max()),
        }
        for i in order[:KEPT].tolist()
    ]  # fmt: skip
    return {"count": len(order), "of": len(places), "rows": rows}

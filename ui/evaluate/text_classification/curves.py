"""ROC, precision-recall, and the threshold from which a class is called: tuned on validation, reported on the rest."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.figures.judge import pr_figure, roc_figure, threshold_figure
from core.tasks.text_classification.results import THRESHOLD_COUNT, Curve
from core.wording import counted, shortened
from ui.components.basics import plain
from ui.evaluate.judged import Judged
from ui.evaluate.text_classification.classes import evaluation_of
from ui.session import state

THRESHOLDS = np.linspace(0, 1, THRESHOLD_COUNT)


def show(judged: Judged) -> None:
    evaluation = evaluation_of(judged)
    curves, labels = evaluation.curves, evaluation.labels
    drawn = [curve for curve in curves if curve.auc is not None]
    if not drawn:
        st.info("There are no curves: all examples are of one class.", icon=":material/show_chart:")
        return
    by_class = {curve.label: curve for curve in drawn}
    preferred = 1 if len(labels) == 2 and 1 in by_class else drawn[0].label
    chosen = st.selectbox(
        "Class",
        list(by_class),
        list(by_class).index(preferred),
        key=f"evaluate_class_{judged.run.id}",
        format_func=lambda i: labels[i],
        width=360,
        help="Each class against all others.",
    )
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(
        roc_figure(drawn, labels, chosen), key="evaluate_roc", config={"displayModeBar": False}, alt="ROC"
    )
    right.plotly_chart(
        pr_figure(drawn, labels, chosen),
        key="evaluate_pr",
        config={"displayModeBar": False},
        alt="Precision and recall",
    )
    st.caption(
        "**How to read them:** AUC is how often an example of the class gets more probability than one of the others "
        "(0.5 is chance). Where a class is rare, precision and recall tell more; AP is their mean over all thresholds."
    )
    if len(curves) > len(drawn):
        st.caption(f"{counted(len(curves) - len(drawn), 'class', 'classes')} without examples here have no curve.")
    _threshold(judged, by_class[chosen])


def rates(curve: Curve) -> dict[str, np.ndarray]:
    """Precision, recall and F1 at each threshold; precision is nan where nothing is found."""
    hits, alarms = np.array(curve.true_positives, dtype=float), np.array(curve.false_positives, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "Precision": hits / (hits + alarms),
            "Recall": hits / max(1, curve.positives),
            "F1": 2 * hits / np.maximum(1, curve.positives + hits + alarms),
        }


def _threshold(judged: Judged, curve: Curve) -> None:
    evaluation = evaluation_of(judged)
    name = plain(shortened(evaluation.labels[curve.label], 40))
    at = rates(curve)
    fitted = evaluation.tuned
    tuned = fitted.thresholds.get(str(curve.label)) if fitted else None
    here = float(THRESHOLDS[int(np.argmax(at["F1"]))])
    on_validation = evaluation.kind == "validation"
    start = tuned if tuned is not None else here if on_validation else 0.5
    key = f"evaluate_threshold_{judged.run.id}_{curve.label}"
    state.begin_with(key, start)
    st.markdown(f"##### A threshold for “{name}”")
    threshold = st.slider(
        "Call it this class from a probability of",
        0.0,
        1.0,
        step=0.005,
        key=key,
        format="%.3f",
        help="Higher: fewer false alarms, more misses.",
    )
    place = round(threshold / 0.005)
    with st.grid(4, min_column_width=140, key="evaluate_at_threshold"):
        for what, help_text in (
            ("Precision", "Of what is called this class, the share that is."),
            ("Recall", "Of what is this class, the share that is found."),
            ("F1", "The balance of both."),
        ):
            value = at[what][place]
            st.metric(what, "–" if np.isnan(value) else f"{value:.3f}", help=help_text, border=True, height="stretch")
        hits, alarms = curve.true_positives[place], curve.false_positives[place]
        st.metric(
            "Called so",
            f"{hits + alarms:,}",
            f"{alarms:,} false alarms",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
    measures = {what: [None if np.isnan(v) else float(v) for v in values] for what, values in at.items()}
    st.plotly_chart(
        threshold_figure(THRESHOLDS.tolist(), measures, threshold, tuned),
        key="evaluate_threshold_chart",
        config={"displayModeBar": False},
        alt="Precision, recall and F1 against the threshold",
    )
    if on_validation:
        st.caption(
            f"On these examples the F1 is highest at {here:.3f}. This is the place to tune: judge the threshold on a "
            "test split afterwards, where it is marked as tuned."
        )
    elif tuned is not None:
        st.caption(
            f"**{tuned:.3f} was tuned on the validation examples**, where its F1 was highest; here it is reported. To "
            "choose another one by what it does here would make these figures too good."
        )
    else:
        st.caption("No threshold was tuned for this model; 0.5 is shown. To choose one by these examples flatters it.")

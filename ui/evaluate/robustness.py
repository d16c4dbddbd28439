"""How the model bears typos, other case and the like."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.evaluation.results import read_robustness
from core.evaluation.specs import RobustnessSpec
from core.evaluation.verdict import costliest
from core.figures.judge import robustness_figure
from core.tasks.contract import Task
from core.tasks.evaluations import Disturbance, Robustness
from core.wording import counted, metric_words, score
from ui.components import light_run
from ui.components.basics import plain
from ui.evaluate.judged import Judged

EXAMPLES = 500


def show(judged: Judged) -> None:
    robustness = read_robustness(judged.folder)
    if robustness is None and not judged.can_ask:
        st.info("Robustness was not checked before this was shared.", icon=":material/shield:")
        return
    if robustness is None:
        spec = RobustnessSpec(evaluation=judged.run.id, examples=EXAMPLES).model_dump(mode="json")
        count = min(EXAMPLES, judged.evaluation.examples)
        light_run.work_on(
            "robustness",
            "Checking robustness",
            spec,
            at_once=False,
            button="Check it",
            offer=f"**What do typos, other case, missing punctuation and shorter texts cost?** {count:,} of these "
            "examples are disturbed in six ways and answered again, in the background.",
        )
        return
    kinds, examples = robustness.kinds, counted(robustness.examples, "example")
    metric = metric_words(robustness.metric)
    if (worst := costliest(robustness)) is not None:
        st.markdown(
            f"**“{plain(worst.title)}” costs most**: {metric} {score(worst.score)} instead of "
            f"{score(robustness.score)} on {examples}."
        )
    else:
        st.markdown(f"**Nothing costs {metric} beyond chance** on {examples}.")
    st.plotly_chart(
        robustness_figure(kinds, robustness.metric),
        key="evaluate_robust",
        config={"displayModeBar": False},
        alt=f"Change of {metric} by disturbance",
    )
    st.caption(
        "**How to read it:** the same examples, disturbed; the thin line is the 95% interval of the change (paired "
        "bootstrap). If it crosses zero, the change may be luck."
    )
    if not any(kind.examples for kind in kinds):
        st.caption("The texts of the answers that changed were not shared.")
        return
    chosen = st.selectbox("Answers that changed with", [k.title for k in kinds], key="evaluate_disturbance", width=360)
    _examples(next(k for k in kinds if k.title == chosen), robustness)


def _examples(kind: Disturbance, robustness: Robustness) -> None:
    test = kind.mcnemar
    changed = counted(kind.turned, "answer")
    if Task(robustness.task).evaluation.RIGHT_OR_WRONG:
        st.markdown(
            f"{changed} changed: {test.losses:,} from right to wrong, {test.gains:,} from wrong to right "
            f"(McNemar's p {test.p:.2g})."
        )
    else:
        st.markdown(
            f"{changed} changed much; of all, {test.losses:,} are worse and {test.gains:,} better "
            f"(sign test, p {test.p:.2g})."
        )
    if not kind.examples:
        return
    frame = pd.DataFrame(
        {
            "Text": [e.text for e in kind.examples],
            "Disturbed": [e.disturbed for e in kind.examples],
            "True": [robustness.words(e.label) for e in kind.examples],
            "Before": [robustness.words(e.before) for e in kind.examples],
            "After": [robustness.words(e.after) for e in kind.examples],
        }
    )
    narrow, wide = st.column_config.TextColumn(width=90), st.column_config.TextColumn(width=340)
    st.dataframe(
        frame,
        hide_index=True,
        key="evaluate_disturbed",
        alt=plain(f"Answers that changed with {kind.title}"),
        column_config={"Text": wide, "Disturbed": wide, "True": narrow, "Before": narrow, "After": narrow},
    )

"""Groups of examples that the model finds hard: those found by looking, and any that a person asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.data.browsing import matches
from core.data.browsing.view import View
from core.errors import TunedeckError
from core.evaluation.slices import chance
from core.spec.steps import Condition, condition_words
from core.tasks import larger_is_better
from core.tasks.contract import Task
from core.tasks.evaluations import Group
from core.wording import counted, metric_title, metric_words, score
from ui.components.basics import plain, show_error
from ui.datasets import view as datasets_view
from ui.evaluate import examples
from ui.evaluate.judged import Judged, dataset_of
from ui.session import state

CHIP_CHARACTERS = 60
MOST = 300  # examples of a group


def show(judged: Judged) -> None:
    slices, task = judged.evaluation.slices, Task(judged.task)
    worst = slices.worst
    if worst:
        first = worst[0]
        _, scores, _ = task.predictions.outcomes(judged.predictions)
        many, on = counted(len(worst), "group"), counted(first.count, "example")
        if task.evaluation.RIGHT_OR_WRONG:
            st.markdown(
                f"**{many} harder than chance explains.** The hardest: “{plain(first.name)}”, {first.score:.1%} right "
                f"on {on} ({first.coverage:.1%} of all), against {scores.mean():.1%} overall."
            )
        else:
            st.markdown(
                f"**{many} harder than chance explains.** The hardest: “{plain(first.name)}”, "
                f"{metric_words(task.evaluation.SCORE)} {score(first.score)} on {on} ({first.coverage:.1%} of all), "
                f"against {score(scores.mean())} overall. {task.evaluation.ERROR}"
            )
        _worst(worst, judged)
    else:
        st.success(
            f"No group is harder than chance explains, of {slices.tried:,} that were tried.",
            icon=":material/check_circle:",
        )
    st.caption(
        f"**How to read it:** {slices.tried:,} groups and pairs of groups were tried (length, label, language, form, "
        "columns). Chance is how likely so many errors would fall into such a group by luck, corrected for all that "
        "were tried (Benjamini and Hochberg); a group is listed below 5%."
    )
    _own(judged)
    with st.expander("All groups", on_change="rerun", key="evaluate_groups") as groups:
        if groups.open:
            _table(slices.groups, judged, "evaluate_all_groups")


def _table(groups: Sequence[Group], judged: Judged, key: str, select: bool = False) -> Any:
    evaluation = Task(judged.task).evaluation
    title, share = metric_title(evaluation.SCORE), evaluation.RIGHT_OR_WRONG
    frame = pd.DataFrame(
        [
            {
                "Group": g.name,
                title: g.score,
                "Examples": g.count,
                "Coverage": g.coverage,
                "Errors": g.errors,
                "Chance": g.q,
            }
            for g in groups
        ]
    )
    return st.dataframe(
        frame,
        hide_index=True,
        key=key,
        height=min(420, 38 + 35 * max(1, len(frame))),
        on_select="rerun" if select else "ignore",
        selection_mode="single-row",
        alt="Groups of examples",
        column_config={
            "Group": st.column_config.TextColumn(width=260),
            title: st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
            if share
            else st.column_config.NumberColumn(format="%.3f"),
            "Examples": st.column_config.NumberColumn(format="localized"),
            "Coverage": st.column_config.NumberColumn(format="percent"),
            "Chance": st.column_config.NumberColumn(format="%.2g", help="Corrected for how many groups were tried."),
        },
    )


def _worst(worst: Sequence[Group], judged: Judged) -> None:
    event = _table(worst, judged, "evaluate_worst", select=True)
    if event.selection.rows:
        group = worst[event.selection.rows[0]]
        st.markdown(f"**Mistakes in “{plain(group.name)}”**")
        answers = Task(judged.task).predictions.answers_to(judged.predictions, group.rows)
        examples.table(answers, judged, f"evaluate_in_{group.name}", shortcuts=False)
    else:
        st.caption("Select a group to read its mistakes.")


def _own(judged: Judged) -> None:
    """A group by conditions on the columns."""
    prepared = dataset_of(judged)
    if prepared is None:
        return
    split, key = judged.evaluation.split, f"evaluate_conditions_{judged.run.id}"
    held: tuple[Condition, ...] = state.widget(key) or ()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**A group of your own**", width="content")
            with st.popover("Add a condition", icon=":material/filter_alt:"):
                conditions = datasets_view.condition_fields(key, prepared, split)
                whole = isinstance(conditions, Condition)
                st.button(
                    "Add",
                    type="primary",
                    key=f"{key}_add",
                    disabled=not whole,
                    help=None if whole else str(conditions),
                    on_click=state.remember,
                    args=(key, (*held, conditions)),
                )
        if not held:
            st.caption("Such as texts that contain “refund”, or rows of one source: how does the model do on them?")
            return
        with st.container(horizontal=True, gap="small"):
            for number, condition in enumerate(held):
                st.button(
                    plain(condition_words(condition)[:CHIP_CHARACTERS]),
                    icon=":material/close:",
                    type="tertiary",
                    key=f"{key}_chip_{number}",
                    on_click=state.remember,
                    args=(key, held[:number] + held[number + 1 :]),
                )
        _measure(judged, View(where=held), key)


def _measure(judged: Judged, view: View, key: str) -> None:
    import numpy as np

    prepared = dataset_of(judged)
    assert prepared is not None
    try:
        wanted = matches.row_numbers(prepared, judged.evaluation.split, view)
    except TunedeckError as error:
        show_error(error)
        return
    task = Task(judged.task)
    rows, scores, wrong = task.predictions.outcomes(judged.predictions)
    inside = np.isin(rows, wanted)
    if not inside.any():
        st.info("None of the judged examples is like that.", icon=":material/search_off:")
        return
    count, errors = int(inside.sum()), int((inside & wrong).sum())
    luck = chance(errors, count, int(wrong.sum()), len(rows))
    mean, name = float(scores[inside].mean()), task.evaluation.SCORE
    with st.grid(3, min_column_width=150, key=f"{key}_figures"):
        st.metric(
            metric_title(name),
            score(mean),
            f"{mean - scores.mean():+.3f} against all",
            delta_color="normal" if larger_is_better(name) else "inverse",
            border=True,
            height="stretch",
        )
        st.metric(
            "Examples",
            f"{count:,}",
            f"{count / len(rows):.1%} of all",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric(
            "Chance",
            f"{luck:.2g}",
            border=True,
            height="stretch",
            help="How likely so many errors, or more, would be by luck.",
        )
    if errors:
        answers = task.predictions.answers_to(judged.predictions, rows[inside & wrong][:MOST].tolist())
        examples.table(answers, judged, f"{key}_mistakes", shortcuts=False)

"""Groups of examples that the model finds hard: those found by looking, and any that a person asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.data.browsing import matches
from core.data.browsing.view import View
from core.errors import TunedeckError
from core.evaluation import lookup
from core.spec.steps import Condition, condition_words
from core.tasks.evaluations import Group
from core.wording import counted
from ui.components.basics import plain, show_error
from ui.datasets import view as datasets_view
from ui.evaluate import examples
from ui.evaluate.judged import Judged, dataset_of
from ui.session import state

CHIP_CHARACTERS = 60


def show(judged: Judged) -> None:
    slices = judged.evaluation.slices
    worst = slices.worst
    if worst:
        first = worst[0]
        st.markdown(
            f"**{counted(len(worst), 'group')} harder than chance explains.** The hardest: “{plain(first.name)}”, "
            f"{first.score:.1%} right on {counted(first.count, 'example')} ({first.coverage:.1%} of all), "
            f"against {judged.classes.accuracy:.1%} overall."
        )
        _worst(worst, judged)
    else:
        st.success(
            f"No group is harder than chance explains, of {slices.tried:,} that were tried.",
            icon=":material/check_circle:",
        )
    st.caption(
        f"**How to read it:** {slices.tried:,} groups and pairs of groups were tried (length, class, language, form, "
        "columns). Chance is how likely so many errors would fall into such a group by luck, corrected for all that "
        "were tried (Benjamini and Hochberg); a group is listed below 5%."
    )
    _own(judged)
    with st.expander("All groups", on_change="rerun", key="evaluate_groups") as groups:
        if groups.open:
            _table(slices.groups, "evaluate_all_groups")


def _table(groups: Sequence[Group], key: str, select: bool = False) -> Any:
    frame = pd.DataFrame(
        [
            {"Group": g.name, "Accuracy": g.score, "Examples": g.count, "Coverage": g.coverage,
             "Errors": g.errors, "Chance": g.q}
            for g in groups
        ]
    )  # fmt: skip
    return st.dataframe(
        frame, hide_index=True, key=key, height=min(420, 38 + 35 * max(1, len(frame))),
        on_select="rerun" if select else "ignore", selection_mode="single-row", alt="Groups of examples",
        column_config={
            "Group": st.column_config.TextColumn(width="large"),
            "Accuracy": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f"),
            "Examples": st.column_config.NumberColumn(format="localized"),
            "Coverage": st.column_config.NumberColumn(format="percent"),
            "Chance": st.column_config.NumberColumn(format="%.2g", help="Corrected for how many groups were tried."),
        },
    )  # fmt: skip


def _worst(worst: Sequence[Group], judged: Judged) -> None:
    event = _table(worst, "evaluate_worst", select=True)
    if event.selection.rows:
        group = worst[event.selection.rows[0]]
        st.markdown(f"**Mistakes in “{plain(group.name)}”**")
        answers = lookup.of_rows(judged.predictions, group.rows)
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
                    plain(condition_words(condition)[:CHIP_CHARACTERS]), icon=":material/close:", type="tertiary",
                    key=f"{key}_chip_{number}", on_click=state.remember,
                    args=(key, held[:number] + held[number + 1 :]),
                )  # fmt: skip
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
    rows, right = lookup.outcomes(judged.predictions)
    inside = np.isin(rows, wanted)
    if not inside.any():
        st.info("None of the judged examples is like that.", icon=":material/search_off:")
        return
    count, errors = int(inside.sum()), int((inside & ~right).sum())
    chance = lookup.chance(errors, count, int((~right).sum()), len(rows))
    with st.grid(3, min_column_width=150, key=f"{key}_figures"):
        st.metric("Accuracy", f"{1 - errors / count:.3f}", f"{1 - errors / count - right.mean():+.3f} against all",
                  border=True, height="stretch")  # fmt: skip
        st.metric("Examples", f"{count:,}", f"{count / len(rows):.1%} of all", delta_color="off", delta_arrow="off",
                  border=True, height="stretch")  # fmt: skip
        st.metric(
            "Chance",
            f"{chance:.2g}",
            border=True,
            height="stretch",
            help="How likely so many errors, or more, would be by luck.",
        )
    if errors:
        wrong = rows[inside & ~right][: lookup.MOST].tolist()
        examples.table(lookup.of_rows(judged.predictions, wrong), judged, f"{key}_mistakes", shortcuts=False)

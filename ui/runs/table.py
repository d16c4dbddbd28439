"""The list of runs as a table, and the actions on the selected ones."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
import streamlit as st

from core.runs import kinds
from core.spec.names import model_name
from core.store.record import ACTIVE, Run
from core.store.summaries import Summary
from core.wording import counted, engine_title, metric_title
from ui import pages
from ui.components.basics import STATUS, local_timezone
from ui.runs import actions as runs_actions
from ui.runs.header import dataset_of
from ui.session import resources, state

GROUPS = {
    "Active": ("queued", *ACTIVE),
    "Finished": ("finished",),
    "Stopped": ("stopped",),
    "Failed": ("failed", "lost"),
}


def matching(runs: Sequence[Run], words: str, group: str | None) -> list[Run]:
    """The runs with a status of this group that contain every word of the search."""
    wanted = words.casefold().split()
    return [
        run
        for run in runs
        if (group is None or run.status in GROUPS[group]) and all(word in _searchable(run) for word in wanted)
    ]


def table(runs: Sequence[Run]) -> list[Run]:
    """Draw the table and return the selected runs.

    Streamlit keeps a selection by row number. So the key changes with the order of the runs, and the selection is
    carried over by id: a new run never takes the place of a selected one.
    """
    ids = [run.id for run in runs]
    chosen = state.selected_runs()
    event = st.dataframe(
        _frame(runs),
        hide_index=True,
        height=min(len(runs) + 1, 16) * 36 + 3,
        row_height=36,
        column_config=_columns(ids),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [place for place, run_id in enumerate(ids) if run_id in chosen]}},
        placeholder="–",
        key=f"runs_{zlib.crc32(' '.join(ids).encode())}",
        alt="All runs, newest first",
    )
    rows = [row for row in cast(Any, event).selection.rows if row < len(runs)]
    state.set_selected_runs({ids[row] for row in rows})
    return [runs[row] for row in rows]


def actions(selected: Sequence[Run]) -> None:
    """Buttons for the selected runs; actions with a dialog leave it to the page."""
    one = selected[0] if len(selected) == 1 else None
    going = [run for run in selected if run.status in ("queued", "starting", "running")]
    going = [run for run in going if resources.may("stop", run)]
    own = [run for run in selected if resources.may("delete", run)]
    if not resources.may("rename"):
        if st.button("Open", icon=":material/open_in_full:", disabled=one is None, key="runs_open") and one:
            st.switch_page(pages.RUN, query_params={"run": one.id})
        return
    with st.container(horizontal=True, vertical_alignment="center", key="runs_actions"):
        if st.button("Open", icon=":material/open_in_full:", disabled=one is None, key="runs_open") and one:
            st.switch_page(pages.RUN, query_params={"run": one.id})
        if st.button(
            "Stop", icon=":material/stop_circle:", disabled=not going, key="runs_stop", help=runs_actions.STOP_HELP
        ):
            for run in going:
                runs_actions.stop(run.id)
            st.rerun(scope="fragment")
        trained = one is not None and one.kind == "train"
        if (
            st.button("Change and run again", icon=":material/content_copy:", disabled=not trained, key="runs_again")
            and one
        ):
            runs_actions.change_and_run_again(one)
        if st.button("Rename", icon=":material/edit:", disabled=one is None or not own, key="runs_rename") and one:
            _ask("rename", [one])
        if st.button("Delete", icon=":material/delete:", disabled=not own, key="runs_delete"):
            _ask("delete", own)
        hint = f"{counted(len(selected), 'run')} selected" if selected else "Select runs with the boxes at the left."
        st.caption(hint, width="content")


def _ask(dialog: str, runs: Sequence[Run]) -> None:
    """Let the page open a dialog; a fragment's own dialog would close at its next tick."""
    state.ask(dialog, [run.id for run in runs])
    st.rerun()


def _frame(runs: Sequence[Run]) -> pd.DataFrame:
    created = pd.to_datetime([run.created for run in runs], unit="s", utc=True).tz_convert(local_timezone())
    summaries = [Summary.of(run.summary) for run in runs]
    return pd.DataFrame(
        {
            "open": ["Open"] * len(runs),
            "status": [[STATUS[run.status][0]] for run in runs],
            "name": [run.name for run in runs],
            "result": pd.array([s.value for s in summaries], dtype="Float64"),
            "metric": [metric_title(s.main_metric) if s.main_metric else None for s in summaries],
            "dataset": [dataset_of(run) for run in runs],
            "model": [_model(run) for run in runs],
            "duration": pd.to_timedelta([run.seconds for run in runs], unit="s").floor("s"),
            "created": created,
            "examples": pd.array([s.train_examples for s in summaries], dtype="Int64"),
            "engine": [engine_title(run.spec) or kinds.title_of(run.kind) for run in runs],
            **({"owner": [run.owner for run in runs]} if resources.installation().mode == "team" else {}),
        }
    )


def _columns(ids: list[str]) -> dict[str, Any]:
    config = st.column_config
    return {
        "open": config.ButtonColumn("", type="tertiary", width=58, on_click=_open, args=(ids,), key="runs_open_row"),
        "status": config.MultiselectColumn(
            "Status",
            options=[label for label, _, _ in STATUS.values()],
            color=[color for _, color, _ in STATUS.values()],
            width=85,
        ),
        "name": config.TextColumn("Name", width=230),
        "result": config.NumberColumn("Result", format="%.3f", help="The main metric at the end.", width=70),
        "metric": config.TextColumn("Metric", width=110),
        "dataset": config.TextColumn("Dataset", width=110),
        "model": config.TextColumn("Model", width=80),
        "duration": config.NumberColumn("Duration", format="compact", width=75),
        "created": config.DatetimeColumn("Created", format="D MMM YY, HH:mm", width=120),
        "examples": config.NumberColumn("Examples", format="localized", help="Trained on.", width=80),
        "engine": config.TextColumn("Engine", width=110),
        "owner": config.TextColumn("Owner", width=150),
    }


def _open(ids: list[str]) -> None:
    click = state.widget("runs_open_row")
    if click is not None and click["row"] < len(ids):
        st.switch_page(pages.RUN, query_params={"run": ids[click["row"]]})


def _model(run: Run) -> str | None:
    return model_name(str(run.spec.get("model", {}).get("name", ""))) if run.kind == "train" else None


def _searchable(run: Run) -> str:
    label = STATUS[run.status][0]
    return f"{run.name} {run.owner} {dataset_of(run)} {_model(run) or ''} {label} {run.id}".casefold()

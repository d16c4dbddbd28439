"""The dataset part of a push: splits, columns, licence, and the consent that the texts may be published."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.data import selection
from core.data.dataset import Prepared
from core.sharing.hub.outgoing_data import SIMPLE
from core.spec.data import DataSpec
from core.spec.names import dataset_name
from core.store import final_tests
from core.wording import counted, listed
from ui.components.basics import plain
from ui.datasets.choosing import opening
from ui.session import resources, state

LICENCES = ("", "mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "odbl", "other", "unknown")


def choose(trained: DataSpec) -> dict[str, Any] | None:
    """The fields of a PushSpec for a run's dataset; None while something is missing, which the page shows."""
    data = _which(trained)
    prepared = opening.opened_or_importing(data)
    if prepared is None:
        return None
    aside = selection.final_tests(data, prepared, final_tests.holdouts(resources.store()))
    key = prepared.fingerprint
    splits, final = _splits(prepared, aside, key)
    names = [column.name for column in prepared.columns if column.kind in SIMPLE]
    usual = [*(data.text_columns or prepared.text_guess), data.label_column or prepared.label_guess]
    columns = st.multiselect(
        "Columns",
        names,
        [name for name in usual if name in names],
        key=f"hub_columns_{key}",
        help="Only these are pushed. Other columns, such as names or addresses, stay here.",
    )
    left, right = st.columns(2)
    licence = left.selectbox(
        "Licence",
        LICENCES,
        key="hub_licence",
        accept_new_options=True,
        format_func=lambda name: name or "None given",
        help="What others may do with the dataset. If it is not yours, choose the licence of its source.",
    )
    language = right.text_input(
        "Language", key="hub_language", placeholder="en", max_chars=60, help="A code, such as en."
    )
    rows = sum(prepared.splits[name].rows for name in splits)
    may = st.checkbox(
        f"I may publish these {counted(rows, 'text')}: they are mine or their licence allows it, and they contain "
        "nobody's private matters.",
        key=f"hub_may_{key}",
    )
    if not splits or not columns or not may:
        st.caption("Choose splits and columns, and tick the box." if may is False else "Choose splits and columns.")
        return None
    return {
        "data": data.model_dump(mode="json"),
        "splits": splits,
        "columns": columns,
        "licence": licence or "",
        "language": language.strip(),
        "with_texts": may,
        "final_tests": final,
    }


def _which(trained: DataSpec) -> DataSpec:
    """The run's dataset, or the one on the Datasets page if that is another."""
    open_data = state.data()
    if selection.same_source(trained, open_data):
        return trained
    titles = {
        "run": f"The run's: {plain(dataset_name(trained))}",
        "shown": f"The Datasets page's: {plain(dataset_name(open_data))}",
    }
    chosen = st.segmented_control(
        "Dataset", list(titles), default="run", required=True, key="hub_data", format_func=titles.__getitem__
    )
    return trained if chosen == "run" else open_data


def _splits(prepared: Prepared, aside: set[str], key: str) -> tuple[list[str], bool]:
    """The chosen splits, and whether final tests may be among them."""
    names = [name for name, part in prepared.splits.items() if part.rows]
    final = False
    if kept := [name for name in names if name in aside]:
        aside_names = listed([plain(name) for name in kept])
        st.info(
            f"{aside_names} is set aside as a final test and is not pushed: once public, it may become training data."
            if len(kept) == 1
            else f"{aside_names} are set aside as final tests and are not pushed: once public, they may become "
            "training data.",
            icon=":material/lock:",
        )
        final = st.checkbox("Push final tests too", key=f"hub_final_{key}")
    offered = names if final else [name for name in names if name not in aside]
    chosen = st.multiselect(
        "Splits",
        offered,
        [name for name in offered if name not in aside],
        key=f"hub_splits_{key}_{final}",
        format_func=lambda name: f"{name} ({prepared.splits[name].rows:,})",
    )
    return chosen, final

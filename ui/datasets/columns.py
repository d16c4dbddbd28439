"""The columns of a dataset: which ones are text and label, and a table of all."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.data.dataset import Prepared
from core.errors import SpecError
from core.runs.outlook import start_from
from core.spec.data import DataSpec
from core.spec.run import build
from core.wording import counted, sentence
from ui.components.basics import plain
from ui.session import resources, state

SHOWN_CLASSES = 20
FEW_SPLITS = 2


def chosen(data: DataSpec, prepared: Prepared) -> DataSpec:
    """The dataset with its text and label columns: the chosen ones if they exist, else the guessed ones."""
    names = {c.name for c in prepared.columns}
    text = data.text_columns if data.text_columns and names.issuperset(data.text_columns) else prepared.text_guess
    label = data.label_column if data.label_column in names else prepared.label_guess
    if label in text:
        label = None
    return data.model_copy(update={"text_columns": text, "label_column": label})


def choose(data: DataSpec, prepared: Prepared) -> str:
    """Widgets for the text columns, the label column (also used by New run) and the split. Returns the split."""
    names = [c.name for c in prepared.columns]
    several = len(prepared.splits) > 1
    text, label, *part = st.columns([2, 1.2, 1.4] if several else [2, 1.2])
    text.multiselect(
        "Text columns",
        names,
        list(data.text_columns),
        max_selections=2,
        placeholder="One, or two for a pair of texts",
        key=_key("text", prepared),
        on_change=_keep,
        args=(prepared,),
        help="What the model reads.",
    )
    label.selectbox(
        "Label column",
        names,
        names.index(data.label_column) if data.label_column in names else None,
        placeholder="What to predict",
        key=_key("label", prepared),
        on_change=_keep,
        args=(prepared,),
        help="What the model learns to predict: the class of each row.",
    )
    split = next(iter(prepared.splits))
    if several:
        with part[0]:
            split = _split(prepared)
    if notice := state.take_notice():
        st.markdown(f":red[:material/error: {notice}]")
    return split


def set_split(split: str, prepared: Prepared) -> None:
    """Select this split; call it before the page draws the split widget."""
    state.remember(_key("split", prepared), split)


def _split(prepared: Prepared) -> str:
    """The split widget: buttons for a few splits, a list for more."""
    splits = list(prepared.splits)

    def title(name: str) -> str:
        return f"{name} · {prepared.splits[name].rows:,}"

    if len(splits) > FEW_SPLITS:
        return st.selectbox("Split", splits, key=_key("split", prepared), format_func=title)
    return st.segmented_control(
        "Split",
        splits,
        default=splits[0],
        required=True,
        key=_key("split", prepared),
        width="stretch",
        format_func=lambda name: plain(title(name)),
    )


def carry_over(data: DataSpec) -> None:
    """Take this dataset to the New run page; a form that already uses it keeps its settings."""
    if state.has_form_for(data):
        state.set_data(data)
    else:
        is_demo = resources.settings().mode == "demo"  # which has no room for automatic settings
        state.set_draft(start_from(data, automatic=not is_demo), proposes=True)


def table(data: DataSpec, prepared: Prepared) -> None:
    """A table of all columns with their types and missing values."""
    rows = sum(split.rows for split in prepared.splits.values())
    used = dict.fromkeys(data.text_columns, "Text") | ({data.label_column: "Label"} if data.label_column else {})
    frame = pd.DataFrame(
        {
            "Column": [c.name for c in prepared.columns],
            "Used as": [used.get(c.name, "") for c in prepared.columns],
            "Type": [c.kind for c in prepared.columns],
            "Missing": [c.nulls for c in prepared.columns],
            "Share missing": [c.nulls / rows if rows else 0.0 for c in prepared.columns],
            "Classes": [_classes(c.names) for c in prepared.columns],
        }
    )
    config = {
        "Missing": st.column_config.NumberColumn(format="localized"),
        "Share missing": st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=1.0),
    }
    if not any(frame["Classes"]):
        frame = frame.drop(columns="Classes")
    st.dataframe(frame, hide_index=True, column_config=config, alt="The columns of the dataset", key="columns_table")
    st.caption(f"{counted(len(frame), 'column')}, {counted(rows, 'row')} in all splits.")


def _classes(names: tuple[str, ...] | None) -> str:
    if not names:
        return ""
    more = f", … ({len(names):,})" if len(names) > SHOWN_CLASSES else ""
    return ", ".join(names[:SHOWN_CLASSES]) + more


def _key(what: str, prepared: Prepared) -> str:
    return f"{what}_column_{prepared.fingerprint}"


def _keep(prepared: Prepared) -> None:
    choice = {
        "text_columns": tuple(state.widget(_key("text", prepared)) or ()),
        "label_column": state.widget(_key("label", prepared)),
    }
    try:
        state.set_data(build({**state.data().model_dump(), **choice}, DataSpec))
    except SpecError as error:
        state.set_notice(plain(sentence(error.problems[0].message)))

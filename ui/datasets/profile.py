"""The dataset in numbers, split by split: columns, lengths, truncation, languages, vocabulary."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.data.browsing.tokens import tokenizer_for
from core.data.dataset import Prepared
from core.data.inspecting.profile import find_profile
from core.data.inspecting.statistics import Profile
from core.errors import TunedeckError
from core.figures.data import cut_shares
from core.spec.data import DataSpec
from core.spec.model import ModelSpec
from core.spec.names import model_name
from core.spec.run import ProfileSpec
from core.wording import counted, language_name, number
from ui.components import light_run
from ui.components.basics import plain, show_error
from ui.datasets import columns
from ui.session import resources, state

MOST_AT_ONCE = 200_000
MOST_LANGUAGES = 12


def render(data: DataSpec, prepared: Prepared) -> None:
    """The columns, and below them the profile or a button that computes it."""
    columns.table(data, prepared)
    form = state.form()
    model = ModelSpec(name=str(form.values["model.name"]), revision=form.values["model.revision"])
    try:
        split = next(name for name, part in prepared.splits.items() if part.rows)
        tokenizer = (
            tokenizer_for(model, prepared, split, data.text_columns, resources.settings())
            if data.text_columns
            else None
        )
    except TunedeckError as error:
        show_error(error)
        return
    profile = find_profile(prepared, data.text_columns, data.label_column, tokenizer)
    if profile is None:
        rows = sum(part.rows for part in prepared.splits.values())
        light_run.work_on(
            "profile",
            "Profiling the dataset",
            _spec(data, model, exact=False),
            at_once=rows <= MOST_AT_ONCE,
            button="Profile it",
            offer="**More numbers**: lengths in characters, words and tokens, languages, scripts, vocabulary, and the "
            f"range of every column. All {rows:,} rows are read, in the background; tokens and languages come from a "
            "sample.",
        )
        return
    if data.text_columns:
        _texts(profile)
        _tokens(profile, data, model)
        _languages(profile)
    _columns(profile)


def _spec(data: DataSpec, model: ModelSpec, *, exact: bool) -> dict[str, Any]:
    return ProfileSpec(data=data, model=model, exact=exact).model_dump(mode="json")


def _texts(profile: Profile) -> None:
    st.markdown("##### Lengths")
    rows = []
    for split, part in profile.splits.items():
        measures = [
            (name, unit, lengths, text.empty)
            for name, text in part.texts.items()
            for unit, lengths in (("characters", text.characters), ("words", text.words))
        ]
        if part.tokens is not None:
            empty = min(text.empty for text in part.texts.values())
            measures.append((" + ".join(profile.text_columns), "tokens", part.tokens, empty))
        for column, unit, lengths, empty in measures:
            rows.append(
                {
                    "Split": split,
                    "Text": column,
                    "In": unit,
                    "Median": lengths.median,
                    "Mean": lengths.mean,
                    "95% up to": lengths.p95,
                    "99% up to": lengths.p99,
                    "Longest": lengths.max,
                    "Empty": empty,
                }
            )
    whole = st.column_config.NumberColumn(format="%.0f")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="Lengths of the texts",
        column_config=dict.fromkeys(["Median", "Mean", "95% up to", "99% up to", "Longest", "Empty"], whole),
    )


def _tokens(profile: Profile, data: DataSpec, model: ModelSpec) -> None:
    counted = {split: part.tokens for split, part in profile.splits.items() if part.tokens is not None}
    if not counted:
        st.info(
            f"Tokens are counted once the tokenizer of {plain(model.name)} is here; the tab Text lengths fetches it.",
            icon=":material/cloud_download:",
        )
        return
    st.markdown("##### Texts cut off at each maximum length")
    best = profile.recommended_max_length
    form = state.form()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        name = "a new vocabulary" if model.name == "scratch" else plain(model_name(model.name))
        st.markdown(
            f"For {name}, **{best} tokens** cut off at most 5% of the texts, or as few as the model allows.",
            width="content",
        )
        if form.values["model.max_length"] != best:
            st.button(f"Use {best}", key="use_max_length", icon=":material/check:", on_click=_use, args=(best,))
        else:
            st.badge(f"{best} is set", color="green", icon=":material/check:")
    st.plotly_chart(
        cut_shares({split: tokens.cut for split, tokens in counted.items()}, best),
        key="cut_shares",
        config={"displayModeBar": False},
        alt="Share of texts cut off at each maximum length",
    )
    captions = []
    for split, tokens in counted.items():
        of = f"a sample of {tokens.rows:,} of {tokens.of:,} rows" if tokens.is_sample else f"all {tokens.of:,} rows"
        captions.append(
            f"{plain(split)}: {of}; {tokens.unknown:.2%} of the tokens are unknown; "
            f"{tokens.vocabulary_used:,} of {tokens.vocabulary:,} entries of the vocabulary occur."
        )
    st.caption("  \n".join(captions))
    if any(tokens.is_sample for tokens in counted.values()):
        st.button(
            "Count the tokens of all rows",
            key="exact_tokens",
            on_click=light_run.start,
            args=("profile", "Counting all tokens", _spec(data, model, exact=True)),
        )


def _use(length: int) -> None:
    form = state.form()
    form.values["model.max_length"] = length
    form.generation += 1


def _languages(profile: Profile) -> None:
    st.markdown("##### Languages and scripts")
    shares: dict[str, dict[str, float]] = {}
    scripts: dict[str, dict[str, float]] = {}
    samples = []
    for split, part in profile.splits.items():
        if (languages := part.languages) is not None:
            for language, n in languages.likely.items():
                shares.setdefault(language_name(language), {})[split] = n / max(1, languages.rows)
            samples.append(f"{plain(split)}: {counted(languages.rows, 'row')}")
        for text in part.texts.values():
            for script, n in text.scripts.items():
                scripts.setdefault(script, {})[split] = n / max(1, text.scripts_of_rows)
    left, right = st.columns(2)
    for place, title, table in ((left, "Language", shares), (right, "Texts with this script", scripts)):
        ordered = sorted(table.items(), key=lambda item: -max(item[1].values()))[:MOST_LANGUAGES]
        frame = pd.DataFrame([{title: name, **values} for name, values in ordered])
        config = {split: st.column_config.NumberColumn(format="percent") for split in profile.splits}
        place.dataframe(frame, hide_index=True, column_config=config, alt=title)
    st.caption(f"Languages are guessed from a sample ({'; '.join(samples)}); for short texts the guess is often wrong.")


def _columns(profile: Profile) -> None:
    st.markdown("##### Values of the columns")
    rows: list[dict[str, Any]] = []
    for split, part in profile.splits.items():
        for name, column in part.columns.items():
            top = ", ".join(f"{entry.value} ({entry.rows:,})" for entry in column.top[:5])
            spread = (
                f"{number(column.min)} to {number(column.max)}, median {number(column.median)}"
                if column.kind in ("integer", "float")
                else ""
            )
            rows.append(
                {
                    "Column": name,
                    "Split": split,
                    "Type": column.type,
                    "Missing": column.missing,
                    "Different": column.distinct,
                    "Values": spread or top or column.holds,
                }
            )
    rows.sort(key=lambda row: list(profile.splits[row["Split"]].columns).index(row["Column"]))
    whole = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={"Missing": whole, "Different": whole},
        alt="Values of the columns",
    )
    st.caption("The number of different values is an estimate, within a few percent.")

"""Models side by side: which is better, surely or not, where they differ, and how often they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import PathError, RunNotFound, TunedeckError
from core.evaluation.results import read_comparison
from core.evaluation.specs import CompareSpec
from core.evaluation.verdict import advantage
from core.figures.judge import Measured, agreement_figure, intervals_figure
from core.store.record import Run
from core.store.summaries import Summary
from core.tasks.contract import Task
from core.tasks.evaluations import Comparison, Different, Pair
from core.wording import counted, metric_title, score
from ui.components import light_run
from ui.components.basics import clock, distinct, plain, show_error
from ui.components.live_chart import drawing, live_chart
from ui.evaluate import judged
from ui.session import address, resources, state

MOST = 12


def choose(runs: list[Run]) -> list[Run]:
    """The evaluations to compare: those of a link, or others from the list. The address follows the choice."""
    named = {run.id: run for run in runs}
    linked = _linked()
    known = [run_id for run_id in linked if run_id in named][:MOST]
    if linked and (linked not in (state.widget("compare_linked") or ()) or state.widget("compare_chosen") is None):
        state.remember("compare_linked", {linked})
        state.remember("compare_chosen", known)
        if len(known) < len(linked):
            st.caption("The link names an evaluation that is not here any more; it is left out.")
    titles = distinct({run.id: title_of(run) for run in runs})
    chosen = st.multiselect(
        "Evaluations",
        list(named),
        key="compare_chosen",
        max_selections=MOST,
        placeholder="Choose two or more",
        format_func=titles.__getitem__,
        help="Each is compared with the first. Only examples that all were evaluated on count.",
    )
    if len(chosen) > 1 and tuple(chosen) != linked:
        state.remember("compare_linked", {linked, tuple(chosen)})
        address.show({"evaluations": ",".join(chosen)}, whole=True)
    return [named[key] for key in chosen]


def _linked() -> tuple[str, ...]:
    """The evaluations that the address names: in `?evaluations=ID,ID`, or by a `?comparison=ID` of them."""
    if ids := st.query_params.get("evaluations", ""):
        return tuple(dict.fromkeys(ids.split(",", MOST)[:MOST]))
    if run_id := st.query_params.get("comparison", ""):
        try:
            run = resources.store().run(run_id)
        except (RunNotFound, PathError):
            return ()
        return tuple(run.spec["evaluations"]) if run.kind == "compare" else ()
    return ()


def published(runs: list[Run]) -> list[Run]:
    """The evaluations of a comparison that was made before: what there is for those who may not make one."""
    named = {run.id: run for run in runs}
    comparisons = [
        run
        for run in resources.store().runs(kind="compare", statuses=("finished",))
        if set(run.spec["evaluations"]) <= named.keys()
    ]
    if not comparisons:
        st.caption("No comparison of these models was published.")
        return []
    titles = {
        run.id: " · ".join(Summary.of(named[key].summary).title or key for key in run.spec["evaluations"])
        for run in comparisons
    }
    linked = next((run for run in comparisons if tuple(run.spec["evaluations"]) == _linked()), None)
    state.begin_with("compare_published", linked)
    chosen = st.selectbox(
        "Comparison", comparisons, key="compare_published", format_func=lambda run: distinct(titles)[run.id]
    )
    return [named[key] for key in chosen.spec["evaluations"]]


def title_of(run: Run) -> str:
    summary = Summary.of(run.summary)
    title, split, dataset = summary.title or run.name, summary.split or "?", summary.dataset or "?"
    return f"{title} on {split} of {dataset} · {score(summary.value)}"


def comparison(chosen: list[Run]) -> Comparison | None:
    """How the chosen compare; while that is not known, the work that finds out."""
    spec = CompareSpec(evaluations=tuple(run.id for run in chosen)).model_dump(mode="json")
    run = light_run.latest("compare", spec)
    if run is not None and run.status == "finished":
        result = read_comparison(resources.settings().run_dir(run.id))
        if result is not None:
            return result
    light_run.work_on(
        "compare",
        "Comparing",
        spec,
        at_once=True,
        button="Compare",
        key="-".join(run.id for run in chosen),
        offer="The models are compared on the examples that all of them were evaluated on.",
    )
    return None


def show(comparison: Comparison, chosen: list[Run]) -> None:
    names = _names(comparison, chosen)
    main = comparison.decisive_metric
    exact = Task(comparison.task).evaluation.RIGHT_OR_WRONG
    fewer = (
        ""
        if all(comparison.examples == n for n in comparison.of)
        else f" (of {', '.join(f'{n:,}' for n in comparison.of)})"
    )
    st.markdown(f"Compared on the **{counted(comparison.examples, 'example')}** that all were evaluated on{fewer}")
    if any(model.kind == "training" for model in comparison.models):
        st.warning("One of them was trained on these examples, which decides nothing.", icon=":material/warning:")
    for pair, name in zip(comparison.pairs, names[1:], strict=True):
        st.markdown(_verdict(pair, names[0], name, main, exact))
    table = _table(comparison, names, main)
    st.dataframe(
        table,
        hide_index=True,
        key="compare_table",
        alt="Metrics of each model",
        column_config={str(title): st.column_config.TextColumn(alignment="right") for title in table.columns[1:]},
    )
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        if len(names) <= 3:
            measured = [(model.metrics, model.intervals) for model in comparison.models]
            series: dict[str, Measured] = dict(zip(names, measured, strict=True))
            st.plotly_chart(
                intervals_figure(comparison.metric_names, series),
                key="compare_intervals",
                config={"displayModeBar": False},
                alt="Metrics with their intervals",
            )
    with right if len(names) <= 3 else left:
        chart = drawing(agreement_figure(names, comparison.agreement))
        live_chart(chart, key="compare_agreement", alt="How often the models agree")
        wrong = counted(comparison.all_wrong, "example")
        st.caption(
            f"All of them are wrong on {wrong}: no choice between them helps there."
            if exact and comparison.all_wrong
            else "On each example at least one of them is right."
            if exact
            else f"{counted(comparison.all_wrong, 'example')}: an error of all of them. {_error(comparison)}"
        )
    paired = (
        "**How to read it:** the difference is measured on the same examples (paired bootstrap), so it can be sure "
        "though the intervals overlap."
    )
    test = "McNemar's test counts only examples on which one is right and the other wrong."
    st.caption(f"{paired} {test if exact else 'The sign test counts the examples on which each is better.'}")
    _examples(comparison, names)


def _error(comparison: Comparison) -> str:
    return Task(comparison.task).evaluation.ERROR


def _names(comparison: Comparison, chosen: list[Run]) -> list[str]:
    """Titles that differ."""
    titles = [str(model.title) for model in comparison.models]
    by_id = {run.id: run for run in chosen}
    for place, title in enumerate(titles):
        if titles.count(title) > 1:
            run = by_id.get(comparison.models[place].evaluation)
            titles[place] = f"{title} ({clock(run.created)})" if run and titles.count(title) > 1 else title
    return [t if titles.index(t) == i else f"{t} #{i + 1}" for i, t in enumerate(titles)]


def _verdict(pair: Pair, first: str, other: str, main: str, exact: bool) -> str:
    """exact: whether an answer is right or wrong, and not better or worse"""
    gap, test = pair.difference[main], pair.mcnemar
    span = f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
    a, b = plain(first), plain(other)
    counts = f"only it is right on {test.gains:,}, only the other on {test.losses:,} (McNemar's p {test.p:.2g})"
    if not exact:
        counts = f"its answer is better on {test.gains:,}, the other's on {test.losses:,} (sign test, p {test.p:.2g})"
    outcome = advantage(gap, main)
    if outcome == "better":
        return f":green[:material/trending_up:] **{b} is better than {a}**: {metric_title(main)} {span}; {counts}."
    if outcome == "worse":
        return f":red[:material/trending_down:] **{b} is worse than {a}**: {metric_title(main)} {span}; {counts}."
    return (
        f":gray[:material/trending_flat:] **{b} and {a} cannot be told apart**: {metric_title(main)} {span}; {counts}."
    )


def _table(comparison: Comparison, names: list[str], main: str) -> pd.DataFrame:
    order = [main, *(name for name in comparison.metric_names if name != main)]
    columns: dict[str, list[Any]] = {"Model": names}
    columns |= {metric_title(name): [score(model.metrics[name]) for model in comparison.models] for name in order}
    for title in comparison.models[0].beside_metrics:
        columns[title] = [score(model.beside_metrics.get(title)) for model in comparison.models]
    return pd.DataFrame(columns)


def _examples(comparison: Comparison, names: list[str]) -> None:
    """Wins and losses with their texts."""
    pairs = comparison.pairs
    place = 0
    if len(pairs) > 1:
        place = int(
            st.selectbox(
                f"Against {plain(names[0])}", range(len(pairs)), format_func=lambda i: names[i + 1], key="compare_pair"
            )
        )
    pair, first, other = pairs[place], plain(names[0][:40]), plain(names[place + 1][:40])
    titles = [f"Only {other} is right · {pair.mcnemar.gains:,}", f"Only {first} is right · {pair.mcnemar.losses:,}"]
    if not Task(comparison.task).evaluation.RIGHT_OR_WRONG:
        titles = [f"{other} is better · {pair.mcnemar.gains:,}", f"{first} is better · {pair.mcnemar.losses:,}"]
    wins, losses = st.tabs(titles, key=f"compare_tabs_{place}")
    with wins:
        _list(pair.wins, pair.mcnemar.gains, comparison, names, place, "wins")
    with losses:
        _list(pair.losses, pair.mcnemar.losses, comparison, names, place, "losses")


def _list(
    entries: Sequence[Different], count: int, comparison: Comparison, names: list[str], place: int, what: str
) -> None:
    """count: how many there are in all"""
    if not entries:
        st.caption("There is none.")
        return
    if len(entries) < count:
        st.caption(f"The {len(entries):,} clearest.")
    words = comparison.words
    frame = pd.DataFrame(
        {
            "True": [words(e.label) for e in entries],
            names[0]: [words(e.first) for e in entries],
            names[place + 1]: [words(e.other) for e in entries],
        }
    )
    try:
        texts = judged.texts_compared(comparison, [e.row for e in entries])
    except TunedeckError as error:
        show_error(error)
        return
    if texts is not None:
        judged.insert_texts(frame, texts, comparison.text_columns)
    st.dataframe(frame, hide_index=True, key=f"compare_{what}_{place}", alt="Examples on which they differ", height=380)

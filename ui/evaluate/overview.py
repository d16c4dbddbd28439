"""The verdict: the metrics with their intervals beside simple models, each class, and how honest the examples are."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.figures.judge import intervals_figure
from core.store import final_tests
from core.wording import counted, duration, metric_meaning, metric_title, metric_words, score
from ui.components.basics import plain
from ui.evaluate.judged import Judged
from ui.runs.results import class_table
from ui.session import resources


def show(judged: Judged) -> None:
    found = judged.found
    _honesty(judged)
    _headline(found)
    st.markdown(_verdict(found))
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        series = {found["title"]: {"metrics": found["metrics"], "intervals": found["intervals"]}}
        baselines = found["baselines"]
        if "bag_of_words" in baselines:
            series["Bag of words"] = baselines["bag_of_words"]
        series["Commonest class"] = {"metrics": baselines["majority"]["metrics"]}
        st.plotly_chart(
            intervals_figure(found["metric_names"], series), key="judge_intervals", config={"displayModeBar": False},
            alt="Metrics with their intervals, beside two simple models",
        )  # fmt: skip
        st.caption(
            "**How to read it:** with other examples of the same kind, a metric would lie within its line 95 times of "
            "100 (bootstrap). Where the lines of two models overlap widely, call them equal."
        )
    with right:
        st.markdown("**Class by class**")
        class_table(found["per_class"], "judge_classes")
        st.caption("Click a column's title to sort. F1 balances precision (is it right?) and recall (does it find?).")
    _overlap(found)


def _honesty(judged: Judged) -> None:
    """What the examples were used for before, in a sentence."""
    found, kind = judged.found, judged.found["kind"]
    if (test := found.get("final_test")) and not judged.can_ask:
        st.info(
            f"**Final test.** Nothing was trained or tuned on these examples; temperature and thresholds come from the "
            f"validation examples. When this was shared it had been looked at **{counted(test['looks'], 'time')}**.",
            icon=":material/lock:",
        )
    elif test:
        left, right = st.columns([5, 1], vertical_alignment="center")
        looks = next((h.looks for h in final_tests.holdouts(resources.store()) if h.content == test["content"]), None)
        if looks is None:
            left.info("This was a final test; it has been taken back since.", icon=":material/lock_open:")
            return
        left.info(
            f"**Final test.** Nothing was trained or tuned on these examples; temperature and thresholds come from the "
            f"validation examples. It has been looked at **{counted(looks, 'time')}**"
            + (": choosing between models by it makes its figures too good." if looks > 3 else "."),
            icon=":material/lock:",
        )
        if not resources.may("give back"):
            return
        with right.popover("Take back", icon=":material/lock_open:"):
            st.markdown("Runs may then train on it and choose by it, and its looks are forgotten.")
            st.button("Take it back", key="judge_take_back", on_click=final_tests.give_back,
                      args=(resources.store(), test["content"]))  # fmt: skip
    elif kind == "validation":
        how = ": choose a test split above, or keep one for the end on the New run page" if judged.can_ask else ""
        st.caption(
            ":material/info: The run chose its best checkpoint by these examples, so the figures are a little too "
            f"good. A final test, which nothing has seen, says the truth{how}."
        )
    elif kind == "training":
        st.warning(
            "**The model was trained on these examples.** It knows their labels by heart; how it does on them says "
            "nothing about others.", icon=":material/warning:",
        )  # fmt: skip
    for note in found["notes"]:
        st.caption(f":material/info: {plain(note)}")


def _headline(found: dict[str, Any]) -> None:
    names = [found["main_metric"], *(n for n in found["metric_names"] if n != found["main_metric"])][:4]
    with st.grid(len(names) + 1, min_column_width=150, key="judge_headline"):
        for name in names:
            low, high = found["intervals"][name]
            st.metric(
                f"**{metric_title(name)}**" if name == names[0] else metric_title(name), score(found["metrics"][name]),
                f"{score(low)} to {score(high)}", delta_color="off", delta_arrow="off",
                help=metric_meaning(name), border=True, height="stretch",
            )  # fmt: skip
        ece = found["calibration"]["ece"]
        st.metric(
            "Calibration error", f"{ece:.3f}", _trust(ece), delta_color="off", delta_arrow="off", border=True,
            height="stretch",
            help="The mean gap between how sure the model is and how often it is right (ECE, 15 bins).",
        )  # fmt: skip


def _trust(ece: float) -> str:
    return "believe its confidence" if ece < 0.03 else "roughly right" if ece < 0.08 else "too sure, or not enough"


def _verdict(found: dict[str, Any]) -> str:
    """Does the transformer earn its cost?"""
    main = found["main_metric"]
    bag = found["baselines"].get("bag_of_words")
    majority = found["baselines"]["majority"]
    if bag is None:
        label = plain(found["labels"][majority["label"]])
        return f"Always answering “{label}” reaches {score(majority['metrics'][main])} ({metric_words(main)})."
    gap = bag["difference"][main]
    size = f"{abs(gap['value']):.3f} ({score(gap['low'], signed=True)} to {score(gap['high'], signed=True)})"
    beside = f"A bag of words, trained in {duration(bag['seconds'])}, reaches {score(bag['metrics'][main])}."
    if gap["low"] > 0:
        return f":green[:material/check_circle:] {beside} **The model is better by {size}: it earns its cost.**"
    if gap["high"] < 0:
        return f":red[:material/error:] {beside} **That is better than this model by {size}.** Train longer, or use it."
    if gap["low"] == gap["high"] == 0:
        return f":orange[:material/warning:] {beside} **The model is no better**: the two do equally well."
    return f":orange[:material/warning:] {beside} **The model is not surely better**: the difference is {size}."


def _overlap(found: dict[str, Any]) -> None:
    overlap = found.get("overlap")
    if overlap is None:
        return
    if not overlap["count"]:
        st.caption(":material/check: None of these texts was in the training examples.")
        return
    main, count = found["main_metric"], overlap["count"]
    said = f"**{count:,} of {counted(overlap['of'], 'text')} {'is' if count == 1 else 'are'} also in training**"
    if (without := overlap["metrics_without"].get(main)) is not None:
        those = "it" if count == 1 else "them"
        said += f"; without {those} {metric_words(main)} is {score(without)} instead of {score(found['metrics'][main])}"
    st.warning(f"{said}. The Datasets page can drop such texts (Problems).", icon=":material/content_copy:")

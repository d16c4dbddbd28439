"""The verdict: the metrics with their intervals beside simple models, and how honest the examples are."""

from __future__ import annotations

import streamlit as st

from core.evaluation.verdict import honesty, verdict
from core.figures.judge import Measured, intervals_figure
from core.store import final_tests
from core.tasks.contract import Task
from core.tasks.evaluations import Evaluation, FinalTest
from core.wording import capitalised, counted, duration, metric_meaning, metric_title, metric_words, score
from ui.components import fast_answers
from ui.components.basics import plain
from ui.evaluate import parts
from ui.evaluate.judged import Judged
from ui.session import resources


def show(judged: Judged) -> None:
    evaluation = judged.evaluation
    fast_answers.banner(evaluation.fast)
    _honesty(judged)
    _headline(evaluation)
    st.markdown(_verdict(evaluation))
    left, right = st.columns([1.15, 1], gap="medium")
    with left:
        series: dict[str, Measured] = {evaluation.title: (evaluation.metrics, evaluation.intervals)}
        if (bag := evaluation.baselines.bag_of_words) is not None:
            series["Bag of words"] = (bag.metrics, bag.intervals)
        series[capitalised(Task(judged.task).facts.BASELINE)] = (evaluation.baseline_metrics, {})
        st.plotly_chart(
            intervals_figure(evaluation.metric_names, series),
            key="evaluate_intervals",
            config={"displayModeBar": False},
            alt="Metrics with their intervals, beside two simple models",
        )
        st.caption(
            "**How to read it:** with other examples of the same kind, a metric would lie within its line 95 times of "
            "100 (bootstrap). Where the lines of two models overlap widely, call them equal."
        )
    with right:
        for draw in parts.of(judged.task, "verdict"):
            draw(evaluation)
    _overlap(evaluation)


def _honesty(judged: Judged) -> None:
    """What the examples were used for before, in a sentence."""
    evaluation = judged.evaluation
    if evaluation.final_test is not None:
        _final_test(judged, evaluation.final_test)
    else:
        match honesty(evaluation).use:
            case "validation":
                choose = ": choose a test split above, or keep one for the end on the New run page"
                how = choose if judged.can_ask else ""
                st.caption(
                    ":material/info: The run chose its best checkpoint by these examples, so the figures are a little "
                    f"too good. A final test, which nothing has seen, says the truth{how}."
                )
            case "training":
                st.warning(
                    "**The model was trained on these examples.** It knows their labels by heart; how it does on them "
                    "says nothing about others.",
                    icon=":material/warning:",
                )
    for note in evaluation.notes:
        st.caption(f":material/info: {plain(note)}")


def _final_test(judged: Judged, test: FinalTest) -> None:
    """How often it has been looked at; and the button that takes it back, for those who may."""
    untouched = "**Final test.** Nothing was trained or tuned on these examples."
    if tuned := Task(judged.task).facts.TUNED:
        untouched = (
            f"**Final test.** Nothing was trained or tuned on these examples; {tuned} come from the validation "
            "examples."
        )
    if not judged.can_ask:
        looks = counted(test.looks, "time")
        st.info(f"{untouched} When this was shared it had been looked at **{looks}**.", icon=":material/lock:")
        return
    left, right = st.columns([5, 1], vertical_alignment="center")
    now = next((h.looks for h in final_tests.holdouts(resources.store()) if h.content == test.content), None)
    if now is None:
        left.info("This was a final test; it has been taken back since.", icon=":material/lock_open:")
        return
    overused = honesty(judged.evaluation, now).use == "overused final test"
    caution = ": choosing between models by it makes its figures too good." if overused else "."
    left.info(f"{untouched} It has been looked at **{counted(now, 'time')}**{caution}", icon=":material/lock:")
    if not resources.may("give back"):
        return
    with right.popover("Take back", icon=":material/lock_open:"):
        st.markdown("Runs may then train on it and choose by it, and its looks are forgotten.")
        give_back, store = final_tests.give_back, resources.store()
        st.button("Take it back", key="evaluate_take_back", on_click=give_back, args=(store, test.content))


def _headline(evaluation: Evaluation) -> None:
    main = evaluation.main_metric
    names = [main, *(n for n in evaluation.metric_names if n != main)][:4]
    cards = parts.of(evaluation.task, "headline")
    with st.grid(len(names) + len(cards), min_column_width=180, key="evaluate_headline"):
        for name in names:
            low, high = evaluation.interval(name)
            st.metric(
                f"**{metric_title(name)}**" if name == main else metric_title(name),
                score(evaluation.metrics[name]),
                f"{score(low)} to {score(high)}",
                delta_color="off",
                delta_arrow="off",
                help=metric_meaning(name),
                border=True,
                height="stretch",
            )
        for draw in cards:
            draw(evaluation)


def _verdict(evaluation: Evaluation) -> str:
    """Does the transformer earn its cost?"""
    result = verdict(evaluation)
    bag, gap = result.bag_of_words, result.gap
    if bag is None or gap is None:
        label = plain(result.baseline_label)
        return f"Always answering “{label}” reaches {score(result.baseline)} ({metric_words(result.metric)})."
    size = f"{abs(gap.value):.3f} ({score(gap.low, signed=True)} to {score(gap.high, signed=True)})"
    beside = f"A bag of words, trained in {duration(bag.seconds)}, reaches {score(bag.metrics[result.metric])}."
    match result.outcome:
        case "better":
            return f":green[:material/check_circle:] {beside} **The model is better by {size}: it earns its cost.**"
        case "worse":
            better = f"**That is better than this model by {size}.** Train longer, or use it."
            return f":red[:material/error:] {beside} {better}"
        case "equal":
            return f":orange[:material/warning:] {beside} **The model is no better**: the two do equally well."
        case _:
            unsure = f"**The model is not surely better**: the difference is {size}."
            return f":orange[:material/warning:] {beside} {unsure}"


def _overlap(evaluation: Evaluation) -> None:
    overlap = evaluation.overlap
    if overlap is None:
        return
    if not overlap.count:
        st.caption(":material/check: None of these texts was in the training examples.")
        return
    main, count = evaluation.main_metric, overlap.count
    verb, those = ("is", "it") if count == 1 else ("are", "them")
    message = f"**{count:,} of {counted(overlap.of, 'text')} {verb} also in training**"
    if (without := overlap.metrics_without.get(main)) is not None:
        value = score(evaluation.metrics[main])
        message += f"; without {those} {metric_words(main)} is {score(without)} instead of {value}"
    st.warning(f"{message}. The Datasets page can drop such texts (Problems).", icon=":material/content_copy:")

"""Whether the model is as right as it is sure, and a temperature that makes it so."""

from __future__ import annotations

import streamlit as st

from core.errors import AccessDenied
from core.figures.judge import confidence_figure, reliability_figure
from core.store import files as results
from core.tasks.text_classification.results import Calibration
from ui.components.basics import plain
from ui.evaluate import explanation
from ui.evaluate.judged import Judged
from ui.evaluate.text_classification.classes import evaluation_of
from ui.session import resources, state


def show(judged: Judged) -> None:
    evaluation = evaluation_of(judged)
    calibration, confidence = evaluation.calibration, evaluation.confidence
    after = calibration.after if calibration.effect != "none" else None
    left, right = st.columns([1.1, 1], gap="medium")
    with left:
        st.plotly_chart(
            reliability_figure(calibration.bins, after.bins if after is not None else None),
            key="evaluate_reliability",
            config={"displayModeBar": False},
            alt="Share that is right against confidence",
        )
        st.caption(
            "**How to read it:** of the answers given with a confidence of 0.8, eight of ten should be right. Below "
            "the dotted line the model is too sure, above it not sure enough. Larger dots hold more examples."
        )
    with right:
        st.plotly_chart(
            confidence_figure(confidence.edges, confidence.right, confidence.wrong),
            key="evaluate_confidence",
            config={"displayModeBar": False},
            alt="Right and wrong answers by confidence",
        )
        with st.grid(2, min_column_width=150, key="evaluate_ece"):
            st.metric(
                "Calibration error",
                f"{calibration.ece:.3f}",
                help="ECE with 15 bins of equal width.",
                border=True,
                height="stretch",
            )
            if after is not None:
                st.metric(
                    "With temperature",
                    f"{after.ece:.3f}",
                    f"{after.ece - calibration.ece:+.3f}",
                    delta_color="inverse",
                    border=True,
                    height="stretch",
                    help="The same with the logits divided by the temperature.",
                )
        _temperature(judged, calibration.temperature)


def _temperature(judged: Judged, temperature: float) -> None:
    st.markdown(_temperature_words(evaluation_of(judged).calibration))
    folder = resources.settings().run_dir(judged.trained.id) / "model" if judged.trained is not None else None
    if not judged.can_ask or folder is None or not (folder / "config.json").is_file():
        return
    saved = results.read_temperature(folder)
    if judged.evaluation.kind not in ("validation", "test") or not resources.may("calibrate", judged.trained):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if abs(saved - temperature) > 0.005:
            st.button(
                "Save with the model",
                icon=":material/save:",
                key="evaluate_save_temperature",
                on_click=_save,
                args=(judged, temperature),
                help="Playground, batch prediction and highlights then use it.",
            )
        if saved != 1.0:
            st.badge(f"{saved:.2f} is saved with the model", icon=":material/check:", color="green")
            st.button("Remove it", type="tertiary", key="evaluate_drop_temperature", on_click=_save, args=(judged, 1.0))
    if saved != 1.0:
        st.caption(f"In code: `logits / {saved:.4f}` before the softmax. {plain('The weights stay as they are.')}")


def _temperature_words(calibration: Calibration) -> str:
    here = calibration.temperature_from == "here"
    if calibration.effect == "none":
        of = "answer" if here else "answer on the validation examples"
        return f"**No temperature**: every {of} was right, so nothing tells how sure the model should be."
    how = (
        "fitted on these examples; the figure above judges each half of them with the temperature of the other"
        if here
        else "fitted on the validation examples"
    )
    return (
        f"**Temperature {calibration.temperature:.2f}**, {how}. It {calibration.effect} all probabilities and changes "
        "no answer."
    )


def _save(judged: Judged, temperature: float) -> None:
    assert judged.trained is not None
    try:
        results.keep_temperature(resources.settings(), judged.trained, temperature)
        explanation.forget()
    except (OSError, AccessDenied) as error:
        state.set_notice(f"The temperature could not be saved: {plain(str(error))}.")

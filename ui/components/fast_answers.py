"""The choice between exact and fast answers, with what the fast ones cost before they are used."""

from __future__ import annotations

import streamlit as st

from core.errors import ModelError, TunedeckError
from core.evaluation.fast import kept, words
from core.evaluation.specs import Answers, Subject
from core.store.certificate import Certificate
from core.wording import sentence
from ui.components import light_run
from ui.components.basics import for_display, plain, show_error
from ui.session import resources

MODES = {"exact": "Exact", "fast": "Fast (8 bits)"}
TITLE = "Measuring fast answers"


def choose(subject: Subject, title: str, key: str) -> Answers | None:
    """The widget, and the certificate of fast answers. None until they are measured, allowed, and agreed to."""
    mode = st.segmented_control(
        "Answers",
        list(MODES),
        default="exact",
        required=True,
        key=f"{key}_answers",
        format_func=MODES.__getitem__,
        help="Fast answers come from 8-bit weights, on the processor. What they cost this model in accuracy is "
        "measured before they are used.",
    )
    if mode != "fast":
        return "exact"
    try:
        kept.check_packages()
        measured = kept.find(subject, resources.settings(), resources.store())
        if measured is None:
            _measure(subject, title, key)
            return None
    except TunedeckError as error:
        show_error(error)
        return None
    return _agreed(measured[1], key)


def _measure(subject: Subject, title: str, key: str) -> None:
    """Start the work that measures them, or watch it."""
    try:
        spec = kept.measuring(subject, title, resources.store())
    except ModelError as error:
        st.info(plain(sentence(for_display(str(error)))), icon=":material/lab_profile:")
        return
    light_run.work_on(
        kept.KIND,
        f"{TITLE} of {title}",
        spec.model_dump(mode="json"),
        at_once=False,
        button="Measure what they cost",
        key=key,
        offer=f"**Fast answers of {plain(title)} have not been measured yet**, or the model or its examples "
        "have changed since. The model is converted to 8 bits and answers its labelled examples both ways, once, in "
        "the background.",
    )


def _agreed(certificate: Certificate, key: str) -> Answers | None:
    """What was measured, and whether fast answers may be used."""
    lines = f"{plain(words.measured(certificate))}  \n**{plain(words.permission(certificate))}**"
    if faster := words.faster(certificate):
        lines += f"  \n:gray[{plain(faster)}]"
    match certificate.grant:
        case "granted":
            st.success(lines, icon=":material/bolt:")
            return "fast"
        case "refused":
            st.error(lines, icon=":material/block:")
            return None
    st.warning(lines, icon=":material/warning:")
    agreed = st.checkbox("Use fast answers although it is not proven that they lose so little", key=f"{key}_unproven")
    return "fast_unproven" if agreed else None


def banner(certificate: Certificate | None) -> None:
    """What a result says that fast answers made; nothing where they are exact."""
    if certificate is not None:
        st.info(plain(words.note(certificate)), icon=":material/bolt:")

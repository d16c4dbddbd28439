"""Ask models in the playground: one text, a pair or many lines; and their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import AccessDenied, ModelError, TunedeckError
from core.evaluation.specs import Subject
from core.playground import corrections
from core.playground.answers import Answer, Reading, check_offered
from core.playground.server import TEXTS
from core.store.record import Run
from core.tasks.contract import task_of_record
from core.wording import counted, sentence, shortened
from ui import pages
from ui.components import model_columns
from ui.components.basics import allowed, distinct, for_display, plain, show_error
from ui.evaluate import explanation, judged
from ui.session import resources, state

WAYS = {"one": "One text", "pair": "A pair of texts", "lines": "Many, one per line"}
MOST_CHARACTERS, HISTORY = 20_000, 20
WAKING_S = 0.2
MUCH_UNKNOWN = 0.1  # of the tokens
OTHER = ":other"


@dataclass(frozen=True)
class Asked:
    """A model to ask. trained: its training run, None for a folder or Hub id"""

    subject: Subject
    title: str
    trained: Run | None


def models(runs: Sequence[Run]) -> list[Asked]:
    """The widget for the models to ask: runs, and any other by name. Returns the chosen ones."""
    named = {run.id: run for run in runs}
    linked = st.query_params.get("run", "")
    state.begin_with("play_models", [linked if linked in named else runs[0].id] if runs else None)
    titles = distinct({run.id: run.name for run in runs}) | {OTHER: "Another: a folder or Hub id"}
    chosen = st.multiselect(
        "Models",
        [*named, OTHER],
        key="play_models",
        max_selections=3,
        format_func=titles.__getitem__,
        help="Up to three answer side by side.",
    )
    chosen_models = [Asked(judged.subject_of(named[key]), titles[key], named[key]) for key in chosen if key in named]
    if OTHER in chosen:
        name = st.text_input("Folder or Hub id", key="play_name", max_chars=1000).strip()
        chosen_models += [Asked(Subject(name=name), shortened(name, 60), None)] if name else []
    return chosen_models


def question(asked: Sequence[Asked]) -> list[tuple[str, ...]]:
    """The fields for the texts. Returns rows of one or two texts; initially as the first model was trained."""
    state.begin_with("play_way", "pair" if _texts_of(asked[0]) == 2 else "one")
    way = st.segmented_control(
        "What to ask about",
        list(WAYS),
        format_func=WAYS.__getitem__,
        required=True,
        key="play_way",
        label_visibility="collapsed",
    )
    if way == "pair":
        left, right = st.columns(2)
        texts = (
            left.text_area("First text", key="play_first", max_chars=MOST_CHARACTERS),
            right.text_area("Second text", key="play_second", max_chars=MOST_CHARACTERS),
        )
        return [texts] if all(text.strip() for text in texts) else []
    if way == "lines":
        lines = st.text_area("Texts, one per line", key="play_lines", height=160, max_chars=MOST_CHARACTERS)
        return [(line.strip(),) for line in lines.splitlines() if line.strip()]
    text = st.text_area(
        "Text",
        key="play_text",
        max_chars=MOST_CHARACTERS,
        height=110,
        placeholder="Type or paste a text; Ctrl+Enter asks.",
    )
    return [(text,)] if text.strip() else []


def _texts_of(asked: Asked) -> int | None:
    """The number of texts that a model reads together; None if unknown."""
    return model_columns.training(asked.subject, asked.title, asked.trained).count


def answers(asked: Sequence[Asked], texts: Sequence[tuple[str, ...]]) -> None:
    """The answers of every model, with the time that they took."""
    for place, column in enumerate(st.columns(len(asked), gap="medium")):
        with column, st.container(border=True, key=f"play_answer_{place}"):
            _answer(asked[place], texts, place)


def _answer(asked: Asked, texts: Sequence[tuple[str, ...]], place: int) -> None:
    st.markdown(f"**{plain(asked.title)}**")
    try:
        check_offered(task_of_record(asked.trained.spec if asked.trained is not None else {}))
    except ModelError as error:
        st.info(sentence(plain(str(error))), icon=":material/forum:")
        return
    if (count := _texts_of(asked)) is not None and count != len(texts[0]):
        pair = "This model was trained on pairs of texts: choose “A pair of texts” to ask it."
        one = "This model was trained on one text at a time: choose “One text” to ask it."
        st.info(pair if count == 2 else one, icon=":material/forum:")
        return
    try:
        with st.spinner("Loading the model" if state.widget("play_history") is None else "Asking"):
            answer = resources.playground().predict(asked.subject, texts)
    except TunedeckError as error:
        show_error(error)
        return
    if len(texts) == 1:
        _one(asked, texts[0], answer, place)
    else:
        _many(texts, answer, place)
    facts = f"{answer.total * 1000:,.0f} ms" + (" including loading the model" if answer.waking > WAKING_S else "")
    facts += f" · {counted(sum(reading.tokens for reading in answer.reads), 'token')}"
    st.caption(facts + (f" · temperature {answer.temperature:.2f}" if answer.temperature != 1 else ""))


def _doubts(reading: Reading) -> Iterator[str]:
    """Sentences on parts of a text that the model does not read or know."""
    tokens, unknown = reading.tokens, reading.unknown
    if reading.read < tokens:
        yield f"The model reads the first {reading.read:,} of {tokens:,} tokens; the rest made no difference."
    if unknown >= MUCH_UNKNOWN * tokens and unknown:
        unknown_tokens = counted(unknown, "token is", "tokens are")
        yield f"{unknown_tokens} not in its vocabulary (of {tokens:,}), so the answer is less reliable."


def _one(asked: Asked, texts: tuple[str, ...], answer: Answer, place: int) -> None:
    shares = answer.probabilities[0]
    best = max(range(len(shares)), key=shares.__getitem__)
    st.markdown(f"### {plain(shortened(answer.names[best], 60))} :gray[{shares[best]:.1%}]")
    explanation.probabilities(shares, answer.names, f"play_shares_{place}")
    for doubt in _doubts(answer.reads[0]):
        st.caption(f":orange[:material/warning: {doubt}]")
    _remember(asked, texts, answer.names[best], shares[best])
    with st.expander("Why?", icon=":material/lightbulb:", key=f"play_why_{place}", on_change="rerun") as why:
        if why.open:
            explanation.highlights(asked.subject, texts, answer.names, f"play_words_{place}")
            if asked.trained is not None:
                explanation.nearest(asked.trained, texts, f"play_near_{place}")
    with st.expander("Wrong?", icon=":material/edit:", key=f"play_wrong_{place}", on_change="rerun") as wrong:
        if wrong.open:
            _correct(asked, texts, answer, answer.names[best], place)


def _many(texts: Sequence[tuple[str, ...]], answer: Answer, place: int) -> None:
    if len(texts) > TEXTS:
        return
    best = [max(range(len(shares)), key=shares.__getitem__) for shares in answer.probabilities]
    frame = pd.DataFrame(
        {
            "Text": [row[0] for row in texts],
            "Predicted": [answer.names[i] for i in best],
            "Probability": [shares[i] for shares, i in zip(answer.probabilities, best, strict=True)],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        key=f"play_many_{place}",
        alt="An answer per line",
        column_config={"Probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")},
    )


def _correct(asked: Asked, texts: tuple[str, ...], answer: Answer, predicted: str, place: int) -> None:
    if not allowed("correct"):
        return
    right = st.selectbox("The right class", answer.names, None, key=f"play_right_{place}", placeholder="Choose")
    settings, pair = resources.settings(), len(texts) > 1
    st.button(
        "Add to the correction set",
        icon=":material/playlist_add:",
        key=f"play_add_{place}",
        disabled=right is None,
        on_click=_add,
        args=(asked, texts, answer.names, str(right), predicted),
    )
    if count := corrections.count(settings, answer.names, pair):
        st.caption(f"{counted(count, 'correction')} so far, for models of these classes.")
        if st.button("Open them as a dataset", type="tertiary", key=f"play_open_{place}", icon=":material/table_view:"):
            state.set_data(corrections.dataset(settings, answer.names, pair))
            st.switch_page(pages.DATASETS)


def _add(asked: Asked, texts: tuple[str, ...], names: Sequence[str], label: str, predicted: str) -> None:
    try:
        corrections.add(resources.settings(), names, texts, label, predicted, asked.title)
    except (OSError, AccessDenied) as error:
        state.set_notice(f"The correction could not be saved: {plain(for_display(str(error)))}.")


def _remember(asked: Asked, texts: tuple[str, ...], predicted: str, share: float) -> None:
    entry = {"Text": " / ".join(texts), "Model": asked.title, "Predicted": predicted, "Probability": share}
    held: list[dict[str, Any]] = state.widget("play_history") or []
    if entry not in held[:3]:
        state.remember("play_history", [entry, *held][:HISTORY])


def history() -> None:
    """A table of the session's earlier questions."""
    held = state.widget("play_history")
    if not held or len(held) < 2:
        return
    with st.expander("Asked before", icon=":material/history:", key="play_before"):
        st.dataframe(
            pd.DataFrame(held),
            hide_index=True,
            key="play_history_table",
            alt="What was asked before",
            column_config={"Probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")},
        )

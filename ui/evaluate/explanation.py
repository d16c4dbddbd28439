"""Why a model said so: the words of one text on coloured ground, and the training examples that are most like it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.data.browsing import browse
from core.data.dataset import Prepared
from core.data.prepare import find_prepared
from core.errors import SpecError, TunedeckError
from core.evaluation.specs import NeighboursSpec, Subject
from core.playground.answers import Explanation, Neighbour, Word
from core.spec.run import RunSpec, build
from core.store.files import vectors_of
from core.store.record import Run
from core.wording import shortened
from ui.components import light_run
from ui.components.basics import plain, show_error
from ui.evaluate import judged
from ui.session import resources

METHODS = {"integrated_gradients": "Integrated gradients", "occlusion": "Occlusion"}
READING = {
    "integrated_gradients": "Each word's share of the way from an empty text's probability to this one's.",
    "occlusion": "How far the probability falls when the word is masked.",
}
STRONG, FAINT = 0.5, 0.12  # of the strongest word's score
TEXT_CHARACTERS = 4_000
NEIGHBOURS = "Reading the training texts"


def highlights(subject: Subject, texts: Sequence[str], labels: Sequence[str], key: str) -> None:
    """The words that speak for a class, and those that speak against it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Method",
            list(METHODS),
            default="integrated_gradients",
            format_func=METHODS.__getitem__,
            required=True,
            key=f"{key}_method",
            help="  \n".join(f"**{METHODS[m]}**: {text}" for m, text in READING.items()),
        )
        chosen = st.selectbox("Words that speak for", ["The predicted class", *labels], key=f"{key}_target", width=240)
    target = None if chosen == "The predicted class" else list(labels).index(chosen)
    try:
        with st.spinner("Asking the model"):
            explanation = _explained(subject.model_dump_json(), tuple(texts), str(method), target)
    except TunedeckError as error:
        show_error(error)
        return
    most = max((abs(word.score) for word in explanation.words), default=0.0)
    for part, text in enumerate(texts):
        words = [word for word in explanation.words if word.part == part]
        st.markdown(_marked(text[:TEXT_CHARACTERS], words, most))
    st.caption(_meaning(explanation, labels))


def forget() -> None:
    """A model's temperature has changed, and with it every probability."""
    _explained.clear()


@st.cache_data(max_entries=64, show_spinner=False, ttl=3600)
def _explained(subject: str, texts: tuple[str, ...], method: str, target: int | None) -> Explanation:
    return resources.playground().explain(Subject.model_validate_json(subject), texts, method, target)


def _marked(text: str, words: Sequence[Word], most: float) -> str:
    """The text as Markdown, on blue what speaks for the class and on orange what speaks against it."""
    parts, at = [], 0
    for word in words:
        start, end = max(at, word.start), word.end
        if start >= len(text) or end <= start:
            continue
        share = abs(word.score) / most if most else 0.0
        parts.append(_gap(text[at:start]))
        escaped = plain(text[start:end])
        color = "blue" if word.score > 0 else "orange"
        if share >= STRONG and escaped:
            parts.append(f":{color}-background[**{escaped}**]")
        elif share >= FAINT and escaped:
            parts.append(f":{color}-background[{escaped}]")
        else:
            parts.append(escaped)
        at = end
    return "".join([*parts, f":gray[{_gap(text[at:])}]" if text[at:].strip() else ""])


def _gap(text: str) -> str:
    """What stands between two words; a line's end stays one."""
    if not text.strip():
        return "  \n" if "\n" in text else " " * bool(text)
    return " " * text[:1].isspace() + plain(text) + " " * text[-1:].isspace()


def _meaning(explanation: Explanation, labels: Sequence[str]) -> str:
    """What the colours mean, and how far the scores can be trusted."""
    name = plain(shortened(labels[explanation.target], 60))
    meaning = (
        f":blue-background[Blue] speaks for “{name}” ({explanation.probability:.1%}), "
        ":orange-background[orange] against it; bold are the strongest words."
    )
    if explanation.baseline is None or explanation.error is None:
        return meaning
    gained = explanation.probability - explanation.baseline
    sums = (
        f"The words add up to {gained:+.3f}, from {explanation.baseline:.1%} of an empty text; {explanation.error:.4f} "
        "of it is left unexplained (convergence error)."
    )
    rough = " **That is much: trust occlusion more here.**" if explanation.is_rough else ""
    return f"{meaning} {sums}{rough}"


def nearest(trained: Run, texts: Sequence[str], key: str) -> None:
    """The training examples whose inner picture is most like this text's."""
    spec = NeighboursSpec(run=trained.id, attempt=trained.attempt).model_dump(mode="json")
    folder = resources.settings().run_dir(trained.id)
    if not vectors_of(folder, trained.attempt).is_file():
        light_run.work_on(
            "neighbours",
            NEIGHBOURS,
            spec,
            at_once=False,
            button="Find the nearest training examples",
            offer="**Which training examples are most like it?** The model reads up to 5,000 of them once, in the "
            "background; then the nearest are found at once.",
            key=key,
        )
        return
    try:
        neighbours = resources.playground().nearest(judged.subject_of(trained), texts)
        data = build(trained.spec, RunSpec).data
    except (TunedeckError, SpecError) as error:
        show_error(error)
        return
    st.markdown("**Nearest training examples**, by the model's own last layer")
    _table(neighbours, find_prepared(data, resources.settings()), trained, key)


def _table(neighbours: Sequence[Neighbour], prepared: Prepared | None, trained: Run, key: str) -> None:
    split = _train_split(prepared, trained)
    if prepared is None or split is None:
        st.caption("The training dataset is not here any more, or has changed.")
        return
    frame = browse.rows(prepared, split, [example.row for example in neighbours])
    frame.insert(0, "Similarity", [example.similarity for example in neighbours])
    st.dataframe(
        frame,
        key=f"{key}_nearest",
        alt="The nearest training examples",
        column_config={"Similarity": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")},
    )


def _train_split(prepared: Prepared | None, trained: Run) -> str | None:
    from core.data.selection import splits_used

    return splits_used(build(trained.spec, RunSpec).data, prepared)[0] if prepared is not None else None


def probabilities(shares: Sequence[float], labels: Sequence[str], key: str, most: int = 8) -> None:
    """The classes with their probabilities, the likeliest first."""
    order = sorted(range(len(shares)), key=lambda i: -shares[i])[:most]
    frame = pd.DataFrame({"Class": [labels[i] for i in order], "Probability": [shares[i] for i in order]})
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        key=key,
        alt="The probability of each class",
        column_config={
            "Class": st.column_config.TextColumn(width="small"),
            "Probability": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f"),
        },
    )

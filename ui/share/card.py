"""The model card: fields for what the run does not know, the text to edit, and a preview."""

from __future__ import annotations

import re

import streamlit as st

from core.errors import AccessDenied, Problem, SpecError
from core.sharing.report import card, hub_rules
from core.sharing.report.card_edits import NOTHING, Edits
from core.sharing.report.content import gather_for_card
from core.store.record import Run
from ui.components.basics import plain, show_error
from ui.session import resources, state

LANGUAGES = ("en", "ja", "de", "fr", "es", "zh", "ko", "pt", "it", "nl", "ru", "ar", "hi", "multilingual")
EDITOR_PX = 560
FOLDED = re.compile(r"<details>\s*<summary>(.*?)</summary>|</details>")


def render(run: Run) -> None:
    """The whole part, for one training run."""
    folder = resources.settings().run_dir(run.id)
    keys = _Keys(run.id)
    if state.widget(keys.draft) is None:
        try:
            state.remember(keys.draft, card.read_card(folder) or _filled(run, NOTHING))
        except SpecError as error:
            show_error(error, "The settings of this run are not valid any more")
            return
    st.markdown(
        "The Hub shows this card beside the model and uses it for search. It is filled in from the run; add what only "
        "you know, and change whatever you like before you push."
    )
    text = str(state.widget(keys.draft))
    _fields(run, keys, _metadata(text))
    problems = card.check_card(text, resources.settings())
    _actions(run, keys, text, problems)
    if problems:
        show_error(SpecError(problems), "The Hub would not accept this card")
    elif not _metadata(text).get("license"):
        st.caption(":material/info: It names no licence. Without one, nobody else may use the model.")
    state.begin_with(keys.text, text)
    edit, preview = st.tabs([":material/edit: Edit", ":material/preview: Preview"], key=f"share_card_tabs_{run.id}")
    with edit:
        st.text_area(
            "Card in Markdown",
            key=keys.text,
            height=EDITOR_PX,
            on_change=_keep,
            args=(keys,),
            max_chars=card.MOST_CHARACTERS,
            help="The metadata is between the two lines ---, in YAML.",
        )
    with preview:
        _preview(text)


class _Keys:
    """The session keys of this part for one run: the current text and the widgets."""

    def __init__(self, run_id: str) -> None:
        self.draft, self.text = f"share_card_draft_{run_id}", f"share_card_text_{run_id}"
        self.licence, self.languages = f"share_card_licence_{run_id}", f"share_card_languages_{run_id}"
        self.description, self.intended = f"share_card_description_{run_id}", f"share_card_intended_{run_id}"


def _fields(run: Run, keys: _Keys, metadata: dict[str, object]) -> None:
    """The fields for what a run does not know."""
    licences = [*hub_rules.COMMON_LICENCES, *sorted(hub_rules.LICENCES - set(hub_rules.COMMON_LICENCES))]
    licence = metadata.get("license")
    languages = [code for code in _listed(metadata.get("language")) if isinstance(code, str)]
    with st.form(f"share_card_fields_{run.id}"):
        left, right = st.columns(2)
        with left:
            st.selectbox(
                "Licence",
                licences,
                licences.index(licence) if licence in licences else None,
                key=keys.licence,
                format_func=_licence_title,
                placeholder="None chosen: nobody else may use it",
                help="What others may do with the model. The base model's licence, if it has one, binds yours.",
            )
        with right:
            st.multiselect(
                "Languages of the texts",
                list(dict.fromkeys([*languages, *LANGUAGES])),
                languages,
                key=keys.languages,
                accept_new_options=True,
                placeholder="Codes such as en or ja",
            )
        st.text_input("In one line", key=keys.description, max_chars=300, placeholder="What it does, for whom")
        st.text_area(
            "Intended use",
            key=keys.intended,
            max_chars=3000,
            height=90,
            placeholder="What it is for, and what it is not for",
        )
        st.form_submit_button(
            "Fill in the card",
            icon=":material/edit_note:",
            on_click=_fill,
            args=(run, keys),
            help="Writes the text below again, from the run and these fields. Your own changes to it are lost.",
        )


def _licence_title(name: str) -> str:
    title = hub_rules.COMMON_LICENCES.get(name)
    return f"{name} · {title}" if title else name


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _metadata(text: str) -> dict[str, object]:
    try:
        return dict(hub_rules.metadata(text))
    except SpecError:
        return {}


def _filled(run: Run, edits: Edits) -> str:
    return card.card(gather_for_card(resources.store(), resources.settings(), run), edits)


def _fill(run: Run, keys: _Keys) -> None:
    edits = Edits(
        licence=str(state.widget(keys.licence) or ""),
        languages=tuple(state.widget(keys.languages) or ()),
        description=str(state.widget(keys.description) or ""),
        intended=str(state.widget(keys.intended) or ""),
    )
    _set(keys, _filled(run, edits))


def _set(keys: _Keys, text: str) -> None:
    state.remember(keys.draft, text)
    state.remember(keys.text, text)


def _keep(keys: _Keys) -> None:
    state.remember(keys.draft, str(state.widget(keys.text) or ""))


def _preview(text: str) -> None:
    """The card approximately as the Hub will show it."""
    parts = hub_rules.divided(text)
    metadata, body = _metadata(text), parts[1] if parts else text
    with st.container(horizontal=True, gap="small"):
        for field, icon in (
            ("license", "balance"),
            ("language", "language"),
            ("base_model", "account_tree"),
            ("datasets", "database"),
            ("pipeline_tag", "sell"),
        ):
            for value in _listed(metadata.get(field)):
                st.badge(plain(str(value)), icon=f":material/{icon}:", color="gray")
    with st.container(border=True, height=EDITOR_PX):
        st.markdown(FOLDED.sub(lambda match: f"**{match[1]}**" if match[1] else "", body))


def _actions(run: Run, keys: _Keys, text: str, problems: list[Problem]) -> None:
    saved, may = card.read_card(resources.settings().run_dir(run.id)), resources.may("card", run)
    with st.container(horizontal=True, vertical_alignment="center", key="share_card_actions"):
        st.button(
            "Save",
            type="primary",
            icon=":material/save:",
            key="share_card_save",
            disabled=bool(problems) or text == saved or not may,
            on_click=_save,
            args=(run, text),
        )
        st.download_button(
            "Download",
            text,
            "README.md",
            "text/markdown",
            key="share_card_download",
            icon=":material/download:",
            on_click="ignore",
            disabled=bool(problems),
        )
        st.button(
            "Reset",
            icon=":material/restart_alt:",
            key="share_card_reset",
            on_click=_reset,
            args=(run, keys),
            disabled=not may,
            help="Discards the saved card and your changes, and fills it in from the run again.",
        )
        if text == saved:
            st.badge("Saved: pushes use it", icon=":material/check:", color="green")
        elif saved is not None:
            st.badge("Changed since it was saved", icon=":material/edit:", color="orange")


def _save(run: Run, text: str) -> None:
    try:
        card.write_card(run, text, resources.settings())
    except (SpecError, AccessDenied, OSError) as error:
        state.set_notice(f"The card could not be saved: {plain(str(error))}.")


def _reset(run: Run, keys: _Keys) -> None:
    try:
        card.forget_card(run, resources.settings())
    except AccessDenied as error:
        state.set_notice(f"The card could not be reset: {plain(str(error))}.")
        return
    _set(keys, _filled(run, NOTHING))

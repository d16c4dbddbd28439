"""The model card: what the Hub shows and indexes of a model. Filled from the run, edited by a person, checked.

gather ── card ── (edited and saved as card.md in the run's folder) ── outgoing: what is uploaded as README.md
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.access.rules import check
from core.errors import Problem, SpecError
from core.files import write_text
from core.settings import Settings
from core.sharing import redact
from core.sharing.report import hub_rules
from core.sharing.report.as_markdown import markdown
from core.sharing.report.card_document import document
from core.sharing.report.card_edits import NOTHING, Edits
from core.sharing.report.card_metadata import metadata
from core.sharing.report.content import Content, gather_for_card
from core.store.record import Run
from core.store.store import Store

NAME = "card.md"
MOST_CHARACTERS = 500_000
PLACEHOLDER = "YOUR-NAME/THIS-MODEL"  # for the model's id on the Hub, which it does not have yet


def card(content: Content, edits: Edits = NOTHING, model: str = PLACEHOLDER) -> str:
    """README.md for the Hub: metadata in YAML, then Markdown. model: its id on the Hub, for the code that loads it"""
    return f"---\n{metadata(content, edits)}\n---\n\n{markdown(document(content, edits, model))}"


def outgoing(store: Store, settings: Settings, run: Run, model: str = "") -> str:
    """The card as it goes out: the one that was saved, else one filled from the run.

    model: the id on the Hub that it goes to. Raises SpecError for a saved one that the Hub would not take.
    """
    text = read_card(settings.run_dir(run.id))
    if text is None:
        text = card(gather_for_card(store, settings, run))
    text = str(redact.clean(text, settings))
    if problems := check_card(text, settings):
        raise SpecError(problems)
    return text.replace(PLACEHOLDER, model) if model else text


def read_card(folder: Path) -> str | None:
    """The card that was saved for a run; None if there is none."""
    try:
        return (folder / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write_card(run: Run, text: str, settings: Settings) -> None:
    """Save an edited card. Raises SpecError if the Hub would not take it, or it holds a secret; AccessDenied."""
    check(settings, "card", run)
    text = text.replace("\r\n", "\n")
    if problems := check_card(text, settings):
        raise SpecError(problems)
    write_text(settings.run_dir(run.id) / NAME, text)


def forget_card(run: Run, settings: Settings) -> None:
    """Go back to the card that is filled from the run. Raises AccessDenied."""
    check(settings, "card", run)
    (settings.run_dir(run.id) / NAME).unlink(missing_ok=True)


def check_card(text: str, settings: Settings) -> list[Problem]:
    """What is wrong with an edited card: metadata that the Hub would refuse, secrets, ways to files of this machine."""
    if len(text) > MOST_CHARACTERS:
        return [
            Problem.of(
                "card-too-long",
                "a card has at most {most:,} characters, this has {count:,}; shorten it",
                "",
                most=MOST_CHARACTERS,
                count=len(text),
            )
        ]
    problems = list(_secrets(text, settings))
    try:
        return problems + hub_rules.problems(hub_rules.metadata(text))
    except SpecError as error:
        return problems + error.problems


def _secrets(text: str, settings: Settings) -> Iterator[Problem]:
    for number, line in enumerate(text.splitlines(), 1):
        cleaned = str(redact.clean(line, settings))
        if cleaned == line:
            continue
        if redact.HIDDEN in cleaned and redact.HIDDEN not in line:
            yield Problem.of(
                "card-holds-token",
                "line {line} holds a token or password; take it out, and renew it if it was shown",
                "",
                line=number,
            )
        else:
            yield Problem.of(
                "card-names-folder",
                "line {line} names a folder of this machine; say it without the way to it",
                "",
                line=number,
            )
    if redact.clean(text, settings).count(redact.HIDDEN) > sum(
        str(redact.clean(line, settings)).count(redact.HIDDEN) for line in text.splitlines()
    ):
        yield Problem.of(
            "card-holds-key", "the card holds a private key; take it out, and renew it if it was shown", ""
        )

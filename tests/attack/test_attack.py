"""Attacks through every way in that somebody who means harm has; each is refused or shown harmlessly, and leaves store
and disk as they were.

What there is to attack, and what holds it, stands in docs/security.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.attack import (  # noqa: F401 - they enter their cases
    attack_bundles,
    attack_data,
    attack_files,
    attack_links,
    attack_models,
    attack_people,
    attack_secrets,
    attack_web,
    attack_words,
)
from tests.attack.cases import CASES
from tests.attack.place import SECRETS, Place
from tests.browser.steps import Dashboard
from tests.evaluation.conftest import LABELS, make_texts
from tests.sharing.test_bundle import shared
from tests.sharing.test_round_trip import opened

__all__ = ["opened", "shared"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a classifier of three classes that has learned nothing: it is there to be spoiled."""
    from core.models import loading as model_loading
    from core.models import scratch

    texts, _ = make_texts(60, 0)
    tokenizer = scratch.tokenizer(texts, 48)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    folder = tmp_path_factory.mktemp("models") / "classifier"
    model_loading.save(scratch.model(len(tokenizer), 48, tokenizer.pad_token_id, names).eval(), tokenizer, folder)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TUNEDECK_SPARE_WORKER", "off")
    place = Place(tmp_path / "server")
    monkeypatch.setenv("TUNEDECK_HOME", str(place.home))
    return place


@pytest.fixture
def serve(place: Place) -> Iterator[Callable[..., Dashboard]]:
    """Starts a dashboard as a process over the attacked home, in a mode, with further variables."""
    started: list[Dashboard] = []

    def start(mode: str = "local", **environment: str) -> Dashboard:
        served = Dashboard(place.settings(), {"TUNEDECK_MODE": mode, **environment})
        started.append(served)
        served.start()
        return served

    yield start
    for dashboard in started:
        dashboard.close()


@pytest.mark.parametrize("cause", CASES)
def test_attack(cause: str, place: Place, request: pytest.FixtureRequest) -> None:
    attack = CASES[cause]
    wanted = [name for name in inspect.signature(attack).parameters if name != "place"]
    attack(place, **{name: request.getfixturevalue(name) for name in wanted})
    assert place.checked, "it was not looked at what the attack left"


def test_there_are_enough_causes() -> None:
    assert len(CASES) >= 45

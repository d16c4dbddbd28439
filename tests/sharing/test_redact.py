"""What is taken out of everything that is written for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.messages import Message
from core.runs import environment
from core.runs.environment import read_environment
from core.settings import Settings
from core.sharing import redact
from core.sharing.report import origin
from core.spec.run import RunSpec, build
from core.tasks.text_classification.results import ClassReport
from tests.synthetic import a_report

SECRETS = {
    "HF_TOKEN": "hf_ThisIsNobodysToken000001", "MY_API_KEY": "k-123456789", "DB_PASSWORD": "correct horse",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "COOKIE_SECRET": "0123abcd0123abcd",
}  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_the_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRETS[name])
    tree = {"a": [f"before {SECRETS[name]} after"], SECRETS[name]: 1}
    assert redact.clean(tree, settings) == {"a": [f"before {redact.HIDDEN} after"], redact.HIDDEN: 1}


@pytest.mark.parametrize(
    "text",
    [
        "hf_" + "A" * 34,
        "ghp_" + "b" * 36,
        "sk-proj-" + "c" * 40,
        "AKIAIOSFODNN7EXAMPLE",
        "https://me:hunter2@example.org/x",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_by_its_form(settings: Settings, text: str) -> None:
    cleaned = redact.clean(text, settings)
    assert redact.HIDDEN in cleaned and "hunter2" not in cleaned and "MIIE" not in cleaned and len(cleaned) < 60


def test_a_secret_in_advice(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", SECRETS["DB_PASSWORD"])
    way = f"{Path.home() / 'model'}"
    advice = Message(f"{way} knows {SECRETS['DB_PASSWORD']}.", "foreign-language", {"model": way})
    report = ClassReport.model_validate(a_report(["a", "b"])).model_copy(update={"advice": (advice,)})
    hidden = Message(f"{Path('~') / 'model'} knows {redact.HIDDEN}.", advice.id, {"model": str(Path("~") / "model")})
    assert redact.clean(report, settings).advice == (hidden,)


@pytest.mark.parametrize("text", ["TOKEN", "the secret of a good sauce", "http://example.org/a:b", "token 12", "on"])
def test_what_is_no_secret_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("USE_TOKEN", "on")
    monkeypatch.setenv("MAX_TOKENS", "1000000")
    assert redact.clean(text, settings) == text
    assert redact.clean({"examples": "1000000", "n": 1000000}, settings) == {"examples": "1000000", "n": 1000000}


def test_ways_on_this_machine(settings: Settings, tmp_path: Path) -> None:
    inside = settings.home / "runs" / "x" / "model"
    assert redact.clean(f"kept in {inside}", settings) == f"kept in {Path('TUNEDECK_HOME') / 'runs' / 'x' / 'model'}"
    assert redact.clean(f"{Path.home() / 'Documents' / 'a.csv'}", settings) == str(Path("~") / "Documents" / "a.csv")
    model = tmp_path / "of somebody" / "model"
    model.mkdir(parents=True)
    spec = build({"data": {"source": "file", "path": str(tmp_path / "me" / "a.csv")}, "model": {"name": str(model)}})
    public = redact.public_spec(spec, settings)
    assert (public.data.path, public.model.name) == ("a.csv", "model")
    hub: RunSpec = build(
        {"data": {"source": "hub", "path": "me/data"}, "model": {"name": "google-bert/bert-base-cased"}}
    )
    assert redact.public_spec(hub, settings) == hub


@pytest.mark.parametrize("name", ["C:\\Users\\me\\model", "/home/me/model", "~/model", "./model"])
def test_a_folder_from_any_system(name: str, settings: Settings) -> None:
    assert redact.is_folder(name, settings)


def test_a_model_in_a_teams_folder_is_not_given_out_as_one_of_the_hub(settings: Settings, tmp_path: Path) -> None:
    team = replace(settings, mode="team", roots=(tmp_path / "models",))
    spec: RunSpec = build({"model": {"name": "models/ours"}})
    assert redact.is_folder("models/ours", team) and not redact.is_folder("models/ours", settings)
    assert redact.public_spec(spec, team).model.name == "ours"
    assert origin.base_model(spec, team) == "" and origin.base_model(spec, settings) == "models/ours"


def test_an_environment_names_versions_and_no_person(tmp_path: Path) -> None:
    hardware = environment.hardware()
    assert (hardware.cores or 0) >= 1 and (hardware.memory_gb or 0) > 0.5 and hardware.processor
    assert environment.versions()["torch"].startswith("2.")
    assert read_environment(tmp_path) is None

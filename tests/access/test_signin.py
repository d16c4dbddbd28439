"""Settings that are refused, who is let in with which role, and the audit."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import pytest

from core.access import sign_in as signin
from core.errors import AccessDenied, TunedeckError
from core.person import Role
from core.settings import Settings, from_environment
from core.store import audit, audit_log
from core.store.schema import MIGRATIONS
from core.store.store import Store
from tests.access.conftest import ANN, PEOPLE, SPEC, House


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("TUNEDECK_MODE", "public", "must be one of local, team, viewer, demo"),
        ("TUNEDECK_MODE", "../team", "must be one of"),
        ("TUNEDECK_ADMINS", "ada", "not an e-mail address"),
        ("TUNEDECK_ADMINS", "*", "admit everybody"),
        ("TUNEDECK_TRAINERS", "*", "admit everybody"),
        ("TUNEDECK_VIEWERS", "a@b@c", "not an e-mail address"),
        ("TUNEDECK_CLAIM_ROLES", "ml", "write value=role"),
        ("TUNEDECK_CLAIM_ROLES", "ml=owner", "write value=role"),
        ("TUNEDECK_MAX_UPLOAD_MB", "-1", "a number above 0"),
        ("TUNEDECK_USER_DISK_GB", "lots", "a number above 0"),
        ("TUNEDECK_USER_QUEUED", "nan", "a number above 0"),
        ("TUNEDECK_RUN_HOURS", "inf", "a number above 0"),
        ("TUNEDECK_DEMO_EPOCHS", "0", "a number above 0"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TunedeckError, match=why) as refused:
        from_environment()
    assert name in str(refused.value)


def test_settings_of_a_team(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MODE": "Team", "ADMINS": "Ada@Example.org", "TRAINERS": "tom@example.org, *@lab.example.org",
        "ROLE_CLAIM": "groups", "CLAIM_ROLES": "ml team=trainer, ops=admin", "MAX_UPLOAD_MB": "5",
        "USER_DISK_GB": "0.5", "RUN_HOURS": "2",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"TUNEDECK_{name}", value)
    settings = from_environment()
    assert settings.mode == "team" and settings.max_upload_bytes == 5 * 1024**2
    assert settings.limits.disk_bytes == 1024**3 // 2 and settings.limits.run_s == 7200
    assert dict(settings.roles)["ada@example.org"] == Role.ADMIN
    assert dict(settings.claim_roles) == {"ml team": Role.TRAINER, "ops": Role.ADMIN}


def test_small_modes_keep_no_spare_worker(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEDECK_SPARE_WORKER", "on")
    kept = {}
    for mode in ("local", "team", "viewer", "demo"):
        monkeypatch.setenv("TUNEDECK_MODE", mode)
        kept[mode] = from_environment().spare_worker
    assert kept == {"local": True, "team": True, "viewer": False, "demo": False}


ROLES = (
    ("ada@example.org", Role.ADMIN),
    ("tom@example.org", Role.TRAINER),
    ("*@lab.example.org", Role.TRAINER),
    ("*@example.org", Role.VIEWER),
)
CLAIMS: list[tuple[dict[str, Any], Role | str]] = [
    ({"email": "ada@example.org"}, Role.ADMIN),
    ({"email": "ADA@EXAMPLE.ORG ", "email_verified": True}, Role.ADMIN),
    ({"email": "tom@example.org"}, Role.TRAINER),
    ({"email": "zoe@lab.example.org"}, Role.TRAINER),
    ({"email": "vic@example.org"}, Role.VIEWER),
    ({"email": "vic@example.org", "groups": ["staff", "ml"]}, Role.TRAINER),
    ({"email": "vic@example.org", "groups": "ops"}, Role.ADMIN),
    ({"email": "stranger@other.org", "groups": ["ml"]}, Role.TRAINER),
    ({"email": "stranger@other.org"}, "no role here"),
    ({"email": "stranger@other.org", "groups": ["ML", "mlx"]}, "no role here"),
    ({"email": "stranger@other.org", "groups": {"ml": True}}, "no role here"),
    ({"email": "ada@example.org", "email_verified": False}, "not verified"),
    ({"email": "ada@example.org", "email_verified": "false"}, "not verified"),
    ({"email": "ada@example.org", "email_verified": None}, "not verified"),
    ({"email": "ada@example.org.evil.com"}, "no role here"),
    ({"email": "x@evil.com@example.org"}, "has no e-mail address"),
    ({"email": "ada@example.org\nx@example.org"}, "has no e-mail address"),
    ({"email": "local"}, "has no e-mail address"),
    ({"email": "visitor:1"}, "has no e-mail address"),
    ({"email": ["ada@example.org"]}, "no e-mail address|no role here"),
    ({"sub": "1", "name": "ada@example.org"}, "has no e-mail address"),
]


@pytest.mark.parametrize(("claims", "expected"), CLAIMS)
def test_who_is_let_in(settings: Settings, claims: Mapping[str, Any], expected: Role | str) -> None:
    from dataclasses import replace

    by_claim = (("ml", Role.TRAINER), ("ops", Role.ADMIN))
    team = replace(settings, mode="team", roles=ROLES, role_claim="groups", claim_roles=by_claim)
    if isinstance(expected, Role):
        assert signin.person_of(claims, team).role == expected
    else:
        with pytest.raises(AccessDenied, match=expected):
            signin.person_of(claims, team)


def test_everybody_may_look_where_that_is_said(settings: Settings) -> None:
    from dataclasses import replace

    team = replace(settings, mode="team", roles=(("*", Role.VIEWER),))
    assert signin.person_of({"email": "anybody@anywhere.net"}, team).role == Role.VIEWER
    nested = replace(team, role_claim="realm_access.roles")
    person = signin.person_of({"email": "k@x.org", "realm_access": {"roles": ["trainer"]}}, nested)
    assert person.role == Role.TRAINER


def test_the_audit_says_who_did_what(team: House) -> None:
    tom = team.of(PEOPLE["trainer"])
    run_id = tom.submit("train", "=cmd()", SPEC)
    tom.rename(run_id, "@SUM(A1)")
    tom.stop(run_id)
    team.of(PEOPLE["admin"]).delete(run_id)
    entries = audit_log.entries(team.of(PEOPLE["admin"]))
    assert [(e.person, e.action, e.run) for e in entries] == [
        ("ada@example.org", "delete", run_id),
        ("tom@example.org", "stop", run_id),
        ("tom@example.org", "rename", run_id),
        ("tom@example.org", "start", run_id),
    ]
    rows = list(csv.reader(io.StringIO(audit_log.as_csv(entries).decode("utf-8-sig"))))
    assert rows[0] == list(audit_log.COLUMNS) and len(rows) == 5
    assert rows[1][4] == "'@SUM(A1)"
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]


def test_a_sign_in_is_recorded_once(team: House) -> None:
    since = time.time() - 5
    for _ in range(3):
        audit_log.record_sign_in(team.of(ANN), "trainer", since)
    audit_log.record_sign_in(team.of(PEOPLE["viewer"]), "viewer", since)
    assert [e.person for e in audit_log.entries(team.plain) if e.action == "sign in"] == ["vic@example.org", ANN.id]
    audit_log.record_sign_in(team.of(ANN), "trainer", time.time())
    assert len(audit_log.entries(team.plain)) == 3


def test_an_entry_and_its_change_are_there_together_or_not_at_all(team: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = team.queued(ANN.id)
    before = len(audit_log.entries(team.plain))

    def full(*_: object, **__: object) -> None:
        raise apsw.FullError

    monkeypatch.setattr(audit, "record", full)
    with pytest.raises(TunedeckError, match="full"):
        team.of(ANN).stop(run.id)
    monkeypatch.undo()
    assert team.plain.run(run.id).status == "queued" and len(audit_log.entries(team.plain)) == before


def test_a_store_from_before_gets_the_audit(settings: Settings) -> None:
    connection = apsw.Connection(str(settings.store_path))
    for number, step in enumerate(MIGRATIONS[:2]):
        connection.execute(step)
        connection.execute(f"PRAGMA user_version = {number + 1}")
    connection.execute(
        "INSERT INTO runs (id, kind, owner, name, status, spec, created) VALUES ('abcd','train','local','Old','queued',"
        "'{}',1.0)"
    )
    connection.close()
    store = Store(settings.store_path)
    store.stop("abcd")
    assert [e.action for e in audit_log.entries(store)] == ["stop"]

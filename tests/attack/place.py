"""Where an attack happens: a home with secrets around it, and what of it must be as before when the attack is over."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import TunedeckError
from core.guarded_store import GuardedStore
from core.person import OPERATOR, Person
from core.settings import LIMITS, Limits, Settings
from core.store.store import Store
from tests.access.conftest import ANN, OTHER_VISITOR, PEOPLE, House

SECRETS = {
    "HF_TOKEN": "hf_PlantedTokenOfNobody0123456789",
    "AWS_SECRET_ACCESS_KEY": "planted/aws/secret/of/nobody/012345",
    "DATABASE_PASSWORD": "planted-password-of-the-database",
    "STREAMLIT_COOKIE_SECRET": "planted-cookie-secret-of-the-server",
}
CANARY = "canary-that-nobody-may-read"
TOM, VIEWER, ADMIN, VISITOR, LOOKER = (PEOPLE[n] for n in ("trainer", "viewer", "admin", "visitor", "looker"))
Snapshot = tuple[dict[str, list[Any]], dict[str, str]]

__all__ = [
    "ADMIN",
    "ANN",
    "CANARY",
    "LOOKER",
    "OPERATOR",
    "OTHER_VISITOR",
    "SECRETS",
    "TOM",
    "VIEWER",
    "VISITOR",
    "Place",
]


@dataclass
class Place:
    """root: holds the home and, beside it, a canary; nothing below it may change while `untouched`

    checked: how often an attack was watched
    """

    root: Path
    checked: int = field(default=0)

    def __post_init__(self) -> None:
        self.root.mkdir()
        self.home = self.root / "home"
        self.home.mkdir()
        self.canary = self.root / "canary"
        self.canary.mkdir()
        (self.canary / "secret.csv").write_text(f"text,label\n{CANARY},a\n{CANARY} too,b\n")
        self.plain = Store(Settings(home=self.home).store_path)

    def settings(self, mode: str = "local", person: Person = OPERATOR, **changes: Any) -> Settings:
        return replace(Settings(home=self.home), mode=mode, person=person, limits=LIMITS.get(mode, Limits()), **changes)

    def store(self, mode: str, person: Person, **changes: Any) -> GuardedStore:
        return GuardedStore(self.plain, self.settings(mode, person, **changes))

    def house(self, mode: str) -> House:
        return House(self.settings(), mode)

    def snapshot(self) -> Snapshot:
        """All rows of the store but its log of who did what, and the hash of all files."""
        with sqlite3.connect(self.home / "store.sqlite3") as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            rows = {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in tables if name != "lease"}
        files = {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in self.root.rglob("*")
            if not path.name.startswith("store.sqlite3") and not path.is_symlink()
        }
        return rows, files

    @contextmanager
    def untouched(self, *allowed: str) -> Iterator[None]:
        """Store and disk are as before when the block ends. allowed: patterns of files that may have come"""
        self.checked += 1
        rows, files = self.snapshot()
        yield
        rows_now, files_now = self.snapshot()
        assert rows_now == rows
        new = {name: at for name, at in files_now.items() if not any(re.search(pattern, name) for pattern in allowed)}
        assert new == {name: at for name, at in files.items() if name in new or name not in files_now}

    def refused(
        self,
        attack: Callable[[], object],
        says: str,
        *,
        error: type[TunedeckError] = TunedeckError,
        allowed: tuple[str, ...] = (),
        local: bool = False,
    ) -> str:
        """The attack ends in a sentence that says this, and changes nothing."""
        with self.untouched(*allowed), pytest.raises(error) as caught:
            attack()
        message = str(caught.value)
        assert re.search(says, message, re.IGNORECASE), message
        self.harmless(message, local=local)
        return message

    def harmless(self, text: str, *, local: bool = False) -> None:
        """A sentence for people: not long, no stack trace, no secret, and no path of a server."""
        assert len(text) < 1000 and "Traceback" not in text and 'File "' not in text, text
        for secret in (*SECRETS.values(), CANARY):
            assert secret not in text
        assert local or str(self.root) not in text, text

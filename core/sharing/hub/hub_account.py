"""Whose token this machine has, asked of the Hub."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from core.errors import HubError
from core.hub.errors import hub_errors, token
from core.sharing.hub.push_errors import explain_upload, no_token


@dataclass(frozen=True)
class Account:
    """name: the user's; orgs: names of the organizations; may_write: False for a token that is known to read only"""

    name: str
    orgs: tuple[str, ...]
    may_write: bool

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where repositories of this account may lie."""
        return (self.name, *self.orgs)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the Hub."""
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())


def whoami() -> Account:
    """Ask the Hub; ten seconds at most when it does not answer. Raises HubError."""
    if token() is None:
        raise no_token()
    from huggingface_hub import HfApi, constants, get_session

    try:
        get_session().timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        return _account(HfApi().whoami())
    except hub_errors() as error:
        raise explain_upload(error, "model", "") from None


def _account(said: dict[str, Any]) -> Account:
    orgs = tuple(str(org["name"]) for org in said.get("orgs") or () if org.get("name"))
    role = ((said.get("auth") or {}).get("accessToken") or {}).get("role")
    return Account(str(said.get("name", "")), orgs, may_write=role != "read")


class Lookup:
    """The question to the Hub in a thread of its own, for those who must not wait for a network."""

    def __init__(self) -> None:
        self.account: Account | None = None
        self.error: HubError | None = None
        self._thread = threading.Thread(target=self._ask, name="tunedeck-whoami", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Until there is an answer, or so long."""
        self._thread.join(seconds)

    def _ask(self) -> None:
        try:
            self.account = whoami()
        except HubError as error:
            self.error = error
        except Exception as error:  # whatever it is, it may quote the token: its kind is enough
            self.error = HubError(f"The Hub gave an answer that could not be read ({type(error).__name__}); try again")

"""The Hub account that this machine's token belongs to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from core.errors import HubError
from core.hub.errors import hub_errors, token
from core.sharing.hub.push_errors import explain_upload, no_token


@dataclass(frozen=True)
class Account:
    """A Hub account.

    name: the user name; orgs: the names of its organizations; may_write: False for a read-only token
    """

    name: str
    orgs: tuple[str, ...]
    may_write: bool

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The owners under which this account may have repositories."""
        return (self.name, *self.orgs)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids requests to the Hub."""
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())


def whoami() -> Account:
    """Ask the Hub for the token's account; waits at most ten seconds for an answer. Raises HubError."""
    if token() is None:
        raise no_token()
    from huggingface_hub import HfApi, constants, get_session

    try:
        get_session().timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        return _account(HfApi().whoami())
    except hub_errors() as error:
        raise explain_upload(error, "model", "") from None


def _account(reply: dict[str, Any]) -> Account:
    orgs = tuple(str(org["name"]) for org in reply.get("orgs") or () if org.get("name"))
    role = ((reply.get("auth") or {}).get("accessToken") or {}).get("role")
    return Account(str(reply.get("name", "")), orgs, may_write=role != "read")


class Lookup:
    """`whoami` in a thread of its own, for pages, which must not wait for a network."""

    def __init__(self) -> None:
        self.account: Account | None = None
        self.error: HubError | None = None
        self._thread = threading.Thread(target=self._ask, name="tunedeck-whoami", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for the answer, at most this long."""
        self._thread.join(seconds)

    def _ask(self) -> None:
        try:
            self.account = whoami()
        except HubError as error:
            self.error = error
        except Exception as error:  # its text may quote the token, so only its type is shown
            self.error = HubError.of(
                "hub-account-unreadable",
                "The Hub's answer could not be read ({error}); try again",
                error=type(error).__name__,
            )

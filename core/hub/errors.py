"""Explains errors of the Hugging Face Hub in a sentence with the fix, and reads the Hub token.

Tokens come from the environment or from `hf auth login`; the libraries read them on their own. No token appears in our
messages: they are in our own words, and a library's error is never chained to ours, as an error about a malformed
header quotes the header.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from core.errors import HubError
from core.messages import Message
from core.wording import library_message

What = Literal["model", "dataset"]


def hub_id_problem(name: str) -> Message | None:
    """Returns a sentence if `name` cannot be the id of a model or dataset on the Hub; else None."""
    rule = "a Hub id is name or owner/name, of letters, digits, - _ and ."
    if "://" in name:
        return Message.of(
            "hub-id-is-address",
            "{name!r} is an address; {rule}, such as google-bert/bert-base-cased",
            name=name,
            rule=rule,
        )
    if name.count("/") > 1:
        return Message.of("hub-id-too-many-parts", "{name!r} has too many parts; {rule}", name=name, rule=rule)
    if not all(re.fullmatch(r"[A-Za-z0-9_]([\w.-]{0,94}[\w])?", part, re.ASCII) for part in name.split("/")):
        return Message.of(
            "hub-id-letters",
            "{name!r} is not a Hub id; {rule}, neither beginning nor ending with - or .",
            name=name,
            rule=rule,
        )
    if "--" in name or ".." in name or name.endswith(".git"):
        return Message.of(
            "hub-id-dashes", "{name!r} is not a Hub id; it may not hold -- or .. or end with .git", name=name
        )
    return None


def revision_problem(revision: str | None) -> Message | None:
    """Returns a sentence if `revision` cannot be a branch, tag or commit; else None. It becomes a path in the cache."""
    if revision is None or (re.fullmatch(r"[\w][\w./+-]*", revision, re.ASCII) and ".." not in revision):
        return None
    return Message.of(
        "not-a-revision",
        "{revision!r} is not a revision; give a branch, a tag or a commit id, or leave it empty for the newest",
        revision=revision,
    )


def check(name: str, revision: str | None) -> None:
    """Raises HubError for an id or a revision that is not valid."""
    if problem := hub_id_problem(name) or revision_problem(revision):
        raise HubError(problem)


def token() -> str | None:
    """Returns the Hub token of this machine: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or that of `hf auth login`; or None.

    Callers only ask whether there is one; the libraries read it on their own. Raises HubError for a malformed token.
    """
    from huggingface_hub import get_token

    try:
        value = get_token()
    except Exception:
        raise HubError.of(
            "hub-token-unreadable",
            "The Hub token could not be read; sign in again with `hf auth login`, or set HF_TOKEN",
        ) from None
    if value and not re.fullmatch(r"[!-~]+", value):
        raise HubError.of(
            "hub-token-characters", "The Hub token has characters that a token cannot have; copy it again into HF_TOKEN"
        )
    return value


def without_secrets(text: str) -> str:
    """Removes everything that looks like a token, and this machine's own token, from a text."""
    from huggingface_hub import get_token

    try:
        own = get_token() or ""
    except Exception:
        own = ""
    text = text.replace(own, "***") if own else text
    text = re.sub(r"\bhf_[A-Za-z0-9]{8,}|(?<=Bearer )[^\s']+", "***", text)
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def hub_errors() -> tuple[type[Exception], ...]:
    """Returns the errors that the libraries raise for faults of the Hub or the connection; `explain` handles them."""
    import httpx2
    from huggingface_hub import errors

    return (
        OSError,
        httpx2.HTTPError,
        httpx2.InvalidURL,
        errors.EntryNotFoundError,
        errors.HFValidationError,
        errors.RevisionResolutionError,
        errors.XetDownloadError,
    )


def unreachable(error: BaseException) -> bool:
    """Whether the Hub did not answer, had a server error or may not be asked, so that an earlier download may do."""
    import httpx2

    return any(
        isinstance(e, (ConnectionError, httpx2.TransportError)) or status_of(e) == 429 or status_of(e) >= 500
        for e in error_chain(error)
    )


def explain(error: Exception, what: What, name: str, revision: str | None = None) -> HubError:
    """Explains, with the fix, an error that occurred while a model or dataset was downloaded.

    `error` may come from huggingface_hub, httpx2, datasets or the system; the errors behind it count too.
    Raise the result `from None`, as the original may quote a token.
    """
    if isinstance(error, HubError):
        return error
    if message := reason(error, what, name, revision):
        return HubError(message)
    return HubError.of(
        "hub-fetch-failed",
        "The {kind} {name!r} could not be fetched: {reason}",
        kind=what,
        name=name,
        reason=without_secrets(library_message(error)),
    )


def reason(error: Exception, what: What, name: str, revision: str | None = None) -> Message | None:
    """Returns the message of `explain` for a known error; None for others, which may not come from the Hub."""
    for cause in error_chain(error):
        if message := _refusal(cause, what, name, revision) or _no_connection(cause, what, name) or _disk(cause):
            return message
    return None


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and its causes, the outermost first, as an inner one may have been handled already."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def status_of(error: BaseException) -> int:
    """Returns the HTTP status of an error; 0 if it has none."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", 0)


def _refusal(error: BaseException, what: What, name: str, revision: str | None) -> Message | None:
    """Explains a refusal by the Hub; None for other errors."""
    from huggingface_hub import errors

    status = status_of(error)
    server_message = (getattr(error, "server_message", None) or "").lower()
    page = f"{endpoint()}/{'datasets/' if what == 'dataset' else ''}{name}"
    if isinstance(error, errors.HFValidationError):
        return hub_id_problem(name) or Message.of("not-a-hub-id", "{name!r} is not a Hub id", name=name)
    if status == 401 and "expired" in server_message:
        return Message.of(
            "hub-token-expired",
            "The Hub token of this machine has expired (401); put a new one into HF_TOKEN, or remove "
            "it for public {kind}s",
            kind=what,
        )
    if status == 401 and "invalid credentials" in server_message:
        return Message.of(
            "hub-token-not-valid",
            "The Hub token of this machine is not valid (401); put a new one into HF_TOKEN, or "
            "remove it for public {kind}s",
            kind=what,
        )
    if isinstance(error, errors.GatedRepoError):
        if status == 401:
            return Message.of(
                "hub-gated-signed-out",
                "{name!r} is gated: accept its terms at {address}, then set HF_TOKEN to a token of that account",
                name=name,
                address=page,
            )
        return Message.of(
            "hub-gated",
            "{name!r} is gated and your account has no access yet; ask for it at {address}, then try again",
            name=name,
            address=page,
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return Message.of(
            "hub-no-such-revision",
            "{name!r} has no revision {revision!r}; give a branch, a tag or a commit of it, or leave it empty",
            name=name,
            revision=revision,
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        if _has_token():
            return Message.of(
                "hub-nothing-for-token",
                "There is no {kind} {name!r} on {site}, or your token may not read it; check the spelling",
                kind=what,
                name=name,
                site=site(),
            )
        return Message.of(
            "hub-nothing-without-token",
            "There is no {kind} {name!r} on {site}, or it is private; check the spelling, or set HF_TOKEN",
            kind=what,
            name=name,
            site=site(),
        )
    if isinstance(error, errors.DisabledRepoError):
        return Message.of(
            "hub-disabled",
            "Access to {name!r} has been disabled on {site}; choose another {kind}",
            name=name,
            site=site(),
            kind=what,
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return Message.of(
            "hub-file-missing",
            "A file that {name!r} should have is missing on {site}; choose another {kind} or revision",
            name=name,
            site=site(),
            kind=what,
        )
    return _status_sentence(status, name) if isinstance(error, errors.HfHubHTTPError) else None


def _status_sentence(status: int, name: str) -> Message | None:
    if status in (401, 403):
        return Message.of(
            "hub-refused",
            "The Hub refused {name!r} ({status}); give the token in HF_TOKEN the right to read it",
            name=name,
            status=status,
        )
    if status == 429:
        return Message.of(
            "hub-too-many-requests",
            "The Hub limits how often this machine may ask (429); wait some minutes, or set HF_TOKEN for more",
        )
    if status >= 500:
        return Message.of(
            "hub-trouble",
            "The Hub has trouble ({status}) and could not give {name!r}; try again in some minutes",
            status=status,
            name=name,
        )
    if status >= 400:
        return Message.of(
            "hub-request-not-understood",
            "The Hub did not understand the request for {name!r} ({status})",
            name=name,
            status=status,
        )
    return None


def _no_connection(error: BaseException, what: What, name: str) -> Message | None:
    """Explains why the Hub gave no answer; None for other errors."""
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled, XetDownloadError

    if isinstance(error, OfflineModeIsEnabled):
        return Message.of(
            "hub-offline",
            "The {kind} {name!r} is not complete in this machine's cache, and HF_HUB_OFFLINE forbids "
            "to fetch it; unset that variable, or choose a {kind} that is here",
            kind=what,
            name=name,
        )
    if isinstance(error, (httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return Message.of(
            "hub-address-wrong",
            "The Hub's address or the proxy is wrong; check HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY",
        )
    if isinstance(error, httpx2.LocalProtocolError):
        return Message.of(
            "hub-token-has-wrong-characters",
            "The Hub token has characters that a token cannot have; copy it again into HF_TOKEN",
        )
    if isinstance(error, httpx2.TimeoutException):
        return Message.of(
            "hub-timeout",
            "{site} did not answer in time; check the connection and try again, what is complete is kept",
            site=site(),
        )
    if isinstance(error, (httpx2.ConnectError, ConnectionError)):
        if "certificate" in str(error).lower():
            return Message.of(
                "hub-certificate",
                "{site} cannot be reached securely (its certificate was not accepted), and {name!r} is "
                "not in this machine's cache; check the connection",
                site=site(),
                name=name,
            )
        return Message.of(
            "hub-not-reached",
            "{site} cannot be reached, and {name!r} is not in this machine's cache; check the connection",
            site=site(),
            name=name,
        )
    cut = "Consistency check failed" in str(error) and isinstance(error, OSError)
    if cut or isinstance(error, (httpx2.RemoteProtocolError, httpx2.NetworkError, XetDownloadError)):
        return Message.of(
            "hub-connection-cut",
            "The connection was cut while {name!r} was fetched; try again, files that are complete are kept",
            name=name,
        )
    return None


def _disk(error: BaseException) -> Message | None:
    if not isinstance(error, OSError):
        return None
    folder = cache_folder()
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "Not enough disk space" in str(error):
        return Message.of(
            "hub-cache-full",
            "The disk of {folder} is full; make room, or set HF_HOME to a folder on another disk",
            folder=folder,
        )
    if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError)) or error.errno == errno.EROFS:
        return Message.of(
            "hub-cache-not-writable", "{folder} cannot be written; set HF_HOME to a folder of yours", folder=folder
        )
    return None


def _has_token() -> bool:
    try:
        return token() is not None
    except HubError:
        return True


def cache_folder() -> Path:
    """Returns the folder of huggingface_hub's downloads: HF_HOME/hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def endpoint() -> str:
    """Returns the Hub's address for people, without secrets."""
    from huggingface_hub import constants

    return without_secrets(constants.ENDPOINT)


def site() -> str:
    """Returns the Hub's host name: huggingface.co."""
    return urlsplit(endpoint()).netloc or endpoint()

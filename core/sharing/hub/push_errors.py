"""Why an upload to the Hub failed and what to do, in a sentence or two.

The sentences are ours. Quotations of the Hub are stripped of secrets first, because an answer may quote the token.
"""

from __future__ import annotations

import errno
import re

from core.errors import HubError
from core.hub.errors import What, endpoint, error_chain, site, status_of, without_secrets
from core.wording import library_message

MOST_MESSAGE = 300  # characters of the Hub's own words


def no_token() -> HubError:
    return HubError(
        "There is no Hub token, so nothing can be uploaded; create one with write access at "
        f"{endpoint()}/settings/tokens and put it into HF_TOKEN, or sign in with `hf auth login`, on the machine "
        "that runs Tunedeck"
    )


def read_only(account: str) -> HubError:
    return HubError(
        f"The Hub token of {account} is read-only; create one with write access at {endpoint()}/settings/tokens and "
        "put it into HF_TOKEN"
    )


def taken(what: What, name: str, namespaces: tuple[str, ...]) -> HubError:
    owner, _, last = name.partition("/")
    if owner not in namespaces:
        return HubError(
            f"{name!r} already exists and belongs to {owner!r}, where you may not write; push to {namespaces[0]}/{last}"
        )
    return HubError(
        f"You already have a {what} {name!r}; choose another name, or allow that its files are replaced (update)"
    )


def explain_upload(error: Exception, what: What, name: str, account: str = "", there: str = "") -> HubError:
    """The error for people, with the fix, for an exception during an upload.

    account: the owner of the token, if known; there: a sentence on what has already arrived
    Raise the result `from None`, because the original may quote a token.
    """
    for at in error_chain(error):
        if isinstance(at, HubError):
            return at
        if sentence := _offline(at) or _refusal(at, what, name, account) or _content(at) or _connection(at):
            return HubError(_with(sentence, there))
    reason = without_secrets(library_message(error, MOST_MESSAGE))
    return HubError(_with(f"{name!r} could not be uploaded: {reason}", there))


def _with(sentence: str, there: str) -> str:
    return f"{sentence}. {there}" if there else sentence


def _offline(error: BaseException) -> str | None:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids requests to the Hub; unset it where Tunedeck is started, then push again"
    return None


def _refusal(error: BaseException, what: What, name: str, account: str) -> str | None:
    """The sentence for a request that the Hub refused."""
    from huggingface_hub import errors

    if not isinstance(error, errors.HfHubHTTPError):
        return None
    status, message = status_of(error), _hub_message(error)
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name!r} has no such branch; choose another"
    if isinstance(error, errors.RepositoryNotFoundError) and status != 401:
        return f"The {what} {name!r} no longer exists, or your token may not see it; push again to create it"
    if isinstance(error, errors.DisabledRepoError):
        return f"Access to {name!r} has been disabled on {site()}; choose another name"
    owner, _, last = name.partition("/")
    match status:
        case 401:
            expired = any("expired" in _hub_message(at).lower() for at in error_chain(error))
            why = "has expired" if expired else "is not valid"
            return f"The Hub token of this machine {why} (401); put a new one with write access into HF_TOKEN"
        case 403:
            own = f"push to {account}/{last}, or " if account and owner != account else ""
            return (
                f"{account or 'Your token'} may not write to {name!r} (403); {own}use a token with write access to "
                f"the repositories of {owner}"
            )
        case 402 | 413 | 507:
            return f"{site()} has no room left for {name!r} ({status}{_quoted(message)}); make room there, or push less"
        case 409:
            return f"{name!r} already exists (409); choose another name, or allow that its files are replaced (update)"
        case 412:
            return f"Somebody else changed {name!r} in the meantime (412); check the repository, then push again"
        case 429:
            return "This machine has sent the Hub too many requests (429); wait some minutes, then push again"
        case 400 | 422:
            return f"The Hub did not accept the upload to {name!r} ({status}{_quoted(message)})"
    if status >= 500:
        return f"The Hub has an internal error ({status}) and did not accept {name!r}; push again in some minutes"
    return f"The Hub refused {name!r} ({status}{_quoted(message)})"


def _hub_message(error: BaseException) -> str:
    """The Hub's own message, without secrets."""
    message = " ".join((getattr(error, "server_message", None) or "").split())
    return without_secrets(re.sub(r"(?i)bearer\s+\S+", "***", message))[:MOST_MESSAGE]


def _quoted(message: str) -> str:
    return f": {message.rstrip('.')}" if message else ""


def _content(error: BaseException) -> str | None:
    """The sentence for content that the Hub's library rejects without an HTTP status."""
    text = str(error)
    if not isinstance(error, ValueError):
        return None
    if "README.md" in text:
        lines = [line.strip(" -") for line in without_secrets(text).splitlines()[1:] if line.strip(" -")]
        message = "; ".join(lines)[:MOST_MESSAGE]
        return f"The Hub does not accept the metadata of the card: {message}; correct it, then push again"
    if "LFS batch API returned errors" in text:
        message = without_secrets(text.rpartition("`")[2])[:MOST_MESSAGE]
        return f"{site()} does not accept a file of this size ({message}); make room there, or push less"
    return None


def _connection(error: BaseException) -> str | None:
    """The sentence for a request that got no answer."""
    import httpx2

    if isinstance(error, httpx2.ProxyError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return "The Hub's address or the proxy is wrong; check HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY"
    if isinstance(error, httpx2.LocalProtocolError):
        return "The Hub token contains characters that no token has; copy it into HF_TOKEN again"
    if isinstance(error, httpx2.TimeoutException):
        return f"{site()} did not answer in time; check the connection, then push again"
    if isinstance(error, httpx2.ConnectError | ConnectionRefusedError):
        secure = " securely (its certificate was not accepted)" if "certificate" in str(error).lower() else ""
        return f"{site()} cannot be reached{secure}; check the connection, then push again"
    if isinstance(error, httpx2.RemoteProtocolError | httpx2.NetworkError | ConnectionError):
        return "The connection was lost during the upload; push again, files that have arrived are not sent again"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full; make room, then push again"
    return None

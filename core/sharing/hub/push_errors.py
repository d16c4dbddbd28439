"""What to do when an upload to the Hub does not work, in a sentence or two. The sentences are ours; where the Hub's own
words are needed they go through `private`'s and `hub_errors`' cleaning, for an answer may quote the request's token.
"""

from __future__ import annotations

import errno
import re

from core.errors import HubError
from core.hub.errors import What, endpoint, error_chain, site, status_of, without_secrets
from core.wording import library_message

SAID = 300  # characters of the Hub's own words


def no_token() -> HubError:
    return HubError(
        "There is no Hub token, so nothing can be uploaded; make one with write access at "
        f"{endpoint()}/settings/tokens and put it into HF_TOKEN, or sign in with `hf auth login`, on the machine "
        "that runs Tunedeck"
    )


def read_only(account: str) -> HubError:
    return HubError(
        f"The Hub token of {account} may only read; make one with write access at {endpoint()}/settings/tokens and put "
        "it into HF_TOKEN"
    )


def taken(what: What, name: str, namespaces: tuple[str, ...]) -> HubError:
    owner, _, last = name.partition("/")
    if owner not in namespaces:
        return HubError(
            f"{name!r} exists already and belongs to {owner!r}, where you may not write; push to {namespaces[0]}/{last}"
        )
    return HubError(
        f"You have a {what} {name!r} already; choose another name, or say that what it holds is to be replaced (update)"
    )


def explain_upload(error: Exception, what: What, name: str, account: str = "", there: str = "") -> HubError:
    """One sentence or two, with the fix, for an error that came up while something was uploaded.

    account: whose token it was, if that is known; there: a sentence on what has arrived already
    Raise the result `from None`: the original may quote a token.
    """
    for at in error_chain(error):
        if isinstance(at, HubError):
            return at
        if sentence := _offline(at) or _refusal(at, what, name, account) or _content(at) or _connection(at):
            return HubError(_with(sentence, there))
    reason = without_secrets(library_message(error, SAID))
    return HubError(_with(f"{name!r} could not be uploaded: {reason}", there))


def _with(sentence: str, there: str) -> str:
    return f"{sentence}. {there}" if there else sentence


def _offline(error: BaseException) -> str | None:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids to ask the Hub; unset that variable where Tunedeck was started, then push again"
    return None


def _refusal(error: BaseException, what: What, name: str, account: str) -> str | None:
    """What the Hub said no to."""
    from huggingface_hub import errors

    if not isinstance(error, errors.HfHubHTTPError):
        return None
    status, said = status_of(error), _said(error)
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name!r} has no such branch; choose another"
    if isinstance(error, errors.RepositoryNotFoundError) and status != 401:
        return f"There is no {what} {name!r} any more, or your token may not see it; push again to make it anew"
    if isinstance(error, errors.DisabledRepoError):
        return f"Access to {name!r} has been disabled on {site()}; choose another name"
    owner, _, last = name.partition("/")
    match status:
        case 401:
            expired = any("expired" in _said(at).lower() for at in error_chain(error))
            why = "has expired" if expired else "is not valid"
            return f"The Hub token of this machine {why} (401); put a new one with write access into HF_TOKEN"
        case 403:
            own = f"push to {account}/{last}, or " if account and owner != account else ""
            return (
                f"{account or 'Your token'} may not write to {name!r} (403); {own}use a token with write access to "
                f"what is {owner}'s"
            )
        case 402 | 413 | 507:
            return f"{site()} has no room left for {name!r} ({status}{_quoted(said)}); make room there, or push less"
        case 409:
            return f"{name!r} exists already (409); choose another name, or say that it is to be replaced (update)"
        case 412:
            return f"Somebody else changed {name!r} in the meantime (412); look at what is there, then push again"
        case 429:
            return "The Hub limits how often this machine may ask (429); wait some minutes, then push again"
        case 400 | 422:
            return f"The Hub did not accept what was sent for {name!r} ({status}{_quoted(said)})"
    if status >= 500:
        return f"The Hub has trouble ({status}) and could not take {name!r}; push again in some minutes"
    return f"The Hub refused {name!r} ({status}{_quoted(said)})"


def _said(error: BaseException) -> str:
    said = " ".join((getattr(error, "server_message", None) or "").split())
    return without_secrets(re.sub(r"(?i)bearer\s+\S+", "***", said))[:SAID]


def _quoted(said: str) -> str:
    return f": {said.rstrip('.')}" if said else ""


def _content(error: BaseException) -> str | None:
    """What is wrong with what was sent, where the library and not a status says so."""
    text = str(error)
    if not isinstance(error, ValueError):
        return None
    if "README.md" in text:
        lines = [line.strip(" -") for line in without_secrets(text).splitlines()[1:] if line.strip(" -")]
        return f"The Hub does not accept the metadata of the card: {'; '.join(lines)[:SAID]}; mend it, then push again"
    if "LFS batch API returned errors" in text:
        said = without_secrets(text.rpartition("`")[2])[:SAID]
        return f"{site()} does not take a file of this size ({said}); make room there, or push less"
    return None


def _connection(error: BaseException) -> str | None:
    """What kept us from an answer."""
    import httpx2

    if isinstance(error, httpx2.ProxyError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return "The Hub's address or the proxy is wrong; check HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY"
    if isinstance(error, httpx2.LocalProtocolError):
        return "The Hub token holds characters that no token has; copy it again into HF_TOKEN"
    if isinstance(error, httpx2.TimeoutException):
        return f"{site()} did not answer in time; check the connection, then push again"
    if isinstance(error, httpx2.ConnectError | ConnectionRefusedError):
        secure = " securely (its certificate was not accepted)" if "certificate" in str(error).lower() else ""
        return f"{site()} cannot be reached{secure}; check the connection, then push again"
    if isinstance(error, httpx2.RemoteProtocolError | httpx2.NetworkError | ConnectionError):
        return "The connection was cut during the upload; push again, what has arrived is not sent a second time"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full; make room, then push again"
    return None

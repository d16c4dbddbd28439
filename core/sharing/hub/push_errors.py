"""Why an upload to the Hub failed and what to do, in a sentence or two.

The sentences are ours. Quotations of the Hub are stripped of secrets first, because an answer may quote the token.
"""

from __future__ import annotations

import errno
import re

from core.errors import HubError
from core.hub.errors import What, endpoint, error_chain, site, status_of, without_secrets
from core.messages import Message
from core.wording import library_message

MOST_MESSAGE = 300  # characters of the Hub's own words


def no_token() -> HubError:
    return HubError.of(
        "push-no-token",
        "There is no Hub token, so nothing can be uploaded; create one with write access at "
        "{endpoint}/settings/tokens and put it into HF_TOKEN, or sign in with `hf auth login`, on the machine "
        "that runs Tunedeck",
        endpoint=endpoint(),
    )


def read_only(account: str) -> HubError:
    return HubError.of(
        "push-token-read-only",
        "The Hub token of {account} is read-only; create one with write access at {endpoint}/settings/tokens and "
        "put it into HF_TOKEN",
        account=account,
        endpoint=endpoint(),
    )


def taken(what: What, name: str, namespaces: tuple[str, ...]) -> HubError:
    owner, _, last = name.partition("/")
    if owner not in namespaces:
        return HubError.of(
            "repository-of-another",
            "{name!r} already exists and belongs to {owner!r}, where you may not write; push to {namespace}/{last}",
            name=name,
            owner=owner,
            namespace=namespaces[0],
            last=last,
        )
    return HubError.of(
        "repository-is-yours",
        "You already have a {what} {name!r}; choose another name, or allow that its files are replaced (update)",
        what=what,
        name=name,
    )


def explain_upload(error: Exception, what: What, name: str, account: str = "", there: str = "") -> HubError:
    """The error for people, with the fix, for an exception during an upload.

    account: the owner of the token, if known; there: a sentence on what has already arrived
    Raise the result `from None`, because the original may quote a token.
    """
    for at in error_chain(error):
        if isinstance(at, HubError):
            return at
        if message := _offline(at) or _refusal(at, what, name, account) or _content(at) or _connection(at):
            return _with(message, there)
    reason = without_secrets(library_message(error, MOST_MESSAGE))
    return _with(Message.of("push-failed", "{name!r} could not be uploaded: {reason}", name=name, reason=reason), there)


def _with(message: Message, there: str) -> HubError:
    if not there:
        return HubError(message)
    return HubError.of("push-failed-partly", "{reason}. {arrived}", reason=message.text, arrived=there)


def _offline(error: BaseException) -> Message | None:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return Message.of(
            "push-offline",
            "HF_HUB_OFFLINE forbids requests to the Hub; unset it where Tunedeck is started, then push again",
        )
    return None


def _refusal(error: BaseException, what: What, name: str, account: str) -> Message | None:
    """The sentence for a request that the Hub refused."""
    from huggingface_hub import errors

    if not isinstance(error, errors.HfHubHTTPError):
        return None
    if isinstance(error, errors.RevisionNotFoundError):
        return Message.of("push-no-such-branch", "{name!r} has no such branch; choose another", name=name)
    if isinstance(error, errors.RepositoryNotFoundError) and status_of(error) != 401:
        return Message.of(
            "push-repository-gone",
            "The {kind} {name!r} no longer exists, or your token may not see it; push again to create it",
            kind=what,
            name=name,
        )
    if isinstance(error, errors.DisabledRepoError):
        return Message.of(
            "push-disabled",
            "Access to {name!r} has been disabled on {site}; choose another name",
            name=name,
            site=site(),
        )
    match status_of(error):
        case 401:
            return _bad_token(error)
        case 403:
            return _forbidden(name, account)
        case status:
            return _status(status, name, _hub_message(error))


def _bad_token(error: BaseException) -> Message:
    if any("expired" in _hub_message(at).lower() for at in error_chain(error)):
        return Message.of(
            "push-token-expired",
            "The Hub token of this machine has expired (401); put a new one with write access into HF_TOKEN",
        )
    return Message.of(
        "push-token-not-valid",
        "The Hub token of this machine is not valid (401); put a new one with write access into HF_TOKEN",
    )


def _forbidden(name: str, account: str) -> Message:
    owner, _, last = name.partition("/")
    if not account:
        return Message.of(
            "push-forbidden-for-token",
            "Your token may not write to {name!r} (403); use a token with write access to the repositories of {owner}",
            name=name,
            owner=owner,
        )
    if owner == account:
        return Message.of(
            "push-forbidden",
            "{account} may not write to {name!r} (403); use a token with write access to the repositories of {owner}",
            account=account,
            name=name,
            owner=owner,
        )
    return Message.of(
        "push-forbidden-elsewhere",
        "{account} may not write to {name!r} (403); push to {account}/{last}, or use a token with write access to "
        "the repositories of {owner}",
        account=account,
        name=name,
        last=last,
        owner=owner,
    )


def _status(status: int, name: str, quotation: str) -> Message:
    """quotation: the Hub's own message, without secrets; may be empty"""
    answer = f"{status}: {quotation.rstrip('.')}" if quotation else str(status)
    match status:
        case 402 | 413 | 507:
            return Message.of(
                "push-no-room",
                "{site} has no room left for {name!r} ({answer}); make room there, or push less",
                site=site(),
                name=name,
                answer=answer,
            )
        case 409:
            return Message.of(
                "push-name-taken",
                "{name!r} already exists (409); choose another name, or allow that its files are replaced (update)",
                name=name,
            )
        case 412:
            return Message.of(
                "push-changed-meanwhile",
                "Somebody else changed {name!r} in the meantime (412); check the repository, then push again",
                name=name,
            )
        case 429:
            return Message.of(
                "push-too-many-requests",
                "This machine has sent the Hub too many requests (429); wait some minutes, then push again",
            )
        case 400 | 422:
            return Message.of(
                "push-not-accepted",
                "The Hub did not accept the upload to {name!r} ({answer})",
                name=name,
                answer=answer,
            )
    if status >= 500:
        return Message.of(
            "push-hub-broken",
            "The Hub has an internal error ({status}) and did not accept {name!r}; push again in some minutes",
            status=status,
            name=name,
        )
    return Message.of("push-refused", "The Hub refused {name!r} ({answer})", name=name, answer=answer)


def _hub_message(error: BaseException) -> str:
    """The Hub's own message, without secrets."""
    message = " ".join((getattr(error, "server_message", None) or "").split())
    return without_secrets(re.sub(r"(?i)bearer\s+\S+", "***", message))[:MOST_MESSAGE]


def _content(error: BaseException) -> Message | None:
    """The sentence for content that the Hub's library rejects without an HTTP status."""
    text = str(error)
    if not isinstance(error, ValueError):
        return None
    if "README.md" in text:
        lines = [line.strip(" -") for line in without_secrets(text).splitlines()[1:] if line.strip(" -")]
        return Message.of(
            "push-card-not-accepted",
            "The Hub does not accept the metadata of the card: {reason}; correct it, then push again",
            reason="; ".join(lines)[:MOST_MESSAGE],
        )
    if "LFS batch API returned errors" in text:
        return Message.of(
            "push-file-too-large",
            "{site} does not accept a file of this size ({reason}); make room there, or push less",
            site=site(),
            reason=without_secrets(text.rpartition("`")[2])[:MOST_MESSAGE],
        )
    return None


def _connection(error: BaseException) -> Message | None:
    """The sentence for a request that got no answer."""
    import httpx2

    if isinstance(error, httpx2.ProxyError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return Message.of(
            "push-address-wrong",
            "The Hub's address or the proxy is wrong; check HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY",
        )
    if isinstance(error, httpx2.LocalProtocolError):
        return Message.of(
            "push-token-odd", "The Hub token contains characters that no token has; copy it into HF_TOKEN again"
        )
    if isinstance(error, httpx2.TimeoutException):
        return Message.of(
            "push-timeout", "{site} did not answer in time; check the connection, then push again", site=site()
        )
    if isinstance(error, httpx2.ConnectError | ConnectionRefusedError):
        if "certificate" in str(error).lower():
            return Message.of(
                "push-certificate",
                "{site} cannot be reached securely (its certificate was not accepted); check the connection, then "
                "push again",
                site=site(),
            )
        return Message.of(
            "push-unreachable", "{site} cannot be reached; check the connection, then push again", site=site()
        )
    if isinstance(error, httpx2.RemoteProtocolError | httpx2.NetworkError | ConnectionError):
        return Message.of(
            "push-connection-lost",
            "The connection was lost during the upload; push again, files that have arrived are not sent again",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Message.of("push-disk-full", "The disk is full; make room, then push again")
    return None

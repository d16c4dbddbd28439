"""What to do when the Hugging Face Hub says no, or nothing: its errors in one sentence each, and its token.

Tokens come from the environment or from `hf auth login`, and the libraries find them by themselves. They appear in
nothing that we write: messages are made of our own words, and an error of a library is never chained to one of ours,
because the one about a malformed header quotes the header.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from core.errors import HubError
from core.wording import library_message

What = Literal["model", "dataset"]


def hub_id_problem(name: str) -> str | None:
    """A sentence if `name` cannot be the id of a model or dataset on the Hub; else None."""
    rule = "a Hub id is name or owner/name, of letters, digits, - _ and ."
    if "://" in name:
        return f"{name!r} is an address; {rule}, such as google-bert/bert-base-cased"
    if name.count("/") > 1:
        return f"{name!r} has too many parts; {rule}"
    if not all(re.fullmatch(r"[A-Za-z0-9_]([\w.-]{0,94}[\w])?", part, re.ASCII) for part in name.split("/")):
        return f"{name!r} is not a Hub id; {rule}, neither beginning nor ending with - or ."
    if "--" in name or ".." in name or name.endswith(".git"):
        return f"{name!r} is not a Hub id; it may not hold -- or .. or end with .git"
    return None


def revision_problem(revision: str | None) -> str | None:
    """A sentence if `revision` cannot be a branch, tag or commit (it becomes a path in the cache); else None."""
    if revision is None or (re.fullmatch(r"[\w][\w./+-]*", revision, re.ASCII) and ".." not in revision):
        return None
    return f"{revision!r} is not a revision; give a branch, a tag or a commit id, or leave it empty for the newest"


def check(name: str, revision: str | None) -> None:
    """Raises HubError for an id or a revision that cannot be one."""
    if problem := hub_id_problem(name) or revision_problem(revision):
        raise HubError(problem)


def token() -> str | None:
    """The Hub token of this machine or None: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the one `hf auth login` stored.

    For asking whether there is one; the libraries find it by themselves. Raises HubError for one that cannot be sent.
    """
    from huggingface_hub import get_token

    try:
        found = get_token()
    except Exception:
        raise HubError("The Hub token could not be read; sign in again with `hf auth login`, or set HF_TOKEN") from None
    if found and not re.fullmatch(r"[!-~]+", found):
        raise HubError("The Hub token holds characters that no token has; copy it again into HF_TOKEN")
    return found


def without_secrets(text: str) -> str:
    """`text` with everything that looks like a token, and this machine's own, taken out."""
    from huggingface_hub import get_token

    try:
        own = get_token() or ""
    except Exception:
        own = ""
    text = text.replace(own, "***") if own else text
    text = re.sub(r"\bhf_[A-Za-z0-9]{8,}|(?<=Bearer )[^\s']+", "***", text)
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def hub_errors() -> tuple[type[Exception], ...]:
    """What the libraries raise when the Hub or the way to it is at fault; `explain` knows them all."""
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
    """Whether the Hub did not answer or had trouble, or is not to be asked: what was fetched before may do."""
    import httpx2

    return any(
        isinstance(e, (ConnectionError, httpx2.TransportError)) or status_of(e) == 429 or status_of(e) >= 500
        for e in error_chain(error)
    )


def explain(error: Exception, what: What, name: str, revision: str | None = None) -> HubError:
    """One sentence or two, with the fix, for an error that came up while a model or dataset was fetched.

    `error` may be of huggingface_hub, httpx2, datasets, or the system; the errors behind it are looked at too.
    Raise the result `from None`: the original may quote a token.
    """
    if isinstance(error, HubError):
        return error
    if sentence := reason(error, what, name, revision):
        return HubError(sentence)
    return HubError(f"The {what} {name!r} could not be fetched: {without_secrets(library_message(error))}")


def reason(error: Exception, what: What, name: str, revision: str | None = None) -> str | None:
    """The sentence of `explain` for errors that are known here; None for others, which may not be the Hub's at all."""
    for at in error_chain(error):
        if sentence := _refusal(at, what, name, revision) or _no_connection(at, what, name) or _disk(at):
            return sentence
    return None


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it, outermost first: what lies deep may have been dealt with already."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def status_of(error: BaseException) -> int:
    """The HTTP status that an error came with; 0 without one."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", 0)


def _refusal(error: BaseException, what: What, name: str, revision: str | None) -> str | None:
    """What the Hub said no to."""
    from huggingface_hub import errors

    status = status_of(error)
    said = (getattr(error, "server_message", None) or "").lower()
    page = f"{endpoint()}/{'datasets/' if what == 'dataset' else ''}{name}"
    if isinstance(error, errors.HFValidationError):
        return hub_id_problem(name) or f"{name!r} is not a Hub id"
    if status == 401 and ("invalid credentials" in said or "expired" in said):
        why = "has expired" if "expired" in said else "is not valid"
        return (
            f"The Hub token of this machine {why} (401); put a new one into HF_TOKEN, or remove it for public {what}s"
        )
    if isinstance(error, errors.GatedRepoError):
        if status == 401:
            return f"{name!r} is gated: accept its terms at {page}, then set HF_TOKEN to a token of that account"
        return f"{name!r} is gated and your account has no access yet; ask for it at {page}, then try again"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name!r} has no revision {revision!r}; give a branch, a tag or a commit of it, or leave it empty"
    if isinstance(error, errors.RepositoryNotFoundError):
        if _has_token():
            return f"There is no {what} {name!r} on {site()}, or your token may not read it; check the spelling"
        return f"There is no {what} {name!r} on {site()}, or it is private; check the spelling, or set HF_TOKEN"
    if isinstance(error, errors.DisabledRepoError):
        return f"Access to {name!r} has been disabled on {site()}; choose another {what}"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"A file that {name!r} should have is missing on {site()}; choose another {what} or revision"
    return _status_sentence(status, name) if isinstance(error, errors.HfHubHTTPError) else None


def _status_sentence(status: int, name: str) -> str | None:
    if status in (401, 403):
        return f"The Hub refused {name!r} ({status}); give the token in HF_TOKEN the right to read it"
    if status == 429:
        return "The Hub limits how often this machine may ask (429); wait some minutes, or set HF_TOKEN for more"
    if status >= 500:
        return f"The Hub has trouble ({status}) and could not give {name!r}; try again in some minutes"
    if status >= 400:
        return f"The Hub did not understand the request for {name!r} ({status})"
    return None


def _no_connection(error: BaseException, what: What, name: str) -> str | None:
    """What kept us from an answer."""
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled, XetDownloadError

    if isinstance(error, OfflineModeIsEnabled):
        return (
            f"The {what} {name!r} is not complete in this machine's cache, and HF_HUB_OFFLINE forbids to fetch it; "
            f"unset that variable, or choose a {what} that is here"
        )
    if isinstance(error, (httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return "The Hub's address or the proxy is wrong; check HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY"
    if isinstance(error, httpx2.LocalProtocolError):
        return "The Hub token holds characters that no token has; copy it again into HF_TOKEN"
    if isinstance(error, httpx2.TimeoutException):
        return f"{site()} did not answer in time; check the connection and try again, what is complete is kept"
    if isinstance(error, (httpx2.ConnectError, ConnectionError)):
        secure = " securely (its certificate was not accepted)" if "certificate" in str(error).lower() else ""
        return f"{site()} cannot be reached{secure}, and {name!r} is not in this machine's cache; check the connection"
    cut = "Consistency check failed" in str(error) and isinstance(error, OSError)
    if cut or isinstance(error, (httpx2.RemoteProtocolError, httpx2.NetworkError, XetDownloadError)):
        return f"The connection was cut while {name!r} was fetched; try again, files that are complete are kept"
    return None


def _disk(error: BaseException) -> str | None:
    if not isinstance(error, OSError):
        return None
    folder = cache_folder()
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "Not enough disk space" in str(error):
        return f"The disk of {folder} is full; make room, or set HF_HOME to a folder on another disk"
    if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError)) or error.errno == errno.EROFS:
        return f"{folder} cannot be written; set HF_HOME to a folder of yours"
    return None


def _has_token() -> bool:
    try:
        return token() is not None
    except HubError:
        return True


def cache_folder() -> Path:
    """Where huggingface_hub keeps what it fetched: HF_HOME/hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def endpoint() -> str:
    """The Hub's address, for people."""
    from huggingface_hub import constants

    return without_secrets(constants.ENDPOINT)


def site() -> str:
    """The Hub's name: huggingface.co."""
    return urlsplit(endpoint()).netloc or endpoint()

"""The host names that a dashboard answers to, and the pages that may embed it in a frame.

A foreign page can point its own name to this machine (DNS rebinding); the browser then treats the dashboard as part of
that page. The foreign name stays in the request's Host header, so the dashboard answers only to its own names.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from core.errors import TunedeckError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # a server bound to one of these listens on all addresses
CLOUD = ("https://*.streamlit.app", "https://share.streamlit.io")
"""The origins from which Streamlit Community Cloud embeds its apps."""

HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_-])?))(\.?)(?::(\d{1,5}))?"
)
PATTERN = re.compile(r"\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|[0-9a-f:.]*:[0-9a-f:.]*")
ORIGIN = re.compile(r"\*|https?://(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?")


def name_of(host: str) -> str | None:
    """The name or address in a Host header, in lower case, without port and final dot; None if it is malformed."""
    parts = HOST.fullmatch(host)
    if parts is None or (parts[4] and int(parts[4]) > 65535):
        return None
    if parts[1] is None:
        return parts[2].lower()
    try:
        return None if parts[3] else ipaddress.IPv6Address(parts[1]).compressed
    except ValueError:
        return None


def is_allowed(host: str, names: Collection[str], bound_to: str = "localhost") -> bool:
    """Whether a dashboard answers to a Host header.

    names: what its operator allows, as `names_of` reads them; bound_to: the address that it listens on. A dashboard
    that listens on all addresses answers to any IP address, because an address cannot be rebound as a name can.
    """
    name = name_of(host)
    if name is None:
        return False
    if name in LOOPBACK or name == _compressed(bound_to.lower()) or any(_matches(name, pattern) for pattern in names):
        return True
    return bound_to in EVERY_ADDRESS and _is_address(name)


def is_same_place(origin: str, host: str, names: Collection[str]) -> bool:
    """Whether a page of this origin may talk to the dashboard: its host is the same, or an allowed name."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    name = name_of(parts.netloc)
    if parts.scheme not in ("http", "https") or name is None:
        return False
    return parts.netloc.lower() == host.lower() or any(_matches(name, pattern) for pattern in names)


def names_of(text: str, variable: str) -> tuple[str, ...]:
    """Read host names and addresses, separated by commas or spaces. `*.example.org` means its subdomains, `*` any name.

    variable: the environment variable that the text comes from, for the error. Raises TunedeckError.
    """
    names = []
    for word in filter(None, re.split(r"[\s,;]+", text.lower())):
        name = word.strip("[]").rstrip(".")
        if not PATTERN.fullmatch(name) or (":" in name and not _is_address(name)):
            raise TunedeckError.of(
                "not-a-host-name",
                "{variable} has {word!r}, which is not a host name; give names such as "
                "tunedeck.example.org, without https:// and port, *.example.org for all its subdomains, "
                "or * for every name",
                variable=variable,
                word=word[:80],
            )
        names.append(_compressed(name))
    return tuple(dict.fromkeys(names))


def origins_of(text: str, variable: str) -> tuple[str, ...]:
    """Read origins of pages, separated by commas or spaces; `*` means every page. Raises TunedeckError."""
    origins = tuple(dict.fromkeys(filter(None, re.split(r"[\s,;]+", text.lower()))))
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise TunedeckError.of(
                "not-an-origin",
                "{variable} has {origin!r}, which is not the origin of a page; give origins such as "
                "https://blog.example.org, https://*.example.org for all subdomains, or * for every page",
                variable=variable,
                origin=origin[:80],
            )
    return origins


def framing(origins: Collection[str]) -> dict[str, str]:
    """The response headers that let our own pages and these origins embed the dashboard in a frame."""
    if "*" in origins:
        return {}
    policy = {"content-security-policy": " ".join(["frame-ancestors", "'self'", *origins])}
    return policy if origins else policy | {"x-frame-options": "SAMEORIGIN"}


def _matches(name: str, pattern: str) -> bool:
    return pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _compressed(name: str) -> str:
    return ipaddress.ip_address(name).compressed if _is_address(name) else name

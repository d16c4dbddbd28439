"""Checks every request first: the host name must be ours, the calling page too, and foreign frames are forbidden."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from core import hosts


@dataclass(frozen=True)
class Rules:
    """Which requests are answered, and which pages may embed the answers.

    checked: whether only known host names are answered; a server behind a proxy may be asked by any name
    names: the host names that the operator allows
    origins: of pages that may embed ours in a frame
    """

    checked: bool = True
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class RequestGuard:
    """Refuses foreign host names and pages on every path, WebSockets included, and sets the framing headers."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules
        self._framing = hosts.framing(rules.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope)
        if answer is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def with_framing(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._framing)
            await send(message)

        await (answer or self._app)(scope, receive, with_framing)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, rules = Headers(scope=scope), self._rules
        names = (*rules.names, *(str(name).lower() for name in config.get_option("server.allowedHosts")))
        if not (rules.checked or names):
            return None
        given = headers.getlist("host")
        host = given[0] if len(given) == 1 else ""
        if not hosts.is_allowed(host, (*names, *_own_name()), config.get_option("server.address") or ""):
            return _refused(421, _wrong_name(host))
        if not scope["path"].startswith("/"):
            return _refused(400, "The address of a request begins with a slash here.")
        origin = headers.get("origin")
        if origin is not None and not hosts.is_same_place(origin, host, names):
            return _refused(403, "Pages of other sites may not use this Tunedeck; open it by its own address.")
        return None


def _own_name() -> tuple[str, ...]:
    """The dashboard's public name, if the operator has configured one."""
    if not config.is_manually_set("browser.serverAddress"):
        return ()
    return (str(config.get_option("browser.serverAddress")).lower(),)


def _wrong_name(host: str) -> str:
    name = hosts.name_of(host)
    if name is None:
        return "This request does not name the machine that it is for, so Tunedeck does not answer it."
    return (
        f"This Tunedeck does not answer to the name {name}. Open it as localhost on its own machine; or whoever runs "
        f"it allows the name by starting it with TUNEDECK_ALLOWED_HOSTS={name}"
    )


def _refused(status: int, sentence: str) -> Response:
    return PlainTextResponse(
        sentence + "\n", status, {"x-content-type-options": "nosniff", "cache-control": "no-store"}
    )

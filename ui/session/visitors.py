"""A cookie by which a demo recognises a visitor after a reload; it reveals nothing about them."""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.session.person import COOKIE

SECONDS = 24 * 3600


class VisitorCookie:
    """Sets the cookie in every browser that opens a page without one. on: whether this is a demo"""

    def __init__(self, app: ASGIApp, on: bool) -> None:
        self._app, self._on = app, on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        known = f"{COOKIE}=".encode() in headers.get(b"cookie", b"")
        if not self._on or known or scope["type"] != "http" or b"text/html" not in headers.get(b"accept", b""):
            await self._app(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                token = secrets.token_hex(16)
                MutableHeaders(scope=message).append(
                    "set-cookie", f"{COOKIE}={token}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Lax"
                )
            await send(message)

        await self._app(scope, receive, with_cookie)

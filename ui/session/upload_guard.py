"""Limits who may upload files into the dashboard's memory, and how many. Streamlit keeps an upload until it is used.

Streamlit itself only checks that the session exists, and everybody who opens a page has one.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from core.access import rules as access
from core.errors import AccessDenied
from core.settings import Settings
from core.wording import sentence, size
from ui.session import person

PLACE = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+")
ENVELOPE = 16 * 1024  # of a request, around the file
LEAST = 256 * 1024  # the size that a smaller file counts as, because a million empty files use memory too


class UploadGuard:
    """Counts each upload while it arrives, together with those already in memory, and ends it if there is no room.

    settings: None if the installation's are invalid; then uploads are refused
    """

    def __init__(self, app: ASGIApp, settings: Settings | None) -> None:
        self._app, self._settings = app, settings
        self._coming: Counter[str] = Counter()  # bytes of uploads that are not whole yet, by session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = PLACE.search(scope["path"]) if scope["type"] == "http" else None
        if place is None or scope["method"] in ("DELETE", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        session = place[1]
        try:
            self._check_person(session)
            self._check_room(session, _announced(scope))
        except HTTPException as error:
            await PlainTextResponse(f"{error.detail}\n", error.status_code)(scope, receive, send)
            return
        counted = 0

        async def counting() -> Message:
            nonlocal counted
            message = await receive()
            more = len(message.get("body", b""))
            self._check_room(session, more)
            counted += more
            self._coming[session] += more
            return message

        self._coming[session] += ENVELOPE
        try:
            await self._app(scope, counting, send)
        finally:
            self._coming[session] -= counted + ENVELOPE
            if self._coming[session] <= 0:
                del self._coming[session]

    def _check_person(self, session: str) -> None:
        """Raises HTTPException unless somebody who may upload has this session open."""
        app_session = Runtime.instance().get_app_session(session) if Runtime.exists() else None
        if app_session is None or self._settings is None:
            raise HTTPException(400, "This page is not open any more; load it again, then upload the file.")
        try:
            who = person.of_session(app_session._user_info, self._settings)
            access.check(replace(self._settings, person=who), "upload")
        except AccessDenied as error:
            raise HTTPException(403, sentence(str(error))) from None

    def _check_room(self, session: str, more: int) -> None:
        """Raises HTTPException if so many bytes more are too many for this session, or for all together."""
        assert self._settings is not None
        held = _held()
        if held.get(session, 0) + self._coming[session] + more > self._settings.max_upload_bytes + 2 * ENVELOPE:
            most = size(self._settings.max_upload_bytes)
            raise HTTPException(413, f"At most {most} can be uploaded at once; upload a smaller file.")
        if sum(held.values()) + self._coming.total() + more > self._settings.upload_memory_bytes:
            most = size(self._settings.upload_memory_bytes)
            raise HTTPException(503, f"Uploads use all of their {most} of memory; try again later.")


def _announced(scope: Scope) -> int:
    """The length that a request announces, 0 without one. The body is never longer than announced."""
    try:
        return max(0, int(Headers(scope=scope).get("content-length", "0")))
    except ValueError:
        raise HTTPException(400, "The length of this upload is not a number.") from None


def _held() -> dict[str, int]:
    """The bytes of completed uploads in memory, by session."""
    manager = Runtime.instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    return {
        session: sum(max(LEAST, len(file.data) + len(file.name) + len(file.type)) for file in list(files.values()))
        for session, files in list(manager.file_storage.items())
    }

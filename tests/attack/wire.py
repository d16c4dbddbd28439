"""Speaking with a dashboard as a program does that is no browser: any header, any bytes, and a session of one's own."""

from __future__ import annotations

import base64
import os
import re
import socket
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import websockets.sync.client as websocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.typing import Origin, Subprotocol

MEGABYTE = 1024 * 1024


def ask(port: int, lines: str, body: Iterable[bytes] = (), timeout_s: float = 30.0) -> tuple[int, str]:
    """Send a request as these lines say it; its status, 0 if the connection was closed without one, and the answer.

    body: pieces, sent until the server does not take any more
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(lines.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
        try:
            for piece in body:
                connection.sendall(piece)
        except OSError:
            pass  # it has answered already
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
                if b"\r\n\r\n" in answer and len(answer) > 20_000:
                    break
        except OSError:
            pass
    status = answer.split(b" ", 2)[1] if answer.startswith(b"HTTP/1.") else b"0"
    return int(status), answer.decode("utf-8", "replace")


def get(port: int, host: str, path: str = "/_stcore/health", *more: str) -> tuple[int, str]:
    """GET with a Host of one's own, and further header lines."""
    return ask(port, "\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *more]))


def handshake(port: int, host: str, origin: str | None) -> int:
    """The status with which the dashboard answers a WebSocket: 101 if it takes it."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *([f"Origin: {origin}"] if origin else []),
    ]
    return ask(port, "\n".join(lines), timeout_s=3.0)[0]


class Session:
    """A session as a browser has one, of a page that was opened. `id` is what uploads name it by."""

    def __init__(self, port: int, page: str = "") -> None:
        self.port = port
        self._stream = websocket.connect(
            f"ws://localhost:{port}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            origin=Origin(f"http://localhost:{port}"),
        )
        message = BackMsg()
        message.rerun_script.page_name = page
        self._stream.send(message.SerializeToString())
        self.id = self._session()

    def _session(self) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            message = ForwardMsg()
            message.ParseFromString(self._stream.recv(timeout=60, decode=False))
            if message.WhichOneof("type") == "new_session":
                return str(message.new_session.initialize.session_id)
        raise AssertionError("the dashboard has not told of a session")

    def upload(
        self,
        size: int,
        file: str = "invented",
        *,
        chunked: bool = False,
        session: str | None = None,
        head: str = 'name="f"; filename="a.csv"',
    ) -> tuple[int, str]:
        """Send a file of so many zeros to the dashboard's memory, by default to this session's; status and answer."""
        cookie = re.search(r"_streamlit_xsrf=([^;\s]+)", get(self.port, "localhost", "/_stcore/health")[1])
        token = cookie[1] if cookie else ""
        begin = f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode()
        pieces = [begin, *[bytes(min(MEGABYTE, size - at)) for at in range(0, size, MEGABYTE)], b"\r\n--x--\r\n"]
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {sum(map(len, pieces))}"
        lines = [
            f"PUT /_stcore/upload_file/{session or self.id}/{file} HTTP/1.1",
            f"Host: localhost:{self.port}",
            "Connection: close",
            "Content-Type: multipart/form-data; boundary=x",
            length,
            f"Cookie: _streamlit_xsrf={token}",
            f"X-Xsrftoken: {token}",
        ]
        body = [f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces] + [b"0\r\n\r\n"] if chunked else pieces
        return ask(self.port, "\n".join(lines), body, timeout_s=8.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

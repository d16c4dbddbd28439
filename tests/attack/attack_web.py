"""What reaches the dashboard's port without being one of its pages: foreign names, foreign pages, frames."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import psutil

from tests.attack import wire
from tests.attack.cases import case
from tests.attack.place import Place
from tests.browser.steps import Dashboard

MB = wire.MEGABYTE
MOST = 4 * MB - 1000  # with its envelope it is what one upload may be
Serve = Callable[..., Dashboard]
PATHS = ("/", "/runs?embed=true", "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/static/index.html",
         "/media/x", "/component/x/y", "/_stcore/upload_file/a/b", "/auth/login", "/nowhere")  # fmt: skip
FOREIGN = (
    "evil.example", "EVIL.example:8501", "localhost.evil.example", "127.0.0.1.evil.example", "evil.localhost",
    "localhost@evil.example", "evil.example@localhost", "user:pw@localhost", "192.168.0.7", "0.0.0.0", "10.1", "[::2]",
    "[::ffff:127.0.0.1]", "[::1", "localhost:80:80", "localhost:99999", "localhost/evil", "localhost, evil.example", "",
    "localhost..", ".localhost", "xn--lcalhost-03a", "\xa0localhost",
)  # fmt: skip
OWN = ("localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:8501", "[::1]:8501", "[0:0:0:0:0:0:0:1]")
QUIET = (r"^home/", r"dashboard\.log")


@case("a foreign name that points to this machine")
def _rebinding(place: Place, serve: Serve) -> None:
    port = serve().port
    with place.untouched(*QUIET):
        for host in OWN:
            assert wire.get(port, host)[0] == 200, host
        for host in FOREIGN:
            status, answer = wire.get(port, host)
            assert status in (400, 421), (host, status)
            assert status == 400 or "TUNEDECK_ALLOWED_HOSTS" in answer or "does not name the machine" in answer
        for path in PATHS:
            assert wire.get(port, "evil.example", path)[0] == 421, path
            assert (
                wire.get(port, "evil.example", path, "X-Forwarded-Host: localhost", "Forwarded: host=localhost")[0]
                == 421
            ), path
        refused = (
            "GET /_stcore/health HTTP/1.0",
            "GET http://localhost/_stcore/health HTTP/1.1\nHost: evil.example\nConnection: close",
            "GET http://evil.example/_stcore/health HTTP/1.1\nHost: localhost\nConnection: close",
            "GET /_stcore/health HTTP/1.1\nHost: localhost\nHost: evil.example\nConnection: close",
            "PUT /_stcore/upload_file/a/b HTTP/1.1\nHost: evil.example\nContent-Length: 1\nConnection: close\n\nx",
        )
        for lines in refused:
            assert wire.ask(port, lines)[0] in (400, 421), lines


@case("a WebSocket of a foreign page")
def _socket(place: Place, serve: Serve) -> None:
    port = serve().port
    own = f"localhost:{port}"
    with place.untouched(*QUIET):
        assert wire.handshake(port, own, f"http://{own}") == 101
        for host, origin in (
            ("evil.example", "http://evil.example"),
            (f"evil.example:{port}", None),
            (own, "http://evil.example"),
            (own, "null"),
            (own, f"http://localhost:{port + 1}"),
            (own, f"http://localhost@evil.example:{port}"),
            (own, f"http://{own}.evil.example"),
            (own, f"file://{own}"),
            ("evil.example", f"http://{own}"),
        ):
            assert wire.handshake(port, host, origin) == 403, (host, origin)
        for origin in ("http://evil.example", "null"):
            assert wire.get(port, own, "/", f"Origin: {origin}")[0] == 403


@case("a foreign name where the operator has named others")
def _named(place: Place, serve: Serve) -> None:
    port = serve("viewer", TUNEDECK_ALLOWED_HOSTS="tunedeck.example.org, *.example.net").port
    with place.untouched(*QUIET):
        for host in ("tunedeck.example.org", "Tunedeck.Example.org.", "a.b.example.net:443", "localhost", "[::1]"):
            assert wire.get(port, host)[0] == 200, host
        for host in ("example.org", "eviltunedeck.example.org", "example.net", "evilexample.net", "1.2.3.4"):
            assert wire.get(port, host)[0] == 421, host
        # A proxy that rewrites Host leaves Origin as it is.
        assert wire.handshake(port, f"127.0.0.1:{port}", "https://evil.example") == 403
    assert wire.get(port, f"127.0.0.1:{port}", "/_stcore/health", "Origin: https://tunedeck.example.org")[0] == 200


@case("a foreign page that holds ours in a frame")
def _framed(place: Place, serve: Serve) -> None:
    dashboard = serve()
    with place.untouched(*QUIET):
        for path in PATHS:
            try:
                answer = urllib.request.urlopen(dashboard.url(path[1:]), timeout=20)
            except urllib.error.HTTPError as error:
                answer = error
            assert answer.headers.get_all("content-security-policy") == ["frame-ancestors 'self'"], path
            assert answer.headers["x-frame-options"] == "SAMEORIGIN", path


@case("a frame of a page that the operator has not named")
def _framed_by_others(place: Place, serve: Serve) -> None:
    port = serve("team", TUNEDECK_EMBED_ORIGINS="https://wiki.example.org").port
    with place.untouched(*QUIET):
        answer = wire.get(port, "localhost", "/?embed=true")[1].lower()
    assert "content-security-policy: frame-ancestors 'self' https://wiki.example.org\r\n" in answer
    assert "x-frame-options" not in answer  # it can name no origin, and browsers follow it only without the other


@case("uploads into memory where nobody may upload")
def _uploads(place: Place, serve: Serve) -> None:
    for mode, environment in (
        ("viewer", {}),
        ("demo", {}),
        ("team", {"TUNEDECK_ADMINS": "ada@example.org"}),
    ):
        dashboard = serve(mode, **environment)
        with place.untouched(*QUIET), wire.Session(dashboard.port) as session:
            before = memory(dashboard)
            for size, chunked in ((10, False), (10, True), (80 * MB, False), (80 * MB, True)):
                for number in range(2):
                    status, answer = session.upload(size, f"{number}", chunked=chunked)
                    assert status in (0, 403), (mode, size, chunked, answer)
            assert session.upload(10, session="00000000-0000-4000-8000-000000000000")[0] == 400
            assert session.upload(10, "../../x")[0] in (400, 403, 404, 405)
            assert memory(dashboard) - before < 60 * MB
        dashboard.close()


@case("more uploads than a session, or all of them, may have in memory")
def _many_uploads(place: Place, serve: Serve) -> None:
    dashboard = serve("local", TUNEDECK_MAX_UPLOAD_MB="4", TUNEDECK_UPLOAD_MEMORY_MB="9")
    with place.untouched(*QUIET), wire.Session(dashboard.port) as session:
        before = memory(dashboard)
        assert session.upload(MOST, "fits")[0] == 204
        for size, chunked in ((MB, False), (MB, True), (200 * MB, True)):
            status, answer = session.upload(size, f"more-{size}", chunked=chunked)
            assert status in (0, 413), answer
        assert session.upload(MOST, "fits")[0] in (0, 413)  # the same again: both are there while it comes
        with wire.Session(dashboard.port) as other, wire.Session(dashboard.port) as third:
            assert other.upload(MOST)[0] == 204
            assert third.upload(2 * MB)[0] in (0, 503) and third.upload(2 * MB, chunked=True)[0] in (0, 503)
            for number in range(6):  # nothing is in them but their names
                status, answer = third.upload(0, f"empty-{number}")
            assert status == 503, answer
        assert memory(dashboard) - before < 60 * MB


def memory(dashboard: Dashboard) -> int:
    assert dashboard.server is not None
    return int(psutil.Process(dashboard.server.pid).memory_info().rss)

"""Which names the dashboard answers to, and who may hold its pages in a frame."""

from __future__ import annotations

import pytest

from core import hosts
from core.errors import TunedeckError
from core.settings import from_environment


@pytest.mark.parametrize(
    ("header", "name"),
    [("Localhost:8501", "localhost"), ("[::1]", "::1"), ("[0:0::1]:80", "::1"), ("a.example.org.", "a.example.org"),
     ("under_score", "under_score"), ("", None), ("a b", None), ("user@a", None), ("a/b", None), ("[::1", None),
     ("a:65536", None), ("a..", None), ("[fe80::1%25eth0]", None), ("[::1].", None), ("a:", None)],
)  # fmt: skip
def test_the_name_in_a_host_header(header: str, name: str | None) -> None:
    assert hosts.name_of(header) == name


def test_an_address_is_answered_only_where_the_server_listens_on_it() -> None:
    assert not hosts.is_allowed("192.168.0.7:8501", (), "localhost")
    assert hosts.is_allowed("192.168.0.7:8501", (), "192.168.0.7")
    assert hosts.is_allowed("[fe80::7]", (), "fe80:0::7")
    assert hosts.is_allowed("192.168.0.7:8501", (), "0.0.0.0") and hosts.is_allowed("[fe80::7]", (), "::")
    assert not hosts.is_allowed("tunedeck.lan", (), "0.0.0.0")
    assert hosts.is_allowed("tunedeck.lan", (), "tunedeck.lan")
    assert hosts.is_allowed("tunedeck.lan", ("*",), "localhost")


def test_a_page_of_an_allowed_name_may_speak_whatever_a_proxy_does_to_the_host() -> None:
    assert hosts.is_same_place("https://t.example.org", "127.0.0.1:8501", ("t.example.org",))
    assert not hosts.is_same_place("https://t.example.org", "127.0.0.1:8501", ())
    assert hosts.is_same_place("http://[::1]:8501", "[::1]:8501", ())
    assert not hosts.is_same_place("http://[::1", "[::1", ("*",))


def test_names_and_origins_of_the_environment(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEDECK_ALLOWED_HOSTS", "Tunedeck.Example.org., *.example.net [FE80:0::7]")
    monkeypatch.setenv("TUNEDECK_EMBED_ORIGINS", "https://Wiki.example.org,http://localhost:3000")
    read = from_environment()
    assert read.allowed_hosts == ("tunedeck.example.org", "*.example.net", "fe80::7")
    assert read.embed_origins == ("https://wiki.example.org", "http://localhost:3000")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ALLOWED_HOSTS", "https://a.example"), ("ALLOWED_HOSTS", "a.example:80"), ("ALLOWED_HOSTS", "a*.example"),
     ("ALLOWED_HOSTS", "*.*.example"), ("ALLOWED_HOSTS", "cafe:80"), ("EMBED_ORIGINS", "a.example"), ("EMBED_ORIGINS", "https://a.example/page"),
     ("EMBED_ORIGINS", "'unsafe-inline'"), ("EMBED_ORIGINS", "javascript:alert(1)")],
)  # fmt: skip
def test_what_is_no_name_or_origin_is_refused_at_the_start(
    variable: str, value: str, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TUNEDECK_{variable}", value)
    with pytest.raises(TunedeckError, match=f"TUNEDECK_{variable} has"):
        from_environment()


def test_who_may_frame(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("local", "team"):
        monkeypatch.setenv("TUNEDECK_MODE", mode)
        assert hosts.framing(from_environment().embed_origins) == {
            "content-security-policy": "frame-ancestors 'self'",
            "x-frame-options": "SAMEORIGIN",
        }
    for mode in ("viewer", "demo"):
        monkeypatch.setenv("TUNEDECK_MODE", mode)
        policy = "frame-ancestors 'self' https://*.streamlit.app https://share.streamlit.io"
        assert hosts.framing(from_environment().embed_origins) == {"content-security-policy": policy}
    monkeypatch.setenv("TUNEDECK_EMBED_ORIGINS", "*")
    assert hosts.framing(from_environment().embed_origins) == {}

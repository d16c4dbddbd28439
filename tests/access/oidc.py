"""A small OpenID provider on loopback: discovery, a page to choose who one is, tokens signed with RS256, keys.

It is as strict as a real one where a client can go wrong: client id and secret, redirect address, codes that work once,
and PKCE.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "tunedeck", "s3cret-of-the-client"


class Provider:
    """people: what a person is called on the page to choose, and the claims about them; signs: how tokens are signed"""

    def __init__(self, people: dict[str, dict[str, Any]]) -> None:
        self.people = people
        self.key = RSAKey.generate_key(2048, parameters={"kid": "k1", "use": "sig", "alg": "RS256"})
        self.signs_with = self.key
        self.codes: dict[str, dict[str, str]] = {}
        self.refused: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.token(self)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def secrets_toml(self) -> str:
        """What Streamlit needs to know of it."""
        return (
            "[auth]\n"
            'redirect_uri = "http://localhost:{port}/oauth2callback"\n'
            'cookie_secret = "a long and random secret of cookies"\n'
            f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
        )

    def get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/.well-known/openid-configuration":
            _json(request, self._discovery())
        elif parts.path == "/jwks":
            _json(request, {"keys": [self.key.as_dict(private=False)]})
        elif parts.path == "/authorize" and "as" in query:
            self._approve(request, query)
        elif parts.path == "/authorize":
            links = "".join(
                f'<p><a href="?{html.escape(urlencode({**query, "as": name}))}">{html.escape(name)}</a></p>'
                for name in self.people
            )
            _send(request, 200, f"<h1>Who are you?</h1>{links}".encode(), "text/html")
        elif parts.path == "/logout":
            _redirect(request, query["post_logout_redirect_uri"])
        else:
            _send(request, 404, b"", "text/plain")

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def _approve(self, request: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        if query.get("client_id") != CLIENT or query.get("response_type") != "code":
            self._refuse(request, "client")
            return
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        _redirect(request, f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}")

    def token(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None:
            self._refuse(request, "code")
        elif _client(request, form) != (CLIENT, SECRET):
            self._refuse(request, "secret")
        elif asked["redirect_uri"] != form.get("redirect_uri"):
            self._refuse(request, "redirect")
        elif asked.get("code_challenge") != challenge.rstrip(b"=").decode():
            self._refuse(request, "pkce")
        else:
            _json(request, self._tokens(asked))

    def _tokens(self, asked: dict[str, str]) -> dict[str, Any]:
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": asked["as"],
            "iat": int(time.time()),
            "exp": int(time.time()) + 600,
            "nonce": asked["nonce"],
            **self.people[asked["as"]],
        }
        token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signs_with)
        return {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 600, "id_token": token}

    def _refuse(self, request: BaseHTTPRequestHandler, why: str) -> None:
        self.refused.append(why)
        _send(request, 400, json.dumps({"error": "invalid_request", "error_description": why}).encode())


def _client(request: BaseHTTPRequestHandler, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")


def _json(request: BaseHTTPRequestHandler, value: Any) -> None:
    _send(request, 200, json.dumps(value).encode())


def _redirect(request: BaseHTTPRequestHandler, where: str) -> None:
    request.send_response(302)
    request.send_header("Location", where)
    request.send_header("Content-Length", "0")
    request.end_headers()


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)

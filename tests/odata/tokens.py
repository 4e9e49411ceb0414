"""The token end-point of the identity platform, client credentials only, and who a bearer token belongs to."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from tests.odata.wire import Answer

TENANT = "8f0e6c1a-2d7b-4a55-9a63-1d5f3c0b7e21"


class Tokens:
    """``clients``: id → (secret, user). A token lives ``lifetime`` seconds."""

    def __init__(self, scope: str, clients: dict[str, tuple[str, str]]) -> None:
        self.scope = scope
        self.clients = clients
        self.lifetime = 3600
        self.given = 0
        self.busy = 0  # the next n requests get 503 temporarily_unavailable
        self._tokens: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def expire(self) -> None:
        """Every token given so far is refused from now on."""
        with self._lock:
            self._tokens.clear()

    def user_of(self, headers: Mapping[str, str]) -> str | None:
        """Who signs a request with a bearer token; None where nobody valid does."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        with self._lock:
            until, user = self._tokens.get(token, (0.0, ""))
        return user if kind == "Bearer" and until > time.monotonic() else None

    def answer(self, tenant: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self.busy > 0:
            self.busy -= 1
            return _refused(503, "temporarily_unavailable", 90033, "A transient error has occurred.")
        if tenant not in (TENANT, "contoso.onmicrosoft.com"):
            return _refused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
            return _refused(400, "invalid_request", 900144, "The request body must contain: 'grant_type'.")
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, basic = headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            name, _, word = base64.b64decode(basic).decode().partition(":")
            client, secret = unquote(name), unquote(word)
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
        if client not in self.clients:
            text = f"Application with identifier '{client}' was not found in the directory."
            return _refused(400, "unauthorized_client", 700016, text)
        expected, user = self.clients[client]
        if not secrets.compare_digest(secret.encode(), expected.encode()):
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'."
            )
            return _refused(401, "invalid_client", 7000215, text)
        if form.get("scope") != self.scope:
            text = f"The provided value for the input parameter scope '{form.get('scope', '')}' is not valid."
            return _refused(400, "invalid_scope", 70011, text)
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._tokens[token] = (time.monotonic() + self.lifetime, user)
            self.given += 1
        return Answer(
            200,
            {
                "token_type": "Bearer",
                "expires_in": self.lifetime,
                "ext_expires_in": self.lifetime,
                "access_token": token,
            },
            {"Cache-Control": "no-store, no-cache"},
        )


def _refused(status: int, error: str, number: int, text: str) -> Answer:
    return Answer(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{number}: {text} Trace ID: {uuid4()} Correlation ID: {uuid4()}",
            "error_codes": [number],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": str(uuid4()),
            "correlation_id": str(uuid4()),
        },
    )

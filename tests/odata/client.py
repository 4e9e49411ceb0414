"""A bare client for tests of the servers: signs in once, sends what it is told, follows no rule by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from tests.odata.server import Server

JSON = {"Content-Type": "application/json"}


class Client:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx2.Client()
        if server.tokens:
            self.http.headers["Authorization"] = f"Bearer {self.token()['access_token']}"

    def token(self, **fields: str) -> dict[str, Any]:
        assert self.server.tokens
        form = {
            "grant_type": "client_credentials",
            "client_id": self.server.client_id,
            "client_secret": self.server.client_secret,
            "scope": self.server.tokens.scope,
        }
        return dict(self.http.post(self.server.token_url, data=form | fields).json())

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """``If_Match`` is sent as If-Match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body).encode()
        address = path if path.startswith("http") else self.server.service.root + path
        return self.http.request(
            method, address, content=content, headers={**(JSON if content else {}), **named}
        )

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.send("GET", path, **headers)

    def value(self, path: str, **headers: str) -> list[dict[str, Any]]:
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    def pages(self, path: str, **headers: str) -> list[list[dict[str, Any]]]:
        """Every page of a reading, its links followed as they are; a relative link is relative to the service root."""
        found, link = [], path
        while link:
            answer = self.get(link, **headers)
            assert answer.status_code == 200, answer.text
            found.append(answer.json()["value"])
            link = answer.json().get("@odata.nextLink", "")
            assert len(found) < 100
        return found

    def close(self) -> None:
        self.http.close()


def error(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, str(answer.json()["error"]["code"])


def multipart(
    operations: Sequence[tuple[str, str, Any, Mapping[str, str]]],
    boundary: str = "batch_1",
    end: str = "\r\n",
) -> bytes:
    """A Dataverse batch: (method, path, body, headers) each; ``end`` is how lines end."""
    parts = []
    for method, path, body, headers in operations:
        lines = [f"--{boundary}", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
        lines += [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        lines += ["Content-Type: application/json", "", "" if body is None else json.dumps(body)]
        parts.append(end.join(lines) + end)
    return ("".join(parts) + f"--{boundary}--{end}").encode()

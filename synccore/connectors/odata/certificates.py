"""When the certificate of a service ends: one TLS connection that says nothing and is closed again."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from synccore.shapes import CheckState, Finding

#: A certificate that ends sooner than this should have been renewed by itself.
SOON: Final = 21
_PATIENCE: Final = 5.0


def certificate_ends(root: str) -> Iterator[Finding]:
    """``certificate_ends`` for an address with https; nothing for another one."""
    parts = urlsplit(root)
    if parts.scheme != "https" or not parts.hostname:
        return
    host = parts.hostname
    try:
        end = _end(host, parts.port or 443)
    except (
        OSError,
        ValueError,
        KeyError,
    ):  # a proxy is in between, or the connection broke: nothing is claimed
        yield Finding("certificate_ends", CheckState.UNKNOWN, {"host": host})
        return
    days = (end - datetime.now(UTC)).days
    params: dict[str, Any] = {"host": host, "until": f"{end:%Y-%m-%d %H:%M} UTC", "days": max(0, days)}
    state = CheckState.FAIL if days < 0 else CheckState.WARN if days < SOON else CheckState.PASS
    yield Finding("certificate_ends", state, params)


def _end(host: str, port: int) -> datetime:
    with (
        socket.create_connection((host, port), timeout=_PATIENCE) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
    ):
        shown: Mapping[str, Any] = secured.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)

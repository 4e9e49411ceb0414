"""When the certificate of a service ends: one TLS connection that says nothing and is closed again."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore2

from synccore.connectors.odata.network import Network
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
    except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError, ValueError, KeyError):
        # A proxy is in between, or the connection broke: nothing is claimed.
        yield Finding("certificate_ends", CheckState.UNKNOWN, {"host": host})
        return
    days = (end - datetime.now(UTC)).days
    params: dict[str, Any] = {"host": host, "until": f"{end:%Y-%m-%d %H:%M} UTC", "days": max(0, days)}
    state = CheckState.FAIL if days < 0 else CheckState.WARN if days < SOON else CheckState.PASS
    yield Finding("certificate_ends", state, params)


def _end(host: str, port: int) -> datetime:
    network = Network()
    network.until = monotonic() + _PATIENCE
    stream = network.connect_tcp(host, port).start_tls(ssl.create_default_context(), host)
    try:
        shown: Mapping[str, Any] = stream.get_extra_info("socket").getpeercert() or {}
    finally:
        stream.close()
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)

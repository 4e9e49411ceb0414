"""One round trip: a request goes out and its whole answer comes in, within a size and a time."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from functools import cache
from time import monotonic
from typing import Final

import httpx2

from synccore.connectors.odata.messages import Answer, Request, origin_text, target_of
from synccore.connectors.odata.network import Network

# They would log the address of every request, which holds what is searched for (people's data), and headers of answers.
for _each in ("httpx2", "httpcore2"):
    logging.getLogger(_each).setLevel(logging.WARNING)

#: Largest body that is taken in, unpacked.
LARGEST: Final = 64 * 1024 * 1024
#: A body that stands still for so many seconds is given up.
PAUSE: Final = 5.0
_TOO_LARGE: Final = b'{"error": {"code": "", "message": "The answer is larger than 64 MB."}}'


class Exchange:
    """The connections of one client, used again from request to request. Used by one thread; close it.

    Args:
        connect_timeout: seconds for a connection.
        proxies: whether a proxy that the environment names is used.
        transport: stands in for the network, in tests.
    """

    def __init__(
        self, *, connect_timeout: float, proxies: bool, transport: httpx2.BaseTransport | None
    ) -> None:
        self._connect_timeout = connect_timeout
        self._http = httpx2.Client(
            transport=transport,
            verify=_certificates(),
            trust_env=proxies,
            headers={"User-Agent": "Tandem"},
            follow_redirects=False,
        )
        self._network = Network()
        self._network.carry(self._http)

    def close(self) -> None:
        self._http.close()

    def once(self, request: Request, address: str, headers: Mapping[str, str], until: float) -> Answer:
        """The answer to a request that is sent once, whatever its status, by the moment ``until`` (monotonic).

        Raises httpx2.HTTPError, httpx2.InvalidURL.
        """
        left = max(until - monotonic(), 0.1)
        self._network.until = monotonic() + left
        times = {"connect": min(self._connect_timeout, left), "read": left, "write": left, "pool": left}
        target = target_of(address)
        outgoing = self._http.build_request(
            request.method,
            origin_text(address) + target.decode(),
            headers=headers,
            content=request.body,
            extensions={"target": target, "timeout": times},
        )
        try:
            incoming = self._http.send(outgoing, stream=True)
        except UnicodeError as error:  # a name that no name service can be asked for
            raise httpx2.InvalidURL(str(error)) from None
        try:
            times["read"] = PAUSE
            body = bytearray()
            for chunk in incoming.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    if request.method == "GET":
                        return Answer(413, {}, _TOO_LARGE, request)
                    raise httpx2.ReadError("the answer is larger than 64 MB", request=outgoing)
        finally:
            incoming.close()
        named = {name.lower(): value for name, value in incoming.headers.items()}
        return Answer(incoming.status_code, named, bytes(body), request)


@cache
def _certificates() -> ssl.SSLContext:
    """Read once per process: the certificates of those we trust, or of SSL_CERT_FILE."""
    return httpx2.create_ssl_context()

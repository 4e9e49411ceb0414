"""The sockets of a client: they keep one deadline for a whole exchange, and connect to no metadata service of a cloud.

The timeouts of HTTP libraries hold for each read alone, so that a service which sends a byte now and then keeps its caller
for ever. Here one deadline holds for all of it: connecting, the TLS handshake, sending, and reading head and body.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from socket import SOCK_STREAM, gaierror, getaddrinfo
from time import monotonic
from typing import Any, Final

import httpcore2  # comes with httpx2, at its version
import httpx2

#: Link-local addresses, and the others at which clouds give a machine its own credentials.
_OF_THE_MACHINE: Final = tuple(
    ip_network(each)
    for each in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128", "100.100.100.200/32")
)


class OfTheMachine(httpcore2.ConnectError):
    """A name resolves to nothing but addresses at which clouds give a machine its credentials. Nothing was sent."""


def is_of_the_machine(host: str) -> bool:
    """Whether a host is link-local, or a cloud's metadata service by name or address: these give a machine its own
    credentials, and no business app is there."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.rstrip(".") == "metadata.google.internal"
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in _OF_THE_MACHINE)


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses a name resolves to, without those of the machine. Connect to these: a name that is resolved again may
    lead elsewhere. Raises OfTheMachine where none is left; OSError and UnicodeError where the name has none."""
    found = [str(each[4][0]) for each in getaddrinfo(host, port, type=SOCK_STREAM)]
    allowed = [each for each in found if not is_of_the_machine(each)]
    if found and not allowed:
        raise OfTheMachine(f"{host}: {found[0]}")
    return allowed


class Network(httpcore2.NetworkBackend):
    """Opens the connections of one client. Used by one thread.

    ``until``: the deadline (monotonic) of whatever is done on them; set it before each exchange.
    """

    def __init__(self) -> None:
        self.until = monotonic()
        self._sockets = httpcore2.SyncBackend()

    def carry(self, http: httpx2.Client) -> None:
        """Open all connections of ``http`` from now on. Its pools take a network backend, but httpx2 passes none on."""
        for transport in (http._transport, *http._mounts.values()):
            if isinstance(transport, httpx2.HTTPTransport):
                transport._pool._network_backend = self

    def left(self, timeout: float | None, over: type[Exception]) -> float:
        """Seconds until the deadline, at most ``timeout``. Raises ``over`` where it has passed."""
        seconds = self.until - monotonic()
        if seconds <= 0:
            raise over("the call's time is over")
        return seconds if timeout is None else min(timeout, seconds)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            addresses = addresses_of(host, port)
        except gaierror as error:
            raise httpcore2.ConnectError(str(error)) from error
        # A host with two addresses may be reachable by one of them only.
        first: Exception | None = None
        for address in addresses:
            try:
                seconds = self.left(timeout, httpcore2.ConnectTimeout)
                stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                first = first or error
            else:
                return _Stream(stream, self)
        raise first or httpcore2.ConnectError(f"{host} has no address")


class _Stream(httpcore2.NetworkStream):
    """One connection of a network: each call on it ends by the network's deadline.

    ``within``: TLS inside of TLS, through an https proxy. There the deadline holds between calls only: httpcore2 reads a
    record of the inner TLS in a loop of its own, and never hands out the socket.
    """

    def __init__(self, stream: httpcore2.NetworkStream, network: Network, *, within: bool = False) -> None:
        self._stream, self._network, self._within = stream, network, within

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._within:
            self._stream.write(buffer, self._network.left(timeout, httpcore2.WriteTimeout))
            return
        # Not by the stream's own write: its timeout starts anew whenever the other end takes a few bytes.
        socket = self._stream.get_extra_info("socket")
        rest = memoryview(buffer)
        while rest:
            seconds = self._network.left(timeout, httpcore2.WriteTimeout)
            try:
                socket.settimeout(seconds)
                rest = rest[socket.send(rest) :]
            except TimeoutError as error:
                raise httpcore2.WriteTimeout(str(error)) from error
            except OSError as error:
                raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        within = self.get_extra_info("ssl_object") is not None
        try:
            seconds = self._network.left(timeout, httpcore2.ConnectTimeout)
            secured = self._stream.start_tls(ssl_context, server_hostname, seconds)
        except Exception:
            self.close()
            raise
        return _Stream(secured, self._network, within=within)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

"""Requests and answers as the package hands them around, and where a request goes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from synccore.connectors.odata.errors import BadAnswer

_READ: Final = json.JSONDecoder(parse_float=Decimal)
_WRITE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
#: An operation of a batch as we number them.
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}\Z")
#: What no request line can hold.
_UNSENDABLE: Final = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is relative to the service root, or an absolute address on the same host; it is already
    encoded and is sent byte for byte (a next link is the service's own text)."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. ``headers`` have lower-case names; the request is kept for the debug text and holds no secrets."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    request: Request
    #: The body as it was read already, inside a batch.
    parsed: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def json(self) -> dict[str, Any]:
        """The body as an object, numbers with a point as Decimal. Raises BadAnswer."""
        if self.parsed is not None:
            return self.parsed
        try:
            found = _READ.decode(self.body.decode(json.detect_encoding(self.body), "surrogatepass"))
        except (ValueError, RecursionError):
            raise BadAnswer(self, "no JSON") from None
        if not isinstance(found, dict):
            raise BadAnswer(self, "no object")
        return found


def dumps(members: Mapping[str, Any]) -> bytes:
    """The members as JSON text in UTF-8, every Decimal with its own digits: no number passes through a float."""
    parts = []
    for name, value in members.items():
        if isinstance(value, Decimal):
            text = format(value, "f")
        elif isinstance(value, Mapping):
            text = dumps(value).decode()
        else:
            text = _WRITE.encode(value)
        parts.append(f"{_WRITE.encode(name)}:{text}")
    return ("{" + ",".join(parts) + "}").encode()


def place_of(id: str, count: int) -> int | None:
    """The place of an operation among the ``count`` of a batch, by the id we gave it (1, 2, …); None for no id of ours."""
    return int(id) - 1 if _NUMBER.match(id) and int(id) <= count else None


def is_loopback(host: str) -> bool:
    """Whether a host's name means this machine."""
    return host in ("localhost", "::1") or host.startswith("127.") and host.replace(".", "").isdigit()


def origin_of(address: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address; a host that is not ASCII as the name service is asked for it. Raises
    ValueError."""
    parts = urlsplit(address)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if not host.isascii():
        try:
            host = httpx2.URL(scheme=scheme, host=host).raw_host.decode("ascii")
        except httpx2.InvalidURL as error:
            raise ValueError(str(error)) from None
    return scheme, host, parts.port or (443 if scheme == "https" else 80)


def origin_text(address: str) -> str:
    """Scheme, host and port of an address, as it spells them."""
    scheme, behind = address.split("://", 1)
    return scheme + "://" + re.split(r"[/?#]", behind, maxsplit=1)[0]


def address_of(path: str, root: str) -> str:
    """The address that a request's path means. Raises ValueError for one on another host: what signs us in is not for it."""
    origin = origin_of(root)
    if path.startswith("/") and not path.startswith("//"):
        return origin_text(root) + path
    if not path.startswith("//") and "://" not in path.split("?", 1)[0]:
        return root + path
    if origin_of(path) != origin or "@" in urlsplit(path).netloc:
        raise ValueError("another host")
    return path


def target_of(address: str) -> bytes:
    """Path and query byte for byte, as the request line holds them: an address that a service gave is sent as it was
    given. Only what no request line can hold is encoded."""
    target = address[len(origin_text(address)) :].split("#", 1)[0]
    if not target.startswith("/"):
        target = "/" + target
    return _UNSENDABLE.sub(_encoded, target).encode("ascii")


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))

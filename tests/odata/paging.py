"""Pages: where a row stands in an order, and links to the next page that are opaque.

The seal of a link breaks where a client encodes or decodes it again, or adds anything.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from tests.odata.schema import EntitySet
from tests.odata.store import Key, Row

OPTION = ("$skiptoken", "%24skiptoken")


class Reverse:
    """Orders the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Reverse) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reverse) and other.value == self.value


def sealed(query: str, told: Mapping[str, Any]) -> str:
    """The query of the next page: that of this one, and where it goes on."""
    rest = _rest(query)
    inner = json.dumps(told, default=str)
    cookie = f'<cookie page="{inner}" sum="{_seal(inner, rest)}" />'
    return f"{rest}{'&' if rest else ''}$skiptoken={quote(quote(cookie, safe=''), safe='')}"


def opened(query: str, token: str, shape: EntitySet) -> dict[str, Any] | None:
    """What ``sealed`` was told; None where the seal is broken."""
    match = re.fullmatch(r'<cookie page="(.*)" sum="(\w+)" />', unquote(token))
    if match is None or _seal(match.group(1), _rest(query)) != match.group(2):
        return None
    told: dict[str, Any] = json.loads(match.group(1))
    for name, value in told["last"].items():
        if shape.props[name].type == "Decimal" and value is not None:
            told["last"][name] = Decimal(value)
    return told


def _rest(query: str) -> str:
    return "&".join(part for part in query.split("&") if part and not part.startswith(OPTION))


def _seal(inner: str, rest: str) -> str:
    return hashlib.sha256(f"{inner}|{rest}".encode()).hexdigest()[:12]


def first_after(found: list[tuple[Any, Row]], place: tuple[Any, ...] | None) -> int:
    """The index of the first row behind a place in its order."""
    low, high = 0, len(found)
    while place is not None and low < high:
        middle = (low + high) // 2
        if place < found[middle][0]:
            high = middle
        else:
            low = middle + 1
    return low


def sql_order(key: Key) -> tuple[str, ...]:
    """How SQL Server compares uniqueidentifiers: the last group first."""
    t = str(key)
    return (t[24:], t[19:23], t[16:18], t[14:16], t[11:13], t[9:11], t[6:8], t[4:6], t[2:4], t[0:2])

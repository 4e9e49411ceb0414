"""One request and one answer, as the services see them: without sockets, so that a batch can hold them too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, unquote_plus

from tests.odata.filters import INTEGERS, instant_of, is_day
from tests.odata.schema import Prop

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Answer:
    status: int = 200
    body: Any = None  # a JSON value, bytes, or None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else dump(self.body)


class Refused(Exception):
    """The service says no."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.target = ""


@dataclass
class Call:
    """``path`` is what follows the service root, still encoded; ``user`` who asks."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    body: bytes = b""
    user: str = ""
    in_batch: bool = False

    def options(self, bad: Callable[[str], Refused]) -> dict[str, str]:
        """The query options, decoded once."""
        found: dict[str, str] = {}
        for part in filter(None, self.query.split("&")):
            name, _, value = part.partition("=")
            name = unquote_plus(name)
            if name in found:
                raise bad(
                    f"Query option '{name}' was specified more than once, but it must be specified at most once."
                )
            found[name] = unquote_plus(value, errors="strict")
        return found

    def prefers(self, name: str) -> str | None:
        """The value of a preference; "" for one without; None where it is not asked for."""
        for part in self.headers.get("prefer", "").split(","):
            word, _, value = part.strip().partition("=")
            if word.lower() == name:
                return value.strip('"')
        return None

    def segments(self) -> list[tuple[str, str | None]]:
        """``accounts(…)/name`` as [("accounts", "…"), ("name", None)]."""
        found: list[tuple[str, str | None]] = []
        for part in filter(None, self.path.split("/")):
            match = re.fullmatch(r"([^()]+)(?:\((.*)\))?", unquote(part, errors="strict"), re.DOTALL)
            if match is None:
                raise Refused(400, "BadRequest", f"Bad Request - Error in query syntax: '{part}'.")
            found.append((match.group(1), match.group(2)))
        return found


def dump(value: Any) -> bytes:
    """JSON with decimals as numbers, every digit as stored."""
    text = json.dumps(value, default=_decimal, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r'"\\u0001(-?[0-9.]+)"', r"\1", text).encode()


def _decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(repr(value))
    return f"\x01{value:f}"


def load(body: bytes) -> Any:
    """JSON with decimals kept. Raises ValueError."""
    return json.loads(body.decode("utf-8"), parse_float=Decimal)


class WrongType(Exception):
    """A JSON value is not one of the property's type."""


def coerce(prop: Prop, raw: Any) -> Any:
    """A JSON value as it is stored. Raises WrongType."""
    if raw is None:
        return None
    if prop.type in ("String", "Enum"):
        if not isinstance(raw, str):
            raise WrongType
        if prop.type == "Enum":
            raw = " " if raw == "_x0020_" else raw
        return raw.strip().upper() if prop.code else raw
    if prop.type == "Boolean":
        if not isinstance(raw, bool):
            raise WrongType
        return raw
    if prop.type in INTEGERS:
        limit = INTEGERS[prop.type]
        if not isinstance(raw, int) or isinstance(raw, bool) or not -limit <= raw < limit:
            raise WrongType
        return raw
    if prop.type == "Decimal":
        if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
            raise WrongType
        return Decimal(raw)
    if not isinstance(raw, str):
        raise WrongType
    if prop.type == "Guid":
        if not GUID.fullmatch(raw):
            raise WrongType
        return raw.lower()
    if prop.type == "Date":
        if not DATE.fullmatch(raw) or not is_day(raw):
            raise WrongType
        return raw
    found = instant_of(raw)
    if found is None:
        raise WrongType
    return found


def key_literal(prop: Prop, text: str) -> Any:
    """The key in ``set(key)``; None where it is not a literal of the key's type."""
    if prop.type == "String":
        quoted = re.fullmatch(r"'((?:[^']|'')*)'", text, re.DOTALL)
        return quoted.group(1).replace("''", "'") if quoted else None
    if prop.type == "Guid":
        return text.lower() if GUID.fullmatch(text) else None
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None

"""A small judge of ``$filter``: whether a service with given habits would give a row. Written from the standard's grammar
as far as the connector uses it; anything else is an error, as it is for a service."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<comma>,)|(?P<text>(?:[A-Za-z][\w.]*)?'(?:[^']|'')*')|(?P<word>[^\s(),']+))"
)
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z\Z")
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?\Z")
_OPERATORS = {"eq", "ne", "lt", "le", "gt", "ge"}


class Refused(Exception):
    """The service answers 400."""


@dataclass(frozen=True)
class Habits:
    """How a service compares. ``ignores_case`` also means that blanks at the end do not count, as in a SQL collation."""

    ignores_case: bool = False
    or_on_two_fields: bool = True
    nulls: bool = True


def passes(text: str, row: Mapping[str, Any], habits: Habits) -> bool:
    """Whether the row is in the answer to ``$filter=text``."""
    parser = _Parser(text, row, habits)
    found = parser.either()
    if parser.peek() is not None:
        raise Refused(f"left over: {parser.peek()}")
    return found


class _Parser:
    def __init__(self, text: str, row: Mapping[str, Any], habits: Habits) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise Refused(text[position:])
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        self.at, self.row, self.habits = 0, row, habits
        self.fields: set[str] = set()

    def peek(self) -> tuple[str, str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, kind: str = "", value: str = "") -> str:
        token = self.peek()
        if token is None or (kind and token[0] != kind) or (value and token[1] != value):
            raise Refused(f"{kind} {value} expected, not {token}")
        self.at += 1
        return token[1]

    def either(self) -> bool:
        outer, self.fields = self.fields, set()
        found, alternatives = self.both(), 1
        while self.peek() == ("word", "or"):
            self.take()
            found = self.both() or found
            alternatives += 1
        if alternatives > 1 and len(self.fields) > 1 and not self.habits.or_on_two_fields:
            raise Refused("The 'OR' operator is not supported on distinct fields on an OData filter.")
        self.fields |= outer
        return found

    def both(self) -> bool:
        found = self.one()
        while self.peek() == ("word", "and"):
            self.take()
            found = self.one() and found
        return found

    def one(self) -> bool:
        if self.peek() == ("open", "("):
            self.take()
            found = self.either()
            self.take("close")
            return found
        if self.peek() == ("word", "startswith"):
            self.take()
            self.take("open")
            path = self.field()
            self.take("comma")
            start = self.take("text")
            self.take("close")
            value = self.row.get(path)
            return isinstance(value, str) and self.fold(value).startswith(self.fold(_unquoted(start)))
        path, operator = self.field(), self.take("word")
        if operator not in _OPERATORS:
            raise Refused(operator)
        literal = self.take()
        return self.compare(self.row.get(path), operator, literal)

    def field(self) -> str:
        path = self.take("word")
        if path not in self.row:
            raise Refused(f"Could not find a property named '{path}'")
        self.fields.add(path)
        return path

    def fold(self, text: str) -> str:
        return text.rstrip(" ").casefold() if self.habits.ignores_case else text

    def compare(self, value: Any, operator: str, literal: str) -> bool:
        if literal == "null":
            if not self.habits.nulls or operator not in ("eq", "ne"):
                raise Refused("null")
            return (value is None) is (operator == "eq")
        if value is None:
            return operator == "ne"
        read: Callable[[Any], Any]
        if literal.endswith("'"):
            if not isinstance(value, str):
                raise Refused(f"{literal} against {value}")
            own, other = self.fold(value), self.fold(_unquoted(literal))
        elif isinstance(value, bool):
            own, other = value, {"true": True, "false": False}[literal]
        elif isinstance(value, int | float | Decimal):
            own, other = Decimal(value), Decimal(literal)
        else:
            read = _read
            own, other = read(value), read(literal)
        return bool(
            {"eq": own == other, "ne": own != other}[operator]
            if operator in ("eq", "ne")
            else {"lt": own < other, "le": own <= other, "gt": own > other, "ge": own >= other}[operator]
        )


def _unquoted(text: str) -> str:
    return text[text.index("'") + 1 : -1].replace("''", "'")


def _read(text: str) -> Any:
    """A moment or time to any number of digits; a date and a GUID as text."""
    if found := _MOMENT.match(text):
        *parts, fraction = found.groups()
        return (*map(int, parts), Decimal("0." + (fraction or "0")))
    if found := _TIME.match(text):
        *parts, fraction = found.groups()
        return (*map(int, parts), Decimal("0." + (fraction or "0")))
    if re.match(r"[\dA-Fa-f-]{10,36}\Z", text):
        return text.lower()
    raise Refused(text)

"""``$filter`` as a function of a row, with the strictness of the services: names that exist, literals of the right type.

comparison   eq ne gt ge lt le, and or not, parentheses
functions    startswith endswith contains (and tolower toupper, ``in`` where the dialect knows them)
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.odata.schema import EntitySet, Prop

Values = Mapping[str, Any]
Test = Callable[[Values], bool]


class BadFilter(Exception):
    """The expression cannot be understood; the text is the service's."""


@dataclass(frozen=True)
class Dialect:
    """What differs between the services."""

    ignores_case: bool = False  # and accents and trailing blanks, as a SQL Server collation does
    orders_like_people: bool = False  # text is ordered without regard to case
    null_differs: bool = True  # `x ne 'a'` holds where x is null
    or_on_two_fields: bool = True
    functions: frozenset[str] = frozenset({"startswith", "endswith", "contains"})
    has_in: bool = False
    lookup_names: bool = False  # a lookup is `_name_value`
    #: Text that stands for "nothing" (Business Central has no null text).
    null_text: str | None = None

    def equal(self, value: Any) -> Any:
        return fold(value) if self.ignores_case and isinstance(value, str) else value

    def order(self, value: Any) -> Any:
        return fold(value) if self.orders_like_people and isinstance(value, str) else value


def fold(value: str) -> str:
    plain = unicodedata.normalize("NFD", value.rstrip(" "))
    return "".join(each for each in plain if not unicodedata.combining(each)).casefold()


TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})
    | (?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:\d\d))
    | (?P<date>\d{4}-\d\d-\d\d(?![\dT]))
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]))
    | (?P<word>[A-Za-z_][\w./]*)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
INTEGERS = {"Int16": 2**15, "Int32": 2**31, "Int64": 2**63}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def compile_filter(text: str, shape: EntitySet, dialect: Dialect) -> Test:
    """Raises BadFilter."""
    return _Parser(text, shape, dialect).whole()


def tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadFilter(f"Syntax error at position {at} in '{text}'.")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return found


class _Parser:
    def __init__(self, text: str, shape: EntitySet, dialect: Dialect) -> None:
        self.text, self.shape, self.dialect = text, shape, dialect
        self.tokens = tokens(text)
        self.at = 0
        if dialect.lookup_names:
            self.names = {
                (f"_{prop.name}_value" if prop.is_lookup else prop.name): prop
                for prop in shape.props.values()
            }
        else:
            self.names = dict(shape.props)

    def whole(self) -> Test:
        if not self.tokens:
            raise BadFilter("The expression is empty.")
        test, _fields = self.either()
        if self.at < len(self.tokens):
            raise self.wrong()
        return test

    def wrong(self) -> BadFilter:
        return BadFilter(f"Syntax error at position {self.at} in '{self.text}'.")

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, kind: str = "", text: str = "") -> str:
        found = self.peek()
        if (kind and found[0] != kind) or (text and found[1] != text):
            raise self.wrong()
        self.at += 1
        return found[1]

    def is_word(self, text: str) -> bool:
        return self.peek() == ("word", text)

    # -- logic ---------------------------------------------------------------------------------------------------------

    def either(self) -> tuple[Test, set[str]]:
        tests, fields = [], set()
        keys: list[tuple[str, Any] | None] = []
        while True:
            start = self.at
            test, found = self.both()
            tests.append(test)
            fields |= found
            keys.append(self._equality(start))
            if not self.is_word("or"):
                break
            self.at += 1
        if len(tests) == 1:
            return tests[0], fields
        if not self.dialect.or_on_two_fields and len(fields) > 1:
            raise BadFilter("The 'OR' operator is not supported on distinct fields on an OData filter.")
        equal = [each for each in keys if each is not None]
        if len(equal) == len(tests) and len({name for name, _value in equal}) == 1:  # id eq … or id eq …
            name, wanted = equal[0][0], {value for _name, value in equal}
            meaning = self.dialect.equal
            return (lambda row: meaning(row[name]) in wanted), fields
        return (lambda row: any(test(row) for test in tests)), fields

    def _equality(self, start: int) -> tuple[str, Any] | None:
        """``name eq literal`` if that is all that stands since ``start``: many of them are looked up in a set."""
        part = self.tokens[start : self.at]
        if (
            len(part) != 3
            or part[1] != ("word", "eq")
            or part[2][1] == "null"
            or part[0][1] not in self.names
        ):
            return None
        prop = self.names[part[0][1]]
        return prop.name, self.dialect.equal(self.literal(prop, *part[2]))

    def both(self) -> tuple[Test, set[str]]:
        tests, fields = [], set()
        while True:
            test, found = self.one()
            tests.append(test)
            fields |= found
            if not self.is_word("and"):
                break
            self.at += 1
        if len(tests) == 1:
            return tests[0], fields
        return (lambda row: all(test(row) for test in tests)), fields

    def one(self) -> tuple[Test, set[str]]:
        kind, text = self.peek()
        if (kind, text) == ("word", "not"):
            self.at += 1
            inner, fields = self.one()
            return (lambda row: not inner(row)), fields
        if (kind, text) == ("mark", "("):
            self.at += 1
            inner, fields = self.either()
            self.take("mark", ")")
            return inner, fields
        if kind == "word" and self.tokens[self.at + 1 : self.at + 2] == [("mark", "(")]:
            if text in ("tolower", "toupper"):
                return self.comparison()
            return self.function()
        return self.comparison()

    def function(self) -> tuple[Test, set[str]]:
        name = self.take("word")
        if name not in self.dialect.functions:
            raise BadFilter(f"An unknown function with name '{name}' was found.")
        self.take("mark", "(")
        prop, change = self.operand()
        if prop.type != "String":
            raise BadFilter(
                f"No function signature for the function with name '{name}' matches the arguments."
            )
        self.take("mark", ",")
        wanted = self.dialect.equal(self.literal(prop, *self._token()))
        self.take("mark", ")")
        meaning = self.dialect.equal
        if self.dialect.ignores_case:
            wanted = wanted or ""

        def test(row: Values) -> bool:
            value = row[prop.name]
            if value is None:
                return False
            value = meaning(change(value))
            if name == "startswith":
                return bool(value.startswith(wanted))
            if name == "endswith":
                return bool(value.endswith(wanted))
            return wanted in value

        return test, {prop.name}

    def operand(self) -> tuple[Prop, Callable[[Any], Any]]:
        name = self.take("word")
        if name in ("tolower", "toupper") and name in self.dialect.functions:
            self.take("mark", "(")
            prop, _same = self.operand()
            self.take("mark", ")")
            return prop, (str.lower if name == "tolower" else str.upper)
        if name not in self.names:
            raise BadFilter(f"Could not find a property named '{name}' on type '{self.shape.type_name}'.")
        return self.names[name], lambda value: value

    def comparison(self) -> tuple[Test, set[str]]:
        prop, change = self.operand()
        verb = self.take("word")
        if verb == "in" and self.dialect.has_in:
            return self.member_of(prop), {prop.name}
        if verb not in ("eq", "ne", *COMPARE):
            raise self.wrong()
        literal = self.literal(prop, *self._token())
        return self._compare(prop, change, verb, literal), {prop.name}

    def member_of(self, prop: Prop) -> Test:
        self.take("mark", "(")
        wanted = {self.dialect.equal(self.literal(prop, *self._token()))}
        while self.peek() == ("mark", ","):
            self.at += 1
            wanted.add(self.dialect.equal(self.literal(prop, *self._token())))
        self.take("mark", ")")
        meaning = self.dialect.equal
        return lambda row: meaning(row[prop.name]) in wanted

    def _token(self) -> tuple[str, str]:
        found = self.peek()
        self.at += 1
        return found

    def _compare(self, prop: Prop, change: Callable[[Any], Any], verb: str, literal: Any) -> Test:
        name, equal, order = prop.name, self.dialect.equal, self.dialect.order
        if verb == "eq":
            wanted = equal(literal)
            if literal is None:
                return lambda row: row[name] is None
            return lambda row: row[name] is not None and equal(change(row[name])) == wanted
        if verb == "ne":
            wanted, null = equal(literal), self.dialect.null_differs
            if literal is None:
                return lambda row: row[name] is not None
            return lambda row: null if row[name] is None else equal(change(row[name])) != wanted
        if literal is None:
            return lambda row: False
        if prop.type in ("Boolean", "Enum"):
            raise BadFilter(f"The operator '{verb}' is not supported for 'Edm.{prop.type}'.")
        compare, limit = COMPARE[verb], order(literal)
        return lambda row: row[name] is not None and compare(order(change(row[name])), limit)

    # -- literals ------------------------------------------------------------------------------------------------------

    def literal(self, prop: Prop, kind: str, text: str) -> Any:
        if (kind, text) == ("word", "null"):
            return None
        value = typed_literal(prop, kind, text)
        if value is None:
            raise BadFilter(
                "A binary operator with incompatible types was detected. Found operand types "
                f"'Edm.{prop.type}' and '{text}' for property '{prop.name}'."
            )
        return value.strip().upper() if prop.code else value


def typed_literal(prop: Prop, kind: str, text: str) -> Any:
    """The canonical value of a literal for this property; None where it is not one of its type."""
    if prop.type == "String":
        return text[1:-1].replace("''", "'") if kind == "text" else None
    if prop.type == "Enum":
        found = text[1:-1] if kind == "text" else ""
        found = " " if found == "_x0020_" else found
        return found if found in prop.members else None
    if prop.type == "Guid":
        return text.lower() if kind == "guid" else None
    if prop.type == "Boolean":
        return {"true": True, "false": False}.get(text) if kind == "word" else None
    if prop.type == "Date":
        return text if kind == "date" and is_day(text) else None
    if prop.type == "DateTimeOffset":
        return instant_of(text) if kind == "instant" else None
    if kind != "number":
        return None
    if prop.type in INTEGERS:
        if not re.fullmatch(r"-?\d+", text):
            return None
        number = int(text)
        return number if -INTEGERS[prop.type] <= number < INTEGERS[prop.type] else None
    return Decimal(text)


def is_day(text: str) -> bool:
    """Whether the calendar has this day."""
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)")


def instant_of(text: str) -> str | None:
    """An instant of the wire as it is stored, every digit kept; None where it is none."""
    match = INSTANT.fullmatch(text)
    if match is None:
        return None
    date, minutes, seconds, digits, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{minutes}{seconds or ':00'}{zone.replace('Z', '+00:00')}")
        whole = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    except (ValueError, OverflowError):
        return None
    digits = (digits or "").rstrip("0")
    return f"{whole}.{digits}" if digits else whole

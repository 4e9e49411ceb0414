"""The canonical text of a value: what decide compares, stores and hashes (ENGINE §4).

JSON text, the same for equal values whatever app they come from: text NFC without CHAR padding; numbers plain
decimal without trailing zeros (floats by ``repr``); booleans; ISO dates; instants in UTC, cut to
``FieldInfo.fraction`` digits; GUIDs in lower case; binary as its sha256. Null, "" and the blank GUID are
None, unless ``keep_empty``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any, Final
from unicodedata import normalize
from uuid import UUID

from synccore.failures import Rejected
from synccore.shapes import FieldInfo, FieldType, Value

#: A value's text in failures is cut here; its ``length`` is told then.
SHOWN: Final = 2_000
#: Exponents beyond this (PostgreSQL's own limit of numeric) are no business number and would fill memory as
#: plain text.
MAX_EXPONENT: Final = 131_072

BLANK_GUID: Final = UUID(int=0)
TIMED: Final = frozenset({FieldType.INSTANT, FieldType.DATETIME, FieldType.TIME})

Canonizer = Callable[[Value], str | None]


def shown(value: object) -> dict[str, Any]:
    """``value`` (and ``length``, where it had to be cut) as JSON-able params of a failure."""
    match value:
        case None | bool():
            return {"value": value}
        case str():
            text = value.encode("utf-8", "replace").decode()
        case bytes() | bytearray() | memoryview():
            text = bytes(value[: SHOWN // 2]).hex()
            if len(value) > SHOWN // 2:
                return {"value": text + "…", "length": len(value)}
        case int():
            text = _digits(value)
        case Decimal() if value.is_finite() and not -MAX_EXPONENT < value.adjusted() < MAX_EXPONENT:
            text = str(value)
        case Decimal() if value.is_finite():
            text = plain(value)
        case datetime() | date() | time():
            text = value.isoformat()
        case _:
            text = str(value)
    if len(text) <= SHOWN:
        return {"value": text}
    return {"value": text[:SHOWN] + "…", "length": len(text)}


def rejected(code: str, field: str, value: object, **params: Any) -> Rejected:
    """A ``Rejected`` that names field and value, the value whole up to 2,000 characters."""
    return Rejected(code, {"field": field, **shown(value), **params})


def plain(number: Decimal) -> str:
    """A finite Decimal as plain decimal text without exponent, trailing zeros or negative zero."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def clock_text(value: datetime | time, fraction: int) -> str:
    """ISO text of a time of day or wall-clock reading, its second cut to ``fraction`` digits, no trailing
    zeros."""
    micro = value.microsecond
    if fraction < 6 and micro:
        step = 10 ** (6 - max(fraction, 0))
        micro -= micro % step
    text = value.replace(microsecond=micro, tzinfo=None).isoformat()
    return text.rstrip("0") if micro else text


def decimal_of(value: Value) -> Decimal | None:
    """The exact number, floats by their shortest text; None where ``value`` is not a finite number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite():
        return value
    return None


def guid_of(value: Value) -> UUID | None:
    """The GUID a value is or spells; None where it is none."""
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value.strip())
        except ValueError:
            return None
    return None


def canonizer(info: FieldInfo | None, *, keep_empty: bool = False) -> Canonizer:
    """A function value → canonical text for one field, made once and called for every record.

    Raises from that function: ``Rejected("invalid_value")`` for a value that is not of the field's type, and
    ``Rejected("zone_missing")`` for a naive instant.
    """
    if info is None:
        return lambda value: canon(value, infer(value), keep_empty=keep_empty)
    name, fraction, padded = info.name, info.fraction, info.padded
    expected = info.type.value

    def bad(value: Value, code: str = "invalid_value") -> Rejected:
        return rejected(code, name, value, expected=expected)

    def text(value: Value) -> str | None:
        if value is None or (value == "" and not keep_empty):
            return None
        if not isinstance(value, str):
            raise bad(value)
        if padded:
            value = value.rstrip(" ")
            if not value and not keep_empty:
                return None
        if not value.isascii():
            value = normalize("NFC", value)
            try:
                value.encode()
            except UnicodeEncodeError:
                raise bad(value) from None
        return encode_basestring(value)

    def integer(value: Value) -> str | None:
        if value is None:
            return None
        if type(value) is int:
            return _digits(value)
        number = decimal_of(value)
        if number is None or number.adjusted() > MAX_EXPONENT or number != number.to_integral_value():
            raise bad(value)
        return plain(number)

    def number(value: Value) -> str | None:
        if value is None:
            return None
        if type(value) is int:
            return _digits(value)
        exact = decimal_of(value)
        if exact is None or not -MAX_EXPONENT < exact.adjusted() < MAX_EXPONENT:
            raise bad(value)
        return plain(exact)

    def boolean(value: Value) -> str | None:
        if value is None:
            return None
        if value is True:
            return "true"
        if value is False:
            return "false"
        raise bad(value)

    def day(value: Value) -> str | None:
        if value is None:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise bad(value)
        return f'"{value.isoformat()}"'

    def clock(value: Value) -> str | None:
        if value is None:
            return None
        if not isinstance(value, time) or value.tzinfo is not None:
            raise bad(value)
        return f'"{clock_text(value, fraction)}"'

    def wall(value: Value) -> str | None:
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is not None:
            raise bad(value)
        return f'"{clock_text(value, fraction)}"'

    def instant(value: Value) -> str | None:
        if value is None:
            return None
        if not isinstance(value, datetime):
            raise bad(value)
        if value.utcoffset() is None:
            raise bad(value, "zone_missing")
        try:
            return f'"{clock_text(value.astimezone(UTC), fraction)}Z"'
        except OverflowError:
            raise bad(value) from None

    def guid(value: Value) -> str | None:
        if value is None or value == "":
            return None
        found = guid_of(value)
        if found is None:
            raise bad(value)
        if found == BLANK_GUID and not keep_empty:
            return None
        return f'"{found}"'

    def binary(value: Value) -> str | None:
        if value is None:
            return None
        if not isinstance(value, bytes):
            raise bad(value)
        if not value and not keep_empty:
            return None
        return f'"sha256:{sha256(value).hexdigest()}"'

    by_type: dict[FieldType, Canonizer] = {
        FieldType.TEXT: text,
        FieldType.INTEGER: integer,
        FieldType.DECIMAL: number,
        FieldType.FLOAT: number,
        FieldType.BOOLEAN: boolean,
        FieldType.DATE: day,
        FieldType.TIME: clock,
        FieldType.DATETIME: wall,
        FieldType.INSTANT: instant,
        FieldType.GUID: guid,
        FieldType.BINARY: binary,
    }
    return by_type[info.type]


def _digits(value: int) -> str:
    """``str`` of an int of any size (CPython refuses more than 4,300 digits there, for text from the
    outside)."""
    return str(value) if -(10**18) < value < 10**18 else plain(Decimal(value))


def canon(value: Value, info: FieldInfo | None, *, keep_empty: bool = False) -> str | None:
    """Canonical JSON text of a value, None for empty. Without ``info`` the type is taken from the value
    itself.

    Raises ``Rejected`` (``invalid_value``, ``zone_missing``) with ``field``, ``value`` and ``expected``,
    nothing else.
    """
    return canonizer(info or infer(value), keep_empty=keep_empty)(value)


def infer(value: Value) -> FieldInfo:
    """A description that fits a value of which only the Python type is known."""
    match value:
        case bool():
            kind = FieldType.BOOLEAN
        case int():
            kind = FieldType.INTEGER
        case float():
            kind = FieldType.FLOAT
        case Decimal():
            kind = FieldType.DECIMAL
        case datetime():
            kind = FieldType.DATETIME if value.tzinfo is None else FieldType.INSTANT
        case date():
            kind = FieldType.DATE
        case time():
            kind = FieldType.TIME
        case UUID():
            kind = FieldType.GUID
        case bytes():
            kind = FieldType.BINARY
        case _:
            kind = FieldType.TEXT
    return FieldInfo(name="", type=kind)


def canon_pair_info(
    left: FieldInfo | None, right: FieldInfo | None
) -> tuple[FieldInfo | None, FieldInfo | None]:
    """Both descriptions with times cut to the coarser side's digits, so that a finer side is not "changed" by
    them."""
    if left is None or right is None or left.type not in TIMED or right.type not in TIMED:
        return left, right
    fraction = min(left.fraction, right.fraction)
    return (
        left if left.fraction == fraction else replace(left, fraction=fraction),
        right if right.fraction == fraction else replace(right, fraction=fraction),
    )


def parse(text: str | None, info: FieldInfo | None) -> Value:
    """The typed value a canonical text stands for; the inverse of :func:`canon`.

    Binary cannot come back from its hash: ``Rejected("invalid_value")``, like text that is no canonical value
    of the type.
    """
    if text is None:
        return None
    name = info.name if info else ""
    kind = info.type if info else None
    try:
        if kind in (FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT):
            return _parse_number(text, kind)
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation, OverflowError, RecursionError):
        raise rejected("invalid_value", name, text, expected=kind.value if kind else "json") from None
    if kind is None and (value is None or isinstance(value, str | int | bool | Decimal)):
        return value
    if value is None:
        return None
    if kind is FieldType.BOOLEAN and isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            if kind is FieldType.TEXT:
                return value
            if kind is FieldType.DATE:
                return date.fromisoformat(value)
            if kind is FieldType.TIME:
                return time.fromisoformat(value)
            if kind is FieldType.DATETIME:
                moment = datetime.fromisoformat(value)
                if moment.tzinfo is None:
                    return moment
            if kind is FieldType.INSTANT:
                moment = datetime.fromisoformat(value)
                if moment.tzinfo is not None:
                    return moment.astimezone(UTC)
            if kind is FieldType.GUID:
                return UUID(value)
        except (ValueError, OverflowError):
            pass
    raise rejected("invalid_value", name, text, expected=kind.value if kind else "json")


def _parse_number(text: str, kind: FieldType) -> Value:
    if text == "null":
        return None
    number = Decimal(text)
    if not number.is_finite() or not -MAX_EXPONENT < number.adjusted() < MAX_EXPONENT:
        raise ValueError(text)
    if kind is FieldType.DECIMAL:
        return number
    if kind is FieldType.FLOAT:
        return float(number)
    if number != number.to_integral_value():
        raise ValueError(text)
    return int(number)

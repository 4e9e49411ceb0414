"""Between the types of two apps without losing anything (ENGINE §2): digits, zone or text that the
destination cannot hold are ``Rejected``; only an explicit transformation (``engine/transforms.py``) may drop
them.

Two things are no loss, because the canonical value does not count them: padding of a CHAR, and digits of a
second finer than the destination keeps (they are cut here rather than rounded up by the app).

Of an INTEGER the described ``precision`` is its width in bits; of a FLOAT, 24 means single precision.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID

from synccore.engine.canonical import (
    BLANK_GUID,
    MAX_EXPONENT,
    clock_text,
    decimal_of,
    guid_of,
    plain,
    rejected,
)
from synccore.failures import Rejected
from synccore.shapes import FieldInfo, FieldType, Value

#: Leading zeros or a plus are text that a number would lose: account 00123, phone +4712345678.
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?\Z", re.ASCII)
_FINER: Final = re.compile(r"[.,]\d{7,}")

Converter = Callable[[Value], Value]


def convert(value: Value, source: FieldInfo | None, destination: FieldInfo) -> Value:
    """``value`` of a ``source`` field as ``destination`` takes it.

    Raises ``Rejected``, naming the destination's field: ``value_too_long {field, value, limit, length}``,
    ``number_too_precise {field, value, limit}``, ``number_out_of_range {field, value, limit}``,
    ``invalid_value {field, value, expected}``, ``zone_missing {field, value, expected}``.
    """
    return converter(source, destination)(value)


def converter(source: FieldInfo | None, destination: FieldInfo) -> Converter:
    """The same, made once per field. The value's own type leads, since a transformation may have changed
    it."""
    padded = source is not None and source.padded
    inner = _BY_TYPE[destination.type]

    def run(value: Value) -> Value:
        if padded and isinstance(value, str):
            value = value.rstrip(" ")
        if value is None:
            return None
        return inner(value, destination)

    return run


def _bad(value: Value, info: FieldInfo, code: str = "invalid_value") -> Rejected:
    return rejected(code, info.name, value, expected=info.type.value)


def _text(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, str):
        text = value.rstrip(" ") if info.padded else value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | float | Decimal):
        text = plain(_number(value, info))
    elif isinstance(value, datetime):
        text = _moment_text(value, info)
    elif isinstance(value, date):
        text = value.isoformat()
    elif isinstance(value, time) and value.tzinfo is None:
        text = clock_text(value, 6)
    elif isinstance(value, UUID):
        if value == BLANK_GUID:
            return None
        text = str(value)
    else:
        raise _bad(value, info)
    if info.length is not None and len(text) > info.length:
        raise Rejected(
            "value_too_long",
            {**rejected("", info.name, value).params, "limit": info.length, "length": len(text)},
        )
    return text


def _moment_text(value: datetime, info: FieldInfo) -> str:
    if value.tzinfo is None:
        return clock_text(value, 6)
    return clock_text(_utc(value, info), 6) + "Z"


def _utc(value: datetime, info: FieldInfo) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise _bad(value, info) from None


def _number(value: Value, info: FieldInfo) -> Decimal:
    """The exact number a value is or spells."""
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, str):
        if not _NUMBER.match(value):
            raise _bad(value, info)
        try:
            value = Decimal(value)
        except InvalidOperation:
            raise _bad(value, info) from None
    number = decimal_of(value)
    if number is None:
        raise _bad(value, info)
    if not -MAX_EXPONENT < number.adjusted() < MAX_EXPONENT:
        raise rejected("number_out_of_range", info.name, value, limit=f"1e{MAX_EXPONENT}")
    return number


def _integer(value: Value, info: FieldInfo) -> Value:
    if value == "":
        return None
    number = _number(value, info)
    if number != number.to_integral_value():
        raise rejected("number_too_precise", info.name, value, limit=0)
    whole = int(number)
    if info.precision is not None and not -(1 << (info.precision - 1)) <= whole < 1 << (info.precision - 1):
        edge = -(1 << (info.precision - 1)) if whole < 0 else (1 << (info.precision - 1)) - 1
        raise rejected("number_out_of_range", info.name, value, limit=str(edge))
    return whole


def _decimal(value: Value, info: FieldInfo) -> Value:
    if value == "":
        return None
    number = _number(value, info)
    whole, _, digits = plain(number).lstrip("-").partition(".")
    scale = info.scale if info.scale is not None else (0 if info.precision is not None else None)
    if scale is not None and len(digits) > scale:
        raise rejected("number_too_precise", info.name, value, limit=scale)
    if info.precision is not None:
        room = info.precision - (scale or 0)
        if len(whole.lstrip("0")) > room:
            limit = ("9" * room or "0") + ("." + "9" * scale if scale else "")
            raise rejected("number_out_of_range", info.name, value, limit=limit)
    return number


def _float(value: Value, info: FieldInfo) -> Value:
    if value == "":
        return None
    number = _number(value, info)
    single = info.precision == 24
    result = float(number)
    if single:
        result = _single(result)
    if result in (float("inf"), float("-inf")):
        raise rejected(
            "number_out_of_range",
            info.name,
            value,
            limit="3.4028235e38" if single else "1.7976931348623157e308",
        )
    if Decimal(repr(result)) != number:
        raise rejected("number_too_precise", info.name, value, limit=6 if single else 15)
    return result


def _single(value: float) -> float:
    """The shortest number that a four-byte float of this value prints as."""
    try:
        packed = struct.pack("f", value)
    except OverflowError:
        return float("inf")
    stored: float = struct.unpack("f", packed)[0]
    for digits in range(1, 10):
        short = float(f"{stored:.{digits}g}")
        with suppress(OverflowError):  # rounded up beyond the largest single
            if struct.pack("f", short) == packed:
                return short
    return stored


def _boolean(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, bool):
        return value
    if value == "":
        return None
    if isinstance(value, str):
        if value in ("true", "false"):
            return value == "true"
    else:
        number = decimal_of(value)
        if number is not None and number in (0, 1):
            return bool(number)
    raise _bad(value, info)


def _date(value: Value, info: FieldInfo) -> Value:
    if value == "":
        return None
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise _bad(value, info) from None
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise _bad(value, info, "zone_missing")
        if value.time() == time():
            return value.date()
        raise _bad(value, info)
    if isinstance(value, date):
        return value
    raise _bad(value, info)


def _time(value: Value, info: FieldInfo) -> Value:
    if value == "":
        return None
    if isinstance(value, str):
        _not_finer(value, info)
        try:
            value = time.fromisoformat(value)
        except ValueError:
            raise _bad(value, info) from None
    if isinstance(value, time) and value.tzinfo is None:
        return value.replace(microsecond=_cut(value.microsecond, info.fraction))
    raise _bad(value, info)


def _moment(value: Value, info: FieldInfo) -> datetime | None:
    if value == "":
        return None
    if isinstance(value, str):
        _not_finer(value, info)
        if len(value) > 10:
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass
        raise _bad(value, info)
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise _bad(value, info)


def _datetime(value: Value, info: FieldInfo) -> Value:
    moment = _moment(value, info)
    if moment is None:
        return None
    if moment.tzinfo is not None:
        raise _bad(value, info, "zone_missing")
    return moment.replace(microsecond=_cut(moment.microsecond, info.fraction))


def _instant(value: Value, info: FieldInfo) -> Value:
    moment = _moment(value, info)
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise _bad(value, info, "zone_missing")
    moment = _utc(moment, info)
    return moment.replace(microsecond=_cut(moment.microsecond, info.fraction))


def _not_finer(text: str, info: FieldInfo) -> None:
    """More digits of a second than we can hold would vanish in the parser."""
    if _FINER.search(text):
        raise rejected("number_too_precise", info.name, text, limit=6)


def _cut(micro: int, fraction: int) -> int:
    return micro if fraction >= 6 else micro - micro % 10 ** (6 - max(fraction, 0))


def _guid(value: Value, info: FieldInfo) -> Value:
    if value == "":
        return None
    found = guid_of(value)
    if found is None:
        raise _bad(value, info)
    return found if found != BLANK_GUID else None


def _binary(value: Value, info: FieldInfo) -> Value:
    if not isinstance(value, bytes):
        if value == "":
            return None
        raise _bad(value, info)
    if info.length is not None and len(value) > info.length:
        raise Rejected(
            "value_too_long",
            {**rejected("", info.name, value).params, "limit": info.length, "length": len(value)},
        )
    return value


_BY_TYPE: Final[dict[FieldType, Callable[[Value, FieldInfo], Value]]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.FLOAT: _float,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.DATETIME: _datetime,
    FieldType.INSTANT: _instant,
    FieldType.GUID: _guid,
    FieldType.BINARY: _binary,
}

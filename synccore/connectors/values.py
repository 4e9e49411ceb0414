"""Values on their way into an app: converted without losing anything, or refused.

The one place that keeps the promise of the contract: no digit, zone or character is dropped silently. What the described
field cannot hold exactly comes out as ``Rejected`` naming field, value and limit, before the app is asked.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from synccore.failures import Rejected
from synccore.shapes import UNSTORABLE, FieldInfo, FieldType, Value

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}\Z")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\Z", re.ASCII)
#: Longer values are cut in failures; ``length`` tells the whole length then.
SHOWN: Final = 2_000
_BOOLEANS: Final = {"true": True, "false": False}


def shown(value: object) -> str:
    """A value as failures quote it: storable text, whole up to :data:`SHOWN` characters. Bytes are only counted."""
    text = written(value)
    if UNSTORABLE.search(text):
        text = UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def written(value: object) -> str:
    """A value as plain text: numbers without exponent, ISO dates, GUIDs in lower case. Bytes are only counted."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and -50 < value.adjusted() < 400 else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def refuse(code: str, table: str, info: FieldInfo, value: object, **params: Any) -> Rejected:
    """``Rejected`` about one value of one field, with the facts every such code sends."""
    return Rejected(code, {"table": table, "field": info.name, "value": shown(value), **params})


def fit(table: str, info: FieldInfo, value: Value) -> Value:
    """``value`` as exactly the Python type of ``info.type`` (see :data:`synccore.shapes.Value`), or refused.

    Text is taken for every type where it denotes exactly one value of it; no other conversion is attempted, so a number
    never becomes a boolean or a date a moment.

    Raises:
        Rejected: ``invalid_value``, ``value_too_long``, ``number_too_precise``, ``number_out_of_range``,
            ``time_too_precise``, ``zone_missing`` (zone and type do not go together), ``unstorable_character``.
    """
    if value is None:
        return None
    return _FIT[info.type](table, info, value)


def parse(table: str, info: FieldInfo, text: str) -> Value:
    """The value that canonical ``text`` denotes for ``info``; limits of the field (length, digits) do not apply.

    Raises:
        Rejected: ``invalid_value``.
    """
    return fit(table, FieldInfo(info.name, info.type), text)


def _text(table: str, info: FieldInfo, value: Value) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes):
        raise _invalid(table, info, value)
    else:
        text = written(value)
    if found := UNSTORABLE.search(text):
        raise refuse("unstorable_character", table, info, text, character=f"U+{ord(found[0]):04X}")
    if info.length is not None and len(text) > info.length:
        raise refuse("value_too_long", table, info, text, limit=info.length, length=len(text))
    return text


def _integer(table: str, info: FieldInfo, value: Value) -> int:
    number: int
    if isinstance(value, bool):
        raise _invalid(table, info, value)
    if isinstance(value, int):
        number = value
    elif isinstance(value, Decimal | float):
        if not math.isfinite(value):
            raise _invalid(table, info, value)
        if value != (number := int(value)):
            raise refuse("number_too_precise", table, info, value, limit=0)
    elif isinstance(value, str) and _INTEGER.match(value):
        number = int(value)
    elif isinstance(value, str) and _DECIMAL.match(value):
        return _integer(table, info, Decimal(value))
    else:
        raise _invalid(table, info, value)
    if info.precision is not None:
        bound = 1 << (info.precision - 1)
        if not -bound <= number < bound:
            raise refuse(
                "number_out_of_range", table, info, value, limit=str(-bound if number < 0 else bound - 1)
            )
    return number


def _decimal(table: str, info: FieldInfo, value: Value) -> Decimal:
    if isinstance(value, bool):
        raise _invalid(table, info, value)
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(repr(value))
    elif isinstance(value, str) and (_DECIMAL.match(value) or value in ("NaN", "Infinity", "-Infinity")):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise _invalid(table, info, value) from None
    else:
        raise _invalid(table, info, value)
    if number.is_snan():
        raise _invalid(table, info, value)
    if number.is_infinite() and info.precision is not None:
        raise refuse("number_out_of_range", table, info, value, limit=_largest(info))
    if not number.is_finite():
        return number
    if not number:
        return Decimal(0)
    exponent = number.as_tuple().exponent
    scale = info.scale if info.scale is not None else _MAX_SCALE
    if isinstance(exponent, int) and -exponent > scale and _decimals(number) > scale:
        raise refuse("number_too_precise", table, info, value, limit=scale)
    whole = info.precision - (info.scale or 0) if info.precision is not None else _MAX_WHOLE
    if number.adjusted() >= whole:
        raise refuse("number_out_of_range", table, info, value, limit=_largest(info))
    return number


def _largest(info: FieldInfo) -> str:
    """The largest number a DECIMAL takes, as people write it."""
    if info.precision is None:
        return f"1e{_MAX_WHOLE}"
    scale = info.scale or 0
    nines = "9" * info.precision
    if scale <= 0:
        return nines + "0" * -scale
    whole = info.precision - scale
    return f"{nines[:whole]}.{'9' * scale}" if whole > 0 else f"0.{nines.rjust(scale, '0')}"


#: Digits after and before the point of a DECIMAL without declared precision (PostgreSQL's own bounds for numeric).
_MAX_SCALE: Final = 16383
_MAX_WHOLE: Final = 131072


def _decimals(number: Decimal) -> int:
    """Fractional digits that carry value: trailing zeros do not; below 0 for a multiple of a power of ten."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return -exponent - trailing


def _float(table: str, info: FieldInfo, value: Value) -> float:
    if isinstance(value, bool):
        raise _invalid(table, info, value)
    if isinstance(value, float):
        number = value
    elif isinstance(value, int | Decimal) or (
        isinstance(value, str) and (_DECIMAL.match(value) or value in ("NaN", "Infinity", "-Infinity"))
    ):
        try:
            number = float(value)
        except OverflowError:
            raise refuse("number_out_of_range", table, info, value, limit="1.7976931348623157e308") from None
        if not isinstance(value, float) and math.isfinite(number) and Decimal(repr(number)) != Decimal(value):
            raise refuse("number_too_precise", table, info, value, limit=15)
        if math.isinf(number) and Decimal(value).is_finite():
            raise refuse("number_out_of_range", table, info, value, limit="1.7976931348623157e308")
    else:
        raise _invalid(table, info, value)
    if info.precision == 24:  # single precision: 24 binary digits
        _check_single(table, info, number)
    return number


def _check_single(table: str, info: FieldInfo, number: float) -> None:
    """A single-precision field gives back the shortest decimal that names the stored number; only such numbers pass."""
    if not math.isfinite(number) or not number:
        return
    try:
        packed = struct.pack("<f", number)
    except OverflowError:
        raise refuse("number_out_of_range", table, info, number, limit="3.4028235e38") from None
    stored = struct.unpack("<f", packed)[0]
    if stored:
        for digits in range(1, 10):
            shortest = float(f"{stored:.{digits}g}")
            try:
                same = struct.pack("<f", shortest) == packed
            except OverflowError:  # rounded up beyond the largest single
                continue
            if same:
                if shortest == number:
                    return
                break
    raise refuse("number_too_precise", table, info, number, limit=6)


def _boolean(table: str, info: FieldInfo, value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _BOOLEANS:
        return _BOOLEANS[value]
    raise _invalid(table, info, value)


def _date(table: str, info: FieldInfo, value: Value) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise _invalid(table, info, value)


def _time(table: str, info: FieldInfo, value: Value) -> time:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            raise _invalid(table, info, value) from None
    if not isinstance(value, time):
        raise _invalid(table, info, value)
    if value.tzinfo is not None:
        raise refuse("zone_missing", table, info, value, expected=info.type.value)
    _check_fraction(table, info, value, value.microsecond)
    return value


def _moment(table: str, info: FieldInfo, value: Value) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _invalid(table, info, value) from None
    if not isinstance(value, datetime):
        raise _invalid(table, info, value)
    aware = value.utcoffset() is not None
    if aware != (info.type is FieldType.INSTANT):
        raise refuse("zone_missing", table, info, value, expected=info.type.value)
    if aware:
        try:
            value = value.astimezone(UTC)
        except OverflowError:  # beyond year 1 or 9999 in UTC
            raise _invalid(table, info, value) from None
    _check_fraction(table, info, value, value.microsecond)
    return value.replace(fold=0) if value.fold else value


def _check_fraction(table: str, info: FieldInfo, value: Value, microsecond: int) -> None:
    if info.fraction < 6 and microsecond % 10 ** (6 - info.fraction):
        raise refuse("time_too_precise", table, info, value, limit=info.fraction)


def _guid(table: str, info: FieldInfo, value: Value) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise _invalid(table, info, value)


def _binary(table: str, info: FieldInfo, value: Value) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise _invalid(table, info, value)
    data = bytes(value)
    if info.length is not None and len(data) > info.length:
        raise refuse("value_too_long", table, info, data, limit=info.length, length=len(data))
    return data


def _invalid(table: str, info: FieldInfo, value: object) -> Rejected:
    return refuse("invalid_value", table, info, value, expected=info.type.value)


_FIT: Final[dict[FieldType, Callable[[str, FieldInfo, Value], Value]]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.DECIMAL: _decimal,
    FieldType.FLOAT: _float,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.INSTANT: _moment,
    FieldType.DATETIME: _moment,
    FieldType.GUID: _guid,
    FieldType.BINARY: _binary,
}

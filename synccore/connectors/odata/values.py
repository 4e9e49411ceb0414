"""Values between JSON and :data:`synccore.shapes.Value`, both ways, without losing anything.

Reading takes what a service may write (numbers as text, base64 in both alphabets, moments with any zone and any number of
digits, of which six count); writing gives what it wants, or refuses by name what a field cannot hold, before it is asked.
What a profile calls blank (``""``, the blank GUID, ``_x0020_``, ``0001-01-01``) is read as no value and written for none.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from synccore.connectors.odata.model import ENUM, Entity, Property, member_text
from synccore.connectors.odata.profile import Profile
from synccore.connectors.values import fit, refuse
from synccore.failures import Rejected
from synccore.shapes import FieldInfo, FieldType, Value

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,200}(\.[0-9]{1,200})?([eE][+-]?[0-9]{1,3})?\Z")
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII | re.IGNORECASE
)
_TIME: Final = re.compile(r"(\d\d:\d\d)(:\d\d)?(?:\.(\d+))?\Z", re.ASCII)
_NOT_FINITE: Final = {"INF": math.inf, "-INF": -math.inf, "NaN": math.nan}
_BLANK_GUID: Final = UUID(int=0)


# -- reading ------------------------------------------------------------------------------------------------------------


def field_reader(property: Property, profile: Profile) -> Callable[[Mapping[str, Any]], Value]:
    """A function that gives the field's value in a row (None where it lacks it); it raises as :func:`read_value`. A lookup
    that may point to several tables has one only where it points to this one (``property.kind_path`` tells, if asked)."""
    path, kind_path, bind = property.read_path, property.kind_path, property.bind
    read = _value_reader(property, profile)
    if bind is None or not kind_path:
        return lambda row: read(row.get(path))
    target = bind.target

    def lookup(row: Mapping[str, Any]) -> Value:
        kind = row.get(kind_path)
        return read(row.get(path)) if kind is None or kind == target else None

    return lookup


def read_value(property: Property, raw: Any, profile: Profile) -> Value:
    """One JSON value (numbers with a point as Decimal) as the description of the field says.

    Raises:
        Rejected: ``invalid_value`` where it is no value of the field's type.
    """
    return _value_reader(property, profile)(raw)


def _value_reader(property: Property, profile: Profile) -> Callable[[Any], Value]:
    if property.edm == ENUM:
        return lambda raw: None if raw is None else _read_enum(property, raw, profile)
    info, convert = property.info, _READ[property.info.type]

    def read(raw: Any) -> Value:
        if raw is None:
            return None
        try:
            value = convert(raw)
        except (ValueError, TypeError, OverflowError, InvalidOperation, binascii.Error):
            raise refuse("invalid_value", "", info, raw, expected=info.type.value) from None
        return None if _is_blank(value, profile) else value

    return read


def _is_blank(value: Value, profile: Profile) -> bool:
    if isinstance(value, str):
        return not value and profile.empty_text_is_null
    if isinstance(value, UUID):
        return profile.blank_guid is not None and value == _BLANK_GUID
    if isinstance(value, date):  # a moment too
        return profile.blank_date is not None and value.isoformat()[:10] == profile.blank_date
    return False


def _read_enum(property: Property, raw: Any, profile: Profile) -> Value:
    """Members as people read them; several of a flags enumeration joined by commas, as the service sends them."""
    if not isinstance(raw, str):
        raw = str(raw)
    if raw in property.members:
        return property.members[raw] or None
    if "," in raw:
        return ",".join(
            property.members.get(part, member_text(part, profile)) for part in map(str.strip, raw.split(","))
        )
    return member_text(raw, profile) or None


def _read_text(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if not isinstance(raw, int | Decimal):
        raise ValueError(raw)
    return format(_written_out(raw), "f") if isinstance(raw, Decimal) else str(raw)


def _written_out(number: Decimal) -> Decimal:
    """The number, if its digits are no text without end: nobody keeps one with a longer exponent. Raises ValueError."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 999:
        raise ValueError(number)
    return number


def _read_decimal(raw: Any) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal | str):
        raise ValueError(raw)
    if isinstance(raw, str) and not _NUMBER.match(raw):
        raise ValueError(raw)
    return _written_out(Decimal(repr(raw) if isinstance(raw, float) else raw))


def _read_integer(raw: Any) -> int:
    if type(raw) is int:
        return raw
    found = _read_decimal(raw)
    if found != (whole := int(found)):
        raise ValueError(raw)
    return whole


def _read_float(raw: Any) -> float:
    if isinstance(raw, str) and raw in _NOT_FINITE:
        return _NOT_FINITE[raw]
    return raw if isinstance(raw, float) else float(_read_decimal(raw))


def _read_boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw in ("true", "false"):
        return bool(raw == "true")
    raise ValueError(raw)


def _read_date(raw: Any) -> date:
    # Some services write the midnight of a day; the day is what it says, whatever zone the reader is in.
    if isinstance(raw, str) and re.match(r"\d{4}-\d\d-\d\d(T00:00:00(\.0+)?Z?)?\Z", raw, re.ASCII):
        return date.fromisoformat(raw[:10])
    raise ValueError(raw)


def _read_moment(raw: Any) -> datetime:
    if (found := _MOMENT.match(raw)) is None:
        raise ValueError(raw)
    day, clock, seconds, fraction, zone = found.groups()
    text = f"{day}T{clock}{seconds or ':00'}.{(fraction or '')[:6].ljust(6, '0')}"
    moment = datetime.fromisoformat(text + (zone or "Z").upper())
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first and the last day there is, in a zone away from UTC
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=UTC)


def _read_wall(raw: Any) -> datetime:
    """A clock reading that the service writes as if it were a moment in UTC."""
    return _read_moment(raw).replace(tzinfo=None)


def _read_time(raw: Any) -> time:
    if (found := _TIME.match(raw)) is None:
        raise ValueError(raw)
    clock, seconds, fraction = found.groups()
    return time.fromisoformat(f"{clock}{seconds or ':00'}.{(fraction or '')[:6].ljust(6, '0')}")


def _read_guid(raw: Any) -> UUID:
    if isinstance(raw, str):
        return UUID(raw)
    raise ValueError(raw)


def _read_binary(raw: Any) -> bytes:
    if not isinstance(raw, str):
        raise ValueError(raw)
    text = raw.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


_READ: Final[Mapping[FieldType, Callable[[Any], Value]]] = {
    FieldType.TEXT: _read_text,
    FieldType.INTEGER: _read_integer,
    FieldType.DECIMAL: _read_decimal,
    FieldType.FLOAT: _read_float,
    FieldType.BOOLEAN: _read_boolean,
    FieldType.DATE: _read_date,
    FieldType.TIME: _read_time,
    FieldType.INSTANT: _read_moment,
    FieldType.DATETIME: _read_wall,
    FieldType.GUID: _read_guid,
    FieldType.BINARY: _read_binary,
}


# -- writing ------------------------------------------------------------------------------------------------------------


def write_fields(
    entity: Entity, fields: Mapping[str, Value], profile: Profile, *, creating: bool
) -> dict[str, Any]:
    """The JSON members that give a record these fields; hand them to :func:`messages.dumps`.

    Left out are: for a new record, empty lookups, and empty values of a service in which new fields start empty; always, an
    empty lookup whose value another lookup in ``fields`` sets (the two share it, so clearing the one would clear the other).

    Raises:
        Rejected: as :func:`write_value`; ``read_only_field`` also for a field that only new records, or none, may have.
        Misconfigured: ``unknown_field``.
    """
    members: dict[str, Any] = {}
    set_paths = {
        found.read_path
        for name, value in fields.items()
        if (found := entity.property(name)).bind is not None and not _is_empty(found, value)
    }
    for name, value in fields.items():
        property = entity.property(name)
        if not (property.creatable if creating else property.updatable):
            raise refuse("read_only_field", entity.set_name, property.info, value)
        if _is_empty(property, value) or value == profile.blank_text == "":
            if creating and (property.bind is not None or profile.blank_text == ""):
                continue
            if property.bind is not None and property.read_path in set_paths:
                continue
        members |= write_value(entity, property, value, profile)
    return members


def write_value(entity: Entity, property: Property, value: Value, profile: Profile) -> dict[str, Any]:
    """The JSON members (one) that give a field this value; numbers as int, Decimal or float.

    Raises:
        Rejected: what ``connectors.values.fit`` refuses; ``option_unmapped`` for a value that is none of the field's
            options; ``read_only_field``.
    """
    info, table = property.info, entity.set_name
    if not (property.creatable or property.updatable):
        raise refuse("read_only_field", table, info, value)
    if property.bind is not None:
        fitted = None if _is_empty(property, value) else fit(table, info, value)
        address = None if fitted is None else f"/{property.bind.target_set}({text_of(fitted)})"
        return {f"{property.bind.navigation}@odata.bind": address}
    if _is_empty(property, value):
        return {property.name: _blank(property, profile)}
    if property.edm == ENUM:
        return {property.name: _write_enum(table, property, value, profile)}
    fitted = fit(table, info, value)
    _check(table, property, fitted, profile)
    return {property.name: _json(property, fitted, profile)}


def _is_empty(property: Property, value: Value) -> bool:
    """No value; of a GUID also the blank one."""
    if value is None or (property.info.type is FieldType.GUID and value in (_BLANK_GUID, "")):
        return True
    return value == "" and property.edm == ENUM


def _blank(property: Property, profile: Profile) -> Any:
    """What says that a field has no value."""
    match property.info.type:
        case FieldType.TEXT if property.edm == ENUM:
            named = (name for name, text in property.members.items() if not text)
            return next(named, profile.blank_enums[0] if profile.blank_enums else None)
        case FieldType.TEXT:
            return profile.blank_text if property.nullable else profile.blank_text or ""
        case FieldType.GUID:
            return profile.blank_guid
        case FieldType.DATE:
            return profile.blank_date
        case FieldType.INSTANT | FieldType.DATETIME if profile.blank_date is not None:
            return f"{profile.blank_date}T00:00:00Z"
        case FieldType.INTEGER | FieldType.DECIMAL | FieldType.FLOAT if not profile.empty_numbers:
            return 0
        case FieldType.BOOLEAN if not profile.empty_numbers:
            return False
    return None


def _check(table: str, property: Property, value: Value, profile: Profile) -> None:
    """What the description of a field says and ``fit`` does not look at."""
    info = property.info
    if property.edm == "Edm.Byte" and isinstance(value, int) and not 0 <= value <= 255:
        raise refuse("number_out_of_range", table, info, value, limit="0" if value < 0 else "255")
    if isinstance(value, float | Decimal) and not math.isfinite(value) and info.type is FieldType.DECIMAL:
        raise refuse("invalid_value", table, info, value, expected=info.type.value)
    if isinstance(value, str) and profile.counts_utf16 and info.length is not None:
        length = len(value.encode("utf-16-le")) // 2
        if length > info.length:
            raise refuse("value_too_long", table, info, value, limit=info.length, length=length)
    if info.options and info.type is FieldType.INTEGER and str(value) not in dict(info.options):
        raise _no_option(table, info, value)


def _no_option(table: str, info: FieldInfo, value: Value) -> Rejected:
    return refuse("option_unmapped", table, info, value, options=[text for text, _label in info.options])


def _write_enum(table: str, property: Property, value: Value, profile: Profile) -> str:
    """The service's own name of a member (or of several), found by what people read or by that name itself."""
    by_text = {text: name for name, text in property.members.items()}

    def named(text: str) -> str:
        name = by_text.get(text)
        if name is None and text in property.members:
            name = text
        if name is None and property.members:
            raise _no_option(table, property.info, value)
        return text if name is None else name

    text = fit(table, FieldInfo(property.info.name, FieldType.TEXT), value)
    assert isinstance(text, str)
    if "," in text and text not in by_text:
        return ",".join(named(part.strip()) for part in text.split(","))
    return named(text)


def _json(property: Property, value: Value, profile: Profile) -> Any:
    """A fitted value as JSON has it."""
    match value:
        case str():
            return (value or profile.blank_text) if profile.empty_text_is_null else value
        case bool() | int() | Decimal():
            return value
        case float():
            return value if math.isfinite(value) else _not_finite(value)
        case bytes():
            encode = base64.urlsafe_b64encode if profile.base64url else base64.b64encode
            return encode(value).decode()
    return text_of(value)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "INF" if value > 0 else "-INF"


def text_of(value: Value) -> str:
    """A value as it stands in JSON text and in addresses, without quotes: moments in UTC, no needless digits."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return _cut(text.isoformat(), value.microsecond) + "Z"
    if isinstance(value, time):
        return _cut(value.isoformat(), value.microsecond)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else _not_finite(value)
    return str(value)


def _cut(text: str, microsecond: int) -> str:
    return text.rstrip("0") if microsecond else text


# -- in an address ------------------------------------------------------------------------------------------------------


def literal(property: Property, value: Value, profile: Profile) -> str:
    """A value as it stands in a filter or a key, not yet percent-encoded: text and members quoted, quotes doubled, all
    else bare; no value as what the profile calls blank."""
    if _is_empty(property, value):
        blank = _blank(property, profile)
        if blank is None:
            return "null"
        if property.info.type in (FieldType.TEXT, FieldType.GUID):
            return _quoted(blank) if property.info.type is FieldType.TEXT else str(blank)
        return text_of(blank)
    if property.edm == ENUM:
        name = _write_enum("", property, value, profile)
        return _quoted(name) if profile.plain_enums else f"{property.enum_type}{_quoted(name)}"
    if isinstance(value, bytes):
        return f"binary'{base64.urlsafe_b64encode(value).decode()}'"
    text = text_of(value)
    return _quoted(text) if property.info.type is FieldType.TEXT else text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

"""Values as JSON that says its types, for the journal: what goes in comes out, whatever the field."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from synccore.shapes import UNSTORABLE, Value

#: A number as JSON's own is kept up to here, beyond as text: not every reader of JSON has integers of any
#: size.
_PLAIN_INTEGER: Final = 2**53

_LOAD: Final[dict[str, Callable[[str], Value]]] = {
    "integer": lambda text: int(Decimal(text)),
    "decimal": Decimal,
    "float": float,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "datetime": datetime.fromisoformat,
    "guid": UUID,
    "bytes": base64.b64decode,
    "text": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
}


def dump_value(value: Value) -> Any:
    """JSON of one value: null, text, booleans and integers as themselves, else ``{"type": …, "value":
    text}``."""
    match value:
        case None | bool():
            return value
        case str():
            if UNSTORABLE.search(value):
                return _typed("text", base64.b64encode(value.encode("utf-8", "surrogatepass")).decode())
            return value
        case int():
            return (
                value if -_PLAIN_INTEGER < value < _PLAIN_INTEGER else _typed("integer", str(Decimal(value)))
            )
        case float():
            return _typed("float", repr(value))
        case Decimal():
            return _typed("decimal", str(value))
        case datetime():
            return _typed("datetime", value.isoformat())
        case date():
            return _typed("date", value.isoformat())
        case time():
            return _typed("time", value.isoformat())
        case UUID():
            return _typed("guid", str(value))
        case bytes():
            return _typed("bytes", base64.b64encode(value).decode())
    raise TypeError(f"not a value of a field: {type(value).__name__}")


def _typed(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "value": text}


def load_value(data: Any) -> Value:
    """The value of :func:`dump_value`'s JSON. Raises ValueError for anything else."""
    if data is None or isinstance(data, str | bool | int):
        return data
    if isinstance(data, dict) and data.get("type") in _LOAD and isinstance(data.get("value"), str):
        return _LOAD[data["type"]](data["value"])
    raise ValueError(f"not a stored value: {data!r}")


def dump_values(fields: Mapping[str, Value]) -> dict[str, Any]:
    """JSON of a record's fields, or of values to write."""
    return {name: dump_value(value) for name, value in fields.items()}


def load_values(data: Mapping[str, Any]) -> dict[str, Value]:
    """The fields that :func:`dump_values` stored."""
    return {name: load_value(value) for name, value in data.items()}

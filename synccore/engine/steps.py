"""The functions behind the transformations: ``(value, params, field) → value``. Named in
``transforms.TRANSFORMS``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from synccore.engine.canonical import decimal_of, plain, rejected
from synccore.shapes import Value

Params = Mapping[str, Any]
Function = Callable[[Value, Params, str], Value]


def text_of(value: Value, field: str) -> str:
    if isinstance(value, str):
        return value
    raise rejected("invalid_value", field, value, expected="text")


def on_text(function: Callable[[str, Params], str]) -> Function:
    def run(value: Value, params: Params, field: str) -> Value:
        return None if value is None else function(text_of(value, field), params)

    return run


def key_of(value: object) -> str:
    """How values of ``map`` and ``null_if`` are recognised: numbers by value, truth as true/false, else the
    text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        number = decimal_of(value)
        return plain(number) if number is not None else str(value)
    return str(value)


def cut(text: str, params: Params) -> str:
    return text[: int(params["length"])]


def strip_prefix(text: str, params: Params) -> str:
    return text.removeprefix(str(params["text"]))


def replace(text: str, params: Params) -> str:
    return text.replace(str(params["old"]), str(params.get("new", "")))


def digits_only(text: str, params: Params) -> str:
    return re.sub(r"\D", "", text, flags=re.ASCII)


def prefix(text: str, params: Params) -> str:
    return str(params["text"]) + text if text else text


def round_half_up(value: Value, params: Params, field: str) -> Value:
    """Half away from zero, as ledgers do; exact at any size."""
    if value is None or value == "":
        return None
    number = decimal_of(value)
    scale = int(params["scale"])
    if number is None or abs(number.adjusted()) > 4_000:
        raise rejected("invalid_value", field, value, expected="decimal")
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    drop = -exponent - scale
    if drop <= 0:
        return number
    whole = int("".join(map(str, digits)))
    rounded = (2 * whole + 10**drop) // (2 * 10**drop)
    return Decimal((sign, tuple(map(int, str(rounded))), -scale))


def map_values(value: Value, params: Params, field: str) -> Value:
    sought = key_of(value)
    for source, target in params["pairs"]:
        if key_of(source) == sought:
            return json_value(target)
    if sought == "":
        return None
    match params.get("unmapped", "reject"):
        case "keep":
            return value
        case "empty":
            return None
        case _:
            options = [key_of(source) for source, _ in params["pairs"]]
            raise rejected("option_unmapped", field, value, options=options)


def json_value(value: Any) -> Value:
    """A JSON parameter as a value of a field."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def null_if(value: Value, params: Params, field: str) -> Value:
    return None if key_of(value) in {key_of(each) for each in params["values"]} else value


def default_value(value: Value, params: Params, field: str) -> Value:
    return json_value(params["value"]) if value is None or value == "" else value


def zone(value: Value, params: Params, field: str) -> Value:
    """Between a wall-clock reading in the named zone and a moment, whichever way is needed.

    A reading that the zone's clocks skip is ``Rejected``; of one they show twice the earlier moment is taken
    (PEP 495).
    """
    if value is None or value == "":
        return None
    info = ZoneInfo(str(params["zone"]))
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise rejected("invalid_value", field, value, expected="datetime")
    try:
        if value.tzinfo is not None:
            return value.astimezone(info).replace(tzinfo=None, fold=0)
        moment = value.replace(tzinfo=info, fold=0).astimezone(UTC)
        back = moment.astimezone(info).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise rejected("invalid_value", field, value, expected="datetime") from None
    if back != value.replace(fold=0):
        raise rejected("invalid_value", field, value, expected="datetime", reason="clock_skipped")
    return moment


def date_part(value: Value, params: Params, field: str) -> Value:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    raise rejected("invalid_value", field, value, expected="date")


def as_it_is(value: Value, params: Params, field: str) -> Value:
    """For steps that tell how a reference is translated (``compiled``); nothing happens to the value itself."""
    return value


def boolean_text(value: Value, params: Params, field: str) -> Value:
    """Between a boolean and the two texts an app uses for it."""
    yes, no = str(params["true"]), str(params["false"])
    if value is None:
        return None
    if isinstance(value, bool):
        return yes if value else no
    if value == yes:
        return True
    if value == no:
        return False
    if value == "":
        return None
    raise rejected("option_unmapped", field, value, options=[yes, no])

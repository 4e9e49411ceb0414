"""Between types without losing anything, or refused with field, value and limit."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore.engine.canonical import canon, infer
from synccore.engine.convert import convert
from synccore.failures import Rejected
from synccore.shapes import FieldInfo, FieldType, Value
from tests.engine.build import info
from tests.engine.test_canonical import ANYTHING

T = FieldType
OSLO = timezone(timedelta(hours=2))
ID = UUID("abcdef00-0000-0000-0000-000000000001")
NOW = datetime(2024, 5, 17, 9, 30, 1, 123_456)


@pytest.mark.parametrize(
    ("value", "type", "options", "result"),
    [
        (None, T.INTEGER, {}, None),
        ("abc", T.TEXT, {"length": 3}, "abc"),
        ("", T.TEXT, {}, ""),
        (5, T.TEXT, {}, "5"),
        (Decimal("1.50"), T.TEXT, {}, "1.5"),
        (1e-7, T.TEXT, {}, "0.0000001"),
        (True, T.TEXT, {}, "true"),
        (date(2024, 1, 2), T.TEXT, {}, "2024-01-02"),
        (NOW, T.TEXT, {}, "2024-05-17T09:30:01.123456"),
        (NOW.replace(tzinfo=OSLO), T.TEXT, {}, "2024-05-17T07:30:01.123456Z"),
        (time(9), T.TEXT, {}, "09:00:00"),
        (ID, T.TEXT, {}, str(ID)),
        (UUID(int=0), T.TEXT, {}, None),
        ("12", T.INTEGER, {}, 12),
        ("", T.INTEGER, {}, None),
        (Decimal("12.0"), T.INTEGER, {}, 12),
        (2.0, T.INTEGER, {}, 2),
        (True, T.INTEGER, {}, 1),
        (32767, T.INTEGER, {"precision": 16}, 32767),
        (-32768, T.INTEGER, {"precision": 16}, -32768),
        ("1.50", T.DECIMAL, {"precision": 3, "scale": 1}, Decimal("1.5")),
        (Decimal("99.990"), T.DECIMAL, {"precision": 4, "scale": 2}, Decimal("99.99")),
        (0.1, T.DECIMAL, {}, Decimal("0.1")),
        (Decimal("0.5"), T.FLOAT, {}, 0.5),
        (0.1, T.FLOAT, {"precision": 24}, 0.1),
        (1, T.BOOLEAN, {}, True),
        ("false", T.BOOLEAN, {}, False),
        ("2024-01-02", T.DATE, {}, date(2024, 1, 2)),
        (datetime(2024, 1, 2), T.DATE, {}, date(2024, 1, 2)),
        (date(2024, 1, 2), T.DATETIME, {}, datetime(2024, 1, 2)),
        (NOW, T.DATETIME, {"fraction": 3}, NOW.replace(microsecond=123_000)),
        ("2024-05-17T11:30:01+02:00", T.INSTANT, {}, datetime(2024, 5, 17, 9, 30, 1, tzinfo=UTC)),
        (NOW.replace(tzinfo=UTC), T.INSTANT, {"fraction": 0}, NOW.replace(microsecond=0, tzinfo=UTC)),
        ("09:30", T.TIME, {}, time(9, 30)),
        (str(ID).upper(), T.GUID, {}, ID),
        (UUID(int=0), T.GUID, {}, None),
        (b"abc", T.BINARY, {"length": 3}, b"abc"),
    ],
)
def test_goes_through(value: Value, type: FieldType, options: dict[str, Any], result: Value) -> None:
    got = convert(value, None, info("f", type, **options))
    assert got == result and got.__class__ is result.__class__


@pytest.mark.parametrize(
    ("value", "type", "options", "code", "limit"),
    [
        ("abcd", T.TEXT, {"length": 3}, "value_too_long", 3),
        (12345, T.TEXT, {"length": 3}, "value_too_long", 3),
        (b"abcd", T.BINARY, {"length": 3}, "value_too_long", 3),
        (b"abcd", T.TEXT, {}, "invalid_value", None),
        (Decimal("1.5"), T.INTEGER, {}, "number_too_precise", 0),
        (32768, T.INTEGER, {"precision": 16}, "number_out_of_range", "32767"),
        (-32769, T.INTEGER, {"precision": 16}, "number_out_of_range", "-32768"),
        ("00123", T.INTEGER, {}, "invalid_value", None),
        ("+47", T.INTEGER, {}, "invalid_value", None),
        ("1e3", T.DECIMAL, {}, "invalid_value", None),
        ("1,5", T.DECIMAL, {}, "invalid_value", None),
        (Decimal("0.001"), T.DECIMAL, {"precision": 9, "scale": 2}, "number_too_precise", 2),
        (Decimal("100"), T.DECIMAL, {"precision": 4, "scale": 2}, "number_out_of_range", "99.99"),
        (Decimal("1"), T.DECIMAL, {"precision": 2, "scale": 2}, "number_out_of_range", "0.99"),
        (Decimal("0.5"), T.DECIMAL, {"precision": 5}, "number_too_precise", 0),
        (Decimal("1E+999999"), T.DECIMAL, {}, "number_out_of_range", "1e131072"),
        (Decimal("NaN"), T.DECIMAL, {}, "invalid_value", None),
        (2**53 + 1, T.FLOAT, {}, "number_too_precise", 15),
        (Decimal("1E+400"), T.FLOAT, {}, "number_out_of_range", "1.7976931348623157e308"),
        (0.123456789, T.FLOAT, {"precision": 24}, "number_too_precise", 6),
        (1e39, T.FLOAT, {"precision": 24}, "number_out_of_range", "3.4028235e38"),
        (2, T.BOOLEAN, {}, "invalid_value", None),
        ("TRUE", T.BOOLEAN, {}, "invalid_value", None),
        (datetime(2024, 1, 2, 3), T.DATE, {}, "invalid_value", None),
        (datetime(2024, 1, 2, tzinfo=UTC), T.DATE, {}, "zone_missing", None),
        (NOW, T.INSTANT, {}, "zone_missing", None),
        (date(2024, 1, 2), T.INSTANT, {}, "zone_missing", None),
        ("2024-05-17T11:30:01", T.INSTANT, {}, "zone_missing", None),
        ("2024-05-17T11:30:01.1234567Z", T.INSTANT, {}, "number_too_precise", 6),
        (NOW.replace(tzinfo=UTC), T.DATETIME, {}, "zone_missing", None),
        ("17/05/2024", T.DATE, {}, "invalid_value", None),
        ("x", T.GUID, {}, "invalid_value", None),
        ("x", T.BINARY, {}, "invalid_value", None),
    ],
)
def test_is_refused(value: Value, type: FieldType, options: dict[str, Any], code: str, limit: object) -> None:
    with pytest.raises(Rejected) as caught:
        convert(value, None, info("f", type, **options))
    assert (caught.value.code, caught.value.params.get("limit")) == (code, limit)
    assert caught.value.params["field"] == "f" and "value" in caught.value.params


def test_too_long_tells_how_long() -> None:
    with pytest.raises(Rejected) as caught:
        convert("x" * 2_500, None, info("f", T.TEXT, length=20))
    assert caught.value.params == {"field": "f", "value": "x" * 2_000 + "…", "limit": 20, "length": 2_500}


def test_padding_is_no_text() -> None:
    padded = info("f", T.TEXT, padded=True)
    assert convert("AB   ", padded, info("g", T.TEXT, length=2)) == "AB"
    assert convert("AB   ", info("f", T.TEXT), info("g", T.TEXT)) == "AB   "
    assert convert("AB   ", info("f", T.TEXT), info("g", T.TEXT, length=2, padded=True)) == "AB"


DESTINATIONS = st.builds(
    FieldInfo,
    name=st.just("f"),
    type=st.sampled_from(list(T)),
    length=st.none() | st.integers(1, 12),
    precision=st.none(),
    scale=st.none() | st.integers(0, 4),
)


@given(ANYTHING | st.text("0123456789.+-e", max_size=6), DESTINATIONS)
def test_nothing_is_lost_silently(value: Any, destination: FieldInfo) -> None:
    """What arrives says the same as what left: it goes back to the very same canonical value."""
    source = infer(value)
    try:
        before = canon(value, source)
        arrived = convert(value, source, destination)
    except Rejected:
        return
    if before is None:
        assert canon(arrived, destination) is None
        return
    assert arrived is not None
    if source.type is T.TEXT and destination.type in (T.INTEGER, T.DECIMAL, T.FLOAT):
        text = str(canon(arrived, destination))
        assert Decimal(value) == Decimal(text)
        shortest = value.rstrip("0").rstrip(".") if "." in value else value
        assert shortest.lstrip("-") == text.lstrip("-"), "digits of the text were dropped"
    elif source.type is T.TEXT and destination.type is not T.TEXT:
        assert convert(convert(arrived, destination, source), source, destination) == arrived
    else:
        back = convert(arrived, destination, FieldInfo("back", source.type))
        assert canon(back, source) == before


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_numbers_fit_their_field(value: float) -> None:
    """As PostgreSQL gives them: the shortest decimal that is stored as the same four bytes."""
    packed = struct.pack("f", value)
    shortest = next(
        short
        for short in (float(f"{value:.{n}g}") for n in range(1, 10))
        if struct.pack("f", short) == packed
    )
    assert convert(shortest, None, info("f", T.FLOAT, precision=24)) == shortest


def _single(value: float) -> float | None:
    try:
        stored: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return None
    return stored

"""Equal values have one text, whatever app they come from; bad ones are refused, never a crash."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from unicodedata import normalize
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore.engine.canonical import canon, canon_pair_info, parse
from synccore.failures import Rejected
from synccore.shapes import FieldInfo, FieldType, Value
from tests.engine.build import info

T = FieldType
OSLO = timezone(timedelta(hours=2))
BLANK = UUID(int=0)


@pytest.mark.parametrize(
    ("value", "type", "options", "text"),
    [
        (None, T.TEXT, {}, None),
        ("", T.TEXT, {}, None),
        (" ", T.TEXT, {}, '" "'),
        ("Cronus ", T.TEXT, {}, '"Cronus "'),
        ("Cronus  ", T.TEXT, {"padded": True}, '"Cronus"'),
        ("   ", T.TEXT, {"padded": True}, None),
        ("Cafe\u0301", T.TEXT, {}, '"Café"'),
        ('a"\\\n', T.TEXT, {}, r'"a\"\\\n"'),
        (7, T.INTEGER, {}, "7"),
        (Decimal("7.00"), T.INTEGER, {}, "7"),
        (Decimal("10.50"), T.DECIMAL, {}, "10.5"),
        (Decimal("1E+3"), T.DECIMAL, {}, "1000"),
        (Decimal("1E-7"), T.DECIMAL, {}, "0.0000001"),
        (Decimal("-0.00"), T.DECIMAL, {}, "0"),
        (100, T.DECIMAL, {}, "100"),
        (0.1, T.DECIMAL, {}, "0.1"),
        (0.1, T.FLOAT, {}, "0.1"),
        (1e22, T.FLOAT, {}, "1" + "0" * 22),
        (-0.0, T.FLOAT, {}, "0"),
        (True, T.BOOLEAN, {}, "true"),
        (False, T.BOOLEAN, {}, "false"),
        (date(2024, 5, 17), T.DATE, {}, '"2024-05-17"'),
        (time(9, 5), T.TIME, {}, '"09:05:00"'),
        (time(9, 5, 1, 120_000), T.TIME, {}, '"09:05:01.12"'),
        (datetime(2024, 5, 17, 9), T.DATETIME, {}, '"2024-05-17T09:00:00"'),
        (datetime(2024, 5, 17, 9, tzinfo=OSLO), T.INSTANT, {}, '"2024-05-17T07:00:00Z"'),
        (
            datetime(2024, 5, 17, 9, 0, 0, 999_999, UTC),
            T.INSTANT,
            {"fraction": 3},
            '"2024-05-17T09:00:00.999Z"',
        ),
        (datetime(2024, 5, 17, 9, 0, 0, 999_999, UTC), T.INSTANT, {"fraction": 0}, '"2024-05-17T09:00:00Z"'),
        (UUID("ABCDEF00-0000-0000-0000-000000000001"), T.GUID, {}, '"abcdef00-0000-0000-0000-000000000001"'),
        ("{ABCDEF00-0000-0000-0000-000000000001}", T.GUID, {}, '"abcdef00-0000-0000-0000-000000000001"'),
        (BLANK, T.GUID, {}, None),
        (str(BLANK), T.GUID, {}, None),
        ("", T.GUID, {}, None),
        (b"", T.BINARY, {}, None),
        (
            b"abc",
            T.BINARY,
            {},
            '"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"',
        ),
    ],
)
def test_text(value: Value, type: FieldType, options: dict[str, Any], text: str | None) -> None:
    assert canon(value, info("f", type, **options)) == text


def test_integers_of_any_size() -> None:
    """Python itself refuses to print these."""
    big = 10**6000 + 7
    assert canon(big, info("f", T.INTEGER)) == "1" + "0" * 5999 + "7"
    assert parse(canon(big, info("f", T.INTEGER)), info("f", T.INTEGER)) == big
    with pytest.raises(Rejected) as caught:
        canon(big, info("f", T.GUID))
    assert caught.value.params["length"] == 6001


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [("", T.TEXT, '""'), (BLANK, T.GUID, f'"{BLANK}"'), (None, T.TEXT, None), (None, T.GUID, None)],
)
def test_keep_empty(value: Value, type: FieldType, text: str | None) -> None:
    assert canon(value, info("f", type), keep_empty=True) == text


@pytest.mark.parametrize(
    ("value", "type", "code"),
    [
        (5, T.TEXT, "invalid_value"),
        (0, T.TEXT, "invalid_value"),
        (False, T.TEXT, "invalid_value"),
        ("\ud800", T.TEXT, "invalid_value"),
        ("5", T.INTEGER, "invalid_value"),
        (True, T.INTEGER, "invalid_value"),
        (Decimal("1.5"), T.INTEGER, "invalid_value"),
        (Decimal("1E+999999"), T.INTEGER, "invalid_value"),
        (Decimal("NaN"), T.DECIMAL, "invalid_value"),
        (Decimal("sNaN"), T.DECIMAL, "invalid_value"),
        (Decimal("1E+999999"), T.DECIMAL, "invalid_value"),
        (Decimal("1E-999999"), T.DECIMAL, "invalid_value"),
        (float("inf"), T.FLOAT, "invalid_value"),
        (1, T.BOOLEAN, "invalid_value"),
        (datetime(2024, 1, 1), T.DATE, "invalid_value"),
        (time(9, tzinfo=UTC), T.TIME, "invalid_value"),
        (datetime(2024, 1, 1, tzinfo=UTC), T.DATETIME, "invalid_value"),
        (datetime(2024, 1, 1), T.INSTANT, "zone_missing"),
        (datetime(1, 1, 1, tzinfo=OSLO), T.INSTANT, "invalid_value"),
        ("no guid", T.GUID, "invalid_value"),
        (5, T.GUID, "invalid_value"),
        ("abc", T.BINARY, "invalid_value"),
    ],
)
def test_refused(value: Value, type: FieldType, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        canon(value, info("f", type))
    assert caught.value.code == code
    assert caught.value.params["field"] == "f" and caught.value.params["expected"] == type.value
    json.dumps(caught.value.params)


ANYTHING = st.one_of(
    st.none(),
    st.text(st.characters()),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.decimals(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.just(OSLO)),
    st.uuids(),
    st.binary(),
)


@given(ANYTHING, st.sampled_from(list(T)), st.booleans())
def test_any_value_in_any_field_has_a_text_or_is_refused(value: Any, type: FieldType, keep: bool) -> None:
    try:
        text = canon(value, info("f", type), keep_empty=keep)
    except Rejected as failure:
        json.dumps(failure.params)
        return
    if text is not None:
        json.loads(text)
        # Of binary there is a hash only; a number wider than a float is no value that a FLOAT field gives.
        if type is not T.BINARY and (type is not T.FLOAT or isinstance(value, float)):
            assert canon(parse(text, info("f", type)), info("f", type), keep_empty=keep) == text


@pytest.mark.parametrize(
    ("type", "values", "same"),
    [
        (T.TEXT, st.text(st.characters(codec="utf-8"), min_size=1), lambda one: normalize("NFC", one)),
        (T.INTEGER, st.integers(), lambda one: one),
        (T.DECIMAL, st.decimals(allow_nan=False, allow_infinity=False), lambda one: one),
        (T.FLOAT, st.floats(allow_nan=False, allow_infinity=False), lambda one: one),
        (T.BOOLEAN, st.booleans(), lambda one: one),
        (T.DATE, st.dates(), lambda one: one),
        (T.TIME, st.times(), lambda one: one),
        (T.DATETIME, st.datetimes(), lambda one: one),
        (T.INSTANT, st.datetimes(min_value=datetime(2, 1, 1), timezones=st.just(OSLO)), lambda one: one),
        (T.GUID, st.uuids(), lambda one: one),
    ],
)
def test_parse_brings_the_value_back(type: FieldType, values: Any, same: Any) -> None:
    @given(values)
    def holds(value: Any) -> None:
        field = FieldInfo("f", type)
        assert parse(canon(value, field), field) == same(value)

    holds()


@pytest.mark.parametrize(
    ("text", "type"),
    [
        ("abc", T.TEXT),
        ('"abc"', T.INTEGER),
        ("1.5", T.INTEGER),
        ("NaN", T.DECIMAL),
        ("1e999999", T.DECIMAL),
        ("1", T.BOOLEAN),
        ('"x"', T.DATE),
        ('"2024-01-01T00:00:00"', T.INSTANT),
        ('"2024-01-01T00:00:00Z"', T.DATETIME),
        ('"x"', T.GUID),
        ('"sha256:00"', T.BINARY),
        ("[" * 100_000, T.TEXT),
    ],
)
def test_text_that_is_not_canonical_is_refused(text: str, type: FieldType) -> None:
    with pytest.raises(Rejected) as caught:
        parse(text, info("f", type))
    assert caught.value.code == "invalid_value"


def test_long_values_are_shown_cut_with_their_length() -> None:
    with pytest.raises(Rejected) as caught:
        canon("x" * 5_000, info("f", T.GUID))
    assert caught.value.params["value"] == "x" * 2_000 + "…"
    assert caught.value.params["length"] == 5_000


def test_pair_is_cut_to_the_coarser_side() -> None:
    fine, coarse = info("a", T.INSTANT, fraction=6), info("b", T.DATETIME, fraction=3)
    left, right = canon_pair_info(fine, coarse)
    assert left is not None and right is not None
    assert (left.fraction, right.fraction) == (3, 3)
    day = info("c", T.DATE)
    assert canon_pair_info(fine, day) == (fine, day)
    assert canon_pair_info(None, coarse) == (None, coarse)

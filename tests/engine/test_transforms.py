"""Transformations: what they do, what they refuse, and what set-up is told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore.engine.rules import Transform
from synccore.engine.transforms import TRANSFORMS, apply, round_trips, validate
from synccore.failures import Misconfigured, Rejected
from synccore.shapes import FieldType, Value
from tests.engine.build import R, info, rule
from tests.engine.test_canonical import ANYTHING

GROUPS = {"pairs": [["DOM", 100], ["EU", 200], ["", None], [7, "seven"], [True, "yes"]]}


@pytest.mark.parametrize(
    ("name", "params", "value", "result"),
    [
        ("trim", {}, "  a b ", "a b"),
        ("trim", {}, None, None),
        ("upper", {}, "straße", "STRASSE"),
        ("lower", {}, "ÅS", "ås"),
        ("cut", {"length": 3}, "Cronus", "Cro"),
        ("round", {"scale": 2}, Decimal("1.005"), Decimal("1.01")),
        ("round", {"scale": 0}, Decimal("-2.5"), Decimal("-3")),
        ("round", {"scale": 2}, 0.125, Decimal("0.13")),
        ("round", {"scale": 2}, Decimal("1.5"), Decimal("1.5")),
        ("round", {"scale": 1}, Decimal("0.04"), Decimal("0.0")),
        ("round", {"scale": 2}, 7, Decimal(7)),
        ("round", {"scale": 1}, Decimal("9" * 40 + ".99"), Decimal("1" + "0" * 40)),
        ("round", {"scale": 2}, None, None),
        ("map", GROUPS, "DOM", 100),
        ("map", GROUPS, "", None),
        ("map", GROUPS, None, None),
        ("map", GROUPS, Decimal("7.0"), "seven"),
        ("map", GROUPS, True, "yes"),
        ("map", {**GROUPS, "unmapped": "keep"}, "US", "US"),
        ("map", {**GROUPS, "unmapped": "empty"}, "US", None),
        ("map", {"pairs": [["", "none"]]}, None, "none"),
        ("prefix", {"text": "NO-"}, "12", "NO-12"),
        ("prefix", {"text": "NO-"}, "", ""),
        ("strip_prefix", {"text": "NO-"}, "NO-12", "12"),
        ("strip_prefix", {"text": "NO-"}, "12", "12"),
        ("replace", {"old": " ", "new": ""}, "1 2 3", "123"),
        ("replace", {"old": "x"}, "axb", "ab"),
        ("digits_only", {}, "+47 (22) 33٣", "472233"),
        ("zone", {"zone": "Europe/Oslo"}, datetime(2024, 7, 1, 12), datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ("zone", {"zone": "Europe/Oslo"}, datetime(2024, 1, 1, 11, tzinfo=UTC), datetime(2024, 1, 1, 12)),
        ("zone", {"zone": "Europe/Oslo"}, date(2024, 7, 1), datetime(2024, 6, 30, 22, tzinfo=UTC)),
        (
            "zone",
            {"zone": "Europe/Oslo"},
            datetime(2024, 10, 27, 2, 30),
            datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        ),
        ("date_part", {}, datetime(2024, 7, 1, 12), date(2024, 7, 1)),
        ("null_if", {"values": ["N/A", 0]}, Decimal("0.00"), None),
        ("null_if", {"values": ["N/A", 0]}, "n/a", "n/a"),
        ("default", {"value": "NO"}, "", "NO"),
        ("default", {"value": 1.5}, None, Decimal("1.5")),
        ("default", {"value": "NO"}, "SE", "SE"),
        ("boolean_text", {"true": "Ja", "false": "Nei"}, True, "Ja"),
        ("boolean_text", {"true": "Ja", "false": "Nei"}, "Nei", False),
        ("boolean_text", {"true": "Ja", "false": ""}, "", False),
    ],
)
def test_does(name: str, params: dict[str, Any], value: Value, result: Value) -> None:
    got = apply([Transform(name, params)], value, field="f")
    assert got == result and got.__class__ is result.__class__


@pytest.mark.parametrize(
    ("name", "params", "value", "code"),
    [
        ("trim", {}, 5, "invalid_value"),
        ("round", {"scale": 2}, "1.5", "invalid_value"),
        ("round", {"scale": 2}, Decimal("NaN"), "invalid_value"),
        ("round", {"scale": 2}, Decimal("1E+9999"), "invalid_value"),
        ("map", GROUPS, "US", "option_unmapped"),
        ("zone", {"zone": "Europe/Oslo"}, "12:00", "invalid_value"),
        ("zone", {"zone": "Europe/Oslo"}, datetime(2024, 3, 31, 2, 30), "invalid_value"),
        ("date_part", {}, "2024", "invalid_value"),
        ("boolean_text", {"true": "Ja", "false": "Nei"}, "Kanskje", "option_unmapped"),
    ],
)
def test_refuses(name: str, params: dict[str, Any], value: Value, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        apply([Transform(name, params)], value, field="f")
    assert (caught.value.code, caught.value.params["field"]) == (code, "f")


def test_unmapped_option_names_the_known_ones() -> None:
    with pytest.raises(Rejected) as caught:
        apply([Transform("map", {"pairs": [["A", 1], [2, "B"]]})], "X", field="f")
    assert caught.value.params == {"field": "f", "value": "X", "options": ["A", "2"]}


def test_steps_run_in_order() -> None:
    steps = [Transform("trim"), Transform("cut", {"length": 2}), Transform("upper")]
    assert apply(steps, "  abc") == "AB"


@pytest.mark.parametrize(
    ("name", "params", "param", "reason"),
    [
        ("shout", {}, "", "unknown"),
        ("cut", {}, "length", "missing"),
        ("cut", {"length": "3"}, "length", "not_a_number"),
        ("cut", {"length": True}, "length", "not_a_number"),
        ("cut", {"length": -1}, "length", "negative"),
        ("trim", {"side": "left"}, "side", "unknown_param"),
        ("prefix", {"text": ""}, "text", "empty"),
        ("prefix", {"text": 5}, "text", "not_text"),
        ("map", {"pairs": []}, "pairs", "not_a_list"),
        ("map", {"pairs": [["a"]]}, "pairs", "bad_pairs"),
        ("map", {"pairs": [[1, "a"], ["1", "b"]]}, "pairs", "duplicate"),
        ("map", {"pairs": [["a", "b"]], "unmapped": "guess"}, "unmapped", "not_a_choice"),
        ("zone", {"zone": "Europe/Atlantis"}, "zone", "unknown_zone"),
        ("zone", {"zone": "../etc/passwd"}, "zone", "unknown_zone"),
        ("zone", {"zone": None}, "zone", "unknown_zone"),
        ("null_if", {"values": "N/A"}, "values", "not_a_list"),
        ("boolean_text", {"true": "J", "false": "J"}, "false", "duplicate"),
    ],
)
def test_set_up_is_told_what_is_wrong(name: str, params: dict[str, Any], param: str, reason: str) -> None:
    (error,) = validate([Transform(name, params)], "f")
    expected = {"field": "f", "transform": name, "param": param, "reason": reason}
    assert (error.code, error.params) == ("bad_transformation", expected)
    with pytest.raises(Misconfigured):
        apply([Transform(name, params)], "x")


VALID: dict[str, dict[str, Any]] = {
    "cut": {"length": 3},
    "round": {"scale": 1},
    "map": {"pairs": [["a", "b"]]},
    "prefix": {"text": "x"},
    "strip_prefix": {"text": "x"},
    "replace": {"old": "x", "new": "y"},
    "zone": {"zone": "America/New_York"},
    "null_if": {"values": ["x"]},
    "default": {"value": "x"},
    "boolean_text": {"true": "J", "false": "N"},
    "empty_means": {"field": "code", "value": "EUR"},
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_any_value_gives_a_value_or_is_refused(name: str) -> None:
    step = [Transform(name, VALID.get(name, {}))]
    assert validate(step) == []
    assert TRANSFORMS[name].label

    @given(ANYTHING)
    def holds(value: Any) -> None:
        try:
            apply(step, value)
        except Rejected as failure:
            json.dumps(failure.params)

    holds()


def test_round_trip_names_what_does_not_come_back() -> None:
    upper = rule(1, "name", to_right=(Transform("upper"),), to_left=(Transform("lower"),))
    assert [each.value for each in round_trips(upper, ["abc", "Abc", None])] == ["Abc"]
    assert round_trips(upper, ["Abc"])[0].returned == "abc"
    assert [each.value for each in round_trips(upper, ["ABC", "Abc"], side=R)] == ["Abc"]


def test_round_trip_names_what_does_not_get_there() -> None:
    short = rule(1, "name", right_info=info("r_name", length=3))
    (failing,) = round_trips(short, ["abc", "abcd"])
    assert (
        failing.value == "abcd" and failing.failure is not None and failing.failure.code == "value_too_long"
    )
    cut = rule(1, "name", right_info=info("r_name", length=3), to_right=(Transform("cut", {"length": 3}),))
    (failing,) = round_trips(cut, ["abc", "abcd"])
    assert (failing.value, failing.returned, failing.failure) == ("abcd", "abc", None)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)))
def test_zone_round_trip_but_for_the_hours_that_clocks_skip_or_repeat(moment: datetime) -> None:
    zone = (Transform("zone", {"zone": "Europe/Amsterdam"}),)
    clock = rule(
        1,
        "at",
        FieldType.DATETIME,
        right_info=info("r_at", FieldType.INSTANT),
        to_right=zone,
        to_left=zone,
    )
    for failing in round_trips(clock, [moment]):
        assert failing.failure is not None and failing.failure.params["reason"] == "clock_skipped"
        assert moment.month == 3 and moment.hour == 2

"""Filters mean here what ``shapes.Condition`` says, for every operator, type and emptiness."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synccore.engine.filters import (
    dump_filter,
    filter_errors,
    matches,
    parse_filter,
)
from synccore.failures import Misconfigured
from synccore.shapes import Condition, FieldType, KeyKind, Operator, TableInfo, Value
from tests.engine.build import info

T, O = FieldType, Operator  # noqa: E741
GUID = UUID("abcdef00-0000-0000-0000-000000000001")


def holds(value: Value, operator: Operator, wanted: Any, type: FieldType = T.TEXT, **options: Any) -> bool:
    return matches((Condition("f", operator, wanted),), {"f": value}, {"f": info("f", type, **options)})


@pytest.mark.parametrize(
    ("value", "type", "operator", "wanted", "result"),
    [
        ("NL", T.TEXT, O.EQ, "NL", True),
        ("nl", T.TEXT, O.EQ, "NL", False),
        ("e\u0301", T.TEXT, O.EQ, "é", False),
        ('"NL"', T.TEXT, O.EQ, "NL", False),
        ("B", T.TEXT, O.LT, "a", True),
        ("é", T.TEXT, O.GT, "z", True),
        ("Cronus", T.TEXT, O.STARTS_WITH, "Cro", True),
        ("Cronus", T.TEXT, O.STARTS_WITH, "cro", False),
        (None, T.TEXT, O.STARTS_WITH, "C", False),
        (None, T.TEXT, O.EQ, None, True),
        ("", T.TEXT, O.EQ, None, True),
        (None, T.TEXT, O.EQ, "", True),
        ("x", T.TEXT, O.EQ, "", False),
        (None, T.TEXT, O.EQ, "x", False),
        (None, T.TEXT, O.NE, "x", True),
        (None, T.TEXT, O.NE, "", False),
        ("x", T.TEXT, O.NE, "", True),
        ("x", T.TEXT, O.IN, ("y", "x"), True),
        ("x", T.TEXT, O.IN, (), False),
        ("x", T.TEXT, O.NOT_IN, (), True),
        (None, T.TEXT, O.IN, ("x", ""), True),
        (None, T.TEXT, O.IN, ("x",), False),
        (None, T.TEXT, O.NOT_IN, ("x",), True),
        (None, T.TEXT, O.NOT_IN, ("x", ""), False),
        ("", T.TEXT, O.EMPTY, None, True),
        (" ", T.TEXT, O.EMPTY, None, False),
        (0, T.INTEGER, O.EMPTY, None, False),
        (False, T.BOOLEAN, O.NOT_EMPTY, None, True),
        (None, T.INTEGER, O.LT, "5", False),
        (None, T.INTEGER, O.GE, "5", False),
        (10, T.INTEGER, O.GT, "9", True),
        (Decimal("10.50"), T.DECIMAL, O.EQ, "10.5", True),
        (Decimal("1E+1"), T.DECIMAL, O.IN, ("10",), True),
        (0.1, T.FLOAT, O.EQ, "0.1", True),
        (math.nan, T.FLOAT, O.GT, "5", True),
        (math.nan, T.FLOAT, O.LE, "5", False),
        (Decimal("NaN"), T.DECIMAL, O.NE, "5", True),
        (Decimal("sNaN"), T.DECIMAL, O.GE, "5", True),
        (-math.inf, T.FLOAT, O.LT, "5", True),
        (True, T.BOOLEAN, O.EQ, "true", True),
        (False, T.BOOLEAN, O.NE, "true", True),
        (date(2024, 5, 17), T.DATE, O.LE, "2024-05-17", True),
        (datetime(2024, 5, 17, 9, tzinfo=UTC), T.INSTANT, O.LT, "2024-05-17T11:30:00+02:00", True),
        (datetime(2024, 5, 17, 9), T.DATETIME, O.GE, "2024-05-17T09:00:00", True),
        (GUID, T.GUID, O.EQ, str(GUID).upper(), True),
        (str(GUID), T.GUID, O.EQ, str(GUID), True),
        (b"x", T.BINARY, O.NOT_EMPTY, None, True),
    ],
)
def test_meaning(value: Value, type: FieldType, operator: Operator, wanted: Any, result: bool) -> None:
    assert holds(value, operator, wanted, type) is result


def test_padding_of_a_char_does_not_count() -> None:
    assert holds("NL   ", O.EQ, "NL", padded=True)
    assert holds("   ", O.EMPTY, None, padded=True)
    assert not holds("NL   ", O.EQ, "NL")


def test_lines_are_joined_by_and() -> None:
    infos = {"a": info("a"), "b": info("b", T.INTEGER)}
    both = (Condition("a", O.EQ, "x"), Condition("b", O.GT, "1"))
    assert matches((), {}, infos)
    assert matches(both, {"a": "x", "b": 2}, infos)
    assert not matches(both, {"a": "x", "b": 1}, infos)
    assert not matches(both, {"a": "y", "b": 2}, infos)


def test_field_without_description_is_compared_by_its_value() -> None:
    above = (Condition("n", O.GT, "9"),)
    assert matches(above, {"n": 10}, {})
    assert not matches(above, {"n": "10"}, {})


# -- against a naive oracle --------------------------------------------------------------------------------

NUMBERS = st.none() | st.integers(-3, 3)
WORDS = st.none() | st.sampled_from(["", "a", "A", "ab", "b", "é"])


def oracle(value: Any, operator: Operator, wanted: Any) -> bool:
    empty = value is None or value == ""
    blank = [each is None or each == "" for each in (wanted if isinstance(wanted, list) else [wanted])]
    match operator:
        case O.EMPTY:
            return empty
        case O.NOT_EMPTY:
            return not empty
        case O.EQ:
            return blank[0] if empty else value == wanted
        case O.NE:
            return not blank[0] if empty else value != wanted
        case O.IN:
            return any(blank) if empty else value in wanted
        case O.NOT_IN:
            return not any(blank) if empty else value not in wanted
    if empty:
        return False
    if operator is O.STARTS_WITH:
        return str(value)[: len(wanted)] == wanted
    if isinstance(value, str):
        value, wanted = [ord(each) for each in value], [ord(each) for each in wanted]
    order = (value > wanted) - (value < wanted)
    return {O.LT: order < 0, O.LE: order <= 0, O.GT: order > 0, O.GE: order >= 0}[operator]


@given(st.data())
@settings(max_examples=300)
def test_agrees_with_the_oracle(data: Any) -> None:
    type, values = data.draw(st.sampled_from([(T.INTEGER, NUMBERS), (T.DECIMAL, NUMBERS), (T.TEXT, WORDS)]))
    operator = data.draw(st.sampled_from(list(O)))
    value = data.draw(values)
    wanted: Any = data.draw(values)
    if operator in (O.IN, O.NOT_IN):
        wanted = [wanted, data.draw(values)]
    elif operator in (O.EMPTY, O.NOT_EMPTY):
        wanted = None
    elif operator in (O.LT, O.LE, O.GT, O.GE, O.STARTS_WITH) and wanted in (None, ""):
        return
    if operator is O.STARTS_WITH and type is not T.TEXT:
        return
    text: Any = (
        tuple("" if each is None else str(each) for each in wanted) if isinstance(wanted, list) else wanted
    )
    if isinstance(wanted, int):
        text = str(wanted)
    assert holds(value, operator, text, type) is oracle(value, operator, wanted)


# -- set-up ------------------------------------------------------------------------------------------------

TABLE = TableInfo(
    "customer",
    {
        "name": info("name"),
        "level": info("level", T.INTEGER),
        "open": info("open", T.BOOLEAN),
        "logo": info("logo", T.BINARY),
    },
    "id",
    KeyKind.SEQUENCE,
)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (Condition("", O.EMPTY), "unknown_field"),
        (Condition("city", O.EQ, "x"), "unknown_field"),
        (Condition("level", O.EQ, "x"), "value_not_of_type"),
        (Condition("level", O.IN, ("1", "x")), "value_not_of_type"),
        (Condition("level", O.IN, "1"), "not_a_list"),
        (Condition("level", O.EQ, ("1",)), "is_a_list"),
        (Condition("name", O.EMPTY, "x"), "value_not_allowed"),
        (Condition("level", O.LT, None), "value_missing"),
        (Condition("name", O.STARTS_WITH, ""), "value_missing"),
        (Condition("level", O.STARTS_WITH, "1"), "type_not_comparable"),
        (Condition("open", O.GT, "false"), "type_not_comparable"),
        (Condition("logo", O.EQ, "x"), "type_not_comparable"),
    ],
)
def test_bad_filters(condition: Condition, reason: str) -> None:
    expected = ("bad_filter", {"field": condition.field, "reason": reason})
    found = filter_errors((Condition("name", O.EQ, "x"), condition, condition), TABLE)
    assert [(each.code, each.params) for each in found] == [expected] * 2
    if reason != "unknown_field":
        with pytest.raises(Misconfigured):
            matches((condition,), {condition.field: None}, TABLE.fields)


def test_good_filter_passes_set_up() -> None:
    good = (Condition("name", O.IN, ("a", "")), Condition("level", O.GE, "5"))
    assert filter_errors(good, TABLE) == []


def test_field_that_was_not_read() -> None:
    with pytest.raises(Misconfigured) as caught:
        matches((Condition("name", O.EQ, "x"),), {}, TABLE.fields)
    assert caught.value.params == {"field": "name", "reason": "field_not_read"}


CONDITIONS = st.builds(
    Condition,
    st.sampled_from(["a", "b"]),
    st.sampled_from([O.EQ, O.NE, O.LT]),
    st.none() | st.text(max_size=3),
) | st.builds(Condition, st.just("a"), st.just(O.IN), st.lists(st.text(max_size=3)).map(tuple))


@given(st.lists(CONDITIONS).map(tuple))
def test_json_round_trip(filter: tuple[Condition, ...]) -> None:
    assert parse_filter(dump_filter(filter)) == filter


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "not_a_list"),
        ("a", "not_a_list"),
        (["a"], "not_a_condition"),
        ([{"operator": "eq"}], "no_field"),
        ([{"field": 5, "operator": "eq"}], "no_field"),
        ([{"field": "a"}], "unknown_operator"),
        ([{"field": "a", "operator": "like"}], "unknown_operator"),
        ([{"field": "a", "operator": ["eq"]}], "unknown_operator"),
        ([{"field": "a", "operator": "eq", "value": 5}], "value_not_text"),
        ([{"field": "a", "operator": "in", "value": ["x", 5]}], "value_not_text"),
        ([{"field": "a", "operator": "in", "value": "x"}], "not_a_list"),
        ([{"field": "a", "operator": "eq", "value": ["x"]}], "is_a_list"),
        ([{"field": "a", "operator": "eq", "value": "x", "or": 1}], "unknown_part or"),
    ],
)
def test_bad_json(data: Any, reason: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_filter(data)
    assert (caught.value.code, caught.value.params["reason"]) == ("bad_filter", reason)


def test_no_filter() -> None:
    assert parse_filter(None) == parse_filter([]) == ()
    assert dump_filter(()) == []

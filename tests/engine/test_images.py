"""Base images, what a pair needs translated, and comparisons with what was meant."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synccore.engine.compiled import compile_rules
from synccore.engine.images import (
    canon_fields,
    changed_fields,
    holds,
    image,
    image_hash,
    natural_key_value,
    reference_values,
    same,
)
from synccore.engine.rules import Blocker, Link, Template, Transform
from synccore.engine.values import dump_values, load_values
from synccore.failures import Blocked, Misconfigured, Rejected
from synccore.shapes import Condition, FieldType, Operator
from tests.engine.build import (
    TO_LEFT,
    TO_RIGHT,
    L,
    R,
    agreed,
    constant,
    edit,
    info,
    mapping,
    record,
    rule,
)
from tests.engine.test_canonical import ANYTHING

T = FieldType
RULES = mapping(
    rule(1, "name"),
    rule(2, "level", T.DECIMAL, direction=TO_RIGHT, revision=4),
    constant(3, "origin", '"ERP"'),
)


def test_image_holds_every_mapped_field_of_its_side() -> None:
    left, right = record(L, name="A", level=Decimal("1.50")), record(R, name="A", level=1.5, origin="ERP")
    assert image(RULES, L, left) == {1: (1, '"A"'), 2: (4, "1.5")}
    assert image(RULES, R, right) == {1: (1, '"A"'), 2: (4, "1.5"), 3: (1, '"ERP"')}


def test_image_of_a_bad_value_is_refused_but_its_hash_is_not() -> None:
    bad, worse = record(L, name="A", level="x"), record(L, name="A", level="y")
    with pytest.raises(Rejected) as caught:
        image(RULES, L, bad)
    assert (caught.value.params["side"], caught.value.params["table"]) == ("left", "customer")
    assert image_hash(RULES, L, bad) == image_hash(RULES, L, bad) != image_hash(RULES, L, worse)


def test_hash_moves_with_mapped_fields_only() -> None:
    one = record(L, name="A", level=1, other="x")
    known = image_hash(RULES, L, one)
    assert len(known) == 64
    assert image_hash(RULES, L, edit(one, at=99, other="y", level=Decimal("1.0"))) == known
    assert image_hash(RULES, L, edit(one, name="B")) != known
    assert image_hash(RULES, L, edit(one, name="", level=None)) == image_hash(
        RULES, L, edit(one, name=None, level=None)
    )


def test_changed_fields() -> None:
    one = record(L, name="A", level=1)
    base = image(RULES, L, one)
    assert changed_fields(RULES, L, one, base) == {}
    assert changed_fields(RULES, L, edit(one, name="B"), base) == {"l_name": '"B"'}
    assert changed_fields(RULES, L, edit(one, level="x"), base) == {"l_level": '"x"'}
    assert changed_fields(RULES, L, one, {1: base[1]}) is None
    assert changed_fields(RULES, L, one, {**base, 2: (3, "1")}) is None


# -- references --------------------------------------------------------------------------------------------

PARENTS = mapping(
    rule(1, "name"),
    rule(2, "parent", T.INTEGER, reference=5),
    rule(3, "unit", T.GUID, reference=6, direction=TO_RIGHT),
    rule(4, "rep", T.TEXT, reference=8, direction=TO_LEFT, left_info=info("l_rep", padded=True)),
)
UNIT = "abcdef00-0000-0000-0000-000000000001"


def test_references_of_a_pair_in_both_directions() -> None:
    left = record(L, name="A", parent=7, unit=UNIT.upper(), rep="AB  ")
    right = record(R, name="A", parent=9, unit=None, rep="CD")
    wanted = {(5, L, "7"), (5, R, "9"), (6, L, UNIT), (8, R, "CD")}
    assert reference_values(PARENTS, left, right, Link("L1", "R1")) == wanted
    assert reference_values(PARENTS, left, None, Link("L1")) == {(5, L, "7"), (6, L, UNIT)}
    assert reference_values(PARENTS, None, right, Link(None, "R1")) == {(5, R, "9"), (8, R, "CD")}


def test_references_that_did_not_move_need_no_look_up() -> None:
    left, right = (
        record(L, name="A", parent=7, unit=UNIT, rep="AB"),
        record(R, name="A", parent=9, unit=UNIT, rep="X"),
    )
    link = agreed(PARENTS, left, right)
    assert reference_values(PARENTS, edit(left, name="B"), right, link) == set()
    assert reference_values(PARENTS, left, edit(right, parent=10), link) == {(5, L, "7"), (5, R, "10")}
    stored = replace(link, left_base={id: list(each) for id, each in link.left_base.items()})  # type: ignore[misc]
    assert reference_values(PARENTS, left, right, stored) == set()


def test_reference_that_is_no_id_is_left_to_decide() -> None:
    left = record(L, name="A", parent="x", unit=None, rep=None)
    assert reference_values(PARENTS, left, None, Link("L1")) == set()


def test_natural_key() -> None:
    rules = mapping(
        rule(1, "name"), rule(2, "no", to_right=(Transform("prefix", {"text": "C-"}),)), natural_key=2
    )
    assert natural_key_value(rules, L, record(L, name="A", no="10"), {}) == "C-10"
    assert natural_key_value(rules, R, record(R, name="A", no="C-10"), {}) == "C-10"
    assert natural_key_value(rules, L, record(L, name="A", no=""), {}) is None
    assert natural_key_value(mapping(rule(1, "name")), L, record(L, name="A"), {}) is None


def test_natural_key_that_is_a_reference() -> None:
    rules = mapping(rule(2, "parent", T.INTEGER, reference=5), natural_key=2)
    assert natural_key_value(rules, L, record(L, parent=7), {(5, L, "7"): "70"}) == 70
    with pytest.raises(Blocked):
        natural_key_value(rules, L, record(L, parent=7), {(5, L, "7"): Blocker(5, L, "7")})


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({}, {}, True),
        ({"name": "B"}, {}, False),
        ({"name": None}, {"name": ""}, True),
        ({"rep": "X"}, {}, True),
        ({}, {"rep": "X"}, False),
        ({"parent": 8}, {}, False),
        ({"parent": None}, {"parent": None}, True),
    ],
)
def test_same(left: dict[str, Any], right: dict[str, Any], expected: bool) -> None:
    """Equal in what flows; here ``rep`` flows to the left, where its constant spelling is upper case."""
    rules = mapping(
        rule(1, "name"),
        rule(2, "parent", T.INTEGER, reference=5),
        rule(3, "rep", direction=TO_LEFT, to_left=(Transform("upper"),)),
        constant(4, "origin", '"ERP"'),
    )
    one = record(L, **{"name": "A", "parent": 7, "rep": "X", **left})
    two = record(R, **{"name": "A", "parent": 70, "rep": "x", **right}, origin="other")
    if right.get("rep") == "X":
        one = edit(one, rep="x")
    assert same(rules, one, two, {(5, L, "7"): "70"}) is expected


# -- stored against meant ----------------------------------------------------------------------------------


def test_holds() -> None:
    infos = {"r_name": info("r_name"), "r_level": info("r_level", T.DECIMAL)}
    meant = canon_fields({"r_name": "A", "r_level": Decimal("1.50")}, infos)
    assert meant == {"r_name": '"A"', "r_level": "1.5"}
    stored = record(R, name="A", level=Decimal("1.5"), more="x")
    assert holds(stored, meant, infos)
    assert not holds(edit(stored, name="B"), meant, infos)
    assert not holds(edit(stored, level="x"), meant, infos)
    assert not holds(record(R, name="A"), meant, infos)
    assert holds(stored, {}, infos)


@given(st.dictionaries(st.text(max_size=5), ANYTHING))
def test_values_come_back_from_json_with_their_types(values: Any) -> None:
    back = load_values(json.loads(json.dumps(dump_values(values))))
    assert back.keys() == values.keys()
    for name, value in values.items():
        assert back[name].__class__ is value.__class__
        assert repr(back[name]) == repr(value) or back[name] == value
        assert not isinstance(value, Decimal) or str(back[name]) == str(value)


def test_stored_values_are_fit_for_postgresql() -> None:
    """Its JSON holds neither NUL nor half a surrogate pair."""
    text = json.dumps(dump_values({"a": "x\x00y", "b": "\ud800", "c": math.nan, "d": 10**5000}))
    assert "\\u0000" not in text and "\\ud800" not in text and "NaN" not in text
    assert load_values(json.loads(text))["d"] == 10**5000


@pytest.mark.parametrize(
    "data", [1.5, [], {"type": "pickle", "value": "x"}, {"type": "date"}, {"value": "x"}]
)
def test_other_json_is_no_value(data: Any) -> None:
    with pytest.raises(ValueError):
        load_values({"a": data})
    with pytest.raises(TypeError):
        dump_values({"a": object()})  # type: ignore[dict-item]


# -- compiling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "options", "code", "params"),
    [
        ((rule(1, "a", to_right=(Transform("shout"),)),), {}, "bad_transformation", {"transform": "shout"}),
        ((constant(1, "a", "no json"),), {}, "bad_constant", {"field": "r_a", "value": "no json"}),
        ((rule(1, "a", right_info=None),), {}, "field_unknown", {"field": "r_a", "side": "right"}),
        ((rule(1, "a"),), {"left_filter": (Condition("l_a", Operator.LT),)}, "bad_filter", {"field": "l_a"}),
        (
            (rule(1, "a", T.INTEGER),),
            {"templates": (Template(3, R, {"r_a": '"x"'}),)},
            "bad_template",
            {"field": "r_a", "value": '"x"', "priority": 3},
        ),
    ],
)
def test_rules_that_make_no_sense_stop_the_table(fields: Any, options: Any, code: str, params: Any) -> None:
    with pytest.raises(Misconfigured) as caught:
        compile_rules(mapping(*fields, **options))
    assert caught.value.code == code and caught.value.stops_the_job
    assert {name: caught.value.params[name] for name in params} == params


def test_rules_are_compiled_once() -> None:
    rules = mapping(rule(1, "a"))
    compiled = compile_rules(rules)
    assert compile_rules(rules) is compiled and compile_rules(compiled) is compiled
    assert compile_rules(replace(rules)) is not compiled

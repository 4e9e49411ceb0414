"""Warnings before anything runs: what does not fit is told by both descriptions alone."""

from __future__ import annotations

from typing import Any

import pytest

from synccore.engine.fit_lists import of_lists, proposed_pairs, said
from synccore.models import FieldMapping, TableMapping
from synccore.services.catalogue import Known
from synccore.services.fitting import Warned, warnings
from synccore.shapes import FieldInfo, FieldType, KeyKind, Side, TableInfo
from synccore.views.fitting_words import warning_words

TEXT, NUMBER = FieldType.TEXT, FieldType.DECIMAL


def info(type: FieldType = TEXT, **values: Any) -> FieldInfo:
    return FieldInfo("f", type, **values)


def step(name: str, **params: Any) -> dict[str, Any]:
    return {"name": name, "params": params}


def told(source: FieldInfo, destination: FieldInfo, *steps: dict[str, Any], **row: Any) -> list[str]:
    """What is said of one field that flows from the left to the right."""
    mapping = TableMapping(left_table="l", right_table="r", left_key_kind="uuid", right_key_kind="uuid")
    mapping.left_modified_field = mapping.right_modified_field = "m"
    field = FieldMapping(
        mapping=mapping, left_field="f", right_field="f", direction="to_right", to_right=list(steps)
    )
    for name, value in row.items():
        setattr(field, name, value)
    return [each.code for each in warnings(mapping, [field], known(source, destination))]


def known(left: FieldInfo, right: FieldInfo, **table: Any) -> Known:
    def of(name: str, field: FieldInfo, **more: Any) -> TableInfo:
        return TableInfo(name, {"f": field, **more.pop("fields", {})}, "id", KeyKind.UUID, **more)

    return Known({Side.LEFT: {"l": of("l", left)}, Side.RIGHT: {"r": of("r", right, **table)}}, {})


@pytest.mark.parametrize(
    ("source", "destination", "steps", "expected"),
    [
        (info(length=100), info(length=50), [], ["shorter"]),
        (info(), info(length=50), [], ["shorter"]),
        (info(length=50), info(length=100), [], []),
        (info(length=100), info(), [], []),
        (info(length=100), info(length=50), [step("cut", length=50)], []),
        (info(length=100), info(length=50), [step("cut", length=60)], ["shorter"]),
        (info(length=100), info(length=50), [step("trim")], ["shorter"]),
        (info(length=100), info(length=50), [step("map", pairs=[["a", "b"]])], []),
        (info(NUMBER, precision=12, scale=4), info(NUMBER, precision=12, scale=2), [], ["fewer_decimals"]),
        (
            info(NUMBER, precision=12, scale=4),
            info(NUMBER, precision=12, scale=2),
            [step("round", scale=2)],
            [],
        ),
        (info(NUMBER, precision=14, scale=2), info(NUMBER, precision=12, scale=2), [], ["smaller"]),
        (info(NUMBER, precision=12, scale=2), info(NUMBER), [], []),
        (info(FieldType.INTEGER), info(NUMBER, precision=12, scale=2), [], []),
        (info(NUMBER, precision=12, scale=2), info(FieldType.INTEGER), [], ["no_decimals"]),
        (info(NUMBER, precision=12, scale=0), info(FieldType.INTEGER), [], []),
        (info(), info(NUMBER), [], ["other_type"]),
        (info(NUMBER), info(), [], []),
        (info(FieldType.BINARY), info(), [], ["other_type"]),
        (info(FieldType.DATE), info(FieldType.DATETIME), [], []),
        (info(FieldType.INSTANT), info(FieldType.DATETIME), [], ["zone_needed"]),
        (info(FieldType.INSTANT), info(FieldType.DATETIME), [step("zone", zone="UTC")], []),
        (info(FieldType.BOOLEAN), info(), [step("boolean_text", true="Y", false="N")], []),
        (info(NUMBER), info(NUMBER, required=True), [], ["required_here"]),
        (info(NUMBER), info(NUMBER, required=True), [step("default", value="0")], []),
        (info(), info(required=True), [], []),
    ],
)
def test_a_field_is_judged_by_both_descriptions(source, destination, steps, expected):
    assert told(source, destination, *steps) == expected


TYPES = info(options=(("", ""), ("Company", "Company"), ("Person", "Person")))
CODES = info(FieldType.INTEGER, precision=32, options=(("3", "Customer"), ("11", "Vendor")))
PAIRS = [["Company", 3], ["Person", 11]]


@pytest.mark.parametrize(
    ("source", "destination", "steps", "expected"),
    [
        (TYPES, CODES, [], ["other_list"]),
        (CODES, TYPES, [], ["other_list"]),
        (TYPES, CODES, [step("map", pairs=PAIRS)], []),
        (TYPES, CODES, [step("map", pairs=PAIRS[:1])], ["not_all_of_list"]),
        (TYPES, CODES, [step("map", pairs=PAIRS[:1], unmapped="empty")], []),
        (TYPES, CODES, [step("map", pairs=PAIRS[:1], unmapped="keep")], ["other_list"]),
        (TYPES, CODES, [step("map", pairs=[["Company", 3], ["Person", 7]])], ["not_of_list"]),
        (TYPES, CODES, [step("trim"), step("map", pairs=PAIRS[:1])], []),
        (TYPES, TYPES, [], []),
        (info(length=20), CODES, [], ["only_of_list"]),
        (info(FieldType.INTEGER), CODES, [], ["only_of_list"]),
        (TYPES, info(length=20), [], ["shorter"]),
        (CODES, info(length=20), [], ["number_of_list", "shorter"]),
        (CODES, info(FieldType.INTEGER), [], []),
        (info(FieldType.GUID), info(FieldType.GUID, native="Lookup"), [], ["foreign_id"]),
        (info(FieldType.GUID), info(FieldType.GUID), [], []),
    ],
)
def test_fields_that_take_the_values_of_a_list(source, destination, steps, expected):
    found = told(source, destination, *steps)
    assert [code for code in found if code != "shorter"] == [code for code in expected if code != "shorter"]


def test_a_warning_names_values_by_their_captions_and_says_where_it_stops():
    found = {code: params for code, params in of_lists(TYPES, CODES, [])}
    assert found == {"other_list": {"values": ["Company", "Person"], "options": ["3 Customer", "11 Vendor"]}}
    many = tuple((str(n), f"Option {n}") for n in range(1, 20))
    told = Warned("only_of_list", {"from": "a", "field": "b", "side": "left", "options": said(many)})
    assert (
        "1 Option 1, 2 Option 2, 3 Option 3, 4 Option 4 and 15 more. a may"
        in warning_words(told, {"left": "A"})[1]
    )


def test_pairs_are_proposed_by_text_and_by_caption():
    left = info(options=(("", ""), ("Customer", "Customer"), ("vendor", "A vendor"), ("Bank", "Bank")))
    assert proposed_pairs(left, CODES) == [("Customer", "3"), ("vendor", "11")]
    assert proposed_pairs(CODES, left) == [("3", "Customer"), ("11", "vendor")]
    assert proposed_pairs(left, info()) == proposed_pairs(None, CODES) == []


def test_references_and_constants_are_not_compared():
    assert told(info(length=100), info(length=5), reference_id=7) == []
    assert told(info(length=100), info(length=5), has_constant=True, left_field="") == []


def test_a_direction_in_which_nothing_flows_is_not_judged():
    assert told(info(length=5), info(length=100), direction="to_left") == ["shorter"]
    assert told(info(length=100), info(length=5), direction="to_left") == []


def test_what_a_new_record_needs_is_named_where_it_is_made():
    mapping = TableMapping(
        left_table="l",
        right_table="r",
        direction="to_right",
        left_modified_field="m",
        right_modified_field="m",
    )
    row = FieldMapping(mapping=mapping, left_field="f", right_field="f", direction="both")
    needed = {
        "kind": FieldInfo("kind", FieldType.INTEGER, required=True),
        "id": FieldInfo("id", FieldType.GUID, required=True),
        "made": FieldInfo("made", FieldType.INSTANT, required=True, read_only=True),
    }
    found = warnings(mapping, [row], known(info(), info(), fields=needed))
    assert [(each.code, each.params.get("fields")) for each in found] == [("required_unmapped", ["kind"])]
    mapping.templates = [{"priority": 1, "side": "right", "values": {"kind": "1"}, "when": []}]
    assert warnings(mapping, [row], known(info(), info(), fields=needed)) == []
    mapping.templates, mapping.only_coupled = [], True
    assert warnings(mapping, [row], known(info(), info(), fields=needed)) == []


def test_a_table_without_a_stamp_is_read_whole():
    mapping = TableMapping(left_table="l", right_table="r", only_coupled=True, left_modified_field="m")
    assert [(each.code, each.params["side"]) for each in warnings(mapping, [], known(info(), info()))] == [
        ("no_stamp", "right")
    ]

"""The decision table beyond edits: creation, filters, constants, references, and what cannot be written."""

from __future__ import annotations

from typing import Any

import pytest

from synccore.engine.decide import decide
from synccore.engine.images import image
from synccore.engine.rules import (
    TAKEN_BACK,
    Blocker,
    Link,
    Resolution,
    StepKind,
    Template,
    Transform,
)
from synccore.failures import Blocked, Misconfigured, Scope
from synccore.shapes import Condition, FieldType, Operator, Side
from tests.engine.build import (
    NOON,
    RULES,
    TO_LEFT,
    TO_RIGHT,
    VALUES,
    L,
    R,
    agreed,
    constant,
    edit,
    info,
    mapping,
    pair,
    plainly,
    record,
    rule,
)

ASKED = {"kind": "fail", "failure": "update_conflict"}


# -- directions, filters, creation -------------------------------------------------------------------------


def test_mapping_direction_overrules_the_field() -> None:
    rules = mapping(rule(1, "name"), rule(5, "owes", direction=TO_LEFT), direction=TO_RIGHT)
    was = pair({"name": "Cronus", "owes": "5"})
    step = decide(agreed(rules, *was), was[0], edit(was[1], name="B", owes="9"), rules, {})
    assert plainly(step) == {
        "kind": "write",
        "writes": {"right": {"r_name": "Cronus"}},
        "overwrites": {"right": {"r_name": '"B"'}},
    }


NORWAY = (Condition("l_city", Operator.EQ, "Oslo"),)


@pytest.mark.parametrize(
    ("options", "side", "kind", "why"),
    [
        ({}, L, StepKind.CREATE, "new"),
        ({}, R, StepKind.CREATE, "new"),
        ({"direction": TO_RIGHT}, L, StepKind.CREATE, "new"),
        ({"direction": TO_RIGHT}, R, StepKind.IGNORED, "direction"),
        ({"direction": TO_LEFT}, L, StepKind.IGNORED, "direction"),
        ({"only_coupled": True}, L, StepKind.IGNORED, "only_coupled"),
        ({"left_filter": NORWAY}, L, StepKind.CREATE, "new"),
        ({"left_filter": (Condition("l_city", Operator.NE, "Oslo"),)}, L, StepKind.IGNORED, "outside_filter"),
    ],
)
@pytest.mark.parametrize("half", [False, True], ids=["unknown", "half coupling"])
def test_creation(options: dict[str, Any], side: Side, kind: StepKind, why: str, half: bool) -> None:
    rules = mapping(*RULES.fields, **options)
    one = record(side, **VALUES)
    link = Link(**({f"{side.value}_id": one.id} if half else {}))
    step = decide(link, one if side is L else None, one if side is R else None, rules, {})
    assert (step.kind, step.why) == (kind, why)
    if kind is StepKind.CREATE:
        assert (step.side, step.restores, step.written_sides()) == (side.other, False, (side.other,))


def test_created_values() -> None:
    """Template below mapped fields below constants; one-way fields only with their stream; "" only where needed."""
    needs_text = rule(8, "note", right_info=info("r_note", required=True))
    rules = mapping(
        *RULES.fields,
        rule(7, "phone"),
        needs_text,
        constant(6, "origin", '"ERP"'),
        templates=(
            Template(9, R, {"r_name": '"never"'}),
            Template(2, R, {"r_terms": '"14D"', "r_name": '"below"', "r_phone": '"000"'}, NORWAY),
            Template(1, L, {"l_x": '"other side"'}),
        ),
    )
    one = record(L, **VALUES, phone=None, note=None)
    step = decide(Link(left_id="L1"), one, None, rules, {})
    assert step.writes == {
        R: {
            "r_terms": "14D",
            "r_name": "Cronus",
            "r_phone": "000",
            "r_street": "High St",
            "r_city": "Oslo",
            "r_rep": "AB",
            "r_note": "",
            "r_origin": "ERP",
        }
    }


def test_template_fills_what_the_source_leaves_empty() -> None:
    note = rule(8, "note", right_info=info("r_note", required=True))
    rules = mapping(note, templates=(Template(1, R, {"r_note": '"from the template"'}),))
    assert decide(Link(left_id="L1"), record(L, note=""), None, rules, {}).writes == {
        R: {"r_note": "from the template"}
    }


@pytest.mark.parametrize("given", [False, True], ids=["computed", "given"])
@pytest.mark.parametrize("edits", [{}, {"name": "A"}])
def test_left_the_filter(given: bool, edits: dict[str, Any]) -> None:
    rules = mapping(*RULES.fields, left_filter=NORWAY)
    was = pair(VALUES)
    left = edit(was[0], city="Rome" if not given else "Oslo", **edits)
    in_filter = {L: False, R: True} if given else None
    step = decide(agreed(rules, *was), left, was[1], rules, {}, in_filter=in_filter)
    assert (step.kind, step.side, step.failure) == (StepKind.LEFT_FILTER, L, None)
    assert not step.writes


def test_filter_field_need_not_be_mapped() -> None:
    rules = mapping(
        rule(1, "name"),
        left_filter=(Condition("l_level", Operator.GE, "10"),),
    )
    link = Link(left_id="L1")
    assert decide(link, record(L, name="A", level=9), None, rules, {}).kind is StepKind.IGNORED
    assert decide(link, record(L, name="A", level=10), None, rules, {}).kind is StepKind.CREATE


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        (Link("L1", "R1"), StepKind.END),
        (Link("L1", None), StepKind.END),
        (Link(None, "R1"), StepKind.END),
        (Link(), StepKind.IGNORED),
    ],
)
def test_both_gone(link: Link, kind: StepKind) -> None:
    step = decide(link, None, None, RULES, {})
    assert (step.kind, step.failure) == (kind, None)


# -- constants ---------------------------------------------------------------------------------------------


def test_constant_is_put_back_and_the_edit_named() -> None:
    rules = mapping(rule(1, "name"), constant(6, "origin", '"ERP"'))
    left, right = record(L, name="A"), record(R, name="A", origin="ERP")
    link = agreed(rules, left, right)
    assert decide(link, left, right, rules, {}).kind is StepKind.UNCHANGED
    step = decide(link, left, edit(right, origin="CRM"), rules, {})
    assert plainly(step) == {
        "kind": "write",
        "writes": {"right": {"r_origin": "ERP"}},
        "overwrites": {"right": {"r_origin": '"CRM"'}},
    }


def test_constant_the_app_stores_differently_is_not_written_for_ever() -> None:
    rules = mapping(rule(1, "name"), constant(6, "origin", '"erp"'))
    left, right = record(L, name="A"), record(R, name="A", origin="ERP")
    assert decide(agreed(rules, left, right), left, right, rules, {}).kind is StepKind.UNCHANGED


def test_constant_without_base_is_set_and_waits_for_a_conflict() -> None:
    rules = mapping(rule(1, "name"), constant(6, "origin", '"ERP"'))
    left, right = record(L, name="A"), record(R, name="A", origin=None)
    assert decide(Link("L1", "R1"), left, right, rules, {}).writes == {R: {"r_origin": "ERP"}}
    assert plainly(decide(Link("L1", "R1"), left, edit(right, name="B"), rules, {})) == ASKED


# -- references --------------------------------------------------------------------------------------------

PARENT = mapping(rule(1, "name"), rule(2, "parent", FieldType.INTEGER, reference=3))
FOUND = {(3, L, "10"): "77", (3, R, "88"): "20"}


def test_reference_is_translated_both_ways() -> None:
    was = record(L, name="A", parent=None), record(R, name="A", parent=None)
    link = agreed(PARENT, *was)
    assert decide(link, edit(was[0], parent=10), was[1], PARENT, FOUND).writes == {R: {"r_parent": 77}}
    assert decide(link, was[0], edit(was[1], parent=88), PARENT, FOUND).writes == {L: {"l_parent": 20}}
    equal = decide(link, edit(was[0], parent=10), edit(was[1], parent=77), PARENT, FOUND)
    assert equal.kind is StepKind.UNCHANGED
    assert plainly(decide(link, edit(was[0], parent=10), edit(was[1], parent=78), PARENT, FOUND)) == ASKED


@pytest.mark.parametrize("hopeless", [False, True])
def test_reference_without_counterpart_blocks(hopeless: bool) -> None:
    blocker = Blocker(3, L, "11", hopeless, "removed", "Currencies", "Euro")
    step = decide(Link(left_id="L1"), record(L, name="A", parent=11), None, PARENT, {(3, L, "11"): blocker})
    assert isinstance(step.failure, Blocked)
    assert step.failure.hopeless is hopeless
    assert step.failure.params == {
        "mapping": 3,
        "mapping_name": "Currencies",
        "side": "left",
        "record": "11",
        "record_name": "Euro",
        "field": "l_parent",
        "hopeless": hopeless,
        "reason": "removed",
    }


def test_blocker_that_only_a_person_can_end_is_named_first() -> None:
    rules = mapping(*(rule(id, f"p{id}", reference=3) for id in (1, 2, 3)))
    refs = {(3, L, id): Blocker(3, L, id, hopeless=id == "b") for id in "abc"}
    failure = decide(Link(left_id="L1"), record(L, p1="a", p2="b", p3="c"), None, rules, refs).failure
    assert failure is not None
    assert (failure.params["record"], failure.params["others"]) == ("b", 2)


def test_optional_reference_without_counterpart_is_left_empty() -> None:
    rules = mapping(rule(1, "name"), rule(2, "parent", FieldType.INTEGER, reference=3, optional=True))
    step = decide(Link(left_id="L1"), record(L, name="A", parent=11), None, rules, {})
    assert step.writes == {R: {"r_name": "A"}}


def test_unresolved_reference_that_did_not_move_blocks_nothing() -> None:
    was = record(L, name="A", parent=11), record(R, name="A", parent=77)
    step = decide(agreed(PARENT, *was), edit(was[0], name="B"), was[1], PARENT, {})
    assert step.writes == {R: {"r_name": "B"}}


# -- what cannot be written --------------------------------------------------------------------------------


def test_refused_value_names_side_table_and_field() -> None:
    rules = mapping(rule(1, "name", right_info=info("r_name", length=3)))
    failure = decide(Link(left_id="L1"), record(L, name="Cronus"), None, rules, {}).failure
    assert failure is not None and failure.code == "value_too_long"
    assert failure.params == {
        "field": "r_name",
        "value": "Cronus",
        "limit": 3,
        "length": 6,
        "side": "right",
        "table": "account",
        "rule": 1,
    }


def test_refused_sensitive_value_is_not_told() -> None:
    rules = mapping(rule(1, "name", sensitive=True, right_info=info("r_name", length=3)))
    failure = decide(Link(left_id="L1"), record(L, name="secret"), None, rules, {}).failure
    assert failure is not None and "secret" not in repr(failure.params)


def test_refused_comes_before_blocked() -> None:
    rules = mapping(PARENT.fields[1], rule(1, "name", right_info=info("r_name", length=3)))
    failure = decide(Link(left_id="L1"), record(L, name="Cronus", parent=11), None, rules, {}).failure
    assert failure is not None
    assert (failure.code, failure.params["others"]) == ("value_too_long", 1)


def test_value_that_is_none_of_its_type_fails_the_record_only() -> None:
    rules = mapping(rule(1, "level", FieldType.DECIMAL))
    now = pair({"level": float("nan")}, {"level": None})
    failure = decide(Link("L1", "R1"), *now, rules, {}).failure
    assert failure is not None
    assert (failure.code, failure.scope, failure.params["side"]) == ("invalid_value", Scope.RECORD, "left")


def test_field_that_was_not_read_stops_the_table() -> None:
    with pytest.raises(Misconfigured) as caught:
        decide(Link("L1", "R1"), record(L), record(R, name="A"), mapping(rule(1, "name")), {})
    assert (caught.value.code, caught.value.params) == ("field_missing", {"field": "l_name", "side": "left"})


def test_precondition_holds_back_writes_and_nothing_else() -> None:
    failed = Blocked("precondition", {"what": "rate"})
    was = pair(VALUES)
    link = agreed(RULES, *was)
    assert decide(link, *was, RULES, {}, blocked=failed).kind is StepKind.UNCHANGED
    assert decide(link, edit(was[0], name="A"), was[1], RULES, {}, blocked=failed).failure is failed
    assert decide(Link(left_id="L1"), was[0], None, RULES, {}, blocked=failed).failure is failed
    both = decide(link, edit(was[0], name="A"), edit(was[1], name="B"), RULES, {}, blocked=failed)
    assert plainly(both) == ASKED


def test_transformations_run_on_the_way() -> None:
    rules = mapping(rule(1, "name", to_right=(Transform("upper"),), to_left=(Transform("lower"),)))
    was = record(L, name="abc"), record(R, name="ABC")
    link = agreed(rules, *was)
    assert decide(link, *was, rules, {}).kind is StepKind.UNCHANGED
    assert decide(link, edit(was[0], name="abd"), was[1], rules, {}).writes == {R: {"r_name": "ABD"}}
    assert decide(link, was[0], edit(was[1], name="ABE"), rules, {}).writes == {L: {"l_name": "abe"}}
    equal = decide(link, edit(was[0], name="abd"), edit(was[1], name="ABD"), rules, {})
    assert equal.kind is StepKind.UNCHANGED


def test_padding_is_gone_before_transformations_run() -> None:
    padded = info("l_code", padded=True)
    step = Transform("map", {"pairs": [["NO", "Norway"]]})
    rules = mapping(rule(1, "code", direction=TO_RIGHT, left_info=padded, to_right=(step,)))
    assert decide(Link(left_id="L1"), record(L, code="NO   "), None, rules, {}).writes == {
        R: {"r_code": "Norway"}
    }


def test_finer_clock_is_no_edit() -> None:
    fine, coarse = info("l_due", FieldType.INSTANT), info("r_due", FieldType.INSTANT, fraction=3)
    rules = mapping(rule(1, "due", left_info=fine, right_info=coarse))
    left = record(L, due=NOON.replace(microsecond=123_456))
    right = record(R, due=NOON.replace(microsecond=123_000))
    assert decide(Link("L1", "R1"), left, right, rules, {}).kind is StepKind.UNCHANGED
    assert image(rules, L, left)[1] == image(rules, R, right)[1] == (1, '"2024-05-17T12:00:00.123Z"')


@pytest.mark.parametrize(("keep_empty", "kind"), [(False, StepKind.UNCHANGED), (True, StepKind.WRITE)])
def test_null_to_empty_text_is_no_edit_unless_kept(keep_empty: bool, kind: StepKind) -> None:
    rules = mapping(rule(1, "name", keep_empty=keep_empty))
    was = pair({"name": None})
    assert decide(agreed(rules, *was), edit(was[0], name=""), was[1], rules, {}).kind is kind


# -- a chosen direction, and what was taken back -----------------------------------------------------------------------


def test_a_chosen_direction_takes_that_sides_values_and_names_the_edits_lost() -> None:
    left, right = pair({"name": "A", "street": "1", "city": "Gent", "rep": "x", "owes": "0"})
    link = agreed(RULES, left, right)
    step = decide(
        link,
        edit(left, name="B"),
        edit(right, street="2", owes="9"),
        RULES,
        {},
        resolution=Resolution(source=L),
    )
    assert {side: dict(values) for side, values in step.writes.items()} == {
        R: {"r_name": "B", "r_street": "1"},
        L: {"l_owes": "9"},
    }, "one-way fields keep their direction"
    assert dict(step.overwrites[R]) == {"r_street": '"2"'}


@pytest.mark.parametrize(("left_now", "right_now"), [("1", "2"), ("", "2"), ("1", "")])
def test_what_was_taken_back_is_asked_whatever_side_was_preferred(left_now: str, right_now: str) -> None:
    rules = mapping(rule(1, "name"))
    left, right = pair({"name": left_now}, {"name": right_now})
    taken_back = {1: (TAKEN_BACK, None)}
    link = Link(left.id, right.id, taken_back, taken_back, prefer=L)
    assert decide(link, left, right, rules, {}).kind is StepKind.FAIL
    same = pair({"name": "1"})
    assert decide(link, *same, rules, {}).kind is StepKind.UNCHANGED

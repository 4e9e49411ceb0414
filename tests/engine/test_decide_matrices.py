"""The two matrices by which people compare engines: both modified, and deleted on one side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from synccore.engine.decide import decide
from synccore.engine.rules import ConflictPolicy, DeletionPolicy, Direction, Resolution, StepKind
from synccore.shapes import Condition, FieldType, Operator, Side
from tests.engine.build import (
    BOTH,
    TO_LEFT,
    TO_RIGHT,
    L,
    R,
    agreed,
    edit,
    info,
    mapping,
    pair,
    plainly,
    record,
    rule,
)

ASK, LEFT, RIGHT = ConflictPolicy.ASK, ConflictPolicy.LEFT, ConflictPolicy.RIGHT


def both_modified() -> list[Any]:
    conflict = {"kind": "fail", "failure": "update_conflict"}
    unchanged = {"kind": "unchanged"}
    to_right = {"kind": "write", "writes": {"right": {"r_x": "A"}}, "overwrites": {"right": {"r_x": '"B"'}}}
    to_left = {"kind": "write", "writes": {"left": {"l_x": "B"}}, "overwrites": {"left": {"l_x": '"A"'}}}
    different = {
        ("both", ASK): conflict,
        ("both", LEFT): to_right,
        ("both", RIGHT): to_left,
        **{("to_right", policy): to_right for policy in (ASK, LEFT, RIGHT)},
        **{("to_left", policy): to_left for policy in (ASK, LEFT, RIGHT)},
        **{("unmapped", policy): unchanged for policy in (ASK, LEFT, RIGHT)},
    }
    return [
        pytest.param(
            field, policy, right, unchanged if right == "A" else expected, id=f"{field}-{policy}-{right}"
        )
        for (field, policy), expected in different.items()
        for right in ("A", "B")
    ]


@pytest.mark.parametrize(("field", "policy", "right", "expected"), both_modified())
def test_both_modified(field: str, policy: ConflictPolicy, right: str, expected: dict[str, Any]) -> None:
    mapped = [] if field == "unmapped" else [rule(1, "x", direction=Direction(field))]
    rules = mapping(rule(9, "name"), *mapped, conflicts=policy)
    was = pair({"name": "Cronus", "x": "old"})
    step = decide(agreed(rules, *was), edit(was[0], at=50, x="A"), edit(was[1], at=60, x=right), rules, {})
    assert plainly(step) == expected


#: direction, side that is gone, policy → what a scheduled run does (survivor unchanged / changed).
DELETIONS: list[tuple[Direction, Side, DeletionPolicy, str, str]] = [
    (BOTH, L, DeletionPolicy.ASK, "deleted_left", "deleted_left"),
    (BOTH, L, DeletionPolicy.RESTORE, "create", "create"),
    (BOTH, L, DeletionPolicy.UNCOUPLE, "uncouple", "uncouple"),
    (BOTH, L, DeletionPolicy.DELETE, "delete", "deleted_left"),
    (BOTH, R, DeletionPolicy.ASK, "deleted_right", "deleted_right"),
    (BOTH, R, DeletionPolicy.RESTORE, "create", "create"),
    (BOTH, R, DeletionPolicy.UNCOUPLE, "uncouple", "uncouple"),
    (BOTH, R, DeletionPolicy.DELETE, "delete", "deleted_right"),
    (TO_RIGHT, L, DeletionPolicy.ASK, "deleted_left", "deleted_left"),
    (TO_RIGHT, L, DeletionPolicy.RESTORE, "deleted_left", "deleted_left"),
    (TO_RIGHT, L, DeletionPolicy.UNCOUPLE, "uncouple", "uncouple"),
    (TO_RIGHT, L, DeletionPolicy.DELETE, "delete", "deleted_left"),
    (TO_RIGHT, R, DeletionPolicy.ASK, "deleted_right", "deleted_right"),
    (TO_RIGHT, R, DeletionPolicy.RESTORE, "create", "create"),
    (TO_RIGHT, R, DeletionPolicy.UNCOUPLE, "uncouple", "uncouple"),
    (TO_RIGHT, R, DeletionPolicy.DELETE, "deleted_right", "deleted_right"),
    (TO_LEFT, L, DeletionPolicy.ASK, "deleted_left", "deleted_left"),
    (TO_LEFT, L, DeletionPolicy.RESTORE, "create", "create"),
    (TO_LEFT, L, DeletionPolicy.UNCOUPLE, "uncouple", "uncouple"),
    (TO_LEFT, L, DeletionPolicy.DELETE, "deleted_left", "deleted_left"),
    (TO_LEFT, R, DeletionPolicy.ASK, "deleted_right", "deleted_right"),
    (TO_LEFT, R, DeletionPolicy.RESTORE, "deleted_right", "deleted_right"),
    (TO_LEFT, R, DeletionPolicy.UNCOUPLE, "uncouple", "uncouple"),
    (TO_LEFT, R, DeletionPolicy.DELETE, "delete", "deleted_right"),
]


@pytest.mark.parametrize("changed", [False, True], ids=["survivor-unchanged", "survivor-changed"])
@pytest.mark.parametrize(("direction", "gone", "policy", "unchanged", "edited"), DELETIONS)
def test_deletion_found_by_a_run(
    direction: Direction, gone: Side, policy: DeletionPolicy, unchanged: str, edited: str, changed: bool
) -> None:
    rules = mapping(rule(1, "x"), rule(2, "y"), direction=direction, deletions=policy)
    step = decide(*_one_gone(rules, gone, changed), rules, {})
    expected = edited if changed else unchanged
    assert (step.failure.code if step.failure else step.kind.value) == expected
    if step.failure:
        assert step.failure.params == {"side": gone.value, "key": "C10", "name": "Cronus", "changed": changed}
    else:
        assert step.side is (gone if step.kind is StepKind.CREATE else gone.other)
        assert step.restores == (step.kind is StepKind.CREATE)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("gone", [L, R])
@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("decision", [each for each in DeletionPolicy if each is not DeletionPolicy.ASK])
def test_deletion_decided_by_a_person(
    direction: Direction, gone: Side, changed: bool, decision: DeletionPolicy
) -> None:
    rules = mapping(rule(1, "x"), rule(2, "y"), direction=direction)
    link, left, right = _one_gone(rules, gone, changed)
    step = decide(link, left, right, rules, {}, resolution=Resolution(deletion=decision))
    prefix, kept = gone.value[0], gone.other.value[0]
    match decision:
        case DeletionPolicy.RESTORE:
            # Against the mapping's direction the record comes back as it was last agreed.
            x = "new" if changed and direction.allows(gone) else "old"
            assert (step.kind, step.restores, step.side) == (StepKind.CREATE, True, gone)
            assert step.writes == {gone: {f"{prefix}_x": x, f"{prefix}_y": "old"}}
        case DeletionPolicy.DELETE:
            assert (step.kind, step.side) == (StepKind.DELETE, gone.other)
            assert step.overwrites == ({gone.other: {f"{kept}_x": '"new"'}} if changed else {})
        case _:
            assert (step.kind, step.side) == (StepKind.UNCOUPLE, gone.other)


def _one_gone(rules: Any, gone: Side, changed: bool) -> Any:
    was = pair({"x": "old", "y": "old"})
    link = agreed(rules, *was)
    left, right = (edit(one, x="new") if changed else one for one in was)
    return link, None if gone is L else left, None if gone is R else right


def test_restore_brings_back_what_flows_only_from_there() -> None:
    """A one-way field's source that was deleted is known from the base image, as is its own id of a parent."""
    rules = mapping(
        rule(1, "x"),
        rule(2, "rep", direction=TO_RIGHT),
        rule(3, "parent", direction=TO_RIGHT, reference=4),
        rule(5, "owes", direction=TO_LEFT),
    )
    left = record(L, x="1", rep="AB", parent="P1", owes="9")
    right = record(R, x="1", rep="AB", parent="Q1", owes="9")
    link = agreed(rules, left, right)
    step = decide(
        link, None, edit(right, x="2"), rules, {}, resolution=Resolution(deletion=DeletionPolicy.RESTORE)
    )
    assert step.writes == {L: {"l_x": "2", "l_rep": "AB", "l_parent": "P1", "l_owes": "9"}}


def test_restore_leaves_out_what_the_app_alone_writes() -> None:
    rules = mapping(
        rule(1, "x"),
        rule(2, "balance", direction=TO_RIGHT, left_info=info("l_balance", read_only=True)),
        rule(3, "logo", FieldType.BINARY, direction=TO_RIGHT),
    )
    left, right = record(L, x="1", balance="9", logo=b"a"), record(R, x="1", balance="9", logo=b"a")
    restore = Resolution(deletion=DeletionPolicy.RESTORE)
    step = decide(agreed(rules, left, right), None, right, rules, {}, resolution=restore)
    assert step.writes == {L: {"l_x": "1"}}


@pytest.mark.parametrize("decided", [False, True])
def test_survivor_outside_the_filter(decided: bool) -> None:
    rules = mapping(
        rule(1, "x"),
        rule(2, "y"),
        deletions=DeletionPolicy.DELETE,
        right_filter=(Condition("r_x", Operator.EQ, "other"),),
    )
    link, left, right = _one_gone(rules, L, False)
    resolution = Resolution(deletion=DeletionPolicy.DELETE) if decided else None
    step = decide(link, left, right, rules, {}, resolution=resolution)
    assert step.kind is (StepKind.DELETE if decided else StepKind.LEFT_FILTER)


def test_survivor_that_was_never_agreed_counts_as_changed() -> None:
    rules = mapping(rule(1, "x"), rule(2, "y"), deletions=DeletionPolicy.DELETE)
    link, left, right = _one_gone(rules, L, False)
    step = decide(replace(link, right_base={}), left, right, rules, {})
    assert step.failure is not None and step.failure.params["changed"] is True
    moved_on = mapping(rule(1, "x", revision=2), rule(2, "y"), deletions=DeletionPolicy.DELETE)
    assert decide(link, left, right, moved_on, {}).kind is StepKind.FAIL

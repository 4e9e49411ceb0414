"""The decision table for pairs that were edited: every row, who wins, and fields without a base."""

from __future__ import annotations

from typing import Any

import pytest

from synccore.engine.decide import decide
from synccore.engine.rules import (
    ConflictPolicy,
    DeletionPolicy,
    Link,
    Resolution,
    Skew,
    StepKind,
)
from synccore.shapes import Side
from tests.engine.build import (
    ADDRESS,
    BOTH,
    RULES,
    TO_RIGHT,
    VALUES,
    L,
    R,
    agreed,
    applied,
    edit,
    mapping,
    pair,
    plainly,
    record,
    rule,
)

#: left edits, right edits → what happens under the policy ask.
EDITS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("nothing", {}, {}, {"kind": "unchanged"}),
    ("left", {"name": "A"}, {}, {"kind": "write", "writes": {"right": {"r_name": "A"}}}),
    ("right", {}, {"name": "B"}, {"kind": "write", "writes": {"left": {"l_name": "B"}}}),
    ("emptied", {"name": None}, {}, {"kind": "write", "writes": {"right": {"r_name": None}}}),
    ("equal edits", {"name": "A"}, {"name": "A"}, {"kind": "unchanged"}),
    ("different edits", {"name": "A"}, {"name": "B"}, {"kind": "fail", "failure": "update_conflict"}),
    (
        "joined edits",
        {"name": "A"},
        {"city": "Bergen"},
        {"kind": "write", "writes": {"right": {"r_name": "A"}, "left": {"l_city": "Bergen"}}},
    ),
    (
        "two fields of a group",
        {"street": "Low St"},
        {"city": "Bergen"},
        {"kind": "fail", "failure": "update_conflict"},
    ),
    (
        "a group where one version holds both",
        {"street": "Low St", "city": "Bergen"},
        {"city": "Bergen"},
        {"kind": "write", "writes": {"right": {"r_street": "Low St"}}},
    ),
    (
        "one conflict holds everything back",
        {"name": "A", "rep": "CD", "city": "Rome"},
        {"name": "B"},
        {"kind": "fail", "failure": "update_conflict"},
    ),
    ("one-way source", {"rep": "CD"}, {}, {"kind": "write", "writes": {"right": {"r_rep": "CD"}}}),
    (
        "one-way destination",
        {},
        {"rep": "XX"},
        {"kind": "write", "writes": {"right": {"r_rep": "AB"}}, "overwrites": {"right": {"r_rep": '"XX"'}}},
    ),
    (
        "one-way both",
        {"rep": "CD"},
        {"rep": "XX"},
        {"kind": "write", "writes": {"right": {"r_rep": "CD"}}, "overwrites": {"right": {"r_rep": '"XX"'}}},
    ),
    ("one-way equal", {"rep": "CD"}, {"rep": "CD"}, {"kind": "unchanged"}),
    (
        "one-way the other way",
        {"owes": "9"},
        {},
        {"kind": "write", "writes": {"left": {"l_owes": "5"}}, "overwrites": {"left": {"l_owes": '"9"'}}},
    ),
]


@pytest.mark.parametrize(
    ("left", "right", "expected"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS]
)
def test_edits(left: dict[str, Any], right: dict[str, Any], expected: dict[str, Any]) -> None:
    was = pair(VALUES)
    step = decide(agreed(RULES, *was), edit(was[0], **left), edit(was[1], **right), RULES, {})
    assert plainly(step) == expected


def test_what_stood_in_a_one_way_field_before_there_was_a_pair_is_named_when_it_is_written_over() -> None:
    """Its source was empty, so nothing was written when the two were paired."""
    left, right = pair(VALUES)
    was = (edit(left, rep=None), edit(right, rep="XX"))
    step = decide(agreed(RULES, *was), edit(was[0], rep="CD"), was[1], RULES, {})
    assert plainly(step) == {
        "kind": "write",
        "writes": {"right": {"r_rep": "CD"}},
        "overwrites": {"right": {"r_rep": '"XX"'}},
    }
    untouched = decide(agreed(RULES, *was), edit(was[0], at=500), was[1], RULES, {})
    assert untouched.kind is StepKind.UNCHANGED


def test_time_moved_but_no_mapped_field_did() -> None:
    was = pair(VALUES)
    moved = edit(was[0], at=500, unmapped="new")
    assert decide(agreed(RULES, *was), moved, edit(was[1], at=900), RULES, {}).kind is StepKind.UNCHANGED


def test_own_write_comes_back_unchanged() -> None:
    """The echo: after a write and the new memory, nothing is left to do."""
    was = pair(VALUES)
    now = edit(was[0], name="A", rep="CD"), edit(was[1], city="Bergen", rep="XX")
    step = decide(agreed(RULES, *was), *now, RULES, {})
    after = applied(step, L, now[0]), applied(step, R, now[1])
    assert decide(agreed(RULES, *after), *after, RULES, {}).kind is StepKind.UNCHANGED


# -- conflicts ---------------------------------------------------------------------------------------------


def conflict(left_at: float | None = 100, right_at: float | None = 0) -> tuple[Link, Any, Any]:
    was = pair(VALUES)
    left = edit(was[0], name="A", street="Low St")
    right = edit(was[1], name="B", city="Bergen")
    left, right = edit(left, at=left_at), edit(right, at=right_at)
    return agreed(RULES, *was), left, right


LEFT_WINS = {
    "kind": "write",
    "writes": {"right": {"r_name": "A", "r_street": "Low St", "r_city": "Oslo"}},
    "overwrites": {"right": {"r_name": '"B"', "r_city": '"Bergen"'}},
}
RIGHT_WINS = {
    "kind": "write",
    "writes": {"left": {"l_name": "B", "l_street": "High St", "l_city": "Bergen"}},
    "overwrites": {"left": {"l_name": '"A"', "l_street": '"Low St"'}},
}
ASKED = {"kind": "fail", "failure": "update_conflict"}


@pytest.mark.parametrize(
    ("policy", "resolution", "expected"),
    [
        (ConflictPolicy.ASK, None, ASKED),
        (ConflictPolicy.LEFT, None, LEFT_WINS),
        (ConflictPolicy.RIGHT, None, RIGHT_WINS),
        (ConflictPolicy.NEWEST, None, LEFT_WINS),
        (ConflictPolicy.ASK, Resolution(side=L), LEFT_WINS),
        (ConflictPolicy.ASK, Resolution(side=R), RIGHT_WINS),
        (ConflictPolicy.ASK, Resolution(newest=True), LEFT_WINS),
        (ConflictPolicy.LEFT, Resolution(side=R), RIGHT_WINS),
        (ConflictPolicy.ASK, Resolution(units={"field:1": L, "group:address": L}), LEFT_WINS),
        (ConflictPolicy.ASK, Resolution(units={"field:1": L}), ASKED),
        (ConflictPolicy.ASK, Resolution(side=R, units={"field:1": R}), RIGHT_WINS),
        (
            ConflictPolicy.ASK,
            Resolution(side=R, units={"field:1": L}),
            {
                "kind": "write",
                "writes": {"right": {"r_name": "A"}, "left": {"l_street": "High St", "l_city": "Bergen"}},
                "overwrites": {"right": {"r_name": '"B"'}, "left": {"l_street": '"Low St"'}},
            },
        ),
        (ConflictPolicy.ASK, Resolution(deletion=DeletionPolicy.DELETE), ASKED),
    ],
)
def test_who_wins(policy: ConflictPolicy, resolution: Resolution | None, expected: dict[str, Any]) -> None:
    link, left, right = conflict()
    rules = mapping(*RULES.fields, conflicts=policy)
    assert plainly(decide(link, left, right, rules, {}, resolution=resolution)) == expected


@pytest.mark.parametrize(
    ("left_at", "right_at", "left_skew", "right_skew", "winner"),
    [
        (100.0, 0.0, Skew(), Skew(), L),
        (0.0, 100.0, Skew(), Skew(), R),
        (1.9, 0.0, Skew(), Skew(), None),
        (2.0, 0.0, Skew(), Skew(), L),
        (0.0, 2.0, Skew(), Skew(), R),
        (4.0, 0.0, Skew(0, 1), Skew(0, 1.5), None),
        (4.5, 0.0, Skew(0, 1), Skew(0, 1.5), L),
        (100.0, 0.0, Skew(seconds=200), Skew(), R),
        (0.0, 100.0, Skew(), Skew(seconds=200), L),
        (None, 0.0, Skew(), Skew(), None),
    ],
)
def test_newest(
    left_at: float | None, right_at: float | None, left_skew: Skew, right_skew: Skew, winner: Side | None
) -> None:
    was = pair(VALUES)
    left, right = (
        record(L, at=left_at, **{**VALUES, "name": "A"}),
        record(R, at=right_at, **{**VALUES, "name": "B"}),
    )
    rules = mapping(
        *RULES.fields, conflicts=ConflictPolicy.NEWEST, left_skew=left_skew, right_skew=right_skew
    )
    step = decide(agreed(RULES, *was), left, right, rules, {})
    written = step.written_sides()
    assert written == (() if winner is None else (winner.other,))
    assert (step.failure is None) == (winner is not None)


@pytest.mark.parametrize(
    ("owners", "resolution", "winner"),
    [
        ((L, L), None, L),
        ((R, R), None, R),
        ((L, R), None, None),
        ((L, None), None, None),
        ((L, L), Resolution(side=R), L),
        ((L, L), Resolution(units={"group:address": R}), R),
    ],
)
def test_owner_side(
    owners: tuple[Side | None, Side | None], resolution: Resolution | None, winner: Side | None
) -> None:
    rules = mapping(
        rule(2, "street", group="address", owner=owners[0]), rule(3, "city", group="address", owner=owners[1])
    )
    was = pair({"street": "High St", "city": "Oslo"})
    left, right = edit(was[0], street="Low St"), edit(was[1], city="Bergen")
    step = decide(agreed(rules, *was), left, right, rules, {}, resolution=resolution)
    assert step.written_sides() == (() if winner is None else (winner.other,))


def test_conflict_says_everything() -> None:
    rules = mapping(rule(1, "name"), rule(6, "iban", sensitive=True), rule(8, "city"), *ADDRESS[:1])
    was = pair({"name": "Cronus", "iban": "NO1", "city": "Oslo", "street": "High St"})
    left = edit(was[0], at=60, name="A", iban="NO2", city="Rome")
    right = edit(was[1], at=90, name=None, iban="NO3")
    failure = decide(agreed(rules, *was), left, right, rules, {}).failure
    assert failure is not None
    params = failure.params
    assert params["joined"] == [{"field": 8, "left": "l_city", "right": "r_city", "to": "right"}]
    assert params["groups"] == []
    assert params["left_modified_at"] == "2024-05-17T12:01:00+00:00"
    assert (params["right_modified_by"], params["right_modified_at"]) == ("Anna", "2024-05-17T12:01:30+00:00")
    name, iban = params["fields"]
    assert name == {
        "unit": "field:1",
        "field": 1,
        "group": "",
        "left_field": "l_name",
        "right_field": "r_name",
        "left": '"A"',
        "right": None,
        "base_left": '"Cronus"',
        "base_right": '"Cronus"',
        "based": True,
        "left_changed": True,
        "right_changed": True,
        "sensitive": False,
    }
    assert (
        iban["sensitive"]
        and [iban[part] for part in ("left", "right", "base_left", "base_right")] == [None] * 4
    )


# -- fields without a base ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "direction", "prefer", "expected"),
    [
        ("A", "A", BOTH, None, {"kind": "unchanged"}),
        ("A", None, BOTH, None, {"kind": "write", "writes": {"right": {"r_name": "A"}}}),
        ("", "B", BOTH, L, {"kind": "write", "writes": {"left": {"l_name": "B"}}}),
        ("A", "B", BOTH, None, ASKED),
        (
            "A",
            "B",
            BOTH,
            R,
            {"kind": "write", "writes": {"left": {"l_name": "B"}}, "overwrites": {"left": {"l_name": '"A"'}}},
        ),
        (
            "A",
            "B",
            TO_RIGHT,
            R,
            {
                "kind": "write",
                "writes": {"right": {"r_name": "A"}},
                "overwrites": {"right": {"r_name": '"B"'}},
            },
        ),
        ("A", "", TO_RIGHT, None, {"kind": "write", "writes": {"right": {"r_name": "A"}}}),
        (
            None,
            "B",
            TO_RIGHT,
            None,
            {
                "kind": "write",
                "writes": {"right": {"r_name": None}},
                "overwrites": {"right": {"r_name": '"B"'}},
            },
        ),
    ],
)
@pytest.mark.parametrize("memory", ["none", "older revision"])
def test_without_base(
    left: str, right: str, direction: Any, prefer: Side | None, expected: dict[str, Any], memory: str
) -> None:
    rules = mapping(rule(1, "name", direction=direction, revision=2))
    now = pair({"name": left}, {"name": right})
    base = {} if memory == "none" else {1: (1, '"A"')}
    assert plainly(decide(Link("L1", "R1", base, base, prefer), *now, rules, {})) == expected


@pytest.mark.parametrize("older", [L, R])
def test_base_of_an_older_revision_on_one_side_is_no_base(older: Side) -> None:
    rules = mapping(rule(1, "name", revision=2))
    revisions = {side: 1 if side is older else 2 for side in (L, R)}
    link = Link("L1", "R1", {1: (revisions[L], '"A"')}, {1: (revisions[R], '"A"')})
    assert plainly(decide(link, *pair({"name": "A"}, {"name": "B"}), rules, {})) == ASKED


def test_conflict_without_base_has_no_middle_value() -> None:
    rules = mapping(rule(1, "name"))
    failure = decide(Link("L1", "R1"), *pair({"name": "A"}, {"name": "B"}), rules, {}).failure
    assert failure is not None
    (field,) = failure.params["fields"]
    assert (field["based"], field["base_left"], field["base_right"]) == (False, None, None)


def test_group_without_base_is_not_mixed() -> None:
    now = pair({"street": "Low St", "city": None}, {"street": None, "city": "Bergen"})
    assert plainly(decide(Link("L1", "R1"), *now, mapping(*ADDRESS), {})) == ASKED

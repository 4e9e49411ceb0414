"""What must hold for every mapping, memory and pair of records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from synccore.engine.decide import decide
from synccore.engine.images import image
from synccore.engine.rules import (
    ConflictPolicy,
    DeletionPolicy,
    Direction,
    FieldRule,
    Image,
    Link,
    MappingRules,
    Resolution,
    Step,
    StepKind,
    Transform,
)
from synccore.shapes import SIDES, Record, Side
from tests.engine.build import L, R, applied, constant, mapping, record, rule

NAMES = ("a", "b", "c", "d")
FLIP = {"x": "X", "y": "Y", "z": "Z", "": ""}
TO_UPPER = (Transform("map", {"pairs": [list(each) for each in FLIP.items()]}),)
TO_LOWER = (Transform("map", {"pairs": [[there, here] for here, there in FLIP.items()]}),)

texts = st.sampled_from(["x", "y", "z", None])
sides = st.sampled_from([L, R])
directions = st.sampled_from(list(Direction))


@st.composite
def field_rules(draw: st.DrawFn) -> tuple[FieldRule, ...]:
    rules = []
    for id, name in enumerate(NAMES, 1):
        flipped = draw(st.booleans())
        rules.append(
            rule(
                id,
                name,
                direction=draw(directions),
                group=draw(st.sampled_from(["", "", "g"])),
                owner=draw(st.sampled_from([None, None, L, R])),
                to_right=TO_UPPER if flipped else (),
                to_left=TO_LOWER if flipped else (),
            )
        )
    if draw(st.booleans()):
        rules.append(constant(9, "origin", '"K"', draw(sides)))
    return tuple(rules)


@st.composite
def situations(draw: st.DrawFn) -> tuple[MappingRules, Link, Record, Record, Resolution | None]:
    fields = draw(field_rules())
    rules = mapping(
        *fields,
        direction=draw(
            st.sampled_from([Direction.BOTH, Direction.BOTH, Direction.TO_RIGHT, Direction.TO_LEFT])
        ),
        conflicts=draw(st.sampled_from([*ConflictPolicy, ConflictPolicy.ASK])),
        deletions=draw(st.sampled_from(list(DeletionPolicy))),
    )

    def one(side: Side) -> Record:
        values = {
            each.name(side)[2:]: _spelled(draw(texts), each, side)  # type: ignore[index]
            for each in fields
            if each.name(side)
        }
        return record(side, at=draw(st.sampled_from([0.0, 1.0, 9.0])), **values)

    was, left, right = one(L), one(L), one(R)
    base_left = image(rules, L, was)
    base_right = dict(image(rules, R, _counterpart(fields, was, one(R))))
    for id in draw(st.sets(st.sampled_from([1, 2, 3, 4]), max_size=2)):
        base_left.pop(id)
        base_right.pop(id)
    link = Link("L1", "R1", base_left, base_right, draw(st.sampled_from([None, None, L, R])))
    resolution = draw(
        st.none()
        | st.builds(
            Resolution,
            side=st.none() | sides,
            units=st.dictionaries(st.sampled_from(["field:1", "field:2", "group:g"]), sides, max_size=2),
            newest=st.booleans(),
            deletion=st.none() | st.sampled_from(list(DeletionPolicy)),
        )
    )
    return rules, link, left, right, resolution


def _spelled(value: str | None, each: FieldRule, side: Side) -> str | None:
    return value.upper() if value and side is R and each.to_right else value


def _counterpart(fields: tuple[FieldRule, ...], left: Record, right: Record) -> Record:
    """The right record that agrees with ``left``."""
    values = dict(right.fields)
    for each in fields:
        if each.left and each.right:
            value = left.fields[each.left]
            values[each.right] = _spelled(value, each, R)  # type: ignore[arg-type]
    return replace(right, fields=values)


def _settle(
    rules: MappingRules, link: Link, step: Step, left: Record, right: Record
) -> tuple[Link, Record, Record]:
    left, right = applied(step, L, left), applied(step, R, right)
    return replace(link, left_base=image(rules, L, left), right_base=image(rules, R, right)), left, right


# -- the properties ----------------------------------------------------------------------------------------


@given(situations())
@settings(max_examples=400)
def test_a_step_taken_leaves_nothing_to_do(situation: Any) -> None:
    """With the new memory; and with the old one too, as after a crash between the writes and the memory."""
    rules, link, left, right, resolution = situation
    step = decide(link, left, right, rules, {}, resolution=resolution)
    if step.kind is StepKind.FAIL:
        return
    settled, left, right = _settle(rules, link, step, left, right)
    assert decide(settled, left, right, rules, {}).kind is StepKind.UNCHANGED
    again = decide(link, left, right, rules, {}, resolution=resolution)
    assert again.kind is StepKind.UNCHANGED


@given(situations())
@settings(max_examples=400)
def test_no_edit_disappears(situation: Any) -> None:
    """What a side held and nobody agreed to yet is still there afterwards, or named in ``overwrites``."""
    rules, link, left, right, resolution = situation
    step = decide(link, left, right, rules, {}, resolution=resolution)
    for side, one in ((L, left), (R, right)):
        before, after = image(rules, side, one), image(rules, side, applied(step, side, one))
        for each in rules.fields:
            if each.name(side) is None or before[each.id] == after[each.id]:
                continue
            named = step.overwrites.get(side, {})
            if link.base(side).get(each.id) != before[each.id] and before[each.id][1] is not None:
                assert named[each.name(side)] == before[each.id][1]
            elif link.base(side).get(each.id) == before[each.id]:
                assert each.name(side) not in named


@given(situations())
@settings(max_examples=400)
def test_fields_that_flow_both_ways_agree_afterwards(situation: Any) -> None:
    rules, link, left, right, resolution = situation
    step = decide(link, left, right, rules, {}, resolution=resolution)
    if step.kind is StepKind.FAIL:
        return
    _, left, right = _settle(rules, link, step, left, right)
    for each in rules.fields:
        if rules.direction is Direction.BOTH and each.direction is Direction.BOTH:
            assert each.left and each.right
            value = left.fields[each.left]
            assert right.fields[each.right] == _spelled(value, each, R)  # type: ignore[arg-type]


@given(situations())
@settings(max_examples=300)
def test_a_conflict_writes_nothing_and_names_both_edits(situation: Any) -> None:
    rules, link, left, right, resolution = situation
    step = decide(link, left, right, rules, {}, resolution=resolution)
    if step.failure is None:
        return
    assert not step.writes and not step.overwrites
    now = {L: image(rules, L, left), R: image(rules, R, right)}
    sides = set()
    for field in step.failure.params["fields"]:
        assert field["left"] == now[L][field["field"]][1] and field["right"] == now[R][field["field"]][1]
        assert field["left_changed"] or field["right_changed"]
        sides |= {side for side in SIDES if field[f"{side.value}_changed"]}
    assert sides == {L, R}


@given(situations())
@settings(max_examples=300)
def test_groups_are_chosen_whole(situation: Any) -> None:
    """A group's fields are never written to both sides in one step, and the side that gave them keeps its version."""
    rules, link, left, right, resolution = situation
    step = decide(link, left, right, rules, {}, resolution=resolution)
    members = [each for each in rules.fields if each.group and each.direction is Direction.BOTH]
    if rules.direction is not Direction.BOTH:
        return
    written = {
        side: [each for each in members if each.name(side) in step.writes.get(side, {})] for side in SIDES
    }
    assert not (written[L] and written[R])


def _mirror_rules(rules: MappingRules) -> MappingRules:
    turned = {
        Direction.BOTH: Direction.BOTH,
        Direction.TO_LEFT: Direction.TO_RIGHT,
        Direction.TO_RIGHT: Direction.TO_LEFT,
    }
    policy = {ConflictPolicy.LEFT: ConflictPolicy.RIGHT, ConflictPolicy.RIGHT: ConflictPolicy.LEFT}
    return replace(
        rules,
        left=rules.right,
        right=rules.left,
        direction=turned[rules.direction],
        conflicts=policy.get(rules.conflicts, rules.conflicts),
        fields=tuple(
            replace(
                each,
                left=each.right,
                right=each.left,
                left_info=each.right_info,
                right_info=each.left_info,
                direction=turned[each.direction],
                to_left=each.to_right,
                to_right=each.to_left,
                owner=each.owner and each.owner.other,
            )
            for each in rules.fields
        ),
    )


def _mirror_link(link: Link) -> Link:
    def whole(base: Image) -> Image:
        return dict(base)

    return Link(
        link.right_id,
        link.left_id,
        whole(link.right_base),
        whole(link.left_base),
        link.prefer and link.prefer.other,
    )


def _mirror_resolution(resolution: Resolution | None) -> Resolution | None:
    return resolution and replace(
        resolution,
        side=resolution.side and resolution.side.other,
        units={unit: side.other for unit, side in resolution.units.items()},
    )


@given(
    situations(), st.sampled_from(["both", "left gone", "right gone", "left new", "right new", "both gone"])
)
@settings(max_examples=500)
def test_left_and_right_are_treated_alike(situation: Any, what: str) -> None:
    rules, link, left, right, resolution = situation
    ids = {"left new": ("L1", None), "right new": (None, "R1")}.get(what, ("L1", "R1"))
    link = replace(link, left_id=ids[0], right_id=ids[1])
    one = None if what in ("left gone", "right new", "both gone") else left
    two = None if what in ("right gone", "left new", "both gone") else right
    step = decide(link, one, two, rules, {}, resolution=resolution)
    other = decide(
        _mirror_link(link), two, one, _mirror_rules(rules), {}, resolution=_mirror_resolution(resolution)
    )
    assert other.kind is step.kind and other.why.replace("_right", "_left") == step.why.replace(
        "_right", "_left"
    )
    assert other.side == (step.side and step.side.other)
    assert {side.other: dict(fields) for side, fields in other.writes.items()} == step.writes
    assert {side.other: dict(fields) for side, fields in other.overwrites.items()} == step.overwrites
    assert (other.failure is None) == (step.failure is None)

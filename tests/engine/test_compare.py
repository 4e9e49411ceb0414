"""The comparison says of every unit what deciding does with it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from synccore.engine.compare import Fate, UnitView, compare, from_texts
from synccore.engine.decide import decide
from synccore.engine.images import image
from synccore.engine.rules import Resolution, StepKind
from synccore.shapes import SIDES, FieldType
from tests.engine.build import TO_RIGHT, L, R, agreed, applied, edit, info, mapping, pair, rule
from tests.engine.test_decide_properties import situations


@given(situations(), st.lists(st.sampled_from([L, R]), min_size=8, max_size=8))
@settings(max_examples=400)
def test_what_is_told_is_what_happens(situation: Any, sides: list[Any]) -> None:
    rules, link, left, right, _resolution = situation
    units = compare(rules, link, left, right, {})
    conflicts = [unit for unit in units if unit.fate is Fate.CONFLICT]
    undecided = decide(link, left, right, rules, {})
    if conflicts:
        assert undecided.failure is not None
        assert undecided.failure.code == "update_conflict"
        assert {each["unit"] for each in undecided.failure.params["fields"]} == {
            each.name for each in conflicts
        }
    else:
        assert undecided.kind in (StepKind.WRITE, StepKind.UNCHANGED)
    chosen = dict(zip([unit.name for unit in conflicts], sides, strict=False))
    step = decide(link, left, right, rules, {}, resolution=Resolution(units=chosen))
    assert step.kind in (StepKind.WRITE, StepKind.UNCHANGED)
    after = {side: image(rules, side, applied(step, side, one)) for side, one in ((L, left), (R, right))}
    for unit in units:
        winner = chosen.get(unit.name) or (unit.to.other if unit.to else None)
        assert (winner is None) == (unit.fate is Fate.EQUAL)
        _as_told(unit, winner, after)


def _as_told(unit: UnitView, winner: Any, after: Any) -> None:
    for view in unit.fields:
        told = view.now if winner is None else view.after[winner]
        for side in SIDES:
            if view.rule.name(side) is not None:
                assert after[side][view.rule.id][1] == told[side], (unit, view, side)


@given(situations())
@settings(max_examples=100)
def test_what_was_kept_of_a_record_compares_like_the_record(situation: Any) -> None:
    rules, link, left, right, _resolution = situation
    kept = {}
    for side, one in ((L, left), (R, right)):
        texts = {rule: text for rule, (_revision, text) in image(rules, side, one).items()}
        kept[side] = from_texts(
            rules, side, texts, id=one.id, version=one.version, modified_at=one.modified_at
        )
        assert kept[side].unknown == frozenset()
    again = compare(rules, link, kept[L].record, kept[R].record, {})
    assert again == compare(rules, link, left, right, {})


def test_values_that_were_not_kept_are_unknown_and_say_nothing() -> None:
    rules = mapping(
        rule(1, "name"),
        rule(2, "photo", FieldType.BINARY),
        rule(3, "city"),
        rule(4, "rank", direction=TO_RIGHT),
    )
    was = pair({"name": "A", "photo": b"1", "city": "Gent", "rank": "x"})
    link = agreed(rules, *was)
    kept = {
        side: from_texts(
            rules,
            side,
            {rule: text for rule, (_r, text) in image(rules, side, one).items() if rule in (1, 2)},
            id=one.id,
            version="1",
        )
        for side, one in zip(SIDES, was, strict=True)
    }
    unknown = kept[L].unknown | kept[R].unknown
    assert unknown == {2, 3, 4}
    told = compare(
        rules,
        link,
        kept[L].record,
        kept[R].record,
        {},
        unknown=unknown,
        conflicts=frozenset({"field:3"}),
        flows={4: R},
    )
    assert [(unit.fate, unit.to, unit.fields[0].unknown) for unit in told] == [
        (Fate.EQUAL, None, False),
        (Fate.EQUAL, None, True),
        (Fate.CONFLICT, None, True),
        (Fate.ONE_WAY, R, True),
    ]


def test_a_value_the_other_app_cannot_hold_is_told_before_it_is_chosen() -> None:
    narrow = rule(1, "name", right_info=info("r_name", length=3))
    rules = mapping(narrow)
    was = pair({"name": "abc"})
    left, right = edit(was[0], name="abcdef"), edit(was[1], name="xyz")
    [unit] = compare(rules, agreed(rules, *was), left, right, {})
    assert unit.fate is Fate.CONFLICT
    [view] = unit.fields
    assert view.refused[L].code == "value_too_long"
    assert view.after == {R: {R: '"xyz"', L: '"xyz"'}}

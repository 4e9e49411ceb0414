"""Three-way comparison of a pair, field by field, and what is to be written (ENGINE §4).

``moved`` finds the fields that are not as last agreed; ``plan`` sorts them into writes and conflicts;
``write`` turns the writes into values and says which edits they replace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from synccore.engine.compiled import EMPTY, Compiled, CompiledField, field_missing
from synccore.engine.rules import TAKEN_BACK, UNFILLED, Link, References
from synccore.failures import Blocked, Failure, Rejected
from synccore.shapes import SIDES, Record, Side, Value


@dataclass(slots=True)
class FieldState:
    """A field that is not as last agreed. ``left_moved``/``right_moved``: that side holds something new."""

    field: CompiledField
    left: str | None
    right: str | None
    based: bool
    base_left: str | None = None
    base_right: str | None = None
    left_moved: bool = False
    right_moved: bool = False

    def text(self, side: Side) -> str | None:
        return self.left if side is Side.LEFT else self.right

    def moved(self, side: Side) -> bool:
        return self.left_moved if side is Side.LEFT else self.right_moved

    def edited(self, side: Side) -> bool:
        """Whether that side's text would be lost if it were written over: changed since the base, or never
        agreed."""
        if self.based:
            return self.text(side) != (self.base_left if side is Side.LEFT else self.base_right)
        return self.text(side) not in EMPTY


@dataclass(slots=True)
class Plan:
    """What is to be written (field → destination), and the units that are in conflict."""

    writes: list[tuple[FieldState, Side]] = field(default_factory=list)
    conflicts: dict[str, list[FieldState]] = field(default_factory=dict)
    #: Units settled by an owner side, a policy or a decision: unit → winning side.
    settled: dict[str, Side] = field(default_factory=dict)


def moved(compiled: Compiled, link: Link, left: Record, right: Record, refs: References) -> list[FieldState]:
    """The fields that are not as last agreed; none in the common case, where this loop is all that runs.

    Raises ``Rejected`` for a stored value that is not of its field's type,
    ``Misconfigured("field_missing")``.
    """
    states: list[FieldState] = []
    left_fields, right_fields = left.fields, right.fields
    left_base, right_base = link.left_base, link.right_base
    for each in (*compiled.pairs, *_not_returned(compiled, link)) if compiled.new_only else compiled.pairs:
        rule = each.rule
        try:
            left_text = each.canon_left(left_fields[each.left])  # type: ignore[index]
            right_text = each.canon_right(right_fields[each.right])  # type: ignore[index]
        except KeyError:
            side = Side.LEFT if each.left not in left_fields else Side.RIGHT
            raise field_missing(side, each.name(side) or "") from None
        except Rejected as failure:
            raise located(failure, compiled, each, _culprit(each, left)) from None
        was_left, was_right = left_base.get(rule.id), right_base.get(rule.id)
        if (
            was_left is not None
            and was_right is not None
            and was_left[0] == rule.revision
            and was_right[0] == rule.revision
        ):
            if left_text == was_left[1] and right_text == was_right[1]:
                continue
            state = FieldState(each, left_text, right_text, True, was_left[1], was_right[1])
            state.left_moved, state.right_moved = left_text != was_left[1], right_text != was_right[1]
            both = state.left_moved and state.right_moved
        else:
            state = FieldState(each, left_text, right_text, False)
            both = True
        if each.both_ways and both:
            if _equal(each, left, right_text, refs):
                continue
            if not state.based:
                taken_back = any(was is not None and was[0] == TAKEN_BACK for was in (was_left, was_right))
                _without_base(state, link.prefer, ask=taken_back)
        states.append(state)
    return states


def _not_returned(compiled: Compiled, link: Link) -> Iterable[CompiledField]:
    """Fields for new records only, of which one record of the pair is as good as new: it has not got yet what the app of
    the other one gave (its number)."""
    for each in compiled.new_only:
        was = (link.left_base.get(each.rule.id), link.right_base.get(each.rule.id))
        if any(base is not None and base[0] == UNFILLED for base in was):
            yield each


def _culprit(each: CompiledField, left: Record) -> Side:
    try:
        each.text(Side.LEFT, left)
    except Rejected:
        return Side.LEFT
    return Side.RIGHT


def _equal(each: CompiledField, left: Record, right_text: str | None, refs: References) -> bool:
    """Equal edits: what left would become on the right is what stands there."""
    try:
        return each.flow_text(Side.RIGHT, each.value(left, Side.LEFT), refs) == right_text
    except (Rejected, Blocked):
        return False


def _without_base(state: FieldState, prefer: Side | None, *, ask: bool) -> None:
    """Just coupled, or the rule's revision moved: the empty side is filled, else the chosen side counts, else
    both. ``ask``: what was agreed was taken back, so both count."""
    if ask:
        state.left_moved = state.right_moved = True
    elif state.left in EMPTY:
        state.right_moved = True
    elif state.right in EMPTY:
        state.left_moved = True
    else:
        state.left_moved = prefer is not Side.RIGHT
        state.right_moved = prefer is not Side.LEFT


def units(states: Iterable[FieldState]) -> dict[str, list[FieldState]]:
    """The fields that flow both ways by unit: a group, or one field alone."""
    found: dict[str, list[FieldState]] = {}
    for state in states:
        if state.field.both_ways:
            found.setdefault(state.field.rule.unit, []).append(state)
    return found


def write(
    compiled: Compiled, plan: Plan, left: Record, right: Record, refs: References
) -> tuple[dict[Side, dict[str, Value]], dict[Side, dict[str, str | None]]]:
    """Values to write per side, and per side the texts they replace that nobody agreed to lose.

    A value that is on the destination already is not written. Raises the failure that a person can end
    soonest: ``Rejected`` before ``Blocked``, a hopeless blocker before one that will be coupled; ``others``
    counts the rest.
    """
    records = {Side.LEFT: left, Side.RIGHT: right}
    writes: dict[Side, dict[str, Value]] = {}
    overwrites: dict[Side, dict[str, str | None]] = {}
    failures: list[Failure] = []
    for state, side in plan.writes:
        name = state.field.name(side)
        assert name is not None
        try:
            value = state.field.flow(side, state.field.value(records[side.other], side.other), refs)
            text = state.field.canon[side](value)
        except Blocked as failure:
            failures.append(failure)
            continue
        except Rejected as failure:
            failures.append(located(failure, compiled, state.field, side))
            continue
        if text == state.text(side) or (text is None and _stays(state.field, side)):
            continue
        writes.setdefault(side, {})[name] = value
        if state.edited(side) or _never_came(state, side, refs):
            overwrites.setdefault(side, {})[name] = state.text(side)
    if failures:
        raise first_of(failures)
    return writes, overwrites


def _never_came(state: FieldState, side: Side, refs: References) -> bool:
    """A one-way field whose source was empty while its destination was not: what stands there is a person's, from before
    there was a pair, though nothing changed since."""
    each = state.field
    if each.both_ways or each.rule.has_constant or not state.based:
        return False
    source, destination = state.base_left, state.base_right
    if side is Side.LEFT:
        source, destination = destination, source
    if source not in EMPTY or destination in EMPTY:
        return False
    try:
        return each.flow_text(side, None, refs) != destination
    except (Rejected, Blocked):
        return True


def _stays(each: CompiledField, side: Side) -> bool:
    """Whether the destination keeps what it has where there is nothing to write: an owner that nobody replaces."""
    info = each.infos[side]
    return each.rule.reference is not None and each.rule.optional and info is not None and info.required


def constants(
    compiled: Compiled, link: Link, records: Mapping[Side, Record]
) -> Iterable[tuple[FieldState, Side]]:
    """Constants that are not what they should be: their field left its base, or has none yet."""
    for each in compiled.constants:
        for side in SIDES:
            if not each.name(side) or not each.allows(side):
                continue
            try:
                text = each.text(side, records[side])
            except Rejected as failure:
                raise located(failure, compiled, each, side) from None
            base = link.base(side).get(each.rule.id)
            based = base is not None and base[0] == each.rule.revision
            was = base[1] if base is not None and based else None
            if based and text == was:
                continue
            left = side is Side.LEFT
            yield (
                FieldState(
                    each,
                    text if left else None,
                    None if left else text,
                    based,
                    was if left else None,
                    None if left else was,
                ),
                side,
            )


def located(failure: Rejected, compiled: Compiled, each: CompiledField, side: Side) -> Rejected:
    """The failure with side, table and rule; a sensitive value is taken out."""
    failure.params.update(side=side.value, table=compiled.rules.table(side).name, rule=each.rule.id)
    if each.rule.sensitive:
        failure.params.update(value=None, sensitive=True)
        failure.params.pop("options", None)
    return failure


def first_of(failures: list[Failure]) -> Failure:
    def rank(failure: Failure) -> int:
        if not isinstance(failure, Blocked):
            return 0
        return 1 if failure.hopeless else 2

    chosen = min(failures, key=rank)
    if len(failures) > 1:
        chosen.params["others"] = len(failures) - 1
    return chosen


def conflict_params(plan: Plan, left: Record, right: Record) -> dict[str, Any]:
    """The params of ``update_conflict``; values of sensitive fields are blanked."""
    fields = [_conflicting(unit, state) for unit, states in plan.conflicts.items() for state in states]
    joined = [
        {"field": state.field.rule.id, "left": state.field.left, "right": state.field.right, "to": side.value}
        for state, side in plan.writes
    ]
    return {
        "fields": fields,
        "groups": sorted({each["group"] for each in fields if each["group"]}),
        "joined": joined,
        **{
            f"{side.value}_modified_{what}": value
            for side, record in ((Side.LEFT, left), (Side.RIGHT, right))
            for what, value in (
                ("at", record.modified_at.isoformat() if record.modified_at else None),
                ("by", record.modified_by),
            )
        },
    }


def _conflicting(unit: str, state: FieldState) -> dict[str, Any]:
    rule = state.field.rule
    hide = rule.sensitive
    return {
        "unit": unit,
        "field": rule.id,
        "group": rule.group,
        "left_field": rule.left,
        "right_field": rule.right,
        "left": None if hide else state.left,
        "right": None if hide else state.right,
        "base_left": None if hide else state.base_left,
        "base_right": None if hide else state.base_right,
        "based": state.based,
        "left_changed": state.left_moved,
        "right_changed": state.right_moved,
        "sensitive": hide,
    }

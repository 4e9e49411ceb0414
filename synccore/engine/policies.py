"""Who wins a conflict, and what follows a deletion."""

from __future__ import annotations

from typing import Final

from synccore.engine.compiled import Compiled
from synccore.engine.fields import FieldState, Plan, units
from synccore.engine.rules import ConflictPolicy, DeletionPolicy, MappingRules, Resolution
from synccore.shapes import Record, Side

#: Two saves closer than this (plus the uncertainty of both clocks) have no order a person would agree with.
CLOSE_SECONDS: Final = 2.0


def plan(
    compiled: Compiled, states: list[FieldState], left: Record, right: Record, resolution: Resolution | None
) -> Plan:
    """Where each moved field goes. A unit moved on one side flows; moved on both it needs a winner or is in
    conflict."""
    result = Plan()
    for state in states:
        if not state.field.both_ways:
            side = Side.RIGHT if state.field.allows(Side.RIGHT) else Side.LEFT
            result.writes.append((state, side))
    for unit, members in units(states).items():
        left_moved = any(state.left_moved for state in members)
        right_moved = any(state.right_moved for state in members)
        if resolution and resolution.source:
            winner: Side | None = resolution.source
        elif left_moved and right_moved:
            winner = _winner(compiled.rules, unit, members, left, right, resolution)
            if winner is None:
                result.conflicts[unit] = members
                continue
            result.settled[unit] = winner
        else:
            winner = Side.LEFT if left_moved else Side.RIGHT
        assert winner is not None
        result.writes.extend((state, winner.other) for state in members)
    return result


def _winner(
    rules: MappingRules,
    unit: str,
    members: list[FieldState],
    left: Record,
    right: Record,
    resolution: Resolution | None,
) -> Side | None:
    """Whose version of a unit holds. First that says something:

    1. the decision for this very unit
    2. the owner side of its field (of a group: if all its fields agree)
    3. the decision for everything in conflict
    4. the mapping's policy
    """
    if resolution and unit in resolution.units:
        return resolution.units[unit]
    owners = {state.field.rule.owner for state in members}
    if len(owners) == 1 and (owner := owners.pop()):
        return owner
    if resolution and resolution.side:
        return resolution.side
    if resolution and resolution.newest:
        return newest(rules, left, right)
    match rules.conflicts:
        case ConflictPolicy.LEFT:
            return Side.LEFT
        case ConflictPolicy.RIGHT:
            return Side.RIGHT
        case ConflictPolicy.NEWEST:
            return newest(rules, left, right)
        case _:
            return None


def newest(rules: MappingRules, left: Record, right: Record) -> Side | None:
    """The side saved last by corrected clocks; None where that cannot be said."""
    stamps = left.modified_at, right.modified_at
    if stamps[0] is None or stamps[1] is None or stamps[0].tzinfo is None or stamps[1].tzinfo is None:
        return None
    ahead = (stamps[0] - stamps[1]).total_seconds() - rules.left_skew.seconds + rules.right_skew.seconds
    if abs(ahead) < CLOSE_SECONDS + rules.left_skew.uncertainty + rules.right_skew.uncertainty:
        return None
    return Side.LEFT if ahead > 0 else Side.RIGHT


def deletion(
    rules: MappingRules, gone: Side, survivor_changed: bool, resolution: Resolution | None
) -> DeletionPolicy:
    """What follows from a deleted counterpart. A person's decision holds as it is; the mapping's policy only

    - restores where the mapping writes to the side that is gone,
    - deletes where the mapping writes to the survivor's side and the survivor is as last agreed; else it
    asks.
    """
    if resolution and resolution.deletion:
        return resolution.deletion
    match rules.deletions:
        case DeletionPolicy.RESTORE if not rules.direction.allows(gone):
            return DeletionPolicy.ASK
        case DeletionPolicy.DELETE if survivor_changed or not rules.direction.allows(gone.other):
            return DeletionPolicy.ASK
        case policy:
            return policy

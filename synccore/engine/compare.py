"""A pair side by side: what a run would do about each unit, and what each choice would write. Pure.

The same three-way comparison as ``decide`` (``fields.moved``, ``policies.plan``), but every field is told, also those
that nothing happens to.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from synccore.engine import fields, policies
from synccore.engine.canonical import parse
from synccore.engine.compiled import Compiled, CompiledField, Rules, compile_rules
from synccore.engine.fields import FieldState, Plan
from synccore.engine.rules import Direction, FieldRule, Link, References
from synccore.failures import Blocked, Failure, Rejected
from synccore.shapes import SIDES, Record, Side, Value


class Fate(StrEnum):
    """What happens to a unit when the pair is processed."""

    CONFLICT = "conflict"  # changed on both sides: a person chooses
    SETTLED = "settled"  # changed on both sides: an owner side or the mapping's policy says which counts
    JOINED = "joined"  # changed on one side only: flows to the other
    ONE_WAY = "one_way"  # the destination of a one-way field, or a constant, is written over
    EQUAL = "equal"  # as last agreed, or the same edit on both sides: nothing is written


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field mapping of a pair, in canonical texts.

    ``after``: winning side → what both sides hold then. ``refused``: winning side → why its value cannot be written to
    the other. ``unknown``: the values were not kept, so neither side says anything.
    """

    rule: FieldRule
    now: Mapping[Side, str | None]
    base: Mapping[Side, str | None]
    based: bool
    moved: AbstractSet[Side] = frozenset()
    after: Mapping[Side, Mapping[Side, str | None]] = field(default_factory=dict)
    refused: Mapping[Side, Failure] = field(default_factory=dict)
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class UnitView:
    """What is chosen as a whole: a group, or one field. ``to``: the side that is written, where that is certain."""

    name: str
    fate: Fate
    fields: tuple[FieldView, ...]
    to: Side | None = None

    @property
    def group(self) -> str:
        return self.fields[0].rule.group if self.name.startswith("group:") else ""


def compare(
    rules: Rules,
    link: Link,
    left: Record,
    right: Record,
    refs: References,
    *,
    unknown: AbstractSet[int] = frozenset(),
    conflicts: AbstractSet[str] = frozenset(),
    flows: Mapping[int, Side] | None = None,
) -> list[UnitView]:
    """Every unit of the mapping, in the order of its fields.

    Args:
        unknown: ids of rules whose values on these records are not known (they were not kept).
        conflicts: units known to be in conflict although their values are not known.
        flows: rule id → the side it is written to, of rules known to flow although their values are not known.

    Raises what ``fields.moved`` raises: ``Rejected`` for a stored value that is not of its field's type,
    ``Misconfigured`` for a field that was not read.
    """
    compiled = compile_rules(rules)
    records = {Side.LEFT: left, Side.RIGHT: right}
    states = [
        state
        for state in fields.moved(compiled, link, left, right, refs)
        if state.field.rule.id not in unknown
    ]
    plan = policies.plan(compiled, states, left, right, None)
    plan.writes.extend(
        write for write in fields.constants(compiled, link, records) if write[0].field.rule.id not in unknown
    )
    by_rule = {state.field.rule.id: state for state in states}
    members: dict[str, list[FieldView]] = {}
    for each in compiled.fields:
        if each not in compiled.pairs and each not in compiled.constants:
            continue
        name = each.rule.unit if each.both_ways else f"field:{each.rule.id}"
        view = _field(each, link, records, refs, by_rule.get(each.rule.id), each.rule.id in unknown)
        members.setdefault(name, []).append(view)
    return [_unit(name, tuple(views), plan, conflicts, flows or {}) for name, views in members.items()]


def _unit(
    name: str,
    views: tuple[FieldView, ...],
    plan: Plan,
    conflicts: AbstractSet[str],
    flows: Mapping[int, Side],
) -> UnitView:
    if name in plan.conflicts or name in conflicts:
        return UnitView(name, Fate.CONFLICT, views)
    if name in plan.settled:
        return UnitView(name, Fate.SETTLED, views, plan.settled[name].other)
    mine = {view.rule.id for view in views}
    for state, side in plan.writes:
        if state.field.rule.id in mine and _writes(views, side):
            both = state.field.both_ways
            return UnitView(name, Fate.JOINED if both else Fate.ONE_WAY, views, side)
    for view in views:
        if view.unknown and view.rule.id in flows:
            one_way = view.rule.has_constant or view.rule.direction is not Direction.BOTH
            return UnitView(name, Fate.ONE_WAY if one_way else Fate.JOINED, views, flows[view.rule.id])
    return UnitView(name, Fate.EQUAL, views)


def _writes(views: tuple[FieldView, ...], side: Side) -> bool:
    """Whether anything changes on ``side`` (a value that stands there already is not written)."""
    winner = side.other
    return any(winner in view.refused or view.after[winner][side] != view.now[side] for view in views)


def _field(
    each: CompiledField,
    link: Link,
    records: Mapping[Side, Record],
    refs: References,
    state: FieldState | None,
    unknown: bool,
) -> FieldView:
    bases = {side: link.base(side).get(each.rule.id) for side in SIDES}
    named = [side for side in SIDES if each.name(side)]
    based = all((known := bases[side]) is not None and known[0] == each.rule.revision for side in named)
    base = {side: known[1] if based and (known := bases[side]) else None for side in SIDES}
    if unknown:
        none = dict.fromkeys(SIDES)
        return FieldView(each.rule, none, base, based, unknown=True)
    now = {side: each.text(side, records[side]) if each.name(side) else None for side in SIDES}
    after: dict[Side, dict[Side, str | None]] = {}
    refused: dict[Side, Failure] = {}
    for winner in SIDES:
        if not each.allows(winner.other) or not each.name(winner.other):
            continue
        try:
            written = each.flow_text(winner.other, each.value(records[winner], winner), refs)
            after[winner] = {winner: now[winner], winner.other: written}
        except (Rejected, Blocked) as failure:
            refused[winner] = failure
    moved = frozenset(side for side in SIDES if state is not None and state.moved(side))
    return FieldView(each.rule, now, base, based, moved, after, refused)


@dataclass(frozen=True, slots=True)
class Kept:
    """A record put together from canonical texts; ``unknown``: rules whose value is not among them."""

    record: Record
    unknown: frozenset[int]


def from_texts(
    rules: Rules,
    side: Side,
    texts: Mapping[int, str | None],
    *,
    id: str,
    version: str,
    modified_at: datetime | None = None,
    modified_by: str | None = None,
) -> Kept:
    """The record that memory or a failure kept: rule id → canonical text. Never raises: what no value comes back from
    (binary, a text of an older type) counts as unknown."""
    compiled: Compiled = compile_rules(rules)
    values: dict[str, Value] = {}
    unknown = set()
    for each in compiled.fields:
        name = each.name(side)
        if name is None:
            continue
        values.setdefault(name, None)
        try:
            value = parse(texts[each.rule.id], each.infos[side])
            comes_back = each.canon[side](value) == texts[each.rule.id]
        except (KeyError, Rejected):
            comes_back = False
        if comes_back:
            values[name] = value
        else:
            unknown.add(each.rule.id)
    record = Record(id, version, modified_at, modified_by, "", "", values)
    return Kept(record, frozenset(unknown))

"""What must be coupled before two records can be: the records they refer to that have no counterpart yet.

For a person who waits, like ``matching``: it asks apps, has 5 seconds, and writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from synccore.connectors.base import Connector
from synccore.engine.compiled import Compiled
from synccore.engine.images import reference_values
from synccore.engine.rules import BY_NUMBER, Link
from synccore.failures import Rejected
from synccore.models import TableMapping
from synccore.models.scoping import GrantLevel
from synccore.shapes import SIDES, Record, Side
from synccore.verbs.lookup import coupled

from .comparing import Pair
from .live import LONGEST, ask
from .matching import PROPOSED, Hit, candidates_of, mapping_rules, read_records, title_of, with_memory


@dataclass(slots=True)
class Parent:
    """A record that one of the two refers to and that is not coupled: it must be, before the two can be. ``is_granted``:
    the person may couple records of its mapping."""

    mapping: TableMapping
    side: Side
    id: str
    field_name: str
    record: Record | None = None
    candidates: list[Hit] = field(default_factory=list)
    is_granted: bool = True

    @property
    def title(self) -> str:
        return title_of(self.record) if self.record else self.id

    @property
    def proposed(self) -> Hit | None:
        """The one to couple it with, where one stands out."""
        sure = [hit for hit in self.candidates if hit.is_sure]
        return sure[0] if sure and (len(sure) == 1 or sure[0].why[0] != sure[1].why[0]) else None


def missing(pair: Pair, *, user: Any, longest: float = LONGEST) -> list[Parent]:
    """Records that the two refer to and that are not coupled, each with who may be its counterpart.

    Of a mapping that the person may not see, the id alone; counterparts only where he may couple them. What an app does not
    answer in time is left out: the job meets it and says so.
    """
    left, right = pair.records.get(Side.LEFT), pair.records.get(Side.RIGHT)
    rules, _failure = mapping_rules(pair.coupling.mapping)
    if rules is None or left is None or right is None:
        return []
    started = monotonic()
    found = _uncoupled(rules, left, right)
    if not found:
        return []
    seen = _granted(found, user, GrantLevel.VIEW)
    by_mapping = {
        mapping.pk: mapping_rules(mapping)[0]
        for mapping in {each.mapping.pk: each.mapping for each in seen}.values()
    }
    known = _ask_for(pair, seen, by_mapping, longest)
    for each in seen:
        each.record = known.get((each.mapping.pk, each.side), {}).get(each.id)
    mine = _granted(seen, user, GrantLevel.RESOLVE)
    for each in found:
        each.is_granted = each in mine
    _propose(pair, rules, mine, by_mapping, longest - (monotonic() - started))
    return _once(found)


def _granted(found: Sequence[Parent], user: Any, level: GrantLevel) -> list[Parent]:
    """Those of mappings on which the person has at least this grant."""
    mappings = TableMapping.objects.visible_to(user, level).filter(pk__in={each.mapping.pk for each in found})
    granted = set(mappings.values_list("pk", flat=True))
    return [each for each in found if each.mapping.pk in granted]


def _uncoupled(rules: Compiled, left: Record, right: Record) -> list[Parent]:
    """References of the two without a counterpart; the value that the other record holds in the same field goes with it."""
    wanted: dict[tuple[int, Side], set[str]] = defaultdict(set)
    for mapping, side, id in reference_values(rules, left, right, Link()):
        wanted[(mapping, side)].add(id)
    there = coupled(wanted)
    records = {Side.LEFT: left, Side.RIGHT: right}
    mappings = TableMapping.objects.select_related("integration__left", "integration__right").in_bulk(
        {mapping for mapping, _side in wanted}
    )
    found = []
    for each in rules.fields:
        if each.rule.reference is None or not (each.left and each.right):
            continue
        for side in SIDES:
            if not each.allows(side.other):
                continue
            key = _reference(each, side, records[side])
            if key is None or key in there or each.rule.reference not in mappings:
                continue
            if key[2].startswith(BY_NUMBER):  # it names no record that could be coupled here
                continue
            found.append(Parent(mappings[key[0]], side, key[2], each.name(side) or ""))
    return found


def _reference(each: Any, side: Side, record: Record) -> tuple[int, Side, str] | None:
    try:
        key: tuple[int, Side, str] | None = each.reference_key(side, each.value(record, side))
    except Rejected:
        return None
    return key


def _ask_for(
    pair: Pair, found: Sequence[Parent], by_mapping: Mapping[int, Compiled | None], longest: float
) -> dict[tuple[int, Side], dict[str, Record]]:
    """The parents themselves, one call per mapping and app; both apps at the same time."""
    mapping = pair.coupling.mapping
    wanted: dict[Side, dict[int, list[str]]] = {side: defaultdict(list) for side in SIDES}
    for each in found:
        wanted[each.side][each.mapping.pk].append(each.id)

    def work(side: Side, app: Connector) -> dict[int, dict[str, Record]]:
        return {
            pk: read_records(rules, side, ids, app)
            for pk, ids in wanted[side].items()
            if (rules := by_mapping[pk]) is not None
        }

    answers = ask(
        {side: (mapping.connection(side), partial(work, side)) for side in SIDES if wanted[side]},
        longest=longest,
    )
    return {
        (pk, side): records
        for side, answer in answers.items()
        for pk, records in (answer.value or {}).items()
    }


def _propose(
    pair: Pair,
    own: Compiled,
    found: Sequence[Parent],
    by_mapping: Mapping[int, Compiled | None],
    longest: float,
) -> None:
    """Give each parent the records of the other app that may be its counterpart."""

    def work(side: Side, app: Connector) -> dict[tuple[int, str], list[tuple[Record, tuple[str, ...]]]]:
        told = {}
        for each in found:
            rules = by_mapping[each.mapping.pk]
            if each.side is side or rules is None or each.record is None:
                continue
            likely = candidates_of(rules, side, {each.id: each.record}, {}, app)[each.id]
            told[(each.mapping.pk, each.id)] = _referred(pair, own, rules, each, likely, app)
        return told

    connection = pair.coupling.mapping.connection
    questions = {
        side: (connection(side), partial(work, side))
        for side in SIDES
        if any(each.side is not side for each in found)
    }
    for side, answer in ask(questions, longest=longest).items():
        for each in found:
            rules = by_mapping[each.mapping.pk]
            if each.side is not side and rules is not None:
                likely = (answer.value or {}).get((each.mapping.pk, each.id), [])
                each.candidates = with_memory(each.mapping, rules, side, likely)[:PROPOSED]


def _referred(
    pair: Pair,
    own: Compiled,
    rules: Compiled,
    parent: Parent,
    likely: list[tuple[Record, tuple[str, ...]]],
    app: Connector,
) -> list[tuple[Record, tuple[str, ...]]]:
    """What the counterpart itself refers to in the same field is the likely one."""
    other = parent.side.other
    record = pair.records.get(other)
    ids = []
    for each in own.fields:
        if (
            each.rule.reference == parent.mapping.pk
            and each.name(parent.side) == parent.field_name
            and record is not None
        ):
            key = _reference(each, other, record) if each.name(other) else None
            ids += [key[2]] if key is not None else []
    for id, record in read_records(rules, other, ids, app).items() if ids else ():
        why = next((why for each, why in likely if each.id == id), ())
        likely = [(record, ("referred", *why)), *((each, why) for each, why in likely if each.id != id)]
    return likely


def _once(found: list[Parent]) -> list[Parent]:
    """Where both records' parents are each other's proposal, one line says it; a parent that is referred to twice too."""
    kept: dict[tuple[int, Side, str], Parent] = {}
    for each in found:
        twin = each.proposed
        if twin is not None and (each.mapping.pk, each.side.other, twin.record.id) in kept:
            continue
        kept.setdefault((each.mapping.pk, each.side, each.id), each)
    return list(kept.values())

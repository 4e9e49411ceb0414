"""Two records that a person may couple: found by number or name, proposed for one that is known, and what stands before it.

Everything here is for a person who waits (``live``): it asks apps, has 5 seconds, and writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final

from synccore.connectors.base import Connector
from synccore.engine.compiled import Compiled, compile_rules
from synccore.engine.images import canon_fields, holds, natural_key_value, reference_values
from synccore.engine.rules import Link
from synccore.engine.values import load_values
from synccore.failures import Failure, Rejected
from synccore.models import Coupling, Journal, TableMapping
from synccore.models.build import rules_of
from synccore.shapes import SIDES, Record, Side, Value
from synccore.verbs.lookup import coupled
from synccore.verbs.problems import UNCERTAIN

from .comparing import Pair, live_pair, open_problem
from .live import LONGEST, Answer, ask

#: So many records a search shows, and so many are proposed.
SHOWN: Final = 20
PROPOSED: Final = 8
#: Why a record is proposed, the surest first.
REASONS: Final = ("as_written", "referred", "natural_key", "same_key", "same_name", "like_name")
#: One of these alone is reason enough to propose coupling as it stands.
SURE: Final = frozenset({"as_written", "referred", "natural_key", "same_key"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A record of one app, and what memory knows of it: ``coupling`` is the one it stands in, None where it is free.

    ``outside``: not in the mapping's filter. ``why``: codes of REASONS, where it was proposed.
    """

    side: Side
    record: Record
    coupling: Coupling | None = None
    outside: bool = False
    why: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return " ".join(dict.fromkeys(part for part in (self.record.key, self.record.name) if part))

    @property
    def is_free(self) -> bool:
        return self.coupling is None or self.coupling.is_half or self.coupling.removed_at is not None

    @property
    def is_sure(self) -> bool:
        return self.is_free and bool(SURE & set(self.why))


@dataclass(slots=True)
class Found:
    """What one question to one app brought; ``trouble`` and ``failure`` as of ``live.Answer``. ``more``: others too."""

    hits: list[Hit] = field(default_factory=list)
    more: bool = False
    trouble: str = ""
    failure: Failure | None = None
    #: The record of the other app for which these are proposed; None where it is not there (any more).
    source: Record | None = None


@dataclass(slots=True)
class Parent:
    """A record that one of the two refers to and that is not coupled: it must be, before the two can be."""

    mapping: TableMapping
    side: Side
    id: str
    field_name: str
    record: Record | None = None
    candidates: list[Hit] = field(default_factory=list)

    @property
    def title(self) -> str:
        return Hit(self.side, self.record).title if self.record else self.id

    @property
    def proposed(self) -> Hit | None:
        """The one to couple it with, where one stands out."""
        sure = [hit for hit in self.candidates if hit.is_sure]
        return sure[0] if sure and (len(sure) == 1 or sure[0].why[0] != sure[1].why[0]) else None


def find(mapping: TableMapping, side: Side, text: str) -> Found:
    """Records of one side by number or name."""
    rules, failure = _rules(mapping)
    if rules is None:
        return Found(failure=failure, trouble="failed")
    table, fields = rules.rules.table(side), rules.rules.fields_of(side)
    answer: Answer[list[Record]] = ask(
        {side: (mapping.connection(side), lambda app: app.search(table, text, fields, limit=SHOWN + 1))}
    )[side]
    records = answer.value or []
    hits = _known(mapping, rules, side, [(record, ()) for record in records[:SHOWN]])
    return Found(hits, len(records) > SHOWN, answer.trouble, answer.failure)


def candidates(mapping: TableMapping, side: Side, id: str) -> Found:
    """Records of the other side that may be the counterpart of record ``id``, the likely ones first, with why."""
    started = monotonic()
    rules, failure = _rules(mapping)
    if rules is None:
        return Found(failure=failure, trouble="failed")
    read = ask({side: (mapping.connection(side), partial(_read, rules, side, [id]))})[side]
    if read.trouble:
        return Found(trouble=read.trouble, failure=read.failure)
    source = (read.value or {}).get(id)
    if source is None:
        return Found()
    other = side.other
    work = partial(_candidates, rules, other, {id: source}, {id: _written(mapping, side, id)})
    left = LONGEST - (monotonic() - started)
    answer = ask({other: (mapping.connection(other), work)}, longest=left)[other]
    hits = _known(mapping, rules, other, (answer.value or {}).get(id, []))
    return Found(hits[:PROPOSED], False, answer.trouble, answer.failure, source)


def couple_pair(mapping: TableMapping, left: str, right: str) -> Pair:
    """The two records as they are now and as they would be coupled, with the base images of a coupling that was removed."""
    return live_pair(_would_be(mapping, left, right), None)


def _would_be(mapping: TableMapping, left: str, right: str) -> Coupling:
    """What the verb ``couple`` takes: the removed coupling of the two, else a new one (not stored)."""
    removed = Coupling.objects.filter(
        mapping=mapping, left_id=left, right_id=right, removed_at__isnull=False, ended_at=None
    ).first()
    coupling = removed or Coupling(mapping=mapping, left_id=left, right_id=right)
    coupling.mapping = mapping
    return coupling


def parents(pair: Pair, *, longest: float = LONGEST) -> list[Parent]:
    """Records that the two refer to and that are not coupled, each with who may be its counterpart.

    What an app does not answer in time is left out: the job meets it and says so.
    """
    left, right = pair.records.get(Side.LEFT), pair.records.get(Side.RIGHT)
    rules, _failure = _rules(pair.coupling.mapping)
    if rules is None or left is None or right is None:
        return []
    started = monotonic()
    found = _missing(rules, left, right)
    if not found:
        return []
    by_mapping = {
        mapping.pk: _rules(mapping)[0]
        for mapping in {each.mapping.pk: each.mapping for each in found}.values()
    }
    known = _ask_for(pair, found, by_mapping, longest)
    for each in found:
        each.record = known.get((each.mapping.pk, each.side), {}).get(each.id)
    _propose(pair, rules, found, by_mapping, longest - (monotonic() - started))
    return _once(found)


def outside(pair: Pair) -> list[Side]:
    """Sides whose record is not in the filter of the mapping."""
    rules, _failure = _rules(pair.coupling.mapping)
    records = [(side, pair.records.get(side)) for side in SIDES]
    return [side for side, record in records if rules and record and not _inside(rules, side, record)]


def _missing(rules: Compiled, left: Record, right: Record) -> list[Parent]:
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
            pk: _read(rules, side, ids, app)
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
            likely = _candidates(rules, side, {each.id: each.record}, {}, app)[each.id]
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
                each.candidates = _known(each.mapping, rules, side, likely)[:PROPOSED]


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
    for id, record in _read(rules, other, ids, app).items() if ids else ():
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


# -- pure, in threads of their own ------------------------------------------------------------------------------------


def _read(rules: Compiled, side: Side, ids: Sequence[str], app: Connector) -> dict[str, Record]:
    records = app.fetch(rules.rules.table(side), ids, rules.rules.fields_of(side))
    return {record.id: record for record in records}


def _candidates(
    rules: Compiled,
    side: Side,
    sources: Mapping[str, Record],
    written: Mapping[str, Mapping[str, Value]],
    app: Connector,
) -> dict[str, list[tuple[Record, tuple[str, ...]]]]:
    """Per record of the other side: records of ``side`` that may be its counterpart, surest first, with why."""
    return {
        id: _counterparts(rules, side, source, written.get(id, {}), app) for id, source in sources.items()
    }


def _counterparts(
    rules: Compiled, side: Side, source: Record, written: Mapping[str, Value], app: Connector
) -> list[tuple[Record, tuple[str, ...]]]:
    table, fields, infos = rules.rules.table(side), rules.rules.fields_of(side), rules.rules.infos(side)
    why: dict[str, list[str]] = {}
    records: dict[str, Record] = {}

    def take(reason: str, found: Iterable[Record]) -> None:
        for record in found:
            records[record.id] = record
            if reason not in why.setdefault(record.id, []):
                why[record.id].append(reason)

    def ask_for(reason: str, name: str | None, value: Value) -> None:
        if name and value not in (None, ""):
            take(reason, app.find(table, name, [value], fields))

    if written:
        texts = canon_fields(written, infos)
        names = [name for name in (table.key_field, table.name_field, *list(written)[:1]) if name in written]
        for name in dict.fromkeys(name for name in names if name and written[name] not in (None, "")):
            found = app.find(table, name, [written[name]], fields)
            take("as_written", (record for record in found if holds(record, texts, infos)))
    ask_for("natural_key", _natural_field(rules, side), _natural_value(rules, side, source))
    ask_for("same_key", table.key_field, source.key)
    ask_for("same_name", table.name_field, source.name)
    words = source.name.split()
    if not records and words:
        take("like_name", app.search(table, source.name, fields, limit=PROPOSED))
        first = next((word for word in words if len(word) > 2), "")
        if not records and first:
            take("like_name", app.search(table, first, fields, limit=PROPOSED))
    ranked = sorted(records, key=lambda id: min(REASONS.index(reason) for reason in why[id]))
    return [(records[id], tuple(sorted(why[id], key=REASONS.index))) for id in ranked]


def _natural_field(rules: Compiled, side: Side) -> str | None:
    return next((each.name(side) for each in rules.fields if each.rule.id == rules.rules.natural_key), None)


def _natural_value(rules: Compiled, side: Side, source: Record) -> Value:
    """What identifies the counterpart; None where the mapping does not flow that way."""
    try:
        return natural_key_value(rules, side.other, source, {})
    except Failure:
        return None


# -- memory ------------------------------------------------------------------------------------------------------------


def _rules(mapping: TableMapping) -> tuple[Compiled | None, Failure | None]:
    try:
        return compile_rules(rules_of(mapping)), None
    except Failure as failure:
        return None, failure


def _known(
    mapping: TableMapping, rules: Compiled, side: Side, found: Sequence[tuple[Record, tuple[str, ...]]]
) -> list[Hit]:
    """The records with what memory knows of them: one query."""
    ids = [record.id for record, _why in found]
    rows = (
        Coupling.objects.filter(mapping=mapping, ended_at=None, **{f"{side.value}_id__in": ids})
        .defer("left_base", "right_base")
        .order_by("-removed_at", "pk")
        if ids
        else ()
    )
    # A coupling that holds stands before one that was removed.
    known = {each.of(side, "id"): each for each in rows if each.removed_at is not None}
    known |= {each.of(side, "id"): each for each in rows if each.removed_at is None}
    return [
        Hit(side, record, known.get(record.id), not _inside(rules, side, record), why)
        for record, why in found
    ]


def _inside(rules: Compiled, side: Side, record: Record) -> bool:
    try:
        return rules.inside(side, record)
    except Failure:
        return True


def _written(mapping: TableMapping, side: Side, id: str) -> Mapping[str, Value]:
    """What the create of this record's counterpart was about to write, where nobody knows whether it arrived."""
    half: Any = Coupling.objects.live().filter(mapping=mapping, **{f"{side.value}_id": id}).first()
    problem = open_problem(half) if half is not None and half.is_half else None
    if problem is None or problem.code != UNCERTAIN:
        return {}
    row = (
        Journal.objects.filter(coupling=half, side=side.other.value, operation=Journal.Operation.CREATE)
        .order_by("-pk")
        .first()
    )
    return load_values(row.values) if row is not None else {}


__all__ = [
    "PROPOSED",
    "SHOWN",
    "Found",
    "Hit",
    "Parent",
    "candidates",
    "couple_pair",
    "find",
    "outside",
    "parents",
]

"""Two records that a person may couple: found by number or name, proposed for one that is known, and what stands before it.

Everything here is for a person who waits (``live``): it asks apps, has 5 seconds, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Final

from synccore.connectors.base import Connector
from synccore.engine.compiled import Compiled, compile_rules
from synccore.engine.images import canon_fields, holds, natural_key_value
from synccore.engine.values import load_values
from synccore.failures import Failure
from synccore.models import Coupling, Journal, TableMapping
from synccore.models.build import rules_of
from synccore.shapes import SIDES, Record, Side, Value
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


def title_of(record: Record) -> str:
    """Number and name of a record, as people know it."""
    return " ".join(dict.fromkeys(part for part in (record.key, record.name) if part))


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
        return title_of(self.record)

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


def find(mapping: TableMapping, side: Side, text: str) -> Found:
    """Records of one side by number or name."""
    rules, failure = mapping_rules(mapping)
    if rules is None:
        return Found(failure=failure, trouble="failed")
    table, fields = rules.rules.table(side), rules.rules.fields_of(side)
    answer: Answer[list[Record]] = ask(
        {side: (mapping.connection(side), lambda app: app.search(table, text, fields, limit=SHOWN + 1))}
    )[side]
    records = answer.value or []
    hits = with_memory(mapping, rules, side, [(record, ()) for record in records[:SHOWN]])
    return Found(hits, len(records) > SHOWN, answer.trouble, answer.failure)


def candidates(mapping: TableMapping, side: Side, id: str) -> Found:
    """Records of the other side that may be the counterpart of record ``id``, the likely ones first, with why."""
    started = monotonic()
    rules, failure = mapping_rules(mapping)
    if rules is None:
        return Found(failure=failure, trouble="failed")
    read = ask({side: (mapping.connection(side), partial(read_records, rules, side, [id]))})[side]
    if read.trouble:
        return Found(trouble=read.trouble, failure=read.failure)
    source = (read.value or {}).get(id)
    if source is None:
        return Found()
    other = side.other
    work = partial(candidates_of, rules, other, {id: source}, {id: _written(mapping, side, id)})
    left = LONGEST - (monotonic() - started)
    answer = ask({other: (mapping.connection(other), work)}, longest=left)[other]
    hits = with_memory(mapping, rules, other, (answer.value or {}).get(id, []))
    return Found(hits[:PROPOSED], False, answer.trouble, answer.failure, source)


def couple_pair(mapping: TableMapping, left: str, right: str) -> Pair:
    """The two records as they are now and as they would be coupled, with the base images of a coupling that was removed."""
    pair = live_pair(_would_be(mapping, left, right), None)
    for side, record in pair.records.items():
        if record is not None:
            pair.coupling.see(side, record)  # for their names; nothing is stored
    return pair


def _would_be(mapping: TableMapping, left: str, right: str) -> Coupling:
    """What the verb ``couple`` takes: the removed coupling of the two, else a new one (not stored)."""
    removed = Coupling.objects.filter(
        mapping=mapping, left_id=left, right_id=right, removed_at__isnull=False, ended_at=None
    ).first()
    coupling = removed or Coupling(mapping=mapping, left_id=left, right_id=right)
    coupling.mapping = mapping
    return coupling


def outside(pair: Pair) -> list[Side]:
    """Sides whose record is not in the filter of the mapping."""
    rules, _failure = mapping_rules(pair.coupling.mapping)
    records = [(side, pair.records.get(side)) for side in SIDES]
    return [side for side, record in records if rules and record and not _inside(rules, side, record)]


# -- pure, in threads of their own ------------------------------------------------------------------------------------


def read_records(rules: Compiled, side: Side, ids: Sequence[str], app: Connector) -> dict[str, Record]:
    records = app.fetch(rules.rules.table(side), ids, rules.rules.fields_of(side))
    return {record.id: record for record in records}


def candidates_of(
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


def mapping_rules(mapping: TableMapping) -> tuple[Compiled | None, Failure | None]:
    try:
        return compile_rules(rules_of(mapping)), None
    except Failure as failure:
        return None, failure


def with_memory(
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

"""A coupled pair as it is compared: from what Tandem kept, or from both apps now; and the decision about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime

from synccore.engine.compare import UnitView, compare, from_texts
from synccore.engine.compiled import Compiled, compile_rules, id_text
from synccore.engine.decide import decide
from synccore.engine.images import reference_values
from synccore.engine.policies import newest
from synccore.engine.rules import Link, References, Step
from synccore.failures import Failure
from synccore.models import Coupling, FieldMapping, JobItem, Problem, SynchJob, TableMapping
from synccore.models.build import rules_of
from synccore.models.scoping import GrantLevel
from synccore.shapes import SIDES, Record, Side
from synccore.verbs.lookup import coupled
from synccore.verbs.seen import Seen, seen, seen_record

from .jobs import NotNow
from .live import Reading, read_pair
from .records import start_bulk
from .rights import require_on
from .setup import bump_revision


@dataclass(slots=True)
class Pair:
    """Both sides of a coupling and what a run would do about them.

    ``live``: sides that were read from their app just now; the others are as kept. ``kept_at``: when what is kept was true.
    ``failure``: why the two cannot be compared at all (a value that is not of its type, rules that do not compile).
    ``seen`` goes into the decision. ``step``: what the next run would do; only where both sides are live.
    """

    coupling: Coupling
    problem: Problem | None
    records: dict[Side, Record | None] = field(default_factory=dict)
    live: frozenset[Side] = frozenset()
    readings: Mapping[Side, Reading] = field(default_factory=dict)
    kept_at: datetime | None = None
    units: list[UnitView] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    newest: Side | None = None
    step: Step | None = None
    failure: Failure | None = None
    #: The counterparts of what both records refer to, as far as they are coupled.
    refs: References = field(default_factory=dict)
    #: What references point to: (mapping, side, id) → number and name.
    names: Mapping[tuple[int, Side, str], str] = field(default_factory=dict)

    @property
    def gone(self) -> list[Side]:
        """Sides whose record is not there."""
        return [side for side in SIDES if side in self.records and self.records[side] is None]


def open_problem(coupling: Coupling) -> Problem | None:
    return Problem.objects.not_ended().filter(coupling=coupling).select_related("mapping").first()


def kept_pair(coupling: Coupling, problem: Problem | None) -> Pair:
    """The pair from memory: what both sides held when the conflict was found, else when they last agreed. Calls no app."""
    pair = Pair(coupling, problem, kept_at=coupling.agreed_at)
    try:
        compiled = compile_rules(rules_of(coupling.mapping))
        _from_memory(pair, compiled)
    except Failure as failure:
        pair.failure = failure
    return pair


def live_pair(coupling: Coupling, problem: Problem | None) -> Pair:
    """The pair as both apps hold it now; where one does not answer, both are as kept. A half has one record."""
    pair = Pair(coupling, problem, kept_at=coupling.agreed_at)
    try:
        compiled = compile_rules(rules_of(coupling.mapping))
        readings = read_pair(coupling, compiled)
        if any(each.trouble for each in readings.values()):
            # One side now beside the other as it was says nothing about what would happen.
            _from_memory(pair, compiled)
            pair.readings = readings
            return pair
        pair.readings, pair.live = readings, frozenset(readings)
        pair.records = {side: reading.record for side, reading in readings.items()}
        _look(pair, compiled)
    except Failure as failure:
        pair.failure = failure
    return pair


def _from_memory(pair: Pair, compiled: Compiled) -> None:
    coupling, problem = pair.coupling, pair.problem
    told = problem.params if problem is not None and problem.code == "update_conflict" else {}
    # Older conflicts named their fields only: they say nothing about values.
    fields = [each for each in told.get("fields", ()) if isinstance(each, dict)]
    texts = {
        side: {
            rule: text
            for rule, (revision, text) in coupling.base(side).items()
            if any(each.rule.id == rule and each.rule.revision == revision for each in compiled.fields)
        }
        for side in SIDES
    }
    flows = {each["field"]: Side(each["to"]) for each in told.get("joined", ())} if fields else {}
    for side in SIDES:
        for rule in flows:
            texts[side].pop(rule, None)  # the conflict names them, without their values
        for each in fields:
            if each["sensitive"]:
                texts[side].pop(each["field"], None)
            else:
                texts[side][each["field"]] = each[side.value]
    if problem is not None and problem.last_failure and fields:
        pair.kept_at = problem.last_failure
    unknown: frozenset[int] = frozenset()
    for side in coupling.sides():
        version = coupling.of(side, "version")
        failed_at = getattr(problem, f"{side.value}_seen_version") if problem is not None and fields else ""
        at = told.get(f"{side.value}_modified_at")
        kept = from_texts(
            compiled,
            side,
            texts[side],
            id=str(coupling.of(side, "id")),
            version=failed_at or version,
            modified_at=parse_datetime(at) if at else coupling.of(side, "modified_at"),
            modified_by=told.get(f"{side.value}_modified_by"),
        )
        pair.records[side] = kept.record
        unknown |= kept.unknown
        image = getattr(problem, f"{side.value}_seen") if problem is not None and fields else ""
        known = {rule: text for rule, text in texts[side].items() if rule not in kept.unknown}
        pair.seen[side.value] = seen(kept.record.version, known, hash=image)
    gone = [side for side in coupling.sides() if not coupling.of(side, "exists")]
    conflicts = frozenset(str(each["unit"]) for each in fields)
    _look(pair, compiled, unknown=unknown, conflicts=conflicts, flows=flows)
    for side in gone:
        pair.records[side] = None


def _look(
    pair: Pair,
    compiled: Compiled,
    *,
    unknown: frozenset[int] = frozenset(),
    conflicts: frozenset[str] = frozenset(),
    flows: Mapping[int, Side] | None = None,
) -> None:
    left, right = pair.records.get(Side.LEFT), pair.records.get(Side.RIGHT)
    if left is None or right is None:
        return
    link = pair.coupling.link()
    refs = pair.refs = _references(compiled, left, right)
    pair.units = compare(compiled, link, left, right, refs, unknown=unknown, conflicts=conflicts, flows=flows)
    pair.newest = newest(compiled.rules, left, right)
    pair.names = _names(refs)
    if pair.live:
        pair.seen = {
            side.value: seen_record(compiled, side, record)
            for side, record in ((Side.LEFT, left), (Side.RIGHT, right))
        }
        pair.step = decide(link, left, right, compiled, refs)


def _references(compiled: Compiled, left: Record, right: Record) -> References:
    """All references of both records through the memory alone; one without counterpart is left out."""
    wanted: dict[tuple[int, Side], set[str]] = defaultdict(set)
    for mapping, side, id in reference_values(compiled, left, right, Link()):
        wanted[(mapping, side)].add(id)
    return coupled(wanted)


def _names(refs: References) -> dict[tuple[int, Side, str], str]:
    """Numbers and names of the records that references point to, on both sides."""
    ids: dict[int, dict[str, tuple[Side, str]]] = defaultdict(dict)
    for (mapping, side, id), other in refs.items():
        left = id if side is Side.LEFT else str(other)
        ids[mapping][left] = (side, id)
    found = {}
    for mapping, lefts in ids.items():
        pairs = Coupling.objects.live().paired().filter(mapping_id=mapping, left_id__in=list(lefts))
        for coupling in pairs.defer("left_base", "right_base"):
            for side in SIDES:
                found[(mapping, side, str(coupling.of(side, "id")))] = coupling.title(side)
    return found


def reference_name(pair: Pair, mapping: int, side: Side, text: str | None) -> str:
    """Number and name of what a reference's canonical text points to; "" where that is not known."""
    id = id_text(text)
    return pair.names.get((mapping, side, id), "") if id else ""


# -- deciding ----------------------------------------------------------------------------------------------------------


def being_decided(coupling: Coupling) -> JobItem | None:
    """The unfinished job of a person that has this record among its own."""
    return (
        JobItem.objects.filter(
            coupling=coupling,
            purpose=JobItem.Purpose.CHOSEN,
            state=JobItem.State.OPEN,
            job__state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING),
        )
        .select_related("job__requested_by")
        .first()
    )


@transaction.atomic
def resolve_one(
    coupling: Coupling,
    *,
    user: Any,
    units: Mapping[str, Side],
    seen: Mapping[str, Seen],
    remember: Collection[str] = (),
) -> SynchJob:
    """Start the job that carries a decision out: unit → the side whose version counts.

    The job reads both records again; where a mapped field is not what ``seen`` says, it writes nothing and names it.
    ``remember``: units for whose fields the chosen side counts from now on (:func:`remember_sides`).
    Raises RightMissing; NotNow ``not_coupled``, or ``in_job`` with ``job`` and ``who`` where somebody decided already.
    """
    options = {"units": {unit: side.value for unit, side in units.items()}, "seen": dict(seen)}
    job = _decide_one(coupling, user, options)
    if remember:
        remember_sides(coupling.mapping, units={unit: units[unit] for unit in remember}, user=user)
    return job


@transaction.atomic
def remember_sides(mapping: TableMapping, *, units: Mapping[str, Side], user: Any) -> int:
    """Where both apps change these fields, the side's value counts by itself from now on (owner of the field mappings).

    Gives how many field mappings have it now. Conflicts that stand open come back, as after any change of the rules.
    Raises RightMissing.
    """
    require_on(user, mapping, "synccore.remember_rule", GrantLevel.RESOLVE)
    rules = [each.rule for each in compile_rules(rules_of(mapping)).fields if each.both_ways]
    n = 0
    for unit, side in units.items():
        fields = [rule.id for rule in rules if rule.unit == unit]
        n += FieldMapping.objects.filter(mapping=mapping, pk__in=fields).update(owner=side.value)
    bump_revision(mapping)
    return n


@transaction.atomic
def synchronise_from(coupling: Coupling, source: Side, *, user: Any, seen: Mapping[str, Seen]) -> SynchJob:
    """Start the job that writes one side's values to the other wherever the two differ, in every field that flows both ways.

    Raises as :func:`resolve_one` does, and holds for what ``seen`` says in the same way.
    """
    return _decide_one(coupling, user, {"source": source.value, "seen": dict(seen)})


def _decide_one(coupling: Coupling, user: Any, options: dict[str, Any]) -> SynchJob:
    require_on(user, coupling.mapping, "synccore.synchronize", GrantLevel.RESOLVE)
    locked = Coupling.objects.select_for_update(of=("self",)).live().paired().filter(pk=coupling.pk).first()
    if locked is None:
        raise NotNow("not_coupled")
    if (busy := being_decided(coupling)) is not None:
        raise NotNow("in_job", job=busy.job_id, who=str(busy.job.requested_by or ""))
    return start_bulk("resolve", Coupling.objects.filter(pk=coupling.pk), user=user, options=options)

"""What a page found, into the memory: couplings, problems, items, counters. Runs inside the page transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from synccore.engine.compiled import EMPTY
from synccore.engine.rules import UNFILLED, StepKind
from synccore.failures import Bug, Failure
from synccore.models import Coupling, JobItem, Journal, Problem
from synccore.models.bulk import insert, reserve, update, values_of
from synccore.shapes import SIDES, Record, Side

from . import items, problems
from .candidate import Candidate
from .released import release
from .run import Run

_OF_SIDE: Final = (
    "id",
    "version",
    "modified_at",
    "key",
    "name",
    "owner",
    "exists",
    "out_of_filter_since",
    "base",
)
_MEMORY: Final = (
    *(f"{side.value}_{name}" for side in SIDES for name in _OF_SIDE),
    "prefer", "agreed_at", "agreed_by", "agreed_job",
    "to_right_job", "to_right_result", "to_left_job", "to_left_result",
    "removed_at", "removed_by", "ended_at",
)  # fmt: skip
NEW_COUPLING: Final = ("id", "mapping", "created_at", *_MEMORY)

_OUTCOME: Final = {
    StepKind.UNCHANGED: "unchanged",
    StepKind.IGNORED: "unchanged",
    StepKind.LEFT_FILTER: "unchanged",
    StepKind.UNCOUPLE: "unchanged",
    StepKind.END: "unchanged",
    StepKind.WRITE: "modified",
    StepKind.CREATE: "inserted",
    StepKind.DELETE: "deleted",
}


def page(run: Run, candidates: Sequence[Candidate], at: datetime) -> None:
    """Store every candidate's outcome; those left untouched by a stopped job are passed over."""
    new: list[Coupling] = []
    known: dict[int, Coupling] = {}
    failed: list[Candidate] = []
    ended: list[Problem] = []
    released: dict[Side, set[str]] = {side: set() for side in SIDES}
    for candidate in candidates:
        if candidate.untouched:
            continue
        if candidate.outcome == "collected":
            items.close_item(candidate, JobItem.State.DONE)
            continue
        _safely(run, candidate, at)
        coupling = candidate.coupling
        if candidate.outcome == "ignored" or coupling is None:
            pass
        elif coupling.pk is None:
            new.append(coupling)
        else:
            known[coupling.pk] = coupling
        if candidate.failure is None:
            if candidate.problem is not None:
                ended.append(candidate.problem)
        elif not items.is_open_question(candidate.failure):
            failed.append(candidate)
        _collect_released(candidate, released)
        _count(run, candidate)
    keep_couplings(new, known, at)
    for candidate in failed:
        _fail(run, candidate, at)
    _end(run, ended, candidates, at)
    items.leave_for_next_run(run, candidates)
    items.store_items(run, candidates)
    release(run, released, at)


def _safely(run: Run, candidate: Candidate, at: datetime) -> None:
    """A value that cannot be imaged (or an error of ours) fails this record, never the page."""
    try:
        _remember(run, candidate, at)
    except Failure as failure:
        candidate.failure = failure
    except Exception as error:
        candidate.failure = Bug.from_exception(error, step="remember")
    if candidate.failure is not None:
        _remember_failed(run, candidate)


def _remember(run: Run, candidate: Candidate, at: datetime) -> None:
    step, failure = candidate.step, candidate.failure
    if failure is not None or step is None:
        return
    coupling = candidate.coupling
    match step.kind:
        case StepKind.IGNORED:
            candidate.outcome, candidate.note = "ignored", step.why
            if coupling is not None and coupling.is_half:
                coupling.ended_at = at
                candidate.outcome = ""
        case StepKind.LEFT_FILTER:
            assert step.side is not None
            _left_filter(run, candidate, step.side, at)
        case StepKind.END:
            assert coupling is not None
            for side in SIDES:
                coupling.put(side, "exists", False)
            coupling.ended_at = at
            note_in_journal(run, coupling, candidate.direction, Journal.Operation.END, at)
        case StepKind.UNCOUPLE:
            assert coupling is not None
            coupling.removed_at, coupling.removed_by = at, run.job.requested_by
            note_in_journal(run, coupling, candidate.direction, Journal.Operation.UNCOUPLE, at)
            run.count("uncoupled", candidate.direction)
        case StepKind.DELETE:
            assert coupling is not None
            for side in SIDES:
                coupling.put(side, "exists", False)
            coupling.ended_at = at
        case _:
            _agree(run, candidate, at)


def _left_filter(run: Run, candidate: Candidate, outside: Side, at: datetime) -> None:
    """The pair stays as it is until its record comes back. A counterpart that the natural key found outside the filter is
    remembered without a base: to create a second one beside it would be wrong, to forget it would find it again for ever."""
    coupling = candidate.coupling
    if coupling is None:
        coupling = candidate.coupling = Coupling(mapping=run.mapping)
        for side in SIDES:
            record = candidate.records[side]
            assert record is not None
            coupling.see(side, record)
            coupling.put(side, "version", record.version)
        run.count("coupled", candidate.direction)
    if coupling.of(outside, "out_of_filter_since") is None:
        coupling.put(outside, "out_of_filter_since", at)
    for side in SIDES:
        if coupling.of(side, "id") is not None and side in candidate.records:
            # Else every sweep would find it gone, and count it, again.
            coupling.put(side, "exists", candidate.records[side] is not None)


def _agree(run: Run, candidate: Candidate, at: datetime) -> None:
    """Both records are what this pair agreed on now: take over version, names and base images of both."""
    if not all(isinstance(candidate.record(side), Record) for side in SIDES):
        return
    coupling = candidate.coupling
    if coupling is None:
        coupling = candidate.coupling = Coupling(mapping=run.mapping)
    for side in SIDES:
        record = candidate.records[side]
        assert record is not None
        base = candidate.image(run.rules, side)
        if candidate.step is not None and candidate.step.restores and candidate.step.side is side.other:
            base = _still_to_flow(run, candidate, side, base)
        elif (
            candidate.step is not None
            and candidate.step.kind is StepKind.CREATE
            and candidate.step.side is side
        ):
            base = _given_by_app(run, candidate, side, base)
        coupling.see(side, record)
        coupling.put(side, "version", record.version)
        coupling.put(side, "base", base)
        coupling.put(side, "out_of_filter_since", None)
    _mark_unfilled(run, candidate)
    coupling.agreed_at, coupling.agreed_job = at, run.job.pk
    coupling.agreed_by = run.job.requested_by
    for side in (candidate.step.written_sides() if candidate.step else ()) or (candidate.direction,):
        setattr(coupling, f"to_{side.value}_job", run.job.pk)
        setattr(coupling, f"to_{side.value}_result", "ok")
    if candidate.adopted:
        run.count("coupled", candidate.direction)


def _given_by_app(run: Run, candidate: Candidate, side: Side, base: dict[str, Any]) -> dict[str, Any]:
    """The number that the app itself gave the record made in it, where the other record has none: it is to flow back.
    Only fields by which records are recognised, or that are for new records alone: a default of the app is no edit."""
    given = {}
    other = candidate.image(run.rules, side.other)
    natural = [each for each in run.rules.pairs if each.rule.id == run.rules.rules.natural_key]
    for each in (*natural, *run.rules.new_only):
        key = str(each.rule.id)
        flows = each.rule.reference is None and each.allows(side.other) and key in base and key in other
        if flows and base[key][1] not in EMPTY and other[key][1] in EMPTY:
            given[key] = [UNFILLED, base[key][1]]
    if given:
        coupling = candidate.coupling
        record = candidate.records[side]
        assert coupling is not None and record is not None
        items.find(run, [(coupling, side, record.id)])
    return {**base, **given}


def _mark_unfilled(run: Run, candidate: Candidate) -> None:
    """An optional reference that could not be translated was written as null, or its field left as it was. Its base is
    marked (revision 0, which no rule has) so that the pair is found when the parent is coupled, and deciding takes the field
    as one without a base."""
    coupling = candidate.coupling
    assert coupling is not None
    for rule in run.rules.rules.fields:
        if rule.reference is None or not rule.optional:
            continue
        key = str(rule.id)
        for side in SIDES:
            source, destination = coupling.of(side, "base").get(key), coupling.of(side.other, "base").get(key)
            if not source or not destination or source[1] is None:
                continue
            if destination[1] is None or candidate.kept.get(rule.id) is side:
                coupling.put(side, "base", {**coupling.of(side, "base"), key: [UNFILLED, source[1]]})


def _still_to_flow(run: Run, candidate: Candidate, side: Side, base: dict[str, Any]) -> dict[str, Any]:
    """A restored record got its one-way source fields back as they last stood there. Where the survivor's field was edited
    since, the two differ: its base stays the agreed one, and the next run writes over the edit and says so."""
    coupling = candidate.coupling
    assert coupling is not None
    known = coupling.of(side, "base")
    edited = {
        key: known[key]
        for each in run.rules.pairs
        if not each.allows(side.other) and (key := str(each.rule.id)) in known and known[key] != base.get(key)
    }
    if edited:
        items.find(run, [(coupling, side, coupling.of(side, "id"))])
    return {**base, **edited}


def _remember_failed(run: Run, candidate: Candidate) -> None:
    """A failed record keeps its base images and versions; a new one gets a half coupling that carries its problem."""
    if candidate.coupling is None:
        if items.is_open_question(candidate.failure):
            return
        candidate.coupling = Coupling(mapping=run.mapping)
    coupling = candidate.coupling
    for side in SIDES:
        record = candidate.record(side)
        if isinstance(record, Record):
            coupling.see(side, record)
        elif side in candidate.records and coupling.of(side, "id") is not None:
            coupling.put(side, "exists", False)
    setattr(coupling, f"to_{candidate.direction.value}_job", run.job.pk)
    setattr(coupling, f"to_{candidate.direction.value}_result", "failed")


def _collect_released(candidate: Candidate, released: dict[Side, set[str]]) -> None:
    """A pair that is complete now may be what others wait for."""
    coupling = candidate.coupling
    if (
        coupling is None
        or candidate.failure is not None
        or coupling.is_half
        or coupling.ended_at
        or coupling.removed_at
    ):
        return
    if coupling.pk is None or candidate.problem is not None:
        for side in SIDES:
            released[side].add(coupling.of(side, "id"))


def _count(run: Run, candidate: Candidate) -> None:
    failure = candidate.failure
    if failure is None:
        outcome = "unchanged" if candidate.step is None else _OUTCOME[candidate.step.kind]
    elif items.is_open_question(failure) or failure.kind.value == "blocked":
        outcome = "waiting"
    else:
        outcome = "failed"
    candidate.outcome = outcome
    run.count(outcome, candidate.direction)


def keep_couplings(new: Sequence[Coupling], known: Mapping[int, Coupling], at: datetime) -> None:
    """New couplings get their id and are stored, known ones are stored as they are; two statements for all of them."""
    for coupling, pk in zip(new, reserve(Coupling, len(new)), strict=True):
        coupling.pk = pk
        coupling.created_at = at
    if new:
        insert(Coupling, NEW_COUPLING, map(values_of(Coupling, NEW_COUPLING), new))
        for coupling in new:
            coupling._state.adding = False
    update(Coupling, _MEMORY, list(map(values_of(Coupling, ("id", *_MEMORY)), known.values())))


def _fail(run: Run, candidate: Candidate, at: datetime) -> None:
    assert candidate.coupling is not None and candidate.failure is not None
    destination = candidate.direction if candidate.writes else None
    for write in candidate.writes:
        if write.failure is candidate.failure:
            destination = write.side
    if candidate.failure.kind.value in ("rejected", "blocked", "misconfigured") and destination is None:
        destination = candidate.direction
    candidate.problem = problems.record_failure(
        job=run.job,
        tally=run.tally,
        entries=run.entries,
        mapping=run.mapping,
        coupling=candidate.coupling,
        problem=candidate.problem,
        failure=candidate.failure,
        destination=destination,
        records=candidate.records,
        rules=run.rules,
        now=at,
    )


def _end(run: Run, ended: list[Problem], candidates: Sequence[Candidate], at: datetime) -> None:
    kinds = {c.problem.pk: c.step.kind for c in candidates if c.problem is not None and c.step is not None}
    fixed: list[Problem] = []
    superseded: list[Problem] = []
    by_person: dict[str, list[Problem]] = {"deleted": [], "removed": []}
    for problem in ended:
        kind = kinds.get(problem.pk)
        if kind is StepKind.DELETE and run.job.requested_by_id:
            by_person["deleted"].append(problem)
        elif kind is StepKind.UNCOUPLE:
            by_person["removed"].append(problem)
        elif kind in (StepKind.END, StepKind.LEFT_FILTER, StepKind.IGNORED):
            superseded.append(problem)
        else:
            fixed.append(problem)
    for found, ending in (
        (fixed, Problem.Ending.FIXED),
        (superseded, Problem.Ending.SUPERSEDED),
        (by_person["deleted"], Problem.Ending.DELETED),
        (by_person["removed"], Problem.Ending.REMOVED),
    ):
        run.end(found, ending, at)


def note_in_journal(
    run: Run, coupling: Coupling, side: Side, operation: Journal.Operation, at: datetime
) -> Journal:
    """A journal row of something that writes to no app but changes what synchronises: done at once, sealed with the page."""
    return note_all(run, [coupling], side, operation, at)[0]


def note_all(
    run: Run, couplings: Sequence[Coupling], side: Side, operation: Journal.Operation, at: datetime
) -> list[Journal]:
    """As :func:`note_in_journal`, a row for each of several pairs, in one statement."""
    rows = [
        Journal(
            job=run.job,
            mapping=run.mapping,
            coupling=coupling,
            side=side.value,
            operation=operation,
            record_id=coupling.of(side, "id") or "",
            before={"left": coupling.left_id, "right": coupling.right_id},
            key=uuid4(),
            state=Journal.State.DONE,
            at=at,
            settled_at=at,
        )
        for coupling in couplings
    ]
    run.settled += Journal.objects.bulk_create(rows)
    return rows

"""One page of records: read what is missing, decide each, write in batches, store everything in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from synccore.engine.brakes import creations_limit
from synccore.engine.decide import decide
from synccore.engine.images import keepers, kept
from synccore.engine.rules import Step, StepKind
from synccore.failures import Bug, Failure, Misconfigured, Stale, Transient
from synccore.models import Coupling, JobItem, Journal
from synccore.shapes import ALL, SIDES, KeyKind, Record, Side

from . import lookup, store
from .candidate import Candidate, Write
from .elsewhere import taken
from .resume import settle_open
from .run import Run
from .write import intend, send, settle

#: How often a record that keeps moving while we write is read and decided again in one job.
ROUNDS: Final = 3

#: Note of a creation held back by a brake that a person wants also where only coupled records synchronize.
WANTED: Final = "wanted"

Advance = Callable[[datetime], None]


def process(
    run: Run,
    candidates: Sequence[Candidate],
    *,
    checkpoint: Mapping[str, Any] | None = None,
    advance: Advance | None = None,
    carry_out: bool = False,
) -> None:
    """Bring the candidates as far as they go, and store the page.

    Args:
        checkpoint: the job's position after this page.
        advance: more to store in the same transaction (watermarks, finished items).
        carry_out: deletions and creations past the limit are carried out, not collected: they were counted, or a person
            decided.

    Raises Failure where the whole job cannot go on. What the page did until then is stored, the checkpoint is not.
    """
    stopped: Failure | None = None
    writes: list[Write] = []
    todo = list(candidates)
    try:
        for _round in range(ROUNDS + 1):
            lookup.complete(run, todo)
            todo = [c for c in todo if c.still_as_seen(run.rules)]
            lookup.adopt(run, todo)
            todo = [c for c in todo if not c.untouched]
            decide_all(run, todo)
            run.known["adopted"] = run.known.get("adopted", 0) + sum(
                c.adopted and not c.failure for c in todo
            )
            if not carry_out:
                _collect(run, todo)
            now = _plan(run, todo)
            intend(run, now)
            writes += now
            stopped = send(run, now)
            _take_results(todo)
            todo = [] if stopped else [c for c in todo if isinstance(c.failure, Stale)]
            if not todo or _round == ROUNDS:
                break
            for candidate in todo:
                candidate.see_own_writes(run.rules)
                candidate.records.clear()
                candidate.failure, candidate.step, candidate.writes = None, None, []
                candidate.adopted = False
    except Failure as failure:
        stopped = failure
    if stopped is not None:
        _leave_untouched(candidates, stopped)
    with run.page(None if stopped else checkpoint) as at:
        store.page(run, candidates, at)
        settle(run, writes)
        if advance is not None and stopped is None:
            advance(at)
    if stopped is not None:
        raise stopped
    if any(write.row is not None and write.row.state == Journal.State.UNKNOWN for write in writes):
        # Before the other side is read: what may have been created there is ours, not new.
        settle_open(run)


def decide_all(run: Run, candidates: Sequence[Candidate]) -> None:
    """Each candidate's step, with what the page needs for it looked up first. Reads the apps, writes nothing."""
    refs = lookup.references(run, candidates)
    blocked = lookup.preconditions(run, candidates) | taken(run, candidates)
    optional = keepers(run.rules)
    for place, candidate in enumerate(candidates):
        try:
            candidate.step = decide(
                candidate.link(),
                candidate.record(Side.LEFT),
                candidate.record(Side.RIGHT),
                run.rules,
                refs,
                blocked=blocked.get(place),
                resolution=candidate.resolution,
            )
            candidate.kept = kept(optional, candidate.records, refs)
            if candidate.step.kind in (StepKind.WRITE, StepKind.CREATE, StepKind.DELETE):
                candidate.basis = candidate.as_read(run.rules)
        except Misconfigured:
            raise
        except Failure as failure:
            candidate.step = Step.fail(failure)
        except Exception as error:
            candidate.step = Step.fail(Bug.from_exception(error, step="decide"))
        candidate.failure = candidate.step.failure


# -- what is left for the end of the run -------------------------------------------------------------------------------


def _collect(run: Run, candidates: Sequence[Candidate]) -> None:
    """Deletions found by a run are counted before any is acted on, whatever the policy; so are creations past a limit."""
    for candidate in candidates:
        gone = newly_gone(candidate)
        if gone is not None and candidate.resolution is None:
            candidate.step = Step(StepKind.UNCHANGED, why="collected")
            candidate.failure, candidate.outcome = None, "collected"
            _item(run, candidate, gone, JobItem.Purpose.DELETION)
        elif (
            candidate.step is not None
            and candidate.step.kind is StepKind.CREATE
            and not candidate.step.restores
        ):
            side = candidate.step.side
            assert side is not None
            limit, done = creations_allowed(run, side), run.known.setdefault("creations", {})
            if side not in done:
                done[side] = run.job.by_direction.get(side.value, {}).get("inserted", 0)
            if limit is not None and done[side] >= limit:
                candidate.outcome, candidate.failure = "collected", None
                candidate.step = Step(StepKind.UNCHANGED, why="collected")
                wanted = candidate.resolution is not None and candidate.resolution.create
                _item(run, candidate, side.other, JobItem.Purpose.CREATION, note=WANTED if wanted else "")
            else:
                done[side] += 1


def newly_gone(candidate: Candidate) -> Side | None:
    """The side whose record was known and is confirmed gone now, while the other is still there."""
    coupling = candidate.coupling
    if coupling is None or coupling.is_half:
        return None
    gone = [side for side in SIDES if side in candidate.records and candidate.records[side] is None]
    if len(gone) != 1 or not coupling.of(gone[0], "exists"):
        return None
    return gone[0]


def _item(run: Run, candidate: Candidate, side: Side, purpose: JobItem.Purpose, *, note: str = "") -> None:
    coupling = candidate.coupling
    record = candidate.record(side)
    run.known.setdefault("collected", []).append(
        JobItem(
            job=run.job,
            mapping=run.mapping,
            coupling=coupling,
            side=side.value,
            record_id=candidate.id(side) or "",
            title=(coupling.title(side) if coupling else "") or (record.name or record.key if record else ""),
            purpose=purpose,
            note=note,
        )
    )


def creations_allowed(run: Run, destination: Side) -> int | None:
    """How many records this run may create on a side in all; None for any number.

    As long as the first pass over the source has not ended, records that we created ourselves do not count as records the
    destination "already holds": an interrupted first load goes on.
    """
    holds = run.known.setdefault("holds_records", {})
    if destination not in holds:
        first_load = run.mapping.watermark(destination.other) is None
        holds[destination] = _holds_records(run, destination, strangers_only=first_load)
    return creations_limit(living_couplings(run), holds[destination], brakes=run.brakes)


def _holds_records(run: Run, side: Side, *, strangers_only: bool) -> bool:
    rules, cursor = run.rules.rules, None
    # One row tells; where the first one is outside a filter that only Tandem can judge, whole pages are asked for.
    limit = None if strangers_only else 1
    while True:
        with run.remote(side) as connector:
            page = connector.versions(rules.table(side), rules.filter(side), cursor, limit=limit)
        ids = [id for id, _version in page.versions]
        if ids and not strangers_only:
            return True
        coupled = Coupling.objects.live().filter(mapping_id=rules.id, **{f"{side.value}_id__in": ids}).count()
        if coupled < len(ids):
            return True
        if page.complete:
            return False
        cursor, limit = page.cursor, None


def living_couplings(run: Run) -> int:
    """Pairs of the mapping when this run first asked, and those it adopted since."""
    if "couplings" not in run.known:
        run.known["couplings"] = Coupling.objects.live().paired().filter(mapping=run.mapping).count()
    return int(run.known["couplings"]) + int(run.known.get("adopted", 0))


# -- writes ------------------------------------------------------------------------------------------------------------


def _plan(run: Run, candidates: Sequence[Candidate]) -> list[Write]:
    planned: list[Write] = []
    doomed: dict[Side, list[Candidate]] = {side: [] for side in SIDES}
    for candidate in candidates:
        step = candidate.step
        if step is None or candidate.failure is not None:
            continue
        if step.kind is StepKind.WRITE:
            candidate.writes = [_update(candidate, step, side) for side in step.written_sides()]
        elif step.kind is StepKind.CREATE:
            candidate.writes = [_create(run, candidate, step)]
        elif step.kind is StepKind.DELETE and step.side is not None:
            doomed[step.side].append(candidate)
            continue
        planned += candidate.writes
    for side, chosen in doomed.items():
        planned += _deletes(run, side, chosen)
    return planned


def _update(candidate: Candidate, step: Step, side: Side) -> Write:
    record = candidate.record(side)
    assert record is not None
    fields = dict(step.writes[side])
    return Write(
        candidate=candidate,
        side=side,
        operation=Journal.Operation.UPDATE,
        record_id=record.id,
        version=record.version,
        fields=fields,
        before={name: record.fields.get(name) for name in fields},
        overwrites=dict(step.overwrites.get(side, {})),
        key=uuid4(),
    )


def _create(run: Run, candidate: Candidate, step: Step) -> Write:
    side = step.side
    assert side is not None
    keeps_id = step.restores and run.rules.rules.key_kind(side) in (KeyKind.UUID, KeyKind.SEQUENCE)
    return Write(
        candidate=candidate,
        side=side,
        operation=Journal.Operation.CREATE,
        record_id=candidate.id(side) if keeps_id else None,
        version="",
        fields=dict(step.writes.get(side, {})),
        before={},
        overwrites={},
        key=uuid4(),
    )


def _deletes(run: Run, side: Side, candidates: list[Candidate]) -> list[Write]:
    """Before a delete the whole readable record is kept; one that moved since it was decided is decided again."""
    if not candidates:
        return []
    table = run.rules.rules.table(side)
    ids = [candidate.id(side) or "" for candidate in candidates]
    with run.remote(side) as connector:
        whole = {record.id: record for record in connector.fetch(table, ids, ALL)}
    planned = []
    for candidate in candidates:
        record, known = whole.get(candidate.id(side) or ""), candidate.record(side)
        assert known is not None and candidate.step is not None
        if record is None or record.version != known.version:
            candidate.failure = Stale("changed_since_read")
            continue
        candidate.writes = [
            Write(
                candidate=candidate,
                side=side,
                operation=Journal.Operation.DELETE,
                record_id=record.id,
                version=record.version,
                fields={},
                before=dict(record.fields),
                overwrites=dict(candidate.step.overwrites.get(side, {})),
                key=uuid4(),
            )
        ]
        planned += candidate.writes
    return planned


def _take_results(candidates: Sequence[Candidate]) -> None:
    """What the apps answered: stored records take the place of those read, the first failure is the candidate's."""
    for candidate in candidates:
        for write in candidate.writes:
            if isinstance(write.result, Record):
                candidate.records[write.side] = write.result
            elif write.operation == Journal.Operation.DELETE and write.sent and write.result is None:
                candidate.records[write.side] = None
        failures = [write.failure for write in candidate.writes if write.failure is not None]
        if failures:
            stale = [failure for failure in failures if isinstance(failure, Stale)]
            hard = [failure for failure in failures if not isinstance(failure, Stale)]
            candidate.failure = hard[0] if hard else stale[0]


def _leave_untouched(candidates: Sequence[Candidate], stopped: Failure) -> None:
    """The job ends here: records that were not decided, or not written for this reason, keep their state."""
    for candidate in candidates:
        if candidate.outcome == "collected":
            continue
        step, failure = candidate.step, candidate.failure
        unsent = any(not write.sent for write in candidate.writes)
        unplanned = (
            step is not None
            and failure is None
            and step.kind in (StepKind.WRITE, StepKind.CREATE, StepKind.DELETE)
            and not candidate.writes
        )
        same_cause = (
            failure is not None
            and bool(candidate.writes)
            and (failure.code == stopped.code or isinstance(failure, Transient) and failure.stops_the_job)
        )
        candidate.untouched = step is None or unsent or unplanned or same_cause or isinstance(failure, Stale)

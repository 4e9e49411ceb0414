"""Which of the records that were read need deciding: repeats and skipped records drop out here, in a few queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from synccore.engine.images import image_hash
from synccore.engine.rules import UNFILLED
from synccore.models import Coupling, JobItem, Problem, SynchJob
from synccore.shapes import SIDES, Record, Side

from .candidate import Candidate
from .lookup import read
from .problems import UNCERTAIN
from .run import Run


def from_changes(run: Run, side: Side, records: Sequence[Record]) -> list[Candidate]:
    """Candidates among the changed records of one side.

    Own writes and repeats of the overlap are dropped by their version; records whose pair is skipped, left out, removed or
    waiting are counted and passed over, unless one of their mapped fields changed since. A run over all records counts as
    unchanged what it drops, each pair once. A record that was saved while a page was read may stand on it twice: the later
    reading counts.
    """
    records = list({record.id: record for record in records}.values())
    agreed = _agreed(run, side, [record.id for record in records])
    same = {record.id for record in records if record.id in agreed and agreed[record.id][0] == record.version}
    if run.job.scope == SynchJob.Scope.FULL and (
        n := sum(agreed[id][1] and not run.has_met(side, id) for id in same)
    ):
        run.count("unchanged", side.other, n)
    moved = [record for record in records if record.id not in same]
    couplings = _couplings(run, side, [record.id for record in moved])
    removed = _removed(run, side, [record.id for record in moved if record.id not in couplings])
    fresh = [
        Candidate(origin=side, coupling=couplings.get(record.id), records={side: record})
        for record in moved
        if record.id in couplings or record.id not in removed
    ]
    return pass_over(run, fresh)


def _agreed(run: Run, side: Side, ids: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """Versions at which whole pairs last agreed, and whether the run counts the pair here: most of what an overlap reads
    again needs no more than these.

    A run over all records takes up pairs that agreed under other rules of their fields, though nothing in them changed. It
    meets a pair on both sides and may find a change on the second one: what it drops is counted by the last pass that meets
    it, unless something else was said of the pair.
    """
    known = Coupling.objects.live().paired().filter(mapping=run.mapping, **{f"{side.value}_id__in": ids})
    id, version = f"{side.value}_id", f"{side.value}_version"
    if run.job.scope != SynchJob.Scope.FULL:
        return {id: (version, False) for id, version in known.values_list(id, version)}
    another_pass = side is Side.LEFT and run.rules.rules.direction.allows(Side.LEFT)
    rows = known.annotate(told=Exists(Problem.objects.not_ended().filter(coupling=OuterRef("pk")))).values_list(
        id, version, "left_base", "right_base", "agreed_job", "told", "right_exists", "right_out_of_filter_since"
    )  # fmt: skip
    agreed = {}
    for id, version, left, right, job, told, exists, outside in rows:
        if _under_these_rules(run, Side.LEFT, left) and _under_these_rules(run, Side.RIGHT, right):
            by_this_run = job is not None and job == run.job.pk
            met_again = another_pass and exists and outside is None
            agreed[id] = (version, not (by_this_run or told or met_again))
    return agreed


def _under_these_rules(run: Run, side: Side, base: dict[str, list[Any]]) -> bool:
    for rule in run.rules.rules.fields:
        if rule.name(side) is not None:
            entry = base.get(str(rule.id))
            if entry is None or entry[0] not in (rule.revision, UNFILLED):
                return False
    return True


def _couplings(run: Run, side: Side, ids: Sequence[str]) -> dict[str, Coupling]:
    if not ids:
        return {}
    found = Coupling.objects.live().filter(mapping_id=run.job.mapping_id, **{f"{side.value}_id__in": ids})
    return {coupling.of(side, "id"): coupling for coupling in found}


def _removed(run: Run, side: Side, ids: Sequence[str]) -> set[str]:
    """Records that a person marked *not to be coupled by itself*."""
    if not ids:
        return set()
    marked = Coupling.objects.filter(
        mapping_id=run.job.mapping_id,
        removed_at__isnull=False,
        ended_at=None,
        **{f"{side.value}_id__in": ids},
    )
    return set(marked.values_list(f"{side.value}_id", flat=True))


def pass_over(run: Run, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Attach problems; count and drop candidates whose problem says that nothing is to be tried now."""
    found = list(candidates)
    attach_problems(found)
    now = timezone.now()
    chosen = []
    for candidate in found:
        problem = candidate.problem
        if problem is None or is_due(run, problem, candidate, now):
            chosen.append(candidate)
            continue
        skipped = problem.state in (Problem.State.SKIPPED, Problem.State.ON_PURPOSE)
        run.count("skipped" if skipped else "waiting", candidate.direction)
        if candidate.item is not None:
            run.no_longer(candidate.item, problem.state)
    return chosen


def attach_problems(candidates: Sequence[Candidate]) -> None:
    ids = [c.coupling.pk for c in candidates if c.coupling is not None and c.coupling.pk is not None]
    open_ = {p.coupling_id: p for p in Problem.objects.not_ended().filter(coupling__in=ids)} if ids else {}
    for candidate in candidates:
        if candidate.coupling is not None:
            candidate.problem = open_.get(candidate.coupling.pk)


def is_due(run: Run, problem: Problem, candidate: Candidate, now: datetime) -> bool:
    """Whether a record with an open problem is tried in this run: asked for, its time has come, or it is not what failed."""
    if problem.state == Problem.State.ON_PURPOSE:
        return False
    if candidate.resolution is not None or problem.requested_at is not None:
        return True
    if problem.next_attempt is not None and problem.next_attempt <= now:
        return True
    if problem.code == UNCERTAIN:
        return False
    if problem.mapping_revision != run.mapping.revision:
        return True
    for side in SIDES:
        if side not in candidate.records:
            continue
        record = candidate.records[side]
        if record is None:
            if getattr(problem, f"{side.value}_seen"):
                return True  # it was there when the pair failed
        elif record.version != getattr(problem, f"{side.value}_seen_version") and image_hash(
            run.rules, side, record
        ) != getattr(problem, f"{side.value}_seen"):
            return True
    return False


def from_couplings(couplings: Iterable[Coupling]) -> list[Candidate]:
    """Candidates by coupling, for retries and chosen records; both records are read by the page."""
    return [
        Candidate(
            origin=Side.LEFT if coupling.left_id is not None else Side.RIGHT,
            coupling=coupling,
        )
        for coupling in couplings
    ]


def from_items(run: Run, items: Sequence[JobItem]) -> list[Candidate]:
    """Candidates of frozen items. An item names a coupling, or a record that was not coupled when it was found."""
    by_pk = {
        c.pk: c
        for c in Coupling.objects.filter(pk__in=[item.coupling_id for item in items if item.coupling_id])
    }
    by_record: dict[Side, dict[str, Coupling]] = {}
    for side in SIDES:
        ids = [item.record_id for item in items if item.side == side.value and item.record_id]
        by_record[side] = _couplings(run, side, ids) if ids else {}
    candidates: dict[object, Candidate] = {}
    for item in items:
        side = Side(item.side) if item.side else Side.LEFT
        coupling = by_pk.get(item.coupling_id) if item.coupling_id else None
        if coupling is not None and (coupling.removed_at or coupling.ended_at):
            coupling = None
            if not item.record_id:
                run.no_longer(item, "coupling ended")
                continue
        coupling = coupling or by_record[side].get(item.record_id)
        key: object = coupling.pk if coupling else (side, item.record_id)
        if key in candidates:
            run.no_longer(item, "same record")
            continue
        candidate = Candidate(origin=side, coupling=coupling, item=item)
        if coupling is not None and coupling.of(side, "id") is None:
            candidate.origin = side.other
        candidates[key] = candidate
    return list(candidates.values())


def read_uncoupled(run: Run, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Items that name a record without a coupling: read it; one that is gone or marked removed no longer applies."""
    kept = [candidate for candidate in candidates if candidate.coupling is not None]
    for side in SIDES:
        mine = [c for c in candidates if c.coupling is None and c.origin is side and c.item is not None]
        if not mine:
            continue
        ids = [c.item.record_id for c in mine if c.item is not None]
        removed, found = _removed(run, side, ids), read(run, side, ids)
        for candidate in mine:
            assert candidate.item is not None
            record = found.get(candidate.item.record_id)
            if record is None or record.id in removed:
                run.no_longer(candidate.item, "gone" if record is None else "removed")
                continue
            candidate.records[side] = record
            kept.append(candidate)
    return kept

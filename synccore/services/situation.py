"""Where a record stands: everything *Why is it not synchronizing?* and *Times* depend on, from our own database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from synccore import jobs
from synccore.engine.rules import Direction
from synccore.engine.times import SideTimes
from synccore.engine.why import MappingNow, ProblemNow, Situation
from synccore.models import Coupling, JobItem, JobQueueEntry, Problem, SynchJob, TableMapping
from synccore.models.problem import ADMINISTRATORS_KINDS
from synccore.shapes import SIDES, Record, Side

from .comparing import being_decided


def mapping_now(mapping: TableMapping) -> MappingNow:
    """What holds for all records of a mapping now."""
    held, why, since = _held(mapping)
    entries = list(
        JobQueueEntry.objects.filter(
            mapping=mapping, scope__in=(SynchJob.Scope.CHANGES, SynchJob.Scope.FULL)
        ).order_by("next_run")
    )
    ready = [entry for entry in entries if entry.status != JobQueueEntry.Status.ON_HOLD]
    return MappingNow(
        held=held,
        why=why,
        held_since=since,
        schedule="" if ready else "on_hold" if entries else "none",
        next_run=ready[0].next_run if ready else None,
        only_coupled=mapping.only_coupled,
    )


def _held(mapping: TableMapping) -> tuple[str, str, datetime | None]:
    reason = jobs.held(mapping)
    if reason == "disabled":
        return reason, "", None
    if reason == "paused":
        by = mapping.integration.paused_by
        who = (by.get_full_name() or by.get_username()) if by else ""
        return reason, who, mapping.integration.paused_since
    apps = [mapping.integration.left_id, mapping.integration.right_id]
    of_apps = Problem.objects.of_setup().open().filter(mapping=None, connection__in=apps)
    problem = (
        (Problem.objects.of_setup().open().filter(mapping=mapping) | of_apps).order_by("since", "pk").first()
    )
    if problem is None:
        return "", "", None
    return "stopped" if reason == "stopped" else "set_up", problem.name, problem.since


def of_pair(
    coupling: Coupling,
    problem: Problem | None,
    *,
    mapping: MappingNow | None = None,
    one_way: Mapping[Side, tuple[str, ...]] | None = None,
) -> Situation:
    """The situation of a pair. ``one_way``: edits in fields that do not flow from there, where both were read."""
    outside = next((s for s in SIDES if coupling.of(s, "out_of_filter_since") is not None), None)
    known = coupling.sides()
    edited = next(((side, names) for side, names in (one_way or {}).items() if names), None)
    busy = being_decided(coupling)
    return Situation(
        mapping=mapping or mapping_now(coupling.mapping),
        ended_at=coupling.ended_at,
        removed_at=coupling.removed_at,
        removed_by=_name(coupling.removed_by),
        half=known[0] if coupling.is_half and known else None,
        outside=outside,
        outside_since=coupling.of(outside, "out_of_filter_since") if outside else None,
        agreed_at=coupling.agreed_at,
        problem=_problem(problem) if problem else None,
        decided_in=busy.job_id if busy else None,
        pending=_pending(coupling),
        one_way=edited[1] if edited else (),
        one_way_side=edited[0] if edited else None,
    )


def _problem(problem: Problem) -> ProblemNow:
    blocker = ""
    if problem.kind == "blocked":
        params = problem.params
        blocker = str(params.get("record_name") or params.get("value") or problem.blocker_record)
        if problem.blocker_mapping is not None:
            blocker = f"{problem.blocker_mapping.name} {blocker}"
    return ProblemNow(
        state=problem.state,
        kind=problem.kind,
        of_administrator=problem.kind in ADMINISTRATORS_KINDS,
        requested=problem.requested_at is not None,
        next_attempt=problem.next_attempt,
        blocker=blocker,
        reason=problem.reason,
        until=problem.until,
        since=problem.since,
        by=_name(problem.found_by),
    )


def _name(person: Any) -> str:
    return (person.get_full_name() or person.get_username()) if person else ""


def _pending(coupling: Coupling) -> bool:
    """A sweep, an undo or an earlier run left the record for the next one."""
    found = JobItem.objects.filter(
        mapping=coupling.mapping_id, purpose=JobItem.Purpose.FOUND, state=JobItem.State.OPEN
    )
    return any(
        found.filter(side=side.value, record_id=coupling.of(side, "id")).exists() for side in coupling.sides()
    )


def of_uncoupled(
    mapping: TableMapping, side: Side, *, record: Record | None, inside: bool | None
) -> Situation:
    """The situation of a record of which nothing is remembered; ``record``: as it was read now."""
    low = read_to(mapping, side)
    read = None
    if mapping.watermark(side) is None:
        read = False
    elif record is not None and record.modified_at is not None and low is not None:
        read = record.modified_at <= low
    return Situation(
        mapping=mapping_now(mapping),
        known=False,
        side=side,
        inside=inside,
        flows=Direction(mapping.direction).allows(side.other),
        read_up_to=read,
    )


def read_to(mapping: TableMapping, side: Side) -> datetime | None:
    """Up to which stamp a side has been read for certain; None before the first pass and for tables without stamps."""
    low = (mapping.watermark(side) or {}).get("low")
    return parse_datetime(low) if isinstance(low, str) else None


def times_of(
    coupling: Coupling, problem: Problem | None, records: Mapping[Side, Record | None] | None = None
) -> dict[Side, SideTimes]:
    """Per side when it changed, what stamp it had when both agreed, and how far its app was read.

    ``records``: both as they are now; without them a side's change is as it was last seen.
    """
    found = {}
    for side in SIDES:
        seen_at = coupling.of(side, "modified_at")
        record = records.get(side) if records is not None else None
        there = coupling.of(side, "id") is not None and (
            record is not None if records is not None else bool(coupling.of(side, "exists"))
        )
        moved = problem is not None and getattr(problem, f"{side.value}_seen_version") not in (
            "",
            coupling.of(side, "version"),
        )
        found[side] = SideTimes(
            changed=record.modified_at if record is not None else seen_at,
            agreed=None if coupling.agreed_at is None or moved else seen_at,
            seen=seen_at,
            read_to=read_to(coupling.mapping, side),
            there=there,
        )
    return found

"""Runs of a mapping that a person asks for: what the next one would take, changes since a date, and all records of many.

Of one mapping they need the right to synchronize and a grant on its records; full synchronizations of several, *set up*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from synccore import jobs
from synccore.models import SynchJob, TableMapping
from synccore.models.scoping import SET_UP, GrantLevel
from synccore.shapes import Side
from synccore.tasks import kick_on_commit

from . import match
from .jobs import NotNow
from .review import What, needs_of
from .rights import require, require_on
from .setup import order_of

SYNCHRONIZE = "synccore.synchronize"
Since = Mapping[Side, datetime]


@transaction.atomic
def start_dry_run(
    mapping: TableMapping, *, user: Any, full: bool = False, since: Since | None = None
) -> SynchJob:
    """*Records to be synchronized*: look at every record that the next run would take, and write nothing.

    ``full``: as a full synchronization would. It runs on a mapping that is switched off, too. Raises RightMissing.
    """
    require_on(user, mapping, SYNCHRONIZE, GrantLevel.RESOLVE)
    scope = SynchJob.Scope.FULL if full else SynchJob.Scope.CHANGES
    wanted = _options(since)
    job = jobs.enqueue(
        verb="dry_run",
        mapping=mapping,
        scope=scope,
        requested_by=user,
        origin=SynchJob.Origin.PERSON,
        options=wanted,
        pressed_at=timezone.now(),
    )
    if job.options != wanted:  # one that waits already looks from where the last person wants it
        SynchJob.objects.filter(pk=job.pk, state=SynchJob.State.QUEUED).update(options=wanted)
    kick_on_commit()
    return job


@transaction.atomic
def synchronise_since(mapping: TableMapping, *, user: Any, since: Since) -> SynchJob:
    """*Synchronize Changes Since…*: a run that reads the sides named from a moment on. The watermarks stay as they are.

    A run that waits already reads from the earlier of both moments. Raises RightMissing; ValueError where no side is named;
    NotNow ``held``.
    """
    require_on(user, mapping, SYNCHRONIZE, GrantLevel.RESOLVE)
    if not since:
        raise ValueError(since)
    if reason := jobs.held(mapping):
        raise NotNow("held", mapping=mapping.name, reason=reason)
    wanted = _options(since)
    job = jobs.enqueue(
        verb="synchronise",
        mapping=mapping,
        scope=SynchJob.Scope.SINCE,
        requested_by=user,
        origin=SynchJob.Origin.PERSON,
        options=wanted,
        pressed_at=timezone.now(),
    )
    if job.options != wanted:
        job = _earlier(job, since) or synchronise_since(mapping, user=user, since=since)
    kick_on_commit()
    return job


def _options(since: Since | None) -> dict[str, Any]:
    return {"since": {side.value: at.isoformat() for side, at in since.items()}} if since else {}


def _earlier(job: SynchJob, since: Since) -> SynchJob | None:
    """The job that waits, reading from the earlier moment of each side; None where it has just begun."""
    found: SynchJob | None = (
        SynchJob.objects.select_for_update().filter(pk=job.pk, state=SynchJob.State.QUEUED).first()
    )
    if found is None:
        return None
    moments = {Side(side): datetime.fromisoformat(at) for side, at in found.options.get("since", {}).items()}
    for side, at in since.items():
        moments[side] = min(at, moments.get(side, at))
    found.options |= _options(moments)
    found.save(update_fields=["options"])
    return found


# -- full synchronization of many -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """A mapping that a full synchronization leaves out, and why (``disabled``, ``paused``, ``stopped``)."""

    mapping: TableMapping
    reason: str


@transaction.atomic
def start_review(wanted: Mapping[TableMapping, What], *, user: Any) -> tuple[SynchJob, list[Left]]:
    """Start what was chosen for each mapping: all its records, or match-based coupling. A line starts when those it refers
    to have ended well; lines that do not hang together run side by side.

    Gives the job that holds them, and what was left out. Raises RightMissing; NotNow ``nothing_to_run`` where nothing is
    left, ``full_running`` where one of them is in a full synchronization that has not ended, ``match_running``.
    """
    chosen = order_of(list(wanted))
    _may_run_whole(chosen, user)
    for mapping in chosen:
        if wanted[mapping] is What.COUPLE:
            require_on(user, mapping, match.COUPLE, GrantLevel.RESOLVE)
    left = [Left(mapping, reason) for mapping in chosen if (reason := in_the_way(mapping, wanted[mapping]))]
    held = {each.mapping.pk for each in left}
    runs = [mapping for mapping in chosen if mapping.pk not in held]
    if not runs:
        raise NotNow("nothing_to_run", left=left)
    now = timezone.now()
    parent = SynchJob.objects.create(
        verb="synchronise",
        scope=SynchJob.Scope.FULL,
        requested_by=user,
        origin=SynchJob.Origin.PERSON,
        state=SynchJob.State.RUNNING,
        started_at=now,
        pressed_at=now,
    )
    needs = needs_of(runs)
    for mapping in runs:
        _line(parent, mapping, user, wanted[mapping]).needs.set(needs[mapping.pk])
    kick_on_commit()
    return parent, left


def in_the_way(mapping: TableMapping, what: What) -> str:
    """Why a line cannot start; "" where it can. Coupling goes on a mapping that is switched off, too."""
    reason = jobs.held(mapping)
    if what is What.COUPLE and reason in ("", "disabled"):
        return "" if mapping.match_criteria.exists() else "match_no_criteria"
    return reason


def _may_run_whole(mappings: Sequence[TableMapping], user: Any) -> None:
    """One mapping needs the rights of its runs, several the set-up."""
    if len(mappings) == 1:
        require_on(user, mappings[0], SYNCHRONIZE, GrantLevel.RESOLVE)
    else:
        require(user, SET_UP)


def _line(parent: SynchJob, mapping: TableMapping, user: Any, what: What) -> SynchJob:
    """One mapping of a full synchronization: a new job, or the one that waits already."""
    if what is What.COUPLE:
        if (busy := match.coupling_now(mapping)) is not None:
            raise NotNow("match_running", mapping=mapping.name, job=busy.pk)
        return match.enqueue_match(mapping, user=user, parent=parent)
    job = jobs.enqueue(
        verb="synchronise",
        mapping=mapping,
        scope=SynchJob.Scope.FULL,
        requested_by=user,
        origin=SynchJob.Origin.PERSON,
        pressed_at=timezone.now(),
        parent=parent,
        is_line=True,
    )
    if job.parent_id is None:
        SynchJob.objects.filter(pk=job.pk, state=SynchJob.State.QUEUED).update(parent=parent, is_line=True)
    elif job.parent_id != parent.pk:
        raise NotNow("full_running", mapping=mapping.name, job=job.parent_id)
    return job


@transaction.atomic
def run_line_again(parent: SynchJob, mapping: TableMapping, *, user: Any) -> SynchJob:
    """Run one mapping of a full synchronization again, after its last try has ended.

    Raises RightMissing; NotNow ``held``, ``still_running``.
    """
    _may_run_whole([mapping], user)
    found = SynchJob.objects.select_for_update().get(pk=parent.pk)
    last = found.children.filter(mapping=mapping).order_by("-pk").first()
    what = What.COUPLE if last is not None and last.verb == "match_couple" else What.FULL
    if what is What.COUPLE:
        require_on(user, mapping, match.COUPLE, GrantLevel.RESOLVE)
    if reason := in_the_way(mapping, what):
        raise NotNow(reason if reason == "match_no_criteria" else "held", mapping=mapping.name, reason=reason)
    if found.children.unfinished().filter(mapping=mapping).exists():
        raise NotNow("still_running", mapping=mapping.name)
    job = _line(found, mapping, user, what)
    found.state, found.finished_at = SynchJob.State.RUNNING, None
    found.kind, found.code, found.params = "", "", {}
    found.cancel_requested_at = found.cancel_requested_by = None
    found.save()
    kick_on_commit()
    return job


@transaction.atomic
def start_anyway(parent: SynchJob, mapping: TableMapping, *, user: Any) -> SynchJob:
    """Let a line that waits for others start without them. Raises RightMissing; NotNow ``not_waiting``."""
    _may_run_whole([mapping], user)
    job = parent.children.filter(mapping=mapping, is_line=True, state=SynchJob.State.QUEUED).last()
    if job is None or not job.needs.exists():
        raise NotNow("not_waiting", mapping=mapping.name)
    job.needs.clear()
    kick_on_commit()
    return job  # type: ignore[no-any-return]


def lines_of(parent: SynchJob) -> list[SynchJob]:
    """The last try of each mapping of a full synchronization, in the order they run."""
    last: dict[int, SynchJob] = {}
    for job in (
        parent.children.select_related(
            "mapping__integration__left", "mapping__integration__right", "requested_by"
        )
        .prefetch_related("needs")
        .order_by("pk")
    ):
        last[job.mapping_id] = job
    return list(last.values())

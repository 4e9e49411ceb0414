"""Job queue entries as people change them: on hold, ready, another interval, now.

Each function locks its row first, so that of two people who press at once the second one reads what the first one did.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from synccore import jobs
from synccore.models import JobQueueEntry, SynchJob, TableMapping
from synccore.models.scoping import SET_UP

from .jobs import NotNow, run_now
from .rights import require_on

#: The database refuses shorter ones; longer ones are a slip of the keyboard.
SHORTEST: Final = timedelta(seconds=5)
LONGEST: Final = timedelta(days=31)

Status = JobQueueEntry.Status


@transaction.atomic
def set_on_hold(entry: JobQueueEntry, *, user: Any) -> JobQueueEntry:
    """*Set On Hold*: nothing starts by this schedule until it is set to ready. A run that is under way ends by itself.

    Raises RightMissing; NotNow ``on_hold_already``, or ``entry_gone``.
    """
    found = _locked(entry, user)
    if found.status == Status.ON_HOLD:
        raise NotNow("on_hold_already", mapping=found.mapping.name)
    found.status = Status.ON_HOLD
    found.save(update_fields=["status"])
    return found


@transaction.atomic
def set_ready(entry: JobQueueEntry, *, user: Any) -> JobQueueEntry:
    """*Set Status to Ready*: the next tick starts it, and its interval counts from now.

    Raises RightMissing; NotNow ``ready_already`` (ready, or in process), or ``entry_gone``.
    """
    found = _locked(entry, user)
    if found.status not in (Status.ON_HOLD, Status.ERROR):
        raise NotNow("ready_already", mapping=found.mapping.name)
    found.status, found.next_run = Status.READY, timezone.now()
    found.save(update_fields=["status", "next_run"])
    return found


@transaction.atomic
def change_interval(entry: JobQueueEntry, *, user: Any, interval: timedelta, was: timedelta) -> JobQueueEntry:
    """Another interval; the next run is one interval after the last one, at the earliest now.

    ``was``: the interval that the person saw. Raises RightMissing; ValueError outside SHORTEST … LONGEST; NotNow
    ``interval_moved`` where somebody changed it in the meantime, or ``entry_gone``.
    """
    if not SHORTEST <= interval <= LONGEST:
        raise ValueError(interval)
    found = _locked(entry, user)
    if found.interval_seconds != round(was.total_seconds()):
        raise NotNow("interval_moved", mapping=found.mapping.name)
    now = timezone.now()
    found.interval_seconds = round(interval.total_seconds())
    found.next_run = max(now, (found.last_run or now) + timedelta(seconds=found.interval_seconds))
    found.save(update_fields=["interval_seconds", "next_run"])
    return found


#: What a schedule may run.
SCOPES: Final = (SynchJob.Scope.CHANGES, SynchJob.Scope.SWEEP, SynchJob.Scope.FULL)


def missing_schedules(user: Any) -> list[tuple[TableMapping, SynchJob.Scope]]:
    """What could run by itself and has no schedule, of the mappings that this person may see."""
    mappings = TableMapping.objects.visible_to(user).order_by("name", "pk")
    there = set(JobQueueEntry.objects.filter(mapping__in=mappings).values_list("mapping", "scope"))
    return [
        (mapping, scope) for mapping in mappings for scope in SCOPES if (mapping.pk, scope.value) not in there
    ]


def create_entry(
    mapping: TableMapping, *, scope: SynchJob.Scope, interval: timedelta, user: Any
) -> JobQueueEntry:
    """A schedule that the mapping lacks; it runs first within half a minute.

    Raises RightMissing; ValueError for another scope or interval; NotNow ``entry_exists`` where somebody was quicker.
    """
    require_on(user, mapping, SET_UP)
    if scope not in SCOPES or not SHORTEST <= interval <= LONGEST:
        raise ValueError(scope, interval)
    try:
        with transaction.atomic():
            return JobQueueEntry.objects.create(
                mapping=mapping,
                scope=scope,
                interval_seconds=round(interval.total_seconds()),
                next_run=timezone.now(),
            )
    except IntegrityError:
        raise NotNow("entry_exists", mapping=mapping.name) from None


def run_entry_now(entry: JobQueueEntry, *, user: Any) -> SynchJob:
    """*Run now*: a job of the entry's mapping and scope at once; the schedule stays as it is.

    Raises RightMissing; NotNow ``held`` where a brake or a pause holds the mapping.
    """
    require_on(user, entry.mapping, SET_UP)
    [job] = run_now([entry.mapping], user=user, scope=entry.scope)
    return job


def why_idle(entry: JobQueueEntry) -> str:
    """Why a ready entry starts nothing: ``disabled``, ``paused``, ``stopped``; "" where it runs."""
    return jobs.held(entry.mapping)


def _locked(entry: JobQueueEntry, user: Any) -> JobQueueEntry:
    require_on(user, entry.mapping, SET_UP)
    rows = JobQueueEntry.objects.select_for_update(of=("self",)).select_related("mapping__integration")
    found: JobQueueEntry | None = rows.filter(pk=entry.pk).first()
    if found is None:
        raise NotNow("entry_gone", mapping=entry.mapping.name)
    return found

"""How far an unfinished job is: what it does now, how much of it, how fast, how much longer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from synccore import jobs
from synccore.models import SynchJob
from synccore.shapes import Side
from synccore.tables import JobRow

from .sentences import not_now

#: A rate is only told after so many seconds; before that it jumps.
_SETTLED = 3


@dataclass(frozen=True)
class Progress:
    """``percent``, ``total`` and ``remaining`` are None where nobody knows how much is in front of the job."""

    doing: str
    waits_for: int | None = None
    done: int = 0
    total: int | None = None
    percent: int | None = None
    per_second: float | None = None
    remaining: timedelta | None = None

    @property
    def per_minute(self) -> float | None:
        """The rate where less than one record a second is done."""
        return self.per_second * 60 if self.per_second is not None and self.per_second < 1 else None


@dataclass(frozen=True)
class InFront:
    """What queued jobs of some mappings wait for: the mappings that a brake holds, and the job that runs of each mapping;
    sweeps go beside the others."""

    stopped: Set[int]
    running: Mapping[tuple[int, bool], int]


def in_front_of(mappings: Collection[int]) -> InFront:
    """Two queries, however many mappings."""
    stopped = jobs.brakes().filter(mapping__in=mappings).values_list("mapping", flat=True)
    running = SynchJob.objects.filter(mapping__in=mappings, state=SynchJob.State.RUNNING)
    found = running.values_list("mapping", "scope", "pk")
    return InFront(
        set(stopped), {(mapping, scope == SynchJob.Scope.SWEEP): pk for mapping, scope, pk in found}
    )


def progress(
    row: JobRow, closed: int, children: list[JobRow], in_front: InFront | None = None
) -> Progress | None:
    """None for a job that is over.

    Args:
        closed: chosen records that have a result (counted by their results).
        in_front: where the caller shows many jobs, ``in_front_of`` all their mappings.
    """
    job = row.job
    if not job.is_unfinished:
        return None
    if job.state == SynchJob.State.QUEUED:
        return _queued(job, in_front)
    done = max(closed, job.scanned, sum(child.job.scanned for child in children))
    total = job.total
    if total is not None:
        done = min(done, total)
    seconds = (timezone.now() - job.started_at).total_seconds() if job.started_at else 0.0
    rate = done / seconds if done and seconds >= _SETTLED else None
    return Progress(
        doing=_doing(row, children),
        done=done,
        total=total,
        percent=done * 100 // total if total else None,
        per_second=rate,
        remaining=timedelta(seconds=(total - done) / rate) if total is not None and rate else None,
    )


def _queued(job: SynchJob, in_front: InFront | None) -> Progress:
    if job.mapping is not None:
        there = in_front or in_front_of([job.mapping.pk])
        by_itself = job.verb == "synchronise" and job.scope != SynchJob.Scope.ITEMS
        if by_itself and (reason := jobs.held(job.mapping, is_stopped=job.mapping.pk in there.stopped)):
            return Progress(not_now("held", {"mapping": job.mapping.name, "reason": reason}))
        other = there.running.get((job.mapping.pk, job.scope == SynchJob.Scope.SWEEP))
        if other is not None:
            return Progress(_("Waits until another job of this mapping has ended:"), waits_for=other)
    return Progress(_("Waits for a worker."))


def _doing(row: JobRow, children: list[JobRow]) -> str:
    job = row.job
    if job.lease_until is not None and job.lease_until < timezone.now():
        return _("Its worker no longer answers; another one takes it over from where it was.")
    if job.cancel_requested_at:
        return _("Ends after the page of records it works on.")
    if children:
        over = sum(not child.job.is_unfinished for child in children)
        return _("%(n)s of %(total)s parts have ended.") % {"n": over, "total": len(children)}
    if job.verb in ("match_preview", "match_couple") and (words := _matching(job, row.apps)):
        return words
    if job.verb == "synchronise" and job.scope == SynchJob.Scope.SWEEP:
        app = row.apps[Side.RIGHT.value if job.pages else Side.LEFT.value]
        return _("Compares all records of %(app)s with the memory.") % {"app": app}
    if job.verb == "synchronise" and job.scope != SynchJob.Scope.ITEMS:
        return _phase(job, row.apps)
    if job.scope == SynchJob.Scope.ITEMS and job.total is not None:
        return _("Works on the chosen records.")
    known: dict[str, Any] = {
        "purge": _("Moves entries to the deleted ones."),
        "undo_purge": _("Brings deleted entries back."),
        "allow_once": _("Carries out what a brake had held back."),
        "couple": _("Couples the two records."),
    }
    if job.verb.startswith("check"):
        return _("Asks the app.")
    return str(known.get(job.verb, _("Works.")))


def _matching(job: SynchJob, apps: dict[str, str]) -> str:
    """What a look for matches does now, with how many records it has read; "" where a run couples."""
    phase = str(job.checkpoint.get("phase", ""))
    if phase in ("left", "right"):
        told = {"app": apps[phase], "n": number_format(job.checkpoint.get("read", {}).get(phase, 0))}
        return _("Reads the records of %(app)s and keeps what they are matched by: %(n)s so far.") % told
    if phase == "both_read":
        return _("Compares the records of both apps.")
    return _("Couples what matches.") if phase == "frozen" else ""


def _phase(job: SynchJob, apps: dict[str, str]) -> str:
    phase = str(job.checkpoint.get("phase", "due"))
    if phase in ("left", "right"):
        app = {"app": apps[phase]}
        if job.scope == SynchJob.Scope.FULL:
            return _("Reads all records of %(app)s.") % app
        return _("Reads what changed in %(app)s.") % app
    return {
        "due": _("Tries the records whose time has come."),
        "found": _("Looks at what the last sweep found."),
        "deletions": _("Carries out what was kept for the end."),
    }.get(phase, _("Ends."))

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
#: The code of a coupling after which a person decides about the rest.
UNDECIDED = "match_undecided"
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
class LeftOut:
    """A mapping that a full synchronization leaves out, and why (``disabled``, ``paused``, ``stopped``)."""

    mapping: TableMapping
    reason: str


@transaction.atomic
def start_review(wanted: Mapping[TableMapping, What], *, user: Any) -> tuple[SynchJob, list[LeftOut]]:
    """Start what was chosen for each mapping: all its records, or match-based coupling first. A line that couples goes on
    with all its records by itself, but for a mapping that is switched off. A line starts when those it refers to have ended
    well; lines that do not hang together run side by side.

    Gives the job that holds them, and what was left out. Raises RightMissing; NotNow ``nothing_to_run`` where nothing is
    left, ``full_running`` where one of them is in a full synchronization that has not ended, ``match_running``.
    """
    chosen = order_of(list(wanted))
    _may_run_whole(chosen, user)
    # Two presses at once: the second one sees the lines of the first.
    list(
        TableMapping.objects.select_for_update(of=("self",))
        .filter(pk__in=[m.pk for m in chosen])
        .order_by("pk")
    )
    for mapping in chosen:
        if wanted[mapping] is What.COUPLE:
            require_on(user, mapping, match.COUPLE, GrantLevel.RESOLVE)
    left = [
        LeftOut(mapping, reason) for mapping in chosen if (reason := in_the_way(mapping, wanted[mapping]))
    ]
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
    """The first job of one mapping's line: a new one, or the full synchronization that waits already."""
    elsewhere = SynchJob.objects.unfinished().filter(mapping=mapping, is_line=True).exclude(parent=parent)
    if (other := elsewhere.first()) is not None:
        raise NotNow("full_running", mapping=mapping.name, job=other.parent_id)
    if what is What.COUPLE:
        if (busy := match.coupling_now(mapping)) is not None:
            raise NotNow("match_running", mapping=mapping.name, job=busy.pk)
        return match.enqueue_match(mapping, user=user, parent=parent, then_full=goes_on(mapping, what))
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
    return job


def goes_on(mapping: TableMapping, what: What) -> bool:
    """Whether a full synchronization follows what the line does first."""
    return what is What.COUPLE and not jobs.held(mapping)


@transaction.atomic
def run_line_again(parent: SynchJob, mapping: TableMapping, *, user: Any) -> SynchJob:
    """Run one mapping of a full synchronization again from the step that its last try ended in.

    Raises RightMissing; NotNow ``held``, ``still_running``.
    """
    _may_run_whole([mapping], user)
    found = SynchJob.objects.select_for_update().get(pk=parent.pk)
    last = found.children.filter(mapping=mapping).order_by("-pk").first()
    what = What.COUPLE if last is not None and last.verb == "match_couple" else What.FULL
    if what is What.COUPLE:
        require_on(user, mapping, match.COUPLE, GrantLevel.RESOLVE)
    _may_start(found, mapping, what)
    job = _line(found, mapping, user, what)
    _open_again(found)
    return job


@transaction.atomic
def go_on_undecided(parent: SynchJob, mapping: TableMapping, *, user: Any) -> SynchJob:
    """Let a line whose coupling left matches for a person to decide go on: what is not coupled is made new by its full
    synchronization. Raises RightMissing; NotNow ``held``, ``still_running``, ``not_undecided``."""
    _may_run_whole([mapping], user)
    found = SynchJob.objects.select_for_update().get(pk=parent.pk)
    last = found.children.filter(mapping=mapping).order_by("-pk").first()
    if last is None or not last.is_unfinished and last.code != UNDECIDED:
        raise NotNow("not_undecided", mapping=mapping.name)
    _may_start(found, mapping, What.FULL)
    job = _line(found, mapping, user, What.FULL)
    _open_again(found)
    return job


def _may_start(parent: SynchJob, mapping: TableMapping, what: What) -> None:
    if reason := in_the_way(mapping, what):
        raise NotNow(reason if reason == "match_no_criteria" else "held", mapping=mapping.name, reason=reason)
    if parent.children.unfinished().filter(mapping=mapping).exists():
        raise NotNow("still_running", mapping=mapping.name)


def _open_again(parent: SynchJob) -> None:
    """A line of it runs again: the press has not ended."""
    parent.state, parent.finished_at = SynchJob.State.RUNNING, None
    parent.kind, parent.code, parent.params = "", "", {}
    parent.cancel_requested_at = parent.cancel_requested_by = None
    parent.save()
    kick_on_commit()


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


@dataclass(frozen=True, slots=True)
class Line:
    """One mapping of a full synchronization as it stands. ``job``: its last one, which says how the line stands.

    ``coupled``: the match-based coupling before it, where the line has come to its full synchronization. ``then_full``:
    a full synchronization follows ``job`` when that ends well.
    """

    job: SynchJob
    coupled: SynchJob | None = None

    @property
    def then_full(self) -> bool:
        return bool(self.job.options.get("then"))

    @property
    def undecided(self) -> bool:
        """It waits for a person who chooses among matches."""
        return self.job.code == UNDECIDED


def lines_of(parent: SynchJob) -> list[Line]:
    """Each mapping of a full synchronization, in the order they run."""
    found: dict[int, Line] = {}
    for job in (
        parent.children.select_related(
            "mapping__integration__left", "mapping__integration__right", "requested_by"
        )
        .prefetch_related("needs")
        .order_by("pk")
    ):
        before = found.get(job.mapping_id)
        if job.verb == "match_couple" or before is None:
            found[job.mapping_id] = Line(job)
        else:
            found[job.mapping_id] = Line(
                job, before.job if before.job.verb == "match_couple" else before.coupled
            )
    return list(found.values())

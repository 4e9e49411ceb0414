"""What held a mapping or an app is over: its problems end, and what waited for the same is looked at at once.

This happens only where something that failed is found to work, so it cannot go round: a check that fails releases nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from synccore.failures import Kind
from synccore.models import Bucket, Connection, JobQueueEntry, Problem, SynchJob, TableMapping
from synccore.models.mapping import with_app
from synccore.shapes import Side

from . import problems
from .run import CHECK, Run

#: Kinds of set-up problems that a check can end.
CHECKABLE: Final = (Kind.TRANSIENT, Kind.MISCONFIGURED)
_CHECKABLE: Final = tuple(kind.value for kind in CHECKABLE)


def first_mapping_of(app: int | None) -> int | None:
    """A mapping of the app that runs: its check tells whether the app answers."""
    mappings = TableMapping.objects.filter(with_app([app] if app else []), enabled=True).order_by("pk")
    return mappings.values_list("pk", flat=True).first()


def put_right(
    run: Run, at: datetime, kinds: Collection[Kind], *, asked: Collection[Side], whole_mapping: bool = True
) -> None:
    """These apps of the run's mapping answer and sign us in, and (``whole_mapping``) all of it could be reached: set-up
    problems of these kinds are over. A run that had nothing to ask of an app (nothing changed in the other one) knows
    nothing of it."""
    apps = [getattr(run.mapping.integration, f"{side.value}_id") for side in asked]
    held = Q(mapping=None, connection__in=apps)
    if whole_mapping:
        held |= Q(mapping=run.mapping)
    found = Problem.objects.not_ended().of_setup().filter(held, kind__in=[kind.value for kind in kinds])
    found = found.order_by("pk").select_for_update()
    ended = problems.end(found, Problem.Ending.FIXED, tally=run.tally, now=at, job=run.job)
    if ended:
        _release_others(run, ended, at)


def _release_others(run: Run, ended: Collection[Problem], at: datetime) -> None:
    """Other mappings that the same held: those with a problem of their own are checked, those whose runs could not start
    go on."""
    apps = {
        problem.connection_id for problem in ended if problem.mapping_id is None and problem.connection_id
    }
    same = {problem.code for problem in ended if problem.mapping_id is not None}
    here = [run.mapping.integration.left_id, run.mapping.integration.right_id]
    waiting = _waiting().filter(mapping__isnull=False).exclude(mapping=run.mapping)
    check_soon(
        run,
        waiting.filter(with_app(apps, "mapping__") | with_app(here, "mapping__") & Q(code__in=same)),
        at,
    )
    if apps:
        run.queue_next.update((pk, SynchJob.Scope.CHANGES.value) for pk in _missed(apps) - {run.mapping.pk})


def _waiting() -> Any:
    """Set-up problems that wait for their next look."""
    return Problem.objects.not_ended().of_setup().filter(state=Problem.State.RETRYING, kind__in=_CHECKABLE)


def check_soon(run: Run, held: Any, at: datetime) -> None:
    """What these set-up problems hold is checked as soon as this job has ended, one job per mapping. Should that get lost,
    the next tick finds them due."""
    rows = list(
        held.order_by("pk").select_for_update(of=("self",)).values_list("pk", "mapping", "connection")
    )
    Problem.objects.filter(pk__in=[pk for pk, _mapping, _app in rows]).update(next_attempt=at)
    mappings = {mapping or first_mapping_of(app) for _pk, mapping, app in rows}
    run.queue_next.update((mapping, CHECK) for mapping in mappings if mapping is not None)


def _missed(apps: Collection[int]) -> set[int]:
    """Mappings of these apps whose last scheduled run failed, or was not started while its app was away."""
    entries = JobQueueEntry.objects.filter(
        with_app(apps, "mapping__"),
        scope=SynchJob.Scope.CHANGES,
        mapping__enabled=True,
        mapping__integration__paused_since=None,
    ).exclude(status=JobQueueEntry.Status.ON_HOLD)
    return {
        entry.mapping_id
        for entry in entries
        if entry.status == JobQueueEntry.Status.ERROR
        or entry.last_run is None
        or entry.last_run < entry.next_run - timedelta(seconds=entry.interval_seconds)
    }


def look_again(run: Run, app: Connection, at: datetime) -> None:
    """What holds this app or its mappings, and a check can end, is checked as soon as this job has ended: a mapping whose
    fault is mended goes on at once. So are mappings with records that a set-up fault skipped: their check takes them up."""
    check_soon(run, _waiting().filter(Q(mapping=None, connection=app) | with_app([app.pk], "mapping__")), at)
    skipped = skipped_records(with_app([app.pk], "mapping__")).filter(attempts=1)
    run.queue_next.update((pk, CHECK) for pk in set(skipped.values_list("mapping", flat=True)))


def skipped_records(of: Q) -> Any:
    """Problems of records that a set-up fault skipped. Records are many: theirs are found by their few buckets."""
    buckets = Bucket.objects.filter(kind=Kind.MISCONFIGURED.value).filter(of)
    return Problem.objects.of_records().filter(
        bucket__in=list(buckets.values_list("pk", flat=True)), state=Problem.State.SKIPPED
    )


def take_up(run: Run, app: Connection, mended: Iterable[tuple[int | None, str]], at: datetime) -> None:
    """Checks of the set-up (mapping, or None for the whole app; code) that failed pass now: records that a set-up fault
    skipped are tried once more, in the run that follows."""
    where = {mapping for mapping, _code in mended}
    if not where:
        return
    of = with_app([app.pk], "mapping__") if None in where else Q(mapping__in=where)
    skipped = skipped_records(of)
    run.queue_next.update((pk, "due") for pk in set(skipped.values_list("mapping", flat=True)))
    skipped.update(next_attempt=at)


def answered(run: Run, at: datetime) -> None:
    """A job that got its answers: an app whose connection is said to be broken is checked at once, and so is a mapping that
    is said to be stopped and was written to."""
    job = run.job
    held = Q()
    if job.mapping is not None:
        apps = [job.mapping.connection(side).pk for side in run.asked]
        held = Q(mapping=None, connection__in=apps)
        if job.inserted or job.modified or job.deleted:
            held |= Q(mapping=job.mapping)
    elif job.connection_id is not None and job.verb in ("describe", "list_choices"):
        held = Q(mapping=None, connection=job.connection_id)
    else:
        return
    check_soon(run, _waiting().filter(held), at)

"""Verbs that look after the set-up and the diary: check, allow once, purge, undo of a purge."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.dateparse import parse_datetime

from synccore.failures import Kind
from synccore.models import (
    DeletedEntry,
    JobQueueEntry,
    Problem,
    SynchJob,
    SynchJobError,
)
from synccore.shapes import SIDES

from . import problems
from .clocks import measure
from .resume import settle_open
from .rights import still_allowed
from .run import Run
from .sweep import sweep
from .synchronise import collected

PURGE_BATCH = 10_000


def check(run: Run) -> None:
    """Do both apps answer, and may the integration user do on the mapping's tables what it needs? What held the mapping is
    over if they do. Measures each app's clock.

    Raises Failure as the connectors do: the problem goes on.
    """
    rules = run.rules.rules
    for side in SIDES:
        with run.remote(side) as connector:
            connector.check(None)
    with run.page() as at:
        # The apps answer. What their tables refuse is this mapping's own trouble and must not hold the others.
        kinds = (Kind.TRANSIENT, Kind.MISCONFIGURED)
        problems.end_connection_problems(run.mapping, tally=run.tally, now=at, job=run.job, kinds=kinds)
    for side in SIDES:
        with run.remote(side) as connector:
            connector.check(rules.table(side), write=rules.direction.allows(side))
        measure(run, side)
    with run.page() as at:
        problems.end_setup_problems(
            run.mapping,
            tally=run.tally,
            now=at,
            job=run.job,
            kinds=(Kind.TRANSIENT, Kind.MISCONFIGURED),
            connections=True,
        )
        # Records that one missing right held back are tried again now that the table's rights are there.
        Problem.objects.of_records().filter(
            mapping=run.mapping, kind=Kind.MISCONFIGURED.value, state=Problem.State.SKIPPED, attempts=1
        ).update(next_attempt=at)
        JobQueueEntry.objects.filter(mapping=run.mapping, status=JobQueueEntry.Status.ERROR).update(
            status=JobQueueEntry.Status.READY, next_run=at
        )
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.CHANGES.value))


def allow_once(run: Run) -> None:
    """Carry out what a brake held back: the same set, once; option ``reason`` is kept with the job."""
    settle_open(run)
    run.log("allowed_once", reason=run.job.options.get("reason", ""), job=run.job.options.get("job"))
    if run.job.options.get("code") == "side_empty":
        _sweep_empty(run)
        return
    collected(run, released=True)
    _end_brake(run)


def _sweep_empty(run: Run) -> None:
    run.job.options["allow_empty"] = True
    sweep(run)
    _end_brake(run)


def _end_brake(run: Run) -> None:
    with run.page() as at:
        held = Problem.objects.not_ended().of_setup().filter(mapping=run.mapping, kind=Kind.STOPPED.value)
        problems.end(
            list(held), Problem.Ending.ACCEPTED, tally=run.tally, now=at, job=run.job, by=run.job.requested_by
        )
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.CHANGES.value))


# -- clean-up ----------------------------------------------------------------------------------------------------------


def purge(run: Run) -> None:
    """Delete entries of the diary: options ``older_than`` (ISO, none: all), ``include_relevant``, ``purge`` (UUID).

    Rows move to *Deleted entries* in batches, and can be brought back for 30 days. No problem changes.
    """
    if not _may_clean_up(run):
        return
    options = run.job.options
    older_than = parse_datetime(options["older_than"]) if options.get("older_than") else None
    purge_id = UUID(options["purge"])
    entries = purgeable(
        SynchJobError.objects.visible_to(run.job.requested_by)
        if run.job.requested_by
        else SynchJobError.objects.all(),
        older_than=older_than,
        include_relevant=bool(options.get("include_relevant")),
    )
    while True:
        run.between_pages()
        ids = list(entries.order_by("pk").values_list("pk", flat=True)[:PURGE_BATCH])
        if not ids:
            return
        with run.page() as at:
            extra = {"purge": purge_id, "deleted_at": at, "deleted_by_id": run.job.requested_by_id}
            moved = _move(SynchJobError, DeletedEntry, ids, extra=extra)
            _count_entries(run, ids, DeletedEntry, -1)
            run.count("deleted", "", moved)


def purgeable(entries: Any, *, older_than: datetime | None, include_relevant: bool) -> Any:
    """The entries a clean-up takes: older than a moment, and no longer relevant unless asked for. One rule for every
    clean-up and its preview."""
    if older_than is not None:
        entries = entries.filter(at__lt=older_than)
    return entries if include_relevant else entries.no_longer_relevant()


def undo_purge(run: Run) -> None:
    """Bring back the entries of one clean-up (option ``purge``)."""
    if not _may_clean_up(run):
        return
    deleted = DeletedEntry.objects.filter(purge=UUID(run.job.options["purge"]))
    if run.job.requested_by:
        deleted = deleted.visible_to(run.job.requested_by)
    while True:
        run.between_pages()
        ids = list(deleted.order_by("pk").values_list("pk", flat=True)[:PURGE_BATCH])
        if not ids:
            return
        with run.page():
            moved = _move(DeletedEntry, SynchJobError, ids, extra={})
            _count_entries(run, ids, SynchJobError, +1)
            run.count("inserted", "", moved)


def _may_clean_up(run: Run) -> bool:
    if still_allowed(run.job, "synccore.clean_up"):
        return True
    run.log("right_missing", n=0)
    return False


def _move(source: Any, target: Any, ids: list[int], *, extra: dict[str, Any]) -> int:
    """DELETE … RETURNING into the other table, ids kept, in one statement."""
    shared = [field.column for field in SynchJobError._meta.concrete_fields]
    columns = ", ".join(f'"{name}"' for name in shared)
    more = "".join(f', "{name}"' for name in extra)
    values = "".join(", %s" for _name in extra)
    with connection.cursor() as cursor:
        cursor.execute(
            f'WITH gone AS (DELETE FROM "{source._meta.db_table}" WHERE id = ANY(%s) RETURNING {columns}) '
            f'INSERT INTO "{target._meta.db_table}" ({columns}{more}) SELECT {columns}{values} FROM gone',
            [ids, *extra.values()],
        )
        return int(cursor.rowcount)


def _count_entries(run: Run, ids: list[int], where: Any, sign: int) -> None:
    for bucket, fingerprint, coupling in where.objects.filter(pk__in=ids).values_list(
        "bucket_id", "fingerprint", "coupling_id"
    ):
        run.tally.entry(bucket, fingerprint, coupling is not None, sign)

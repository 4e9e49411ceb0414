"""Verbs that keep the diary small: purge, bring back, and the retention of what is long over.

No problem, skip or conflict changes by any of them: a problem keeps its own copy of the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from synccore.models import DeletedEntry, MatchRecord, SynchJob, SynchJobError

from .retire import retire
from .rights import still_allowed
from .run import Run

PURGE_BATCH = 10_000
#: Deleted entries can be brought back for so long.
KEPT_DELETED: Final = timedelta(days=30)
#: Entries that no open problem tells of any more are kept for so long.
KEPT_CLOSED: Final = timedelta(days=180)
#: The records of a look for matches are kept for so long after its job has ended.
KEPT_MATCHES: Final = timedelta(days=7)


def purge(run: Run) -> None:
    """Delete entries of the diary: options ``older_than`` (ISO, none: all), ``ids`` (only these), ``include_relevant``,
    ``purge`` (UUID).

    Rows move to *Deleted entries* in batches, and can be brought back for 30 days. Entries that were written after the
    press stay. Counters: ``deleted``, and ``skipped`` for the entries in the range that are still relevant and stay.
    """
    if not _may_clean_up(run):
        return
    purge_id = UUID(run.job.options["purge"])
    reach = in_reach(run.job)
    entries = reach if run.job.options.get("include_relevant") else reach.no_longer_relevant()
    run.job.total = reach.count()
    last = 0
    while ids := _batch(run, entries, last):
        last = ids[-1]
        with run.page() as at:
            extra = {"purge": purge_id, "deleted_at": at, "deleted_by_id": run.job.requested_by_id}
            moved = _move(SynchJobError, DeletedEntry, ids, extra=extra)
            _count_entries(run, DeletedEntry.objects.filter(pk__in=ids), -1)
            run.count("deleted", "", moved)
    with run.page():
        run.count("skipped", "", reach.count())


def in_reach(job: SynchJob) -> Any:
    """The entries that a clean-up job is about, relevant or not, as far as they are still in the diary."""
    options, user = job.options, job.requested_by
    entries = SynchJobError.objects.visible_to(user) if user else SynchJobError.objects.all()
    if job.pressed_at is not None:
        entries = entries.filter(at__lte=job.pressed_at)
    if (ids := options.get("ids")) is not None:
        entries = entries.filter(pk__in=ids)
    older_than = parse_datetime(options["older_than"]) if options.get("older_than") else None
    return purgeable(entries, older_than=older_than, include_relevant=True)


def purgeable(entries: Any, *, older_than: datetime | None, include_relevant: bool) -> Any:
    """The entries a clean-up takes: older than a moment, and no longer relevant unless asked for. One rule for every
    clean-up and its preview."""
    if older_than is not None:
        entries = entries.filter(at__lt=older_than)
    return entries if include_relevant else entries.no_longer_relevant()


def undo_purge(run: Run) -> None:
    """Bring back the entries of one clean-up (option ``purge``), or chosen ones (``ids``)."""
    if not _may_clean_up(run):
        return
    options = run.job.options
    deleted = DeletedEntry.objects.all()
    if run.job.requested_by:
        deleted = deleted.visible_to(run.job.requested_by)
    if options.get("purge"):
        deleted = deleted.filter(purge=UUID(options["purge"]))
    if (ids := options.get("ids")) is not None:
        deleted = deleted.filter(pk__in=ids)
    run.job.total = deleted.count()
    while ids := _batch(run, deleted, 0):
        with run.page():
            moved = _move(DeletedEntry, SynchJobError, ids, extra={})
            _count_entries(run, SynchJobError.objects.filter(pk__in=ids), +1)
            run.count("inserted", "", moved)


def retain(run: Run) -> None:
    """Forget what has been kept long enough: deleted entries after 30 days, entries of what is over after 180 days, the
    records of looks for matches after 7, jobs and their journal after 60."""
    forget, closed, matches = overdue()
    while ids := _batch(run, matches, 0):
        with run.page():
            run.count("deleted", "", MatchRecord.objects.filter(pk__in=ids).delete()[0])
    while ids := _batch(run, forget, 0):
        with run.page():
            run.count("deleted", "", DeletedEntry.objects.filter(pk__in=ids).delete()[0])
    last = 0
    while ids := _batch(run, closed, last):
        last = ids[-1]
        with run.page():
            gone = SynchJobError.objects.filter(pk__in=ids)
            _count_entries(run, gone, -1)
            run.count("deleted", "", gone.delete()[0])
    retire(run)


def overdue() -> tuple[Any, Any, Any]:
    """Deleted entries, entries of the diary, and records of looks for matches, that have been kept long enough. The last
    hold people's data, and nobody carries them out any more."""
    now = timezone.now()
    closed = SynchJobError.objects.filter(at__lt=now - KEPT_CLOSED).no_longer_relevant()
    ended = SynchJob.objects.filter(finished_at__lt=now - KEPT_MATCHES)
    matches = MatchRecord.objects.filter(job__in=ended)
    return DeletedEntry.objects.filter(deleted_at__lt=now - KEPT_DELETED), closed, matches


def _batch(run: Run, rows: Any, after: int) -> list[int]:
    """Ids of the next rows after one; the job may stop before each batch."""
    run.between_pages()
    return list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:PURGE_BATCH])


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


def _count_entries(run: Run, entries: Iterable[Any], sign: int) -> None:
    rows: Any = entries
    for bucket, fingerprint, coupling in rows.values_list("bucket_id", "fingerprint", "coupling_id"):
        run.tally.entry(bucket, fingerprint, coupling is not None, sign)

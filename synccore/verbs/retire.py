"""Jobs and their journal that have been kept long enough: 30 days in which their writes can be undone, and 30 more.

The journal goes page by page, of each job from its first one on, so that what is left of it can be verified at any time; the
chain of job seals stays for good. What somebody may still need stays however old it is: items that wait for a run or for a
decision, writes whose outcome is open, the last run of each kind that ended well, and whatever is not as it was sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Max
from django.utils import timezone

from synccore.models import JobItem, Journal, SynchJob
from synccore.models.journal import JobSeal, JournalSeal
from synccore.models.seals import KEPT, UNSETTLED

from .run import Run

#: Journal rows, or items, of one transaction, as far as a page of the journal is not longer.
ROWS: Final = 5_000
#: Jobs, or pages of the journal, of one transaction.
MANY: Final = 500

#: Only whoever asked reads what these found; no page looks for their last one.
_LOOKS: Final = ("dry_run", "match_preview")


def retire(run: Run) -> None:
    """Forget the journal of old jobs, then the jobs. Counter: ``deleted``, for journal rows and jobs."""
    before = timezone.now() - KEPT
    for pages in _pages(before):
        run.between_pages()
        with run.page():
            rows = Journal.objects.filter(seal__in=pages).only("pk")
            run.count("deleted", "", rows.delete()[0])
            JournalSeal.objects.filter(pk__in=pages).delete()
    last = _last_of_each_kind()
    for is_part in (True, False):  # parts before their press
        for jobs in _chunks(old(before).filter(parent__isnull=not is_part)):
            _forget(run, _not_needed(jobs, last))


def old(before: datetime) -> Any:
    """Jobs that had ended then."""
    return SynchJob.objects.filter(queued_at__lt=before, finished_at__lt=before)


def _chunks(jobs: Any) -> Iterator[list[SynchJob]]:
    last = 0
    while chunk := list(
        jobs.filter(pk__gt=last).order_by("pk").only("pk", "seal", "parent", "mapping", "connection")[:MANY]
    ):
        last = chunk[-1].pk
        yield chunk


def _as_sealed(jobs: Iterable[SynchJob]) -> set[int]:
    """Those of the jobs that wrote nothing, or whose last seal stands in the chain."""
    chain = set(JobSeal.objects.filter(job_id__in=[job.pk for job in jobs]).values_list("job_id", "seal"))
    return {job.pk for job in jobs if not job.seal or (job.pk, job.seal) in chain}


def _pages(before: datetime) -> Iterator[list[int]]:
    """Seals of old journal pages, as many as one transaction takes at a time. Those of a job come in their order."""
    spared = set(_still_told())
    chunk: list[int] = []
    rows = 0
    for jobs in _chunks(old(before)):
        closed = JobSeal.objects.filter(job_id__in=[job.pk for job in jobs], at__lt=before)
        whole = _as_sealed(jobs).intersection(closed.values_list("job_id", flat=True)) - spared
        seals = JournalSeal.objects.filter(job__in=whole).order_by("job", "page")
        for seal, n in list(seals.values_list("pk", "rows")):
            if chunk and (rows + n > ROWS or len(chunk) == MANY):
                yield chunk
                chunk, rows = [], 0
            chunk.append(seal)
            rows += n
    if chunk:
        yield chunk


def _still_told() -> list[int]:
    """Jobs whose rows tell a write without an answer yet what it takes back."""
    open_ = list(Journal.objects.filter(state__in=UNSETTLED).values_list("pk", flat=True))
    return list(Journal.objects.filter(undone_by__in=open_).values_list("seal__job", flat=True).distinct())


def _last_of_each_kind() -> set[int]:
    """The last jobs of each verb and scope of a mapping or connection, and the last ones that ended well: pages show those,
    however old they are."""
    ended = SynchJob.objects.filter(finished_at__isnull=False).exclude(verb__in=_LOOKS)
    ended = ended.exclude(mapping=None, connection=None).order_by()
    found: set[int] = set()
    for jobs in (ended, ended.filter(state=SynchJob.State.FINISHED)):
        kinds = jobs.values("mapping", "connection", "verb", "scope").annotate(last=Max("pk"))
        found.update(kinds.values_list("last", flat=True))
    return found


def _not_needed(jobs: Sequence[SynchJob], last: set[int]) -> list[int]:
    """Those of these old jobs that nobody needs any more. Each reason is looked up by itself: in one statement they were
    planned as loops over whole tables while the database's statistics were young."""
    ids = [job.pk for job in jobs]
    unfinished = SynchJob.objects.unfinished().filter(pk__in=[job.parent_id for job in jobs if job.parent_id])
    running = set(unfinished.values_list("pk", flat=True))
    needed = set(last)
    for rows in (
        Journal.objects.filter(job__in=ids),
        JournalSeal.objects.filter(job__in=ids),
        JobItem.objects.filter(job__in=ids, state=JobItem.State.OPEN),
    ):
        needed.update(rows.order_by().values_list("job", flat=True).distinct())
    needed.update(SynchJob.objects.filter(parent__in=ids).values_list("parent", flat=True))
    sealed = _as_sealed(jobs)
    return [
        job.pk for job in jobs if job.pk in sealed and job.pk not in needed and job.parent_id not in running
    ]


def _forget(run: Run, ids: list[int]) -> None:
    if not ids:
        return
    items = JobItem.objects.filter(job__in=ids)
    while some := list(items.values_list("pk", flat=True)[:ROWS]):
        run.between_pages()
        with run.page():
            items.filter(pk__in=some).delete()
    run.between_pages()
    with run.page():
        SynchJob.objects.filter(pk__in=ids).delete()
        run.count("deleted", "", len(ids))

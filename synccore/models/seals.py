"""Seals: proof that the journal still says what was committed (ENGINE §6).

One seal per committed page: sha256 over its journal rows, preceded by the job's seal before it. At the end
of a job its last seal is chained to the previous job's in a table that retention never removes, and the end
of that chain stands on the instance. Whoever changes, deletes, inserts or moves a row has to forge every
later seal. Retention takes the journal of an old job page by page from its first one on: what is left of it
still ends with the seal that the chain holds.

Not sealed: ``coupling`` (becomes null when a half coupling goes; mapping, side and record id name the record
for good), ``basis`` and ``version_after`` (working data of runs), ``undone_by`` (set later) and a row's own times (its
page's time is sealed).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone

from .connection import Instance
from .instance import own_instance
from .job import SynchJob
from .journal import JobSeal, Journal, JournalSeal

#: A job's whole journal may be gone when its seal is this old: 30 days of undo, then 30 days of keeping.
KEPT = timedelta(days=60)

#: Rows in these states will still change, and are sealed when they have.
UNSETTLED = (Journal.State.INTENDED, Journal.State.UNKNOWN)


def page_digest(previous: str, rows: Iterable[Journal]) -> str:
    """sha256 (hex) over ``previous`` (what the page follows) and the rows in the order of their ids, as JSON.

    ``rows`` must be as the database holds them: JSON that was never stored may be spelled differently.
    """
    content = [
        [
            row.pk,
            row.job_id,
            row.mapping_id,
            row.side,
            row.operation,
            row.record_id,
            row.version,
            row.before,
            row.values,
            row.overwrites,
            str(row.key),
            row.state,
        ]
        for row in sorted(rows, key=lambda row: row.pk)
    ]
    return _digest([previous, content])


def page_follows(job_id: int, page: int, seal: str, at: datetime) -> str:
    """What the digest of a page begins with: whose page it is, its number, its time, the seal before it."""
    return f"{job_id}/{page}/{_utc(at)}/{seal}"


def job_digest(previous: str, job_id: int, seal: str, at: datetime) -> str:
    """sha256 (hex) that chains a job's last page seal to the job before it."""
    return _digest([previous, job_id, seal, _utc(at)])


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def seal_page(job: SynchJob, page: int, rows: Sequence[Journal], at: datetime) -> JournalSeal:
    """Seal the rows that a page settled, as the database holds them, and store the seal on them.

    Call it inside the page transaction, after the rows were stored. Sets ``job.seal``, on the object and in its row.
    A row may be of an earlier job whose run died: it is sealed by the job that settles it.

    Raises:
        ValueError: outside a transaction, without rows, or for a row that is missing, sealed already, or not
            settled yet (an intended or unknown write is sealed by the page that settles it).
    """
    ids = [row.pk for row in rows]
    stored = list(Journal.objects.filter(pk__in=ids).order_by("pk"))
    if len(stored) != len(ids):
        raise ValueError("Rows of a page are there when it is sealed.")
    seal = seal_written(job, page, stored, at)
    Journal.objects.filter(pk__in=ids).update(seal=seal)
    return seal


def seal_written(job: SynchJob, page: int, rows: Sequence[Journal], at: datetime) -> JournalSeal:
    """As :func:`seal_page`, of rows that are just being written: nothing is read back, the caller stores the seal on them.

    Their JSON must be spelled as the database will give it back: texts, booleans, null and whole numbers, which is what
    ``engine.values.dump_values`` makes. Two statements, whatever the number of rows.
    """
    if not transaction.get_connection().in_atomic_block:
        raise ValueError("A page is sealed inside its transaction.")
    if not rows:
        raise ValueError("A page without rows is not sealed.")
    for row in rows:
        if row.seal_id is not None or row.state in UNSETTLED:
            raise ValueError(f"Journal row {row.pk} cannot be sealed: {row.state}, seal {row.seal_id}.")
    seal = JournalSeal.objects.create(
        job=job,
        page=page,
        previous=job.seal,
        digest=page_digest(page_follows(job.pk, page, job.seal, at), rows),
        rows=len(rows),
        at=at,
    )
    SynchJob.objects.filter(pk=job.pk).update(seal=seal.digest)
    job.seal = seal.digest
    return seal


def close_job(job: SynchJob, at: datetime) -> JobSeal | None:
    """Chain the job's last seal to the job before it; None for a job that wrote nothing.

    Call it in the transaction that ends the job. The instance's row is locked, so that jobs ending at the
    same time follow one another. A job closed already keeps its seal.
    """
    if not job.seal:
        return None
    with transaction.atomic():
        own_instance()
        instance = Instance.objects.select_for_update().get(pk=1)
        last = JobSeal.objects.filter(job_id=job.pk).order_by("-pk").first()
        if last is not None and last.seal == job.seal:
            return last
        sealed = JobSeal.objects.create(
            job_id=job.pk,
            seal=job.seal,
            previous=instance.last_seal,
            digest=job_digest(instance.last_seal, job.pk, job.seal, at),
            at=at,
        )
        instance.last_seal = sealed.digest
        instance.save(update_fields=["last_seal"])
    return sealed


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where the journal is not as it was sealed.

    ``what``: ``job_chain``, ``chain_end``, ``page_chain``, ``rows``, ``job_end``,
    ``not_closed``, ``pages_gone`` or ``unsealed``.
    """

    what: str
    job: int | None = None
    page: int | None = None
    row: int | None = None

    def __str__(self) -> str:
        places = [("job", self.job), ("page", self.page), ("journal row", self.row)]
        where = ", ".join(f"{name} {number}" for name, number in places if number is not None)
        return f"{EXPLAINED[self.what]}" + (f" ({where})" if where else "")


EXPLAINED = {
    "job_chain": "The chain of job seals is broken here",
    "chain_end": "The chain of job seals does not end where the instance says",
    "page_chain": "A page's seal does not follow the one before it",
    "rows": "The journal rows of a page are not those that were sealed",
    "job_end": "A job's pages do not end with the seal that its job seal holds",
    "not_closed": "A job ended without a job seal",
    "pages_gone": "The journal of a job is gone before its time",
    "unsealed": "A settled journal row was never sealed",
}


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was checked, and the first thing that is broken."""

    jobs: int
    pages: int
    rows: int
    broken: Broken | None


def verify_journal() -> Verified:
    """Recompute every seal there is: the chain of jobs, the pages of each job, the rows of each page."""
    now = timezone.now()
    counted = [0, 0]
    with transaction.atomic():
        ends, broken = _verify_chain()
        if broken is None:
            broken = next(_verify_pages(ends, now, counted), None)
        return Verified(len(ends), counted[0], counted[1], broken)


def _verify_chain() -> tuple[dict[int, JobSeal], Broken | None]:
    """The last job seal of each job, by job; and where the chain of them breaks."""
    previous, ends = "", dict[int, JobSeal]()
    for sealed in JobSeal.objects.order_by("pk").iterator():
        digest = job_digest(previous, sealed.job_id, sealed.seal, sealed.at)
        if sealed.previous != previous or sealed.digest != digest:
            return ends, Broken("job_chain", job=sealed.job_id)
        previous, ends[sealed.job_id] = digest, sealed
    instance = Instance.objects.filter(pk=1).first()
    if previous != (instance.last_seal if instance else ""):
        return ends, Broken("chain_end")
    return ends, None


def _verify_pages(ends: dict[int, JobSeal], now: datetime, counted: list[int]) -> Iterator[Broken]:
    jobs: dict[int, str] = {}  # job → digest of its last page
    for seal in JournalSeal.objects.order_by("job_id", "page").iterator():
        end = ends.get(seal.job_id)
        begun = seal.job_id not in jobs and end is not None and end.at <= now - KEPT
        previous = seal.previous if begun else jobs.get(seal.job_id, "")
        if seal.previous != previous:
            yield Broken("page_chain", seal.job_id, seal.page)
        rows = list(Journal.objects.filter(seal=seal))
        follows = page_follows(seal.job_id, seal.page, previous, seal.at)
        if len(rows) != seal.rows or page_digest(follows, rows) != seal.digest:
            yield Broken("rows", seal.job_id, seal.page)
        jobs[seal.job_id] = seal.digest
        counted[0] += 1
        counted[1] += len(rows)
    for job_id, sealed in ends.items():
        if job_id not in jobs and sealed.at > now - KEPT:
            yield Broken("pages_gone", job_id)
        if job_id in jobs and jobs[job_id] != sealed.seal:
            yield Broken("job_end", job_id)
    for job in SynchJob.objects.exclude(seal="").order_by("pk").iterator():
        if job.pk in jobs and job.seal != jobs[job.pk]:
            yield Broken("job_end", job.pk)
        if job.pk not in jobs and job.pk not in ends:
            yield Broken("pages_gone", job.pk)
        if job.pk in jobs and job.pk not in ends and not job.is_unfinished:
            yield Broken("not_closed", job.pk)
    loose = Journal.objects.filter(seal=None).exclude(state__in=UNSETTLED).order_by("pk").first()
    if loose is not None:
        yield Broken("unsealed", loose.job_id, row=loose.pk)

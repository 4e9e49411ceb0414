"""Jobs as rows: queue, claim, run, end. The row is the truth; a message is only a doorbell (ENGINE §7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.dispatch import Signal
from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.failures import Bug, Failure, Kind, Scope, Transient
from synccore.lines import end_parent, go_on
from synccore.models import JobItem, JobQueueEntry, Problem, SynchJob, TableMapping
from synccore.models.instance import MISMATCH
from synccore.models.job import OUTCOMES
from synccore.models.kept import keep
from synccore.models.seals import close_job
from synccore.shapes import SIDES, Side
from synccore.verbs import VERBS, problems
from synccore.verbs.mended import answered
from synccore.verbs.run import CHECK, LEASE, BackToQueue, Cancelled, LeaseLost, Run, page_stored
from synccore.verbs.stats import Tally

__all__ = ["claim", "enqueue", "held", "job_finished", "page_stored", "run", "startable", "take_over"]

log = structlog.get_logger(__name__)

#: After commit, send_robust, for notices only.
job_finished = Signal()

#: A job whose worker died this often without storing a page in between is given up, and says so.
DEATHS: Final = 5
#: A message that was sent this long ago and brought nobody is sent again.
RESEND: Final = timedelta(seconds=30)

#: The twin of a new job may be claimed between the statement that it refuses and the one that looks for it. A row that is
#: refused so often is refused for another reason.
CLAIMED_MEANWHILE: Final = 5

#: By itself the set-up of an app is looked at no more often.
LOOK_AGAIN: Final = timedelta(minutes=5)

#: Verbs that only look, for the person who asked: no problem of the mapping comes of them, and no schedule follows them.
_LOOKS: Final = ("dry_run", "match_preview", "count_records")


def enqueue(
    *, verb: str, mapping: TableMapping | None = None, scope: str = SynchJob.Scope.CHANGES, **values: Any
) -> SynchJob:
    """Insert a queued job, or give back the one that waits already for the same mapping (or connection), scope and verb.

    Never gives back a running one: it has read past some of what the new one is wanted for.

    Raises Connection.DoesNotExist where somebody deleted the connection; IntegrityError where the row is refused for another
    reason than such a twin.
    """
    queued = SynchJob.objects.filter(verb=verb, mapping=mapping, scope=scope, state=SynchJob.State.QUEUED)
    tries = CLAIMED_MEANWHILE
    while True:
        try:
            with transaction.atomic():
                if values.get("connection") is not None:
                    keep(values["connection"])
                return SynchJob.objects.create(verb=verb, mapping=mapping, scope=scope, **values)
        except IntegrityError:
            twin = queued.filter(connection=values.get("connection")).first()
            if twin is not None:
                return twin
            tries -= 1
            if not tries:
                raise


def held(mapping: TableMapping, *, is_stopped: bool | None = None) -> str:
    """Why no scheduled run of the mapping starts now: ``disabled``, ``paused``, ``stopped`` by a brake; "" if it may.

    ``is_stopped``: whether a brake holds it, where the caller has asked for many mappings at once.
    """
    if not mapping.enabled:
        return "disabled"
    if mapping.integration.paused_since is not None:
        return "paused"
    if is_stopped is None:
        is_stopped = brakes().filter(mapping=mapping).exists()
    if is_stopped:
        return "stopped"
    return ""


def brakes() -> Any:
    """The open problems of mappings that are stopped until a person decides."""
    return Problem.objects.not_ended().of_setup().filter(state=Problem.State.SKIPPED)


def startable() -> Any:
    """Queued jobs that a worker may claim now: their mapping is free and not held. Chosen records first; of one press one
    job after the other (parents first, or children first where records are deleted), but for the lines of a full
    synchronization: these wait only for the lines they refer to.

    In a copied database nothing may be claimed, whoever asked for it.
    """
    running = SynchJob.objects.filter(state=SynchJob.State.RUNNING, mapping=OuterRef("mapping"))
    stopped = brakes().filter(mapping=OuterRef("mapping"))
    before = SynchJob.objects.unfinished().filter(parent=OuterRef("parent"), pk__lt=OuterRef("pk"))
    again = SynchJob.objects.filter(
        parent=OuterRef("parent"), mapping=OuterRef("mapping"), pk__gt=OuterRef("pk")
    )
    needed = SynchJob.objects.filter(parent=OuterRef("parent"), mapping__needed_by=OuterRef("pk"))
    unmet = needed.exclude(state=SynchJob.State.FINISHED).filter(~Exists(again))
    is_sweep = Q(scope=SynchJob.Scope.SWEEP)
    by_schedule = Q(verb="synchronise") & ~Q(scope=SynchJob.Scope.ITEMS)
    return (
        SynchJob.objects.filter(state=SynchJob.State.QUEUED)
        .exclude(~is_sweep & Q(mapping__isnull=False) & Exists(running.exclude(scope=SynchJob.Scope.SWEEP)))
        .exclude(is_sweep & Exists(running.filter(scope=SynchJob.Scope.SWEEP)))
        .exclude(
            by_schedule & (Q(mapping__enabled=False) | Q(mapping__integration__paused_since__isnull=False))
        )
        .exclude(by_schedule & Exists(stopped))
        .exclude(Q(parent__isnull=False, is_line=False) & Exists(before))
        .exclude(Q(is_line=True) & Exists(unmet))
        .exclude(mapping__integration__paused_reason=MISMATCH)
        .annotate(chosen=Q(scope=SynchJob.Scope.ITEMS))
        .order_by("-chosen", "id")
    )


def claim(job_id: int) -> SynchJob | None:
    """Take a queued job by one conditional UPDATE. None: somebody else has it, it is over, or its mapping is busy."""
    now = timezone.now()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE synccore_synchjob SET state = 'running', lease_no = lease_no + 1, lease_until = %s, "
                "started_at = coalesce(started_at, %s), sent_at = NULL WHERE id = %s AND state = 'queued'",
                [now + LEASE, now, job_id],
            )
            if cursor.rowcount == 0:
                return None
    except IntegrityError:  # one running job per mapping; who runs it rings for this one when it has ended
        SynchJob.objects.filter(pk=job_id, state=SynchJob.State.QUEUED).update(sent_at=None)
        return None
    job = SynchJob.objects.select_related(
        "mapping__integration__left", "mapping__integration__right", "requested_by", "entry"
    ).get(pk=job_id)
    if job.mapping is not None:
        if job.mapping_revision and job.mapping_revision != job.mapping.revision:
            job.checkpoint = {}
        job.mapping_revision = job.mapping.revision
        job.save(update_fields=["mapping_revision", "checkpoint"])
    return job


def run(
    job_id: int,
    *,
    observe: Callable[[str], None] | None = None,
    connect: Callable[[TableMapping, Side], Connector] | None = None,
) -> SynchJob | None:
    """Claim a job and work it to its end. Gives the job as it ended, None where it was not to be had.

    Whatever happens to the job is stored in its row; only what keeps its end from being stored escapes (our own database
    is lost, see also ``lines.go_on``): its lease runs out, and it is taken over.
    """
    job = claim(job_id)
    if job is None:
        return None
    work = Run(job, connect=connect, **({"observe": observe} if observe else {}))
    with structlog.contextvars.bound_contextvars(job=job.pk, verb=job.verb, mapping=job.mapping_id):
        try:
            _work(work)
        except LeaseLost:
            log.warning("job_taken_over")
        finally:
            work.close()
    return SynchJob.objects.filter(pk=job_id).first()  # somebody may have deleted it under our hands


def _work(work: Run) -> None:
    job = work.job
    log.info("job_started", scope=job.scope)
    try:
        VERBS[job.verb](work)
    except LeaseLost:
        raise
    except BackToQueue:
        _back_to_queue(work)
    except Cancelled:
        _end(work, SynchJob.State.CANCELLED)
    except Failure as failure:
        _end(work, SynchJob.State.FAILED, failure)
    except (OperationalError, InterfaceError) as error:
        # Our own database was away, or full. If it still is, this raises too, and the lease runs out.
        log.exception("own_database")
        _look_at_connection()
        cause = error.__cause__ or error
        trace = Bug.from_exception(error, step=job.verb).debug
        own = Transient("own_database", {"error": type(cause).__name__}, scope=Scope.TABLE, debug=trace)
        _end(work, SynchJob.State.FAILED, own)
    except Exception as error:
        log.exception("job_broke")
        _look_at_connection()
        _end(work, SynchJob.State.FAILED, Bug.from_exception(error, step=job.verb))
    else:
        _end(work, SynchJob.State.FINISHED)


def _look_at_connection() -> None:
    """Drop our own database's connection if it broke; inside somebody's transaction it is theirs."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _end(work: Run, state: SynchJob.State, failure: Failure | None = None) -> None:
    """Store how the job ended, with the problem it leaves, in one transaction that the lease guards."""
    job = work.job
    with transaction.atomic():
        with work.page() as at:
            if failure is not None:
                _describe(work, failure, at)
            elif state == SynchJob.State.FINISHED:
                answered(work, at)
            if state != SynchJob.State.FINISHED:
                _cancel_items(job)
            _queue_next(work, state)
        job.state, job.finished_at, job.lease_until = state, at, None
        job.save(
            update_fields=[
                "state", "finished_at", "lease_until", "kind", "code", "params", "app_message", "side", "call_stack",
            ]
        )  # fmt: skip
        _set_queue_entry(job, state)
        close_job(job, at)
        if job.parent_id is not None:
            if work.goes_on and state == SynchJob.State.FINISHED:
                go_on(job, at)
            end_parent(job.parent_id, at)
    log.info("job_ended", state=state, code=job.code, **{name: getattr(job, name) for name in OUTCOMES})
    transaction.on_commit(lambda: job_finished.send_robust(SynchJob, job=job))


def _describe(work: Run, failure: Failure, at: Any) -> None:
    job = work.job
    side = str(failure.params.get("side", ""))
    job.kind, job.code, job.params = failure.kind.value, failure.code, failure.params
    job.app_message, job.side = failure.app_message, side if failure.app_message else ""
    job.call_stack = problems.call_stack(failure.debug)
    if job.mapping is None or job.verb in _LOOKS:
        # Who asked reads it on the job; nothing of the mapping was tried.
        if failure.kind is Kind.MISCONFIGURED and failure.scope is not Scope.RECORD:
            _look_at_set_up(job, side)
        return
    if failure.scope is Scope.RECORD and job.scope == SynchJob.Scope.ITEMS:
        return  # of the records a person chose: the job says it, the mapping goes on
    of_connection = failure.scope is Scope.CONNECTION and side in list(Side)
    problem = problems.setup_failure(
        job=job,
        tally=work.tally,
        entries=work.entries,
        mapping=None if of_connection else job.mapping,
        connection=job.mapping.connection(Side(side)) if of_connection else None,
        failure=failure,
        now=at,
    )
    if failure.kind is Kind.MISCONFIGURED and problem.attempts == 1:
        _look_at_set_up(job, side)


def _look_at_set_up(job: SynchJob, side: str) -> None:
    """A new or changed set-up fault: what else is wrong with the account and the tables of its app (of both, where the
    failure names none)? A look that was begun just now is enough, however many jobs meet the fault; what it did not see
    yet is looked at by the tick (``schedule.start_set_up_checks``)."""
    if job.verb == "check_set_up":
        return
    if job.mapping is None:
        apps = [job.connection] if job.connection is not None else []
    else:
        apps = [job.mapping.connection(each) for each in ([Side(side)] if side in list(Side) else SIDES)]
    lately = SynchJob.objects.filter(verb="check_set_up", queued_at__gt=timezone.now() - LOOK_AGAIN)
    for app in apps:
        if not lately.filter(connection=app).exists():
            enqueue(verb="check_set_up", connection=app, origin=SynchJob.Origin.ENGINE)


def _cancel_items(job: SynchJob) -> None:
    """Chosen records that were not reached say so; what a brake holds back stays open."""
    job.items.filter(purpose=JobItem.Purpose.CHOSEN, state=JobItem.State.OPEN).update(
        state=JobItem.State.CANCELLED, note=job.code
    )


def _queue_next(work: Run, state: SynchJob.State) -> None:
    if state != SynchJob.State.FINISHED:
        # A job that failed frees nobody of its own mapping; records of others that it released still come.
        work.queue_next = {each for each in work.queue_next if each[0] != work.job.mapping_id}
    for mapping_id, scope in sorted(work.queue_next):
        mapping = TableMapping.objects.get(pk=mapping_id)
        if scope == CHECK:
            enqueue(verb="check", mapping=mapping, origin=SynchJob.Origin.ENGINE)
        else:
            enqueue(verb="synchronise", mapping=mapping, scope=scope, origin=SynchJob.Origin.ENGINE)


def _set_queue_entry(job: SynchJob, state: SynchJob.State) -> None:
    if job.mapping_id is None or job.verb in (*_LOOKS, "find_deleted"):
        return
    status = JobQueueEntry.Status.ERROR if state == SynchJob.State.FAILED else JobQueueEntry.Status.READY
    JobQueueEntry.objects.filter(mapping_id=job.mapping_id, scope=job.scope).exclude(
        status=JobQueueEntry.Status.ON_HOLD
    ).update(status=status)


def end_problems(found: Any, ending: Problem.Ending, *, by: Any) -> int:
    """End set-up problems by a person's decision, outside a job; keeps the counts right."""
    tally, now = Tally(), timezone.now()
    n = len(problems.end(list(found), ending, tally=tally, now=now, job=None, by=by))
    tally.store(now.date())
    return n


def _back_to_queue(work: Run) -> None:
    """The job stopped between two pages and goes on later, from its checkpoint. A queued twin is taken over."""
    job = work.job
    with transaction.atomic():
        with work.page(job.checkpoint) as at:
            _queue_next(work, SynchJob.State.FINISHED)
        _requeue(job, at)
    log.info("job_back_to_queue", pages=job.pages)


def _requeue(job: SynchJob, at: Any) -> None:
    """A twin that waits is taken over; one that is a line of a full synchronization, which others wait for, takes over."""
    twins = SynchJob.objects.filter(
        mapping=job.mapping,
        connection=job.connection,
        verb=job.verb,
        scope=job.scope,
        state=SynchJob.State.QUEUED,
    )
    over = {"state": SynchJob.State.CANCELLED, "finished_at": at, "code": "taken_over"}
    if (job.mapping_id or job.connection_id) is not None and job.scope != SynchJob.Scope.ITEMS:
        line = None if job.is_line else twins.filter(is_line=True).first()
        if line is not None:
            SynchJob.objects.filter(pk=job.pk).update(
                **over, params={"job": line.pk}, lease_until=None, lease_no=job.lease_no + 1
            )
            close_job(job, at)
            return
        twins.update(**over, params={"job": job.pk})
    SynchJob.objects.filter(pk=job.pk).update(
        state=SynchJob.State.QUEUED, lease_until=None, sent_at=None, lease_no=job.lease_no + 1
    )


def take_over() -> int:
    """Jobs whose worker is gone (lease expired) go back to the queue; the old worker can store nothing any more.

    Returns how many. A job that loses its worker again and again is ended with a failure that says so.
    """
    now = timezone.now()
    taken = 0
    while True:
        with transaction.atomic():
            job = (
                SynchJob.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("mapping__integration__left", "mapping__integration__right", "requested_by")
                .filter(state=SynchJob.State.RUNNING, lease_until__lt=now)
                .first()
            )
            if job is None:
                return taken
            taken += 1
            deaths = job.options.get("deaths", {})
            n = deaths.get("n", 0) + 1 if deaths.get("pages") == job.pages else 1
            job.options["deaths"] = {"n": n, "pages": job.pages}
            job.save(update_fields=["options"])
            if n < DEATHS:
                _requeue(job, now)
                continue
            job.lease_no += 1
            SynchJob.objects.filter(pk=job.pk).update(lease_no=job.lease_no)
            _end(Run(job), SynchJob.State.FAILED, Bug("job_lost", {"deaths": n}, scope=Scope.TABLE))

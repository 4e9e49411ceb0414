"""The tick: everything that happens by itself, every 15 seconds. Two of them at once do no harm."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from celery import shared_task
from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, Q, Subquery
from django.utils import timezone

from synccore import jobs, tasks
from synccore.failures import Kind
from synccore.models import (
    Bucket,
    Connection,
    Instance,
    JobQueueEntry,
    Problem,
    SetupCheck,
    SynchJob,
    TableMapping,
)
from synccore.models.instance import guard_instance
from synccore.models.mapping import with_app
from synccore.models.seals import KEPT
from synccore.shapes import SIDES
from synccore.verbs import problems, retire
from synccore.verbs.clean_up import overdue
from synccore.verbs.mended import first_mapping_of
from synccore.verbs.stats import Tally
from synccore.verbs.synchronise import due_problems

#: Accounts and rights change without a word to us: each app's set-up is looked at so often.
SET_UP_CHECKS: Final = timedelta(days=1)
#: What has been kept long enough is forgotten so often.
RETENTION: Final = timedelta(days=1)

log = structlog.get_logger(__name__)


@shared_task(name="synccore.tick", ignore_result=True)
def tick() -> None:
    """Claim due schedules, start due retries and checks, take over what lost its worker, ring."""
    if not guard_instance():
        log.error("instance_mismatch")
        return
    Instance.objects.filter(pk=1).update(ticked_at=timezone.now())
    jobs.take_over()
    end_on_purpose()
    claim_schedules()
    start_due()
    start_checks()
    start_set_up_checks()
    start_retention()
    fold_stats()
    tasks.kick()


def claim_schedules() -> int:
    """Job queue entries whose time has come get a queued job and their next run. Returns how many."""
    now = timezone.now()
    with transaction.atomic():
        due = list(
            JobQueueEntry.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("mapping__integration")
            .filter(next_run__lte=now)
            .exclude(status=JobQueueEntry.Status.ON_HOLD)
            .order_by("next_run")[:500]
        )
        for entry in due:
            if not jobs.held(entry.mapping) and not _unreachable(entry.mapping):
                jobs.enqueue(
                    verb="synchronise",
                    mapping=entry.mapping,
                    scope=entry.scope,
                    origin=SynchJob.Origin.SCHEDULE,
                    entry=entry,
                )
                entry.last_run = now
                entry.status = JobQueueEntry.Status.IN_PROCESS
            entry.next_run = _next(entry, now)
            entry.save(update_fields=["next_run", "last_run", "status"])
    return len(due)


def _next(entry: JobQueueEntry, now: datetime) -> datetime:
    """The next time on the entry's own grid; runs that were missed are not made up for."""
    late = (now - entry.next_run).total_seconds()
    steps = int(late // entry.interval_seconds) + 1
    return entry.next_run + timedelta(seconds=steps * entry.interval_seconds)


def start_due() -> int:
    """Mappings with records whose next attempt has come get a job of scope ``due``."""
    now = timezone.now()
    mappings = (
        TableMapping.objects.filter(enabled=True, integration__paused_since=None)
        .filter(
            pk__in=Problem.objects.of_records()
            .open()
            .filter(next_attempt__lte=now)
            .values("mapping")
            .distinct()
        )
        .select_related("integration")
    )
    started = 0
    for mapping in mappings:
        if _unreachable(mapping) or jobs.held(mapping):
            continue
        if due_problems(mapping.pk, 0, now).exists():
            jobs.enqueue(
                verb="synchronise", mapping=mapping, scope=SynchJob.Scope.DUE, origin=SynchJob.Origin.ENGINE
            )
            started += 1
    return started


def _setup_problems_of(mapping: TableMapping) -> Any:
    apps = (mapping.integration.left_id, mapping.integration.right_id)
    return (
        Problem.objects.not_ended()
        .of_setup()
        .filter(Q(mapping=mapping) | Q(mapping=None, connection__in=apps))
        .filter(state=Problem.State.RETRYING)
    )


def _unreachable(mapping: TableMapping) -> bool:
    """A set-up problem holds the mapping: retries of its records would only meet it again."""
    return bool(_setup_problems_of(mapping).exists())


def start_checks() -> int:
    """Mappings (and apps) whose set-up problem is due are checked; a check that passes releases them.

    What no check can see (an error of ours) is tried by running the mapping itself.
    """
    now = timezone.now()
    due = Problem.objects.not_ended().of_setup().filter(state=Problem.State.RETRYING, next_attempt__lte=now)
    wanted: set[tuple[int, str]] = set()
    with transaction.atomic():
        for problem in due.order_by("pk").select_for_update(skip_locked=True):
            problem.next_attempt = now + problems.backoff(problems.waited(problem))
            problem.save(update_fields=["next_attempt"])
            mapping_id = problem.mapping_id or first_mapping_of(problem.connection_id)
            if mapping_id is not None:
                is_checkable = problem.kind in (Kind.TRANSIENT.value, Kind.MISCONFIGURED.value)
                wanted.add((mapping_id, "check" if is_checkable else "synchronise"))
    for mapping in TableMapping.objects.filter(pk__in=[pk for pk, _verb in wanted]).select_related(
        "integration"
    ):
        for verb in ("check", "synchronise"):
            if (mapping.pk, verb) in wanted and (verb == "check" or not jobs.held(mapping)):
                jobs.enqueue(verb=verb, mapping=mapping, origin=SynchJob.Origin.ENGINE)
    return len(wanted)


def start_set_up_checks() -> int:
    """Apps with a mapping that runs, and whose set-up nobody looked at for a day, get a job that does. Returns how many."""
    lately = SynchJob.objects.filter(
        verb="check_set_up", connection=OuterRef("pk"), queued_at__gt=timezone.now() - SET_UP_CHECKS
    )
    runs = TableMapping.objects.filter(enabled=True, integration__paused_since=None)
    of_app = with_app(OuterRef("pk"))
    due = Connection.objects.filter(Exists(runs.filter(of_app))).exclude(Exists(lately))
    wanted = {*due, *_put_right_since(), *_went_wrong_since()}
    for app in sorted(wanted, key=lambda each: each.pk):
        try:
            jobs.enqueue(verb="check_set_up", connection=app, origin=SynchJob.Origin.ENGINE)
        except Connection.DoesNotExist:
            continue  # deleted just now
    return len(wanted)


def _put_right_since() -> list[Connection]:
    """Apps whose last check found something wrong, and of which a set-up problem ended after it: what it says is old."""
    wrong = SetupCheck.objects.exclude(state=SetupCheck.State.PASS)
    found = wrong.values("connection").annotate(looked=Min("at")).values_list("connection", "looked")
    healed = []
    for pk, looked in found:
        of_app = Q(connection=pk) | with_app(pk, "mapping__")
        ended = Problem.objects.of_setup().filter(of_app, ended_at__gt=looked, kind=Kind.MISCONFIGURED.value)
        if ended.exists():
            healed.append(pk)
    return list(Connection.objects.filter(pk__in=healed))


def _went_wrong_since() -> list[Connection]:
    """Apps that a set-up fault was met at after the last look at them, be it of one record only, where that is long enough
    ago: jobs that meet faults one after the other have them looked at once, not each time."""
    of_app = Q(connection=OuterRef("pk"))
    for side in SIDES:
        here = Q(**{f"mapping__integration__{side.value}": OuterRef("pk")})
        of_app |= here & ~Q(params__side=side.other.value)
    looked = SynchJob.objects.filter(verb="check_set_up", connection=OuterRef("pk")).order_by("-pk")
    now = timezone.now()
    faults = Problem.objects.not_ended().of_setup().filter(of_app, kind=Kind.MISCONFIGURED.value)
    # Records are many: theirs are found by their few buckets.
    buckets = list(Bucket.objects.filter(kind=Kind.MISCONFIGURED.value).values_list("pk", flat=True))
    of_records = Problem.objects.not_ended().of_records().filter(of_app, bucket__in=buckets)
    apps = Connection.objects.annotate(looked=Subquery(looked.values("queued_at")[:1]))
    return list(
        apps.filter(looked__lt=now - jobs.LOOK_AGAIN).filter(
            Exists(faults.filter(since__gt=OuterRef("looked")))
            | Exists(of_records.filter(since__gt=OuterRef("looked")))
        )
    )


def start_retention() -> int:
    """Once a day, where something has been kept long enough, a job forgets it. Returns how many jobs were started."""
    lately = SynchJob.objects.filter(verb="retain", queued_at__gt=timezone.now() - RETENTION)
    if lately.exists() or not (
        any(rows.exists() for rows in overdue()) or retire.old(timezone.now() - KEPT).exists()
    ):
        return 0
    jobs.enqueue(verb="retain", scope=SynchJob.Scope.ITEMS, origin=SynchJob.Origin.ENGINE)
    return 1


def end_on_purpose() -> int:
    """Records left out until a date come back when it has come."""
    now = timezone.now()
    with transaction.atomic():
        over = list(
            Problem.objects.select_for_update(skip_locked=True)
            .filter(state=Problem.State.ON_PURPOSE, until__lte=now)
            .order_by("until", "pk")[:1000]
        )
        tally = Tally()
        for problem in over:
            problems.bring_back(problem, tally=tally, now=now)
        tally.store(now.date())
    return len(over)


def fold_stats() -> None:
    """Deltas of days gone by become one row each. A lock keeps two ticks apart; nobody waits for it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(727274)")
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SELECT count(*) > 2000 FROM (SELECT 1 FROM synccore_stat LIMIT 2001) s")
        if not cursor.fetchone()[0]:
            return
        cursor.execute(
            """
            WITH gone AS (DELETE FROM synccore_stat RETURNING day, bucket_id, fingerprint, state, of_record, n)
            INSERT INTO synccore_stat (day, bucket_id, fingerprint, state, of_record, n)
            SELECT day, bucket_id, fingerprint, state, of_record, sum(n) FROM gone
            GROUP BY day, bucket_id, fingerprint, state, of_record HAVING sum(n) <> 0
            """
        )

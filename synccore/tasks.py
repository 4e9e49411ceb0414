"""Celery's side: a message is a doorbell that carries a job's id. Early acknowledged; lost ones are sent again."""

from __future__ import annotations

import structlog
from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from synccore import jobs
from synccore.models import SynchJob, guard_instance
from synccore.verbs.run import shutting_down

log = structlog.get_logger(__name__)

#: Verbs and scopes that may take long without anybody waiting for them.
_UPKEEP = ("purge", "undo_purge", "retain")


@shared_task(name="synccore.run_job", ignore_result=True)
def run_job(job_id: int) -> None:
    """Run one job, then ring for whatever it made startable. A copied database works on nothing."""
    if not guard_instance():
        log.error("instance_mismatch", job=job_id)
        return
    try:
        jobs.run(job_id)
    finally:
        kick()


def kick_on_commit() -> None:
    """Ring when the rows are there to be found."""
    transaction.on_commit(kick)


def kick() -> int:
    """Ring for every job that could start. Returns how many messages went out.

    A broker that does not answer loses nothing: the rows wait, the next tick rings again.
    """
    now = timezone.now()
    waiting = jobs.startable().filter(Q(sent_at=None) | Q(sent_at__lt=now - jobs.RESEND))
    sent = 0
    busy: set[tuple[int | None, bool]] = set()
    for job in waiting.only("id", "mapping_id", "scope", "verb")[:200]:
        place = (job.mapping_id, job.scope == SynchJob.Scope.SWEEP)
        if job.mapping_id is not None and place in busy:
            continue  # the next of this mapping is rung for when this one has ended
        busy.add(place)
        upkeep = job.verb in _UPKEEP or job.scope == SynchJob.Scope.SWEEP
        try:
            run_job.apply_async((job.pk,), queue="upkeep" if upkeep else "sync", retry=False)
        except Exception as error:  # kombu and redis raise a family of errors for a broker that is away
            log.warning("broker_away", error=type(error).__name__, job=job.pk)
            return sent
        SynchJob.objects.filter(pk=job.pk, state=SynchJob.State.QUEUED).update(sent_at=now)
        sent += 1
    return sent


@worker_shutting_down.connect
def _stop_after_page(**_kwargs: object) -> None:
    shutting_down.set()

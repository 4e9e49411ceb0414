"""Start, cancel, allow, pause: jobs as people and schedules ask for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from synccore import jobs
from synccore.failures import Kind
from synccore.lines import end_parent
from synccore.models import Integration, JobItem, Problem, SynchJob, TableMapping
from synccore.models.instance import resume_instance
from synccore.models.scoping import GrantLevel
from synccore.tasks import kick_on_commit

from .rights import require, require_on


class NotNow(Exception):
    """The request cannot be taken as things stand; ``code`` says why, ``params`` name what."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code, self.params = code, params


@transaction.atomic
def start_job(
    *,
    verb: str = "synchronise",
    mapping: TableMapping | None = None,
    scope: str = SynchJob.Scope.CHANGES,
    user: Any = None,
    options: dict[str, Any] | None = None,
) -> SynchJob:
    """Queue a job, or give back the queued one that is wanted already (never the running one).

    Args:
        user: the person who asks; None for schedules and commands.
        options: verb-specific, JSON.

    Raises nothing of its own: rights are checked by the caller's service or view.
    """
    job = jobs.enqueue(
        verb=verb,
        mapping=mapping,
        scope=scope,
        requested_by=user,
        origin=SynchJob.Origin.PERSON if user else SynchJob.Origin.COMMAND,
        options=options or {},
        pressed_at=timezone.now(),
    )
    kick_on_commit()
    return job


def run_now(
    mappings: Iterable[TableMapping], *, user: Any, scope: str = SynchJob.Scope.CHANGES
) -> list[SynchJob]:
    """*Run now*: one job per mapping. Raises RightMissing; NotNow("held") where a brake or a pause holds one."""
    started = []
    for mapping in mappings:
        require_on(user, mapping, "synccore.synchronize", GrantLevel.RESOLVE)
        if reason := jobs.held(mapping):
            raise NotNow("held", mapping=mapping.name, reason=reason)
        started.append(start_job(mapping=mapping, user=user, scope=scope))
    return started


@transaction.atomic
def cancel(job: SynchJob, *, user: Any) -> bool:
    """Cancel a queued job at once, a running one after its page. False where it was over already.

    A bulk's children are cancelled with it. Raises RightMissing.
    """
    own = user is not None and job.requested_by_id == user.pk
    if job.mapping is not None and not own:
        require_on(user, job.mapping, "synccore.synchronize", GrantLevel.RESOLVE)
    elif not own:
        require(user, "synccore.synchronize")
    now = timezone.now()
    # Parts before their press, as a part that ends locks them: none of them can end, or bring the next step of its line,
    # between what is read here and what is written.
    list(job.children.select_for_update().order_by("pk"))
    list(SynchJob.objects.select_for_update().filter(pk=job.pk))
    wanted = SynchJob.objects.filter(pk__in=[job.pk, *job.children.values_list("pk", flat=True)])
    queued = wanted.filter(state=SynchJob.State.QUEUED)
    JobItem.objects.filter(job__in=queued.values("pk"), state=JobItem.State.OPEN).update(
        state=JobItem.State.CANCELLED
    )
    n = queued.update(
        state=SynchJob.State.CANCELLED, finished_at=now, cancel_requested_at=now, cancel_requested_by=user
    )
    n += wanted.filter(state=SynchJob.State.RUNNING).update(cancel_requested_at=now, cancel_requested_by=user)
    if job.parent_id is not None:
        end_parent(job.parent_id, now)
    if job.children.exists():
        end_parent(job.pk, now)
    return n > 0


@transaction.atomic
def allow_once(job: SynchJob, *, user: Any, reason: str) -> SynchJob:
    """Carry out what a brake stopped in ``job``: the same records, once. The reason is kept.

    Raises RightMissing; NotNow: ``reason_missing``, ``not_stopped`` where the mapping is not held by a brake (any more), or
    ``allowed_already`` where somebody else's press is being carried out.
    """
    assert job.mapping is not None
    require_on(user, job.mapping, "synccore.set_up")
    if not reason.strip():
        raise NotNow("reason_missing")
    held = _undecided(job.mapping)
    return start_job(
        verb="allow_once",
        mapping=job.mapping,
        scope=SynchJob.Scope.ITEMS,
        user=user,
        options={"job": job.pk, "reason": reason.strip(), "code": held.code},
    )


@transaction.atomic
def keep_stopped(job: SynchJob, *, user: Any) -> None:
    """The mapping stays off: what the brake held back is not carried out, the mapping is disabled, its problem ends.

    Raises RightMissing; NotNow: ``not_stopped`` or ``allowed_already`` where somebody decided otherwise before.
    """
    assert job.mapping is not None
    require_on(user, job.mapping, "synccore.set_up")
    _undecided(job.mapping)
    JobItem.objects.filter(
        mapping=job.mapping,
        state=JobItem.State.OPEN,
        purpose__in=(JobItem.Purpose.DELETION, JobItem.Purpose.CREATION),
    ).update(state=JobItem.State.CANCELLED)
    TableMapping.objects.filter(pk=job.mapping.pk).update(enabled=False)
    jobs.end_problems(_brakes_of(job.mapping), Problem.Ending.ACCEPTED, by=user)


def _undecided(mapping: TableMapping) -> Problem:
    """The brake that holds the mapping, locked. Raises NotNow where there is none, or it was allowed and that runs."""
    held = _brakes_of(mapping).select_for_update().first()
    if held is None:
        raise NotNow("not_stopped", mapping=mapping.name)
    if SynchJob.objects.unfinished().filter(mapping=mapping, verb="allow_once").exists():
        raise NotNow("allowed_already", mapping=mapping.name)
    return held  # type: ignore[no-any-return]


def _brakes_of(mapping: TableMapping) -> Any:
    return Problem.objects.not_ended().of_setup().filter(mapping=mapping, kind=Kind.STOPPED.value)


def pause(integration: Integration, *, user: Any = None, reason: str = "") -> None:
    """Stop the schedules of an integration; running jobs end after their page, changes wait."""
    require(user, "synccore.set_up")
    Integration.objects.filter(pk=integration.pk, paused_since=None).update(
        paused_since=timezone.now(), paused_by=user, paused_reason=reason
    )


def resume(integrations: Iterable[Integration] | None = None, *, user: Any = None) -> int:
    """End the pauses of these integrations (None: of all, and those of a copied database). Returns how many ended."""
    require(user, "synccore.set_up")
    ended = 0
    chosen = Integration.objects.exclude(paused_since=None)
    if integrations is None:
        ended += resume_instance()
    else:
        chosen = chosen.filter(pk__in=[integration.pk for integration in integrations])
    ended += chosen.update(paused_since=None, paused_by=None, paused_reason="")
    kick_on_commit()
    return ended


def own_copy(*, user: Any = None) -> int:
    """A copied database belongs to this installation from now on: the pauses it got for being a copy end, those that people
    made stay. Returns how many ended. Raises RightMissing."""
    require(user, "synccore.set_up")
    ended = resume_instance()
    kick_on_commit()
    return ended

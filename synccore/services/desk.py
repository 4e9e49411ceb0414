"""What the desk offers beyond a bulk: try exactly these records now, and bring back what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from synccore import jobs
from synccore.models import Coupling, Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel

from .jobs import NotNow, start_job
from .records import Refused, may_bulk, no_retry, start_bulk
from .rights import require, require_on


@dataclass(slots=True)
class Tried:
    """Result of *Run it now*: the job that tries the records, how many they are, and which are left alone and why."""

    job: SynchJob | None = None
    n: int = 0
    refused: list[Refused] = field(default_factory=list)


@transaction.atomic
def try_now(couplings: QuerySet[Coupling], *, user: Any) -> Tried:
    """*Run it now*: exactly these records, at once, without waiting for the schedule.

    What only a decision ends (a conflict under the policy *ask*, a deletion) is left alone and named. Raises RightMissing;
    NotNow ``held`` where a brake or a pause holds a mapping, as for *Run now* of the whole mapping.
    """
    require(user, "synccore.synchronize")
    seen = TableMapping.objects.visible_to(user, GrantLevel.RESOLVE) if user else TableMapping.objects.all()
    ids = list(couplings.filter(mapping__in=seen).order_by().values_list("pk", flat=True)[:100_001])
    may_bulk(user, len(ids))
    result = Tried()
    problems = Problem.objects.not_ended().filter(coupling__in=ids).select_related("mapping")
    for problem in problems.order_by("pk"):
        if reason := no_retry(problem):
            result.refused.append(Refused(problem.coupling_id or 0, reason))
    left_alone = {each.coupling for each in result.refused}
    chosen = Coupling.objects.filter(pk__in=[pk for pk in ids if pk not in left_alone])
    result.n = len(ids) - len(left_alone)
    if not result.n:
        return result
    used = TableMapping.objects.filter(pk__in=chosen.order_by().values("mapping")).select_related(
        "integration"
    )
    for mapping in used:
        if (reason := jobs.held(mapping)) and reason != "disabled":
            raise NotNow("held", mapping=mapping.name, reason=reason)
    result.job = start_bulk("synchronise", chosen, user=user)
    return result


def pressed_at(user: Any, moment: datetime) -> QuerySet[Coupling]:
    """The records that this person put into the next synchronization by one press of *Retry*, and that still wait."""
    pressed = Problem.objects.open().filter(requested_by=user, requested_at=moment)
    return Coupling.objects.live().filter(pk__in=pressed.values("coupling"))


def find_deleted(mappings: Sequence[TableMapping], *, user: Any) -> list[SynchJob]:
    """*Find for Deleted*: one job per mapping, which asks about what is gone and deletes nothing.

    Gives the queued job where one waits already. Raises RightMissing; NotNow ``held`` where a brake or a pause holds one.
    """
    started = []
    for mapping in mappings:
        require_on(user, mapping, "synccore.synchronize", GrantLevel.RESOLVE)
        if reason := jobs.held(mapping):
            raise NotNow("held", mapping=mapping.name, reason=reason)
    for mapping in mappings:
        job = start_job(verb="find_deleted", mapping=mapping, scope=SynchJob.Scope.FULL, user=user)
        if job.total is None:
            pairs = Coupling.objects.live().paired().filter(mapping=mapping).count()
            SynchJob.objects.filter(pk=job.pk, total=None).update(total=2 * pairs)
        started.append(job)
    return started

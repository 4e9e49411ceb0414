"""What people do to records: retry, and everything that becomes a job on frozen items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from synccore.engine.rules import ConflictPolicy
from synccore.failures import Kind
from synccore.models import Coupling, JobItem, JobQueueEntry, Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.tasks import kick_on_commit
from synccore.verbs.chosen import NEEDS

from .rights import RightMissing, require
from .setup import order_of

#: More than this many records at once needs the right *bulk*.
MANY = 50


@dataclass(frozen=True, slots=True)
class Refused:
    """A record an action did not apply to, and why (a code of the page's sentences)."""

    coupling: int
    reason: str


@dataclass(slots=True)
class Retried:
    """Result of *Retry*: how many records are in the next synchronization, which are not and why, and when it is. ``at``:
    the moment of the press, by which ``pressed_at`` finds them again."""

    marked: int = 0
    refused: list[Refused] = field(default_factory=list)
    next_run: datetime | None = None
    mappings: list[int] = field(default_factory=list)
    at: datetime | None = None


def may_bulk(user: Any, n: int) -> None:
    if n > MANY:
        require(user, "synccore.bulk")


@transaction.atomic
def retry(couplings: QuerySet[Coupling], *, user: Any) -> Retried:
    """Include records in the next synchronization of their mappings.

    Conflicts under the policy *ask* and deletions are refused: only a decision ends them. Raises RightMissing.
    """
    require(user, "synccore.retry")
    visible = (
        TableMapping.objects.visible_to(user, GrantLevel.RESOLVE) if user else TableMapping.objects.all()
    )
    ids = list(couplings.order_by("pk").values_list("pk", flat=True)[:100_001])
    may_bulk(user, len(ids))
    result = Retried()
    marked = []
    found = (
        Problem.objects.select_for_update(of=("self",))
        .filter(coupling__in=ids, mapping__in=visible)
        .not_ended()
        .select_related("mapping")
        .order_by("pk")  # whoever locks several locks them in this order
    )
    seen = set()
    for problem in found:
        seen.add(problem.coupling_id)
        if reason := no_retry(problem):
            result.refused.append(Refused(problem.coupling_id or 0, reason))
        else:
            marked.append(problem.pk)
            if problem.mapping_id is not None and problem.mapping_id not in result.mappings:
                result.mappings.append(problem.mapping_id)
    result.refused += [Refused(pk, "no_problem") for pk in ids if pk not in seen]
    result.at = timezone.now()
    result.marked = Problem.objects.filter(pk__in=marked).update(requested_at=result.at, requested_by=user)
    result.next_run = (
        JobQueueEntry.objects.filter(mapping__in=result.mappings, scope=SynchJob.Scope.CHANGES)
        .exclude(status=JobQueueEntry.Status.ON_HOLD)
        .order_by("next_run")
        .values_list("next_run", flat=True)
        .first()
    )
    return result


def no_retry(problem: Problem) -> str:
    """Why trying again cannot help this problem, as a code; "" where it may."""
    if problem.state == Problem.State.ON_PURPOSE:
        return "on_purpose"
    asks = problem.mapping is not None and problem.mapping.conflicts == ConflictPolicy.ASK.value
    if problem.kind == Kind.CONFLICT.value and asks:
        return "needs_decision"
    if (
        problem.kind == Kind.MISSING.value
        and problem.mapping is not None
        and problem.mapping.deletions == "ask"
    ):
        return "needs_decision"
    return ""


@transaction.atomic
def start_bulk(
    verb: str, couplings: QuerySet[Coupling], *, user: Any, options: dict[str, Any] | None = None
) -> SynchJob:
    """Start a verb on chosen records: the ids are frozen now, one child job per mapping carries them out.

    Records of mappings on which the person may not do this are left out (the pages never offer them). A record that is in
    another unfinished bulk ends at once as "already in job N". Gives the parent job, or the one job if all records are of
    one mapping. Raises RightMissing; ValueError for an unknown verb.
    """
    if verb not in NEEDS or verb in ("couple", "find_deleted"):
        raise ValueError(verb)
    permission, level = NEEDS[verb]
    require(user, permission)
    visible = set(TableMapping.objects.visible_to(user, level).values_list("pk", flat=True)) if user else None
    found = couplings.order_by().values_list("pk", "mapping_id").iterator(chunk_size=5000)
    chosen = {pk: mapping for pk, mapping in found if visible is None or mapping in visible}
    may_bulk(user, len(chosen))
    if not chosen:
        raise RightMissing(permission)
    return start_frozen(verb, chosen, user=user, options=options or {}, reverse=verb == "delete")


def start_frozen(
    verb: str, chosen: Mapping[int, int], *, user: Any, options: dict[str, Any], reverse: bool
) -> SynchJob:
    """A job of these records (coupling → its mapping, by id); several mappings get a child each, in order of references.

    The caller has asked for the rights, and has looked the ids up once: a list's condition may join its tables several
    times over, and asked again inside other queries it has taken minutes while the database's statistics were young.
    """
    pressed = timezone.now()
    common: dict[str, Any] = {
        "verb": verb,
        "scope": SynchJob.Scope.ITEMS,
        "requested_by": user,
        "origin": SynchJob.Origin.PERSON if user else SynchJob.Origin.COMMAND,
        "options": {**options, "manual": True},
        "pressed_at": pressed,
    }
    of_mapping: dict[int, list[int]] = {}
    for pk in sorted(chosen):
        of_mapping.setdefault(chosen[pk], []).append(pk)
    mappings = parents_first(TableMapping.objects.filter(pk__in=of_mapping), reverse=reverse)
    parent = None
    if len(mappings) > 1:
        parent = SynchJob.objects.create(**common, state=SynchJob.State.RUNNING, started_at=pressed)
    children = []
    for mapping in mappings:
        child = SynchJob.objects.create(mapping=mapping, parent=parent, **common)
        child.total = _freeze(child, of_mapping[mapping.pk])
        child.save(update_fields=["total"])
        children.append(child)
    if parent is not None:
        parent.total = sum(child.total or 0 for child in children)
        parent.save(update_fields=["total"])
    kick_on_commit()
    return parent or children[0]


def _freeze(job: SynchJob, couplings: Sequence[int]) -> int:
    """An item per record; those in another unfinished bulk are closed at once. Gives the number of items."""
    busy = dict(
        JobItem.objects.filter(
            mapping=job.mapping,
            purpose=JobItem.Purpose.CHOSEN,
            state=JobItem.State.OPEN,
            job__state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING),
        )
        .exclude(job=job)
        .values_list("coupling_id", "job_id")
    )
    named = Coupling.objects.only("left_key", "left_name", "left_id", "right_key", "right_name", "right_id")
    n = 0
    for start in range(0, len(couplings), 5000):
        batch = [
            JobItem(
                job=job,
                mapping=job.mapping,
                coupling=coupling,
                title=str(coupling),
                purpose=JobItem.Purpose.CHOSEN,
                state=JobItem.State.NOT_APPLICABLE if coupling.pk in busy else JobItem.State.OPEN,
                note=f"in_job:{busy[coupling.pk]}" if coupling.pk in busy else "",
            )
            for coupling in named.filter(pk__in=couplings[start : start + 5000]).order_by("pk")
        ]
        JobItem.objects.bulk_create(batch)
        n += len(batch)
    return n


def parents_first(mappings: Iterable[TableMapping], *, reverse: bool) -> list[TableMapping]:
    """Mappings in the order of their references; for deletions the other way round."""
    ordered = list(order_of(list(mappings)))
    return ordered[::-1] if reverse else ordered

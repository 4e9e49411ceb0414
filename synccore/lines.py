"""Parts of one press: how the last of them ends it, and how a line of a full synchronization goes on by itself."""

from __future__ import annotations

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Sum

from synccore.models import SynchJob
from synccore.models.job import EXTRAS, OUTCOMES

#: So often another full synchronization may be queued while a line takes the waiting one over.
TURNS: Final = 5


def end_parent(parent_id: int, at: Any) -> None:
    """The last child ends the press: counters are the children's sum."""
    parent = SynchJob.objects.select_for_update().get(pk=parent_id)
    children = parent.children.all()
    if children.unfinished().exists() or not parent.is_unfinished:
        return
    sums = children.aggregate(**{name: Sum(name) for name in (*OUTCOMES, *EXTRAS)})
    for name, n in sums.items():
        setattr(parent, name, n or 0)
    # A line of a full synchronization that was run again, or went on, is judged by its last job.
    later = children.filter(is_line=True, mapping=OuterRef("mapping"), pk__gt=OuterRef("pk"))
    last = children.filter(~Exists(later))
    failed = last.filter(state=SynchJob.State.FAILED).first()
    if failed is not None:
        parent.kind, parent.code, parent.params = failed.kind, failed.code, failed.params
    all_cancelled = not last.exclude(state=SynchJob.State.CANCELLED).exists()
    parent.state = (
        SynchJob.State.FAILED
        if failed
        else SynchJob.State.CANCELLED
        if all_cancelled
        else SynchJob.State.FINISHED
    )
    parent.finished_at = at
    parent.save()


def go_on(coupling: SynchJob, at: Any) -> SynchJob | None:
    """The match-based coupling of a line is over: queue the line's full synchronization, which waits for what it waited for.

    Call it in the transaction that ends the coupling, so that there is never the one without the other. None where the
    press was cancelled meanwhile. A full synchronization of the mapping that waits already is taken over: it might begin
    in the middle, and would not stand behind the coupling.

    Raises IntegrityError where others queued one ``TURNS`` times in between: nothing is stored then, and whoever takes the
    coupling over tries to end it again, as often as a job may lose its worker.
    """
    parent = SynchJob.objects.select_for_update().get(pk=coupling.parent_id)
    if parent.cancel_requested_at is not None:
        return None
    waiting = SynchJob.objects.filter(
        verb="synchronise",
        scope=SynchJob.Scope.FULL,
        mapping=coupling.mapping_id,
        state=SynchJob.State.QUEUED,
    )
    for turn in range(TURNS):
        try:
            with transaction.atomic():
                twins = list(waiting.select_for_update())
                waiting.update(state=SynchJob.State.CANCELLED, finished_at=at, code="taken_over")
                job = SynchJob.objects.create(
                    verb="synchronise",
                    scope=SynchJob.Scope.FULL,
                    mapping_id=coupling.mapping_id,
                    parent=parent,
                    is_line=True,
                    requested_by=coupling.requested_by,
                    origin=coupling.origin,
                    pressed_at=coupling.pressed_at,
                )
                break
        except IntegrityError:  # another one was queued between the two statements
            if turn + 1 == TURNS:
                raise
    job.needs.set(coupling.needs.all())
    SynchJob.objects.filter(pk__in=[twin.pk for twin in twins]).update(params={"job": job.pk})
    for twin in twins:
        if twin.parent_id is not None:
            end_parent(twin.parent_id, at)
    return job

"""Cleaning up the diary, and bringing back what was deleted. Problems, skips and conflicts never change by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, UUIDField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone

from synccore.models import DeletedEntry, SynchJob, SynchJobError
from synccore.verbs.clean_up import KEPT_DELETED, in_reach, purgeable

from .jobs import start_job
from .rights import require

#: A clean-up of chosen entries names them one by one; more than this is a clean-up by age, or of all.
MOST_CHOSEN: Final = 10_000


def count_old_entries(
    *, user: Any, older_than: datetime | None = None, ids: Sequence[int] | None = None
) -> tuple[int, int]:
    """Preview of a clean-up: (entries it deletes, entries in its range that are still relevant and stay)."""
    entries = SynchJobError.objects.visible_to(user)
    if ids is not None:
        entries = entries.filter(pk__in=ids)
    goes = purgeable(entries, older_than=older_than, include_relevant=False).count()
    everything = purgeable(entries, older_than=older_than, include_relevant=True).count()
    return goes, everything - goes


@transaction.atomic
def delete_old_entries(
    *,
    user: Any,
    older_than: datetime | None = None,
    ids: Sequence[int] | None = None,
    include_relevant: bool = False,
) -> SynchJob:
    """Start a clean-up job. ``older_than``: a moment (7 × 24 hours before the click), None for all entries; ``ids``: only
    these, at most :data:`MOST_CHOSEN`.

    The job's option ``purge`` is the id by which :func:`undo_purge` brings them back. Raises RightMissing; ValueError for
    too many ids.
    """
    require(user, "synccore.clean_up")
    chosen = _few(ids)
    return start_job(
        verb="purge",
        scope=SynchJob.Scope.ITEMS,
        user=user,
        options={
            "older_than": older_than.isoformat() if older_than else None,
            "include_relevant": include_relevant,
            "purge": str(uuid4()),
            **({"ids": chosen} if chosen is not None else {}),
        },
    )


@transaction.atomic
def undo_purge(purge: UUID | str, *, user: Any) -> SynchJob:
    """Start a job that brings back what one clean-up deleted.

    Raises RightMissing; LookupError when nothing is left of it.
    """
    require(user, "synccore.clean_up")
    if not DeletedEntry.objects.visible_to(user).filter(purge=UUID(str(purge))).exists():
        raise LookupError(str(purge))
    return start_job(verb="undo_purge", scope=SynchJob.Scope.ITEMS, user=user, options={"purge": str(purge)})


@transaction.atomic
def bring_back(ids: Sequence[int], *, user: Any) -> SynchJob:
    """Start a job that brings chosen deleted entries back. Raises RightMissing; LookupError when none of them is there;
    ValueError for more than :data:`MOST_CHOSEN`."""
    require(user, "synccore.clean_up")
    chosen = _few(ids) or []
    if not DeletedEntry.objects.visible_to(user).filter(pk__in=chosen).exists():
        raise LookupError
    return start_job(verb="undo_purge", scope=SynchJob.Scope.ITEMS, user=user, options={"ids": chosen})


def clean_ups(user: Any) -> QuerySet[SynchJob]:
    """The clean-ups of which something can still be brought back, newest first."""
    left = DeletedEntry.objects.visible_to(user).filter(
        purge=Cast(KeyTextTransform("purge", OuterRef("options")), UUIDField())
    )
    since = timezone.now() - KEPT_DELETED
    return (
        SynchJob.objects.filter(verb="purge", deleted__gt=0, finished_at__gte=since)
        .filter(Exists(left))
        .select_related("requested_by")
        .order_by("-queued_at", "-pk")
    )


def kept_by(job: SynchJob) -> QuerySet[Any]:
    """The entries in a clean-up's range that are in the diary still: those that it kept, or that were brought back."""
    found: QuerySet[Any] = in_reach(job)
    return found


def _few(ids: Sequence[int] | None) -> list[int] | None:
    if ids is not None and len(ids) > MOST_CHOSEN:
        raise ValueError(len(ids))
    return None if ids is None else list(ids)

"""Cleaning up the diary. Problems, skips and conflicts never change by it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from synccore.models import DeletedEntry, SynchJob, SynchJobError
from synccore.verbs.upkeep import purgeable

from .jobs import start_job
from .rights import require


def count_old_entries(*, user: Any, older_than: datetime | None) -> tuple[int, int]:
    """Preview of a clean-up: (entries it deletes, entries in its range that are still relevant and stay)."""
    entries = SynchJobError.objects.visible_to(user)
    goes = purgeable(entries, older_than=older_than, include_relevant=False).count()
    everything = purgeable(entries, older_than=older_than, include_relevant=True).count()
    return goes, everything - goes


@transaction.atomic
def delete_old_entries(*, user: Any, older_than: datetime | None, include_relevant: bool = False) -> SynchJob:
    """Start a clean-up job. ``older_than``: a moment (7 × 24 hours before the click), None for all entries.

    The job's option ``purge`` is the id by which :func:`undo_purge` brings them back. Raises RightMissing.
    """
    require(user, "synccore.clean_up")
    return start_job(
        verb="purge",
        scope=SynchJob.Scope.ITEMS,
        user=user,
        options={
            "older_than": older_than.isoformat() if older_than else None,
            "include_relevant": include_relevant,
            "purge": str(uuid4()),
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

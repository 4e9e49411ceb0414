"""What the diary keeps besides the entries."""

from __future__ import annotations

from collections.abc import Iterable

from errors.models import Cause
from synccore.models import SynchJobError


def keep_causes(entries: Iterable[SynchJobError]) -> None:
    """Store the causes among these entries that are not known yet. One statement, safe beside other workers: rows go in by
    fingerprint, so that two pages with the same new causes wait for one another instead of locking each other out."""
    causes = {
        entry.fingerprint: Cause(
            fingerprint=entry.fingerprint,
            kind=entry.kind,
            code=entry.code,
            params=entry.params,
            sample=entry.app_message,
            first_seen=entry.at,
        )
        for entry in entries
    }
    Cause.objects.bulk_create((causes[key] for key in sorted(causes)), ignore_conflicts=True)

"""How many records each side of a mapping holds in its filter, as complete readings met them."""

from __future__ import annotations

from datetime import datetime

from synccore.models import RecordCount
from synccore.shapes import Side

from .run import Run


def keep_count(run: Run, side: Side, n: int, at: datetime) -> None:
    """Remember what a complete reading of one side met. Called in a page transaction."""
    RecordCount.objects.update_or_create(
        mapping=run.mapping,
        defaults={side.value: n, f"{side.value}_at": at, "revision": run.job.mapping_revision},
    )

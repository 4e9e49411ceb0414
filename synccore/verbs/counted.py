"""How many records each side of a mapping holds in its filter, for *Full synchronization*: read page by page, ids only."""

from __future__ import annotations

from datetime import datetime

from synccore.models import RecordCount
from synccore.shapes import SIDES, Side

from .run import Run


def count_records(run: Run) -> None:
    """Count both sides. It writes to no app. Raises Failure where one cannot be read; a side that was counted stays."""
    rules = run.rules.rules
    for side in SIDES:
        n, position = 0, None
        while True:
            run.between_pages()
            with run.remote(side) as connector:
                page = connector.versions(rules.table(side), rules.filter(side), position)
            n += len(page.versions)
            if page.complete:
                break
            position = page.cursor
        with run.page() as at:
            keep_count(run, side, n, at)


def keep_count(run: Run, side: Side, n: int, at: datetime) -> None:
    """Remember what a complete reading of one side met. Called in a page transaction."""
    RecordCount.objects.update_or_create(
        mapping=run.mapping,
        defaults={side.value: n, f"{side.value}_at": at, "revision": run.job.mapping_revision},
    )

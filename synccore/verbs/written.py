"""What a job had written before its worker died. Its records say that it was done, whatever became of the right to it since,
and it is not mistaken for a change behind somebody's back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from synccore.models import JobItem, Journal, SynchJob

from .run import Run

#: The counter of what was written.
OUTCOMES: Final = {
    Journal.Operation.UPDATE: "modified",
    Journal.Operation.CREATE: "inserted",
    Journal.Operation.DELETE: "deleted",
}


def written(run: Run, chosen: Iterable[JobItem]) -> dict[int, Journal]:
    """Items (by id) for whose pair this job has carried out all that it had intended, with the last row of that. Of one that
    was written to one app and not to the other nothing is said.

    Intentions without an answer were settled before (``resume.settle_open``).
    """
    of_pair = {item.coupling_id: item.pk for item in chosen if item.coupling_id}
    rows = run.job.journal.filter(coupling__in=list(of_pair), operation__in=OUTCOMES).order_by("pk")
    last: dict[int, dict[str, Journal]] = {}
    for row in rows:
        assert row.coupling_id is not None
        last.setdefault(of_pair[row.coupling_id], {})[row.side] = row
    return {
        item: max(sides.values(), key=lambda row: row.pk)
        for item, sides in last.items()
        if all(row.state == Journal.State.DONE for row in sides.values())
    }


def close_written(run: Run, chosen: Iterable[JobItem]) -> list[JobItem]:
    """Items whose records were written end as done, and are counted; gives them. The run that follows looks at the records
    and ends what stood open about them: settling has left it to find them."""
    by_id = {item.pk: item for item in chosen}
    found = written(run, by_id.values())
    if not found:
        return []
    with run.page():
        for pk, row in found.items():
            by_id[pk].state, by_id[pk].note = JobItem.State.DONE, ""
            run.count(OUTCOMES[Journal.Operation(row.operation)], row.side)
        done = [by_id[pk] for pk in found]
        JobItem.objects.bulk_update(done, ["state", "note"])
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.DUE.value))
    return done

"""*Records to be synchronized*: a dry run as a job, whose result people look at. It writes to no app and to no memory."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from synccore.models import PlannedRecord, SynchJob
from synccore.models.job import OUTCOMES
from synccore.shapes import Side

from .dry_run import DryRun, Planned
from .run import Run

#: So many records are kept; the others are counted.
KEPT: Final = 5_000
#: Stored at a time; cancelling is looked at in between.
BATCH: Final = 200


def dry_run(run: Run) -> None:
    """Take every record that the next run (scope ``full``: a full synchronization) would take, and keep what it would do.

    Raises Failure where a run could not go on either, Cancelled between two batches.
    """
    PlannedRecord.objects.filter(mapping=run.mapping).exclude(job=run.job).delete()
    PlannedRecord.objects.filter(job=run.job).delete()  # of a worker that was lost
    since = {Side(side): datetime.fromisoformat(at) for side, at in run.job.options.get("since", {}).items()}
    full = run.job.scope == SynchJob.Scope.FULL
    plan = DryRun(
        run.mapping,
        full=full,
        since=since,
        connect=lambda _mapping, side: run.connector(side),  # closed with the run
        renew=run.renew,
    )
    kept = 0
    batch: list[PlannedRecord] = []

    def store() -> None:
        nonlocal kept
        with run.page():
            PlannedRecord.objects.bulk_create(batch[: max(0, KEPT - kept)])
        kept += len(batch)
        batch.clear()
        run.between_pages()

    for planned in plan.steps():
        batch.append(_row(run.job, planned))
        if len(batch) == BATCH:
            store()
    stop = plan.stop()
    run.has_asked(plan.asked)
    # Kept apart from the counters of jobs that did something: nothing was inserted, and nothing failed.
    run.job.options["counts"] = {name: plan.counters[name] for name in OUTCOMES if plan.counters[name]}
    run.job.total = sum(run.job.options["counts"].values())
    store()
    if kept > KEPT:
        run.log("not_all_kept", n=kept - KEPT)
    if stop is not None:
        run.log(stop.code, **stop.params)
        run.job.options["stop"] = {"code": stop.code, "params": stop.params, "kind": stop.kind.value}
    run.job.save(update_fields=["options", "total"])


def _row(job: SynchJob, planned: Planned) -> PlannedRecord:
    failure = planned.failure
    return PlannedRecord(
        job=job,
        mapping=job.mapping,
        title=planned.title,
        step=planned.kind.value,
        why=planned.why[:60],
        side=planned.side.value if planned.side else "",
        writes={side.value: dict(fields) for side, fields in planned.writes.items()},
        kind=failure.kind.value if failure else "",
        code=failure.code if failure else "",
        params=failure.params if failure else {},
    )

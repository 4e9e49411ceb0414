"""Verbs that look after the set-up: check, allow once."""

from __future__ import annotations

from synccore.failures import Kind
from synccore.models import JobQueueEntry, Problem, SynchJob
from synccore.shapes import SIDES

from .clocks import measure
from .mended import CHECKABLE, put_right
from .resume import settle_open
from .run import Run
from .sweep import sweep
from .synchronise import collected


def check(run: Run) -> None:
    """Do both apps answer, and may the integration user do on the mapping's tables what it needs? What held the mapping is
    over if they do. Measures each app's clock.

    Raises Failure as the connectors do: the problem goes on.
    """
    rules = run.rules.rules
    for side in SIDES:
        with run.remote(side) as connector:
            connector.check(None)
    with run.page() as at:
        # The apps answer. What their tables refuse is this mapping's own trouble and must not hold the others.
        put_right(run, at, CHECKABLE, asked=SIDES, whole_mapping=False)
    for side in SIDES:
        with run.remote(side) as connector:
            connector.check(rules.table(side), write=rules.direction.allows(side))
        measure(run, side)
    with run.page() as at:
        put_right(run, at, CHECKABLE, asked=SIDES)
        # Records that one missing right held back are tried again now that the table's rights are there.
        Problem.objects.of_records().filter(
            mapping=run.mapping, kind=Kind.MISCONFIGURED.value, state=Problem.State.SKIPPED, attempts=1
        ).update(next_attempt=at)
        JobQueueEntry.objects.filter(mapping=run.mapping, status=JobQueueEntry.Status.ERROR).update(
            status=JobQueueEntry.Status.READY, next_run=at
        )
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.CHANGES.value))


def allow_once(run: Run) -> None:
    """Carry out what a brake held back: the same set, once; option ``reason`` is kept with the job."""
    settle_open(run)
    run.log("allowed_once", reason=run.job.options.get("reason", ""), job=run.job.options.get("job"))
    if run.job.options.get("code") == "side_empty":
        _sweep_empty(run)
        return
    collected(run, released=True)
    _end_brake(run)


def _sweep_empty(run: Run) -> None:
    run.job.options["allow_empty"] = True
    sweep(run)
    _end_brake(run)


def _end_brake(run: Run) -> None:
    with run.page() as at:
        held = Problem.objects.not_ended().of_setup().filter(mapping=run.mapping, kind=Kind.STOPPED.value)
        run.end(held, Problem.Ending.ACCEPTED, at)
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.CHANGES.value))

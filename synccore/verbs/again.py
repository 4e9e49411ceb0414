"""Verbs that take back what a person decided: records left out on purpose, couplings that were removed."""

from __future__ import annotations

from collections.abc import Iterator

from synccore.models import JobItem, Problem
from synccore.models.job import SynchJob

from . import problems
from .chosen import allowed
from .run import Run
from .synchronise import open_items


def chosen_pages(run: Run) -> Iterator[list[JobItem]]:
    """The job's items page by page; all of them end here where the person lost the right."""
    if not allowed(run):
        n = run.job.items.filter(state=JobItem.State.OPEN).update(
            state=JobItem.State.NOT_APPLICABLE, note="right_missing"
        )
        run.log("right_missing", n=n)
        return
    for page in open_items(run, JobItem.Purpose.CHOSEN):
        run.between_pages()
        yield page


def take_back(run: Run) -> None:
    """Records left out on purpose synchronise again: they are tried in the run that follows."""
    for page in chosen_pages(run):
        wanted = {item.coupling_id: item for item in page}
        with run.page() as at:
            found = Problem.objects.select_for_update().filter(
                coupling__in=list(wanted), state=Problem.State.ON_PURPOSE
            )
            for problem in found:
                problems.bring_back(problem, tally=run.tally, now=at)
                wanted.pop(problem.coupling_id).state = JobItem.State.DONE
                run.count("waiting")
            for item in wanted.values():
                item.state, item.note = JobItem.State.NOT_APPLICABLE, "not_left_out"
            JobItem.objects.bulk_update(page, ["state", "note"])
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.DUE.value))

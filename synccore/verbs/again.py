"""Verbs that take back what a person decided: records left out on purpose, couplings that were removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from synccore.models import Coupling, JobItem, Journal, Problem, SynchJob
from synccore.models.bulk import update
from synccore.shapes import SIDES, Side

from . import items, problems
from .chosen import right_is_gone
from .run import Run
from .store import note_all, note_in_journal
from .synchronise import open_items


def chosen_pages(run: Run) -> Iterator[list[JobItem]]:
    """The job's items page by page; all of them end here where the person lost the right."""
    if right_is_gone(run):
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
            for problem in found.order_by("pk"):
                problems.bring_back(problem, tally=run.tally, now=at)
                wanted.pop(problem.coupling_id).state = JobItem.State.DONE
                run.count("waiting")
            for item in wanted.values():
                item.state, item.note = JobItem.State.NOT_APPLICABLE, "not_left_out"
            JobItem.objects.bulk_update(page, ["state", "note"])
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.DUE.value))


def couple_again(run: Run) -> None:
    """Couplings that were removed are there again, with what the two last agreed on: the run that follows looks at both."""
    for page in chosen_pages(run):
        couplings = Coupling.objects.in_bulk([item.coupling_id for item in page if item.coupling_id])
        removals = _removals(couplings)
        back: list[Coupling] = []
        with run.page() as at:
            held = _held(run, couplings.values())
            for item in page:
                coupling = couplings.get(item.coupling_id or 0)
                note = _in_the_way(coupling, held)
                if note or coupling is None:
                    item.state, item.note = JobItem.State.NOT_APPLICABLE, note
                    continue
                held |= _records(coupling)
                back.append(coupling)
                item.state = JobItem.State.DONE
            _put_back(run, back, removals, at)
            JobItem.objects.bulk_update(page, ["state", "note"])
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.DUE.value))


def _put_back(run: Run, back: list[Coupling], removals: dict[int, list[int]], at: datetime) -> None:
    Coupling.objects.filter(pk__in=[each.pk for each in back]).update(removed_at=None, removed_by=None)
    rows = note_all(run, back, Side.LEFT, Journal.Operation.RECOUPLE, at)
    taken_back = [
        (row, by.pk) for coupling, by in zip(back, rows, strict=True) for row in removals.get(coupling.pk, ())
    ]
    update(Journal, ("undone_by",), taken_back)
    items.find(run, [(each, side, each.of(side, "id")) for each in back for side in each.sides()])
    run.count("coupled", n=len(back))
    run.count("unchanged", n=len(back))


def _records(coupling: Coupling) -> set[tuple[Side, str]]:
    return {(side, str(coupling.of(side, "id"))) for side in coupling.sides()}


def _held(run: Run, couplings: Iterable[Coupling]) -> set[tuple[Side, str]]:
    """Those of the records of these removed couplings that stand in another one by now; a query per side."""
    held: set[tuple[Side, str]] = set()
    records = {record for coupling in couplings for record in _records(coupling)}
    for side in SIDES:
        ids = [id for of, id in records if of is side]
        live = Coupling.objects.live().filter(mapping=run.mapping, **{f"{side.value}_id__in": ids})
        held.update((side, id) for id in live.values_list(f"{side.value}_id", flat=True))
    return held


def _removals(couplings: Iterable[int]) -> dict[int, list[int]]:
    """Coupling → the journal rows that took it apart and that nothing has taken back; one query."""
    rows = Journal.objects.filter(
        coupling__in=list(couplings), operation=Journal.Operation.UNCOUPLE, undone_by=None
    )
    found: dict[int, list[int]] = {}
    for coupling, pk in rows.values_list("coupling_id", "pk"):
        found.setdefault(coupling, []).append(pk)
    return found


def _in_the_way(coupling: Coupling | None, held: set[tuple[Side, str]]) -> str:
    """Why a removed coupling cannot come back; "" where it can."""
    if coupling is None or coupling.ended_at is not None:
        return "coupling ended"
    if coupling.removed_at is None:
        return "not_removed"
    return "coupled_since" if held & _records(coupling) else ""


def allow_again(run: Run) -> None:
    """The mark *not to be coupled by itself* goes: the two records are like any others, and a sweep finds them."""
    for page in chosen_pages(run):
        couplings = Coupling.objects.in_bulk([item.coupling_id for item in page if item.coupling_id])
        with run.page() as at:
            for item in page:
                coupling = couplings.get(item.coupling_id or 0)
                if coupling is None or coupling.ended_at is not None or coupling.removed_at is None:
                    item.state, item.note = JobItem.State.NOT_APPLICABLE, "not_removed"
                    continue
                coupling.removed_at, coupling.removed_by, coupling.ended_at = None, None, at
                coupling.save(update_fields=["removed_at", "removed_by", "ended_at"])
                note_in_journal(run, coupling, Side.LEFT, Journal.Operation.END, at)
                run.count("unchanged")
                item.state = JobItem.State.DONE
            JobItem.objects.bulk_update(page, ["state", "note"])
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.SWEEP.value))

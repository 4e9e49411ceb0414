"""Undo what a job wrote, record by record (ENGINE §6).

A record is put back as a whole or left alone: if anything the job wrote is not as it left it, its item ends as *changed
since* and names the fields. Options: ``undo`` (ids of the jobs), ``journal`` (ids of rows, where not all of them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction

from synccore.failures import Stale
from synccore.models import Coupling, JobItem, Journal, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.shapes import SIDES, Record, Side

from . import items, undone
from .candidate import Candidate, Write
from .page import ROUNDS, decide_all
from .resume import settle_open
from .run import Run
from .select import attach_problems
from .store import note_in_journal
from .synchronise import open_items
from .undo_plan import Undoing, plan, read_both, taken
from .write import intend, send, settle
from .written import OUTCOMES

#: The right to undo is the right of what is undone; of what a run did by itself, the right that undoing it amounts to.
_BY_VERB: Final = {
    "restore": ("synccore.restore_records", GrantLevel.DELETE),
    "delete": ("synccore.delete_records", GrantLevel.DELETE),
    "uncouple": ("synccore.remove_coupling", GrantLevel.RESOLVE),
    "edit": ("synccore.edit_record", GrantLevel.RESOLVE),
}
_BY_OPERATION: Final = {
    Journal.Operation.UPDATE: ("synccore.synchronize", GrantLevel.RESOLVE),
    Journal.Operation.CREATE: ("synccore.delete_records", GrantLevel.DELETE),
    Journal.Operation.DELETE: ("synccore.restore_records", GrantLevel.DELETE),
    Journal.Operation.UNCOUPLE: ("synccore.remove_coupling", GrantLevel.RESOLVE),
    Journal.Operation.COUPLE: ("synccore.remove_coupling", GrantLevel.RESOLVE),
}


def right_to_undo(verb: str, operation: str) -> tuple[str, GrantLevel]:
    """Permission and level of grant that undoing one row of such a job needs."""
    return _BY_VERB.get(verb) or _BY_OPERATION[Journal.Operation(operation)]


def rows_of(options: Mapping[str, Any]) -> Any:
    """The journal rows an undo is about, whatever became of them since."""
    rows = Journal.objects.written().filter(job__in=options["undo"])
    return rows.filter(pk__in=options["journal"]) if options.get("journal") is not None else rows


def undo(run: Run) -> None:
    """Take back what the jobs of option ``undo`` wrote. Every item ends with a result."""
    settle_open(run)
    for chosen in open_items(run, JobItem.Purpose.CHOSEN):
        run.between_pages()
        _page(run, chosen)


def _page(run: Run, chosen: Sequence[JobItem]) -> None:
    found = _load(run, chosen)
    writes: list[Write] = []
    stopped = None
    todo = [each for each in found if each.is_open and each.wrote and not _is_uncoupling(each)]
    for _round in range(ROUNDS + 1):
        read_both(run, todo)
        now = [write for each in todo for write in plan(run, each)]
        with transaction.atomic():
            intend(run, now)
            _mark(todo, now)
        writes += now
        stopped = send(run, now)
        todo = [each for each in todo if any(isinstance(w.failure, Stale) for w in each.candidate.writes)]
        if stopped or not todo or _round == ROUNDS:
            break
    halves = [each for each in found if _take_over(each)]
    if not stopped:
        decide_all(run, [each.candidate for each in halves])
    with run.page() as at:
        for each in found:
            if each.is_open and _is_uncoupling(each):
                _recouple(run, each, at)
            else:
                _remember(run, each, at, half=each in halves and not stopped)
        settle(run, writes)
        JobItem.objects.bulk_update([each.item for each in found], ["state", "note"])
    if stopped is not None:
        raise stopped
    _look_up_unanswered(run, found)


def _look_up_unanswered(run: Run, found: Sequence[Undoing]) -> None:
    """Writes without an answer are looked up at once, so that the item says what came of them."""
    unknown = {
        write.row.pk: each
        for each in found
        for write in each.candidate.writes
        if write.row is not None and write.row.state == Journal.State.UNKNOWN
    }
    if not unknown:
        return
    settle_open(run)
    for row in Journal.objects.filter(pk__in=unknown, state=Journal.State.DONE):
        unknown[row.pk].close(JobItem.State.DONE)
    JobItem.objects.bulk_update({each.item for each in unknown.values()}, ["state", "note"])


def _load(run: Run, chosen: Sequence[JobItem]) -> list[Undoing]:
    """The items with their pairs and rows; those for which there is nothing to do end here."""
    pairs = Coupling.objects.in_bulk([item.coupling_id for item in chosen if item.coupling_id])
    rows: dict[int, list[Journal]] = defaultdict(list)
    written = rows_of(run.job.options).filter(mapping=run.mapping, coupling__in=pairs)
    # Not joined: the journal would be read anew for each of its rows while the database knows nothing of it.
    for row in written.prefetch_related("job", "undone_by").order_by("pk"):
        assert row.coupling_id is not None
        rows[row.coupling_id].append(row)
    may = _allowed(run)
    found = []
    for item in chosen:
        coupling = pairs.get(item.coupling_id or 0)
        if coupling is None:
            run.no_longer(item, "coupling ended")
            continue
        side = Side.LEFT if coupling.left_id is not None else Side.RIGHT
        each = Undoing(Candidate(origin=side, coupling=coupling, item=item), rows[coupling.pk])
        done = [row for row in each.rows if row.is_undone]
        each.rows = [row for row in each.rows if row not in done]
        if not each.rows:
            mine = bool(done) and all(row.undone_by and row.undone_by.job_id == run.job.pk for row in done)
            each.close(
                JobItem.State.DONE if mine else JobItem.State.NOT_APPLICABLE, "" if mine else "undone_already"
            )
        elif not all(may(row) for row in each.rows):
            each.close(JobItem.State.NOT_APPLICABLE, "right_missing")
        elif each.coupled and (coupling.removed_at is not None or coupling.ended_at is not None):
            each.close(JobItem.State.NOT_APPLICABLE, "removed" if coupling.removed_at else "coupling ended")
        found.append(each)
    attach_problems([each.candidate for each in found])
    return found


def _is_uncoupling(each: Undoing) -> bool:
    return any(row.operation == Journal.Operation.UNCOUPLE for row in each.rows)


def _allowed(run: Run) -> Any:
    """Whether the person may (still) take back a row; asked once per right."""
    person = run.job.requested_by
    known: dict[tuple[str, GrantLevel], bool] = {}

    def may(row: Journal) -> bool:
        if person is None:
            return run.job.origin != run.job.Origin.PERSON
        need = right_to_undo(row.job.verb, row.operation)
        if need not in known:
            mapping = TableMapping.objects.visible_to(person, need[1]).filter(pk=run.mapping.pk)
            known[need] = person.has_perm(need[0]) and mapping.exists()
        return known[need]

    return may


# -- what came of it ---------------------------------------------------------------------------------------------------


def _mark(todo: Sequence[Undoing], writes: Sequence[Write]) -> None:
    """The rows that are taken back name the row that does it, as soon as it is intended: nobody does it a second time."""
    rows = {(write.candidate.item, write.side): write.row for write in writes}
    marked = []
    for each in todo:
        for row in each.rows:
            by = rows.get((each.item, Side(row.side)))
            if by is not None and row not in each.coupled:
                row.undone_by = by
                marked.append(row)
    Journal.objects.bulk_update(marked, ["undone_by"])


def _take_over(each: Undoing) -> bool:
    """Put deletions and creations that happened into the pair, so that it can be decided. True if there was one."""
    half = False
    for write in each.candidate.writes:
        if not write.sent or write.failure is not None:
            continue
        record = write.result if isinstance(write.result, Record) else None
        each.candidate.records[write.side] = record
        if write.operation == Journal.Operation.DELETE:
            undone.deletion(each.coupling, write.side)
            half = True
        elif write.operation == Journal.Operation.CREATE and record is not None:
            undone.creation(each.coupling, write.side, record)
            half = True
    return half


def _remember(run: Run, each: Undoing, at: Any, *, half: bool) -> None:
    """Store one record's result: its pair's memory, what stands open about it, counters and item."""
    coupling, candidate = each.coupling, each.candidate
    carried_out = all(write.sent and write.failure is None for write in candidate.writes)
    if each.is_open and each.coupled and carried_out:
        undone.coupled(run, candidate, each.coupled, at)
    if candidate.writes:
        of_edit = all(row.job.verb in undone.EDITS for row in each.rows)
        for write in candidate.writes:
            if write.operation == Journal.Operation.UPDATE and isinstance(write.result, Record):
                undone.update(run, coupling, write.side, write.result, write.fields, of_edit=of_edit)
        coupling.save()
        if half and any(candidate.record(side) is None for side in SIDES):
            undone.half_there(run, candidate, at)
        else:
            if half:
                undone.whole_again(run, candidate, at)
            _for_the_next_run(run, coupling, candidate.writes[0].side)
    if each.is_open and all(write.sent for write in candidate.writes):
        _close(run, each)


def _for_the_next_run(run: Run, coupling: Coupling, side: Side) -> None:
    if coupling.removed_at is None and coupling.ended_at is None:
        known = side if coupling.of(side, "id") else side.other
        items.find(run, [(coupling, known, coupling.of(known, "id"))])


def _close(run: Run, each: Undoing) -> None:
    writes = each.candidate.writes
    if not writes:
        run.count("unchanged", each.rows[0].side)
        each.close(JobItem.State.DONE, "" if each.coupled else "as_before")
        return
    failed = next((write for write in writes if write.failure is not None), None)
    if failed is None:
        run.count(OUTCOMES[Journal.Operation(writes[-1].operation)], writes[-1].side)
        each.close(JobItem.State.DONE)
        return
    failure = failed.failure
    assert failure is not None
    run.count("waiting" if items.is_open_question(failure) else "failed", failed.side)
    each.close(JobItem.State.FAILED, "changed_too_often" if isinstance(failure, Stale) else failure.code)


def _recouple(run: Run, each: Undoing, at: Any) -> None:
    """Undo of Remove Coupling: memory and base images stand as they were left, only the mark goes."""
    coupling = each.coupling
    if coupling.removed_at is None or coupling.ended_at is not None:
        each.close(
            JobItem.State.NOT_APPLICABLE, "undone_already" if coupling.ended_at is None else "coupling ended"
        )
        return
    if coupling.left_id is not None and taken(coupling, Side.LEFT, coupling.left_id):
        each.close(JobItem.State.NOT_APPLICABLE, "coupled_since")
        return
    coupling.removed_at = coupling.removed_by = None
    coupling.save(update_fields=["removed_at", "removed_by"])
    side = each.candidate.origin
    by = note_in_journal(run, coupling, side, Journal.Operation.RECOUPLE, at)
    Journal.objects.filter(pk__in=[row.pk for row in each.rows]).update(undone_by=by)
    # What happened to the two while they were apart was passed over: the next run looks at both.
    items.find(run, [(coupling, each_side, coupling.of(each_side, "id")) for each_side in coupling.sides()])
    run.count("coupled", side.other)
    run.count("unchanged", side.other)
    each.close(JobItem.State.DONE)

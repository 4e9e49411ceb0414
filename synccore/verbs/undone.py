"""What a write that takes another one back leaves in the memory of its pair.

The next run must neither write again what was just taken back, nor carry it into the other app behind somebody's back:

- a field that flows both ways, where changes in both apps are asked about: the values of both apps count as edits
  (``TAKEN_BACK``), so the next run asks which one holds;
- such a field with an owner side, or under a policy that decides by itself, and a field that a person had edited on the
  record page: the memory stays, so that taking back is an edit like any other and flows by the rules;
- a one-way field or a constant: what stands there now is its base, and stays until its source changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from synccore.engine.compiled import CompiledField
from synccore.engine.rules import TAKEN_BACK, ConflictPolicy, DeletionPolicy, StepKind
from synccore.failures import Missing
from synccore.models import Coupling, Journal, Problem
from synccore.shapes import SIDES, Record, Side

from . import problems
from .candidate import Candidate
from .run import Run
from .store import note_in_journal

#: Verbs whose writes are edits of a person: nothing was agreed by them.
EDITS = ("edit",)


def update(
    run: Run, coupling: Coupling, side: Side, record: Record, names: Iterable[str], *, of_edit: bool
) -> None:
    """These fields of ``record`` were written back. ``of_edit``: what was taken back had been a person's edit."""
    if of_edit or coupling.ended_at or coupling.removed_at:
        return
    written = set(names)
    for each in run.rules.fields:
        if each.name(side) not in written:
            continue
        key = str(each.rule.id)
        if each.both_ways and _asks(run, each):
            for either in SIDES:
                coupling.put(either, "base", {**coupling.of(either, "base"), key: [TAKEN_BACK, None]})
        elif each.allows(side) and not each.both_ways:
            entry = [each.rule.revision, each.text(side, record)]
            coupling.put(side, "base", {**coupling.of(side, "base"), key: entry})


def _asks(run: Run, each: CompiledField) -> bool:
    return run.rules.rules.conflicts is ConflictPolicy.ASK and each.rule.owner is None


def deletion(coupling: Coupling, side: Side) -> None:
    """The record of ``side`` is gone again."""
    coupling.put(side, "exists", False)


def creation(coupling: Coupling, side: Side, record: Record) -> None:
    """The record of ``side`` is back, perhaps under another id; the pair is there again."""
    coupling.see(side, record)
    coupling.ended_at = None


def coupled(run: Run, candidate: Candidate, rows: Sequence[Journal], at: datetime) -> None:
    """The job had coupled the two: they are not any more, as before, and what stood open about the pair is over. Two that a
    person had taken apart before are apart again."""
    coupling = candidate.coupling
    assert coupling is not None
    if any(row.before.get("removed") for row in rows):
        coupling.removed_at, coupling.removed_by = at, run.job.requested_by
    else:
        coupling.ended_at = at
    coupling.save(update_fields=["removed_at", "removed_by", "ended_at"])
    if candidate.problem is not None:
        run.end([candidate.problem], Problem.Ending.REMOVED, at)
        candidate.problem = None
    by = note_in_journal(run, coupling, candidate.origin, Journal.Operation.END, at)
    Journal.objects.filter(pk__in=[row.pk for row in rows]).update(undone_by=by)
    run.count("uncoupled", candidate.origin.other)


def half_there(run: Run, candidate: Candidate, at: datetime) -> None:
    """One record of the pair is there and one is not, by a person's will: what the next run would do about it.

    Where it would ask, the problem stands at once. Where a policy would undo the undoing, the record is left out.
    """
    coupling, step, failure = candidate.coupling, candidate.step, candidate.failure
    assert coupling is not None
    if isinstance(failure, Missing):
        candidate.problem = problems.record_failure(
            job=run.job,
            tally=run.tally,
            entries=run.entries,
            mapping=run.mapping,
            coupling=coupling,
            problem=candidate.problem,
            failure=failure,
            destination=None,
            records=candidate.records,
            rules=run.rules,
            now=at,
        )
    elif failure is not None or (
        step is not None and step.kind in (StepKind.CREATE, StepKind.DELETE, StepKind.UNCOUPLE)
    ):
        leave_out(run, candidate, at)


def leave_out(run: Run, candidate: Candidate, at: datetime) -> None:
    assert candidate.coupling is not None
    reason = _("Undone by job %(n)s; the rules of the mapping would have done it again.") % {"n": run.job.pk}
    candidate.problem = problems.leave_out(
        candidate.coupling,
        candidate.problem,
        mapping=run.mapping,
        tally=run.tally,
        now=at,
        by=run.job.requested_by,
        reason=reason,
        until=None,
        job=run.job,
    )


def whole_again(run: Run, candidate: Candidate, at: datetime) -> None:
    """Both records are there: what stood open because one was not is over."""
    problem = candidate.problem
    if problem is not None and (problem.kind == Missing.kind.value or not problem.kind):
        run.end([problem], Problem.Ending.FIXED, at)
        candidate.problem = None


def settled(run: Run, row: Journal, done: bool, record: Record | None, at: datetime) -> bool:
    """A write that took others back got no answer, and was looked up now. Brings the memory up to it if it was carried out.

    False: ``row`` took nothing back.
    """
    undone = list(row.undoes.select_related("job"))
    if not undone:
        return False
    coupling, side = row.coupling, Side(row.side)
    if coupling is None or not done:
        return True
    if row.operation == Journal.Operation.UPDATE and record is not None:
        of_edit = all(each.job.verb in EDITS for each in undone)
        update(run, coupling, side, record, row.values, of_edit=of_edit)
    elif row.operation == Journal.Operation.CREATE and record is not None:
        creation(coupling, side, record)
    elif row.operation == Journal.Operation.DELETE:
        deletion(coupling, side)
    coupling.save()
    whole = all(coupling.of(each, "exists") for each in SIDES)
    if not whole and run.rules.rules.deletions is not DeletionPolicy.ASK:
        problem = Problem.objects.not_ended().filter(coupling=coupling).first()
        leave_out(run, Candidate(origin=side.other, coupling=coupling, problem=problem), at)
    return True

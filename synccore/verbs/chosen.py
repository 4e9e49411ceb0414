"""Verbs on records a person chose: resolve, restore, delete, couple, uncouple, leave out.

They run on the job's frozen items. Every item ends with a result; the rights of the person are checked again here, when
the job runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.utils.dateparse import parse_datetime

from synccore.engine.rules import DeletionPolicy, Resolution
from synccore.failures import Misconfigured, Scope
from synccore.models import Coupling, JobItem, Journal, Problem, SynchJob
from synccore.models.scoping import GrantLevel
from synccore.shapes import SIDES, Side

from . import items, problems
from .candidate import Candidate
from .elsewhere import coupled_elsewhere
from .lookup import complete
from .page import process
from .released import release
from .resume import settle_open
from .run import Run
from .select import attach_problems, from_couplings, from_items, read_uncoupled
from .store import note_in_journal
from .synchronise import open_items
from .written import close_written, written

#: Permission and level of grant that each verb needs.
NEEDS = {
    "synchronise": ("synccore.synchronize", GrantLevel.RESOLVE),
    "resolve": ("synccore.synchronize", GrantLevel.RESOLVE),
    "couple": ("synccore.couple", GrantLevel.RESOLVE),
    "match_couple": ("synccore.couple", GrantLevel.RESOLVE),
    "uncouple": ("synccore.remove_coupling", GrantLevel.RESOLVE),
    "leave_out": ("synccore.leave_out", GrantLevel.RESOLVE),
    "edit": ("synccore.edit_record", GrantLevel.RESOLVE),
    "take_back": ("synccore.leave_out", GrantLevel.RESOLVE),
    "couple_again": ("synccore.couple", GrantLevel.RESOLVE),
    "allow_again": ("synccore.remove_coupling", GrantLevel.RESOLVE),
    "find_deleted": ("synccore.synchronize", GrantLevel.RESOLVE),
    "restore": ("synccore.restore_records", GrantLevel.DELETE),
    "delete": ("synccore.delete_records", GrantLevel.DELETE),
}

#: Begins the note of an item whose record was not what the person saw any more.
CHANGED_MEANWHILE = "changed_meanwhile"


def allowed(run: Run, verb: str = "") -> bool:
    """Whether the person still has the right to the job's verb (or another one) on this mapping; jobs without a person are
    Tandem's own."""
    person = run.job.requested_by
    verb = verb or run.job.verb
    if person is None or verb not in NEEDS:
        return True
    permission, level = NEEDS[verb]
    return (
        person.has_perm(permission)
        and type(run.mapping).objects.visible_to(person, level).filter(pk=run.mapping.pk).exists()
    )


def right_is_gone(run: Run, *, writes: bool = False) -> bool:
    """Whether the person lost the right to the job's verb since the press: then its items end here.

    ``writes``: the verb writes to apps, and every intention was settled. What a worker had written before it died is done.
    """
    if allowed(run):
        return False
    if writes:
        for chosen in open_items(run, JobItem.Purpose.CHOSEN):
            close_written(run, chosen)
    rest = run.job.items.filter(purpose=JobItem.Purpose.CHOSEN, state=JobItem.State.OPEN)
    run.log("right_missing", n=rest.update(state=JobItem.State.NOT_APPLICABLE, note="right_missing"))
    return True


def _pages(run: Run, *, writes: bool = True) -> Any:
    """The job's items page by page, with problems attached; none where the right is gone (see there)."""
    if writes:
        settle_open(run)
    if right_is_gone(run, writes=writes):
        return
    for chosen in open_items(run, JobItem.Purpose.CHOSEN):
        run.between_pages()
        candidates = from_items(run, chosen)
        attach_problems(candidates)
        yield candidates


def _items_of(candidates: Sequence[Candidate]) -> list[JobItem]:
    return [candidate.item for candidate in candidates if candidate.item is not None]


def _not_applicable(candidates: Sequence[Candidate], note: str) -> None:
    """These items no longer apply; said on each."""
    closed = _items_of(candidates)
    for item in closed:
        item.state, item.note = JobItem.State.NOT_APPLICABLE, note
    JobItem.objects.bulk_update(closed, ["state", "note"])


def resolve(run: Run) -> None:
    """Choose the version to use in both apps: option ``side``, ``newest``, or ``units`` (unit → side) for one record;
    ``source``: a side whose values go to the other wherever they differ.

    With ``seen`` (side → ``seen.Seen``) the decision holds for what the person saw: both records are read again, and where
    a mapped field moved since, nothing more is written and the item says which.
    """
    options = run.job.options
    resolution = Resolution(
        side=Side(options["side"]) if options.get("side") else None,
        newest=bool(options.get("newest")),
        source=Side(options["source"]) if options.get("source") else None,
        units={unit: Side(side) for unit, side in options.get("units", {}).items()},
    )
    for candidates in _pages(run):
        done = written(run, _items_of(candidates))
        for candidate in candidates:
            if candidate.item is not None and candidate.item.pk in done:
                continue  # carried out by a worker that died: what moved since is for the rules
            candidate.resolution = resolution
            if options.get("seen"):
                candidate.seen = {Side(side): before for side, before in options["seen"].items()}
        process(run, candidates, carry_out=True, advance=partial(_close_changed, run, candidates))


def _close_changed(run: Run, candidates: Sequence[Candidate], _at: datetime) -> None:
    """Items of records that moved since the person looked: they say what moved, as ``changed_meanwhile:`` and JSON."""
    closed = []
    for candidate in candidates:
        if candidate.item is not None and candidate.changed:
            candidate.item.state = JobItem.State.NOT_APPLICABLE
            candidate.item.note = changed_note(run, candidate.changed)
            closed.append(candidate.item)
    JobItem.objects.bulk_update(closed, ["state", "note"])


def changed_note(run: Run, changed: Mapping[Side, Sequence[int]]) -> str:
    """``changed_meanwhile:{"right": ["phone", 2]}``: side → fields by their name, a number for how many more there are."""
    names = {each.rule.id: each for each in run.rules.fields}
    told: dict[str, list[str | int]] = {
        side.value: [str(names[rule].name(side)) for rule in rules] for side, rules in changed.items()
    }
    return items.named_note(CHANGED_MEANWHILE, told)


def synchronise_chosen(run: Run) -> None:
    """Try the chosen records now, by the rules of the mapping."""
    for candidates in _pages(run):
        process(run, candidates, carry_out=True)


def restore(run: Run) -> None:
    """Put back the deleted counterpart of coupled records."""
    _end_deletion(run, DeletionPolicy.RESTORE)


def delete(run: Run) -> None:
    """Delete the survivor of coupled records whose counterpart was deleted."""
    _end_deletion(run, DeletionPolicy.DELETE)


def _end_deletion(run: Run, policy: DeletionPolicy) -> None:
    for candidates in _pages(run):
        complete(run, candidates)
        done = written(run, _items_of(candidates))
        chosen: list[Candidate] = []
        others: list[Candidate] = []
        for candidate in candidates:
            if candidate.item is not None and candidate.item.pk in done:
                chosen.append(candidate)  # carried out by a worker that died: the memory is still to say so
                continue
            gone = [side for side in SIDES if side in candidate.records and candidate.records[side] is None]
            coupled = candidate.coupling is not None and not candidate.coupling.is_half
            (chosen if coupled and len(gone) == 1 else others).append(candidate)
            candidate.resolution = Resolution(deletion=policy)
        _not_applicable(others, "not_deleted")
        process(run, chosen, carry_out=True)


def uncouple(run: Run) -> None:
    """Remove Coupling: the records no longer synchronise and are marked *not to be coupled by itself*."""
    for candidates in _pages(run, writes=False):
        mine = [c for c in candidates if c.coupling is not None]
        _not_applicable([c for c in candidates if c.coupling is None], "not_coupled")
        with run.page() as at:
            for candidate in mine:
                _uncouple(run, candidate, at)
            JobItem.objects.bulk_update([c.item for c in mine if c.item], ["state", "note"])


def _uncouple(run: Run, candidate: Candidate, at: datetime) -> None:
    coupling = candidate.coupling
    assert coupling is not None
    coupling.removed_at, coupling.removed_by = at, run.job.requested_by
    coupling.save(update_fields=["removed_at", "removed_by"])
    if candidate.problem is not None:
        run.end([candidate.problem], Problem.Ending.REMOVED, at)
    note_in_journal(run, coupling, candidate.origin, Journal.Operation.UNCOUPLE, at)
    run.count("uncoupled", candidate.origin.other)
    run.count("unchanged", candidate.origin.other)
    if candidate.item is not None:
        candidate.item.state = JobItem.State.DONE


def leave_out(run: Run) -> None:
    """Leave records out on purpose: options ``reason`` and, if it is to end by itself, ``until`` (ISO)."""
    until = parse_datetime(run.job.options["until"]) if run.job.options.get("until") else None
    for candidates in _pages(run, writes=False):
        # A record that is not coupled gets half a coupling, which carries the decision.
        mine = read_uncoupled(run, candidates)
        with run.page() as at:
            for candidate in mine:
                if candidate.coupling is None:
                    candidate.coupling = _half(run, candidate)
                problems.leave_out(
                    candidate.coupling,
                    candidate.problem,
                    mapping=run.mapping,
                    tally=run.tally,
                    now=at,
                    by=run.job.requested_by,
                    reason=str(run.job.options.get("reason", "")),
                    until=until,
                    job=run.job,
                )
                run.count("skipped", candidate.origin.other)
                if candidate.item is not None:
                    candidate.item.state = JobItem.State.DONE
            JobItem.objects.bulk_update([c.item for c in mine if c.item], ["state", "note", "coupling"])


def _half(run: Run, candidate: Candidate) -> Coupling:
    record = candidate.record(candidate.origin)
    assert record is not None
    coupling = Coupling(mapping=run.mapping)
    coupling.see(candidate.origin, record)
    coupling.save()
    if candidate.item is not None:
        candidate.item.coupling = coupling
    return coupling


def couple(run: Run) -> None:
    """Couple one left record with one right record: options ``left``, ``right`` and ``prefer`` (the side that wins where
    they differ). Raises Misconfigured where a record is not there or is coupled already."""
    settle_open(run)
    options = run.job.options
    ids = {Side.LEFT: str(options["left"]), Side.RIGHT: str(options["right"])}
    if run.job.coupled:
        _go_on(run, ids)
        return
    if not allowed(run):
        run.log("right_missing", n=1)
        return
    prefer = Side(options["prefer"]) if options.get("prefer") else None
    coupling, spare = _coupling_for(run, ids)
    coupling.prefer = prefer.value if prefer else ""
    if (
        prefer is not None
    ):  # that side wins wherever they differ, whatever was agreed before the pair was taken apart
        coupling.left_base, coupling.right_base = {}, {}
    for side in SIDES:
        coupling.put(side, "id", ids[side])
    candidate = Candidate(origin=prefer or Side.LEFT, coupling=coupling)
    complete(run, [candidate])
    for side in SIDES:
        record = candidate.record(side)
        if record is None:
            raise Misconfigured(
                "record_not_found", {"side": side.value, "record": ids[side]}, scope=Scope.RECORD
            )
        coupling.see(side, record)
    with run.page() as at:
        for each in spare:
            run.end(Problem.objects.not_ended().filter(coupling=each), Problem.Ending.SUPERSEDED, at)
            each.ended_at = at
            each.save(update_fields=["ended_at"])
        coupling.save()
        run.count("coupled", candidate.origin.other)
        # What waited for one of them goes on, also where the two themselves still differ.
        release(run, {side: {ids[side]} for side in SIDES}, at)
    attach_problems([candidate])
    process(run, [candidate], carry_out=True)


def _go_on(run: Run, ids: dict[Side, str]) -> None:
    """The worker died after it had coupled the two: they are still to be brought into step. Where the person lost the right
    since, the next run does it."""
    coupled = Coupling.objects.live().filter(
        mapping=run.mapping, left_id=ids[Side.LEFT], right_id=ids[Side.RIGHT]
    )
    candidates = from_couplings(coupled)
    if allowed(run):
        attach_problems(candidates)
        process(run, candidates, carry_out=True)
        return
    with run.page():
        items.find(run, [(each.coupling, each.origin, each.id(each.origin) or "") for each in candidates])
    run.queue_next.add((run.mapping.pk, SynchJob.Scope.DUE.value))


def _coupling_for(run: Run, ids: dict[Side, str]) -> tuple[Coupling, list[Coupling]]:
    """A half coupling of one of the records is completed, that of the other ends; a whole one is in the way."""
    halves: list[Coupling] = []
    for side in SIDES:
        found = Coupling.objects.live().filter(mapping=run.mapping, **{f"{side.value}_id": ids[side]}).first()
        if found is None:
            continue
        if not found.is_half:
            raise Misconfigured(
                "already_coupled",
                {"side": side.value, "record": ids[side], "to": found.title(side.other)},
                scope=Scope.RECORD,
            )
        halves.append(found)
    for side in SIDES:
        other = coupled_elsewhere(run.mapping, side, [ids[side]]).get(ids[side])
        if other is not None:
            raise Misconfigured(
                "already_coupled",
                {"side": side.value, "record": ids[side], "to": other.title(side.other)},
                scope=Scope.RECORD,
            )
    # Its mark "not to be coupled by itself" ends with being coupled by a person.
    removed = Coupling.objects.filter(
        mapping=run.mapping,
        left_id=ids[Side.LEFT],
        right_id=ids[Side.RIGHT],
        removed_at__isnull=False,
        ended_at=None,
    ).first()
    if removed is not None:
        removed.removed_at = removed.removed_by = None
        return removed, halves
    return (halves[0], halves[1:]) if halves else (Coupling(mapping=run.mapping), [])

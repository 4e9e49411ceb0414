"""Bugs planted into the engine, each with the scenario in which the checker has to see it.

A scenario uses the machine's own operations and the checker's rules, and nothing else. Without its bug it passes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from synccore.connectors.memory import MemoryConnector
from synccore.engine import decide, fields, policies
from synccore.engine.fields import FieldState
from synccore.engine.rules import FieldRule, Step
from synccore.failures import Missing
from synccore.models import Coupling, Journal
from synccore.shapes import Page, Record, Side
from synccore.verbs import lookup, page, resume, select, store, undo_plan, write
from synccore.verbs.run import Run

from . import by_hand
from .arena import Arena, Setup, Trouble
from .checker import check, pairs_agree, waits

LEFT, RIGHT = Side.LEFT, Side.RIGHT


@dataclass(frozen=True)
class Bug:
    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    scenario: Callable[[Arena], None]
    setup: Setup = field(default_factory=Setup)


def at_rest(arena: Arena) -> None:
    arena.settle()
    found = check(arena)
    assert not found, "\n".join(found)


def now(sought: Iterable[str]) -> None:
    found = list(sought)
    assert not found, "\n".join(found)


def pair(arena: Arena, **values: Any) -> tuple[str, str]:
    """One company in both apps, agreed."""
    left = arena.create(
        "company", LEFT, **{"phone": "v0", "street": "s0", "zip": "z0", "note": "n0", **values}
    )
    arena.run()
    return left, Coupling.objects.live().get(mapping=arena.mappings["company"], left_id=left).right_id or ""


# -- scenarios --------------------------------------------------------------------------------------------------------------


def edits_on_both_sides(arena: Arena) -> None:
    """One after the other, so that nobody is in conflict."""
    left, right = pair(arena)
    arena.edit("company", LEFT, left, phone="v1")
    arena.run()
    arena.edit("company", RIGHT, right, phone="v2")
    arena.run()
    now(pairs_agree(arena))
    at_rest(arena)


def killed_after_create(arena: Arena) -> None:
    arena.create("company", LEFT, phone="v0")
    assert not arena.run(Trouble("after create"))
    at_rest(arena)


def killed_before_update(arena: Arena) -> None:
    left, _right = pair(arena)
    arena.edit("company", LEFT, left, phone="v1")
    assert not arena.run(Trouble("before update"))
    at_rest(arena)


def twins(arena: Arena) -> None:
    pair(arena)
    left = arena.create("company", LEFT, phone="v1")
    arena.create("company", RIGHT, no=arena.rows("company", LEFT)[left]["no"], phone="v1")
    at_rest(arena)


def new_name(arena: Arena) -> None:
    """The right app writes names in capitals: its echo is not an edit."""
    left, _right = pair(arena)
    arena.edit("company", LEFT, left, name="Van den Berg")
    arena.run()
    at_rest(arena)


def conflict(arena: Arena) -> None:
    left, right = pair(arena)
    arena.edit("company", LEFT, left, phone="v1")
    arena.edit("company", RIGHT, right, phone="v2")
    arena.run()
    at_rest(arena)


def halves_of_an_address(arena: Arena) -> None:
    left, right = pair(arena)
    arena.edit("company", LEFT, left, street="s1")
    arena.edit("company", RIGHT, right, zip="z2")
    arena.run()
    at_rest(arena)


def note_on_the_wrong_side(arena: Arena) -> None:
    """Notes flow to the right only."""
    _left, right = pair(arena)
    arena.edit("company", RIGHT, right, note="n2")
    at_rest(arena)


def note_from_before_there_was_a_pair(arena: Arena) -> None:
    right = arena.create("company", RIGHT, note="n1")
    arena.run()
    left = Coupling.objects.live().get(right_id=right).left_id or ""
    arena.edit("company", LEFT, left, note="n2")
    at_rest(arena)


def closed(arena: Arena) -> None:
    """A closed company leaves the filter: that deletes nothing."""
    left, _right = pair(arena)
    pair(arena)
    arena.edit("company", LEFT, left, closed="yes")
    at_rest(arena)


def late_commit(arena: Arena) -> None:
    """A transaction that took four seconds: its stamp lies before what was read already."""
    left, _right = pair(arena)
    other, _ = pair(arena)
    arena.time_passes(10.0)
    arena.edit("company", LEFT, other, phone="v5")
    arena.run()
    arena.edit("company", LEFT, left, phone="v6", late=4.0)
    arena.run()
    now(pairs_agree(arena))


def employee_before_employer(arena: Arena) -> None:
    id = arena.create("company", LEFT, phone="v0")
    arena.create("person", LEFT, phone="v1", company=arena.rows("company", LEFT)[id]["id"])
    arena.run(kinds=["person"])
    arena.run(kinds=["company"])
    now(waits(arena))
    at_rest(arena)


def deleted_in_both(arena: Arena) -> None:
    left, right = pair(arena)
    pair(arena)
    arena.delete("company", LEFT, left)
    arena.delete("company", RIGHT, right)
    at_rest(arena)


def deleted_in_one(arena: Arena) -> None:
    """Policy: delete the other one, too; but only as it was agreed, and not an edit with it."""
    left, right = pair(arena)
    pair(arena)
    arena.edit("company", LEFT, left, phone="v1")
    arena.delete("company", RIGHT, right)
    arena.sweep()
    at_rest(arena)


def edited_here_and_there(arena: Arena) -> None:
    """Somebody types into the app before the edit on the record's page is carried out."""
    _left, right = pair(arena)
    by_hand.edit(arena, Coupling.objects.live().get(right_id=right), RIGHT, phone="v1")
    arena.edit("company", RIGHT, right, phone="v2")
    arena.work()
    at_rest(arena)


def edited_since_then_undone(arena: Arena) -> None:
    left, right = pair(arena)
    arena.edit("company", LEFT, left, phone="v1")
    arena.run()
    arena.edit("company", RIGHT, right, phone="v2")
    by_hand.take_back(arena, 0, alone=False)
    arena.work()
    at_rest(arena)


def created_edited_then_undone(arena: Arena) -> None:
    _left, right = pair(arena)
    arena.edit("company", RIGHT, right, phone="v1")
    by_hand.take_back(arena, 0, alone=False)
    arena.work()
    at_rest(arena)


# -- bugs -------------------------------------------------------------------------------------------------------------------


def base_stays(patch: pytest.MonkeyPatch) -> None:
    def agree(run: Any, candidate: Any, at: Any) -> None:
        before = (
            {side: dict(candidate.coupling.of(side, "base")) for side in Side} if candidate.coupling else {}
        )
        real(run, candidate, at)
        for side, base in before.items():
            candidate.coupling.put(side, "base", base or candidate.coupling.of(side, "base"))

    real = store._agree
    patch.setattr(store, "_agree", agree)


def version_before_the_write(patch: pytest.MonkeyPatch) -> None:
    def agree(run: Any, candidate: Any, at: Any) -> None:
        real(run, candidate, at)
        for each in candidate.writes:
            candidate.coupling.put(each.side, "version", each.version)

    real = store._agree
    patch.setattr(store, "_agree", agree)


def journal_not_asked(patch: pytest.MonkeyPatch) -> None:
    for name in ("synchronise", "chosen", "upkeep"):  # the package has functions of the same names
        patch.setattr(sys.modules[f"synccore.verbs.{name}"], "settle_open", lambda run: None)


def id_not_used_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resume, "_by_natural_key", lambda run, row, found: None)


def no_adoption(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lookup, "adopt", lambda run, candidates: None)


def echo_is_an_edit(patch: pytest.MonkeyPatch) -> None:
    """What was sent is remembered, not what the app made of it; and the echo is not known by its version."""

    def agree(run: Any, candidate: Any, at: Any) -> None:
        for each in candidate.writes:
            if isinstance(each.result, Record):
                record = candidate.records[each.side]
                candidate.records[each.side] = replace(
                    record, version="", fields={**record.fields, **each.fields}
                )
        real(run, candidate, at)

    real = store._agree
    patch.setattr(store, "_agree", agree)


def left_wins_unasked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policies, "_winner", lambda *args: LEFT)


def groups_fall_apart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FieldRule, "unit", property(lambda self: f"field:{self.id}"))


def overwritten_without_a_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FieldState, "edited", lambda self, side: False)


def never_agreed_without_a_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fields, "_never_came", lambda *args: False)


def outside_is_gone(patch: pytest.MonkeyPatch) -> None:
    def read(run: Run, side: Side, ids: Any) -> dict[str, Record]:
        return {id: record for id, record in real(run, side, ids).items() if run.rules.inside(side, record)}

    real = lookup.read
    for module in (lookup, select):
        patch.setattr(module, "read", read)


def watermark_too_far(patch: pytest.MonkeyPatch) -> None:
    def changes(self: MemoryConnector, *args: Any, **values: Any) -> Page:
        found = real(self, *args, **values)
        return (
            replace(found, watermark={"low": self.app.now().isoformat(timespec="microseconds")})
            if found.complete
            else found
        )

    real = MemoryConnector.changes
    patch.setattr(MemoryConnector, "changes", changes)


def done_without_looking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resume, "holds", lambda *args: True)


def counted_double(patch: pytest.MonkeyPatch) -> None:
    def count(self: Run, outcome: str, direction: Any = "", n: int = 1) -> None:
        self.counts[str(direction)][outcome] += 2 * n

    patch.setattr(Run, "count", count)


def nobody_is_released(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(store.problems, "release", lambda mapping, side_ids, now: set())


def both_gone_is_missing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "_nothing_left", lambda link: Step.fail(Missing("deleted_left", {"side": "left"})))


def deletes_what_changed(patch: pytest.MonkeyPatch) -> None:
    real = policies.deletion
    patch.setattr(
        policies, "deletion", lambda rules, gone, changed, resolution: real(rules, gone, False, resolution)
    )


def settled_before_it_happened(patch: pytest.MonkeyPatch) -> None:
    """The journal says done as soon as something is meant."""

    def intend(run: Run, writes: Any) -> None:
        real(run, writes)
        Journal.objects.filter(pk__in=[each.row.pk for each in writes]).update(state="done")

    real = write.intend
    patch.setattr(page, "intend", intend)


def half_of_the_counts(patch: pytest.MonkeyPatch) -> None:
    """The counts of problems forget what a problem was before."""
    real = store.problems.Tally.problem
    patch.setattr(
        store.problems.Tally, "problem", lambda self, problem, n: real(self, problem, n) if n > 0 else None
    )


def edits_over_what_changed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules["synccore.verbs.edit"], "_moved", lambda *args: "")


def undoes_what_changed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undo_plan, "_moved", lambda *args: [])


def takes_away_what_changed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undo_plan, "_as_left", lambda *args: True)


BUGS = [
    Bug("base image not advanced", base_stays, edits_on_both_sides),
    Bug("version remembered from before the write", version_before_the_write, edits_on_both_sides),
    Bug("journal not consulted on resume", journal_not_asked, killed_after_create),
    Bug("idempotency id not used again", id_not_used_again, killed_after_create),
    Bug("natural key adoption skipped", no_adoption, twins, Setup(natural=True)),
    Bug("echo written back", echo_is_an_edit, new_name, Setup(normalises=RIGHT)),
    Bug("conflict resolved silently", left_wins_unasked, conflict),
    Bug("group split", groups_fall_apart, halves_of_an_address),
    Bug("one-way overwrite not journalled", overwritten_without_a_word, note_on_the_wrong_side),
    Bug("never agreed, not journalled", never_agreed_without_a_word, note_from_before_there_was_a_pair),
    Bug("deletion judged by the filter", outside_is_gone, closed, Setup(filtered=True, deletions="delete")),
    Bug("watermark without overlap", watermark_too_far, late_commit),
    Bug("settled as done without looking", done_without_looking, killed_before_update),
    Bug("counters double", counted_double, edits_on_both_sides),
    Bug("release forgotten", nobody_is_released, employee_before_employer),
    Bug("both gone treated as missing", both_gone_is_missing, deleted_in_both),
    Bug("changed survivor deleted", deletes_what_changed, deleted_in_one, Setup(deletions="delete")),
    Bug("journal done before the write", settled_before_it_happened, killed_before_update),
    Bug("counts of problems drift", half_of_the_counts, conflict),
    Bug("edit over a later edit", edits_over_what_changed, edited_here_and_there),
    Bug("undo over a later edit", undoes_what_changed, edited_since_then_undone),
    Bug("undo of a create deletes an edit", takes_away_what_changed, created_edited_then_undone),
]

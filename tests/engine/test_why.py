"""*Why is it not synchronizing?* and *Times*: one answer from any state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from synccore.engine.times import SideTimes, follows
from synccore.engine.why import MappingNow, ProblemNow, Situation, why
from synccore.shapes import Side

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RUNS = MappingNow(next_run=NOON)
SYNC = Situation(RUNS, agreed_at=NOON)


def problem(state: str, kind: str = "", **values: Any) -> ProblemNow:
    return ProblemNow(state, kind, **values)


TABLE = [
    (SYNC, "in_sync"),
    (replace(SYNC, ended_at=NOON, removed_at=NOON), "ended"),
    (replace(SYNC, removed_at=NOON, mapping=MappingNow("disabled")), "removed"),
    (replace(SYNC, problem=problem("on_purpose", "conflict"), mapping=MappingNow("paused")), "on_purpose"),
    (replace(SYNC, decided_in=7, problem=problem("skipped", "conflict")), "decided"),
    (replace(SYNC, outside=Side.LEFT, mapping=MappingNow("paused")), "outside_filter"),
    (replace(SYNC, problem=problem("skipped", "conflict"), mapping=MappingNow("paused")), "needs_decision"),
    (replace(SYNC, problem=problem("skipped", "missing")), "needs_decision_deleted"),
    (replace(SYNC, problem=problem("skipped", "blocked")), "waits_in_vain"),
    (replace(SYNC, problem=problem("skipped", "rejected")), "needs_change"),
    (replace(SYNC, problem=problem("skipped", "bug", of_administrator=True)), "with_administrator"),
    (replace(SYNC, problem=problem("skipped", "rejected", requested=True)), "requested"),
    (
        replace(SYNC, problem=problem("skipped", "rejected", requested=True), mapping=MappingNow("disabled")),
        "disabled",
    ),
    (replace(SYNC, mapping=MappingNow("stopped")), "stopped"),
    (replace(SYNC, mapping=MappingNow("set_up"), pending=True), "set_up"),
    (replace(SYNC, problem=problem("waiting", "blocked")), "waiting"),
    (replace(SYNC, problem=problem("retrying", "transient")), "retrying"),
    (replace(SYNC, pending=True), "pending"),
    (replace(SYNC, pending=True, mapping=MappingNow(schedule="on_hold")), "on_hold"),
    (replace(SYNC, half=Side.RIGHT, agreed_at=None), "half"),
    (replace(SYNC, half=Side.RIGHT, mapping=MappingNow(only_coupled=True)), "half_only_coupled"),
    (replace(SYNC, agreed_at=None), "not_agreed"),
    (replace(SYNC, mapping=MappingNow(schedule="none")), "no_schedule"),
    (replace(SYNC, one_way=("phone",), one_way_side=Side.RIGHT), "one_way"),
    (Situation(RUNS, known=False, side=Side.LEFT), "uncoupled_next_run"),
    (Situation(RUNS, known=False, side=Side.LEFT, read_up_to=False), "uncoupled_not_read"),
    (Situation(RUNS, known=False, side=Side.LEFT, inside=False), "uncoupled_outside_filter"),
    (Situation(MappingNow(only_coupled=True), known=False, inside=True), "uncoupled_only_coupled"),
    (Situation(RUNS, known=False, side=Side.RIGHT, flows=False), "uncoupled_direction"),
    (Situation(MappingNow("stopped"), known=False), "uncoupled_stopped"),
    (Situation(MappingNow(schedule="none"), known=False), "uncoupled_no_schedule"),
]


@pytest.mark.parametrize(("now", "code"), TABLE, ids=[f"{n} {code}" for n, (_now, code) in enumerate(TABLE)])
def test_every_state_has_one_answer(now: Situation, code: str) -> None:
    answer = why(now)
    assert answer.code == code
    assert answer.ok == (code == "in_sync")


def test_the_answer_names_what_people_ask_next() -> None:
    waits = why(replace(SYNC, problem=problem("waiting", "blocked", blocker="Unit BOX")))
    assert waits.params["blocker"] == "Unit BOX"
    edits = why(replace(SYNC, one_way=("phone", "city"), one_way_side=Side.RIGHT))
    assert edits.params == {"fields": ["phone", "city"], "side": "right", "agreed": NOON}


LATER, BEFORE = NOON + timedelta(minutes=3), NOON - timedelta(minutes=3)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (SideTimes(NOON, NOON, read_to=NOON), SideTimes(NOON, NOON, read_to=BEFORE), [("unchanged", None)]),
        (
            SideTimes(LATER, NOON, read_to=NOON),
            SideTimes(NOON, NOON, read_to=NOON),
            [("unread", Side.LEFT), ("unchanged", Side.RIGHT)],
        ),
        (
            SideTimes(NOON, BEFORE, read_to=LATER),
            SideTimes(),
            [("missed", Side.LEFT), ("no_stamp", Side.RIGHT)],
        ),
        (SideTimes(NOON), SideTimes(there=False), [("unread", Side.LEFT)]),
        (SideTimes(NOON, None, NOON, BEFORE), SideTimes(there=False), [("held", Side.LEFT)]),
    ],
)
def test_what_follows_from_the_times(left: SideTimes, right: SideTimes, expected: list[Any]) -> None:
    assert follows({Side.LEFT: left, Side.RIGHT: right}, live=True) == expected
    assert follows({Side.LEFT: left, Side.RIGHT: right}, live=False) == [*expected, ("as_seen", None)]

"""*Why is it not synchronizing?* One answer from any state of a record. Pure: the sentence is made when it is read.

The first row of this table that holds is the answer:

=================================  ==================================================================
``not_known``                      nothing is remembered of the record: see the reasons below it
  ``uncoupled_disabled`` …           the mapping does not run, so nothing new is coupled
  ``uncoupled_outside_filter``       it is outside the filter
  ``uncoupled_only_coupled``         only coupled records synchronize
  ``uncoupled_direction``            the mapping does not write to the other app
  ``uncoupled_no_schedule`` …        nothing runs by itself
  ``uncoupled_not_read``             its app has not been read up to it yet
  ``uncoupled_next_run``             nothing is in the way: the next run takes it
``ended``                          both records are gone
``removed``                        a person took the pair apart
``on_purpose``                     a person left it out
``outside_filter``                 one record is outside the filter
``needs_decision`` …               a problem that only somebody ends: decision, value, administrator
``disabled`` ``paused`` …          what holds the whole mapping: switched off, paused, brake, set-up
``decided``                        somebody decided it and the job is on its way
``requested``                      asked for: in the next synchronization
``waiting``                        for another record or a precondition
``retrying``                       tried again by itself
``pending``                        known to have changed: in the next synchronization
``half`` ``half_only_coupled``     not coupled yet
``not_agreed``                     coupled, never synchronized
``no_schedule`` ``on_hold``        nothing runs by itself
``one_way``                        edits stand in fields that do not flow from there
``in_sync``                        since the last agreement
=================================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from synccore.shapes import Side


@dataclass(frozen=True, slots=True)
class ProblemNow:
    """What is open about the record. ``state`` as stored; ``of_administrator``: only the set-up ends it."""

    state: str
    kind: str = ""
    of_administrator: bool = False
    requested: bool = False
    next_attempt: datetime | None = None
    blocker: str = ""
    reason: str = ""
    until: datetime | None = None
    since: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class MappingNow:
    """What holds for all records of the mapping.

    ``held``: "", ``disabled``, ``paused``, ``stopped`` (a brake) or ``set_up`` (a fault that stops it). ``why``: who or
    what, for people. ``schedule``: "", ``none`` or ``on_hold``.
    """

    held: str = ""
    why: str = ""
    held_since: datetime | None = None
    schedule: str = ""
    next_run: datetime | None = None
    only_coupled: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything the answer depends on. ``known``: something is remembered of the record; the others describe that."""

    mapping: MappingNow
    known: bool = True
    #: of a record of which nothing is remembered, where it was looked at: the side it is on, and so on
    side: Side | None = None
    inside: bool | None = None
    flows: bool = True
    read_up_to: bool | None = None
    #: of a pair
    ended_at: datetime | None = None
    removed_at: datetime | None = None
    removed_by: str = ""
    half: Side | None = None
    outside: Side | None = None
    outside_since: datetime | None = None
    agreed_at: datetime | None = None
    problem: ProblemNow | None = None
    decided_in: int | None = None
    pending: bool = False
    one_way: tuple[str, ...] = ()
    one_way_side: Side | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """The answer: a code of the table above with its facts. ``ok``: nothing is wrong and nothing is to be waited for."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    ok: bool = False


def why(now: Situation) -> Why:
    """The one answer. Never raises."""
    if not now.known:
        return _uncoupled(now)
    problem, mapping = now.problem, now.mapping
    if now.ended_at is not None:
        return Why("ended", {"at": now.ended_at})
    if now.removed_at is not None:
        return Why("removed", {"at": now.removed_at, "who": now.removed_by})
    if problem is not None and problem.state == "on_purpose":
        return Why("on_purpose", {"reason": problem.reason, "until": problem.until, "who": problem.by})
    if now.decided_in is not None:
        return Why("decided", {"job": now.decided_in})
    if problem is None and now.outside is not None:
        return Why("outside_filter", {"side": now.outside.value, "at": now.outside_since})
    if problem is not None and problem.state == "skipped" and not problem.requested:
        return _skipped(problem)
    if mapping.held:
        return _held(mapping)
    return _on_its_way(now) or _at_rest(now)


def _uncoupled(now: Situation) -> Why:
    side = now.side.value if now.side else ""
    if now.mapping.held:
        return Why(f"uncoupled_{now.mapping.held}", {"why": now.mapping.why, "at": now.mapping.held_since})
    if now.inside is False:
        return Why("uncoupled_outside_filter", {"side": side})
    if now.mapping.only_coupled:
        return Why("uncoupled_only_coupled")
    if not now.flows:
        return Why("uncoupled_direction", {"side": side})
    if now.mapping.schedule:
        return Why("uncoupled_on_hold" if now.mapping.schedule == "on_hold" else "uncoupled_no_schedule")
    code = "uncoupled_not_read" if now.read_up_to is False else "uncoupled_next_run"
    return Why(code, {"side": side, "next_run": now.mapping.next_run})


def _skipped(problem: ProblemNow) -> Why:
    facts = {"since": problem.since, "blocker": problem.blocker}
    if problem.of_administrator:
        return Why("with_administrator", facts)
    codes = {"conflict": "needs_decision", "missing": "needs_decision_deleted", "blocked": "waits_in_vain"}
    return Why(codes.get(problem.kind, "needs_change"), facts)


def _held(mapping: MappingNow) -> Why:
    return Why(mapping.held, {"why": mapping.why, "at": mapping.held_since})


def _on_its_way(now: Situation) -> Why | None:
    problem, next_run = now.problem, {"next_run": now.mapping.next_run}
    if problem is not None and problem.requested:
        return Why("requested", next_run)
    if problem is not None and problem.state == "waiting":
        return Why("waiting", {"blocker": problem.blocker, "since": problem.since})
    if problem is not None:
        return Why("retrying", {"at": problem.next_attempt})
    if now.pending and not now.mapping.schedule:
        return Why("pending", next_run)
    return None


def _at_rest(now: Situation) -> Why:
    if now.half is not None:
        code = "half_only_coupled" if now.mapping.only_coupled else "half"
        return Why(code, {"side": now.half.value, "next_run": now.mapping.next_run})
    schedule = now.mapping.schedule
    if schedule:
        code = "on_hold" if schedule == "on_hold" else "no_schedule"
        return Why(code, {"agreed": now.agreed_at, "pending": now.pending})
    if now.agreed_at is None:
        return Why("not_agreed", {"next_run": now.mapping.next_run})
    if now.one_way and now.one_way_side is not None:
        facts = {"fields": list(now.one_way), "side": now.one_way_side.value, "agreed": now.agreed_at}
        return Why("one_way", facts)
    return Why("in_sync", {"agreed": now.agreed_at, "next_run": now.mapping.next_run}, ok=True)

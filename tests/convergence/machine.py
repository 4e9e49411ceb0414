"""The state machine: people in both apps and in Tandem, faults and deaths, in any order. At the end both sides agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db import transaction
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from synccore.models import Coupling
from synccore.shapes import SIDES, KeyKind, Side

from . import by_hand
from .arena import KINDS, MOMENTS, Arena, Kind, Setup, Trouble
from .checker import check, story

kinds = st.sampled_from(["company", "company", "person"])
sides = st.sampled_from(list(SIDES))
which = st.integers(0, 30)
keys = st.sampled_from([KeyKind.UUID, KeyKind.SEQUENCE, KeyKind.OPAQUE])
directions = st.sampled_from(["both", "both", "both", "to_right", "to_left"])
conflicts = st.sampled_from(["ask", "left", "right", "newest"])
deletions = st.sampled_from(["ask", "restore", "uncouple", "delete"])
fields = st.sampled_from(["name", "phone", "street", "zip", "note", "closed"])
moments = st.sampled_from(MOMENTS)
#: Mostly new values; some that come again, some that are empty.
words = st.one_of(st.none(), st.just("new"), st.just("new"), st.sampled_from(["", "same", "Other one"]))

setups = st.builds(
    Setup,
    conflicts=conflicts,
    deletions=deletions,
    direction=directions,
    one_way=st.sampled_from(["to_right", "to_left"]),
    grouped=st.booleans(),
    owner=st.sampled_from(["", "", "left", "right"]),
    natural=st.booleans(),
    left_keys=keys,
    right_keys=keys,
    normalises=st.sampled_from([None, None, Side.LEFT, Side.RIGHT]),
    filtered=st.booleans(),
    template=st.booleans(),
    page=st.sampled_from([None, 1, 2]),
    skew=st.sampled_from([0.0, 0.0, 3.0, -3600.0, 3600.0]),
    overlap=st.sampled_from([300, 300, 5]),
    deletions_min=st.sampled_from([10_000, 10_000, 10_000, 0]),  # 0: the brake holds back every deletion
)


class Convergence(RuleBasedStateMachine):
    """Rules are what may happen; :meth:`teardown` is the promise."""

    arena: Arena
    failed = False

    def __init__(self) -> None:
        super().__init__()
        self._transaction = transaction.atomic()
        self._transaction.__enter__()

    @initialize(setup=setups, n=st.integers(1, 3))
    def begin(self, setup: Setup, n: int) -> None:
        if not setup.natural:  # a lost create under no id and no number is asked about: tests/jobs
            named = {
                s: KeyKind.UUID for s in ("left_keys", "right_keys") if getattr(setup, s) is KeyKind.OPAQUE
            }
            setup = replace(setup, **named)
        note(repr(setup))
        self.arena = Arena(setup)
        for number in range(n):
            self.arena.create("company", SIDES[number % 2], phone=self.arena.fresh("v"))

    # -- people in the apps -----------------------------------------------------------------------------------------------

    @rule(kind=kinds, side=sides, employer=which)
    def create(self, kind: Kind, side: Side, employer: int) -> None:
        values: dict[str, Any] = {"phone": self.arena.fresh("v")}
        if kind == "person":
            values["company"] = self._reference(side, employer)
        self.arena.create(kind, side, **values)

    @precondition(lambda self: self.arena.setup.natural)
    @rule(kind=kinds, side=sides, n=which)
    def create_twin(self, kind: Kind, side: Side, n: int) -> None:
        """Somebody types into the other app what stands in the first, under the same number."""
        arena = self.arena
        arena.look()
        here = {arena.birth(kind, side, id) for id in arena.rows(kind, side)}
        # Where that number was deleted a pair may wait for its restore, which only one of the two records can have.
        here |= {arena.one(birth) for k, s, birth in arena.deleted if (k, s) == (kind, side)}
        here |= {
            arena.one(birth) for birth in arena.coupled_by_hand
        }  # nor where a person says that it is another one
        free = [
            row
            for id, row in arena.rows(kind, side.other).items()
            if arena.birth(kind, side.other, id) not in here
        ]
        if free:
            arena.create(kind, side, no=str(free[n % len(free)]["no"]), phone=arena.fresh("v"))

    @rule(
        kind=kinds, side=sides, n=which, name=fields, word=words, late=st.sampled_from([0.0, 0.0, 2.0, 600.0])
    )
    def edit(self, kind: Kind, side: Side, n: int, name: str, word: str | None, late: float) -> None:
        self._edit(kind, side, n, name, word, late)

    @rule(kind=kinds, n=which, name=fields, left=words, right=words)
    def edit_both(self, kind: Kind, n: int, name: str, left: str | None, right: str | None) -> None:
        """The same field in both apps, as a conflict needs it."""
        for side, word in ((Side.LEFT, left), (Side.RIGHT, right)):
            pairs = Coupling.objects.live().paired().filter(mapping=self.arena.mappings[kind]).order_by("pk")
            if pairs:
                pair = pairs[n % len(pairs)]
                self._type(kind, side, pair.of(side, "id"), name, word)

    @rule(side=sides, n=which, employer=which)
    def change_employer(self, side: Side, n: int, employer: int) -> None:
        people = list(self.arena.rows("person", side))
        if people:
            self.arena.edit("person", side, people[n % len(people)], company=self._reference(side, employer))

    @rule(kind=kinds, side=sides, n=which)
    def delete(self, kind: Kind, side: Side, n: int) -> None:
        found = list(self.arena.rows(kind, side))
        if found:
            self.arena.delete(kind, side, found[n % len(found)])

    @rule()
    def undelete(self) -> None:
        self.arena.undelete()

    def _edit(self, kind: Kind, side: Side, n: int, name: str, word: str | None, late: float = 0.0) -> None:
        found = list(self.arena.rows(kind, side))
        if found:
            self._type(kind, side, found[n % len(found)], name, word, late)

    def _type(self, kind: Kind, side: Side, id: str, name: str, word: str | None, late: float = 0.0) -> None:
        if kind == "person" and name not in ("name", "phone"):
            name = "phone"
        value = self.arena.fresh("v ") if word == "new" else word
        self.arena.edit(kind, side, id, late=late, **{name: value})

    def _reference(self, side: Side, n: int) -> Any:
        found = list(self.arena.rows("company", side))
        if not found or n % 5 == 0:
            return None
        id = found[n % len(found)]
        return self.arena.rows("company", side)[id]["id"]

    # -- runs, and what happens in the middle of them -----------------------------------------------------------------------

    @rule(
        scope=st.sampled_from(["changes", "changes", "sweep", "full", "due"]),
        only=st.sampled_from([None, *KINDS]),
    )
    def run(self, scope: str, only: Kind | None) -> None:
        assert self.arena.run(kinds=[only] if only else KINDS, scope=scope)

    @rule(
        scope=st.sampled_from(["changes", "changes", "changes", "sweep", "full"]),
        moment=moments,
        nth=st.integers(1, 3),
    )
    def run_killed(self, scope: str, moment: str, nth: int) -> None:
        self.arena.run(Trouble(moment, nth), scope=scope)

    @rule(
        moment=moments,
        nth=st.integers(1, 2),
        kind=kinds,
        side=sides,
        n=which,
        name=fields,
        kill=st.booleans(),
    )
    def run_overtaken(
        self, moment: str, nth: int, kind: Kind, side: Side, n: int, name: str, kill: bool
    ) -> None:
        """A person types in the middle of a run; perhaps its process ends there, too."""
        troubles = [Trouble(moment, nth, lambda: self._edit(kind, side, n, name, "new"))]
        if kill:
            troubles.append(Trouble(moment, nth))
        self.arena.run(*troubles)

    @rule(moment=moments, kind=kinds, side=sides, n=which)
    def run_deleted_under(self, moment: str, kind: Kind, side: Side, n: int) -> None:
        """A person deletes a record in the middle of a run."""
        self.arena.run(Trouble(moment, 1, lambda: self.delete(kind, side, n)))

    @rule()
    def work(self) -> None:
        self.arena.work()

    @rule(seconds=st.sampled_from([0.0, 3.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.arena.time_passes(seconds)

    # -- faults -----------------------------------------------------------------------------------------------------------

    @rule(side=sides, on=st.booleans())
    def flaky_versions(self, side: Side, on: bool) -> None:
        self.arena.apps[side].faults.flaky_versions = on

    @rule(side=sides, n=st.integers(1, 2))
    def lose_answers(self, side: Side, n: int) -> None:
        self.arena.apps[side].faults.lose_answers = n

    @rule(side=sides, kind=st.sampled_from(["connection", "table", "record", "odd"]))
    def fail_next(self, side: Side, kind: str) -> None:
        self.arena.fail_next(side, kind)

    @rule(n=which, kind=st.sampled_from(["rejected", "transient", "unknown", "right"]))
    def refuse(self, n: int, kind: str) -> None:
        """The apps refuse a value that somebody typed lately."""
        typed = [
            edit.value for edit in self.arena.history if edit.value and edit.field not in ("no", "company")
        ]
        if typed:
            self.arena.refuse(typed[-1 - n % min(len(typed), 3)], kind)

    @rule()
    def calm(self) -> None:
        self.arena.calm()

    @rule(side=sides, seconds=st.sampled_from([0.0, 30.0, -30.0]))
    def clock_jumps(self, side: Side, seconds: float) -> None:
        self.arena.apps[side].faults.skew = seconds

    # -- people in Tandem -------------------------------------------------------------------------------------------------

    @rule(
        verb=st.sampled_from(["retry", "resolve", "restore", "delete", "synchronise", "leave_out"]),
        n=which,
        side=sides,
    )
    def act_on_problem(self, verb: str, n: int, side: Side) -> None:
        found = list(self.arena.couplings(problems__ended_at=None, problems__isnull=False).order_by("pk"))
        if found:
            options: dict[str, Any] = {"side": side.value} if verb == "resolve" else {}
            if verb == "leave_out":
                options = {"reason": "test"}
            self.arena.decide(verb, found[n % len(found)], **options)

    @rule(verb=st.sampled_from(["uncouple", "synchronise", "resolve", "delete"]), n=which, side=sides)
    def act_on_coupling(self, verb: str, n: int, side: Side) -> None:
        found = list(self.arena.couplings(ended_at=None, removed_at=None).order_by("pk"))
        if found:
            self.arena.decide(
                verb, found[n % len(found)], **({"side": side.value} if verb == "resolve" else {})
            )

    @rule(kind=kinds, side=sides, n=which, name=fields, word=words)
    def edit_here(self, kind: Kind, side: Side, n: int, name: str, word: str | None) -> None:
        """A record edited on its page in Tandem."""
        found = list(self.arena.couplings(ended_at=None, mapping=self.arena.mappings[kind]).order_by("pk"))
        if found:
            if kind == "person" and name not in ("name", "phone"):
                name = "phone"
            value = self.arena.fresh("v ") if word == "new" else word
            by_hand.edit(self.arena, found[n % len(found)], side, **{name: value})

    @rule(n=which, alone=st.booleans())
    def take_back(self, n: int, alone: bool) -> None:
        by_hand.take_back(self.arena, n, alone=alone)

    # Where numbers are unique, people who couple crosswise block each other for good, and only they can end it.
    @precondition(lambda self: not self.arena.setup.natural)
    @rule(kind=kinds, left=which, right=which, prefer=st.sampled_from(["", "left", "right"]))
    def couple(self, kind: Kind, left: int, right: int, prefer: str) -> None:
        ids = [self.arena.uncoupled(kind, side) for side in SIDES]
        if all(ids):
            self.arena.couple(kind, ids[0][left % len(ids[0])], ids[1][right % len(ids[1])], prefer)

    @rule(
        kind=kinds,
        conflicts=conflicts,
        deletions=deletions,
        anew=st.sampled_from([(), ("phone",), ("street", "zip")]),
    )
    def change_mapping(self, kind: Kind, conflicts: str, deletions: str, anew: tuple[str, ...]) -> None:
        self.arena.change_mapping(kind, fields=anew, conflicts=conflicts, deletions=deletions)

    # -- the promise --------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if hasattr(self, "arena"):
                self._promise()
        finally:
            transaction.set_rollback(True)
            self._transaction.__exit__(None, None, None)
            if hasattr(self, "arena"):
                self.arena.forget()

    def _promise(self) -> None:
        try:
            self.arena.settle()
            found = check(self.arena)
            assert not found, "\n".join(found)
        except AssertionError:
            note(story(self.arena))
            raise

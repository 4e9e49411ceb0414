"""Verbs that take back what a person decided: what they do, for whom, and what becomes of each record."""

from __future__ import annotations

import pytest

from synccore import services
from synccore.models import Coupling, JobItem, Problem
from synccore.models.ledger import read_ledger
from synccore.models.scoping import GrantLevel
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from tests.factories import RECORD_OWNER, make_user

from .conftest import Clock
from .helpers import pair, work
from .world import World

pytestmark = pytest.mark.django_db


def owner_of(world: World):
    return make_user(RECORD_OWNER, grants={world.mapping: GrantLevel.RESOLVE})


def test_what_was_left_out_comes_back_and_is_synchronized(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    pair(world, "C2")
    person = owner_of(world)
    only = Coupling.objects.filter(left_key="C1")
    services.start_bulk("leave_out", only, user=person, options={"reason": "Twice in CRM"})
    work()
    problem = world.problem("C1")
    assert (problem.state, problem.reason) == ("on_purpose", "Twice in CRM")
    assert (problem.left_out_by, problem.left_out_at) == (person, problem.since)
    world.left.put("customer", left, {"phone": "2"})
    world.run()
    assert world.rows(Side.RIGHT)[right]["phone"] == "1"
    job = services.start_bulk("take_back", Coupling.objects.all(), user=person)
    [done, followed] = work()
    assert (done.pk, done.waiting, followed.scope) == (job.pk, 1, "due")
    assert dict(done.items.values_list("coupling__left_key", "state")) == {
        "C1": "done",
        "C2": "not_applicable",
    }
    assert done.items.get(state="not_applicable").note == "not_left_out"
    assert world.rows(Side.RIGHT)[right]["phone"] == "2", "what changed meanwhile arrives"
    assert Problem.objects.get().state == "ended" and read_ledger().drift == []


def test_the_right_is_asked_for_again_when_it_runs(clock: Clock) -> None:
    world = World()
    pair(world, "C1")
    person = owner_of(world)
    services.start_bulk("leave_out", Coupling.objects.all(), user=person, options={"reason": "x"})
    work()
    services.start_bulk("take_back", Coupling.objects.all(), user=person)
    person.groups.clear()
    work()
    assert Problem.objects.get().state == "on_purpose"
    assert JobItem.objects.latest("pk").note == "right_missing"
    with pytest.raises(RightMissing):
        services.start_bulk("take_back", Coupling.objects.all(), user=person)

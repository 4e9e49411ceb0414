"""Verbs that take back what a person decided: what they do, for whom, and what becomes of each record."""

from __future__ import annotations

import pytest

from synccore import jobs, services
from synccore.models import Coupling, FieldMapping, JobItem, Journal, Problem
from synccore.models.ledger import read_ledger
from synccore.models.scoping import GrantLevel
from synccore.models.seals import verify_journal
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from tests.factories import RECORD_OWNER, VIEWER, make_problem, make_user

from .conftest import Clock
from .helpers import new, pair, work
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


# -- removed couplings -------------------------------------------------------------------------------------------------


def removed(world: World, no: str = "C1", **fields):
    left, right = pair(world, no, **fields)
    services.start_bulk("uncouple", Coupling.objects.filter(left_key=no), user=None)
    work()
    return left, right


def test_couple_again_puts_the_memory_back_and_what_changed_meanwhile_flows(clock: Clock) -> None:
    world = World()
    left, right = removed(world, phone="1", city="Gent")
    person = owner_of(world)
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"city": "Brussel"})
    base = Coupling.objects.get().left_base
    services.start_bulk("couple_again", Coupling.objects.all(), user=person)
    done = work()
    assert (done[0].coupled, done[0].items.get(purpose="chosen").state) == (1, "done")
    coupling = world.coupling("C1")
    assert (coupling.removed_at, coupling.removed_by) == (None, None)
    assert base and world.rows(Side.RIGHT)[right]["phone"] == "2", "a change flows as a change"
    assert world.rows(Side.LEFT)[left]["city"] == "Brussel"
    assert not Problem.objects.not_ended().exists() and Coupling.objects.count() == 1
    assert Journal.objects.get(operation="uncouple").undone_by.operation == "recouple"


def test_couple_again_is_refused_where_one_of_the_two_has_another_counterpart(clock: Clock) -> None:
    world = World()
    left, _right = removed(world)
    other = new(world, "X1", Side.RIGHT)
    services.couple(world.mapping, left=left, right=other, user=None, prefer="left")
    work()
    services.start_bulk("couple_again", Coupling.objects.filter(removed_at__isnull=False), user=None)
    [done] = work()[:1]
    assert done.items.get().note == "coupled_since"
    assert Coupling.objects.filter(removed_at__isnull=False).count() == 1


def test_a_record_that_is_coupled_already_no_longer_applies(clock: Clock) -> None:
    world = World()
    pair(world, "C1")
    for verb in ("couple_again", "allow_again"):
        job = services.start_bulk(verb, Coupling.objects.all(), user=None)
        work()
        assert job.items.get().note == "not_removed"
    assert world.coupling("C1").removed_at is None


def test_allow_again_takes_the_mark_away_and_a_later_run_couples_them_by_their_key(clock: Clock) -> None:
    world = World()
    rule = FieldMapping.objects.get(mapping=world.mapping, left_field="no")
    world.change_mapping(natural_key=rule.pk)
    left, right = removed(world)
    world.settle()
    assert not Coupling.objects.live().exists(), "no run couples them before"
    services.start_bulk("allow_again", Coupling.objects.all(), user=owner_of(world))
    work()
    coupling = world.coupling("C1")
    assert (coupling.left_id, coupling.right_id) == (left, right)
    assert (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))) == (1, 1)


# -- Find for Deleted --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["ask", "delete", "restore", "uncouple"])
def test_find_for_deleted_asks_whatever_the_policy_and_writes_to_no_app(clock: Clock, policy: str) -> None:
    world = World()
    for no in ("C1", "C2", "C3", "C4"):
        pair(world, no)
    world.change_mapping(deletions=policy)
    world.right.remove("account", world.coupling("C1").right_id)
    world.left.remove("customer", world.coupling("C2").left_id)
    both = world.coupling("C3")
    world.left.remove("customer", both.left_id)
    world.right.remove("account", both.right_id)
    before, journal = (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))), Journal.objects.count()
    [job] = services.find_deleted([world.mapping], user=owner_of(world))
    assert job.verb == "find_deleted"
    done = work()[0]
    assert (done.state, done.waiting, done.failed) == ("finished", 2, 0)
    assert {p.coupling.left_key: (p.code, p.state) for p in Problem.objects.not_ended()} == {
        "C1": ("deleted_right", "skipped"),
        "C2": ("deleted_left", "skipped"),
    }
    assert (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))) == before
    writes = Journal.objects.exclude(operation="end").count()
    assert writes == journal - Journal.objects.filter(operation="end", job__lt=job.pk).count()
    assert Coupling.objects.get(left_key="C3").ended_at, "gone from both: it ends by itself"
    notes = dict(done.items.values_list("coupling__left_key", "note"))
    assert (notes["C1"], notes["C2"]) == ("for_decision", "for_decision")
    assert read_ledger().drift == []


def test_what_is_outside_the_filter_or_left_out_on_purpose_is_not_asked_about(clock: Clock) -> None:
    world = World()
    for no in ("C1", "C2"):
        pair(world, no)
    services.start_bulk(
        "leave_out", Coupling.objects.filter(left_key="C1"), user=None, options={"reason": "x"}
    )
    work()
    pair(world, "C3")
    world.right.remove("account", world.coupling("C1").right_id)
    world.change_mapping(left_filter=[{"field": "no", "operator": "ne", "value": "C2"}])
    services.find_deleted([world.mapping], user=None)
    done = work()[0]
    assert done.state == "finished"
    assert dict(done.items.values_list("coupling__left_key", "note")) == {
        "C1": "on_purpose",
        "C2": "not_deleted",
    }
    assert Problem.objects.get().state == "on_purpose"


def test_an_app_that_is_suddenly_empty_stops_it_for_safety(clock: Clock) -> None:
    world = World()
    pair(world, "C1")
    world.right.remove("account", world.coupling("C1").right_id)
    services.find_deleted([world.mapping], user=None)
    done = work()[0]
    assert (done.state, done.code) == ("failed", "side_empty")
    assert not Problem.objects.of_records().exists()


def test_find_for_deleted_is_refused_without_the_right_and_while_a_brake_holds(clock: Clock) -> None:
    world = World()
    pair(world, "C1")
    viewer = make_user(VIEWER, grants={world.mapping: GrantLevel.VIEW})
    with pytest.raises(RightMissing):
        services.find_deleted([world.mapping], user=viewer)
    first = services.find_deleted([world.mapping], user=owner_of(world))
    assert services.find_deleted([world.mapping], user=owner_of(world)) == first, (
        "the queued one is given back"
    )
    make_problem(mapping=world.mapping, kind="stopped", code="too_many_deletions")
    with pytest.raises(NotNow):
        services.find_deleted([world.mapping], user=None)


def test_before_a_delete_the_whole_record_is_kept_also_what_is_not_mapped(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1", parent="0b7e3a52-0000-4000-8000-000000000001")
    pair(world, "C2")
    world.right.remove("account", right)
    services.find_deleted([world.mapping], user=None)
    work()
    services.start_bulk("delete", Coupling.objects.filter(left_key="C1"), user=None)
    work()
    assert left not in world.rows(Side.LEFT)
    kept = Journal.objects.get(operation="delete")
    assert "0b7e3a52" in str(kept.before["parent"]) and kept.before["phone"]


def test_what_find_for_deleted_settles_first_is_left_to_the_next_run(clock: Clock) -> None:
    """The search starts over, but does not forget a record whose run got no answer."""
    world = World()
    left, right = pair(world, "C1", phone="1")
    world.left.put("customer", left, {"phone": "2"})
    world.right.faults.lose_answers = 1
    assert world.run().code == "connection_lost"
    assert Journal.objects.filter(state=Journal.State.UNKNOWN).count() == 1
    done = world.run("find_deleted", "items")
    assert done.state == "finished"
    found = done.items.get(purpose=JobItem.Purpose.FOUND)
    assert (found.state, found.coupling) == (JobItem.State.OPEN, world.coupling("C1"))


def test_a_half_pair_whose_record_is_coupled_by_now_is_told_so(clock: Clock) -> None:
    world = World()
    _left, right = pair(world, "C1")
    half = Coupling.objects.create(
        mapping=world.mapping, right_id=right, left_key="half", removed_at=clock.now
    )
    twins = [
        Coupling.objects.create(
            mapping=world.mapping, left_id=f"L{n}", right_id="R", left_key=f"twin {n}", removed_at=clock.now
        )
        for n in range(2)
    ]
    job = services.start_bulk(
        "couple_again",
        Coupling.objects.filter(pk__in=[half.pk, *(each.pk for each in twins)]),
        user=owner_of(world),
    )
    done = jobs.run(job.pk)
    assert done is not None and (done.state, done.coupled) == ("finished", 1)
    assert dict(done.items.filter(purpose="chosen").values_list("coupling__left_key", "note")) == {
        "half": "coupled_since", "twin 0": "", "twin 1": "coupled_since",
    }  # fmt: skip
    assert Coupling.objects.live().count() == 2
    assert verify_journal().broken is None

"""A line of a full synchronization that couples first goes on with all records by itself, whatever happens on the way."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError

from synccore import jobs, schedule, services
from synccore.failures import Misconfigured, Scope
from synccore.lines import TURNS
from synccore.models import Coupling, SynchJob, TableMapping
from synccore.services import match_choices, runs
from synccore.services.jobs import NotNow
from synccore.services.review import What
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from tests.factories import make_user

from .conftest import Clock
from .helpers import contact, contacts_of, new, schedule_of, start_full, work
from .test_match import both, criteria
from .world import World

pytestmark = pytest.mark.django_db

L, R = Side.LEFT, Side.RIGHT


@pytest.fixture
def world() -> World:
    """A pair that matches, and a record of each app that matches nothing."""
    world = World(fields=("name", "city"))
    both(world, "1", name="A")
    new(world, "2", name="B")
    new(world, "3", R, name="C")
    criteria(world, ("name",))
    return world


def press(world: World, **values: Any) -> SynchJob:
    parent, left = runs.start_review({world.mapping: What.COUPLE}, user=values.get("user"))
    assert left == []
    return parent


def steps(parent: SynchJob) -> list[tuple[str, str]]:
    """The jobs of its lines, in the order they were made."""
    parent.refresh_from_db()
    return [(job.verb, job.state) for job in parent.children.order_by("pk")]


def lines_only() -> list[SynchJob]:
    """Work what may start, but for the sweep that follows every run over all records."""
    SynchJob.objects.filter(scope="sweep").delete()
    return [job for job in work() if job.scope != "sweep"]


def test_what_was_coupled_is_then_synchronized_whole_by_the_same_press(world: World) -> None:
    parent = press(world)
    work()
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "finished")]
    coupling, full = parent.children.order_by("pk")
    assert (coupling.coupled, full.inserted, full.scope, full.is_line) == (1, 2, "full", True)
    assert (parent.state, parent.coupled, parent.inserted) == ("finished", 1, 2)
    assert Coupling.objects.live().paired().filter(mapping=world.mapping).count() == 3
    [line] = runs.lines_of(parent)
    assert (line.job, line.coupled, line.then_full) == (full, coupling, False)


def test_both_steps_are_the_persons_and_wait_for_the_same_lines() -> None:
    world = World()
    contacts = contacts_of(world)
    person = make_user("Administrator")
    criteria(world, ("name",), mapping=contacts)
    wanted = {contacts: What.COUPLE, world.mapping: What.FULL}
    parent, _left = runs.start_review(wanted, user=person)
    work()
    found = parent.children.filter(mapping=contacts).order_by("pk")
    assert [job.requested_by for job in found] == [person, person]
    assert [list(job.needs.all()) for job in found] == [[world.mapping], [world.mapping]]


def test_who_refers_to_it_waits_for_both_steps(world: World) -> None:
    contacts = contacts_of(world)
    firm = new(world, "F", name="Firm")
    contact(world, "P", firm)
    parent, _left = runs.start_review({world.mapping: What.COUPLE, contacts: What.FULL}, user=None)
    [first] = jobs.startable()
    jobs.run(first.pk)
    [second] = jobs.startable()
    assert (second.mapping, second.verb) == (world.mapping, "synchronise")
    work()
    assert [name for name, state in steps(parent) if state == "finished"] == [
        "match_couple",
        "synchronise",
        "synchronise",
    ]
    assert [row.fields["parent"] for row in world.right.tables["person"].rows.values()] != [None]


def test_a_worker_that_dies_as_the_coupling_ends_leaves_neither_half(world: World, clock: Clock) -> None:
    parent = press(world)
    [coupling] = parent.children.all()

    class Killed(BaseException): ...

    pages = []

    def die(step: str) -> None:
        pages.append(step)
        if (
            step == "page stored"
            and SynchJob.objects.filter(pk=coupling.pk, coupled=1).exists()
            and len(pages) > 8
        ):
            raise Killed

    with pytest.raises(Killed):
        jobs.run(coupling.pk, observe=die)
    assert steps(parent) == [("match_couple", "running")]
    clock.move(minutes=5)
    schedule.tick()
    work()
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "finished")]
    assert (parent.state, parent.coupled) == ("finished", 1)


def crowd(monkeypatch: pytest.MonkeyPatch) -> list[SynchJob]:
    """From now on somebody else is always faster to queue a full synchronization of the same mapping; gives the losers."""
    create, lost = SynchJob.objects.create, []

    def slower(**values: Any) -> SynchJob:
        if values.get("is_line"):
            lost.append(create(verb="synchronise", scope="full", mapping_id=values["mapping_id"]))
        return create(**values)

    monkeypatch.setattr(SynchJob.objects, "create", slower)
    return lost


def test_others_that_queue_one_again_and_again_do_not_hold_it_for_ever(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = press(world)
    [coupling] = parent.children.all()
    with monkeypatch.context() as crowded:
        lost = crowd(crowded)
        with pytest.raises(IntegrityError):
            jobs.run(coupling.pk)
    assert len(lost) == TURNS
    assert steps(parent) == [("match_couple", "running")] and parent.state == "running"
    clock.move(minutes=5)
    schedule.tick()
    work()
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "finished")]
    assert (parent.state, parent.coupled, parent.inserted) == ("finished", 1, 2)


def test_a_line_that_never_gets_its_turn_ends_and_says_so(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = press(world)
    [coupling] = parent.children.all()
    crowd(monkeypatch)
    for _death in range(jobs.DEATHS):
        with pytest.raises(IntegrityError):
            jobs.run(coupling.pk)
        clock.move(minutes=5)
        jobs.take_over()
    assert steps(parent) == [("match_couple", "failed")]
    assert (parent.state, parent.code, parent.params) == ("failed", "job_lost", {"deaths": jobs.DEATHS})


def test_a_message_that_comes_twice_brings_no_second_full_run(world: World) -> None:
    parent = press(world)
    [coupling] = parent.children.all()
    assert jobs.run(coupling.pk) is not None
    assert jobs.run(coupling.pk) is None
    [full] = [job for job in jobs.startable() if job.parent_id]
    assert jobs.run(full.pk) is not None and jobs.run(full.pk) is None
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "finished")]


def test_the_next_step_waits_as_a_row_for_whatever_worker_comes(world: World) -> None:
    parent = press(world)
    [coupling] = parent.children.all()
    jobs.run(coupling.pk)  # and nobody rings
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "queued")]
    assert parent.state == "running"
    schedule.tick()
    assert parent.children.get(verb="synchronise").sent_at is not None


def fail_next(world: World) -> None:
    world.left.faults.fail.append(
        Misconfigured("missing_privilege", {"table": "customer"}, scope=Scope.TABLE)
    )


def test_a_coupling_that_fails_is_run_again_and_then_goes_on(world: World) -> None:
    parent = press(world)
    fail_next(world)
    work()
    assert steps(parent) == [("match_couple", "failed")] and parent.state == "failed"
    again = runs.run_line_again(parent, world.mapping, user=None)
    assert again.verb == "match_couple"
    work()
    assert steps(parent)[1:] == [("match_couple", "finished"), ("synchronise", "finished")]
    assert (parent.state, parent.code) == ("finished", "")


def test_a_full_run_that_fails_is_run_again_without_coupling_again(world: World) -> None:
    parent = press(world)
    [coupling] = parent.children.all()
    jobs.run(coupling.pk)
    fail_next(world)
    work()
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "failed")]
    again = runs.run_line_again(parent, world.mapping, user=None)
    assert (again.verb, again.scope) == ("synchronise", "full")
    work()
    assert steps(parent)[2:] == [("synchronise", "finished")]
    [line] = runs.lines_of(parent)
    assert (line.job, line.coupled) == (again, coupling)


def test_cancelling_ends_both_steps(world: World) -> None:
    before = press(world)
    assert services.cancel(before, user=None)
    assert steps(before) == [("match_couple", "cancelled")] and before.state == "cancelled"
    between = press(world)
    [coupling] = between.children.all()
    jobs.run(coupling.pk)
    assert services.cancel(between, user=None)
    assert steps(between) == [("match_couple", "finished"), ("synchronise", "cancelled")]
    assert between.state == "cancelled", "the line did not come to its end"
    assert lines_only() == []


def test_cancelling_while_it_couples_brings_no_full_run(world: World) -> None:
    parent = press(world)
    [coupling] = parent.children.all()

    def cancel(step: str) -> None:
        if step == "page committed" and not SynchJob.objects.get(pk=parent.pk).cancel_requested_at:
            services.cancel(parent, user=None)

    jobs.run(coupling.pk, observe=cancel)
    assert steps(parent) == [("match_couple", "cancelled")] and parent.state == "cancelled"


def test_records_that_several_match_are_never_doubled_by_going_on(world: World) -> None:
    new(world, "4", name="D")
    twins = [new(world, each, R, name="D") for each in ("5", "6")]
    contacts = contacts_of(world)
    parent, _left = runs.start_review({world.mapping: What.COUPLE, contacts: What.FULL}, user=None)
    work()
    coupling = parent.children.get(verb="match_couple")
    assert (coupling.state, coupling.code, coupling.params) == ("failed", "match_undecided", {"count": 3})
    assert coupling.coupled == 1
    assert world.problem() is None, "the mapping itself is not held"
    assert not jobs.held(world.mapping)
    assert [job.state for job in parent.children.filter(mapping=contacts)] == ["queued"]
    [row] = coupling.matched.filter(side="left", outcome="several")
    match_choices.choose(world.mapping, user=None, look=coupling.pk, choices={row.pk: twins[0]})
    [other] = coupling.matched.filter(side="right", record_id=twins[1])
    match_choices.choose(world.mapping, user=None, look=coupling.pk, choices={other.pk: "none"})
    runs.run_line_again(parent, world.mapping, user=None)
    work()
    assert steps(parent)[2:] == [("match_couple", "finished"), ("synchronise", "finished")]
    assert (parent.state, Coupling.objects.live().paired().filter(mapping=world.mapping).count()) == (
        "finished",
        5,
    )


def test_a_person_may_let_it_go_on_without_a_choice(world: World) -> None:
    new(world, "4", name="D")
    for each in ("5", "6"):
        new(world, each, R, name="D")
    parent = press(world)
    with pytest.raises(NotNow, match="still_running"):
        runs.go_on_undecided(parent, world.mapping, user=None)
    work()
    [line] = runs.lines_of(parent)
    assert line.undecided
    job = runs.go_on_undecided(parent, world.mapping, user=None)
    assert (job.verb, job.scope) == ("synchronise", "full")
    work()
    assert parent.children.order_by("pk").last().inserted == 5
    with pytest.raises(NotNow, match="not_undecided"):
        runs.go_on_undecided(parent, world.mapping, user=None)
    with pytest.raises(RightMissing):
        runs.go_on_undecided(parent, world.mapping, user=make_user("Viewer"))


def test_what_several_match_is_no_question_where_nothing_is_made_of_it() -> None:
    world = World(fields=("name", "city"), only_coupled=True)
    new(world, "4", name="D")
    for each in ("5", "6"):
        new(world, each, R, name="D")
    criteria(world, ("name",))
    parent = press(world)
    work()
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "finished")]


def test_who_lost_the_right_couples_nothing_and_nothing_goes_on(world: World) -> None:
    person = make_user(grants={world.mapping: 2})
    person.user_permissions.set(Permission.objects.filter(codename__in=("view", "synchronize", "couple")))
    parent = press(world, user=person)
    person.user_permissions.set(Permission.objects.filter(codename__in=("view", "couple")))
    work()
    assert steps(parent) == [("match_couple", "cancelled")] and parent.state == "cancelled"


def test_a_mapping_that_is_off_is_only_coupled(world: World) -> None:
    TableMapping.objects.update(enabled=False)
    world.mapping.refresh_from_db()
    parent = press(world)
    work()
    assert steps(parent) == [("match_couple", "finished")] and parent.state == "finished"


def test_a_full_run_that_waits_already_is_taken_over(world: World) -> None:
    waiting = world.queue(scope="full")
    parent = press(world)
    [coupling] = parent.children.all()
    jobs.run(coupling.pk)
    waiting.refresh_from_db()
    full = parent.children.get(verb="synchronise")
    assert (waiting.state, waiting.code, waiting.params) == ("cancelled", "taken_over", {"job": full.pk})


def test_a_full_run_that_was_interrupted_makes_room_for_the_line_that_waits() -> None:
    world = World()
    running = world.queue(scope="full")
    assert jobs.claim(running.pk) is not None
    parent, _left = start_full([world.mapping])
    [line] = parent.children.all()
    SynchJob.objects.filter(pk=running.pk).update(lease_until="2020-01-01T00:00Z")
    assert jobs.take_over() == 1
    running.refresh_from_db()
    line.refresh_from_db()
    assert (running.state, running.code, running.params) == ("cancelled", "taken_over", {"job": line.pk})
    assert line.state == "queued"
    work()
    parent.refresh_from_db()
    assert parent.state == "finished"


def test_a_mapping_is_in_one_press_at_a_time_in_whichever_step(world: World) -> None:
    parent = press(world)
    for what in What:
        with pytest.raises(NotNow, match="full_running"):
            runs.start_review({world.mapping: what}, user=None)
    [coupling] = parent.children.all()
    jobs.run(coupling.pk)
    for what in What:
        with pytest.raises(NotNow, match="full_running"):
            runs.start_review({world.mapping: what}, user=None)
    work()
    assert SynchJob.objects.filter(parent=None, mapping=None).count() == 1


def test_a_schedule_in_between_starts_no_second_full_run(world: World, clock: Clock) -> None:
    schedule_of(world.mapping, "full", interval_seconds=3600)
    parent = press(world)
    schedule.tick()
    work()
    assert steps(parent) == [("match_couple", "finished"), ("synchronise", "finished")]
    assert (
        SynchJob.objects.filter(
            verb="synchronise", scope="full", state="finished", mapping=world.mapping
        ).count()
        == 1
    )

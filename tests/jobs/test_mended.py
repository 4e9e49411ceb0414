"""What is mended goes on at once, whoever finds out; what no check can see is not chased in circles."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from synccore import jobs, schedule
from synccore.connectors.memory import MemoryConnector
from synccore.failures import Misconfigured, Scope, Transient
from synccore.models import Coupling, Integration, JobQueueEntry, Problem, SetupCheck, SynchJob, TableMapping
from synccore.services import connections as services
from synccore.services import runs, start_bulk
from synccore.shapes import Side
from tests import factories as make

from .conftest import Clock
from .helpers import accept, contact, contacts_of, new, only_problem, pair, refuse, schedule_of, tick, work
from .world import World

pytestmark = pytest.mark.django_db

L, R = Side.LEFT, Side.RIGHT


def far_away() -> None:
    """The problem lasts so long that the next look is an hour off."""
    Problem.objects.filter(coupling=None).update(attempts=9, next_attempt=timezone.now() + timedelta(hours=1))


def worked() -> list[tuple[str, str, str]]:
    return [(job.verb, job.mapping.name if job.mapping else "", job.state) for job in work()]


def lose_connection(world: World) -> Problem:
    world.right.faults.fail = [Transient("connection_lost", {"app": "CRM"}, scope=Scope.CONNECTION)]
    world.run()
    far_away()
    return only_problem()


def lacks(table: str) -> Misconfigured:
    return Misconfigured("missing_privilege", {"table": table, "user": "tandem", "privilege": "UPDATE"})


def stop(world: World, *mappings: TableMapping) -> None:
    """Each mapping met the same missing right."""
    for mapping in mappings:
        world.right.faults.fail = [lacks(mapping.right_table)]
        assert world.run(mapping=mapping).state == "failed"
    far_away()


# -- who finds out --------------------------------------------------------------------------------------


def test_a_job_that_gets_its_answers_has_a_broken_connection_checked_at_once(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    problem = lose_connection(world)
    runs.start_dry_run(world.mapping, user=make.make_user("Administrator"))
    name = world.mapping.name
    assert worked() == [
        ("dry_run", name, "finished"),
        ("check", name, "finished"),
        ("synchronise", name, "finished"),
    ]
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == ("ended", "fixed")
    assert "C1" in world.by_no(R)


def test_a_job_that_asked_the_other_app_alone_knows_nothing_of_it(clock: Clock) -> None:
    world = World()
    problem = lose_connection(world)
    job = world.queue("describe", connection=world.mapping.connection(L), mapping=None)
    assert [(each.pk, each.state) for each in work()] == [(job.pk, "finished")]
    problem.refresh_from_db()
    assert problem.state == "retrying"


def test_reading_the_tables_of_an_app_tells_that_it_answers(clock: Clock) -> None:
    world = World()
    lose_connection(world)
    world.queue("describe", connection=world.mapping.connection(R), mapping=None)
    assert [verb for verb, _name, _state in worked()] == ["describe", "check", "synchronise"]
    assert world.problem() is None


def test_records_that_a_person_brings_through_have_their_stopped_mapping_checked(clock: Clock) -> None:
    world = World()
    left, _right = pair(world, "C1")
    stop(world, world.mapping)
    world.left.put("customer", left, {"city": "Gent"}, by="anna")
    start_bulk("synchronise", Coupling.objects.all(), user=None)
    assert [verb for verb, _name, _state in worked()] == ["synchronise", "check", "synchronise"]
    assert world.problem() is None


# -- who else is released -------------------------------------------------------------------------------


def test_mappings_with_the_same_fault_are_checked_when_one_is_found_mended(clock: Clock) -> None:
    world = World()
    contacts = contacts_of(world)
    stop(world, world.mapping, contacts)
    new(world, "C1")
    contact(world, "P1", None)
    services.check_now(Problem.objects.get(mapping=world.mapping), user=None)
    done = worked()
    assert sorted(done) == sorted(
        [
            (verb, mapping.name, "finished")
            for mapping in (world.mapping, contacts)
            for verb in ("check", "synchronise")
        ]
    )
    assert not Problem.objects.not_ended().exists()
    assert len(world.right.tables["person"].rows) == 1


def test_a_mapping_with_the_same_fault_that_is_not_mended_is_asked_once_and_waits_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    contacts = contacts_of(world)
    stop(world, world.mapping, contacts)
    allowed = MemoryConnector.check

    def check(self, table=None, *, write=False):
        if table is not None and table.name == "person":
            raise lacks("person")
        allowed(self, table, write=write)

    monkeypatch.setattr(MemoryConnector, "check", check)
    services.check_now(Problem.objects.get(mapping=world.mapping), user=None)
    done = worked()
    assert done.count(("check", "Contacts", "failed")) == 1
    assert [each for each in done if each[1] == "Contacts"] == [("check", "Contacts", "failed")]
    assert only_problem().mapping == contacts and only_problem().next_attempt > timezone.now() + timedelta(
        minutes=50
    )


def test_another_fault_of_another_mapping_is_left_to_its_own_time(clock: Clock) -> None:
    world = World()
    contacts = contacts_of(world)
    stop(world, world.mapping)
    make.make_problem(
        mapping=contacts, kind="misconfigured", code="unknown_table", state="retrying",
        next_attempt=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    services.check_now(Problem.objects.get(mapping=world.mapping), user=None)
    assert {name for _verb, name, _state in worked()} == {world.mapping.name}


def test_runs_that_an_app_that_was_away_kept_from_starting_start_when_it_is_back(clock: Clock) -> None:
    world = World()
    contacts, idle = contacts_of(world), make.make_mapping("On hold", integration=world.integration)
    entries = [schedule_of(mapping, interval_seconds=600) for mapping in (world.mapping, contacts, idle)]
    JobQueueEntry.objects.filter(pk=entries[2].pk).update(status="on_hold")
    lose_connection(world)
    schedule.tick()  # every run is due, none is started
    assert not SynchJob.objects.filter(state="queued").exists()
    grid = dict(JobQueueEntry.objects.values_list("pk", "next_run"))
    contact(world, "P1", None)
    services.check_now(only_problem(), user=None)
    assert sorted(worked()) == sorted(
        [
            ("check", world.mapping.name, "finished"),
            ("synchronise", world.mapping.name, "finished"),
            ("synchronise", "Contacts", "finished"),
        ]
    )
    assert len(world.right.tables["person"].rows) == 1
    now = dict(JobQueueEntry.objects.values_list("pk", "next_run"))
    assert now[entries[1].pk] == grid[entries[1].pk], "the schedule keeps its own times"


def test_a_mapping_that_ran_in_time_is_not_run_again_for_it(clock: Clock) -> None:
    world = World()
    contacts = contacts_of(world)
    entry = schedule_of(contacts, interval_seconds=3600)
    tick()
    entry.refresh_from_db()
    assert entry.last_run is not None
    lose_connection(world)
    services.check_now(only_problem(), user=None)
    assert {name for _verb, name, _state in worked()} == {world.mapping.name}


def test_a_paused_integration_stays_paused(clock: Clock) -> None:
    world = World()
    schedule_of(world.mapping)
    lose_connection(world)
    Integration.objects.update(paused_since=timezone.now())
    services.check_now(only_problem(), user=None)
    assert [verb for verb, _name, _state in worked()] == ["check"]


# -- records that a set-up fault skipped ----------------------------------------------------------------


def skipped_for_a_right(world: World, tries: int) -> Problem:
    new(world, "C1")
    refuse(world.right, lambda: Misconfigured("record_privilege", {"table": "account"}, scope=Scope.RECORD))
    world.run()
    accept(world.right)
    Problem.objects.update(attempts=tries)
    return only_problem()


def failed_before(world: World) -> None:
    app = world.mapping.connection(R)
    SetupCheck.objects.create(
        connection=app,
        mapping=world.mapping,
        code="privileges",
        state="fail",
        at=timezone.now(),
        since=timezone.now(),
    )


@pytest.mark.parametrize("tries", [1, 4])
def test_a_right_that_is_there_again_brings_records_back_however_often_they_failed(
    clock: Clock, tries: int
) -> None:
    world = World()
    problem = skipped_for_a_right(world, tries)
    failed_before(world)
    world.queue("check_set_up", connection=world.mapping.connection(R), mapping=None, origin="engine")
    done = [job for job in work() if job.verb == "synchronise"]
    problem.refresh_from_db()
    assert problem.state == "ended" and "C1" in world.by_no(R)
    assert sum(job.inserted for job in done) == 1


def test_a_check_in_which_nothing_changed_brings_no_record_back(clock: Clock) -> None:
    world = World()
    problem = skipped_for_a_right(world, 1)
    for _ in range(2):
        world.queue("check_set_up", connection=world.mapping.connection(R), mapping=None, origin="engine")
        assert [job.verb for job in work()] == ["check_set_up"]
    problem.refresh_from_db()
    assert problem.state == "skipped"


# -- no circles -----------------------------------------------------------------------------------------


def test_a_fault_that_no_check_sees_is_tried_ever_more_slowly(clock: Clock) -> None:
    world = World()
    waits = []
    world.right.faults.fail = [lacks("account")]
    world.run()
    for _ in range(8):
        problem = only_problem()
        waits.append(round((problem.next_attempt - problem.last_failure).total_seconds() / 60))
        clock.until(problem.next_attempt)
        schedule.tick()
        [check] = jobs.startable()
        assert (check.verb, jobs.run(check.pk).state) == ("check", "finished")
        world.right.faults.fail = [lacks("account")]
        [run] = jobs.startable()
        assert (run.verb, jobs.run(run.pk).state) == ("synchronise", "failed")
    assert waits == [1, 2, 5, 15, 30, 60, 60, 60]


def test_a_fault_that_comes_back_after_a_good_run_starts_anew(clock: Clock) -> None:
    world = World()
    stop(world, world.mapping)
    services.check_now(only_problem(), user=None)
    assert [state for _verb, _name, state in worked()] == ["finished", "finished"]
    clock.move(minutes=5)
    world.right.faults.fail = [lacks("account")]
    world.run()
    assert only_problem().attempts == 1

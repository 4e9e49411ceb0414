"""What happens next after each kind of failure: the table of ENGINE §3, row by row, with real jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from synccore import jobs, services
from synccore.failures import Failure, Misconfigured, Rejected, Scope, Transient, Unrecognised
from synccore.models import CallStack, Coupling, Journal, Problem, SynchJob, SynchJobError
from synccore.models.ledger import read_ledger
from synccore.services import connections
from synccore.shapes import Side
from tests.factories import ADMINISTRATOR, make_problem, make_user

from .conftest import Clock
from .helpers import accept, contact, contacts_of, new, only_problem, pair, refuse, tick, try_again, work
from .world import World

pytestmark = pytest.mark.django_db

MINUTES = timedelta(minutes=1)


def locked() -> Failure:
    return Transient(
        "lock_timeout", {"table": "account"}, app_message="canceling statement due to lock timeout"
    )


def too_long() -> Failure:
    return Rejected(
        "value_too_long", {"table": "account", "field": "name", "value": "Firm C1", "limit": 5, "length": 7}
    )


# -- Transient --------------------------------------------------


def test_a_temporary_fault_is_tried_again_ever_more_slowly_and_skipped_after_three_days(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, locked)
    world.run()
    problem = only_problem()
    assert (problem.kind, problem.state, problem.attempts) == ("transient", Problem.State.RETRYING, 1)
    waits = []
    for _try in range(8):
        assert problem.next_attempt is not None and problem.last_failure is not None
        waits.append((problem.next_attempt - problem.last_failure) / MINUTES)
        problem = try_again(problem, clock)
    assert waits == [1, 2, 5, 15, 30, 60, 60, 60]
    clock.until(problem.since + timedelta(days=3, seconds=-30))
    tick()
    problem.refresh_from_db()
    assert (problem.state, problem.attempts) == (Problem.State.RETRYING, 10)
    problem = try_again(problem, clock)
    assert problem.state == Problem.State.SKIPPED and problem.next_attempt is None
    assert SynchJobError.objects.count() == 1, "equal tries are only counted"
    assert problem.attempts == 11
    clock.move(days=30)
    assert tick() == []

    accept(world.right)
    assert services.retry(Coupling.objects.all(), user=None).marked == 1
    assert world.run().inserted == 1
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == (Problem.State.ENDED, Problem.Ending.FIXED)
    assert read_ledger().drift == []


def test_before_its_time_a_record_is_not_tried(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, locked)
    world.run()
    clock.move(seconds=59)
    assert tick() == []
    again = world.run()
    assert (again.waiting, again.failed) == (1, 0)
    assert only_problem().attempts == 1


@pytest.mark.parametrize("scope", [Scope.TABLE, Scope.CONNECTION])
def test_an_app_that_is_away_touches_no_record_and_is_asked_for_ever(clock: Clock, scope: Scope) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    world.left.put("customer", left, {"phone": "2"})
    before = Coupling.objects.values().get()

    def away() -> Failure:
        return Transient("connection_refused", {"host": "crm", "port": "5432"}, scope=scope)

    world.right.faults.fail = [away()]
    job = world.run()
    assert (job.state, job.code, job.scanned) == (SynchJob.State.FAILED, "connection_refused", 0)
    problem = only_problem()
    assert problem.coupling is None and problem.state == Problem.State.RETRYING
    if scope is Scope.CONNECTION:
        assert (problem.mapping, problem.connection) == (None, world.integration.right)
    else:
        assert (problem.mapping, problem.connection) == (world.mapping, None)
    assert Coupling.objects.values().get() == before
    waits = []
    for _hour in range(10):
        world.right.faults.fail = [away()]
        assert problem.next_attempt is not None and problem.last_failure is not None
        waits.append(round((problem.next_attempt - problem.last_failure) / MINUTES))
        problem = try_again(problem, clock)
    assert waits == [1, 2, 5, 15, 30, 60, 60, 60, 60, 60]
    clock.move(days=10)
    world.right.faults.fail = [away()]
    assert try_again(problem, clock).state == Problem.State.RETRYING, "never given up"
    assert SynchJobError.objects.count() == 1
    clock.until(problem.next_attempt)
    ran = tick()
    assert [(job.verb, job.state) for job in ran] == [("check", "finished"), ("synchronise", "finished")]
    problem.refresh_from_db()
    assert problem.ending == Problem.Ending.FIXED
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert read_ledger().drift == []


def test_jobs_that_wait_when_an_app_is_lost_do_not_lengthen_the_wait(clock: Clock) -> None:
    world = World()
    mappings = [world.mapping, contacts_of(world)]
    for mapping in mappings:
        world.queue(mapping=mapping)
    for _mapping in mappings:
        clock.move(seconds=2)
        world.right.faults.fail = [Transient("connection_refused", scope=Scope.CONNECTION)]
        job = jobs.run(jobs.startable()[0].pk)
        assert (job.state, job.code) == (SynchJob.State.FAILED, "connection_refused")
    problem = only_problem()
    assert problem.attempts == 1 and problem.last_job == job.pk
    assert problem.next_attempt == problem.since + MINUTES
    clock.until(problem.next_attempt)
    assert [job.verb for job in tick()][0] == "check"
    problem.refresh_from_db()
    assert problem.ending == Problem.Ending.FIXED


def test_looking_by_hand_again_and_again_does_not_lengthen_the_waits(clock: Clock) -> None:
    world = World()

    def away() -> None:
        world.right.faults.fail = [Transient("connection_refused", scope=Scope.CONNECTION)]

    away()
    world.run()
    away()
    problem = try_again(only_problem(), clock)
    planned = problem.next_attempt
    assert planned == problem.last_failure + 2 * MINUTES
    for _press in range(5):
        clock.move(seconds=10)
        away()
        connections.check_now(problem, user=make_user(ADMINISTRATOR))
        assert [(job.verb, job.state) for job in work()] == [("check", "failed")]
    problem.refresh_from_db()
    assert (problem.attempts, problem.next_attempt) == (7, planned)
    away()
    problem = try_again(problem, clock)
    assert (problem.attempts, problem.next_attempt - problem.last_failure) == (8, 5 * MINUTES)


def test_trying_a_record_by_hand_again_and_again_does_not_lengthen_its_waits(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, locked)
    world.run()
    planned = only_problem().next_attempt
    for _press in range(5):
        clock.move(seconds=5)
        services.start_bulk("synchronise", Coupling.objects.all(), user=make_user(ADMINISTRATOR))
        work()
    assert (only_problem().attempts, only_problem().next_attempt) == (6, planned)
    problem = try_again(only_problem(), clock)
    assert (problem.attempts, problem.next_attempt - problem.last_failure) == (7, 2 * MINUTES)


# -- Blocked --------------------------------------------------


def test_a_run_that_had_nothing_to_ask_of_an_app_does_not_say_that_it_is_well() -> None:
    """A mapping that flows one way and finds no change has not spoken to the other app at all."""
    world = World(direction="to_right")
    new(world, "1001")
    world.run()
    make_problem(
        connection=world.integration.right, kind="misconfigured", code="secret_expired", state="retrying"
    )
    world.run()
    assert Problem.objects.not_ended().get().code == "secret_expired"
    new(world, "1002")
    world.run()
    assert not Problem.objects.not_ended().exists()


def test_a_child_waits_and_is_released_in_the_transaction_that_stores_its_parent(clock: Clock) -> None:
    world = World()
    people = contacts_of(world)
    parent = new(world, "C1")
    contact(world, "P1", parent)
    job = world.run(mapping=people)
    assert (job.waiting, job.failed) == (1, 0)
    problem = only_problem()
    assert (problem.kind, problem.state, problem.code) == (
        "blocked",
        Problem.State.WAITING,
        "reference_not_coupled",
    )
    assert (problem.blocker_mapping, problem.blocker_side, problem.blocker_record) == (
        world.mapping,
        "left",
        parent,
    )
    looks_again = problem.next_attempt

    def break_off(point: str) -> None:
        if point == "page stored" and Coupling.objects.live().paired().exists():
            raise RuntimeError("the worker died before its commit")

    failed = world.run(observe=break_off)
    assert failed.state == SynchJob.State.FAILED
    problem.refresh_from_db()
    assert not Coupling.objects.live().paired().exists() and problem.next_attempt == looks_again

    seen: list[bool] = []

    def look(point: str) -> None:
        if point == "page stored" and Coupling.objects.live().paired().exists():
            problem.refresh_from_db()
            seen.append(problem.next_attempt is not None and problem.next_attempt <= clock.now)

    world.run(observe=look)
    assert seen and all(seen)
    ran = work()
    assert (people.pk, "due", 1) in [(job.mapping_id, job.scope, job.inserted) for job in ran]
    problem.refresh_from_db()
    assert problem.ending == Problem.Ending.FIXED
    [person] = world.right.tables["person"].rows.values()
    assert str(person.fields["parent"]) == world.coupling("C1").right_id
    assert SynchJobError.objects.filter(coupling_id=problem.coupling_id).count() == 1


@pytest.mark.parametrize("reason", ["outside_filter", "removed", "on_purpose", "only_coupled", "absent"])
def test_who_waits_for_what_nothing_will_couple_is_skipped_and_told_why(clock: Clock, reason: str) -> None:
    world = World()
    people = contacts_of(world)
    parent = new(world, "C1", city="Gent")
    match reason:
        case "outside_filter":
            world.change_mapping(left_filter=[{"field": "city", "operator": "eq", "value": "Brussel"}])
        case "removed":
            world.run()
            services.start_bulk("uncouple", Coupling.objects.all(), user=None)
            work()
        case "on_purpose":
            refuse(world.right, too_long)
            world.run()
            services.start_bulk(
                "leave_out", Coupling.objects.all(), user=None, options={"reason": "test account"}
            )
            work()
            accept(world.right)
        case "only_coupled":
            world.change_mapping(only_coupled=True)
        case "absent":
            world.left.remove("customer", parent)
    contact(world, "P1", parent)
    world.run(mapping=people)
    problem = Problem.objects.not_ended().get(mapping=people)
    assert (problem.kind, problem.state) == ("blocked", Problem.State.SKIPPED)
    assert problem.params["hopeless"] is True and problem.params["reason"] == reason
    assert problem in Problem.objects.needs_you()
    assert problem.blocker_record == parent
    if reason == "outside_filter":  # the blocker comes into the filter after all: its child comes with it
        world.left.put("customer", parent, {"city": "Brussel"})
        world.run()
        work()
        problem.refresh_from_db()
        assert problem.ending == Problem.Ending.FIXED


@pytest.mark.parametrize("why", ["skipped", "paused"])
def test_who_waits_for_a_record_that_is_skipped_or_paused_goes_on_waiting(clock: Clock, why: str) -> None:
    world = World()
    people = contacts_of(world)
    parent = new(world, "C1")
    if why == "skipped":
        refuse(world.right, too_long, when=lambda _operation, item: item.fields.get("no") == "C1")
        world.run()
        try_again(only_problem(), clock)
        assert only_problem().state == Problem.State.SKIPPED
    contact(world, "P1", parent)
    world.run(mapping=people)
    problem = Problem.objects.not_ended().get(mapping=people)
    assert (problem.state, problem.params.get("hopeless")) == (Problem.State.WAITING, False)


def test_an_optional_reference_waits_for_nobody() -> None:
    world = World()
    people = contacts_of(world, optional=True)
    contact(world, "P1", new(world, "C1"))
    assert world.run(mapping=people).inserted == 1
    [person] = world.right.tables["person"].rows.values()
    assert person.fields["parent"] is None


# -- Rejected, Unrecognised --------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [too_long, lambda: Unrecognised("app_answer", {"table": "account"}, app_message="E-77: <b>no</b>")],
)
def test_a_refusal_is_tried_twice_a_minute_apart_then_a_person_is_asked(clock: Clock, make: Any) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, make)
    job = world.run()
    problem = only_problem()
    assert (job.failed, problem.state) == (1, Problem.State.RETRYING)
    assert problem.next_attempt is not None and problem.last_failure is not None
    assert problem.next_attempt - problem.last_failure == MINUTES
    problem = try_again(problem, clock)
    assert (problem.state, problem.attempts, problem.next_attempt) == (Problem.State.SKIPPED, 2, None)
    assert problem.app_message == make().app_message, "verbatim and whole"
    assert SynchJobError.objects.count() == 1
    clock.move(days=9)
    assert tick() == []
    again = world.run()
    assert (again.skipped, again.failed) == (1, 0)


def test_a_refusal_that_changes_its_reason_starts_its_own_count_and_writes_an_entry(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, too_long)
    world.run()
    refuse(
        world.right,
        lambda: Rejected("check_refused", {"table": "account", "field": "phone"}, app_message="chk"),
    )
    problem = try_again(only_problem(), clock)
    assert (problem.code, problem.attempts, problem.state) == ("check_refused", 1, Problem.State.RETRYING)
    assert SynchJobError.objects.count() == 2
    first, last = SynchJobError.objects.order_by("pk")
    assert (problem.first_entry, problem.last_entry) == (first.pk, last.pk)
    assert (first.code, last.code) == ("value_too_long", "check_refused")
    problem = try_again(problem, clock)
    assert (problem.attempts, problem.state) == (2, Problem.State.SKIPPED)
    assert SynchJobError.objects.count() == 2
    assert read_ledger().drift == []


@pytest.mark.parametrize(
    "make", [too_long, lambda: Rejected("check_refused", {"table": "account"}, app_message="chk")]
)
def test_after_a_manual_retry_the_first_refusal_skips_again(clock: Clock, make: Any) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, too_long)
    world.run()
    try_again(only_problem(), clock)
    refuse(world.right, make)
    services.retry(Coupling.objects.all(), user=None)
    world.run()
    problem = only_problem()
    assert (problem.state, problem.requested_at) == (Problem.State.SKIPPED, None)


def test_after_a_manual_retry_a_temporary_fault_still_waits_by_itself(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, too_long)
    world.run()
    try_again(only_problem(), clock)
    refuse(world.right, locked)
    services.retry(Coupling.objects.all(), user=None)
    world.run()
    assert only_problem().state == Problem.State.RETRYING


# -- Misconfigured --------------------------------------------------


def no_right() -> Failure:
    params = {"table": "account", "user": "tandem", "privilege": "INSERT", "policy": "p"}
    return Misconfigured("record_privilege", params, scope=Scope.RECORD, app_message="row-level security")


def test_a_right_missing_for_one_record_is_that_records_trouble(clock: Clock) -> None:
    world = World()
    for n in range(12):
        new(world, f"C{n}")
    refuse(world.right, no_right, when=lambda _operation, item: item.fields.get("no") == "C3")
    job = world.run()
    assert (job.state, job.inserted, job.failed) == (SynchJob.State.FINISHED, 11, 1)
    problem = world.problem("C3")
    assert problem is not None and problem.state == Problem.State.SKIPPED
    assert problem in Problem.objects.with_the_administrator()


@pytest.mark.parametrize(("n", "stops"), [(9, False), (10, True)])
def test_a_whole_batch_of_ten_refused_alike_stops_the_mapping(clock: Clock, n: int, stops: bool) -> None:
    world = World()
    for number in range(n):
        new(world, f"C{number}")
    refuse(world.right, no_right)
    job = world.run()
    if not stops:
        assert (job.state, job.failed) == (SynchJob.State.FINISHED, n)
        return
    assert (job.state, job.code, job.scanned) == (SynchJob.State.FAILED, "record_privilege", 0)
    problem = only_problem()
    assert problem.mapping == world.mapping and problem.state == Problem.State.RETRYING
    assert not Coupling.objects.exists(), "no record is touched"
    accept(world.right)
    clock.until(problem.next_attempt)
    assert sum(job.inserted for job in tick()) == n
    assert Problem.objects.get().ending == Problem.Ending.FIXED


def test_the_tables_own_check_says_that_it_is_not_the_record(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, no_right)

    def check(when: str, method: str) -> None:
        if (when, method) == ("before", "check"):
            raise Misconfigured("record_privilege", {"table": "account"})

    world.right.faults.hook = check
    job = world.run()
    assert (job.state, job.scanned) == (SynchJob.State.FAILED, 0)
    assert only_problem().coupling is None
    assert [job.verb for job in tick()] == []
    clock.until(only_problem().next_attempt)
    assert [(job.verb, job.state) for job in tick()] == [("check", "failed")]
    assert only_problem().attempts == 2 and SynchJobError.objects.count() == 1
    world.right.faults.hook = None
    accept(world.right)
    clock.until(only_problem().next_attempt)
    assert [(job.verb, job.inserted) for job in tick()] == [("check", 0), ("synchronise", 1)]


def test_records_that_a_missing_right_held_come_back_when_the_check_passes(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, no_right)
    world.run()
    assert only_problem().state == Problem.State.SKIPPED
    accept(world.right)
    jobs.enqueue(verb="check", mapping=world.mapping)
    assert sum(job.inserted for job in work()) == 1
    assert Problem.objects.get().ending == Problem.Ending.FIXED


# -- our own errors --------------------------------------------------


def test_an_error_of_ours_is_tried_twice_then_skipped_and_its_call_stack_is_kept_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    for n in range(3):
        new(world, f"C{n}")
    from synccore.verbs import page

    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(page, "decide", broken)
    job = world.run()
    assert (job.state, job.failed) == (SynchJob.State.FINISHED, 3)
    assert {problem.state for problem in Problem.objects.all()} == {Problem.State.RETRYING}
    try_again(Problem.objects.all()[0], clock)
    for problem in Problem.objects.all():
        assert (problem.kind, problem.state, problem.attempts) == ("bug", Problem.State.SKIPPED, 2)
        assert problem in Problem.objects.with_the_administrator()
        assert problem.call_stack is not None and "ZeroDivisionError" in problem.call_stack.text
    assert CallStack.objects.count() == 1
    assert SynchJobError.objects.count() == 3


def test_an_error_of_ours_around_a_write_is_shown_and_the_write_is_looked_up_before_the_next_try(
    clock: Clock,
) -> None:
    world = World()
    new(world, "C1")

    def after(when: str, method: str) -> None:
        if (when, method) == ("after", "create"):
            raise KeyError("answer")

    world.right.faults.hook = after
    job = world.run()
    assert (job.state, job.failed) == (SynchJob.State.FINISHED, 1)
    assert SynchJobError.objects.get().kind == "bug", "shown, though the record is there"
    assert (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))) == (1, 1), "found, not created again"
    assert Journal.objects.get().state == Journal.State.DONE
    assert Coupling.objects.live().paired().count() == 1
    world.right.faults.hook = None
    clock.move(minutes=5)
    tick()
    assert Problem.objects.get().ending == Problem.Ending.FIXED
    assert (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))) == (1, 1)


# -- coming back --------------------------------------------------


def skipped_record(world: World, clock: Clock) -> tuple[str, Problem]:
    left = new(world, "C1", phone="1", city="Gent")
    refuse(world.right, too_long)
    world.run()
    problem = try_again(only_problem(), clock)
    assert problem.state == Problem.State.SKIPPED
    accept(world.right)
    return left, problem


def test_a_skipped_record_comes_back_when_a_mapped_field_changes(clock: Clock) -> None:
    world = World(fields=("no", "name", "phone"))
    left, problem = skipped_record(world, clock)
    world.left.put("customer", left, {"city": "Brussel"})
    job = world.run()
    assert (job.skipped, job.inserted) == (1, 0), "city is not mapped"
    world.left.put("customer", left, {"phone": "2"})
    assert world.run().inserted == 1
    problem.refresh_from_db()
    assert problem.ending == Problem.Ending.FIXED


def test_a_skipped_record_comes_back_when_the_rules_move(clock: Clock) -> None:
    world = World()
    skipped_record(world, clock)
    assert world.run().inserted == 0
    world.change_mapping(conflicts="left")
    assert world.run().inserted == 1
    assert not Problem.objects.not_ended().exists()


def test_a_record_left_out_until_a_date_comes_back_by_itself(clock: Clock) -> None:
    world = World()
    _left, problem = skipped_record(world, clock)
    until = clock.now + timedelta(days=5)
    services.start_bulk(
        "leave_out",
        Coupling.objects.all(),
        user=None,
        options={"reason": "moving", "until": until.isoformat()},
    )
    work()
    problem.refresh_from_db()
    assert (problem.state, problem.reason, problem.until) == (Problem.State.ON_PURPOSE, "moving", until)
    clock.move(days=4)
    world.change_mapping(conflicts="left")
    assert tick() == [] and world.run().inserted == 0
    clock.until(until)
    assert sum(job.inserted for job in tick()) == 1
    problem.refresh_from_db()
    assert problem.ending == Problem.Ending.FIXED
    assert read_ledger().drift == []


def test_a_record_left_out_for_good_stays_out(clock: Clock) -> None:
    world = World()
    left, _problem = skipped_record(world, clock)
    services.start_bulk("leave_out", Coupling.objects.all(), user=None, options={"reason": "test account"})
    work()
    clock.move(days=900)
    world.left.put("customer", left, {"phone": "2"})
    world.change_mapping(conflicts="left")
    tick()
    world.settle()
    assert only_problem().state == Problem.State.ON_PURPOSE
    assert world.rows(Side.RIGHT) == {}


@pytest.mark.parametrize("kind", ["conflict", "missing"])
def test_a_conflict_and_a_deletion_are_for_a_decision_at_once(clock: Clock, kind: str) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    if kind == "conflict":
        world.left.put("customer", left, {"phone": "2"})
        world.right.put("account", right, {"phone": "3"})
    else:
        pair(world, "C2")
        world.right.remove("account", right)
        world.run(scope="sweep")
    world.run()
    problem = only_problem()
    assert (problem.kind, problem.state, problem.attempts, problem.next_attempt) == (kind, "skipped", 1, None)
    assert problem in Problem.objects.needs_you()
    result = services.retry(Coupling.objects.filter(left_key="C1"), user=None)
    assert (result.marked, [each.reason for each in result.refused]) == (0, ["needs_decision"])

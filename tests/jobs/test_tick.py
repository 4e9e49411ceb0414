"""The tick: schedules, due retries, checks, take-overs; two of them at once do no harm."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection

from synccore import schedule, services
from synccore.failures import Rejected, Scope, Transient
from synccore.models import Coupling, JobQueueEntry, Problem, SynchJob
from synccore.models.ledger import read_ledger
from synccore.services import counts
from synccore.shapes import Side
from tandem.celery import app as celery
from tests.factories import ADMINISTRATOR, make_user

from .conftest import Clock
from .helpers import accept, new, only_problem, refuse, schedule_of, tick, work
from .world import World

pytestmark = pytest.mark.django_db


def test_beat_has_one_entry_and_it_names_the_tick() -> None:
    [entry] = settings.CELERY["beat_schedule"].values()
    assert entry["task"] == schedule.tick.name == "synccore.tick"
    assert entry["options"] == {"queue": "tick", "expires": 15} and entry["schedule"] == 15.0
    assert schedule.tick.name in celery.tasks


def test_a_schedule_starts_a_job_and_sets_its_next_time_on_its_own_grid(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    entry = schedule_of(world.mapping, interval_seconds=600, next_run=clock.now - timedelta(minutes=25))
    first = entry.next_run
    schedule.tick()
    job = SynchJob.objects.get()
    assert (job.origin, job.entry, job.scope, job.state) == ("schedule", entry, "changes", "queued")
    entry.refresh_from_db()
    assert entry.status == JobQueueEntry.Status.IN_PROCESS
    assert entry.next_run == first + timedelta(minutes=30), "missed runs are not made up for"
    schedule.tick()
    assert SynchJob.objects.count() == 1
    work()
    entry.refresh_from_db()
    assert (entry.status, entry.last_run is not None) == (JobQueueEntry.Status.READY, True)


@pytest.mark.parametrize("why", ["on_hold", "disabled", "paused", "unreachable"])
def test_what_is_held_is_not_started(clock: Clock, why: str) -> None:
    world = World()
    entry = schedule_of(world.mapping)
    match why:
        case "on_hold":
            JobQueueEntry.objects.update(status=JobQueueEntry.Status.ON_HOLD)
        case "disabled":
            type(world.mapping).objects.update(enabled=False)
        case "paused":
            services.pause(world.integration)
        case "unreachable":
            world.right.faults.fail = [Transient("connection_refused", {}, scope=Scope.CONNECTION)]
            world.run()
    before = SynchJob.objects.count()
    schedule.tick()
    assert SynchJob.objects.count() == before
    was = entry.next_run
    entry.refresh_from_db()
    assert (entry.next_run > was) is (why != "on_hold")


def test_an_error_puts_the_schedule_on_error_and_does_not_stop_it(clock: Clock) -> None:
    world = World()
    entry = schedule_of(world.mapping, interval_seconds=300)
    world.right.faults.fail = [Transient("connection_refused", {}, scope=Scope.CONNECTION)]
    tick()
    entry.refresh_from_db()
    assert entry.status == JobQueueEntry.Status.ERROR
    clock.until(only_problem().next_attempt)
    tick()
    entry.refresh_from_db()
    assert entry.status == JobQueueEntry.Status.READY


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_start_each_schedule_once() -> None:
    world = World()
    for scope in ("changes", "sweep"):
        schedule_of(world.mapping, scope, interval_seconds=3600)
    barrier = threading.Barrier(4)
    errors: list[BaseException] = []

    def one() -> None:
        barrier.wait()
        try:
            schedule.tick()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(SynchJob.objects.values_list("scope", flat=True)) == ["changes", "sweep"]


def test_due_retries_start_a_job_that_reads_nothing_else(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "name"}))
    world.run()
    accept(world.right)
    new(world, "C2")
    clock.until(only_problem().next_attempt)
    [job] = tick()
    assert (job.scope, job.origin, job.inserted) == ("due", "engine", 1)
    assert set(world.by_no(Side.RIGHT)) == {"C1"}


def test_retries_do_not_end_a_set_up_problem_that_nobody_proved_to_be_over(clock: Clock) -> None:
    world = World()
    world.right.faults.fail = [Transient("connection_refused", {}, scope=Scope.TABLE)]
    world.run()
    world.run(scope="due")
    assert only_problem().state == Problem.State.RETRYING


def test_what_is_paused_is_neither_retried_nor_run(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    refuse(world.right, lambda: Transient("lock_timeout", {}))
    world.run()
    accept(world.right)
    services.pause(world.integration, reason="Year end")
    world.queue()
    clock.move(hours=3)
    assert tick() == []
    services.resume([world.integration])
    assert sum(job.inserted for job in tick()) == 1


def test_counts_are_a_recount_at_every_step(clock: Clock) -> None:
    world = World()
    user = make_user(ADMINISTRATOR)
    for n in range(4):
        new(world, f"C{n}")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "name"}))
    steps = [
        world.run,
        lambda: (clock.move(minutes=2), tick()),
        lambda: services.retry(Coupling.objects.filter(left_key="C0"), user=None),
        lambda: accept(world.right),
        world.run,
        lambda: (services.start_bulk("leave_out", Coupling.objects.filter(left_key="C1"), user=None), work()),
        lambda: (services.start_bulk("uncouple", Coupling.objects.filter(left_key="C2"), user=None), work()),
    ]
    for step in steps:
        step()
        assert read_ledger().drift == []
        numbers = counts(user)
        rows = Problem.objects.of_records()
        assert numbers["needs_you"] == rows.needs_you().count()
        assert numbers["will_retry"] == rows.will_retry().count()
        assert (
            numbers["all"]
            == rows.open().count()
            == sum(numbers[name] for name in ("needs_you", "with_the_administrator", "waiting", "will_retry"))
        )
        assert numbers["on_purpose"] == rows.filter(state="on_purpose").count()
    assert (numbers["all"], numbers["on_purpose"], numbers["entries"]) == (1, 1, 4)


def test_folded_counts_are_the_same_counts(clock: Clock) -> None:
    from synccore.models import Stat

    world = World()
    new(world, "C1")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "name"}))
    world.run()
    [row] = Stat.objects.filter(state="entry")
    Stat.objects.bulk_create(
        Stat(day=row.day, bucket=row.bucket, fingerprint=row.fingerprint, state="waiting", n=n)
        for n in (1, -1) * 1001
    )
    schedule.fold_stats()
    assert Stat.objects.count() < 10 and read_ledger().drift == []

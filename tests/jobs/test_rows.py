"""Jobs as rows: queue, claim, page, lease, end."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection

from synccore import jobs, services, tasks
from synccore.models import (
    Coupling,
    JobItem,
    Journal,
    JournalSeal,
    Problem,
    Stat,
    SynchJob,
    SynchJobError,
    TableMapping,
)
from synccore.models.ledger import read_ledger
from synccore.models.seals import verify_journal
from synccore.shapes import Side
from synccore.verbs.run import LEASE, shutting_down
from tests.factories import make_mapping

from .conftest import Clock
from .helpers import new, only_problem, pair, tick, work
from .world import World

pytestmark = pytest.mark.django_db


def paged(n: int = 6, size: int = 2) -> World:
    world = World()
    for number in range(n):
        new(world, f"C{number}")
    world.left.faults.page_limit = size
    return world


def after_page(n: int, do: Any) -> Any:
    """An observer that does something once, after the n-th page that coupled records."""
    done: list[str] = []

    def observe(point: str) -> None:
        if point == "page committed" and Coupling.objects.count() >= n and not done:
            done.append(point)
            do()

    return observe


def test_the_watermark_moves_only_at_the_end_of_a_pass() -> None:
    world = paged()
    marks = []

    def look(point: str) -> None:
        if point == "page committed":
            world.mapping.refresh_from_db()
            marks.append((Coupling.objects.count(), world.mapping.left_watermark is not None))

    world.run(observe=look)
    assert (2, False) in marks and (4, False) in marks
    assert all(not moved for n, moved in marks if n < 6) and marks[-1] == (6, True)


def test_a_job_goes_on_from_its_checkpoint_after_its_worker_was_asked_to_end() -> None:
    world = paged()
    job = world.run(observe=after_page(2, shutting_down.set))
    assert (job.state, job.inserted, job.checkpoint["phase"]) == (SynchJob.State.QUEUED, 2, "left")
    assert (job.lease_until, job.sent_at) == (None, None)
    shutting_down.clear()
    reads: list[str] = []
    world.left.faults.hook = lambda when, method: reads.append(method) if when == "before" else None
    [done] = work()
    assert (done.pk, done.state, done.inserted) == (job.pk, SynchJob.State.FINISHED, 6)
    assert reads.count("changes") == 2, "the first page is not read again"
    assert verify_journal().broken is None


def test_rules_that_move_in_a_run_start_it_over_and_nothing_is_lost() -> None:
    world = paged()
    job = world.run(observe=after_page(2, lambda: world.change_mapping(conflicts="left")))
    assert (job.state, job.checkpoint) == (SynchJob.State.QUEUED, {})
    [done] = work()
    assert (done.pk, done.state) == (job.pk, SynchJob.State.FINISHED)
    assert done.mapping_revision == world.mapping.revision
    assert len(world.rows(Side.RIGHT)) == 6 == Coupling.objects.live().paired().count()


def test_chosen_records_go_first_after_the_page_that_runs() -> None:
    world = paged()
    left, right = pair(world, "X1", phone="1")
    new(world, "C7")
    new(world, "C8")
    new(world, "C9")
    world.left.faults.page_limit = 1
    job = world.run(
        observe=after_page(
            8, lambda: services.start_bulk("synchronise", Coupling.objects.filter(left_key="X1"), user=None)
        )
    )
    assert job.state == SynchJob.State.QUEUED
    ran = work()
    assert [each.scope for each in ran][:2] == ["items", "changes"]
    assert ran[1].pk == job.pk and Coupling.objects.count() == 10


def test_a_pause_stops_a_running_job_after_its_page() -> None:
    world = paged()
    job = world.run(observe=after_page(2, lambda: services.pause(world.integration, reason="Year end")))
    assert (job.state, job.inserted) == (SynchJob.State.QUEUED, 2)
    assert work() == []
    services.resume([world.integration])
    assert [(each.pk, each.inserted) for each in work()] == [(job.pk, 6)]


def test_a_queued_job_is_cancelled_at_once() -> None:
    world = paged()
    job = world.queue()
    assert services.cancel(job, user=None)
    job.refresh_from_db()
    assert (job.state, job.finished_at is not None) == (SynchJob.State.CANCELLED, True)
    assert work() == [] and jobs.run(job.pk) is None


def test_a_job_that_goes_back_takes_over_its_queued_twin() -> None:
    world = paged()

    def stop() -> None:
        services.run_now([world.mapping], user=None)
        shutting_down.set()

    job = world.run(observe=after_page(2, stop))
    twin = SynchJob.objects.exclude(pk=job.pk).get()
    assert (job.state, twin.state, twin.code, twin.params) == (
        "queued",
        "cancelled",
        "taken_over",
        {"job": job.pk},
    )
    shutting_down.clear()
    assert [each.pk for each in work()] == [job.pk]


def test_one_message_too_many_finds_nothing_to_claim() -> None:
    world = paged()
    job = world.run()
    assert jobs.run(job.pk) is None and jobs.claim(job.pk) is None
    job.refresh_from_db()
    assert (job.lease_no, job.state) == (1, SynchJob.State.FINISHED)


def test_while_a_mapping_is_busy_its_next_job_waits_and_is_rung_for_afterwards(
    rung: list[int], clock: Clock
) -> None:
    world = paged()
    first, second = world.queue(), world.queue(scope="due")
    assert tasks.kick() == 1 and rung == [first.pk], "one bell per mapping"
    assert jobs.claim(first.pk) is not None
    SynchJob.objects.filter(pk=second.pk).update(sent_at=clock.now)
    assert jobs.claim(second.pk) is None
    assert tasks.kick() == 0
    SynchJob.objects.filter(pk=first.pk).update(state="finished")
    assert tasks.kick() == 1 and rung[-1] == second.pk, "at once, not half a minute later"


def test_a_lost_message_is_sent_again(rung: list[int], clock: Clock) -> None:
    world = paged()
    job = world.queue()
    tasks.kick()
    tasks.kick()
    assert rung == [job.pk]
    clock.move(seconds=31)
    tasks.kick()
    assert rung == [job.pk, job.pk]


def test_two_jobs_of_one_mapping_never_run_together() -> None:
    world = paged()
    first, second = world.queue(), world.queue(scope="full")
    assert jobs.claim(first.pk) is not None
    assert jobs.claim(second.pk) is None
    with pytest.raises(IntegrityError):
        SynchJob.objects.filter(pk=second.pk).update(state="running")


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_gets_the_job() -> None:
    world = paged(1)
    for _round in range(5):
        job = world.queue()
        barrier, got = threading.Barrier(4), list[Any]()

        def claim(job: SynchJob = job, barrier: threading.Barrier = barrier, got: list[Any] = got) -> None:
            barrier.wait()
            try:
                got.append(jobs.claim(job.pk))
            finally:
                connection.close()

        threads = [threading.Thread(target=claim) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [winner] = [each for each in got if each is not None]
        assert winner.lease_no == 1
        SynchJob.objects.filter(pk=job.pk).update(state="finished")


# -- leases --------------------------------------------------


def test_whoever_lost_the_lease_stores_nothing(clock: Clock) -> None:
    world = paged(2)

    def lose(point: str) -> None:
        if point == "sent":
            clock.move(seconds=LEASE.total_seconds() + 1)
            assert jobs.take_over() == 1

    job = world.run(observe=lose)
    assert (job.state, job.pages, job.scanned) == (SynchJob.State.QUEUED, 0, 0)
    assert (
        not Coupling.objects.exists() and not SynchJobError.objects.exists() and not Problem.objects.exists()
    )
    assert {row.state for row in Journal.objects.all()} == {Journal.State.INTENDED}
    assert len(world.rows(Side.RIGHT)) == 2, "the app did get them"
    [done] = work()
    assert (done.pk, done.state, done.lease_no) == (job.pk, SynchJob.State.FINISHED, 3)
    assert len(world.rows(Side.RIGHT)) == 2 == Coupling.objects.live().paired().count()
    assert verify_journal().broken is None


def test_a_lease_is_renewed_before_each_remote_call(clock: Clock) -> None:
    world = paged(2)
    seen = []

    def look(when: str, _method: str) -> None:
        if when == "before":
            clock.move(seconds=60)
            until = SynchJob.objects.get(state="running").lease_until
            assert until is not None
            seen.append(until > clock.now)

    world.right.faults.hook = look
    assert world.run().state == SynchJob.State.FINISHED
    assert len(seen) > 1 and all(seen)


def test_a_job_that_kills_its_workers_is_given_up_and_says_so(clock: Clock) -> None:
    world = paged(2)
    job = world.queue()
    for death in range(1, jobs.DEATHS + 1):
        assert jobs.claim(job.pk) is not None
        clock.move(seconds=LEASE.total_seconds() + 1)
        assert jobs.take_over() == 1
        job.refresh_from_db()
        assert job.state == (SynchJob.State.QUEUED if death < jobs.DEATHS else SynchJob.State.FAILED)
    assert (job.code, job.params["deaths"], job.kind) == ("job_lost", jobs.DEATHS, "bug")
    problem = only_problem()
    assert (problem.mapping, problem.code) == (world.mapping, "job_lost")
    assert jobs.take_over() == 0
    clock.until(problem.next_attempt)
    assert [each.inserted for each in tick()] == [2]
    problem.refresh_from_db()
    assert problem.ending == Problem.Ending.FIXED and read_ledger().drift == []


def test_deaths_with_pages_in_between_are_counted_anew(clock: Clock) -> None:
    world = paged(2)
    job = world.queue()
    for page in range(jobs.DEATHS + 2):
        assert jobs.claim(job.pk) is not None
        SynchJob.objects.filter(pk=job.pk).update(pages=page + 1)
        clock.move(seconds=LEASE.total_seconds() + 1)
        jobs.take_over()
    job.refresh_from_db()
    assert (job.state, job.options["deaths"]["n"]) == (SynchJob.State.QUEUED, 1)


# -- a page that fails --------------------------------------------------


def test_a_page_that_fails_leaves_no_trace_in_counts_entries_or_seals() -> None:
    world = paged(3, 3)
    from synccore.failures import Rejected

    world.right.faults.refuse = lambda _operation, _table, item: (
        Rejected("value_too_long", {"field": "name"}) if item.fields["no"] == "C1" else None
    )

    def break_page(point: str) -> None:
        if point == "page stored" and Coupling.objects.exists():
            raise RuntimeError("planted")

    job = world.run(observe=break_page)
    assert (job.state, job.code, job.kind) == (SynchJob.State.FAILED, "bug", "bug")
    assert (job.scanned, job.by_direction) == (0, {})
    assert not Coupling.objects.exists() and not JournalSeal.objects.exists()
    [entry] = SynchJobError.objects.all()
    assert entry.coupling_id is None and entry.code == "bug", "the job's own, not those of the page"
    assert Stat.objects.filter(of_record=True).count() == 0
    assert read_ledger().drift == [] and verify_journal().broken is None
    again = world.run()
    assert (again.state, again.failed) == (SynchJob.State.FINISHED, 1)
    assert read_ledger().drift == [] and verify_journal().broken is None
    assert len(world.rows(Side.RIGHT)) == 2 == Coupling.objects.live().paired().count()


def test_every_record_ends_in_exactly_one_counter_and_directions_add_up(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    pair(world, "C2")
    world.left.put("customer", left, {"phone": "2"})
    new(world, "C3")
    new(world, "A4", Side.RIGHT)
    world.left.touch("customer", str(world.coupling("C2").left_id))
    world.run(scope="sweep")
    SynchJob.objects.filter(state="queued").delete()
    job = world.run()
    assert (job.modified, job.inserted, job.unchanged, job.scanned) == (1, 2, 1, 4)
    sums: dict[str, int] = {}
    for counters in job.by_direction.values():
        for name, n in counters.items():
            sums[name] = sums.get(name, 0) + n
    assert sums == {"modified": 1, "inserted": 2, "unchanged": 1}
    assert job.by_direction["left"] == {"inserted": 1}


def test_a_bulk_of_two_mappings_is_one_job_that_ends_with_its_last_child() -> None:
    from .helpers import contact, contacts_of

    world = World()
    people = contacts_of(world)
    contact(world, "P1", new(world, "C1"))
    world.run()
    world.run(mapping=people)
    parent = services.start_bulk("synchronise", Coupling.objects.all(), user=None)
    children = list(parent.children.order_by("pk"))
    assert [child.mapping_id for child in children] == [world.mapping.pk, people.pk], "parents first"
    assert (parent.total, [child.total for child in children]) == (2, [1, 1])
    assert services.cancel(children[1], user=None)
    parent.refresh_from_db()
    assert parent.state == SynchJob.State.RUNNING
    work()
    parent.refresh_from_db()
    assert (parent.state, parent.scanned) == (SynchJob.State.FINISHED, 1)
    assert sorted(JobItem.objects.values_list("state", flat=True)) == ["cancelled", "done"]
    again = services.start_bulk("delete", Coupling.objects.all(), user=None)
    assert [child.mapping_id for child in again.children.order_by("pk")] == [people.pk, world.mapping.pk]
    for child in again.children.all():
        services.cancel(child, user=None)
    again.refresh_from_db()
    assert again.state == SynchJob.State.CANCELLED, "the last child that is cancelled ends the press"


def test_a_sweep_does_not_give_way_and_does_not_hinder() -> None:
    world = paged(4, 1)
    world.run()
    services.start_bulk("synchronise", Coupling.objects.all(), user=None)
    job = world.run(scope="sweep")
    assert job.state == SynchJob.State.FINISHED
    sweep = world.queue(scope="sweep")
    jobs.claim(sweep.pk)
    assert [each.scope for each in work()][:1] == ["items"]


def test_nothing_runs_twice_by_a_disabled_mapping() -> None:
    world = paged()
    world.queue()
    TableMapping.objects.update(enabled=False)
    assert work() == [] and jobs.held(TableMapping.objects.get()) == "disabled"
    assert timedelta(seconds=90) == LEASE


@pytest.mark.parametrize("claimed", [1, 4])
def test_a_twin_that_is_claimed_meanwhile_does_not_count(
    monkeypatch: pytest.MonkeyPatch, claimed: int
) -> None:
    mapping, create, tries = make_mapping(), SynchJob.objects.create, []

    def refused(**values: Any) -> SynchJob:
        tries.append(values)
        if len(tries) <= claimed:
            raise IntegrityError("one_queued_job_per_scope")
        return create(**values)

    monkeypatch.setattr(SynchJob.objects, "create", refused)
    job = jobs.enqueue(verb="synchronise", mapping=mapping)
    assert (job.state, len(tries)) == ("queued", claimed + 1)
    assert jobs.enqueue(verb="synchronise", mapping=mapping) == job, "one that waits is given back"


def test_a_job_that_is_refused_for_another_reason_says_so_instead_of_trying_for_ever() -> None:
    with pytest.raises(IntegrityError, match="not-null"):
        jobs.enqueue(verb="synchronise", mapping=make_mapping(), options=None)
    assert not SynchJob.objects.exists()

"""Brakes and sweeps: what is found, and how much of it may happen before a person is asked."""

from __future__ import annotations

import pytest

from synccore import jobs, services
from synccore.connectors.memory import MemoryConnector
from synccore.models import Coupling, JobItem, Journal, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.ledger import read_ledger
from synccore.models.seals import verify_journal
from synccore.services.jobs import NotNow
from synccore.shapes import Side, VersionPage

from .conftest import Clock
from .helpers import new, only_problem, pair, said, schedule_of, tick, work
from .world import World

pytestmark = pytest.mark.django_db


def filled(n: int, **values: object) -> World:
    world = World(**values)
    for number in range(n):
        new(world, f"C{number:03}")
    assert world.run().inserted == n
    return world


def gone(world: World, n: int, side: Side = Side.RIGHT) -> None:
    table = "account" if side is Side.RIGHT else "customer"
    for id in list(world.rows(side))[:n]:
        world.app(side).remove(table, id)
    world.run(scope="sweep")
    SynchJob.objects.filter(state="queued").delete()


@pytest.mark.parametrize("policy", ["ask", "delete", "restore", "uncouple"])
def test_too_many_deletions_stop_the_mapping_whatever_the_policy(policy: str, clock: Clock) -> None:
    world = filled(30, deletions=policy)
    gone(world, 21)
    job = world.run()
    assert (job.state, job.code, job.kind) == ("failed", "too_many_deletions", "stopped")
    assert (job.params["count"], job.params["limit"], len(job.params["samples"])) == (21, 20, 10)
    assert "21" in said(job, world) and "20" in said(job, world)
    assert (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))) == (30, 9), "nothing happened"
    assert Coupling.objects.live().paired().count() == 30
    problem = only_problem()
    assert (problem.mapping, problem.state, problem.next_attempt) == (
        world.mapping,
        Problem.State.SKIPPED,
        None,
    )
    assert JobItem.objects.filter(purpose="deletion", state="open").count() == 21
    schedule_of(world.mapping)
    clock.move(days=1)
    assert tick() == [] and jobs.held(world.mapping) == "stopped"
    with pytest.raises(NotNow) as refused:
        services.run_now([world.mapping], user=None)
    assert refused.value.params["reason"] == "stopped"


def test_allow_once_wants_a_reason_and_carries_out_the_same_set(clock: Clock) -> None:
    world = filled(30, deletions="delete")
    gone(world, 21)
    job = world.run()
    with pytest.raises(NotNow) as refused:
        services.allow_once(job, user=None, reason="  ")
    assert refused.value.code == "reason_missing"
    allowed = services.allow_once(job, user=None, reason="Old firms were cleaned up")
    new(world, "N1")
    ran = work()
    assert (ran[0].pk, ran[0].state, ran[0].deleted) == (allowed.pk, "finished", 21)
    assert ran[0].options["reason"] == "Old firms were cleaned up"
    assert len(Journal.objects.filter(operation="delete", state="done")) == 21
    assert (ran[1].scope, ran[1].inserted) == ("changes", 1), "then the mapping goes on"
    assert len(world.rows(Side.LEFT)) == 10 and Coupling.objects.live().count() == 10
    assert Problem.objects.get().ending == Problem.Ending.ACCEPTED
    assert not JobItem.objects.filter(state="open").exists()
    with pytest.raises(NotNow):
        services.allow_once(job, user=None, reason="again")
    assert verify_journal().broken is None and read_ledger().drift == []
    gone(world, 10, Side.RIGHT)
    SynchJob.objects.filter(state="queued").delete()
    assert world.run().code in ("too_many_deletions", "", "side_empty"), "once is once"


def test_keep_stopped_cancels_what_was_held_back_and_switches_the_mapping_off() -> None:
    world = filled(30, deletions="delete")
    gone(world, 21)
    services.keep_stopped(world.run(), user=None)
    world.mapping.refresh_from_db()
    assert not world.mapping.enabled
    assert set(JobItem.objects.filter(purpose="deletion").values_list("state", flat=True)) == {"cancelled"}
    assert Problem.objects.get().ending == Problem.Ending.ACCEPTED
    assert work() == [] and len(world.rows(Side.LEFT)) == 30
    TableMapping.objects.update(enabled=True)
    world.run(scope="sweep")
    assert world.run().code == "too_many_deletions", "switched on again it is found again"


def test_deletions_within_the_limit_are_carried_out_after_all_were_counted() -> None:
    world = filled(30, deletions="delete")
    gone(world, 20)
    job = world.run()
    assert (job.state, job.deleted, len(world.rows(Side.LEFT))) == ("finished", 20, 10)
    before = Journal.objects.filter(operation="delete").first()
    assert before is not None and {"no", "name", "phone", "city", "parent"} <= set(before.before), (
        "all that was there"
    )


def test_a_record_that_two_runs_collected_counts_once(clock: Clock) -> None:
    world = filled(30, deletions="delete")
    gone(world, 15)
    job = world.queue()

    def cancel(point: str) -> None:
        if point == "page committed" and JobItem.objects.filter(purpose="deletion").exists():
            services.cancel(job, user=None)

    done = jobs.run(job.pk, observe=cancel)
    assert done is not None and done.state == SynchJob.State.CANCELLED
    assert JobItem.objects.filter(purpose="deletion", state="open").count() == 15
    world.run(scope="sweep")
    SynchJob.objects.filter(state="queued").delete()
    done = world.run()
    assert (done.state, done.code, done.deleted) == ("finished", "", 15)


def test_a_side_that_is_suddenly_empty_stops_the_sweep_and_deletes_nothing() -> None:
    world = filled(3, deletions="delete")
    rows = dict(world.right.tables["account"].rows)
    world.right.tables["account"].rows.clear()
    job = world.run(scope="sweep")
    assert (job.state, job.code) == ("failed", "side_empty")
    assert world.right.name in said(job, world) and not JobItem.objects.exists()
    assert work() == [] and len(world.rows(Side.LEFT)) == 3
    world.right.tables["account"].rows.update(rows)
    services.allow_once(job, user=None, reason="It was being moved")
    assert {each.state for each in work()} == {"finished"}
    assert len(world.rows(Side.LEFT)) == 3 and not Problem.objects.not_ended().exists()


def test_a_scan_that_breaks_off_finds_nothing() -> None:
    world = filled(6)
    world.right.faults.page_limit = 2
    calls: list[str] = []

    def break_off(when: str, method: str) -> None:
        if (when, method) == ("before", "versions"):
            calls.append(method)
            if len(calls) == 2:
                from synccore.failures import Scope, Transient

                raise Transient("connection_lost", {}, scope=Scope.CONNECTION)

    world.right.faults.hook = break_off
    job = world.run(scope="sweep")
    assert job.state == "failed" and not JobItem.objects.filter(side="right").exists()


def test_a_first_load_into_a_side_with_strangers_waits_for_a_person() -> None:
    world = World()
    for n in range(3):
        new(world, f"C{n}")
    new(world, "A1", Side.RIGHT)
    world.change_mapping(direction="to_right")
    job = world.run()
    assert (job.state, job.code, job.params["count"]) == ("failed", "too_many_creations", 3)
    assert len(world.rows(Side.RIGHT)) == 1 and not Coupling.objects.exists()
    services.allow_once(job, user=None, reason="They are different firms")
    assert sum(each.inserted for each in work()) == 3
    assert len(world.rows(Side.RIGHT)) == 4 and not JobItem.objects.filter(state="open").exists()


def test_a_first_load_into_an_empty_side_is_not_braked_and_may_be_interrupted() -> None:
    world = World(creations_min=2)
    for n in range(6):
        new(world, f"C{n}")
    world.left.faults.page_limit = 2
    job = world.queue()

    def pause(point: str) -> None:
        if point == "page committed" and Coupling.objects.count() == 2:
            services.pause(world.integration)

    jobs.run(job.pk, observe=pause)
    assert Coupling.objects.count() == 2
    services.resume([world.integration])
    assert [each.inserted for each in work()] == [6]


def test_the_brake_does_not_ask_row_by_row_where_only_tandem_can_judge_the_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Services whose filter says less than the mapping's: a page of them may hold no row that fits."""
    world = filled(1, direction="to_right")
    new(world, "C9")
    for number in range(7):
        new(world, f"A{number}", Side.RIGHT)
    asked: list[int | None] = []

    def versions(self, table, filter=(), cursor=None, *, limit=None):
        asked.append(limit)
        start, size = (cursor or {"at": 0})["at"], limit or 3
        complete = start + size >= len(world.rows(Side.RIGHT))
        return VersionPage((), None if complete else {"at": start + size}, complete)

    monkeypatch.setattr(MemoryConnector, "versions", versions)
    assert world.run().inserted == 1
    assert asked == [1, None, None, None], "one row, then pages of three"


def test_creations_past_the_limit_are_held_back_and_the_rest_is_not_lost() -> None:
    world = filled(3, creations_min=2)
    for n in range(5):
        new(world, f"N{n}")
    job = world.run()
    assert (job.state, job.code, job.inserted) == ("failed", "too_many_creations", 2)
    assert (job.params["count"], job.params["limit"]) == (5, 2)
    assert len(world.rows(Side.RIGHT)) == 5
    services.allow_once(job, user=None, reason="A firm was bought")
    assert sum(each.inserted for each in work()) == 3
    assert len(world.rows(Side.RIGHT)) == 8 == Coupling.objects.live().paired().count()


# -- sweeps and full runs --------------------------------------------------


def test_a_sweep_leaves_every_difference_for_the_next_run_and_writes_to_no_app() -> None:
    world = World()
    moved_left, moved_right = pair(world, "C1", phone="1")
    _gone_left, gone_right = pair(world, "C2")
    out_left, _out_right = pair(world, "C3", city="Gent")
    world.change_mapping(left_filter=[{"field": "city", "operator": "ne", "value": "Brussel"}])
    world.run()
    world.left.put("customer", moved_left, {"phone": "2"}, stamp=None)
    world.right.remove("account", gone_right)
    world.left.put("customer", out_left, {"city": "Brussel"}, stamp=None)
    late = new(world, "C4")
    world.left.put("customer", late, {}, stamp=None)
    writes: list[str] = []
    for app in (world.left, world.right):
        app.faults.hook = lambda when, method: writes.append(method)
    job = world.run(scope="sweep")
    assert job.state == "finished" and not {"create", "update", "delete"} & set(writes)
    found = set(JobItem.objects.filter(state="open").values_list("note", "side", "record_id"))
    assert {("moved", "left", moved_left), ("new", "left", late), ("gone", "right", gone_right)} <= found
    assert ("gone", "left", out_left) in found, (
        "whether it is gone or outside the filter is looked up by the next run"
    )
    for app in (world.left, world.right):
        app.faults.hook = None
    [due] = work()
    assert (due.scope, due.modified, due.inserted, due.failed) == ("due", 1, 1, 1)
    assert world.rows(Side.RIGHT)[moved_right]["phone"] == "2"
    outside = world.coupling("C3")
    assert outside.left_out_of_filter_since and Problem.objects.get().coupling == world.coupling("C2")
    assert not JobItem.objects.filter(state="open").exists()
    assert world.run(scope="sweep").waiting == 0, "what is known is not found again"


def test_a_record_that_comes_back_into_the_filter_is_found() -> None:
    world = World()
    left, right = pair(world, "C1", city="Gent", phone="1")
    pair(world, "C2")
    world.change_mapping(left_filter=[{"field": "city", "operator": "ne", "value": "Brussel"}])
    world.left.put("customer", left, {"city": "Brussel"})
    world.run(scope="sweep")
    work()
    assert world.coupling("C1").left_out_of_filter_since
    world.left.put("customer", left, {"city": "Aalst", "phone": "2"}, stamp=None)
    world.run(scope="sweep")
    work()
    assert world.coupling("C1").left_out_of_filter_since is None
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"


def test_a_full_run_reads_everything_once_more_and_is_followed_by_a_sweep() -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    pair(world, "C2")
    world.left.put("customer", left, {"phone": "2"}, stamp=None)
    assert world.run().scanned == 0
    job = world.run(scope="full")
    assert (job.state, job.modified) == ("finished", 1) and world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert SynchJob.objects.filter(scope="sweep", state="queued").exists()
    work()
    assert not SynchJobError.objects.exists()


def test_both_gone_ends_the_pair_without_an_error() -> None:
    world = World()
    left, right = pair(world, "C1")
    pair(world, "C2")
    coupling = world.coupling("C1")
    world.left.remove("customer", left)
    world.right.remove("account", right)
    world.run(scope="sweep")
    work()
    coupling.refresh_from_db()
    assert coupling.ended_at and not Problem.objects.exists() and not SynchJobError.objects.exists()
    assert Journal.objects.filter(operation="end", state="done").count() == 1

"""The journal as intention and proof: what happens when a write goes wrong in the middle."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from synccore import jobs, services
from synccore.connectors.memory import MemoryConnector
from synccore.failures import Rejected, Scope, Transient
from synccore.models import (
    Coupling,
    FieldMapping,
    JobItem,
    Journal,
    Problem,
    SynchJob,
    SynchJobError,
    TableMapping,
)
from synccore.models.seals import verify_journal
from synccore.shapes import CreateItem, FieldInfo, FieldType, Side
from synccore.verbs import run
from tests.factories import number

from .conftest import Clock
from .helpers import letter, new, only_problem, opaque, pair, refuse, work
from .world import World, table

pytestmark = pytest.mark.django_db


class Died(BaseException):
    """The worker's process is gone; nothing of ours runs after it."""


def die_at(world: World, point: str) -> SynchJob:
    """A run whose worker dies at a step of the first page that writes; its lease runs out."""
    job, before = world.queue(), Journal.objects.count()

    def observe(here: str) -> None:
        if here == point and Journal.objects.count() > before:
            raise Died

    with pytest.raises(Died):
        jobs.run(job.pk, observe=observe)
    SynchJob.objects.filter(pk=job.pk).update(state="queued", lease_no=5)
    return job


def test_every_write_is_intended_before_the_app_hears_of_it_and_sealed_after() -> None:
    world = World()
    new(world, "C1", phone="1")
    seen: list[tuple[str, str]] = []

    def look(when: str, method: str) -> None:
        if method in ("create", "update", "delete"):
            seen.extend((when, state) for state in Journal.objects.values_list("state", flat=True))

    world.right.faults.hook = look
    job = world.run()
    assert seen == [("before", "intended"), ("after", "intended")]
    row = Journal.objects.get()
    assert (row.operation, row.side, row.state, row.job) == ("create", "right", "done", job)
    assert (
        row.record_id == world.coupling("C1").right_id
        and row.values["phone"]
        and row.seal_id
        and row.before == {}
    )
    left = str(world.coupling("C1").left_id)
    world.left.put("customer", left, {"phone": "2"})
    world.run()
    update = Journal.objects.get(operation="update")
    assert set(update.values) == {"phone"} == set(update.before), "only what it writes"
    assert verify_journal().broken is None


@pytest.mark.parametrize("point", ["intended", "sent", "before page", "page stored"])
@pytest.mark.parametrize("operation", ["create", "update"])
def test_a_worker_that_dies_at_any_step_writes_nothing_twice(point: str, operation: str) -> None:
    world = World()
    left, right = pair(world, "C0", phone="1")
    if operation == "create":
        new(world, "C1", phone="2")
    else:
        world.left.put("customer", left, {"phone": "2"})
    job = die_at(world, point)
    [done, *_more] = work()
    assert (done.pk, done.state) == (job.pk, SynchJob.State.FINISHED)
    world.settle()
    for side in Side:
        assert sorted(str(row["phone"]) for row in world.rows(side).values()) == (
            ["1", "2"] if operation == "create" else ["2"]
        )
    assert not Journal.objects.filter(state__in=("intended", "unknown")).exists()
    assert Journal.objects.filter(state="done").count() >= 1
    assert not Problem.objects.exists() and verify_journal().broken is None


def test_an_answer_that_never_came_is_looked_up(clock: Clock) -> None:
    world = World()
    new(world, "C1")
    world.right.faults.lose_answers = 1
    job = world.run()
    assert (job.state, job.code) == ("failed", "connection_lost")
    assert Journal.objects.get().state == Journal.State.UNKNOWN
    assert world.run().state == "finished"
    assert len(world.rows(Side.RIGHT)) == 1 == len(world.rows(Side.LEFT))
    assert Journal.objects.get().state == Journal.State.DONE and Coupling.objects.live().paired().count() == 1


def test_an_app_that_goes_away_half_way_through_a_batch_parks_no_record(clock: Clock) -> None:
    world = World()
    for n in range(5):
        new(world, f"C{n}")
    told: list[str] = []

    def refuse_from_the_third(operation: str, table: str, item: CreateItem) -> Transient | None:
        told.append(operation)
        if len(told) < 3:
            return None
        # The third may have arrived; the others were never sent.
        return Transient("connection_lost", scope=Scope.CONNECTION, outcome_unknown=len(told) == 3)

    world.right.faults.refuse = refuse_from_the_third
    job = world.run()
    assert (job.state, job.code, job.inserted, job.failed) == ("failed", "connection_lost", 2, 0)
    assert not Problem.objects.of_records().exists() and Problem.objects.count() == 1
    assert sorted(Journal.objects.values_list("state", flat=True)) == [
        "done", "done", "failed", "failed", "unknown",
    ]  # fmt: skip
    world.right.faults.refuse = None
    assert world.run().state == "finished"
    world.settle()
    assert sorted(world.by_no(Side.RIGHT)) == ["C0", "C1", "C2", "C3", "C4"]
    assert Coupling.objects.live().paired().count() == 5 and not Problem.objects.not_ended().exists()


def test_a_call_of_many_requests_ends_when_the_job_was_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is renewed between the requests of one call, not only before it."""
    world = World()
    new(world, "C1")
    hooks: list[Callable[[], None]] = []
    monkeypatch.setattr(MemoryConnector, "before_requests", lambda _self, hook: hooks.append(hook))
    monkeypatch.setattr(run, "HOLD_ON", timedelta(seconds=-1))
    renewed: list[datetime | None] = []

    def between_two_requests(when: str, method: str) -> None:
        if (when, method) == ("before", "create"):
            before = SynchJob.objects.get().lease_until
            hooks[-1]()
            renewed.extend((before, SynchJob.objects.get().lease_until))
            SynchJob.objects.update(lease_no=77)
            hooks[-1]()

    world.right.faults.hook = between_two_requests
    job = world.queue()
    done = jobs.run(job.pk)
    assert done is not None and (done.state, done.lease_no) == ("running", 77), "it is another worker's now"
    before, after = renewed
    assert before is not None and after is not None and after > before
    assert world.rows(Side.RIGHT) == {} and Journal.objects.get().state == Journal.State.INTENDED


def test_a_two_sided_write_of_which_one_side_fails_is_finished_later(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1", city="Gent")
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"city": "Brussel"})
    refuse(world.right, lambda: Rejected("check_refused", {"field": "phone"}, app_message="chk"))
    job = world.run()
    assert (job.failed, job.modified) == (1, 0)
    assert world.rows(Side.LEFT)[left]["city"] == "Brussel" and world.rows(Side.RIGHT)[right]["phone"] == "1"
    assert sorted(Journal.objects.filter(operation="update").values_list("side", "state")) == [
        ("left", "done"),
        ("right", "failed"),
    ]
    world.right.faults.refuse = None
    clock.until(only_problem().next_attempt)
    world.run()
    assert world.rows(Side.RIGHT)[right]["phone"] == "2" and world.rows(Side.LEFT)[left]["phone"] == "2"
    assert Problem.objects.get().ending == Problem.Ending.FIXED
    assert world.run().scanned == 0


def test_a_record_that_keeps_moving_is_left_for_the_next_run_without_an_error() -> None:
    world = World(direction="to_right")
    left, right = pair(world, "C1", phone="1")
    world.left.put("customer", left, {"phone": "2"})
    tries: list[str] = []

    def move(when: str, method: str) -> None:
        if (when, method) == ("before", "update"):
            tries.append(method)
            world.right.touch("account", right)

    world.right.faults.hook = move
    job = world.run()
    assert (job.state, job.waiting, job.failed) == ("finished", 1, 0)
    assert len(tries) == 4, "once, and again three times"
    item = JobItem.objects.get()
    assert (item.purpose, item.state, item.record_id) == ("found", "open", left)
    assert not Problem.objects.exists() and not SynchJobError.objects.exists()
    world.right.faults.hook = None
    assert world.run().modified == 1 and world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert not JobItem.objects.filter(state="open").exists()


# -- natural keys and uncertain creates --------------------------------------------------


def with_natural_key(world: World) -> None:
    row = FieldMapping.objects.get(mapping=world.mapping, left_field="no")
    world.change_mapping(natural_key=row.pk)


def test_an_equal_record_on_the_other_side_is_adopted_not_doubled() -> None:
    world = World()
    with_natural_key(world)
    new(world, "C1", city="Gent")
    new(world, "C1", Side.RIGHT, city="Gent")
    job = world.run()
    assert (job.state, job.coupled, job.inserted) == ("finished", 1, 0)
    assert (
        len(world.rows(Side.LEFT)) == 1 == len(world.rows(Side.RIGHT))
        and Coupling.objects.live().paired().count() == 1
    )
    assert not Journal.objects.filter(operation="create").exists()


def test_one_that_differs_is_coupled_and_left_to_a_person() -> None:
    world = World()
    with_natural_key(world)
    new(world, "C1", city="Gent")
    new(world, "C1", Side.RIGHT, city="Brussel")
    world.run()
    problem = only_problem()
    assert (problem.kind, problem.state) == ("conflict", Problem.State.SKIPPED)
    assert len(world.rows(Side.LEFT)) == 1 == len(world.rows(Side.RIGHT))
    services.start_bulk("resolve", Coupling.objects.all(), user=None, options={"side": "left"})
    assert [each.state for each in work()] == ["finished"]
    assert world.by_no(Side.RIGHT)["C1"]["city"] == "Gent"


def test_a_record_that_is_coupled_already_is_never_adopted(clock: Clock) -> None:
    world = World()
    with_natural_key(world)
    pair(world, "C1")
    new(world, "C1")  # a second firm with the same number
    job = world.run()
    assert (job.coupled, job.inserted) == (0, 1)
    assert len(world.rows(Side.RIGHT)) == 2


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_counterparts_the_first_is_adopted_in_whatever_order_the_app_tells_them(
    turned: bool,
) -> None:
    world = World()
    with_natural_key(world)
    left = new(world, "C1")
    there = sorted([str(uuid4()), str(uuid4())], reverse=turned)
    for id in there:
        world.right.put("account", id, {"no": "C1", "name": "Firm C1"}, by="anna")
    world.run()
    assert Coupling.objects.live().paired().get(left_id=left).right_id == min(there)


def test_a_create_that_nothing_can_look_up_is_asked_about_before_a_second_one_is_made(clock: Clock) -> None:
    world, mapping = opaque()
    letter(world)
    world.right.faults.lose_answers = 1
    assert world.run(mapping=mapping).code == "connection_lost"
    job = world.run(mapping=mapping)
    problem = Problem.objects.of_records().not_ended().get()
    assert (problem.code, problem.coupling.is_half) == ("uncertain_create", True)  # type: ignore[union-attr]
    assert problem.state == Problem.State.SKIPPED
    [id] = world.left.tables["letter"].rows
    TableMapping.objects.filter(pk=mapping.pk).update(creations_min=9)
    for n in range(3):
        clock.move(hours=2)
        world.left.put("letter", id, {"name": f"Dear {n}"})
        world.run(mapping=mapping)
        world.run(mapping=mapping, scope="sweep")
        work()
    assert len(world.right.tables["mail"].rows) == 1, "no second one is made while nobody looked"
    assert job.state == "finished"
    [stored] = world.right.tables["mail"].rows
    services.couple(mapping, left=str(problem.coupling.left_id), right=stored, user=None, prefer="left")  # type: ignore[union-attr]
    assert [each.state for each in work()] == ["finished"]
    problem.refresh_from_db()
    assert (
        problem.state == Problem.State.ENDED
        and Coupling.objects.live().paired().filter(mapping=mapping).count() == 1
    )


def test_with_a_natural_key_the_lost_create_is_found_again(clock: Clock) -> None:
    world, mapping = opaque()
    mapping.natural_key = FieldMapping.objects.get(mapping=mapping, left_field="no").pk
    mapping.save()
    letter(world)
    world.right.faults.lose_answers = 1
    world.run(mapping=mapping)
    assert world.run(mapping=mapping).state == "finished"
    assert len(world.right.tables["mail"].rows) == 1
    assert Coupling.objects.live().paired().filter(mapping=mapping).count() == 1
    assert not Problem.objects.of_records().not_ended().exists()


def test_a_precondition_names_what_is_missing_and_lets_the_record_through_when_it_is_there(
    clock: Clock,
) -> None:
    world = World()
    rates = (FieldInfo("code", FieldType.TEXT, length=60),)
    world.right.add_table(table("rate", *rates), modified_by_field="modified_by")
    world.change_mapping(
        preconditions=[
            {
                "what": "exchange_rate",
                "record_side": "left",
                "field": "city",
                "side": "right",
                "table": "rate",
                "lookup_field": "code",
            }
        ]
    )
    new(world, "C1", city="Gent")
    job = world.run()
    assert (job.state, job.waiting) == ("finished", 1)
    problem = only_problem()
    assert (problem.kind, problem.state, problem.params["value"]) == (
        "blocked",
        Problem.State.WAITING,
        "Gent",
    )
    world.right.put("rate", f"00000000-0000-4000-8000-{number():012d}", {"code": "Gent"})
    clock.until(problem.next_attempt)
    assert world.run().inserted == 1
    assert Problem.objects.get().ending == Problem.Ending.FIXED


def test_a_lock_on_one_record_holds_up_no_other(clock: Clock) -> None:
    world = World()
    for n in range(5):
        new(world, f"C{n}")
    refuse(
        world.right, lambda: Transient("lock_timeout", {}), when=lambda _op, item: item.fields["no"] == "C2"
    )
    job = world.run()
    assert (job.inserted, job.failed) == (4, 1)
    assert world.problem("C2") is not None

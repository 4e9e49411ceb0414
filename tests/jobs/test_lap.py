"""One lap of the data: what a run does with new, changed, unchanged and conflicting records."""

from __future__ import annotations

from uuid import uuid4

import pytest

from synccore import jobs
from synccore.models import Coupling, Journal, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.seals import verify_journal
from synccore.services import setup
from synccore.shapes import Side

from .world import World

pytestmark = pytest.mark.django_db


def new(world: World, side: Side, no: str, **fields: str) -> str:
    id = str(uuid4())
    name = "customer" if side is Side.LEFT else "account"
    world.app(side).put(name, id, {"no": no, "name": f"Firm {no}", **fields}, by="anna")
    return id


def test_new_records_are_created_once_and_own_writes_do_not_come_back() -> None:
    world = World()
    for n in range(3):
        new(world, Side.LEFT, f"C{n}", city="Gent")
    job = world.run()
    assert (job.state, job.code) == (SynchJob.State.FINISHED, "")
    assert (job.inserted, job.failed, job.scanned) == (3, 0, 3)
    assert job.by_direction == {"right": {"inserted": 3}}
    assert {no: row["city"] for no, row in world.by_no(Side.RIGHT).items()} == {
        "C0": "Gent",
        "C1": "Gent",
        "C2": "Gent",
    }
    assert Coupling.objects.live().paired().count() == 3
    assert {row.state for row in world.journal()} == {Journal.State.DONE}
    again = world.run()
    assert (again.scanned, again.state) == (0, SynchJob.State.FINISHED)
    assert verify_journal().broken is None


def test_a_change_flows_and_edits_that_do_not_overlap_are_joined() -> None:
    world = World()
    left = new(world, Side.LEFT, "C1", phone="1", city="Gent")
    world.run()
    right = world.coupling("C1").right_id
    world.left.put("customer", left, {"phone": "2"})
    assert world.run().modified == 1
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"
    world.left.put("customer", left, {"phone": "3"})
    world.right.put("account", right, {"city": "Brussel"})
    assert world.run().modified == 1
    for side, id in ((Side.LEFT, left), (Side.RIGHT, right)):
        assert (world.rows(side)[id]["phone"], world.rows(side)[id]["city"]) == ("3", "Brussel")
    assert world.run().scanned == 0


def test_a_conflict_waits_for_a_decision_and_ends_by_it() -> None:
    world = World()
    left = new(world, Side.LEFT, "C1", phone="1")
    world.run()
    right = world.coupling("C1").right_id
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"phone": "3"})
    job = world.run()
    assert (job.failed, job.modified) == (1, 0)
    problem = world.problem("C1")
    assert problem is not None
    assert (problem.kind, problem.code, problem.state) == (
        "conflict",
        "update_conflict",
        Problem.State.SKIPPED,
    )
    assert SynchJobError.objects.count() == 1
    assert world.run().failed == 0
    assert SynchJobError.objects.count() == 1

    from synccore import services

    bulk = services.start_bulk("resolve", Coupling.objects.all(), user=None, options={"side": "right"})
    from synccore import jobs

    done = jobs.run(bulk.pk)
    assert done is not None and (done.state, done.modified) == ("finished", 1)
    assert world.rows(Side.LEFT)[left]["phone"] == "3"
    problem.refresh_from_db()
    assert (problem.state, problem.ending) == (Problem.State.ENDED, Problem.Ending.FIXED)
    row = Journal.objects.filter(operation="update").get()
    assert row.overwrites != {}
    assert verify_journal().broken is None


def test_a_deletion_is_found_by_the_sweep_and_asks() -> None:
    world = World()
    for n in range(3):
        new(world, Side.LEFT, f"C{n}")
    world.run()
    world.right.remove("account", world.coupling("C1").right_id)
    world.run(scope="sweep")
    job = world.run()
    assert job.failed == 1
    problem = world.problem("C1")
    assert problem is not None and (problem.kind, problem.code) == ("missing", "deleted_right")
    sweep = world.run(scope="sweep")
    assert sweep.state == "finished"
    assert world.run().scanned == 0


def test_what_an_app_made_of_a_create_without_an_answer_does_not_flow_back_unasked() -> None:
    world = World()
    world.right.faults.normalise = lambda name, value: value.upper() if name == "name" else value
    world.right.faults.lose_answers = 1
    left = new(world, Side.LEFT, "C1", city="Gent")
    assert world.run().state == SynchJob.State.FAILED
    for _run in range(3):
        world.run()
    assert [row["name"] for row in world.rows(Side.RIGHT).values()] == ["FIRM C1"]
    assert world.rows(Side.LEFT)[left]["name"] == "Firm C1"
    problem = world.problem("C1")
    assert problem is not None and problem.code == "update_conflict"
    assert [field["left_field"] for field in problem.params["fields"]] == ["name"]


def test_a_watermark_of_rules_that_have_moved_meanwhile_is_not_stored() -> None:
    world = World()
    new(world, Side.LEFT, "1")
    moved: list[str] = []

    def move(point: str) -> None:  # as the page of the mapping does where another stamp is chosen
        if point == "before page" and not moved and Journal.objects.exists():
            moved.append(point)
            TableMapping.objects.filter(pk=world.mapping.pk).update(left_watermark=None)
            setup.bump_revision(TableMapping.objects.get(pk=world.mapping.pk))

    job = world.run(observe=move)
    world.mapping.refresh_from_db()
    assert (job.state, job.inserted, world.mapping.left_watermark) == ("queued", 1, None)
    assert jobs.run(job.pk)
    world.mapping.refresh_from_db()
    assert world.mapping.left_watermark is not None
    assert Coupling.objects.live().paired().count() == 1 and len(world.rows(Side.RIGHT)) == 1

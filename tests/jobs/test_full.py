"""A run over all records reaches pairs that agreed under other rules."""

from __future__ import annotations

import pytest

from synccore.engine.serial import dump_info
from synccore.models import FieldMapping, SynchJob
from synccore.shapes import Side

from .test_lap import new
from .world import World

pytestmark = pytest.mark.django_db


def add_city(world: World) -> None:
    """The administrator maps another field."""
    info = world.left.tables["customer"].info.fields["city"]
    FieldMapping.objects.create(
        mapping=world.mapping,
        position=9,
        left_field="city",
        right_field="city",
        left_info=dump_info(info),
        right_info=dump_info(info),
    )
    world.change_mapping()


def test_a_new_field_reaches_pairs_in_which_nothing_changed() -> None:
    world = World(fields=("no", "name"))
    new(world, Side.LEFT, "C1", city="Gent")
    new(world, Side.LEFT, "C2", city="")
    world.run()
    right = world.coupling("C2").right_id
    world.right.tables["account"].rows[right].fields["city"] = "Bergen"
    add_city(world)
    assert world.run().scanned == 0, "versions are as they agreed"
    job = world.run(scope="full")
    assert (job.modified, job.failed) == (2, 0)
    for side in Side:
        assert {no: row["city"] for no, row in world.by_no(side).items()} == {"C1": "Gent", "C2": "Bergen"}
    SynchJob.objects.filter(state="queued").delete()
    again = world.run(scope="full")
    assert (again.scanned, again.unchanged) == (2, 2)


def test_values_that_differ_under_the_new_rules_are_a_question() -> None:
    world = World(fields=("no", "name"))
    new(world, Side.LEFT, "C1", city="Gent")
    world.run()
    right = world.coupling("C1").right_id
    world.right.tables["account"].rows[right].fields["city"] = "Bergen"
    add_city(world)
    job = world.run(scope="full")
    assert (job.modified, job.failed) == (0, 1)
    problem = world.problem("C1")
    assert problem is not None and problem.code == "update_conflict"

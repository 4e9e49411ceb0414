"""References: children wait for their parents, or are filled in when an optional parent comes."""

from __future__ import annotations

import pytest

from synccore.models import FieldMapping, SynchJob
from synccore.services import setup
from synccore.shapes import Side

from .test_lap import new
from .world import World

pytestmark = pytest.mark.django_db


def with_parent(*, optional: bool) -> World:
    """Customers whose ``parent`` is another customer."""
    world = World(fields=("no", "name", "parent"))
    FieldMapping.objects.filter(mapping=world.mapping, left_field="parent").update(
        reference=world.mapping, optional=optional
    )
    setup.bump_revision(world.mapping)
    world.mapping.refresh_from_db()
    return world


def child_of_a_parent_out_of_filter(world: World) -> tuple[str, str]:
    world.change_mapping(left_filter=[{"field": "no", "operator": "ne", "value": "P"}])
    parent = new(world, Side.LEFT, "P")
    return parent, new(world, Side.LEFT, "C1", parent=parent)


def test_an_optional_reference_is_filled_when_its_parent_is_coupled() -> None:
    world = with_parent(optional=True)
    parent, child = child_of_a_parent_out_of_filter(world)
    assert world.run().inserted == 1
    assert world.by_no(Side.RIGHT)["C1"]["parent"] is None
    world.settle()
    assert world.by_no(Side.RIGHT)["C1"]["parent"] is None
    world.change_mapping(left_filter=[])
    world.settle()
    rows = world.by_no(Side.RIGHT)
    assert rows["C1"]["parent"] == rows["P"]["id"]
    job = world.run(scope="sweep")
    assert (job.state, job.waiting) == (SynchJob.State.FINISHED, 0)
    assert str(world.by_no(Side.LEFT)["C1"]["parent"]) == parent


def test_a_required_reference_waits_for_its_parent_and_follows_it() -> None:
    world = with_parent(optional=False)
    child_of_a_parent_out_of_filter(world)
    job = world.run()
    assert (job.inserted, job.waiting) == (0, 1)
    problem = world.problem("C1")
    assert problem is not None
    assert (problem.state, problem.params["reason"]) == ("skipped", "outside_filter")
    world.change_mapping(left_filter=[])
    world.settle()
    rows = world.by_no(Side.RIGHT)
    assert rows["C1"]["parent"] == rows["P"]["id"]
    assert world.problem("C1") is None

"""A run over all records says how many it looked at: what nothing changed in is *unchanged*, each pair once."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from synccore.failures import Rejected
from synccore.models import Coupling, SynchJob
from synccore.services import retry
from synccore.shapes import Side

from .helpers import accept, new, refuse
from .world import World

pytestmark = pytest.mark.django_db

L, R = Side.LEFT, Side.RIGHT


def pairs(world: World, n: int) -> list[str]:
    found = [new(world, f"C{i}") for i in range(n)]
    world.run()
    return found


def edit(world: World, id: str, side: Side = L, **fields: object) -> None:
    world.app(side).put("customer" if side is L else "account", id, fields, by="anna")


def counted(job: SynchJob) -> dict[str, int]:
    names = ("inserted", "modified", "deleted", "unchanged", "skipped", "waiting", "failed")
    found = {name: getattr(job, name) for name in names if getattr(job, name)}
    assert job.scanned == sum(found.values())
    sums: dict[str, int] = {}
    for counters in job.by_direction.values():
        for name, n in counters.items():
            sums[name] = sums.get(name, 0) + n
    assert {name: n for name, n in sums.items() if n} == found
    return found


@pytest.mark.parametrize("direction", ["both", "to_right", "to_left"])
def test_pairs_in_which_nothing_changed_are_unchanged_and_counted_once(direction: str) -> None:
    world = World()
    pairs(world, 5)
    world.change_mapping(direction=direction)
    assert counted(world.run(scope="full")) == {"unchanged": 5}


@pytest.mark.parametrize("side", [L, R])
def test_a_change_on_either_side_is_counted_as_what_it_is(side: Side) -> None:
    world = World()
    lefts = pairs(world, 5)
    id = lefts[0] if side is L else str(world.coupling("C0").right_id)
    edit(world, id, side, city="Gent")
    assert counted(world.run(scope="full")) == {"modified": 1, "unchanged": 4}


def test_what_is_made_new_is_not_unchanged_on_the_other_side() -> None:
    world = World()
    pairs(world, 3)
    new(world, "N1")
    new(world, "N2", R)
    assert counted(world.run(scope="full")) == {"inserted": 2, "unchanged": 3}


def test_what_failed_or_is_skipped_is_not_unchanged_besides() -> None:
    world = World()
    lefts = pairs(world, 4)
    edit(world, lefts[0], city="Gent")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "city"}))
    assert counted(world.run(scope="full")) == {"failed": 1, "unchanged": 3}
    assert counted(world.run(scope="full"))["unchanged"] == 3
    accept(world.right)


def test_what_the_run_took_up_first_is_not_counted_again() -> None:
    world = World()
    lefts = pairs(world, 4)
    edit(world, lefts[0], city="Gent")
    refuse(world.right, lambda: Rejected("value_too_long", {"field": "city"}))
    world.run()
    accept(world.right)
    retry(Coupling.objects.filter(left_id=lefts[0]), user=None)
    assert counted(world.run(scope="full")) == {"modified": 1, "unchanged": 3}


def test_rules_that_moved_count_what_they_look_at_as_before() -> None:
    world = World()
    pairs(world, 4)
    world.mapping.field_mappings.filter(left_field="city").update(revision=9)
    world.change_mapping(conflicts="left")
    assert counted(world.run(scope="full")) == {"unchanged": 4}


def test_a_counterpart_outside_the_filter_is_counted_by_the_side_that_meets_the_pair() -> None:
    world = World()
    pairs(world, 3)
    world.change_mapping(right_filter=[{"field": "no", "operator": "ne", "value": "C0"}])
    world.run(scope="sweep")
    world.run()
    assert world.coupling("C0").right_out_of_filter_since is not None
    assert counted(world.run(scope="full")) == {"unchanged": 3}


def test_an_ordinary_run_says_nothing_of_what_an_overlap_reads_again() -> None:
    world = World()
    pairs(world, 3)
    assert counted(world.run()) == {}


def test_a_dry_run_over_all_records_says_the_same() -> None:
    world = World()
    lefts = pairs(world, 4)
    edit(world, lefts[0], city="Gent")
    job = world.run("dry_run", "full")
    assert job.options["counts"] == {"modified": 1, "unchanged": 3}
    assert counted(world.run(scope="full")) == {"modified": 1, "unchanged": 3}


def test_counting_costs_no_query_per_record() -> None:
    world = World()
    queries = []
    for n in (2, 40):
        for i in range(n):
            new(world, f"{n}-{i}")
        world.run()
        with CaptureQueriesContext(
            connection,
        ) as caught:
            job = world.run(scope="full")
        queries.append(len(caught))
        SynchJob.objects.filter(state="queued").delete()
    assert counted(job) == {"unchanged": 42}
    assert queries[0] == queries[1]

"""Match-based coupling whose mapping, records or worker do not stay as they were while it runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from synccore import jobs
from synccore.models import Coupling, JobItem, Journal, RecordCount, SynchJob
from synccore.models.seals import verify_journal
from synccore.services import match, runs
from synccore.services.jobs import NotNow
from synccore.services.review import What
from synccore.shapes import Side
from tests.factories import make_user

from .helpers import new, work
from .test_match import both, criteria, look, results
from .world import World

pytestmark = pytest.mark.django_db

R = Side.RIGHT


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Five pairs that match and one record that matches nothing, in pages of two."""
    monkeypatch.setattr("synccore.connectors.memory.connector.MemoryConnector.page_size", 2)
    world = World(fields=("name", "city"))
    for n in range(5):
        both(world, str(n), name=f"Firm {n}")
    new(world, "X", name="Nobody")
    criteria(world, ("name",), create_right=False)
    return world


def line(world: World) -> SynchJob:
    """The coupling of a full synchronization: it looks at both apps itself."""
    parent, _left = runs.start_review({world.mapping: What.COUPLE}, user=None)
    return parent.children.get()


def once(act: Callable[[], None]) -> Callable[[str], None]:
    """Does this as soon as the first page of pairs is coupled."""
    done: list[bool] = []

    def observe(point: str) -> None:
        if point == "page committed" and not done and Coupling.objects.live().paired().exists():
            done.append(True)
            act()

    return observe


def move(world: World) -> None:
    world.change_mapping(conflicts="left")


def test_rules_that_move_while_a_line_couples_couple_no_pair_twice(world: World) -> None:
    job = line(world)
    jobs.run(job.pk, observe=once(lambda: move(world)))
    job.refresh_from_db()
    assert (job.state, job.coupled) == ("queued", 2)
    work()
    job.refresh_from_db()
    assert (job.state, job.code, job.coupled, job.skipped) == ("finished", "", 5, 1)
    assert results(job) == {
        **{f"{n} Firm {n} ⇄ R{n} Firm {n}": "match_coupled" for n in range(5)},
        "X Nobody": "match_none",
    }
    assert job.items.filter(purpose="chosen").count() == job.total == job.scanned == 6
    assert Coupling.objects.live().paired().count() == 6, (
        "the full synchronization of the line made the last one"
    )
    assert Journal.objects.filter(operation="couple").count() == 5
    assert verify_journal().broken is None


def test_a_match_that_became_ambiguous_meanwhile_is_left_to_a_person(world: World) -> None:
    world.change_mapping(only_coupled=True)

    def act() -> None:
        new(world, "R4b", R, name="Firm 4")
        move(world)

    job = line(world)
    jobs.run(job.pk, observe=once(act))
    work()
    job.refresh_from_db()
    assert (job.coupled, job.skipped, job.inserted) == (4, 4, 0)
    assert results(job)["4 Firm 4"] == "match_several"
    assert len(world.rows(R)) == 6, "nothing was made for a record whose match only a person can tell"


def test_rules_that_move_while_a_look_is_carried_out_leave_the_rest_alone(world: World) -> None:
    done = match.start_match(world.mapping, user=None, look=look(world).pk)
    jobs.run(done.pk, observe=once(lambda: move(world)))
    work()
    done.refresh_from_db()
    assert (done.state, done.coupled, done.skipped) == ("finished", 2, 4)
    assert sorted(results(done).values()) == [*["match_coupled"] * 2, *["match_moved"] * 3, "match_none"]
    assert done.scanned == done.total == 6


def die() -> None:
    raise KeyboardInterrupt


def broken_off(world: World, job: SynchJob) -> None:
    """The job's worker dies as soon as the first page of pairs is coupled."""
    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=once(die))
    SynchJob.objects.filter(pk=job.pk).update(lease_until=world.left.now())
    jobs.take_over()


def test_criteria_that_change_before_a_run_goes_on_end_it(world: World) -> None:
    criteria(world, ("city",), ("name", 2))
    done = match.start_match(world.mapping, user=None, look=look(world).pk)
    broken_off(world, done)
    criteria(world, ("name",))
    work()
    done.refresh_from_db()
    assert (done.state, done.coupled, done.skipped) == ("finished", 2, 4)
    assert sorted(results(done).values()) == [*["match_coupled"] * 2, *["match_moved"] * 3, "match_none"]


def test_a_line_whose_criteria_change_before_it_goes_on_looks_by_the_new_ones(world: World) -> None:
    criteria(world, ("city",), ("name", 2))
    job = line(world)
    broken_off(world, job)
    criteria(world, ("name",))
    work()
    job.refresh_from_db()
    assert (job.state, job.code, job.coupled, job.skipped, job.total) == ("finished", "", 5, 1, 6)
    assert Journal.objects.filter(operation="couple").count() == 5


def test_a_run_of_somebody_who_lost_the_right_meanwhile_leaves_no_item_open(world: World) -> None:
    person = make_user("Record owner", grants={world.mapping: 2})
    done = match.start_match(world.mapping, user=person, look=look(world).pk)
    broken_off(world, done)
    person.groups.clear()
    work()
    done.refresh_from_db()
    assert (done.state, done.coupled, done.skipped) == ("finished", 2, 4)
    assert sorted(results(done).values()) == [*["match_coupled"] * 2, "match_none", *["right_missing"] * 3]


def test_pairs_whose_worker_died_before_it_synchronized_them_are_synchronized(world: World) -> None:
    criteria(world, ("name",), create_right=False, after="left")
    for row in world.app(Side.LEFT).tables["customer"].rows.values():
        row.fields["city"] = "Gent"

    done = match.start_match(world.mapping, user=None, look=look(world).pk)
    broken_off(world, done)
    assert {row["city"] for row in world.rows(R).values()} == {None}
    work()
    done.refresh_from_db()
    assert (done.state, done.coupled, done.modified, done.skipped) == ("finished", 5, 5, 1)
    assert sorted(results(done).values()) == [*["match_coupled"] * 5, "match_none"]
    assert {row["city"] for row in world.rows(R).values()} == {"Gent"}


def test_a_record_that_is_read_twice_counts_once(world: World) -> None:
    job = match.start_look(world.mapping, user=None)
    edited: list[str] = []

    def edit(point: str) -> None:
        if point == "matched page" and not edited:
            id = next(iter(world.rows(Side.LEFT)))
            world.left.put("customer", id, {"city": "Gent"}, by="anna")
            edited.append(id)

    jobs.run(job.pk, observe=edit)
    job.refresh_from_db()
    assert job.checkpoint["read"]["left"] == 7, "it was on the first page, and on the last one again"
    count = RecordCount.objects.get(mapping=world.mapping)
    assert (count.left, count.right) == (6, 5)


def test_records_chosen_while_another_look_is_asked_for_are_not_put_into_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "looking", lambda _mapping: None)  # both presses have seen that nobody looks
    half = Coupling.objects.create(mapping=world.mapping, left_id=next(iter(world.rows(Side.LEFT))))
    first = match.start_look(world.mapping, user=None)
    with pytest.raises(NotNow, match="match_looking"):
        match.start_look(world.mapping, user=None, couplings=Coupling.objects.filter(pk=half.pk))
    assert match.start_look(world.mapping, user=None) == first
    assert not JobItem.objects.exists() and not first.options["chosen"]

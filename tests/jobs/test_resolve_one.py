"""A decision about one record, field by field: carried out on what the person saw, or not at all."""

from __future__ import annotations

import json

import pytest

from synccore import jobs, services
from synccore.models import FieldMapping, JobItem, Journal, Problem
from synccore.models.seals import verify_journal
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from synccore.verbs.chosen import CHANGED_MEANWHILE, changed_note
from synccore.verbs.run import Run
from synccore.views.sentences import item_note
from tests.factories import make_user

from .helpers import pair
from .world import World

pytestmark = pytest.mark.django_db


def conflict(world: World, no: str = "C1"):
    """A pair in conflict over phone and city, with the ids of both records."""
    left, right = pair(world, no, phone="1", city="Gent")
    world.left.put("customer", left, {"phone": "2", "city": "Brussel"}, by="p.maas")
    world.right.put("account", right, {"phone": "3", "city": "Bruxelles"}, by="a.berg")
    world.run()
    assert world.problem(no).code == "update_conflict"
    return left, right


def unit(world: World, name: str) -> str:
    return f"field:{FieldMapping.objects.get(mapping=world.mapping, left_field=name).pk}"


def decide(world: World, units: dict[str, Side], *, live: bool = True, user=None):
    coupling = world.coupling("C1")
    problem = services.open_problem(coupling)
    seen = (services.live_pair if live else services.kept_pair)(coupling, problem).seen
    return lambda: services.resolve_one(coupling, user=user, units=units, seen=seen)


def carry_out(job) -> JobItem:
    done = jobs.run(job.pk)
    assert done is not None and done.state == "finished"
    return JobItem.objects.get(job=job)


@pytest.mark.parametrize("live", [True, False], ids=["both read now", "as kept"])
def test_each_field_goes_the_way_that_was_chosen(live):
    world = World()
    left, right = conflict(world)
    start = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.RIGHT}, live=live)
    item = carry_out(start())
    assert item.state == JobItem.State.DONE
    for rows, id in ((world.rows(Side.LEFT), left), (world.rows(Side.RIGHT), right)):
        assert (rows[id]["phone"], rows[id]["city"]) == ("2", "Bruxelles")
    ended = Problem.objects.get(coupling=world.coupling("C1"))
    assert (ended.state, ended.ending) == ("ended", "fixed")
    assert verify_journal().broken is None


@pytest.mark.parametrize("live", [True, False], ids=["both read now", "as kept"])
def test_a_field_that_moved_meanwhile_stops_it_and_is_named(live):
    world = World()
    left, right = conflict(world)
    start = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.LEFT}, live=live)
    world.right.put("account", right, {"phone": "4"}, by="a.berg")
    written = Journal.objects.count()
    item = carry_out(start())
    assert item.state == JobItem.State.NOT_APPLICABLE
    said = item_note(item.note, {"left": "ERP", "right": "CRM"})
    assert said == "changed meanwhile: phone in CRM. Nothing was written over it."
    assert Journal.objects.count() == written
    assert world.rows(Side.RIGHT)[right]["phone"] == "4"
    assert world.rows(Side.LEFT)[left]["phone"] == "2"
    assert world.problem("C1").state == "skipped"


def test_a_save_that_moved_no_mapped_field_does_not_stop_it():
    world = World()
    _left, right = conflict(world)
    start = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.LEFT})
    world.right.touch("account", right)
    assert carry_out(start()).state == JobItem.State.DONE
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"


def test_a_record_that_moves_between_reading_and_writing_stops_it_too():
    world = World()
    left, right = conflict(world)
    start = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.LEFT})
    moved = []

    def move(when, method):
        if when == "before" and method == "update" and not moved:
            moved.append(method)
            world.right.put("account", right, {"city": "Elsene"}, by="a.berg")

    world.right.faults.hook = move
    item = carry_out(start())
    assert moved
    assert item.note.startswith(CHANGED_MEANWHILE)
    assert json.loads(item.note.partition(":")[2]) == {"right": ["city"]}
    assert world.rows(Side.RIGHT)[right]["city"] == "Elsene"
    assert world.rows(Side.RIGHT)[right]["phone"] == "3"
    assert world.rows(Side.LEFT)[left]["city"] == "Brussel"


def test_own_write_on_one_side_is_no_change_behind_the_persons_back():
    """The left side is written, the right one moved without a mapped field: the second round still carries it out."""
    world = World()
    left, right = conflict(world)
    start = decide(world, {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.RIGHT})
    moved = []

    def move(when, method):
        if when == "before" and method == "update" and not moved:
            moved.append(method)
            world.right.touch("account", right)

    world.right.faults.hook = move
    assert carry_out(start()).state == JobItem.State.DONE
    assert moved
    for rows, id in ((world.rows(Side.LEFT), left), (world.rows(Side.RIGHT), right)):
        assert (rows[id]["phone"], rows[id]["city"]) == ("2", "Bruxelles")


def test_a_note_never_outgrows_its_column():
    names = tuple(f"a_rather_long_name_of_a_field_{n}" for n in range(20))
    note = f"{CHANGED_MEANWHILE}:" + json.dumps({"right": [*names[:2], 18]})
    assert item_note(note, {"left": "ERP", "right": "CRM"}) == (
        f"changed meanwhile: {names[0]}, {names[1]} and 18 more in CRM. Nothing was written over it."
    )
    world = World()
    conflict(world)
    FieldMapping.objects.filter(mapping=world.mapping).update(left_field="x" * 150)
    run = Run(world.queue("resolve", "items"))
    rules = [each.rule.id for each in run.rules.fields]
    note = changed_note(run, {Side.LEFT: rules, Side.RIGHT: rules})
    assert len(note) <= 200
    told = json.loads(note.partition(":")[2])
    assert {side: sum(n if isinstance(n, int) else 1 for n in names) for side, names in told.items()} == {
        "left": len(rules),
        "right": len(rules),
    }


def test_a_record_that_somebody_decided_already_is_not_decided_again():
    world = World()
    conflict(world)
    units = {unit(world, "phone"): Side.LEFT, unit(world, "city"): Side.LEFT}
    anna = make_user("Administrator", username="anna")
    start = decide(world, units, user=anna)
    first = start()
    with pytest.raises(NotNow) as no:
        start()
    assert (no.value.code, no.value.params["job"], no.value.params["who"]) == ("in_job", first.pk, "anna")


def test_a_removed_coupling_is_not_decided():
    world = World()
    conflict(world)
    start = decide(world, {})
    coupling = world.coupling("C1")
    job = services.start_bulk("uncouple", type(coupling).objects.filter(pk=coupling.pk), user=None)
    jobs.run(job.pk)
    with pytest.raises(NotNow, match="not_coupled"):
        start()


def test_deciding_needs_the_right_and_the_mapping():
    world = World()
    conflict(world)
    for person in (make_user("Record owner"), make_user("Viewer", grants={world.mapping: 2})):
        with pytest.raises(RightMissing):
            decide(world, {}, user=person)()


def test_nothing_chosen_for_a_conflict_writes_nothing():
    world = World()
    left, right = conflict(world)
    item = carry_out(decide(world, {unit(world, "phone"): Side.LEFT})())
    assert item.state == JobItem.State.FAILED
    assert world.rows(Side.RIGHT)[right]["phone"] == "3"
    assert world.rows(Side.LEFT)[left]["city"] == "Brussel"

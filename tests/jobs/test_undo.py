"""Undo of what a job wrote: what comes back, what is left alone, and that the next runs leave the pair in peace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from synccore import jobs, services
from synccore.failures import Rejected
from synccore.models import Coupling, FieldMapping, JobItem, Journal, Problem, SynchJob
from synccore.models.ledger import read_ledger
from synccore.models.scoping import GrantLevel
from synccore.models.seals import verify_journal
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.shapes import KeyKind, Side
from synccore.verbs.undo_plan import CHANGED_SINCE
from tests.factories import ADMINISTRATOR, RECORD_OWNER, make_user

from .conftest import Clock
from .helpers import new, pair, refuse, work
from .world import World, fields_of_customers, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return make_user(ADMINISTRATOR, username="anna")


def take_back(job: SynchJob, user=None, journal=None) -> tuple[SynchJob, dict[str, tuple[str, str]]]:
    """Undo a job; gives the undoing job as it ended and, per chosen record, the state and note of its item.

    What the job leaves for the next run are items of the same records: they are no results.
    """
    started = services.undo(job, user=user, journal=journal)
    done = jobs.run(started.pk)
    assert done is not None and done.state == "finished", (done.code, done.params)
    notes = {
        item.coupling.left_key or item.coupling.right_key: (item.state, item.note)
        for item in done.items.filter(purpose=JobItem.Purpose.CHOSEN).select_related("coupling")
    }
    return done, notes


def in_peace(world: World) -> None:
    """Two laps more change nothing in either app, and every number and seal is right."""
    before = {side: {id: dict(row) for id, row in world.rows(side).items()} for side in Side}
    for _lap in range(2):
        world.run(scope="sweep")
        world.run()
        work()
    assert {side: world.rows(side) for side in Side} == before
    assert read_ledger().drift == []
    assert verify_journal().broken is None


def flowed(world: World) -> tuple[str, str, SynchJob]:
    """Phone 1 → 2 typed in the ERP and carried to the CRM."""
    left, right = pair(world, "C1", phone="1", city="Gent")
    world.left.put("customer", left, {"phone": "2"})
    return left, right, world.run()


# -- updates -----------------------------------------------------------------------------------------------------------


def test_undo_writes_back_only_what_the_job_wrote_and_the_next_run_asks(anna) -> None:
    world = World()
    left, right, job = flowed(world)
    world.right.put("account", right, {"city": "Brussel"}, by="a.berg")
    done, notes = take_back(job, anna)
    assert (done.verb, done.modified, notes) == ("undo", 1, {"C1": ("done", "")})
    row = world.rows(Side.RIGHT)[right]
    assert (row["phone"], row["city"]) == ("1", "Brussel"), "the later edit of another field stays"
    written = Journal.objects.get(job=done)
    assert (written.before, written.values, written.state) == ({"phone": "2"}, {"phone": "1"}, "done")
    assert Journal.objects.get(job=job).undone_by == written
    world.run()
    problem = world.problem("C1")
    assert problem is not None and (problem.code, problem.state) == ("update_conflict", "skipped")
    assert [each["left_field"] for each in problem.params["fields"]] == ["phone"]
    in_peace(world)
    services.start_bulk("resolve", Coupling.objects.all(), user=None, options={"side": "right"})
    work()
    assert world.rows(Side.LEFT)[left]["phone"] == "1" and world.rows(Side.LEFT)[left]["city"] == "Brussel"
    in_peace(world)


def test_an_emptied_field_is_not_filled_again_by_itself() -> None:
    world = World()
    left, right = pair(world, "C1")
    world.left.put("customer", left, {"phone": "2"})
    take_back(world.run())
    world.run()
    assert world.rows(Side.RIGHT)[right]["phone"] is None
    problem = world.problem("C1")
    assert problem is not None and problem.code == "update_conflict"


def test_a_one_way_field_stays_as_taken_back_until_its_source_changes() -> None:
    world = World()
    FieldMapping.objects.filter(mapping=world.mapping, left_field="phone").update(direction="to_right")
    left, right, job = flowed(world)
    take_back(job)
    in_peace(world)
    assert world.rows(Side.RIGHT)[right]["phone"] == "1" and world.rows(Side.LEFT)[left]["phone"] == "2"
    world.left.put("customer", left, {"phone": "3"})
    world.run()
    assert world.rows(Side.RIGHT)[right]["phone"] == "3"


def test_under_a_policy_that_decides_taking_back_is_an_edit() -> None:
    world = World(conflicts="left")
    left, right, job = flowed(world)
    take_back(job)
    assert world.run().modified == 1
    assert world.rows(Side.LEFT)[left]["phone"] == "1" == world.rows(Side.RIGHT)[right]["phone"]
    in_peace(world)


def test_undo_of_a_decision_brings_the_conflict_back(anna) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"phone": "3"})
    world.run()
    decided = services.start_bulk("resolve", Coupling.objects.all(), user=anna, options={"side": "right"})
    work()
    assert world.rows(Side.LEFT)[left]["phone"] == "3"
    take_back(decided, anna)
    world.run()
    assert (world.rows(Side.LEFT)[left]["phone"], world.rows(Side.RIGHT)[right]["phone"]) == ("2", "3")
    problem = world.problem("C1")
    assert problem is not None and problem.code == "update_conflict"
    in_peace(world)


def test_a_record_that_changed_since_is_left_alone_and_named() -> None:
    world = World()
    for no in ("C1", "C2"):
        pair(world, no, phone="1", city="Gent")
    for no in ("C1", "C2"):
        world.left.put("customer", world.coupling(no).left_id, {"phone": "2", "city": "Aalst"})
    job = world.run()
    right = world.coupling("C2").right_id
    world.right.put("account", right, {"phone": "9"})
    done, notes = take_back(job)
    assert (done.modified, done.scanned) == (1, 1)
    assert notes == {"C1": ("done", ""), "C2": ("not_applicable", CHANGED_SINCE + ':{"right": ["phone"]}')}
    assert (world.rows(Side.RIGHT)[right]["phone"], world.rows(Side.RIGHT)[right]["city"]) == ("9", "Aalst")
    assert services.undoable(job).count() == 1, "it can be tried again"


def test_what_the_app_made_of_a_value_counts_as_ours() -> None:
    world = World()
    world.right.faults.normalise = lambda name, value: value.upper() if name == "name" else value
    left, right = pair(world, "C1")
    world.left.put("customer", left, {"name": "Other"})
    job = world.run()
    world.right.put("account", right, {"phone": "7"})
    done, _notes = take_back(job)
    assert done.modified == 1 and world.rows(Side.RIGHT)[right]["name"] == "FIRM C1"


def test_undoing_twice_says_undone_already_and_undo_can_be_undone(anna) -> None:
    world = World()
    left, right, job = flowed(world)
    first = services.undo(job, user=anna)
    second = services.undo(job, user=anna)
    work()
    assert [item.note for item in second.items.all()] == [f"in_job:{first.pk}"]
    with pytest.raises(NotNow) as no:
        services.undo(job, user=anna)
    assert no.value.code == "undone_already"
    done, _notes = take_back(first, anna)
    assert done.modified == 1 and world.rows(Side.RIGHT)[right]["phone"] == "2"
    world.run()
    assert not Problem.objects.not_ended().exists(), "both hold the same again"
    in_peace(world)


def test_chosen_rows_only_and_not_after_thirty_days(clock: Clock) -> None:
    world = World()
    for no in ("C1", "C2"):
        pair(world, no, phone="1")
    for no in ("C1", "C2"):
        world.left.put("customer", world.coupling(no).left_id, {"phone": "2"})
    job = world.run()
    chosen = Journal.objects.get(job=job, coupling=world.coupling("C2"))
    done, notes = take_back(job, journal=[chosen.pk])
    assert list(notes) == ["C2"] and world.by_no(Side.RIGHT)["C1"]["phone"] == "2"
    clock.move(days=31)
    with pytest.raises(NotNow) as no:
        services.undo(job, user=None)
    assert no.value.code == "too_late"
    with pytest.raises(NotNow) as no:
        services.undo(world.run(), user=None)
    assert no.value.code == "nothing_written"


def test_a_value_that_the_app_refuses_fails_the_item_and_can_be_tried_again() -> None:
    world = World()
    _left, right, job = flowed(world)
    refuse(world.right, lambda: Rejected("check_refused", {"table": "account", "field": "phone"}))
    done, notes = take_back(job)
    assert (done.failed, notes) == (1, {"C1": ("failed", "check_refused")})
    world.right.faults.refuse = None
    assert take_back(job)[1] == {"C1": ("done", "")}


def test_an_undo_without_an_answer_is_looked_up() -> None:
    world = World()
    _left, right, job = flowed(world)
    started = services.undo(job, user=None)
    world.right.faults.lose_answers = 1
    jobs.run(started.pk)
    world.run()
    assert world.rows(Side.RIGHT)[right]["phone"] == "1"
    assert Journal.objects.get(job=started).state == Journal.State.DONE
    world.run()
    problem = world.problem("C1")
    assert problem is not None and problem.code == "update_conflict"
    assert not services.undoable(job).exists()
    in_peace(world)


# -- fields that belong together ---------------------------------------------------------------------------------------


def grouped(*, phone: str = "1", city: str = "Gent") -> tuple[World, str, str]:
    """Phone and city belong together; a coupled pair."""
    world = World()
    FieldMapping.objects.filter(left_field__in=("phone", "city")).update(group="address")
    left, right = pair(world, "C1", phone=phone, city=city)
    return world, left, right


def test_one_field_of_a_group_does_not_go_back_beside_another_that_changed_since() -> None:
    world, left, right = grouped()
    world.left.put("customer", left, {"phone": "2"})
    job = world.run()
    world.right.put("account", right, {"city": "Brussel"})
    done, notes = take_back(job)
    assert (done.modified, notes) == (0, {"C1": ("not_applicable", CHANGED_SINCE + ':{"right": ["city"]}')})
    row = world.rows(Side.RIGHT)[right]
    assert (row["phone"], row["city"]) == ("2", "Brussel")
    assert services.undoable(job).count() == 1, "it can be tried again"
    world.right.put("account", right, {"city": "Gent"})
    assert take_back(job)[1] == {"C1": ("done", "")}
    assert world.rows(Side.RIGHT)[right]["phone"] == "1"


def test_a_change_of_another_field_leaves_a_group_free_to_go_back() -> None:
    world, left, right = grouped()
    world.left.put("customer", left, {"phone": "2"})
    job = world.run()
    world.right.put("account", right, {"name": "Other"})
    done, notes = take_back(job)
    assert (done.modified, notes) == (1, {"C1": ("done", "")})
    row = world.rows(Side.RIGHT)[right]
    assert (row["phone"], row["city"], row["name"]) == ("1", "Gent", "Other")


def test_a_neighbour_that_a_later_run_carried_over_counts_as_changed_since() -> None:
    world, left, right = grouped()
    world.left.put("customer", left, {"phone": "2"})
    job = world.run()
    world.left.put("customer", left, {"city": "Brussel"})
    later = world.run()
    assert take_back(job)[1] == {"C1": ("not_applicable", CHANGED_SINCE + ':{"right": ["city"]}')}
    assert take_back(later)[1] == {"C1": ("done", "")}
    assert take_back(job)[1] == {"C1": ("done", "")}, "one after the other, newest first"
    row = world.rows(Side.RIGHT)[right]
    assert (row["phone"], row["city"]) == ("1", "Gent")


def test_what_the_app_made_of_a_neighbour_as_it_was_written_is_no_change(monkeypatch) -> None:
    world, left, right = grouped()
    store = world.right.store

    def looks_the_city_up(table, id, fields, *others):
        return store(table, id, {**fields, "city": "Deinze"} if "phone" in fields else fields, *others)

    monkeypatch.setattr(world.right, "store", looks_the_city_up)
    world.left.put("customer", left, {"phone": "2"})
    job = world.run()
    world.right.put("account", right, {"name": "Other"})
    row = world.rows(Side.RIGHT)[right]
    assert (row["phone"], row["city"], row["name"]) == ("2", "Deinze", "Other")
    done, notes = take_back(job)
    assert (done.modified, notes) == (1, {"C1": ("done", "")})


def test_an_undone_undo_treats_a_group_as_one_too() -> None:
    world, left, right = grouped()
    world.left.put("customer", left, {"phone": "2"})
    undoing, _notes = take_back(world.run())
    world.right.put("account", right, {"city": "Brussel"})
    done, notes = take_back(undoing)
    assert (done.modified, notes) == (0, {"C1": ("not_applicable", CHANGED_SINCE + ':{"right": ["city"]}')})


def test_an_edit_of_one_field_of_a_group_does_not_go_back_beside_another_that_changed_since() -> None:
    world, left, _right = grouped()
    seen = {"version": "", "fields": {}}
    edit = services.edit(world.coupling("C1"), Side.LEFT, values={"phone": "2"}, seen=seen, user=None)
    work()
    world.left.put("customer", left, {"city": "Brussel"})
    assert take_back(edit)[1] == {"C1": ("not_applicable", CHANGED_SINCE + ':{"left": ["city"]}')}
    assert world.rows(Side.LEFT)[left]["phone"] == "2"


# -- creations and deletions -------------------------------------------------------------------------------------------


def restored(world: World, anna) -> tuple[str, str, SynchJob]:
    left, right = pair(world, "C1", phone="1", city="Gent")
    pair(world, "C2")
    world.right.remove("account", right)
    world.run(scope="sweep")
    work()
    job = services.start_bulk("restore", Coupling.objects.filter(left_key="C1"), user=anna)
    work()
    assert right in world.rows(Side.RIGHT)
    return left, right, job


def test_undo_of_a_restore_deletes_the_record_again_and_the_question_stands_again(anna) -> None:
    world = World()
    left, right, job = restored(world, anna)
    done, notes = take_back(job, anna)
    assert (done.deleted, notes) == (1, {"C1": ("done", "")})
    assert right not in world.rows(Side.RIGHT) and left in world.rows(Side.LEFT)
    problem = world.problem("C1")
    assert problem is not None and (problem.code, problem.state) == ("deleted_right", "skipped")
    in_peace(world)
    again, _notes = take_back(done, anna)
    assert (again.inserted, world.rows(Side.RIGHT)[right]["city"]) == (1, "Gent")
    assert world.problem("C1") is None
    in_peace(world)


def test_a_side_whose_only_record_was_taken_back_is_no_side_that_was_emptied(anna) -> None:
    world = World()
    left = new(world, "C1")
    done, notes = take_back(world.run(), anna)
    assert (done.deleted, notes, world.rows(Side.RIGHT)) == (1, {"C1": ("done", "")}, {})
    assert [world.run(scope="sweep").state for _lap in range(2)] == ["finished"] * 2
    in_peace(world)
    assert left in world.rows(Side.LEFT)
    pair(world, "C2")
    world.right.remove("account", world.coupling("C2").right_id)
    job = world.run(scope="sweep")
    assert (job.state, job.code, job.params["couplings"]) == ("failed", "side_empty", 1), "that of C2"


def test_undo_of_a_restore_leaves_a_record_alone_that_somebody_changed(anna) -> None:
    world = World()
    _left, right, job = restored(world, anna)
    world.right.touch("account", right)
    done, notes = take_back(job, anna)
    assert notes == {"C1": ("not_applicable", CHANGED_SINCE + ':{"right": []}')}
    assert right in world.rows(Side.RIGHT) and done.deleted == 0


@pytest.mark.parametrize("policy", ["ask", "restore", "delete", "uncouple"])
def test_a_new_record_that_was_taken_back_is_not_created_again(policy: str) -> None:
    world = World(deletions=policy)
    left = new(world, "C1", phone="1")
    job = world.run()
    take_back(job)
    assert world.rows(Side.RIGHT) == {}
    problem = world.problem("C1")
    assert problem is not None
    assert problem.state == (Problem.State.SKIPPED if policy == "ask" else Problem.State.ON_PURPOSE)
    in_peace(world)
    assert left in world.rows(Side.LEFT)


@pytest.mark.parametrize("kind", [KeyKind.UUID, KeyKind.OPAQUE])
def test_undo_of_a_delete_brings_the_whole_record_back(anna, kind: KeyKind) -> None:
    world = World()
    world.mapping.left_key_kind = kind.value
    world.mapping.save()
    left, right = pair(world, "C1", phone="1", city="Gent")
    pair(world, "C2")
    world.left.put("customer", left, {"parent": left})  # a field that is not mapped
    world.run()
    world.right.remove("account", right)
    world.run(scope="sweep")
    work()
    job = services.start_bulk("delete", Coupling.objects.filter(left_key="C1"), user=anna)
    work()
    assert left not in world.rows(Side.LEFT)
    preview = services.undo_preview(job, user=anna)
    assert preview.counts == {"delete": 1}
    assert preview.new_ids == ([] if kind is KeyKind.UUID else [world.left.name])
    done, notes = take_back(job, anna)
    assert (done.inserted, notes) == (1, {"C1": ("done", "")})
    row = world.by_no(Side.LEFT)["C1"]
    assert (row["city"], str(row["parent"])) == ("Gent", left)
    coupling = world.coupling("C1")
    assert (coupling.left_id == left) == (kind is KeyKind.UUID)
    assert (coupling.left_exists, coupling.right_exists, coupling.ended_at) == (True, False, None)
    problem = world.problem("C1")
    assert problem is not None and problem.code == "deleted_right"
    in_peace(world)
    services.start_bulk("restore", Coupling.objects.filter(left_key="C1"), user=anna)
    work()
    assert world.by_no(Side.RIGHT)["C1"]["city"] == "Gent" and world.problem("C1") is None
    in_peace(world)


def test_ids_from_a_sequence_are_kept_too(anna) -> None:
    world = World()
    for app, name in ((world.left, "customer"), (world.right, "account")):
        app.add_table(
            table(name, *fields_of_customers(), key_kind=KeyKind.SEQUENCE), modified_by_field="modified_by"
        )
    for side in Side:
        setattr(world.mapping, f"{side.value}_key_kind", KeyKind.SEQUENCE.value)
    world.mapping.save()
    world.left.put("customer", "7", {"no": "C1", "name": "Firm"})
    world.run()
    world.right.remove("account", world.coupling("C1").right_id)
    world.run(scope="sweep")
    work()
    job = services.start_bulk("delete", Coupling.objects.all(), user=anna)
    work()
    take_back(job, anna)
    assert list(world.rows(Side.LEFT)) == ["7"]


def test_a_deleted_record_that_somebody_made_again_is_left_alone(anna) -> None:
    world = World()
    left, right = pair(world, "C1")
    pair(world, "C2")
    world.right.remove("account", right)
    world.run(scope="sweep")
    work()
    job = services.start_bulk("delete", Coupling.objects.filter(left_key="C1"), user=anna)
    work()
    world.left.put("customer", left, {"no": "C1", "name": "Made by hand"})
    assert take_back(job, anna)[1] == {"C1": ("not_applicable", "exists_again")}


# -- couplings and rights ----------------------------------------------------------------------------------------------


def test_undo_of_remove_coupling_puts_memory_and_base_back(anna) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1", city="Gent")
    job = services.start_bulk("uncouple", Coupling.objects.all(), user=anna)
    work()
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"city": "Aalst"})
    world.run()
    done, notes = take_back(job, anna)
    assert (done.coupled, notes) == (1, {"C1": ("done", "")})
    assert Journal.objects.get(job=done).operation == "recouple"
    world.run()
    for rows, id in ((world.rows(Side.LEFT), left), (world.rows(Side.RIGHT), right)):
        assert (rows[id]["phone"], rows[id]["city"]) == ("2", "Aalst"), "what happened apart is joined"
    in_peace(world)
    with pytest.raises(NotNow):
        services.undo(job, user=anna)


def test_a_coupling_is_not_put_back_over_another_one(anna) -> None:
    world = World()
    left, _right = pair(world, "C1")
    job = services.start_bulk("uncouple", Coupling.objects.all(), user=anna)
    work()
    services.couple(world.mapping, left=left, right=new(world, "C9", Side.RIGHT), user=None, prefer="left")
    work()
    old = Coupling.objects.get(removed_at__isnull=False)
    done, _notes = take_back(job, anna)
    assert done.items.get(coupling=old).note == "coupled_since"


def test_undoing_needs_the_right_of_what_is_undone(anna) -> None:
    world = World()
    _left, _right, job = flowed(world)
    owner = make_user(RECORD_OWNER, grants={world.mapping: GrantLevel.RESOLVE})
    stranger = make_user(RECORD_OWNER)
    with pytest.raises(RightMissing) as no:
        services.undo(job, user=stranger)
    assert no.value.permission == "synccore.synchronize"
    created = SynchJob.objects.filter(inserted=1).get()
    with pytest.raises(RightMissing) as no:
        services.undo(created, user=owner)
    assert no.value.permission == "synccore.delete_records"
    started = services.undo(job, user=owner)
    owner.groups.clear()
    work()
    assert JobItem.objects.get(job=started).note == "right_missing"
    assert services.undo_preview(job, user=anna).counts == {"update": 1}


def test_changes_of_a_record_between_reading_and_writing_are_seen(clock: Clock) -> None:
    world = World()
    _left, right, job = flowed(world)
    times = iter(range(2))

    def somebody_edits(when: str, method: str) -> None:
        if (when, method) == ("before", "update") and next(times, None) is not None:
            world.right.put("account", right, {"city": "Luik"})

    world.right.faults.hook = somebody_edits
    done, notes = take_back(job)
    assert notes == {"C1": ("done", "")} and world.rows(Side.RIGHT)[right]["phone"] == "1"


def test_an_undo_that_died_on_the_way_goes_on_where_it_was() -> None:
    world = World()
    _left, right, job = flowed(world)
    started = services.undo(job, user=None)

    class Killed(BaseException): ...

    def kill(point: str) -> None:
        if point == "sent":
            raise Killed

    with pytest.raises(Killed):
        jobs.run(started.pk, observe=kill)
    SynchJob.objects.filter(pk=started.pk).update(
        lease_until=SynchJob.objects.get(pk=started.pk).queued_at - timedelta(hours=1)
    )
    assert jobs.take_over() == 1
    work()
    assert world.rows(Side.RIGHT)[right]["phone"] == "1"
    assert started.items.get(purpose="chosen").state == JobItem.State.DONE
    assert Journal.objects.filter(job=started).count() == 1
    world.run()
    problem = world.problem("C1")
    assert problem is not None and problem.code == "update_conflict"
    in_peace(world)

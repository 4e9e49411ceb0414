"""What people start: retry, bulk jobs and their results; rights; the effects of each verb; the diary's clean-up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from synccore import services
from synccore.failures import Rejected
from synccore.models import Coupling, DeletedEntry, JobItem, Journal, Problem, SynchJob, SynchJobError
from synccore.models.ledger import read_ledger
from synccore.models.scoping import GrantLevel
from synccore.services.rights import RightMissing
from synccore.shapes import Side
from tests.factories import (
    ADMINISTRATOR,
    RECORD_OWNER,
    VIEWER,
    make_coupling,
    make_mapping,
    make_problem,
    make_user,
)

from .conftest import Clock
from .helpers import accept, new, only_problem, pair, refuse, schedule_of, try_again, work
from .world import World

pytestmark = pytest.mark.django_db


def refused_name() -> Rejected:
    return Rejected("value_too_long", {"table": "account", "field": "name", "limit": 5})


def skipped(world: World, clock: Clock, n: int = 1) -> None:
    for number in range(n):
        new(world, f"S{number}")
    refuse(world.right, refused_name)
    world.run()
    try_again(Problem.objects.filter(state="retrying")[0], clock)
    accept(world.right)


# -- retry --------------------------------------------------


def test_retry_says_how_many_when_and_which_not(clock: Clock) -> None:
    world = World()
    entry = schedule_of(world.mapping, next_run=clock.now + timedelta(minutes=9))
    left, right = pair(world, "C1", phone="1")
    pair(world, "C2")
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"phone": "3"})
    skipped(world, clock, 2)
    result = services.retry(Coupling.objects.all(), user=None)
    assert (result.marked, result.next_run, result.mappings) == (2, entry.next_run, [world.mapping.pk])
    reasons = {Coupling.objects.get(pk=each.coupling).left_key: each.reason for each in result.refused}
    assert reasons == {"C1": "needs_decision", "C2": "no_problem"}
    assert Problem.objects.filter(state="skipped", requested_at__isnull=False).count() == 2, "the state stays"
    assert world.run().inserted == 2


def test_rights_of_retry_and_bulk(clock: Clock) -> None:
    world = World()
    skipped(world, clock)
    viewer = make_user(VIEWER, grants={world.mapping: GrantLevel.VIEW})
    owner = make_user(RECORD_OWNER, grants={world.mapping: GrantLevel.RESOLVE})
    stranger = make_user(RECORD_OWNER)
    everything = Coupling.objects.all()
    with pytest.raises(RightMissing) as refused:
        services.retry(everything, user=viewer)
    assert refused.value.permission == "synccore.retry"
    assert services.retry(everything, user=stranger).marked == 0
    assert services.retry(everything, user=owner).marked == 1
    with pytest.raises(RightMissing) as refused:
        services.start_bulk("delete", everything, user=owner)
    assert refused.value.permission == "synccore.delete_records"
    with pytest.raises(RightMissing):
        services.start_bulk("synchronise", everything, user=stranger)
    assert services.start_bulk("synchronise", everything, user=owner).total == 1
    with pytest.raises(ValueError):
        services.start_bulk("purge", everything, user=None)


@pytest.mark.parametrize(("n", "refused"), [(50, False), (51, True)])
def test_more_than_fifty_at_once_need_a_right_of_their_own(n: int, refused: bool) -> None:
    world = World()
    owner = make_user(RECORD_OWNER, grants={world.mapping: GrantLevel.RESOLVE})
    for _ in range(n):
        make_coupling(world.mapping)
    for start in (
        lambda: services.start_bulk("synchronise", Coupling.objects.all(), user=owner),
        lambda: services.retry(Coupling.objects.all(), user=owner),
    ):
        if refused:
            with pytest.raises(RightMissing) as missing:
                start()
            assert missing.value.permission == "synccore.bulk"
        else:
            start()


def test_what_chose_the_records_is_asked_once_however_many_mappings_they_are_of() -> None:
    """A list's condition joins many tables; inside other queries it has run for minutes on young statistics."""
    for mapping in (make_mapping(), make_mapping()):
        for _ in range(2):
            make_problem(make_coupling(mapping), code="value_too_long")
    chosen = Coupling.objects.filter(problems__in=Problem.objects.filter(code="value_too_long"))
    with CaptureQueriesContext(connection) as caught:
        parent = services.start_bulk("synchronise", chosen, user=None)
    assert len([each for each in caught if "value_too_long" in each["sql"]]) == 1
    children = SynchJob.objects.filter(parent=parent)
    assert (parent.total, sorted(each.total or 0 for each in children)) == (4, [2, 2])
    assert JobItem.objects.filter(job__in=children, state="open").count() == 4


def test_rights_are_looked_at_again_when_the_job_runs(clock: Clock) -> None:
    world = World()
    skipped(world, clock)
    owner = make_user(RECORD_OWNER, grants={world.mapping: GrantLevel.RESOLVE})
    job = services.start_bulk("synchronise", Coupling.objects.all(), user=owner)
    owner.groups.clear()
    [done] = work()
    assert (done.pk, done.state, done.scanned) == (job.pk, SynchJob.State.FINISHED, 0)
    item = JobItem.objects.get()
    assert (item.state, item.note) == (JobItem.State.NOT_APPLICABLE, "right_missing")
    assert world.rows(Side.RIGHT) == {}


def test_a_record_in_another_open_bulk_says_in_which(clock: Clock) -> None:
    world = World()
    skipped(world, clock, 2)
    first = services.start_bulk("synchronise", Coupling.objects.filter(left_key="S0"), user=None)
    second = services.start_bulk("uncouple", Coupling.objects.all(), user=None)
    assert (first.total, second.total) == (1, 2)
    notes = dict(second.items.values_list("coupling__left_key", "note"))
    assert notes == {"S0": f"in_job:{first.pk}", "S1": ""}
    work()
    assert sorted(second.items.values_list("state", flat=True)) == ["done", "not_applicable"]
    assert world.coupling("S0").removed_at is None


def test_each_frozen_record_ends_with_a_result(clock: Clock) -> None:
    world = World()
    for no in ("C1", "C2", "C3"):
        pair(world, no)
    world.right.remove("account", world.coupling("C1").right_id)
    bulk = services.start_bulk("restore", Coupling.objects.all(), user=None)
    Coupling.objects.filter(left_key="C3").update(removed_at=timezone.now())
    [done] = [job for job in work() if job.pk == bulk.pk]
    assert dict(done.items.values_list("coupling__left_key", "state")) == {
        "C1": "done",
        "C2": "not_applicable",
        "C3": "not_applicable",
    }
    assert done.items.count() == done.total == 3


# -- what the verbs do --------------------------------------------------


def deleted_right(world: World) -> tuple[str, str]:
    left, right = pair(world, "C1", phone="1", city="Gent")
    pair(world, "C2")
    world.right.remove("account", right)
    world.run(scope="sweep")
    work()
    assert only_problem().code == "deleted_right"
    return left, right


def test_restore_puts_the_counterpart_back_with_its_id() -> None:
    world = World()
    left, right = deleted_right(world)
    services.start_bulk("restore", Coupling.objects.filter(left_key="C1"), user=make_user(ADMINISTRATOR))
    [done] = work()
    assert (done.state, done.inserted) == ("finished", 1)
    assert world.rows(Side.RIGHT)[right]["city"] == "Gent"
    assert Problem.objects.get().ending == Problem.Ending.FIXED and world.coupling("C1").right_exists
    assert world.run().scanned == 0


def test_delete_takes_the_survivor_and_keeps_all_of_it_in_the_journal() -> None:
    world = World()
    left, _right = deleted_right(world)
    person = make_user(ADMINISTRATOR)
    services.start_bulk("delete", Coupling.objects.filter(left_key="C1"), user=person)
    [done] = work()
    assert (done.deleted, left in world.rows(Side.LEFT)) == (1, False)
    row = Journal.objects.get(operation="delete")
    assert (row.state, row.before["city"], row.job_id) == ("done", "Gent", done.pk)
    problem = Problem.objects.get()
    assert (problem.ending, problem.ended_by, problem.ended_job) == (Problem.Ending.DELETED, person, done.pk)
    coupling = Coupling.objects.get(left_key="C1")
    assert coupling.ended_at and not coupling.left_exists
    world.settle()
    assert len(world.rows(Side.LEFT)) == 1 == len(world.rows(Side.RIGHT))


def test_a_removed_coupling_is_coupled_by_no_run_until_a_person_does() -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    services.start_bulk("uncouple", Coupling.objects.all(), user=make_user(ADMINISTRATOR))
    [done] = work()
    assert (done.uncoupled, Journal.objects.filter(operation="uncouple", state="done").count()) == (1, 1)
    world.left.put("customer", left, {"phone": "2"})
    world.right.put("account", right, {"phone": "3"})
    world.run(scope="full")
    work()
    assert (len(world.rows(Side.LEFT)), len(world.rows(Side.RIGHT))) == (1, 1)
    assert world.rows(Side.RIGHT)[right]["phone"] == "3" and not Problem.objects.exists()
    services.couple(world.mapping, left=left, right=right, user=None, prefer="left")
    [done] = work()
    assert (done.state, done.coupled) == ("finished", 1)
    assert world.rows(Side.RIGHT)[right]["phone"] == "2"
    assert Coupling.objects.live().count() == 1 == Coupling.objects.count(), "its memory is used again"


def test_couple_completes_a_half_and_refuses_what_is_taken(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1")
    skipped(world, clock)
    half = str(world.coupling("S0").left_id)
    counterpart = new(world, "A9", Side.RIGHT)
    services.couple(world.mapping, left=half, right=counterpart, user=None, prefer="right")
    assert [job.state for job in work()] == ["finished"]
    assert world.by_no(Side.LEFT)["A9"] and Problem.objects.get().ending == Problem.Ending.FIXED
    other = new(world, "A8", Side.RIGHT)
    for ids in ((left, other), (left, "no such id")):
        with pytest.raises(services.jobs.NotNow) as no:
            services.couple(world.mapping, left=ids[0], right=ids[1], user=None)
        assert (no.value.code, no.value.params["together"]) == ("coupled_already", False)
        # Somebody was quicker between the press and the run.
        done = world.run("couple", "items", options={"left": ids[0], "right": ids[1], "prefer": ""})
        assert (done.state, done.code) == ("failed", "already_coupled")
    services.couple(world.mapping, left="no such id", right=other, user=None)
    [done] = work()
    assert (done.state, done.code) == ("failed", "record_not_found")
    assert not Problem.objects.not_ended().exists(), "a wrong choice of a person does not hold the mapping"
    assert world.run().state == "finished"


# -- the diary's clean-up --------------------------------------------------


def test_clean_up_counts_honestly_keeps_what_is_relevant_and_can_be_undone(clock: Clock) -> None:
    world = World()
    user = make_user(ADMINISTRATOR)
    skipped(world, clock, 3)
    services.retry(Coupling.objects.filter(left_key="S0"), user=None)
    world.run()  # S0 is fixed: its entry is history
    problems = list(Problem.objects.order_by("pk").values())
    assert services.count_old_entries(user=user, older_than=None) == (1, 2)
    assert services.count_old_entries(user=user, older_than=clock.now - timedelta(days=7)) == (0, 0)
    job = services.delete_old_entries(user=user, older_than=None)
    [done] = work()
    assert (done.state, done.deleted, SynchJobError.objects.count()) == ("finished", 1, 2)
    assert list(Problem.objects.order_by("pk").values()) == problems, "no problem changes"
    assert read_ledger().drift == []
    [gone] = DeletedEntry.objects.all()
    assert (gone.left_title, gone.deleted_by) == ("S0 Firm S0", user)
    everything = services.delete_old_entries(user=user, older_than=None, include_relevant=True)
    assert work()[0].deleted == 2 and SynchJobError.objects.count() == 0
    assert Problem.objects.not_ended().count() == 2 and read_ledger().drift == []
    for purge in (everything, job):
        services.undo_purge(purge.options["purge"], user=user)
        assert work()[0].inserted in (1, 2)
    assert SynchJobError.objects.count() == 3 and not DeletedEntry.objects.exists()
    assert read_ledger().drift == []
    with pytest.raises(LookupError):
        services.undo_purge(job.options["purge"], user=user)
    with pytest.raises(RightMissing):
        services.delete_old_entries(user=make_user(RECORD_OWNER), older_than=None)


def test_only_entries_older_than_the_moment_go(clock: Clock) -> None:
    world = World()
    user = make_user(ADMINISTRATOR)
    skipped(world, clock)
    services.retry(Coupling.objects.all(), user=None)
    world.run()
    clock.move(days=7, seconds=-120)
    before = clock.now - timedelta(days=7)
    assert services.count_old_entries(user=user, older_than=before) == (0, 0)
    clock.move(minutes=10)
    assert services.count_old_entries(user=user, older_than=clock.now - timedelta(days=7)) == (1, 0)


def test_a_clean_up_asks_again_for_the_right_when_it_runs(clock: Clock) -> None:
    world = World()
    user = make_user(ADMINISTRATOR)
    skipped(world, clock)
    services.delete_old_entries(user=user, older_than=None, include_relevant=True)
    user.groups.clear()
    [done] = work()
    assert (done.state, done.deleted, SynchJobError.objects.count()) == ("finished", 0, 1)
    assert [line.code for line in done.log.all()] == ["right_missing"]


def test_a_clean_up_of_a_person_who_was_deleted_deletes_nothing(clock: Clock) -> None:
    world = World()
    user = make_user(ADMINISTRATOR)
    skipped(world, clock)
    services.delete_old_entries(user=user, older_than=None, include_relevant=True)
    user.delete()
    [done] = work()
    assert (done.state, done.deleted, SynchJobError.objects.count()) == ("finished", 0, 1)

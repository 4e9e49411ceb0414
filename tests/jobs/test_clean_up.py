"""Clean-ups: what goes, what stays, what comes back, what is forgotten; and that no problem ever changes by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from synccore import schedule, services
from synccore.models import DeletedEntry, Problem, SynchJob, SynchJobError
from synccore.models.ledger import read_ledger
from synccore.roles import ADMINISTRATOR, RECORD_OWNER
from synccore.services.entries import MOST_CHOSEN
from synccore.services.rights import RightMissing
from synccore.verbs.clean_up import KEPT_CLOSED, KEPT_DELETED
from tests import factories as make
from tests.jobs.conftest import Clock
from tests.jobs.helpers import work

KINDS = {
    "skipped": {"kind": "rejected"},
    "conflict": {"kind": "conflict", "code": "update_conflict"},
    "waiting": {"kind": "blocked", "code": "reference_not_coupled", "state": "waiting"},
    "on purpose": {"state": "on_purpose", "reason": "Closed down"},
}


@pytest.fixture
def diary(db, clock: Clock) -> dict[str, Problem]:
    """Problems in every state that must outlive their entries, each with three entries of which two are relevant; and two
    entries of a problem that ended."""
    mapping = make.make_mapping("Customer")
    found = {}
    for name, values in KINDS.items():
        problem = make.make_problem(
            make.make_coupling(mapping), since=clock.now - timedelta(days=9), **values
        )
        first, _middle, last = (make.make_entry(problem, at=clock.now - timedelta(days=n)) for n in (9, 8, 2))
        Problem.objects.filter(pk=problem.pk).update(first_entry=first.pk, last_entry=last.pk)
        found[name] = problem
    ended = make.make_problem(make.make_coupling(mapping), state="ended")
    for days in (8, 1):
        make.make_entry(ended, at=clock.now - timedelta(days=days))
    found["ended"] = ended
    from synccore.models.ledger import replace_stat

    replace_stat()
    return found


def problems() -> list[dict]:
    return list(Problem.objects.order_by("pk").values())


def run_one() -> SynchJob:
    [done] = work()
    assert done.state == "finished"
    return done


def test_older_than_seven_days_takes_what_nobody_needs_and_says_what_it_kept(diary, clock) -> None:
    before = problems()
    week = clock.now - timedelta(days=7)
    user = make.make_user(ADMINISTRATOR)
    assert services.count_old_entries(user=user, older_than=week) == (5, 4)
    services.delete_old_entries(user=user, older_than=week)
    done = run_one()
    assert (done.total, done.deleted, done.skipped) == (9, 5, 4)
    assert set(services.kept_by(done)) == set(SynchJobError.objects.filter(at__lt=week))
    assert SynchJobError.objects.count() == 14 - 5
    assert problems() == before
    assert read_ledger().drift == []


def test_all_entries_with_the_relevant_ones_leaves_every_problem_as_it_was(diary, clock) -> None:
    before = problems()
    services.delete_old_entries(user=make.make_user(ADMINISTRATOR), include_relevant=True)
    done = run_one()
    assert (done.deleted, done.skipped, SynchJobError.objects.count()) == (14, 0, 0)
    assert problems() == before
    assert read_ledger().drift == []


def test_chosen_entries_go_and_come_back_with_their_own_ids(diary, clock) -> None:
    user = make.make_user(ADMINISTRATOR)
    mine = list(SynchJobError.objects.filter(problem_id=diary["conflict"].pk).order_by("pk"))
    before = list(SynchJobError.objects.order_by("pk").values())
    job = services.delete_old_entries(user=user, ids=[each.pk for each in mine])
    done = run_one()
    assert (done.total, done.deleted, done.skipped) == (3, 1, 2), "first and last are still relevant"
    [gone] = DeletedEntry.objects.all()
    assert (gone.pk, str(gone.purge), gone.deleted_by) == (mine[1].pk, job.options["purge"], user)
    services.bring_back([gone.pk], user=user)
    assert run_one().inserted == 1
    assert list(SynchJobError.objects.order_by("pk").values()) == before
    assert not DeletedEntry.objects.exists() and read_ledger().drift == []
    with pytest.raises(LookupError):
        services.bring_back([gone.pk], user=user)


def test_an_entry_written_after_the_press_stays(diary, clock) -> None:
    services.delete_old_entries(user=make.make_user(ADMINISTRATOR), include_relevant=True)
    clock.move(seconds=5)
    late = make.make_entry(diary["ended"], at=clock.now)
    run_one()
    assert SynchJobError.objects.get() == late


def test_a_clean_up_reaches_only_what_its_person_may_see(diary, clock) -> None:
    other = make.make_entry(make.make_problem(make.make_coupling(), state="ended"))
    mapping = diary["ended"].mapping
    helper = make.make_user("Record owner", grants={mapping: 2})
    from django.contrib.auth.models import Permission

    helper.user_permissions.add(Permission.objects.get(codename="clean_up"))
    services.delete_old_entries(user=helper, include_relevant=True)
    run_one()
    assert list(SynchJobError.objects.all()) == [other]


def test_only_who_may_clean_up_brings_back_and_nobody_chooses_too_many(diary) -> None:
    gone = make.make_deleted_entry(diary["ended"])
    owner, administrator = make.make_user(RECORD_OWNER), make.make_user(ADMINISTRATOR)
    for refused in (
        lambda: services.bring_back([gone.pk], user=owner),
        lambda: services.delete_old_entries(user=owner, ids=[1]),
        lambda: services.undo_purge(gone.purge, user=owner),
    ):
        with pytest.raises(RightMissing):
            refused()
    with pytest.raises(ValueError, match="10001"):
        services.delete_old_entries(user=administrator, ids=range(MOST_CHOSEN + 1))
    assert not SynchJob.objects.exists()


def test_clean_ups_are_listed_as_long_as_something_of_them_is_left(diary, clock) -> None:
    user = make.make_user(ADMINISTRATOR)
    services.delete_old_entries(user=user)
    first = run_one()
    services.delete_old_entries(user=user, include_relevant=True)
    second = run_one()
    assert list(services.clean_ups(user)) == [second, first]
    services.undo_purge(first.options["purge"], user=user)
    run_one()
    assert list(services.clean_ups(user)) == [second]


def test_retention_forgets_deleted_entries_after_thirty_days_and_closed_ones_after_half_a_year(
    diary, clock
) -> None:
    before = problems()
    young, old = (make.make_deleted_entry(diary["ended"]) for _ in range(2))
    assert schedule.start_retention() == 0
    DeletedEntry.objects.filter(pk=old.pk).update(deleted_at=clock.now - KEPT_DELETED)
    clock.move(seconds=1)
    assert schedule.start_retention() == 1
    assert schedule.start_retention() == 0, "once a day"
    assert run_one().verb == "retain"
    assert list(DeletedEntry.objects.all()) == [young]
    assert SynchJobError.objects.count() == 14
    SynchJobError.objects.update(at=clock.now - KEPT_CLOSED)
    clock.move(days=2)
    assert schedule.start_retention() == 1
    run_one()
    assert SynchJobError.objects.count() == 8, "first and last entry of what has not ended stay"
    assert problems() == before
    assert read_ledger().drift == []

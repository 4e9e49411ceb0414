"""Retention of jobs and their journal: what goes after 60 days, what never does, and that the rest can be verified."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from synccore import jobs, schedule, services
from synccore.models import Coupling, JobItem, Journal, JournalSeal, Problem, SynchJob, SynchJobError
from synccore.models.journal import JobSeal
from synccore.models.ledger import read_ledger
from synccore.models.seals import KEPT, close_job, seal_page, verify_journal
from synccore.shapes import Side
from synccore.verbs import retire
from tests.factories import ADMINISTRATOR, make_job, make_journal, make_mapping, make_user

from .conftest import Clock
from .helpers import accept, new, pair, refuse, work
from .test_failures import too_long
from .world import World

pytestmark = pytest.mark.django_db


def forget() -> SynchJob:
    """The tick's retention, carried out."""
    assert schedule.start_retention() == 1
    [done] = [job for job in work() if job.verb == "retain"]
    assert done.state == "finished"
    return done


def written(pages: tuple[int, ...] = (2, 3, 1), **values: Any) -> SynchJob:
    """A job that ended now, whose pages wrote that many rows."""
    values.setdefault("mapping", make_mapping())
    job = make_job(state="running", **values)
    for number, size in enumerate(pages, start=1):
        now = timezone.now()
        seal_page(job, number, [make_journal(job, at=now) for _ in range(size)], now)
    job.state, job.finished_at = SynchJob.State.FINISHED, timezone.now()
    job.save()
    SynchJob.objects.filter(pk=job.pk).update(queued_at=timezone.now())
    close_job(job, timezone.now())
    return job


def test_what_was_kept_long_enough_goes_and_the_rest_is_as_it_was(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    for phone in ("2", "3"):
        world.left.put("customer", left, {"phone": phone})
        world.run()
    refuse(world.right, too_long)
    new(world, "C2")
    world.run()
    assert Journal.objects.count() == 4
    ran = set(SynchJob.objects.values_list("pk", flat=True))
    couplings = list(Coupling.objects.order_by("pk").values())
    problems, entries = list(Problem.objects.values()), list(SynchJobError.objects.values())
    seals = list(JobSeal.objects.values())
    clock.move(days=KEPT.days, minutes=-1)
    assert schedule.start_retention() == 0, "not a minute too early"
    clock.move(minutes=2)
    done = forget()
    assert not Journal.objects.exists() and not JournalSeal.objects.exists()
    # The last run is shown as such until there is another.
    assert set(SynchJob.objects.exclude(pk=done.pk).values_list("pk", flat=True)) == {max(ran)}
    assert done.deleted == 4 + len(ran) - 1
    assert list(Coupling.objects.order_by("pk").values()) == couplings
    assert (list(Problem.objects.values()), list(SynchJobError.objects.values())) == (problems, entries)
    assert list(JobSeal.objects.values()) == seals
    assert (verify_journal().broken, read_ledger().drift) == (None, [])
    clock.move(days=2)
    assert forget().deleted == 0, "nothing is left to forget"
    accept(world.right)
    world.left.put("customer", left, {"phone": "4"})
    assert world.run().modified == 1 and world.rows(Side.RIGHT)[right]["phone"] == "4"
    assert verify_journal().broken is None


def test_what_can_be_undone_stays_and_is_undone(clock: Clock) -> None:
    world = World()
    left, right = pair(world, "C1", phone="1")
    clock.move(days=31)
    world.left.put("customer", left, {"phone": "2"})
    job = world.run()
    clock.move(days=29, hours=23)
    forget()
    assert list(Journal.objects.values_list("job", "operation")) == [(job.pk, "update")]
    undo = services.undo(job, user=make_user(ADMINISTRATOR))
    work()
    assert JobItem.objects.get(job=undo, purpose="chosen").state == "done"
    assert world.rows(Side.RIGHT)[right]["phone"] == "1"
    clock.move(days=31)
    forget()
    assert {row.job_id for row in Journal.objects.all()} == {undo.pk}, "and what undid it stays as long"
    assert verify_journal().broken is None


def test_a_worker_that_dies_half_way_leaves_a_journal_that_can_be_verified(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retire, "ROWS", 3)
    old = written((2, 3, 1))
    clock.move(days=KEPT.days + 1)
    young = written()
    assert schedule.start_retention() == 1
    job = SynchJob.objects.get(verb="retain")
    left = []

    def observe(point: str) -> None:
        if point == "page committed":
            left.append(Journal.objects.filter(job=old).count())
            assert verify_journal().broken is None
            if len(left) == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, observe=observe)
    SynchJob.objects.filter(pk=job.pk).update(state="queued", lease_no=5)
    done = jobs.run(job.pk, observe=observe)
    assert done is not None and (done.state, done.deleted) == ("finished", 6)
    assert left[:3] == [4, 1, 0]
    assert Journal.objects.filter(job=young).count() == 6
    assert SynchJob.objects.filter(pk=old.pk).exists(), "the only one of its kind"


def test_pages_that_are_missing_are_found_all_the_same(clock: Clock) -> None:
    """Only the first pages of an old job may be gone."""
    old = written((1, 1, 1))
    clock.move(days=KEPT.days + 1)
    young = written((1, 1, 1))

    def without(job: SynchJob, *pages: int) -> str:
        seals = JournalSeal.objects.filter(job=job, page__in=pages)
        Journal.objects.filter(seal__in=seals).delete()
        seals.delete()
        broken = verify_journal().broken
        return broken.what if broken else ""

    for job, pages, what in (
        (old, (1,), ""), (old, (1, 2), ""), (old, (2,), "page_chain"), (old, (3,), "job_end"),
        (young, (1,), "page_chain"), (young, (1, 2, 3), "pages_gone"),
    ):  # fmt: skip
        with transaction.atomic():
            assert without(job, *pages) == what, (job == old, pages)
            transaction.set_rollback(True)


@pytest.mark.parametrize("why", ["waits", "held back", "open write", "forged", "not closed", "parts run"])
def test_what_somebody_may_still_need_stays(clock: Clock, why: str) -> None:
    job, mapping = written((1, 1)), make_mapping()
    if why == "waits":
        JobItem.objects.create(job=job, mapping=mapping, side="left", record_id="1", purpose="found")
    elif why == "held back":
        JobItem.objects.create(job=job, mapping=mapping, side="left", record_id="1", purpose="deletion")
    elif why == "open write":
        make_journal(job, state="intended")
    elif why == "forged":
        SynchJob.objects.filter(pk=job.pk).update(seal="0" * 64)
    elif why == "not closed":
        JobSeal.objects.filter(job_id=job.pk).delete()
    else:
        SynchJob.objects.create(verb=job.verb, state="running", parent=job)
    clock.move(days=KEPT.days + 1)
    written((1,), mapping=job.mapping, verb=job.verb, scope=job.scope)
    forget()
    assert SynchJob.objects.filter(pk=job.pk).exists()
    # What proves that somebody has changed the journal is no less than all there is.
    assert Journal.objects.filter(job=job).count() == {"open write": 1, "forged": 2, "not closed": 2}.get(
        why, 0
    )


def test_of_each_kind_the_last_and_the_last_good_one_stay(clock: Clock) -> None:
    mapping, other = make_mapping(), make_mapping()
    kept, gone = [], []
    for number, state in enumerate(("finished", "finished", "failed", "failed")):
        (kept if number in (1, 3) else gone).append(
            make_job(mapping, state=state, finished_at=clock.now, verb="synchronise")
        )
    kept.append(make_job(other, state="failed", finished_at=clock.now, verb="synchronise"))
    kept.append(make_job(mapping, state="finished", finished_at=clock.now, verb="check"))
    gone.append(make_job(mapping, state="finished", finished_at=clock.now, verb="dry_run"))
    parent = SynchJob.objects.create(state="finished", finished_at=clock.now, verb="restore")
    gone += [
        parent,
        make_job(mapping, state="finished", finished_at=clock.now, verb="restore", parent=parent),
    ]
    kept.append(make_job(mapping, state="finished", finished_at=clock.now, verb="restore"))
    SynchJob.objects.update(queued_at=clock.now)
    clock.move(days=KEPT.days + 1)
    done = forget()
    assert done.deleted == len(gone)
    assert set(SynchJob.objects.exclude(pk=done.pk)) == set(kept)

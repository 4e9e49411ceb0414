"""Job Queue Entries: what the page says of each schedule, who may change one, and two people at once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from synccore import schedule
from synccore.models import Integration, JobQueueEntry, Problem, SynchJob, TableMapping
from synccore.services import queue
from synccore.services.jobs import NotNow
from synccore.services.rights import RightMissing
from synccore.views.queue_table import every
from tests import factories as make

from .test_actions import said

QUEUE = reverse("synccore:queue")


@pytest.fixture
def entry(world) -> JobQueueEntry:
    """A schedule of a mapping that nothing holds."""
    Problem.objects.filter(pk=world.setup.pk).delete()
    return JobQueueEntry.objects.get(mapping=world.mapping)


@pytest.fixture
def brake(entry) -> Problem:
    return make.make_problem(
        mapping=entry.mapping, kind="stopped", code="too_many_deletions", params={"count": 90}
    )


def change(entry: JobQueueEntry, **values) -> None:
    JobQueueEntry.objects.filter(pk=entry.pk).update(**values)


def row(browser, entry: JobQueueEntry) -> str:
    """What a person reads in the entry's row."""
    text = browser.get(QUEUE).content.decode()
    [found] = re.findall(rf'<tr id="row-{entry.pk}".*?</tr>', text, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


# --- what it says --------------------------------------------------------------------------------------


def test_a_row_says_what_runs_how_often_with_what_result_and_when_next(world, administrator, as_user, entry):
    shown = row(as_user(administrator), entry)
    assert "Customer Synchronize Modified Records Ready every 30 minutes" in shown
    assert "3 failed" in shown
    assert "in 12 min" in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "every 5 seconds"), (60, "every minute"), (90, "every 1 min 30 s"), (1800, "every 30 minutes"),
     (3600, "every hour"), (7200, "every 2 hours"), (86400, "every day"), (172800, "every 2 days")],
)  # fmt: skip
def test_intervals_in_words(seconds, words):
    assert every(seconds) == words


@pytest.mark.parametrize(
    ("interval", "past", "late"),
    [(1800, 110, False), (1800, 130, True), (60, 50, False), (60, 70, True), (5, 20, False), (5, 40, True)],
)
def test_late_is_after_the_interval_or_two_minutes(
    world, administrator, as_user, entry, interval, past, late, monkeypatch
):
    stopped = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: stopped)
    change(entry, interval_seconds=interval, next_run=timezone.now() - timedelta(seconds=past))
    assert ("Late" in row(as_user(administrator), entry)) is late


def test_nothing_is_late_while_its_mapping_runs(world, administrator, as_user, entry):
    change(entry, next_run=timezone.now() - timedelta(hours=1))
    job = make.make_job(world.mapping, verb="synchronise", state=SynchJob.State.RUNNING)
    shown = row(as_user(administrator), entry)
    assert "Late" not in shown
    assert f"In Process job {job.pk}" in shown


def test_a_sweep_does_not_excuse_the_changes(world, administrator, as_user, entry):
    change(entry, next_run=timezone.now() - timedelta(hours=1))
    make.make_job(world.mapping, verb="synchronise", state=SynchJob.State.RUNNING, scope="sweep")
    assert "Late" in row(as_user(administrator), entry)


def test_a_job_that_no_worker_takes_makes_it_late(world, administrator, as_user, entry):
    job = make.make_job(world.mapping, verb="synchronise", state=SynchJob.State.QUEUED)
    SynchJob.objects.filter(pk=job.pk).update(queued_at=timezone.now() - timedelta(minutes=5))
    shown = row(as_user(administrator), entry)
    assert "Late" in shown
    assert f"Job {job.pk} waits for a worker." in shown


def test_an_entry_on_hold_is_never_late_and_has_no_next_run(world, administrator, as_user, entry):
    change(entry, status="on_hold", next_run=timezone.now() - timedelta(days=3))
    shown = row(as_user(administrator), entry)
    assert "On Hold" in shown
    assert "not planned" in shown
    assert "Late" not in shown


def test_a_ready_entry_that_cannot_run_says_why(world, administrator, as_user, entry):
    browser = as_user(administrator)
    Integration.objects.update(paused_since=timezone.now())
    assert "does not run: the integration is paused" in row(browser, entry)
    TableMapping.objects.filter(pk=world.mapping.pk).update(enabled=False)
    assert "does not run: the mapping is switched off" in row(browser, entry)


def test_an_error_says_that_a_set_up_problem_holds_it(world, administrator, as_user, entry):
    change(entry, status="error")
    make.make_problem(mapping=entry.mapping, kind="misconfigured", code="unknown_table", state="retrying")
    assert "Error held by a set-up problem" in row(as_user(administrator), entry)


# --- who may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_others_see_their_mappings_and_change_nothing(request, world, as_user, entry, who):
    hidden = make.make_queue_entry(world.hidden)
    browser = as_user(request.getfixturevalue(who))
    text = browser.get(QUEUE).content.decode()
    assert f'id="row-{entry.pk}"' in text
    assert f'id="row-{hidden.pk}"' not in text
    assert "<button" not in re.findall(rf'<tr id="row-{entry.pk}".*?</tr>', text, re.S)[0]
    for action in ("set_on_hold", "set_ready", "run_now"):
        answer = browser.post(QUEUE, {action: str(entry.pk)})
        assert answer.status_code == 403
        assert "These groups have it: Administrator" in answer.content.decode()
    where = reverse("synccore:interval", args=[entry.pk])
    assert browser.post(where, {"minutes": "5", "was": "1800"}).status_code == 403
    entry.refresh_from_db()
    assert (entry.status, entry.interval_seconds) == ("ready", 1800)
    assert not SynchJob.objects.filter(state="queued").exists()


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_the_services_check_the_right_themselves(request, world, entry, who):
    user = request.getfixturevalue(who)
    seconds = timedelta(seconds=1800)
    for work in (
        lambda: queue.set_on_hold(entry, user=user),
        lambda: queue.set_ready(entry, user=user),
        lambda: queue.run_entry_now(entry, user=user),
        lambda: queue.change_interval(entry, user=user, interval=seconds, was=seconds),
    ):
        with pytest.raises(RightMissing):
            work()


# --- on hold, ready, now -------------------------------------------------------------------------------


def test_set_on_hold_stops_the_schedule_and_says_so(world, administrator, as_user, entry):
    answer = as_user(administrator).post(QUEUE, {"set_on_hold": str(entry.pk)}, follow=True)
    assert "Customer · Synchronize Modified Records is on hold" in said(answer)
    change(entry, next_run=timezone.now() - timedelta(hours=1))
    schedule.claim_schedules()
    assert not SynchJob.objects.filter(state="queued").exists()


def test_set_status_to_ready_starts_it_with_the_next_tick(world, administrator, as_user, entry):
    change(entry, status="on_hold", next_run=timezone.now() + timedelta(days=2))
    answer = as_user(administrator).post(QUEUE, {"set_ready": str(entry.pk)}, follow=True)
    assert "is ready and runs within half a minute" in said(answer)
    assert schedule.claim_schedules() == 1
    assert SynchJob.objects.get(state="queued").entry == entry


def test_ready_under_a_brake_says_what_still_holds_it(administrator, as_user, entry, brake):
    change(entry, status="error")
    assert "does not run: the mapping is stopped for safety" in row(as_user(administrator), entry)
    answer = as_user(administrator).post(QUEUE, {"set_ready": str(entry.pk)}, follow=True)
    assert "is ready, but does not run yet: Customer is stopped by a set-up problem" in said(answer)


def test_the_second_of_two_people_reads_that_it_was_done(world, administrator, as_user, entry):
    browser = as_user(administrator)
    browser.post(QUEUE, {"set_on_hold": str(entry.pk)})
    answer = browser.post(QUEUE, {"set_on_hold": str(entry.pk)}, follow=True)
    assert "On hold already; somebody may have pressed before you." in said(answer)
    with pytest.raises(NotNow, match="on_hold_already"):
        queue.set_on_hold(entry, user=administrator)  # its own object still says ready
    queue.set_ready(entry, user=administrator)
    with pytest.raises(NotNow, match="ready_already"):
        queue.set_ready(entry, user=administrator)


def test_a_deleted_entry_says_so(world, administrator, entry):
    with transaction.atomic():
        JobQueueEntry.objects.filter(pk=entry.pk).delete()
    with pytest.raises(NotNow, match="entry_gone"):
        queue.set_on_hold(entry, user=administrator)


def test_several_ticked_entries_at_once(world, administrator, as_user, entry):
    other = make.make_queue_entry(world.hidden, scope="sweep")
    answer = as_user(administrator).post(
        QUEUE, {"set_on_hold": "selected", "row": [entry.pk, other.pk]}, follow=True
    )
    assert set(JobQueueEntry.objects.values_list("status", flat=True)) == {"on_hold"}
    assert "Payroll · Sweep" in said(answer)


def test_run_now_starts_a_job_of_that_scope_and_links_it(world, administrator, as_user):
    sweep = make.make_queue_entry(world.hidden, scope="sweep")
    answer = as_user(administrator).post(QUEUE, {"run_now": str(sweep.pk)}, follow=True)
    job = SynchJob.objects.get(state="queued")
    assert (job.mapping, job.scope, job.requested_by) == (world.hidden, "sweep", administrator)
    assert f'href="/jobs/{job.pk}/"' in answer.content.decode()
    assert f"runs now as job {job.pk}." in said(answer)


def test_run_now_of_a_paused_integration_says_why_not(world, administrator, as_user, entry):
    Integration.objects.update(paused_since=timezone.now())
    answer = as_user(administrator).post(QUEUE, {"run_now": str(entry.pk)}, follow=True)
    assert "Customer does not run: its integration is paused by an administrator." in said(answer)
    assert not SynchJob.objects.filter(state="queued").exists()


# --- interval ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "seconds"),
    [("5", 300), ("0.5", 30), ("0,5", 30), (" 90 ", 5400), ("0.09", 5), ("44640", 2678400)],
)
def test_change_the_interval(world, administrator, as_user, entry, minutes, seconds):
    where = reverse("synccore:interval", args=[entry.pk])
    answer = as_user(administrator).post(where, {"minutes": minutes, "was": "1800"}, follow=True)
    entry.refresh_from_db()
    assert entry.interval_seconds == seconds
    assert entry.next_run <= timezone.now() + timedelta(seconds=seconds)
    assert f"now runs {every(seconds)}." in said(answer)


@pytest.mark.parametrize(
    ("minutes", "error"),
    [("", "This field is required."), ("soon", "Enter a number of minutes"), ("-5", "Enter a number of minutes"),
     ("1,000", "Enter a number of minutes"), ("1e9", "Enter a number of minutes"), ("nan", "Enter a number of minutes"),
     ("٣", "Enter a number of minutes"), ("0.05", "The shortest interval is 5 seconds"),
     ("0", "The shortest interval is 5 seconds"), ("999999", "The longest interval is 31 days")],
)  # fmt: skip
def test_nonsense_is_refused_in_words_and_stays_in_the_field(
    world, administrator, as_user, entry, minutes, error
):
    where = reverse("synccore:interval", args=[entry.pk])
    answer = as_user(administrator).post(where, {"minutes": minutes, "was": "1800"})
    assert answer.status_code == 422
    assert error in answer.content.decode()
    assert answer.context["form"]["minutes"].value() == minutes
    entry.refresh_from_db()
    assert entry.interval_seconds == 1800


def test_two_people_change_the_interval_and_the_second_is_told(world, administrator, as_user, entry):
    where = reverse("synccore:interval", args=[entry.pk])
    browser = as_user(administrator)
    browser.post(where, {"minutes": "5", "was": "1800"})
    answer = browser.post(where, {"minutes": "60", "was": "1800"}, follow=True)
    entry.refresh_from_db()
    assert entry.interval_seconds == 300
    assert "Somebody changed how often Customer runs" in said(answer)
    assert "every 5 minutes" in answer.content.decode()


def test_the_service_refuses_what_the_form_would(world, administrator, entry):
    for wrong in (timedelta(seconds=4), timedelta(days=32)):
        with pytest.raises(ValueError, match="0"):
            queue.change_interval(entry, user=administrator, interval=wrong, was=timedelta(minutes=30))


# --- a schedule that is missing ------------------------------------------------------------------------


def test_a_missing_schedule_is_created_and_runs_within_half_a_minute(world, entry, administrator, as_user):
    browser, where = as_user(administrator), reverse("synccore:new_schedule")
    offered = [key for key, _label in browser.get(where).context["form"].fields["which"].choices]
    assert f"{world.mapping.pk}-changes" not in offered and f"{world.mapping.pk}-sweep" in offered
    answer = browser.post(where, {"which": f"{world.mapping.pk}-sweep", "minutes": "0.5"}, follow=True)
    assert "runs every 30 seconds from now on" in answer.content.decode()
    made = JobQueueEntry.objects.get(mapping=world.mapping, scope="sweep")
    assert (made.interval_seconds, made.status) == (30, "ready") and made.next_run <= timezone.now()
    again = browser.post(where, {"which": f"{world.mapping.pk}-sweep", "minutes": "1"})
    assert again.status_code == 422
    with pytest.raises(NotNow) as no:
        queue.create_entry(
            world.mapping, scope=SynchJob.Scope.SWEEP, interval=timedelta(minutes=1), user=administrator
        )
    assert no.value.code == "entry_exists"


@pytest.mark.parametrize("data", [{"minutes": "x"}, {"minutes": "0"}, {"which": "1-due"}, {"which": ""}])
def test_nonsense_creates_no_schedule(world, entry, administrator, as_user, data):
    given = {"which": f"{world.mapping.pk}-sweep", "minutes": "30", **data}
    assert as_user(administrator).post(reverse("synccore:new_schedule"), given).status_code == 422
    assert JobQueueEntry.objects.count() == 1


def test_only_who_sets_up_creates_a_schedule(world, entry, owner, as_user):
    where = reverse("synccore:new_schedule")
    assert (
        as_user(owner).post(where, {"which": f"{world.mapping.pk}-sweep", "minutes": "1"}).status_code == 403
    )
    assert where not in as_user(owner).get(QUEUE).content.decode()
    with pytest.raises(RightMissing):
        queue.create_entry(
            world.mapping, scope=SynchJob.Scope.SWEEP, interval=timedelta(minutes=1), user=owner
        )

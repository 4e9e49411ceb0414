"""A job's page: how far it is, what failed, what came of every record, who decided about its brake."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore import services
from synccore.models import Coupling, JobItem, Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from tests import factories as make

from .test_actions import said

pytestmark = pytest.mark.django_db


def words(answer) -> str:
    """The page's text without tags, in one line."""
    text = re.sub(r"<[^>]+>", " ", answer.content.decode() if hasattr(answer, "content") else answer)
    return re.sub(r"\s+", " ", text).replace("&amp;", "&").replace("&#x27;", "'")


def page(job: SynchJob, name: str = "job") -> str:
    return reverse(f"synccore:{name}", args=[job.pk])


# --- progress ----------------------------------------------------------------------------------------------------


@pytest.fixture
def now(world, monkeypatch):
    """The clock stands still: a page that takes its time shows no other rate."""
    stopped = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: stopped)
    return stopped


def test_a_job_of_known_size_says_percent_rate_and_time_left(world, owner, as_user, now):
    ago = now - timedelta(seconds=20)
    job = make.make_job(
        world.mapping, verb="resolve", scope="items", state="running", total=200, modified=50, started_at=ago
    )
    text = words(as_user(owner).get(page(job)))
    assert "25 % 50 of 200 records" in text
    assert re.search(r"[23] a second about 1 min 0 s left", text), text
    assert "Works on the chosen records." in text


def test_a_run_of_unknown_size_says_what_it_reads_and_how_many_so_far(world, owner, as_user, now):
    job = make.make_job(
        world.mapping,
        verb="synchronise",
        state="running",
        unchanged=4311,
        checkpoint={"phase": "right"},
        started_at=now - timedelta(seconds=10),
    )
    text = words(as_user(owner).get(page(job)))
    assert "Reads what changed in CRM. 4,311 records so far" in text
    assert "431 a second" in text and "left" not in text and "%" not in text


def test_a_queued_job_says_what_it_waits_for(world, owner, as_user):
    world.setup.delete()
    queued = make.make_job(world.mapping, verb="synchronise", state="queued")
    assert "Waits for a worker." in words(as_user(owner).get(page(queued)))
    running = make.make_job(world.mapping, verb="resolve", scope="items", state="running")
    assert f"Waits until another job of this mapping has ended: job {running.pk}" in words(
        as_user(owner).get(page(queued))
    )
    TableMapping.objects.filter(pk=world.mapping.pk).update(enabled=False)
    assert "Customer is switched off; an administrator can switch it on." in words(
        as_user(owner).get(page(queued))
    )


def test_a_job_whose_worker_is_gone_says_so(world, owner, as_user):
    job = make.make_job(
        world.mapping, verb="synchronise", state="running", lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert "Its worker no longer answers" in words(as_user(owner).get(page(job)))


def test_a_parent_counts_its_parts(world, administrator, as_user):
    parent = make.SynchJob.objects.create(
        verb="resolve", scope="items", state="running", requested_by=administrator, total=3
    )
    make.make_job(world.mapping, verb="resolve", scope="items", parent=parent, modified=2)
    make.make_job(world.hidden, verb="resolve", scope="items", state="running", parent=parent)
    text = words(as_user(administrator).get(page(parent)))
    assert "1 of 2 parts have ended." in text and "66 % 2 of 3 records" in text


def test_who_started_it_is_a_person_or_a_named_schedule(world, owner, as_user):
    entry = world.mapping.queue_entries.get()
    job = make.make_job(world.mapping, verb="synchronise", origin="schedule", entry=entry)
    assert "started by: job queue entry Customer · Synchronize Modified Records" in words(
        as_user(owner).get(page(job))
    )
    by_hand = make.make_job(world.mapping, verb="synchronise", requested_by=owner)
    assert "started by: otto" in words(as_user(owner).get(page(by_hand)))


def test_a_cancelled_job_says_who_cancelled_it(world, owner, as_user):
    job = make.make_job(world.mapping, verb="synchronise", state="running", requested_by=owner)
    as_user(owner).post(page(job, "cancel"))
    assert re.search(r"Cancelled by otto", words(as_user(owner).get(page(job))))


# --- failed records ----------------------------------------------------------------------------------------------


def test_failed_records_lead_to_their_problem_and_are_retried_together(world, owner, as_user):
    first, second = (
        make.make_problem(make.make_coupling(world.mapping, left_name=name), last_job=world.job.pk)
        for name in ("Fabrikam", "Litware")
    )
    browser = as_user(owner)
    text = browser.get(page(world.job)).content.decode()
    for each in (first, second):
        assert f'href="{reverse("coupling:problem", args=[each.pk])}"' in text
    assert "Retry 3 records" in text  # and the conflict, which only a decision ends
    answer = browser.post(page(world.job, "retry_failed"), follow=True)
    assert "2 records are in the next synchronization at" in said(answer)
    assert "1 record was not included: Only Synchronize" in said(answer)
    assert set(Problem.objects.exclude(requested_at=None)) == {first, second}


def test_retrying_failed_records_needs_the_right_and_the_grant(world, viewer, owner, as_user):
    assert as_user(viewer).post(page(world.job, "retry_failed")).status_code == 403
    assert "Retry 1 record" not in words(as_user(viewer).get(page(world.job)))
    hidden = make.make_job(world.hidden, failed=1)
    assert as_user(owner).post(page(hidden, "retry_failed")).status_code == 404
    Problem.objects.filter(last_job=world.job.pk).update(
        state="ended", ending="fixed", ended_at=timezone.now()
    )
    answer = as_user(owner).post(page(world.job, "retry_failed"), follow=True)
    assert said(answer) == "None of them has an open problem any more that you may retry."


# --- the result of every record ----------------------------------------------------------------------------------


@pytest.fixture
def bulk(world, owner) -> SynchJob:
    """Five chosen records, one per way to end."""
    job = make.make_job(
        world.mapping, verb="resolve", scope="items", state="running", requested_by=owner, total=5
    )
    for state, note in (
        ("open", ""),
        ("done", ""),
        ("failed", "value_too_long"),
        ("not_applicable", "in_job:7"),
        ("cancelled", ""),
    ):
        make.make_item(job, title=f"Firm {state}", state=state, note=note)
    return job


def test_every_chosen_record_stands_in_one_result_and_the_sum_is_the_frozen_count(bulk, owner, as_user):
    browser = as_user(owner)
    answer = browser.get(page(bulk, "job_records"))
    counts = {each.tab.name: each.count and each.count.n for each in answer.context["tabs"]}
    assert counts.pop("all") == bulk.total == sum(counts.values()) == 5
    for state in JobItem.State:
        text = words(browser.get(f"{page(bulk, 'job_records')}?tab={state.value}"))
        assert [each for each in JobItem.State if f"Firm {each.value} " in text] == [state]
    assert "already in job 7" in words(browser.get(f"{page(bulk, 'job_records')}?tab=not_applicable"))
    assert "5 records were chosen" in words(browser.get(page(bulk)))


def test_results_are_paged_and_searched(bulk, owner, as_user, monkeypatch):
    monkeypatch.setattr("synccore.views.job_records.JobRecordsPage.page_size", 2)
    browser, where, seen = as_user(owner), page(bulk, "job_records"), []
    address = where
    while address:
        answer = browser.get(address)
        seen += [row.name for row in answer.context["table"].row_list]
        older = answer.context["pager"].get("older")
        address = where + older if older else ""
    assert seen == [f"Firm {state.value}" for state in JobItem.State]
    answer = browser.get(f"{where}?q=not_app")
    assert [row.name for row in answer.context["table"].row_list] == ["Firm not_applicable"]


def test_records_of_a_parent_are_those_of_its_parts_one_may_see(world, owner, administrator, as_user):
    parent = make.SynchJob.objects.create(verb="resolve", scope="items", requested_by=owner, state="finished")
    seen, unseen = (
        make.make_job(each, verb="resolve", scope="items", parent=parent)
        for each in (world.mapping, world.hidden)
    )
    make.make_item(seen, title="Mine", state="done")
    make.make_item(unseen, title="Secret salary", state="done")
    text = words(as_user(owner).get(page(parent, "job_records")))
    assert "Mine" in text and "Secret" not in text
    assert "Secret salary" in words(as_user(administrator).get(page(parent, "job_records")))


def test_what_a_run_collected_is_not_called_chosen(world, owner, as_user):
    job = make.make_job(world.mapping, verb="synchronise", state="running")
    make.make_item(job, purpose="deletion")
    text = words(as_user(owner).get(page(job)))
    assert "Chosen records" not in text
    assert "Deletion, to be carried out last 1 Open" in text


# --- the brake ---------------------------------------------------------------------------------------------------


@pytest.fixture
def braked(world) -> SynchJob:
    params = {
        "count": 1200,
        "limit": 200,
        "couplings": 4000,
        "samples": [f"Firm {n} <b>" for n in range(10)],
    }
    job = make.make_job(
        world.mapping, state="failed", kind="stopped", code="too_many_deletions", params=params
    )
    make.make_problem(
        mapping=world.mapping, kind="stopped", code="too_many_deletions", params=params, last_job=job.pk
    )
    return job


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("delete", "1,200 records are deleted in the app that still has them."),
        ("restore", "1,200 records are created again in the app where they were deleted."),
        ("uncouple", "The couplings of 1,200 records end; nothing is deleted."),
        ("ask", "1,200 records are listed for a decision; nothing is deleted by that."),
    ],
)
def test_a_brake_names_ten_records_and_says_what_allowing_does(
    world, braked, administrator, as_user, policy, sentence
):
    TableMapping.objects.filter(pk=world.mapping.pk).update(deletions=policy)
    answer = as_user(administrator).get(page(braked))
    text = answer.content.decode()
    assert text.count("&lt;b&gt;</li>") == 10 and "<b>" not in text
    assert "and 1,190 more" in words(answer)
    assert sentence in words(answer)


def test_a_brake_is_allowed_once_only_and_the_job_says_by_whom(world, braked, administrator, as_user):
    browser = as_user(administrator)
    where = page(braked, "allow_once")
    browser.post(where, {"reason": "The catalogue was cleared"})
    job = SynchJob.objects.get(verb="allow_once")
    text = words(browser.get(page(braked)))
    assert f"Allowed once by anna; it is carried out by job {job.pk}" in text
    assert "Keep stopped</button>" not in browser.get(page(braked)).content.decode()
    for name in ("allow_once", "keep_stopped"):
        late = browser.post(page(braked, name), {"reason": "once more"}, follow=True)
        assert "was allowed once already" in said(late)
    assert SynchJob.objects.filter(verb="allow_once").count() == 1
    Problem.objects.filter(kind="stopped").update(
        state="ended", ending="accepted", ended_at=timezone.now(), ended_by=administrator
    )
    assert "Allowed once by anna: “The catalogue was cleared”" in words(browser.get(page(braked)))


def test_keeping_it_stopped_leads_back_to_where_it_was_pressed(world, braked, administrator, as_user):
    browser = as_user(administrator)
    answer = browser.post(page(braked, "keep_stopped"), {"back": "/coupled-errors/"})
    assert answer.url == "/coupled-errors/"
    assert "Kept stopped by anna; what was held back was dropped." in words(browser.get(page(braked)))


def test_a_brake_never_leads_to_another_host(world, braked, administrator, as_user):
    answer = as_user(administrator).post(page(braked, "keep_stopped"), {"back": "https://evil.example/"})
    assert answer.url == page(braked)


def test_a_purge_is_taken_back_from_its_job_only_by_who_may_clean_up(world, administrator, owner, as_user):
    job = services.delete_old_entries(user=administrator, older_than=None)
    SynchJob.objects.filter(pk=job.pk).update(state="finished")
    assert "Bring the deleted entries back" in words(as_user(administrator).get(page(job)))
    assert as_user(owner).get(page(job)).status_code == 404
    assert Coupling.objects.visible_to(owner, GrantLevel.RESOLVE).exists()


def test_the_records_of_a_job_are_only_looked_at(world, administrator, as_user):
    assert as_user(administrator).post(page(world.job, "job_records")).status_code == 405


def test_a_job_that_was_forgotten_says_so_instead_of_failing(world, owner, as_user):
    gone, hidden = make.make_job(world.mapping), make.make_job(world.hidden)
    address = page(gone)
    gone.delete()
    never = reverse("synccore:job", args=[hidden.pk + 9])
    answer = as_user(owner).get(address)
    assert answer.status_code == 410
    assert "kept for 60 days. This one ended longer ago and was removed." in words(answer)
    assert as_user(make.make_user()).get(address).status_code == 403
    assert as_user(owner).get(page(hidden)).status_code == 404, "there, but not for him"
    assert as_user(owner).get(never).status_code == 404

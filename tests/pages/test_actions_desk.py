"""Actions of the desk beyond the first five: run it now, leave out on purpose, take back; two people on one record."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.models import JobItem, Problem, SynchJob
from synccore.models.scoping import GrantLevel
from tests import factories as make
from tests.pages.test_actions import ALL, ASKED, press, said

ON_PURPOSE = f"{reverse('coupling:skipped')}?tab=on_purpose"


@pytest.fixture(autouse=True)
def nobody_holds(world):
    """The mapping runs: no set-up problem holds it."""
    Problem.objects.filter(pk=world.setup.pk).delete()


def new_job(world) -> SynchJob:
    return SynchJob.objects.exclude(pk=world.job.pk).get()


# --- Run it now ------------------------------------------------------------------------------------------


def run_it_now(browser, answer):
    """Press the button in the result sentence of *Retry*."""
    text = answer.content.decode()
    found = re.search(r'formaction="([^"]+)" name="pressed" value="([^"]+)"', text)
    assert found and 'id="press"' in text
    return browser.post(found[1], {"pressed": found[2], "back": ALL}, follow=True)


def test_retry_offers_to_run_exactly_these_records_now(world, owner, as_user):
    browser = as_user(owner)
    answer = press(browser, "retry", world.rejected, world.retrying)
    ran = run_it_now(browser, answer)
    job = new_job(world)
    assert (job.verb, job.requested_by) == ("synchronise", owner)
    assert set(job.items.values_list("coupling", flat=True)) == {
        world.rejected.coupling_id,
        world.retrying.coupling_id,
    }
    assert f"2 records run now as job {job.pk}." in said(ran)
    assert ran.redirect_chain[0][0] == ALL


def test_run_it_now_takes_only_ones_own_press_and_what_still_waits(world, owner, as_user):
    browser, other = (
        as_user(owner),
        make.make_user("Record owner", grants={world.mapping: GrantLevel.RESOLVE}),
    )
    answer = press(browser, "retry", world.rejected, world.retrying)
    moment = Problem.objects.get(pk=world.rejected.pk).requested_at
    where = reverse("synccore:run_pressed")
    theirs = as_user(other).post(where, {"pressed": moment.isoformat()}, follow=True)
    assert "None of these records waits any more." in said(theirs)
    Problem.objects.filter(pk=world.retrying.pk).update(
        state="ended", ending="fixed", ended_at=timezone.now()
    )
    run_it_now(browser, answer)
    assert new_job(world).items.count() == 1


@pytest.mark.parametrize("pressed", ["", "x", "2026-01-01", "2026-01-01T00:00:00", "9999-99-99T00:00:00Z"])
def test_run_it_now_of_nonsense_says_that_nothing_waits(world, owner, as_user, pressed):
    answer = as_user(owner).post(reverse("synccore:run_pressed"), {"pressed": pressed}, follow=True)
    assert "None of these records waits any more." in said(answer)
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


def test_run_it_now_is_an_action_of_its_own_and_says_that_only_a_decision_ends_a_conflict(
    world, owner, as_user
):
    answer = press(as_user(owner), "run_now", world.conflict, world.deleted, world.bug)
    job = new_job(world)
    assert list(job.items.values_list("coupling", flat=True)) == [world.bug.coupling_id]
    assert f"1 record runs now as job {job.pk}." in said(answer)
    assert (
        "2 records were not included: Only Synchronize, Restore Records or Delete Records decides it."
        in said(answer)
    )


def test_run_it_now_of_conflicts_alone_starts_nothing(world, owner, as_user):
    answer = press(as_user(owner), "run_now", world.conflict)
    assert "1 record was not included: Only Synchronize" in said(answer)
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


def test_a_conflict_that_a_policy_settles_runs_now(world, owner, as_user):
    type(world.mapping).objects.filter(pk=world.mapping.pk).update(conflicts="newest")
    press(as_user(owner), "run_now", world.conflict)
    assert new_job(world).items.count() == 1


def test_run_it_now_of_a_mapping_that_a_brake_holds_says_why_not(world, owner, as_user):
    make.make_problem(mapping=world.mapping, kind="stopped", code="too_many_deletions")
    answer = press(as_user(owner), "run_now", world.bug)
    assert "Customer is stopped by a set-up problem" in said(answer)
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


def test_run_it_now_of_more_than_fifty_needs_the_right_to_act_on_many(world, owner, as_user):
    problems = [make.make_problem(make.make_coupling(world.mapping)) for _ in range(51)]
    assert press(as_user(owner), "run_now", *problems).status_code == 403


# --- after Retry -----------------------------------------------------------------------------------------


def test_after_retry_the_row_stays_and_says_when_it_is_tried(world, owner, as_user):
    answer = press(as_user(owner), "retry", world.rejected)
    text = answer.content.decode()
    assert re.search(r"In the next synchronization at \d\d:\d\d", text)
    assert "by otto" in text and "Trey Research" in text


def test_the_second_person_sees_who_and_when(world, owner, administrator, as_user):
    press(as_user(owner), "run_now", world.rejected)
    job = new_job(world)
    text = as_user(administrator).get(ALL).content.decode()
    assert f"Synchronize, job {job.pk}" in text
    assert "pressed by otto" in text
    again = press(as_user(administrator), "remove_coupling", world.rejected, **ASKED)
    second = SynchJob.objects.latest("pk")
    assert f"Remove Coupling runs as job {second.pk}" in said(again)
    assert second.items.get().note == f"in_job:{job.pk}"


# --- Leave out on purpose, Take back ---------------------------------------------------------------------


def test_leave_out_asks_for_a_reason_and_starts_a_job(world, owner, as_user):
    browser = as_user(owner)
    asked = press(browser, "leave_out", world.rejected).content.decode()
    assert "Leave these records out on purpose?" in asked and "No job touches them until" in asked
    empty = press(browser, "leave_out", world.rejected, reason="  ", **ASKED)
    assert "This field is required" in empty.content.decode()
    day = timezone.localdate() + timedelta(days=2)  # still to come when midnight passes before the answer
    press(browser, "leave_out", world.rejected, reason="Goes to the archive", until=f"{day}", **ASKED)
    job = new_job(world)
    assert (job.verb, job.options["reason"]) == ("leave_out", "Goes to the archive")
    assert job.options["until"].startswith(f"{day}T00:00")


@pytest.mark.parametrize("until", ["2020-01-01", "today", "nonsense"])
def test_an_end_date_that_is_none_is_asked_again(world, owner, as_user, until):
    day = f"{timezone.localdate()}" if until == "today" else until
    answer = press(as_user(owner), "leave_out", world.rejected, reason="Why", until=day, **ASKED)
    assert "field-error" in answer.content.decode()
    assert not SynchJob.objects.exclude(pk=world.job.pk).exists()


@pytest.fixture
def left_out(world, owner):
    return make.make_problem(
        make.make_coupling(world.mapping, left_name="Archive"),
        state="on_purpose",
        kind="",
        code="",
        reason="Goes to the <b>archive</b>",
        left_out_by=owner,
        left_out_at=timezone.now(),
    )


def test_the_tab_shows_reason_who_and_until_when(world, owner, left_out, as_user):
    text = as_user(owner).get(ON_PURPOSE).content.decode()
    assert "Goes to the &lt;b&gt;archive&lt;/b&gt;" in text
    assert "by otto, until somebody takes it back" in text
    Problem.objects.filter(pk=left_out.pk).update(until=timezone.now() + timedelta(days=9))
    assert "by otto, comes back on" in as_user(owner).get(ON_PURPOSE).content.decode()


def test_take_back_is_offered_there_and_starts_a_job(world, owner, left_out, as_user):
    browser = as_user(owner)
    assert 'name="take_back"' in browser.get(ON_PURPOSE).content.decode()
    assert 'name="take_back"' not in browser.get(ALL).content.decode()
    answer = press(browser, "take_back", left_out, where=ON_PURPOSE)
    job = new_job(world)
    assert job.verb == "take_back" and f"Take back runs as job {job.pk}" in said(answer)


def test_what_does_not_apply_says_why(world, owner, left_out, as_user):
    browser = as_user(owner)
    assert "left out on purpose already" in said(press(browser, "leave_out", left_out, where=ON_PURPOSE))
    assert "Take back is for records that are left out" in said(press(browser, "take_back", world.rejected))


@pytest.mark.parametrize("action", ["run_now", "leave_out", "take_back"])
def test_a_viewer_is_refused(world, viewer, left_out, as_user, action):
    answer = press(as_user(viewer), action, left_out, where=ON_PURPOSE, reason="x", **ASKED)
    assert answer.status_code == 403 and "These groups have it" in answer.content.decode()
    assert not JobItem.objects.exists()

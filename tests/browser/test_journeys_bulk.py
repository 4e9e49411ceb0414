"""Two hundred records whose cause was fixed, tried again by keyboard alone; and a person who may not, and reads who can."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from synccore import jobs
from synccore.failures import Rejected, Scope, Transient
from synccore.models import Problem, SynchJob
from synccore.models.scoping import GrantLevel
from synccore.shapes import Side
from tandem.runtime.processes import wait_until
from tests.browser.test_journeys import tab_to
from tests.factories import make_user
from tests.jobs.helpers import accept, new, refuse
from tests.jobs.world import World

MANY = 200
LIST = "/coupled-errors/?kind=rejected"


@pytest.fixture
def refused(transactional_db, monkeypatch) -> World:
    """The CRM refused every new account twice; then somebody put right what it minded."""
    from synccore import tasks

    monkeypatch.setattr(tasks.run_job, "apply_async", lambda args, **options: None)
    world = World()
    for number in range(MANY):
        new(world, f"C{number:04}")
    refuse(world.right, lambda: Rejected("check_refused", {"field": "phone", "table": "account"}))
    world.run()
    Problem.objects.update(next_attempt=None, requested_at=None)
    Problem.objects.filter(state=Problem.State.RETRYING).update(next_attempt="2026-01-01T00:00Z")
    world.run(scope="due")
    assert Problem.objects.needs_you().count() == MANY
    accept(world.right)
    return world


def test_retry_two_hundred_records_whose_cause_was_fixed(refused, open_browser):
    page = open_browser(make_user("Administrator", username="anna"))
    page.goto(LIST)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 ticked")).to_be_visible()
    page.keyboard.press("Shift+A")
    expect(page.locator("[data-all]")).to_be_checked()
    page.keyboard.press("r")
    page.get_by_role("status").get_by_text(f"{MANY} records are in the next synchronization").wait_for()
    assert Problem.objects.exclude(requested_at=None).count() == MANY
    tab_to(page, "#notices button, #notices a")
    page.keyboard.press("Enter")
    queued = SynchJob.objects.filter(state=SynchJob.State.QUEUED)
    assert wait_until(queued.exists, seconds=30, pause=0.1)
    job = queued.get()
    assert jobs.run(job.pk).state == SynchJob.State.FINISHED
    page.goto(LIST)
    expect(page.locator("input[name=row]")).to_have_count(0)
    assert Problem.objects.not_ended().count() == 0
    assert len(refused.rows(Side.RIGHT)) == MANY


def test_a_record_owner_reads_who_may_act_on_so_many(refused, open_browser):
    page = open_browser(
        make_user("Record owner", username="otto", grants={refused.mapping: GrantLevel.RESOLVE})
    )
    page.goto(LIST)
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("Shift+A")
    expect(page.locator("[data-all]")).to_be_checked()
    page.keyboard.press("r")
    page.get_by_text("Administrator").first.wait_for()
    assert not Problem.objects.exclude(requested_at=None).exists()


@pytest.mark.parametrize(
    ("where", "heading"),
    [("/errors/clean-up/", "You may not do this"), ("/connections/", "You may not do this")],
)
def test_a_viewer_is_refused_with_the_sentence_that_says_who_can_help(
    world, viewer, open_browser, where, heading
):
    page = open_browser(viewer)
    page.goto(where)
    page.get_by_role("heading", level=1, name=heading).wait_for()
    expect(page.get_by_text("This needs the right")).to_contain_text("These groups have it: Administrator")
    expect(page.get_by_text("An administrator of Tandem can give it.")).to_be_visible()
    expect(page.get_by_text("Nothing was changed.")).to_be_visible()


def test_a_viewer_opens_a_conflict_by_keyboard_and_reads_who_can_decide(world, viewer, open_browser):
    page = open_browser(viewer)
    page.goto("/coupled-errors/?tab=all&kind=conflict")
    tab_to(page, "a[data-open]")
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    expect(panel).to_contain_text("What to do")
    expect(panel).to_contain_text("Record owner")
    expect(panel.get_by_role("button", name="Synchronize")).to_have_count(0)


def test_a_session_that_ended_while_the_panel_was_open(world, owner, open_browser):
    """A press is answered by the sign-in page; after it the person is where he was, and nothing was done unseen."""
    from django.contrib.sessions.models import Session

    owner.set_password("correct horse battery")
    owner.save()
    page = open_browser(owner)
    page.goto(f"/coupled-errors/?tab=all&open={world.rejected.pk}")
    expect(page.locator("#panel")).to_contain_text("History")
    expect(
        page.locator("#records-now").get_by_text("Read again")
    ).to_be_visible()  # no request of the panel is on its way
    Session.objects.all().delete()
    page.locator("#panel").get_by_role("button", name="Retry", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Sign in").wait_for()
    assert not Problem.objects.exclude(requested_at=None).exists()
    page.locator("[name=username]").focus()
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("History")
    expect(page).to_have_url(re.compile(f"open={world.rejected.pk}"))


def test_an_app_that_does_not_answer_in_the_panel(refused, open_browser):
    """The panel is there at once with what Tandem kept; the app's silence is told in it, and the rest works on."""
    down = Transient("connection_refused", {"host": "crm", "port": "5432"}, scope=Scope.CONNECTION)
    refused.right.faults.fail = [down] * 5
    refused.left.faults.fail = [down] * 5
    problem = Problem.objects.needs_you().first()
    page = open_browser(make_user("Administrator", username="anna"))
    page.goto(f"{LIST}&open={problem.pk}")
    now = page.locator("#records-now")
    expect(now.get_by_text("Read again")).to_be_visible()
    expect(now.locator(".notice-warning").first).to_be_visible()
    expect(page.locator("#panel").get_by_role("button", name="Retry", exact=True)).to_be_visible()

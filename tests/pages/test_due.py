"""What begins by itself is due when its time has come, and late when nothing started it: said wherever a next run stands."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore.engine.why import Why
from synccore.models import JobQueueEntry, Problem
from synccore.shapes import Side
from synccore.views.why import sentence, times_follow

from .test_actions import said
from .test_journal import words

#: Seconds until the next run, and what the pages say of it.
MOMENTS = [(40, "in a moment"), (730, "in 12 min"), (-5, "due now"), (-7200, "late, was due 2 h ago")]


def plan(seconds: float) -> None:
    JobQueueEntry.objects.update(next_run=timezone.now() + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "shown"), MOMENTS)
def test_the_mapping_and_its_list_say_whether_the_next_run_is_due(
    world, administrator, as_user, seconds, shown
):
    plan(seconds)
    browser = as_user(administrator)
    page = words(browser.get(reverse("synccore:mapping", args=[world.mapping.pk])))
    assert re.search(rf"Next run {shown} ", page)
    assert f" {shown} " in words(browser.get(reverse("synccore:mappings")))


@pytest.mark.parametrize(("seconds", "shown"), MOMENTS)
def test_the_line_above_a_list_and_home_say_the_same(world, owner, as_user, seconds, shown):
    plan(seconds)
    shown = f"next {shown}" if seconds > 0 else shown
    for where in (reverse("coupling:coupled"), "/"):
        text = words(as_user(owner).get(where))
        assert f" {shown} " in text and text.count("was due") == (seconds < -60)


def test_the_job_queue_says_that_an_entry_is_due_before_it_is_late(world, administrator, as_user):
    Problem.objects.filter(pk=world.setup.pk).delete()
    plan(-5)
    text = words(as_user(administrator).get(reverse("synccore:queue")))
    assert "due now" in text and "Late" not in text.split("Actions", 1)[1]


def test_a_record_whose_next_try_is_due_says_so(world, owner, as_user):
    Problem.objects.filter(pk=world.retrying.pk).update(next_attempt=timezone.now() - timedelta(seconds=5))
    text = words(as_user(owner).get(f"{reverse('coupling:coupled')}?tab=will_retry"))
    assert re.search(r"Will retry\s+due now", text)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-5, "1 record is in the next synchronization, which is due now."), (730, "synchronization at ")],
)
def test_retry_names_no_time_that_is_over(world, owner, as_user, seconds, told):
    plan(seconds)
    browser = as_user(owner)
    where = reverse("coupling:problem", args=[world.rejected.pk])
    assert told in said(browser.post(where, {"retry": str(world.rejected.pk)}, follow=True))
    shown = re.search(r"In the next synchronization( at \d\d:\d\d)?", words(browser.get(where)))
    assert shown is not None and bool(shown[1]) is (seconds > 0)


def test_why_and_times_name_no_time_that_is_over():
    apps = {"left": "ERP", "right": "CRM"}
    past, coming = timezone.now() - timedelta(seconds=5), timezone.now() + timedelta(minutes=5)
    at = f"{timezone.localtime(coming):%H:%M}"
    if timezone.localtime(coming).date() != timezone.localdate():
        at = ""  # the day stands before it
    assert sentence(Why("requested", {"next_run": past}), apps) == (
        "It is in the next synchronization. The next synchronization is due now."
    )
    assert sentence(Why("requested", {"next_run": coming}), apps).endswith(f"{at}.")
    assert sentence(Why("requested", {"next_run": None}), apps) == (
        "It is in the next synchronization. No synchronization is planned: run the mapping."
    )
    assert times_follow([("unread", Side.LEFT)], apps, past) == [
        "ERP changed it after it was last read; the next synchronization sees it."
    ]

"""Home: three questions, each answered by numbers that are links and that the pages behind them confirm."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from synccore import schedule
from synccore.models import Connection, Instance, Problem, SetupCheck, SynchJob, TableMapping
from synccore.models.instance import own_instance
from synccore.models.ledger import replace_stat
from tandem.home.figures import Day
from tests import factories as make

from .test_jobs import words

pytestmark = pytest.mark.django_db
HOME = reverse("home")


@pytest.fixture
def ran(world):
    """The mapping ran for good a minute ago, and the tick comes."""
    Instance.objects.filter(pk=own_instance().pk).update(ticked_at=timezone.now())
    return make.make_job(world.mapping, verb="synchronise", scope="changes", unchanged=4311)


@pytest.mark.parametrize("who", ["administrator", "owner", "viewer"])
def test_it_costs_at_most_twelve_questions(request, world, ran, as_user, who):
    browser = as_user(request.getfixturevalue(who))
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(HOME).status_code == 200
    own = [
        each["sql"]
        for each in captured
        if not re.search(r'FROM "(django_session|auth_user|auth_permission|auth_group)"', each["sql"])
    ]
    assert len(own) <= 12, "\n".join(own)


def test_the_numbers_are_those_of_the_pages_behind_them(world, ran, owner, as_user):
    browser = as_user(owner)
    text = browser.get(HOME).content.decode()
    coupled = reverse("coupling:coupled")
    for query in ("", "?tab=with_the_administrator", "?tab=waiting", "?tab=will_retry"):
        shown = re.search(rf'href="{re.escape(coupled + query)}"[^>]*><strong[^>]*>([\d,]+)<', text)
        page = browser.get(coupled + (query or "?tab=needs_you"))
        [link] = [each for each in page.context["tabs"] if each.current]
        assert shown and int(shown[1].replace(",", "")) == link.count.n, query


def test_nobody_counts_or_reads_what_he_may_not_see(world, ran, owner, administrator, as_user):
    make.make_problem(
        make.make_coupling(world.hidden), code="value_required", since=timezone.now() - timedelta(days=1)
    )
    replace_stat()
    mine, all_ = as_user(owner).get(HOME), as_user(administrator).get(HOME)
    assert "Payroll" not in words(mine) and "Payroll" in words(all_)
    assert sum(cause.records for cause in mine.context["causes"]) == 5  # of six, each its own cause
    assert sum(day.began for day in mine.context["days"]) + 2 == sum(
        day.began for day in all_.context["days"]
    )


# --- healthy? ----------------------------------------------------------------------------------------------------


def test_a_clockwork_that_stands_still_is_told(world, ran, owner, as_user):
    assert "Schedules are looked at" in words(as_user(owner).get(HOME))
    Instance.objects.update(ticked_at=timezone.now() - timedelta(minutes=5))
    assert "Schedules stand still" in words(as_user(owner).get(HOME))


def test_the_tick_leaves_its_time(world, monkeypatch):
    own_instance()
    monkeypatch.setattr("synccore.tasks.kick", lambda *_args, **_kwargs: None)
    schedule.tick()
    assert timezone.now() - Instance.objects.get().ticked_at < timedelta(seconds=30)


def test_jobs_that_nobody_takes_are_told(world, ran, owner, as_user):
    job = make.make_job(world.mapping, verb="synchronise", state="queued", sent_at=timezone.now())
    SynchJob.objects.filter(pk=job.pk).update(queued_at=timezone.now() - timedelta(minutes=3))
    assert "Workers take no jobs" in words(as_user(owner).get(HOME))
    make.make_job(world.mapping, state="running", lease_until=timezone.now() - timedelta(minutes=1))
    assert "one no longer answers 1 running, 1 queued" in words(as_user(owner).get(HOME))


def test_an_app_with_failed_checks_or_trouble_says_so(world, ran, administrator, owner, as_user):
    app = world.mapping.integration.right
    SetupCheck.objects.create(
        connection=app, code="account", state=SetupCheck.State.FAIL, params={}, at=timezone.now()
    )
    assert "CRM 1 set-up check failed" in words(as_user(administrator).get(HOME))
    make.make_problem(connection=app, kind="transient", code="connection_refused", state="retrying")
    text = as_user(owner).get(HOME)
    assert "CRM does not answer, is tried again" in words(text)
    assert reverse("synccore:connection", args=[app.pk]) not in text.content.decode()


def test_a_mapping_that_is_late_stands_first_and_says_since_when_nothing_was_read(
    world, ran, administrator, as_user
):
    SynchJob.objects.filter(pk=ran.pk).update(finished_at=timezone.now() - timedelta(hours=3))
    world.mapping.queue_entries.update(next_run=timezone.now() - timedelta(hours=1))
    [first, *_others] = as_user(administrator).get(HOME).context["lines"]
    assert (first.line.name, first.behind) == ("Customer", True)
    assert "late, was due 60 min ago" in words(as_user(administrator).get(HOME))


# --- what needs me? ----------------------------------------------------------------------------------------------


def test_causes_are_counted_in_records_and_said_once(world, ran, owner, as_user):
    for _n in range(3):
        make.make_problem(
            make.make_coupling(world.mapping),
            kind="rejected",
            code="value_required",
            fingerprint="f" * 64,
            params={"field": "phone"},
        )
    replace_stat()
    [first, *_others] = as_user(owner).get(HOME).context["causes"]
    assert first.records == 3
    assert first.url == f"{reverse('coupling:coupled')}?tab=all&cause={'f' * 64}"


def test_a_brake_is_decided_on_home(world, ran, administrator, owner, as_user):
    job = make.make_job(world.mapping, state="failed", kind="stopped", code="too_many_deletions")
    params = {"count": 21, "limit": 20, "couplings": 30, "samples": ["Firm 1"]}
    make.make_problem(
        mapping=world.mapping, kind="stopped", code="too_many_deletions", last_job=job.pk, params=params
    )
    text = as_user(administrator).get(HOME).content.decode()
    assert text.count("Allow once</button>") == 1 and "Keep stopped</button>" in text
    assert len(re.findall(r'id="([^"]+)"', text)) == len(set(re.findall(r'id="([^"]+)"', text)))
    assert "Allow once</button>" not in as_user(owner).get(HOME).content.decode()
    answer = as_user(administrator).post(reverse("synccore:keep_stopped", args=[job.pk]), {"back": HOME})
    assert answer.url == HOME


def test_all_well_says_so_with_figures(world, ran, owner, as_user):
    Problem.objects.all().update(
        state="ended", ending="fixed", ended_at=timezone.now() - timedelta(days=20), next_attempt=None
    )
    replace_stat()
    text = words(as_user(owner).get(HOME))
    assert "Nothing needs you. Last run just now , no record has a problem; 4,311 were looked at" in text


# --- better? -----------------------------------------------------------------------------------------------------


def test_days_add_up_backwards_from_what_is_open_now(world, ran, owner, as_user):
    now = timezone.now()
    Problem.objects.filter(pk=world.conflict.pk).update(since=now - timedelta(days=2))
    make.make_problem(
        make.make_coupling(world.mapping),
        since=now - timedelta(days=3),
        state="ended",
        ended_at=now - timedelta(days=1),
    )
    make.make_problem(
        make.make_coupling(world.mapping),
        since=now - timedelta(days=300),
        state="ended",
        ended_at=now - timedelta(days=1),
    )
    replace_stat()
    days: list[Day] = as_user(owner).get(HOME).context["days"]
    assert len(days) == 14
    assert days[0].open == 6 and days[0].failed == 3
    assert (days[1].ended, days[2].began, days[3].began) == (2, 1, 1)
    for later, earlier in zip(days, days[1:], strict=False):
        assert later.open == earlier.open + later.began - later.ended
    assert days[-1].open == 1  # the one that is 300 days old


# --- a new installation ------------------------------------------------------------------------------------------


def test_a_new_installation_shows_three_steps_and_which_are_done(db, as_user):
    anna = make.make_user("Administrator")
    browser = as_user(anna)
    answer = browser.get(HOME)
    assert "Three steps to the first synchronization" in words(answer)
    assert [step["done"] for step in answer.context["steps"]] == [False, False, False]
    mapping = make.make_mapping()
    assert [step["done"] for step in browser.get(HOME).context["steps"]] == [True, True, False]
    make.make_job(mapping, verb="synchronise", scope="changes")
    assert "steps" not in browser.get(HOME).context
    assert Connection.objects.count() == 2


def test_somebody_whose_groups_see_no_mapping_reads_who_can_help(world, as_user):
    text = words(as_user(make.make_user("Viewer")).get(HOME))
    assert "Your groups see no mapping yet." in text and "Three steps" not in text


def test_mappings_that_are_switched_off_are_not_called_late(world, ran, owner, as_user):
    TableMapping.objects.update(enabled=False)
    text = words(as_user(owner).get(HOME))
    assert "Every mapping is switched off." in text and "late" not in text.split("Is it healthy?")[1]

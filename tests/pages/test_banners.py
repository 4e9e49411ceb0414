"""Banners: what holds a mapping, how many changes wait, who asked the administrator, and a brake decided right there."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from synccore.models import Coupling, HelpRequest, JobItem, Problem
from synccore.views.banners import waiting
from tests import factories as make
from tests.pages.test_actions import said

COUPLED = reverse("coupling:coupled")


def text(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def ask(browser, problem, **data):
    where = reverse("coupling:ask_administrator", args=[problem.pk])
    return browser.post(where, {"back": COUPLED, **data}, follow=True)


# --- what it says ----------------------------------------------------------------------------------------


def test_the_banner_says_in_plain_words_what_holds_and_how_much_waits(world, owner, as_user):
    job = make.make_job(world.mapping, scope="sweep")
    for n in range(3):
        make.make_item(
            job, make.make_coupling(world.mapping), purpose="found", record_id=f"r{n}", side="left"
        )
    make.make_item(job, make.make_coupling(world.mapping), purpose="chosen")
    Problem.objects.filter(pk=world.rejected.pk).update(requested_at=timezone.now())
    page = text(as_user(owner).get(COUPLED))
    assert "Customer is stopped:" in page
    # three finds, one that will retry, one that was retried
    assert "At least 5 changes wait; none is lost." in page
    assert "On the administrators’ page since" in page
    assert "CRM answered: permission denied for table account" in page


def test_an_apps_problem_counts_the_changes_of_all_its_mappings(world, administrator, as_user):
    Problem.objects.filter(pk=world.setup.pk).delete()
    make.make_problem(connection=world.mapping.integration.right, kind="transient", code="server_down")
    job = make.make_job(world.hidden)
    make.make_item(job, make.make_coupling(world.hidden), purpose="found", record_id="r", side="left")
    page = text(as_user(administrator).get(COUPLED))
    assert "CRM is interrupted and tried again by itself:" in page
    assert "At least 2 changes wait" in page


@pytest.mark.parametrize(
    ("n", "sentence"),
    [
        (0, "Changes wait and none is lost; how many is known when the apps can be read again."),
        (1, "At least 1 change waits; none is lost."),
        (311, "At least 311 changes wait; none is lost."),
        (10_001, "More than 10,000 changes wait; none is lost."),
    ],
)
def test_the_number_claims_no_more_than_is_known(n, sentence):
    with override("en"):
        assert waiting(n) == sentence


# --- Ask the administrator -------------------------------------------------------------------------------


def test_asking_is_noted_with_who_when_and_from_which_record(world, owner, administrator, as_user):
    answer = ask(as_user(owner), world.setup, record=str(world.rejected.coupling_id))
    assert answer.redirect_chain == [(COUPLED, 302)]
    assert "The administrators see on their page and on Home that you asked" in said(answer)
    row = HelpRequest.objects.get()
    assert (row.problem, row.user, row.coupling) == (world.setup, owner, world.rejected.coupling)
    for where in (COUPLED, reverse("errors:entries"), reverse("home")):
        page = as_user(administrator).get(where)
        assert "Asked to be ended by otto" in text(page), where
        assert f'href="{reverse("coupling:problem", args=[world.rejected.pk])}"' in page.content.decode()


def test_the_same_person_twice_is_told_so_and_several_may_ask(world, owner, viewer, as_user):
    ask(as_user(owner), world.setup)
    assert "You asked about this already, on" in said(ask(as_user(owner), world.setup))
    ask(as_user(viewer), world.setup)
    assert HelpRequest.objects.count() == 2
    page = text(as_user(viewer).get(COUPLED))
    assert re.search(r"Asked to be ended by otto \S.*; vera", page)


def test_the_panel_of_a_record_asks_from_that_record(world, owner, as_user):
    page = as_user(owner).get(reverse("coupling:problem", args=[world.rejected.pk])).content.decode()
    assert "Customer is stopped:" in page
    assert f'name="record" value="{world.rejected.coupling_id}"' in page
    assert reverse("coupling:ask_administrator", args=[world.setup.pk]) in page


def test_a_record_that_waits_for_the_administrator_can_be_asked_about_itself(
    world, owner, administrator, as_user
):
    ask(as_user(owner), world.bug, record=str(world.bug.coupling_id))
    page = text(as_user(administrator).get(f"{COUPLED}?tab=with_the_administrator"))
    assert "1 person asked for help" in page


def test_what_needs_no_administrator_or_ended_meanwhile_is_told(world, owner, as_user):
    browser = as_user(owner)
    assert "Nothing of this waits for an administrator" in said(ask(browser, world.conflict))
    Problem.objects.filter(pk=world.setup.pk).update(state="ended", ending="fixed", ended_at=timezone.now())
    assert "Nothing of this waits for an administrator" in said(ask(browser, world.setup))
    assert not HelpRequest.objects.exists()


def test_a_mapping_one_may_not_see_is_not_asked_about(world, owner, as_user):
    hidden = make.make_problem(mapping=world.hidden, kind="misconfigured", code="missing_privilege")
    ask(as_user(owner), hidden)
    assert not HelpRequest.objects.exists()
    ask(as_user(owner), world.setup, record=str(world.secret.coupling_id))
    assert HelpRequest.objects.get().coupling is None


def test_who_has_no_role_cannot_ask_and_an_administrator_has_nothing_to_press(world, administrator, as_user):
    assert ask(as_user(make.make_user()), world.setup).status_code == 403
    assert "Ask the administrator" not in text(as_user(administrator).get(COUPLED))


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org", ""])
def test_asking_leads_nowhere_else(world, owner, as_user, back):
    where = reverse("coupling:ask_administrator", args=[world.setup.pk])
    assert as_user(owner).post(where, {"back": back}).url == "/"


# --- a brake ---------------------------------------------------------------------------------------------


@pytest.fixture
def braked(world):
    Problem.objects.filter(pk=world.setup.pk).delete()
    job = make.make_job(world.mapping, state="failed", kind="stopped", code="too_many_deletions")
    return make.make_problem(
        mapping=world.mapping,
        kind="stopped",
        code="too_many_deletions",
        last_job=job.pk,
        params={
            "count": 80, "limit": 20, "couplings": 400, "job": job.pk,
            "samples": [f"Firm {n}" for n in range(10)],
        },
    )  # fmt: skip


def test_a_brake_is_decided_on_the_banner(world, braked, administrator, as_user):
    browser = as_user(administrator)
    page = browser.get(COUPLED)
    assert "Customer is stopped for safety:" in text(page)
    assert "Firm 9" in text(page) and "and 70 more" in text(page)
    where = reverse("synccore:allow_once", args=[braked.last_job])
    assert f'action="{where}"' in page.content.decode()
    browser.post(where, {"reason": "The old catalogue was cleared"})
    assert "Allowed once by anna" in text(browser.get(COUPLED))


def test_others_see_the_brake_and_ask(world, braked, owner, as_user):
    page = as_user(owner).get(COUPLED)
    assert "Firm 9" in text(page) and "An administrator decides this." in text(page)
    assert "Allow once</button>" not in page.content.decode()
    assert "Ask the administrator" in text(page)


def test_the_list_with_a_brake_and_requests_keeps_its_budget(world, braked, owner, as_user):
    for n in range(3):
        person = make.make_user("Viewer")
        HelpRequest.objects.create(
            problem=braked,
            user=person,
            at=timezone.now() - timedelta(hours=n),
            coupling=Coupling.objects.first(),
        )
    JobItem.objects.create(
        job=make.make_job(world.mapping), mapping=world.mapping, purpose="found", record_id="x", side="left"
    )
    browser = as_user(owner)
    with CaptureQueriesContext(connection) as captured:
        browser.get(COUPLED)
    own = [q["sql"] for q in captured if not re.search(r'FROM "(django_session|auth_\w+)"', q["sql"])]
    assert len(own) <= 5, "\n".join(own)


def test_what_to_do_stands_on_the_administrators_page_alone(world, administrator, as_user):
    step = "Ask whoever runs CRM to give it."
    browser = as_user(administrator)
    assert step in text(browser.get(reverse("errors:entries"))).split("Check now")[0]
    assert step not in text(browser.get(COUPLED))


def test_an_app_as_a_whole_is_called_by_its_name_even_where_it_said_nothing(world, administrator, as_user):
    app = world.mapping.integration.left
    problem = make.make_problem(connection=app, kind="transient", code="throttled", params={"side": "left"})
    make.make_entry(problem)
    page = text(as_user(administrator).get(reverse("errors:entries")))
    assert "ERP is interrupted and tried again by itself: ERP has had as many requests" in page
    assert "the left app" not in page and "– ERP" in page


def test_the_statement_that_ends_it_stands_apart_from_the_sentence(world, owner, as_user):
    statement = 'GRANT UPDATE ON TABLE "account" TO "tandem_crm";'
    world.setup.params |= {"grant": statement}
    world.setup.save(update_fields=["params"])
    [banner] = as_user(owner).get(COUPLED).context["banners"]
    assert banner.statement == statement
    assert "GRANT" not in banner.said.sentence


# --- when it is looked at again --------------------------------------------------------------------------


def test_it_says_when_it_is_looked_at_again_at_the_latest(world, owner, administrator, as_user):
    Problem.objects.filter(pk=world.setup.pk).update(
        state="retrying", next_attempt=timezone.now() + timedelta(minutes=58)
    )
    for person in (owner, administrator):
        page = text(as_user(person).get(COUPLED))
        assert "looked at again by itself as soon as a check or a job finds it mended, at the latest" in page
        assert ("Check now" in page) is (person == administrator)
    make.make_job(world.setup.mapping, verb="check", state="queued")
    page = text(as_user(owner).get(COUPLED))
    assert (
        "looked at now; if it is mended, what waits goes on at once" in page and "at the latest" not in page
    )


def test_an_app_through_which_nothing_runs_is_not_said_to_be_looked_at(world, administrator, as_user):
    app = world.mapping.integration.right
    make.make_problem(
        connection=app, kind="transient", code="server_down", state="retrying", next_attempt=timezone.now()
    )
    where = reverse("synccore:connection", args=[app.pk])
    assert "at the latest" in text(as_user(administrator).get(where))
    type(world.mapping).objects.update(enabled=False)
    page = text(as_user(administrator).get(where))
    assert "not looked at by itself: no mapping of this app is switched on" in page

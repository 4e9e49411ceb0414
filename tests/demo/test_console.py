"""The demo's bar, card and menu: there while the demo runs, unknown elsewhere."""

import re

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse

from tandem.demo import break_rights, faults, steps
from tandem.demo.apps import App, Apps, DemoProblem
from tests.factories import make_job, make_problem, make_user

BREAK = "/demo/break/"
LIVE = "/live/demo/faults/"
POSTS = (
    "/demo/break/accounts/",
    "/demo/break/accounts/put-right/",
    "/demo/put-all-right/",
    "/demo/switch/",
    "/demo/bar/",
)


def bar(text: str) -> str:
    found = re.search(r'<aside class="demo-bar".*?</aside>', text, re.DOTALL)
    return found[0] if found else ""


# -- never in production -----------------------------------------------------------------------------------------------


def test_elsewhere_there_is_no_bar_and_no_address(world, administrator, as_user):
    assert not django_settings.DEMO
    browser = as_user(administrator)
    page = browser.get("/").content.decode()
    assert "demo-bar" not in page and "demo.css" not in page and "/demo/" not in page
    for where in (BREAK, LIVE):
        assert browser.get(where).status_code == 404
    for where in POSTS:
        assert browser.post(where).status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("demo:break")


def test_the_views_themselves_refuse_elsewhere(world, administrator, as_user, demo_runs, settings):
    settings.DEMO = False
    browser = as_user(administrator)
    assert browser.get(BREAK).status_code == 404
    for where in POSTS:
        assert browser.post(where, {"person": "admin"}).status_code == 404
    assert not bar(browser.get("/").content.decode())


# -- pages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [BREAK, LIVE])
@pytest.mark.parametrize("who", ["administrator", "owner", "viewer"])
def test_page(request, world, as_user, demo_runs, who, where):
    browser = as_user(request.getfixturevalue(who))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        text = browser.get(where).content.decode()
    assert len(re.findall(r"<h1[ >]", text)) == 1
    assert not re.search(r"<script(?![^>]* src=)[^>]*>|<style|\sstyle=|\son[a-z]+=|href=\"#\"", text)
    assert all(str(fault.title) in text for fault in faults.FAULTS.values())


def test_the_fragment_is_the_region_alone(world, owner, as_user, demo_runs):
    answer = as_user(owner).get(LIVE, headers={"HX-Request": "true"})
    assert answer.content.decode().lstrip().startswith('<div id="faults"')
    assert answer["Cache-Control"] == "no-store"


def test_the_page_itself_asks_no_app(world, owner, as_user, demo_runs, monkeypatch):
    def called(*_arguments, **_options):
        raise AssertionError("the page asked an app")

    monkeypatch.setattr(App, "as_admin", called)
    monkeypatch.setattr(App, "as_role", called)
    assert "See how they stand now" in as_user(owner).get(BREAK).content.decode()


def test_nobody_gets_in_without_signing_in(client, world, demo_runs):
    for where in (BREAK, LIVE):
        assert client.get(where).status_code == 302
    for where in POSTS:
        assert client.post(where, {"person": "admin"}).url == f"/sign-in/?next={where}"


def test_a_link_never_does_anything(world, administrator, as_user, demo_runs):
    for where in POSTS:
        assert as_user(administrator).get(where).status_code == 405


def test_a_fault_that_is_not_known(world, owner, as_user, demo_runs):
    assert as_user(owner).post("/demo/break/everything/").status_code == 404


def test_apps_that_do_not_answer_are_said_so(world, owner, as_user, demo_runs, pg_admin, monkeypatch):
    nowhere = Apps.at("postgresql://nobody@/none?host=/nowhere", "tandem_test_none")
    monkeypatch.setattr("tandem.demo.apps.Apps.of_environment", lambda: nowhere)
    browser = as_user(owner)
    assert "A demo app does not answer" in browser.get(LIVE).content.decode()
    answer = browser.post("/demo/break/accounts/", follow=True).content.decode()
    assert "A demo app does not answer, nothing was changed" in answer


def test_without_a_server_the_sentence_says_what_to_set(world, owner, as_user, demo_runs, monkeypatch):
    def none():
        raise DemoProblem("set TANDEM_ADMIN_URL")

    monkeypatch.setattr("tandem.demo.apps.Apps.of_environment", none)
    assert "set TANDEM_ADMIN_URL" in as_user(owner).get(LIVE).content.decode()


# -- the bar -----------------------------------------------------------------------------------------------------------


def test_it_says_who_you_are_and_when_the_next_run_is(world, owner, as_user, demo_runs):
    found = bar(as_user(owner).get("/coupled-errors/").content.decode())
    assert "You are otto." in found
    assert re.search(r"Next scheduled run\s*<time", found)
    assert "Break something" in found
    assert "The first five minutes: 1 of 6" in found


def test_it_costs_two_questions(world, administrator, as_user, demo_runs, settings):
    browser = as_user(administrator)
    with CaptureQueriesContext(connection) as with_bar:
        browser.get("/jobs/")
    settings.DEMO = False
    with CaptureQueriesContext(connection) as without:
        browser.get("/jobs/")
    assert len(with_bar) - len(without) == 2


def test_it_stands_on_the_sign_in_page_and_on_refusals(client, world, viewer, as_user, demo_runs):
    assert "Sign in as owner, admin or viewer" in bar(client.get("/sign-in/").content.decode())
    refused = as_user(viewer).get("/errors/clean-up/")
    assert refused.status_code == 403
    assert "Switch user" in bar(refused.content.decode())


def test_it_can_be_put_away_and_taken_out_again(world, owner, as_user, demo_runs):
    browser = as_user(owner)
    answer = browser.post("/demo/bar/", {"show": "0", "next": "/jobs/?tab=trouble"})
    assert answer.url == "/jobs/?tab=trouble"
    text = browser.get("/jobs/").content.decode()
    assert not bar(text)
    assert "Show the demo’s bar" in text
    browser.post("/demo/bar/", {"show": "1", "next": "/"})
    assert bar(browser.get("/jobs/").content.decode())


def test_the_card_is_open_on_home_until_it_is_folded(world, owner, as_user, demo_runs):
    browser = as_user(owner)
    opened = re.compile(r"<details class=\"demo-card\"[^>]* open>")
    assert opened.search(browser.get("/").content.decode())
    assert not opened.search(browser.get("/jobs/").content.decode())
    browser.cookies["tandem_demo_card"] = "folded"
    assert not opened.search(browser.get("/").content.decode())
    browser.cookies["tandem_demo_card"] = "open"
    assert opened.search(browser.get("/jobs/").content.decode())


# -- switching ---------------------------------------------------------------------------------------------------------


def who(browser) -> str:
    return User.objects.get(pk=browser.session["_auth_user_id"]).username


def test_one_press_makes_you_another_person_of_the_demo(world, owner, as_user, demo_runs):
    make_user("Administrator", username="admin")
    browser = as_user(owner)
    answer = browser.post("/demo/switch/", {"person": "admin", "next": "/coupled-errors/?tab=all"})
    assert answer.url == "/coupled-errors/?tab=all"
    assert who(browser) == "admin"


@pytest.mark.parametrize("person", ["anna", "root", "", "admin"])
def test_nobody_else_can_be_switched_to(world, administrator, owner, as_user, demo_runs, person):
    """``anna`` is a user but none of the demo's; ``admin`` does not exist here."""
    browser = as_user(owner)
    assert browser.post("/demo/switch/", {"person": person}).status_code == 404
    assert who(browser) == "otto"


def test_a_person_who_may_not_sign_in_is_not_switched_to(world, owner, as_user, demo_runs):
    make_user("Viewer", username="viewer", is_active=False)
    assert as_user(owner).post("/demo/switch/", {"person": "viewer"}).status_code == 404


def test_it_leads_nowhere_else(world, owner, as_user, demo_runs):
    make_user("Viewer", username="viewer")
    answer = as_user(owner).post("/demo/switch/", {"person": "viewer", "next": "https://elsewhere.example/"})
    assert answer.url == "/"


# -- five minutes ------------------------------------------------------------------------------------------------------


def done() -> set[str]:
    return {each.step.name for each in steps.look() if each.is_done}


def test_steps_are_checked_off_by_what_happened(world, owner):
    assert done() == {"met"}
    end = {"state": "ended", "ending": "superseded"}
    make_problem(kind="conflict", code="update_conflict", **end)
    assert done() == {"met"}, "a conflict that went away by itself was not ended by anybody"
    mine = make_problem(kind="conflict", code="update_conflict", ended_by=owner, **end)
    assert done() == {"met", "conflict", "own"}
    mine.coupling.left_key = "C20011"
    mine.coupling.save()
    assert done() == {"met", "conflict"}, "a case of the demo is no conflict of one's own"
    make_job(world.mapping, verb="restore", failed=1)
    assert done() == {"met", "conflict"}
    make_job(world.mapping, verb="restore", inserted=1)
    assert done() == {"met", "conflict", "restored"}
    world.mapping.name = "Salespeople"
    world.mapping.save()
    make_problem(mapping=world.mapping, kind="misconfigured", code="missing_privilege", state="ended")
    assert done() == {"met", "conflict", "restored", "set_up"}
    make_problem(mapping=world.hidden, kind="misconfigured", code="missing_privilege", state="ended")
    assert done() == {step.name for step in steps.STEPS} - {"own"}


def test_every_step_leads_to_a_page(world, administrator, as_user, demo_runs):
    browser = as_user(administrator)
    for step in steps.STEPS:
        assert browser.get(reverse(step.url) + step.query).status_code == 200


# -- presses -----------------------------------------------------------------------------------------------------------


def test_breaking_and_putting_right_by_the_buttons(world, viewer, as_user, demo_runs):
    browser = as_user(viewer)
    with demo_runs.crm.person("jane.smith") as crm:
        crm.execute("SELECT 1")
    answer = browser.post("/demo/break/superuser/", follow=True).content.decode()
    assert "superuser of the ERP now" in answer
    live = browser.get(LIVE).content.decode()
    assert "Tandem’s user is a superuser of the ERP." in live
    answer = browser.post("/demo/break/superuser/put-right/", follow=True).content.decode()
    assert "an ordinary account of the ERP again" in answer
    assert "Tandem’s user is a superuser of the ERP." not in browser.get(LIVE).content.decode()


def test_an_app_that_is_down_hides_only_what_stands_in_it(world, owner, as_user, demo_runs):
    browser = as_user(owner)
    browser.post("/demo/break/down/")
    found = {each.fault.name: each for each in faults.standings(demo_runs)}
    assert "comes back by itself in" in found["down"].now
    assert {name for name, each in found.items() if not each.is_known} == {"accounts", "deletions"}
    assert not found["expired"].now
    browser.post("/demo/break/down/put-right/")
    assert not any(each.now for each in faults.standings(demo_runs))


def test_too_few_records_to_delete_are_said_so(world, owner, as_user, demo_runs):
    """Nothing is coupled yet: the CRM is empty."""
    answer = as_user(owner).post("/demo/break/deletions/", follow=True).content.decode()
    assert "only 0 customers without contacts" in answer


def test_the_statement_shown_is_the_one_that_helps(demo_runs):
    for fault in faults.FAULTS.values():
        statement = fault.statement(demo_runs)
        if not statement:
            continue
        app = demo_runs.crm if demo_runs.crm.integration in statement else demo_runs.erp
        with app.as_admin() as admin:
            admin.execute(statement)
    assert break_rights.ACCOUNTS.now(demo_runs, {}) == ""

"""The guided start: each step, back and twice, what is chosen, and the pair at its end."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore import jobs
from synccore.connectors.memory import MemoryApp, MemoryConnector
from synccore.failures import Misconfigured, Scope, Transient
from synccore.models import Connection, Coupling, Integration, SetupCheck, SynchJob
from synccore.services import connections as services
from synccore.services.rights import RightMissing
from synccore.shapes import Choice, FieldInfo, FieldType, KeyKind, TableInfo
from synccore.views.connection_rows import listed_of
from tests import factories as make

from .test_actions import said

NEW = reverse("synccore:new_connection")
TWO = [
    Choice("CRONUS NL", {"company": "1"}, "Production"),
    Choice("CRONUS <b>DE</b>", {"company": "2"}, "Sandbox"),
]
STEPS = ("guided_address", "guided_test", "guided_choose", "guided_checks", "guided_next")


@pytest.fixture(autouse=True)
def offered(monkeypatch) -> None:
    """The app of the tests is one that people can connect; no worker hears of jobs."""
    monkeypatch.setattr(MemoryConnector, "label", "Practice app")
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)


@pytest.fixture
def books(db):
    """The app that is connected, as it is outside."""
    app = MemoryApp.get("books")
    app.choices = list(TWO)
    fields = {
        "id": FieldInfo("id", FieldType.GUID),
        "name": FieldInfo("name", FieldType.TEXT, length=30, label="Naam"),
    }
    app.add_table(TableInfo("customer", fields, "id", KeyKind.UUID, label="Klant"))
    yield app
    MemoryApp.forget("books")


@pytest.fixture
def browser(db, as_user):
    return as_user(make.make_user("Administrator", username="anna"))


def typed(**changed: str) -> dict[str, str]:
    return {"name": "Books", "option_name": "memory://books/", "option_overlap": "300", **changed}


def at(app: Connection, step: str) -> str:
    return reverse(f"synccore:{step}", args=[app.pk])


def work() -> list[SynchJob]:
    """Run what is queued, as a worker would."""
    done = []
    while (job := jobs.startable().first()) is not None:
        done.append(jobs.run(job.pk))
    return done


def connected(browser) -> Connection:
    browser.post(f"{NEW}?kind=memory", typed())
    work()
    return Connection.objects.get(name="Books")


# --- the way through -----------------------------------------------------------------------------------


def test_from_nothing_to_a_checked_connection_and_a_pair(browser, books):
    text = browser.get(NEW).content.decode()
    assert "Practice app" in text and "PostgreSQL database" in text and "Have ready" in text
    answer = browser.post(f"{NEW}?kind=memory", typed(), follow=True)
    app = Connection.objects.get()
    assert answer.redirect_chain == [(at(app, "guided_test"), 302)]
    assert "What you typed was turned into Name: books." in said(answer)
    assert "Being tested" in answer.content.decode() and 'hx-trigger="every 1s"' in answer.content.decode()
    assert at(app, "guided_choose") not in answer.content.decode().split("guided-region")[1]  # not yet

    [test] = work()
    assert (test.verb, test.state) == ("check_connection", "finished")
    text = browser.get(at(app, "guided_test")).content.decode()
    assert "Answers" in text and f'href="{at(app, "guided_choose")}"' in text.split("guided-region")[1]

    answer = browser.get(at(app, "guided_choose"))
    text = answer.content.decode()
    assert "CRONUS NL" in text and "CRONUS &lt;b&gt;DE&lt;/b&gt;" in text and "Sandbox" in text
    revision = answer.context["revision"]
    answer = browser.post(
        at(app, "guided_choose"), {"choice": "company=2", "revision": revision}, follow=True
    )
    assert answer.redirect_chain == [(at(app, "guided_checks"), 302)]
    app.refresh_from_db()
    assert app.options == {"name": "books", "company": "2"}
    assert "Being checked" in answer.content.decode() and "Being read" in answer.content.decode()

    assert {job.verb for job in work()} == {"check_set_up", "describe"}
    text = browser.get(at(app, "guided_checks")).content.decode()
    assert "1 table, as it was" in text and "could not be checked" in text
    assert SetupCheck.objects.get(connection=app, code="signs_in").state == "pass"

    text = browser.get(at(app, "guided_next")).content.decode()
    assert "Connect the other app" in text and "Make them a pair" not in text
    other = make.make_connection("Sales")
    answer = browser.get(at(app, "guided_next"))
    proposed = answer.context["form"].initial
    assert (proposed["left"], proposed["right"], proposed["name"]) == (app, other, "Books ⇄ Sales")
    pair = {"left": app.pk, "right": other.pk, "name": "Books ⇄ Sales"}
    answer = browser.post(at(app, "guided_next"), pair, follow=True)
    made = Integration.objects.get()
    assert (made.left, made.right) == (app, other)
    assert f"{reverse('synccore:new_mapping')}?integration={made.pk}" in answer.content.decode()
    browser.post(at(app, "guided_next"), pair)  # pressed twice
    assert Integration.objects.count() == 1


def test_a_form_that_is_sent_twice_makes_one_connection(browser, books):
    for _ in range(2):
        answer = browser.post(f"{NEW}?kind=memory", typed())
        assert answer.url == at(Connection.objects.get(), "guided_test")
    assert SynchJob.objects.filter(verb="check_connection").count() == 1  # the queued one is taken


def test_a_name_that_another_connection_has_is_refused(browser, books):
    make.make_connection("Books", options={"name": "others"})
    answer = browser.post(f"{NEW}?kind=memory", typed())
    assert answer.status_code == 422
    assert "Another connection has this name." in answer.content.decode()
    assert Connection.objects.count() == 1


def test_a_twin_with_another_secret_is_no_twin(browser, monkeypatch):
    where = f"{NEW}?kind=postgresql"
    given = {"name": "Shop", "option_dbname": "shop", "option_user": "tandem", "option_password": "one"}
    assert browser.post(where, given).status_code == 302
    assert browser.post(where, {**given, "option_password": "two"}).status_code == 422
    assert browser.post(where, given).status_code == 302
    assert Connection.objects.count() == 1


def test_going_back_shows_what_was_saved_and_saving_again_tests_again(browser, books):
    app = connected(browser)
    text = browser.get(at(app, "guided_address")).content.decode()
    assert 'value="books"' in text and 'value="Books"' in text
    again = typed(name="Ledger", revision=services.revision_of(app))
    answer = browser.post(at(app, "guided_address"), again)
    assert answer.url == at(app, "guided_test")
    app.refresh_from_db()
    assert app.name == "Ledger"
    assert SynchJob.objects.filter(verb="check_connection", state="queued").count() == 1


def test_looking_at_a_step_again_starts_nothing(browser, books):
    app = connected(browser)
    before = SynchJob.objects.count()
    for step in STEPS:
        for _ in range(2):
            assert browser.get(at(app, step)).status_code == 200
    assert SynchJob.objects.count() == before


def test_the_menu_says_where_one_is(browser, books):
    app = connected(browser)
    for step in (*STEPS, "choose", "app_tables", "credentials", "currencies", "connection"):
        text = browser.get(at(app, step)).content.decode()
        menu = re.findall(r'<a href="([^"]*)" aria-current="page"', text)
        assert menu == [reverse("synccore:connections")], step


def test_a_kind_that_lists_nothing_has_no_step_for_choosing(browser):
    app = make.make_connection("Shop", kind="postgresql")
    text = browser.get(at(app, "guided_test")).content.decode()
    assert "Company or environment" not in text
    titles = [step.title for step in browser.get(at(app, "guided_test")).context["steps"]]
    assert titles == [
        "Kind of app",
        "Address and credentials",
        "Test Connection",
        "Set-up checks",
        "What next",
    ]


def test_a_test_that_fails_says_why_and_does_not_lead_on(browser, books):
    books.faults.fail = [Misconfigured("sign_in_refused", {"user": "tandem"}, scope=Scope.CONNECTION)]
    app = connected(browser)
    text = browser.get(at(app, "guided_test")).content.decode().split("guided-region")[1]
    assert "Test failed" in text and "does not let tandem in" in text
    assert "Enter the integration user&#x27;s password again" in text
    assert at(app, "guided_choose") not in text
    assert at(app, "guided_address") in text
    assert "Go on" not in text


def test_the_test_button_comes_back_to_its_step(browser, books):
    app = connected(browser)
    here = at(app, "guided_test")
    answer = browser.post(at(app, "test_connection"), {"back": here})
    assert answer.url == here
    answer = browser.post(at(app, "test_connection"), {"back": "https://elsewhere.example/"})
    assert answer.url == at(app, "connection")
    # A word is an address beside this one, and no name of a page that is looked up.
    assert browser.post(at(app, "test_connection"), {"back": "elsewhere"}).url == "elsewhere"


@pytest.mark.parametrize("step", ["guided_test", "guided_checks", "guided_choose"])
def test_a_step_sends_its_region_alone_to_a_page_that_asks_again(browser, books, step):
    app = connected(browser)
    answer = browser.get(at(app, step), headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert re.match(r'\s*<div id="(guided|choose)-region"', text)
    assert "<h1" not in text


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_only_who_may_set_up_is_led(request, world, as_user, who):
    app = world.mapping.integration.left
    browser = as_user(request.getfixturevalue(who))
    for step in STEPS:
        assert browser.get(at(app, step)).status_code == 403
    for step in (
        "guided_choose",
        "guided_checks",
        "guided_next",
        "list_choices",
        "read_app_tables",
        "choose",
    ):
        assert browser.post(at(app, step)).status_code == 403
    assert not SynchJob.objects.filter(connection=app).exists()


def test_the_services_check_the_right_themselves(world, owner):
    app = world.mapping.integration.left
    with pytest.raises(RightMissing):
        services.choose(app, user=owner, answers={"company": "1"}, revision=services.revision_of(app))
    with pytest.raises(RightMissing):
        services.start_listing(app, user=owner)
    with pytest.raises(RightMissing):
        services.replace_secrets(app, user=owner, secrets={}, revision=services.revision_of(app))


def test_a_pair_that_has_a_standard_is_led_to_it(browser):
    erp = make.make_connection("ERP", kind="business_central")
    crm = make.make_connection("CRM", kind="dataverse")
    pair = make.make_integration(erp, crm)
    standard = reverse("synccore:standard", args=[pair.pk])
    assert f'href="{standard}"' in browser.get(at(crm, "guided_next")).content.decode()
    other = make.make_integration(make.make_connection("Books"), make.make_connection("Shop"))
    assert (
        "Use Default Synchronization Setup" not in browser.get(at(other.left, "guided_next")).content.decode()
    )


def test_the_usual_sides_are_proposed_whichever_came_first(browser):
    crm = make.make_connection("CRM", kind="dataverse")
    erp = make.make_connection("ERP", kind="business_central")
    for app in (crm, erp):
        proposed = browser.get(at(app, "guided_next")).context["form"].initial
        assert (proposed["left"], proposed["right"]) == (erp, crm)


def test_the_app_that_is_proposed_answers_and_has_no_pair_yet(browser):
    erp = make.make_connection("ERP", kind="business_central")
    paired = make.make_connection("Shop", kind="dataverse", checked_at=timezone.now())
    make.make_integration(make.make_connection("Books"), paired)
    crm = make.make_connection("CRM", kind="dataverse", checked_at=timezone.now())
    other = make.make_connection("Other books", kind="business_central", checked_at=timezone.now())
    make.make_connection("Zz, mistyped", kind="dataverse")
    proposed = browser.get(at(erp, "guided_next")).context["form"].initial
    assert (proposed["left"], proposed["right"]) == (erp, crm)
    proposed = browser.get(at(crm, "guided_next")).context["form"].initial
    assert (proposed["left"], proposed["right"]) == (other, crm)


# --- choosing ------------------------------------------------------------------------------------------


def choice(browser, app: Connection, step: str = "guided_choose", **given: str):
    shown = {"revision": services.revision_of(app), **given}
    return browser.post(at(app, step), {name: value for name, value in shown.items() if value is not None})


@pytest.mark.parametrize("given", [{"choice": "company=3"}, {"choice": ""}, {}, {"choice": "name=others"},
                                   {"confirmed": "", "typed": "1", "company": "  "}])  # fmt: skip
def test_what_is_not_in_the_list_is_not_taken(browser, books, given):
    app = connected(browser)
    answer = choice(browser, app, **given)
    assert answer.status_code == 422
    assert "Choose one of them, or type its name." in answer.content.decode()
    app.refresh_from_db()
    assert app.options == {"name": "books"}


def test_one_that_is_not_listed_can_be_typed(browser, books):
    app = connected(browser)
    assert choice(browser, app, typed="1", company=" 77 ").status_code == 302
    app.refresh_from_db()
    assert app.options["company"] == "77"
    assert "77" in browser.get(at(app, "connection")).content.decode()


def test_two_who_choose_at_the_same_time(browser, books):
    app = connected(browser)
    seen = services.revision_of(app)
    assert choice(browser, app, choice="company=1").status_code == 302
    answer = browser.post(at(app, "guided_choose"), {"choice": "company=2", "revision": seen}, follow=True)
    assert "Somebody saved Books while you looked at it" in said(answer)
    app.refresh_from_db()
    assert app.options["company"] == "1"


def test_where_there_is_nothing_to_choose_people_confirm(browser, books):
    books.choices = [Choice("Contoso", {}, "contoso.crm4.dynamics.com")]
    app = connected(browser)
    text = browser.get(at(app, "guided_choose")).content.decode()
    assert "Contoso" in text and "Yes, this is it" in text and "No, change the address" in text
    answer = choice(browser, app, confirmed="1")
    assert answer.url == at(app, "guided_checks")
    app.refresh_from_db()
    assert app.options == {"name": "books"}
    assert "Contoso" in browser.get(at(app, "connection")).content.decode()


def test_a_list_that_could_not_be_read_says_why_and_can_be_asked_for_again(browser, books):
    app = connected(browser)
    Connection.objects.update(listed={})
    books.faults.fail = [Transient("connection_lost", {"app": "Books"}, scope=Scope.CONNECTION)]
    browser.post(at(app, "list_choices"), {"back": at(app, "guided_choose")})
    work()
    text = browser.get(at(app, "guided_choose")).content.decode()
    assert "It was not asked yet." in text and "The connection to Books was cut" in text
    browser.post(at(app, "list_choices"), {"back": at(app, "guided_choose")})
    assert "Being asked" in browser.get(at(app, "guided_choose")).content.decode()
    work()
    assert "CRONUS NL" in browser.get(at(app, "guided_choose")).content.decode()


def test_what_an_address_did_not_name_does_not_hide_which_one_is_in_use(browser, books):
    books.choices = [
        Choice("CRONUS", {"company": "1", "environment": "P", "company_name": "CRONUS"}),
        Choice("Other", {"company": "2", "environment": "P", "company_name": "Other"}),
    ]
    app = connected(browser)
    in_use = [({"company": "1", "environment": "P"}, "CRONUS"), ({"environment": "P"}, None), ({}, None)]
    for options, label in in_use:
        app.options = {"name": "books", **options}
        current = listed_of(app).current
        assert (current and current.label) == label


# --- another company, another address ------------------------------------------------------------------


@pytest.fixture
def in_use(browser, books) -> Connection:
    """A connection to the first company, with a mapping that has read and coupled a record."""
    app = connected(browser)
    choice(browser, app, choice="company=1")
    work()
    app.refresh_from_db()
    mapping = make.make_mapping(
        "Customers",
        integration=make.make_integration(left=app),
        left_watermark={"at": 1},
        right_watermark={"at": 2},
    )
    make.make_coupling(mapping)
    return app


def test_another_company_is_refused_while_records_are_coupled(browser, in_use):
    text = browser.get(at(in_use, "choose")).content.decode()
    assert "1 record of this app is coupled." in text and "make a new connection" in text
    answer = choice(browser, in_use, "choose", choice="company=2")
    assert answer.status_code == 422
    assert "Nothing was changed." in answer.content.decode()
    in_use.refresh_from_db()
    assert in_use.options["company"] == "1"
    assert Integration.objects.get().paused_since is None


def test_where_it_holds_the_same_records_the_pair_is_paused_and_everything_is_read_again(browser, in_use):
    answer = choice(browser, in_use, "choose", choice="company=2", same_records="on")
    assert answer.url == at(in_use, "connection")
    in_use.refresh_from_db()
    assert in_use.options["company"] == "2"
    pair = Integration.objects.get()
    assert pair.paused_since is not None and "Books points to another place" in pair.paused_reason
    mapping = pair.mappings.get()
    assert (mapping.left_watermark, mapping.right_watermark) == (None, {"at": 2})
    assert mapping.revision == 2
    assert {job.verb for job in SynchJob.objects.filter(state="queued")} == {"check_set_up", "describe"}
    assert not SetupCheck.objects.filter(connection=in_use).exists()  # they were of the other company
    assert in_use.listed["choices"]


def test_without_coupled_records_another_company_is_just_chosen(browser, in_use):
    Coupling.objects.all().delete()
    assert choice(browser, in_use, "choose", choice="company=2").status_code == 302
    pair = Integration.objects.get()
    assert pair.paused_since is None
    assert pair.mappings.get().left_watermark is None


def test_choosing_the_same_one_again_changes_nothing(browser, in_use):
    assert choice(browser, in_use, "choose", choice="company=1").status_code == 302
    assert Integration.objects.get().mappings.get().left_watermark == {"at": 1}


def test_another_address_asks_whether_the_records_are_the_same(browser, in_use):
    edit = at(in_use, "edit_connection")
    moved = typed(option_name="elsewhere", revision=services.revision_of(in_use))
    answer = browser.post(edit, moved)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "1 record of this app is coupled" in text and 'name="same_records"' in text
    in_use.refresh_from_db()
    assert in_use.options["name"] == "books"
    assert browser.post(edit, {**moved, "same_records": "on"}).status_code == 302
    in_use.refresh_from_db()
    assert (in_use.options["name"], in_use.options["company"]) == ("elsewhere", "1")
    assert Integration.objects.get().paused_since is not None


def test_a_new_name_asks_nothing(browser, in_use):
    renamed = typed(name="Ledger", revision=services.revision_of(in_use))
    assert browser.post(at(in_use, "edit_connection"), renamed).status_code == 302
    assert Integration.objects.get().paused_since is None
    in_use.refresh_from_db()
    assert in_use.options["company"] == "1"  # what is chosen is not asked for, and stays


# --- new credentials -----------------------------------------------------------------------------------


def shop() -> Connection:
    options = {"host": "erp.example", "dbname": "erp", "user": "tandem"}
    return make.make_connection("Shop", kind="postgresql", secrets={"password": "old"}, options=options)


def test_new_credentials_replace_what_was_typed_and_are_tested_at_once(browser):
    app = shop()
    where = at(app, "credentials")
    assert "old" not in re.sub(r"<[^>]+>", "", browser.get(where).content.decode()).split()
    given = {"option_password": "new one", "revision": services.revision_of(app)}
    answer = browser.post(where, given, follow=True)
    assert "The credentials of Shop are replaced, and tested now." in said(answer)
    app.refresh_from_db()
    assert app.secrets() == {"password": "new one"}
    assert app.secrets_at is not None
    assert SynchJob.objects.get().verb == "check_connection"
    assert "new one" not in answer.content.decode()


def test_nothing_typed_changes_nothing(browser):
    app = shop()
    answer = browser.post(at(app, "credentials"), {"revision": services.revision_of(app)})
    assert answer.status_code == 422
    assert "Type the new one. Nothing was changed." in answer.content.decode()


def test_credentials_that_somebody_replaced_meanwhile_are_not_overwritten(browser):
    app = shop()
    seen = services.revision_of(app)
    browser.post(at(app, "credentials"), {"option_password": "first", "revision": seen})
    browser.post(at(app, "credentials"), {"option_password": "second", "revision": seen})
    app.refresh_from_db()
    assert app.secrets() == {"password": "first"}


def test_a_test_of_before_does_not_count_for_new_credentials(browser):
    app = shop()
    make.make_job(connection=app, verb="check_connection")
    services.replace_secrets(app, user=None, secrets={"password": "new"}, revision=services.revision_of(app))
    SynchJob.objects.filter(state="queued").delete()
    assert "Not tested with the new credentials" in browser.get(at(app, "connection")).content.decode()


# --- its tables ----------------------------------------------------------------------------------------


def test_the_tables_are_found_by_name_caption_and_field(browser, books):
    books.add_table(
        TableInfo("item", {"id": FieldInfo("id", FieldType.GUID)}, "id", KeyKind.UUID, writable=False)
    )
    app = connected(browser)
    assert "The tables were not read yet." in browser.get(at(app, "app_tables")).content.decode()
    answer = browser.post(at(app, "read_app_tables"), {"back": at(app, "app_tables")})
    assert answer.url == at(app, "app_tables")
    work()

    def found(text: str) -> list[str]:
        answer = browser.get(at(app, "app_tables"), {"q": text})
        return [row["name"] for row in answer.context["rows"]]

    assert found("") == ["customer", "item"]
    assert found("CUST") == found("klant") == found("naam") == ["customer"]
    assert (
        found("text") == found(".*") == found('"') == found("100%") == []
    )  # types and patterns are no names
    text = browser.get(at(app, "app_tables"), {"table": "customer"}).content.decode()
    assert "text, up to 30" in text and "Naam" in text and "2 fields" in text
    text = browser.get(at(app, "app_tables"), {"table": "customer", "q": "naam"}).content.decode()
    assert "1 of 2 fields" in text
    text = browser.get(at(app, "app_tables"), {"table": "nobody<b>"}).content.decode()
    assert "No table with the name nobody&lt;b&gt; is known." in text
    text = browser.get(at(app, "connection")).content.decode()
    assert "2 tables, as they were" in text

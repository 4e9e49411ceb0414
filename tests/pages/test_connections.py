"""Connection Setup: who gets in, the form of each kind, secrets that never come back, two editors, Test Connection."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from synccore import jobs
from synccore.connectors import CONNECTORS, connect
from synccore.connectors.memory import MemoryApp
from synccore.connectors.options import OptionType
from synccore.connectors.postgresql import PostgresqlConnector
from synccore.failures import Misconfigured, Scope
from synccore.forms.connection import SecretArea
from synccore.models import Connection, Problem, SetupCheck, SynchJob
from synccore.services import connections as services
from synccore.services.rights import RightMissing
from tests import factories as make

from .test_actions import said

LIST = reverse("synccore:connections")
SECRET = "hunter2 & <b>never</b> shown"


@pytest.fixture
def app(db) -> Connection:
    """A database as somebody set it up."""
    options = {"host": "erp.example", "port": 5433, "dbname": "erp", "user": "tandem", "views": {"v": "id"}}
    return make.make_connection(
        "Books", kind="postgresql", secrets={"password": SECRET}, options=options, integration_user="tandem"
    )


@pytest.fixture
def contacts() -> None:
    """For tests that run a job, which may."""


@pytest.fixture(autouse=True)
def nobody_is_contacted(request):
    """A page that asked an app would fail here."""
    if "contacts" not in request.fixturenames:
        request.getfixturevalue("no_app")


def page(app: Connection, name: str = "connection") -> str:
    return reverse(f"synccore:{name}", args=[app.pk])


def answers(app: Connection, **changed) -> dict[str, str]:
    """The form as the page showed it, with some answers changed."""
    shown = {"name": app.name, "revision": services.revision_of(app)}
    for name, value in services.options_of(app).items():
        shown[f"option_{name}"] = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return {**shown, **changed}


# --- who may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_only_who_may_set_up_gets_in(request, world, app, as_user, who):
    browser = as_user(request.getfixturevalue(who))
    for where in (LIST, reverse("synccore:new_connection"), page(app), page(app, "edit_connection")):
        answer = browser.get(where)
        assert answer.status_code == 403
        assert "These groups have it: Administrator" in answer.content.decode()
    assert browser.post(page(app, "test_connection")).status_code == 403
    assert browser.post(page(app, "edit_connection"), answers(app, name="Mine")).status_code == 403
    assert (
        browser.post(reverse("synccore:new_connection") + "?kind=postgresql", answers(app)).status_code == 403
    )
    assert LIST not in browser.get("/").content.decode()
    app.refresh_from_db()
    assert app.name == "Books"
    assert not SynchJob.objects.filter(connection=app).exists()


def test_the_services_check_the_right_themselves(world, app, owner):
    with pytest.raises(RightMissing):
        services.start_test(app, user=owner)
    with pytest.raises(RightMissing):
        services.save_connection(app, user=owner, name="Mine", options={}, secrets={})


# --- what the pages say --------------------------------------------------------------------------------


def test_a_page_shows_the_options_and_that_a_secret_is_set(world, app, administrator, as_user):
    text = as_user(administrator).get(page(app)).content.decode()
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", text))
    assert facts["Server"] == "erp.example"
    assert facts["Password"] == "set"
    assert facts["Connection string"] == "not set"
    assert facts["Key fields of views"] == "v: id"
    assert facts["Schema"] == "public (default)"


@pytest.mark.parametrize("kind", sorted(CONNECTORS))
def test_the_form_asks_for_what_the_kind_declares(world, administrator, as_user, kind):
    app = make.make_connection(kind=kind)
    form = as_user(administrator).get(page(app, "edit_connection")).context["form"]
    asked = {name.removeprefix("option_") for name in form.fields if name.startswith("option_")}
    declared = [option for option in CONNECTORS[kind].options if not option.listed]
    assert asked == {option.name for option in declared}
    for option in declared:
        widget = form.fields[f"option_{option.name}"].widget
        if option.secret:
            assert isinstance(widget, SecretArea) or widget.input_type == "password"
            assert "typed-before" not in widget.render("x", "typed-before")
        if option.type is OptionType.CHOICE:
            assert all(f'value="{choice}"' in str(form[f"option_{option.name}"]) for choice in option.choices)


def test_a_set_up_problem_of_the_app_stands_above_with_its_guide(world, app, administrator, as_user):
    make.make_problem(
        connection=app, kind="misconfigured", code="sign_in_refused", state="retrying", side="left",
        params={"user": "tandem", "side": "left"}, app_message="password authentication failed",
    )  # fmt: skip
    text = as_user(administrator).get(page(app)).content.decode()
    assert "Books refuses the sign-in" in text
    assert "Enter the integration user&#x27;s password again" in text
    assert "Books answered:" in text
    assert "Set-up problem" in as_user(administrator).get(LIST).content.decode()


def test_the_clock_is_said_with_its_uncertainty(world, app, administrator, as_user):
    Connection.objects.filter(pk=app.pk).update(
        skew_seconds=-2.5, skew_uncertainty=0.04, checked_at=timezone.now()
    )
    assert "2.50 s behind ours (± 0.04 s)" in as_user(administrator).get(page(app)).content.decode()


def test_a_difference_within_the_uncertainty_is_none(world, app, administrator, as_user):
    Connection.objects.filter(pk=app.pk).update(
        skew_seconds=0.43, skew_uncertainty=0.51, checked_at=timezone.now()
    )
    assert "the same as ours (± 0.51 s)" in as_user(administrator).get(page(app)).content.decode()


# --- secrets -------------------------------------------------------------------------------------------


def everything_shown(browser, app: Connection) -> str:
    pages = [LIST, page(app), page(app, "edit_connection"), "/", reverse("synccore:jobs")]
    return "".join(browser.get(where).content.decode() for where in pages)


def test_a_secret_is_in_no_page_no_repr_and_no_stored_option(world, app, administrator, as_user):
    text = everything_shown(as_user(administrator), app)
    opened = connect(app.kind, app.options, app.secrets(), app=app.name)
    for form_of_it in (SECRET, "hunter2", app.credentials):
        assert form_of_it not in text
    assert "hunter2" not in json.dumps(app.options) + repr(app) + repr(opened) + services.revision_of(app)


def test_a_typed_secret_does_not_come_back_with_an_error(world, app, administrator, as_user):
    typed = answers(app, option_port="none", option_password="swordfish-2")
    answer = as_user(administrator).post(page(app, "edit_connection"), typed)
    assert answer.status_code == 422
    assert "swordfish-2" not in answer.content.decode()


def test_a_secret_stays_when_nothing_is_typed_and_is_replaced_by_typing(world, app, administrator, as_user):
    browser = as_user(administrator)
    browser.post(page(app, "edit_connection"), answers(app, name="Ledger"))
    app.refresh_from_db()
    assert (app.name, app.secrets()) == ("Ledger", {"password": SECRET})
    browser.post(page(app, "edit_connection"), answers(app, option_password=" two words "))
    app.refresh_from_db()
    assert app.secrets() == {"password": " two words "}


def test_a_secret_is_removed_by_its_box_only(world, app, administrator, as_user):
    as_user(administrator).post(page(app, "edit_connection"), answers(app, forget_password="on"))
    app.refresh_from_db()
    assert app.secrets() == {}


@pytest.mark.parametrize(
    "moved", [{"option_host": "elsewhere.example"}, {"option_port": "5434"}, {"option_sslmode": "disable"}]
)
def test_a_stored_secret_is_not_sent_to_another_address(world, app, administrator, as_user, moved):
    browser = as_user(administrator)
    answer = browser.post(page(app, "edit_connection"), answers(app, **moved))
    assert answer.status_code == 422
    assert "The address has changed. Type it again" in answer.context["form"].errors["option_password"][0]
    app.refresh_from_db()
    assert app.options["host"] == "erp.example"
    answer = browser.post(page(app, "edit_connection"), answers(app, **moved, option_password=SECRET))
    assert answer.status_code == 302


@override_settings(CREDENTIAL_KEYS=["rH0mqvYyQ0uGkS0cLQyQm3VvVYVb3nJ0a7pJ3o1m3dQ="])
def test_credentials_of_another_key_are_told_and_can_be_typed_again(world, administrator, as_user, app):
    with override_settings(CREDENTIAL_KEYS=["cwGmB2oQ9uXn0l8hS1pJY0pWcZ1d7yD3r5gV9kqT2aE="]):
        app.set_secrets({"password": "of another time"})
        app.save()
    browser = as_user(administrator)
    assert "cannot be read with the keys of this installation" in browser.get(page(app)).content.decode()
    token = app.credentials
    browser.post(page(app, "edit_connection"), answers(app, name="Ledger"))
    app.refresh_from_db()
    assert (app.name, app.credentials) == ("Ledger", token)  # a rename throws nothing away
    browser.post(page(app, "edit_connection"), answers(app, option_password="new"))
    app.refresh_from_db()
    assert app.secrets() == {"password": "new"}


# --- the form ------------------------------------------------------------------------------------------


def test_a_new_connection(world, administrator, as_user):
    where = reverse("synccore:new_connection") + "?kind=postgresql"
    typed = {
        "name": "Shop", "option_host": "shop.example", "option_port": "5432", "option_dbname": "shop",
        "option_user": "tandem_shop", "option_password": SECRET, "option_overlap": "60",
        "option_patterns": '[{"sqlstate": "TD001", "kind": "rejected", "code": "too_big"}]',
    }  # fmt: skip
    answer = as_user(administrator).post(where, typed, follow=True)
    made = Connection.objects.get(name="Shop")
    assert "Shop is saved and tested now." in said(answer)
    assert SynchJob.objects.get(connection=made).verb == "check_connection"
    assert made.options == {
        "host": "shop.example", "port": 5432, "dbname": "shop", "user": "tandem_shop",
        "patterns": [{"sqlstate": "TD001", "kind": "rejected", "code": "too_big"}],
    }  # fmt: skip
    assert (made.integration_user, made.overlap_seconds) == ("tandem_shop", 60)
    assert made.secrets() == {"password": SECRET}


def test_kinds_that_are_not_for_people_are_not_offered(world, administrator, as_user):
    answer = as_user(administrator).get(reverse("synccore:new_connection") + "?kind=memory")
    offered = {kind for kind, _label, _about in answer.context["cards"]}
    assert "postgresql" in offered and "memory" not in offered


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [("port", "none", "It must be a whole number."), ("port", "0", "It must be at least 1."),
     ("statement_timeout", "900", "It must be at most 55."), ("sslmode", "maybe", "It is none of the choices."),
     ("views", "[1]", "It does not have the form that is asked for."), ("views", "{", "This is not JSON."),
     ("views", '{"v": "\\u0000"}', "This is not JSON."), ("views", '{"v": "\\ud800"}', "This is not JSON."),
     ("views", '{"v": NaN}', "This is not JSON."), pytest.param("views", "[" * 100_000, "This is not JSON.", id="deep"),
     ("patterns", '[{"sqlstate": "TD001", "kind": "nonsense", "code": "x"}]', "Pattern number 1"),
     ("time_zone", "?", "It does not have the form"), ("user", "", "It must be filled in."),
     ("dsn", "not a dsn", "The connection string of Books")],
)  # fmt: skip
def test_bad_answers_are_told_beside_their_field(world, app, administrator, as_user, field, typed, sentence):
    sent = answers(app, option_password=SECRET) | {f"option_{field}": typed}
    answer = as_user(administrator).post(page(app, "edit_connection"), sent)
    assert answer.status_code == 422
    assert sentence in answer.context["form"].errors[f"option_{field}"][0]
    assert str(typed or "…") not in answer.context["form"].errors[f"option_{field}"][0]
    before = app.options
    app.refresh_from_db()
    assert app.options == before


def test_all_bad_answers_are_told_at_once(world, app, administrator, as_user):
    sent = answers(app, option_overlap="x", option_lock_timeout="y", option_password=SECRET)
    answer = as_user(administrator).post(page(app, "edit_connection"), sent)
    assert {"option_overlap", "option_lock_timeout"} <= answer.context["form"].errors.keys()


def test_a_name_that_is_taken_is_told(world, app, administrator, as_user):
    answer = as_user(administrator).post(page(app, "edit_connection"), answers(app, name="ERP"))
    assert "Another connection has this name." in answer.content.decode()


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(world, app, administrator, as_user):
    browser = as_user(administrator)
    seen = answers(app, name="Second")
    browser.post(page(app, "edit_connection"), answers(app, name="First"))
    answer = browser.post(page(app, "edit_connection"), seen, follow=True)
    assert "Somebody saved First while you looked at it" in said(answer)
    app.refresh_from_db()
    assert app.name == "First"
    assert answer.context["form"]["name"].value() == "First"


def test_a_forged_or_missing_revision_saves_nothing(world, app, administrator, as_user):
    as_user(administrator).post(page(app, "edit_connection"), answers(app, name="X", revision=""))
    app.refresh_from_db()
    assert app.name == "Books"


# --- Test Connection -----------------------------------------------------------------------------------


def test_test_connection_is_a_job_and_contacts_nobody_by_itself(world, app, administrator, as_user):
    answer = as_user(administrator).post(page(app, "test_connection"), follow=True)
    job = SynchJob.objects.get(connection=app)
    assert (job.verb, job.state, job.requested_by) == ("check_connection", "queued", administrator)
    assert f"Books is being tested by job {job.pk}" in said(answer)
    assert "Being tested" in answer.content.decode()
    assert 'hx-trigger="every 2s"' in answer.content.decode()


def test_pressing_twice_queues_one_job(world, app, administrator, as_user):
    for _ in range(2):
        as_user(administrator).post(page(app, "test_connection"))
    assert SynchJob.objects.filter(connection=app).count() == 1


@pytest.mark.usefixtures("contacts")
def test_a_test_that_passes_says_so_and_brings_the_clock(world, administrator, as_user, monkeypatch):
    memory, stopped = MemoryApp.get("clock app"), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: stopped)
    memory.clock = stopped + timedelta(seconds=30)
    app = make.make_connection("Clock", options={"name": "clock app"})
    job = jobs.run(services.start_test(app, user=administrator).pk)
    assert job.state == "finished"
    text = as_user(administrator).get(page(app)).content.decode()
    assert "Answers" in text
    assert re.search(r"(29\.\d\d|30\.\d\d) s ahead of ours", text)
    assert 'hx-trigger="every 2s"' not in text


@pytest.mark.usefixtures("contacts")
def test_a_test_that_fails_says_why_and_what_to_do(world, administrator, as_user):
    memory = MemoryApp.get("locked app")
    params = {"app": "Locked", "user": "tandem"}
    memory.faults.fail = [
        Misconfigured("sign_in_refused", params, scope=Scope.CONNECTION, app_message="who are you")
    ]
    app = make.make_connection("Locked", options={"name": "locked app"})
    job = jobs.run(services.start_test(app, user=administrator).pk)
    assert (job.state, job.code) == ("failed", "sign_in_refused")
    browser = as_user(administrator)
    for where in (page(app), reverse("synccore:job", args=[job.pk]), reverse("synccore:jobs")):
        text = browser.get(where).content.decode()
        assert "Locked does not let tandem in" in text
        assert "Locked answered:" in text
    assert "Enter the integration user&#x27;s password again" in browser.get(page(app)).content.decode()
    assert not Problem.objects.filter(connection=app).exists()


@pytest.mark.usefixtures("contacts")
def test_a_test_that_passes_lets_the_held_mappings_be_checked(world, administrator):
    app = world.mapping.integration.left
    Connection.objects.filter(pk=app.pk).update(options={"name": "held app"})
    MemoryApp.get("held app")
    kinds = {"kind": "misconfigured", "code": "sign_in_refused", "state": "retrying"}
    of_app = make.make_problem(connection=app, next_attempt=None, **kinds)
    of_mapping = make.make_problem(mapping=world.hidden, next_attempt=None, **kinds)
    jobs.run(services.start_test(app, user=administrator).pk)
    for problem in (of_app, of_mapping):
        problem.refresh_from_db()
        assert problem.next_attempt is not None


def test_the_postgresql_kind_declares_where_secrets_go():
    assert {option.name for option in PostgresqlConnector.options if option.address} == {
        "host", "port", "dbname", "user", "sslmode",
    }  # fmt: skip


# --- set-up checks on the page -------------------------------------------------------------------------


def store(app: Connection, code: str, state: str, mapping=None, **params) -> None:
    SetupCheck.objects.create(
        connection=app, mapping=mapping, code=code, state=state, params=params, at=timezone.now()
    )


def test_what_failed_stands_first_with_what_to_do_who_and_the_statement(world, app, administrator, as_user):
    grant = 'GRANT UPDATE ON TABLE "public"."item" TO "tandem";'
    store(app, "signs_in", "pass")
    store(app, "not_owner", "unknown")
    store(
        app,
        "privileges",
        "fail",
        world.mapping,
        table="item",
        user="tandem",
        privilege=["UPDATE"],
        grant=grant,
    )
    browser = as_user(administrator)
    answer = browser.get(page(app))
    text = answer.content.decode()
    groups = [
        (group.subject, [row.state.word for row in group.rows], len(group.passed))
        for group in answer.context["checks"].groups
    ]
    assert groups == [
        ("rights", ["Failed"], 0), ("account", ["Could not be checked"], 0), ("connection", [], 1),
    ]  # fmt: skip
    assert [each.word for each in answer.context["checks"].summary] == [
        "1 failed", "1 could not be checked", "1 passed",
    ]  # fmt: skip
    assert "tandem lacks UPDATE on item." in text
    assert "GRANT UPDATE ON TABLE &quot;public&quot;.&quot;item&quot; TO &quot;tandem&quot;;" in text
    assert "Who can do it: Whoever runs Books" in text
    assert "Books did not tell." in text
    assert "1 check passed" in text
    assert "1 set-up check failed" in browser.get(LIST).content.decode()


def test_nothing_checked_yet_is_not_called_passed(world, app, administrator, as_user):
    text = as_user(administrator).get(page(app)).content.decode()
    assert "Not checked yet." in text
    assert "passed" not in text


def test_words_of_an_app_are_data(world, app, administrator, as_user):
    store(app, "signs_in", "fail", said="<script>alert(1)</script>", table="<b>")
    store(app, "fields", "fail", world.mapping, table="<i>t</i>", field=["<u>f</u>"])
    text = as_user(administrator).get(page(app)).content.decode()
    for raw in ("<script>alert", "<i>t</i>", "<u>f</u>"):
        assert raw not in text


def test_check_the_set_up_is_a_job_and_needs_the_right(world, app, administrator, viewer, as_user):
    assert as_user(viewer).post(page(app, "check_set_up")).status_code == 403
    assert not SynchJob.objects.filter(connection=app).exists()
    answer = as_user(administrator).post(page(app, "check_set_up"), follow=True)
    job = SynchJob.objects.get(connection=app)
    assert (job.verb, job.state) == ("check_set_up", "queued")
    assert f"The set-up of Books is being checked by job {job.pk}" in said(answer)
    assert 'hx-trigger="every 2s"' in answer.content.decode()


def test_the_region_alone_is_sent_to_a_page_that_asks_again(world, app, administrator, as_user):
    answer = as_user(administrator).get(page(app), headers={"HX-Request": "true"})
    assert answer.content.decode().strip().startswith('<div id="connection-region"')


# --- check now ----------------------------------------------------------------------------------------


def holding(world):
    return make.make_problem(
        mapping=world.mapping,
        kind="misconfigured",
        code="missing_table_privilege",
        state="retrying",
        next_attempt=timezone.now() + timedelta(hours=1),
        name=world.mapping.name,
    )


@pytest.mark.parametrize("where", ["home", "coupling:coupled"])
@pytest.mark.usefixtures("contacts")
def test_check_now_stands_on_the_banner_for_those_who_set_up(world, administrator, owner, as_user, where):
    problem = holding(world)
    address = reverse("synccore:check_now", args=[problem.pk])
    browser = as_user(administrator)
    assert address in browser.get(reverse(where)).content.decode()
    assert address not in as_user(owner).get(reverse(where)).content.decode()
    answer = browser.post(address, {"back": reverse(where)}, follow=True)
    job = SynchJob.objects.get(verb="check", mapping=world.mapping)
    assert answer.redirect_chain == [(reverse(where), 302)]
    assert f'Checked now by <a href="{reverse("synccore:job", args=[job.pk])}">' in answer.content.decode()
    assert "If it passes, Customer goes on at once" in answer.content.decode()


@pytest.mark.usefixtures("contacts")
def test_check_now_is_refused_and_says_when_it_ended_meanwhile(world, administrator, owner, as_user):
    problem = holding(world)
    address = reverse("synccore:check_now", args=[problem.pk])
    assert as_user(owner).post(address).status_code == 403
    Problem.objects.filter(pk=problem.pk).update(state="ended", ending="fixed", ended_at=timezone.now())
    answer = as_user(administrator).post(address, {"back": "https://elsewhere.example/"}, follow=True)
    assert answer.redirect_chain[0][0] == reverse("home")
    assert "is not held by this any more" in answer.content.decode()
    assert not SynchJob.objects.filter(verb="check").exists()
    record = reverse("synccore:check_now", args=[world.conflict.pk])
    assert as_user(administrator).post(record).status_code == 404


# --- currencies ---------------------------------------------------------------------------------------


def test_currencies_are_asked_whole_or_not_at_all(world, administrator, as_user):
    app = world.mapping.integration.left
    browser, where = as_user(administrator), page(app, "currencies")
    half = browser.post(where, {"mapping": world.mapping.pk, "base": "EUR"})
    assert half.status_code == 422 and half.content.decode().count("It must be filled in.") == 2
    other = make.make_mapping("Elsewhere")
    foreign = browser.post(where, {"mapping": other.pk, "base": "EUR", "table": "t", "field": "f"})
    assert foreign.status_code == 422
    whole = {"mapping": world.mapping.pk, "base": "EUR", "table": "<b>rates", "field": "code"}
    answer = browser.post(where, whole, follow=True)
    assert "Base currency EUR, exchange rates in &lt;b&gt;rates." in answer.content.decode()
    assert Connection.objects.get(pk=app.pk).currencies == {**whole, "mapping": world.mapping.pk}
    browser.post(where, {"mapping": ""})
    assert Connection.objects.get(pk=app.pk).currencies == {}
    answer = browser.post(where, {"mapping": "", "skip": "on"}, follow=True)
    assert Connection.objects.get(pk=app.pk).currencies == {"skip": True}
    assert "This app holds no amounts" in answer.content.decode()


def test_what_the_app_tells_of_its_currencies_is_said_where_one_would_type_it(world, administrator, as_user):
    app = world.mapping.integration.left
    browser = as_user(administrator)
    assert "did not tell where they are" in browser.get(page(app, "currencies")).content.decode()
    told = {"base": "EUR", "table": "currencies", "rates": "<b>rates", "field": "code"}
    Connection.objects.filter(pk=app.pk).update(told_currencies=told)
    text = browser.get(page(app, "currencies")).content.decode()
    assert "base currency EUR, exchange rates in &lt;b&gt;rates" in text
    assert (
        "Base currency EUR, exchange rates in &lt;b&gt;rates, as the app tells."
        in browser.get(page(app)).content.decode()
    )

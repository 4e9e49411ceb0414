"""Connection Setup with everything it can show, in a real browser: nothing for axe, no sideways scrolling, pictures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from synccore import jobs
from synccore.connectors.memory import MemoryApp, MemoryConnector
from synccore.failures import Misconfigured, Scope
from synccore.models import Connection, SetupCheck, SynchJob
from synccore.services import connections as services
from synccore.shapes import Choice, FieldInfo, FieldType, KeyKind, TableInfo
from tests import factories as make

from .looks import look_at, picture

LONG = "CRONUS International Ltd. Nederland en België, afdeling groothandel en detailhandel " * 2


@pytest.fixture
def app(transactional_db, monkeypatch) -> Connection:
    monkeypatch.setattr(MemoryConnector, "label", "Practice app")
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)
    erp = MemoryApp.get("looks")
    erp.choices = [
        Choice("CRONUS NL", {"company": "1"}, "Production"),
        Choice(LONG, {"company": "2"}, "Sandbox-with-a-very-long-name-that-nobody-cut"),
        *(Choice(f"My Company {n}", {"company": str(n)}, "Production") for n in range(3, 9)),
    ]
    for n in range(4):
        fields = {
            f"field_{each}": FieldInfo(
                f"field_{each}", FieldType.TEXT, length=50 + each, label=f"Veld {each}", required=each % 2 == 0,
                read_only=each == 3, native="Edm.String",
            )
            for each in range(6)
        }  # fmt: skip
        erp.add_table(
            TableInfo(f"table_{n}", fields, "field_0", KeyKind.UUID, label=f"Tabel {n}", writable=n != 2)
        )
    made = make.make_connection("ERP", options={"name": "looks"}, integration_user="Tandem integration")
    make.make_mapping(
        "Customers", integration=make.make_integration(left=made, right=make.make_connection("CRM"))
    )
    yield made
    MemoryApp.forget("looks")


@pytest.fixture
def page(app, open_browser):
    return open_browser(make.make_user("Administrator", username="anna"))


def work() -> None:
    while (job := jobs.startable().first()) is not None:
        jobs.run(job.pk)


def go(page, name: str, app: Connection, query: str = "") -> None:
    page.goto(reverse(f"synccore:{name}", args=[app.pk]) + query)


def test_the_kinds_and_a_form_with_errors(page, app):
    page.goto(reverse("synccore:new_connection"))
    look_at(page, "setup-kinds")
    page.goto(reverse("synccore:new_connection") + "?kind=postgresql")
    page.locator("summary", has_text="More options").click()
    page.locator("[name=option_statement_timeout]").fill("900")
    page.get_by_role("button", name="Save and test").click()
    page.locator(".field-error").first.wait_for()
    look_at(page, "setup-form-errors")


def test_a_test_under_way_failed_and_passed(page, app):
    services.start_test(app, user=None)
    go(page, "guided_test", app)
    look_at(page, "setup-test-runs")
    MemoryApp.get("looks").faults.fail = [
        Misconfigured(
            "sign_in_refused", {"user": "Tandem integration"}, scope=Scope.CONNECTION,
            app_message="AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is "
            "the client secret value, not the client secret ID, for a secret added to app '5c1d2f4e'.",
        )
    ]  # fmt: skip
    work()
    go(page, "guided_test", app)
    look_at(page, "setup-test-failed")
    services.start_test(app, user=None)
    work()
    go(page, "guided_test", app)
    look_at(page, "setup-test-passed")


def test_choosing_from_a_list_also_while_records_are_coupled(page, app):
    services.start_test(app, user=None)
    work()
    go(page, "guided_choose", app)
    look_at(page, "setup-choose")
    services.choose(app, user=None, answers={"company": "1"}, revision=services.revision_of(app))
    make.make_coupling(app_mapping(app))
    go(page, "choose", app)
    page.get_by_label("My Company 4").check()
    page.get_by_role("button", name="Use this one").click()
    page.get_by_label("It holds the same records").wait_for()
    look_at(page, "setup-choose-coupled")
    MemoryApp.get("looks").choices = [Choice("Contoso", {}, "contoso.crm4.dynamics.com")]
    services.start_listing(app, user=None)
    work()
    go(page, "guided_choose", app)
    look_at(page, "setup-confirm")


def app_mapping(app: Connection):
    from synccore.models import TableMapping

    return TableMapping.objects.get(integration__left=app)


def test_checks_of_every_state_tables_and_what_next(page, app):
    mapping = app_mapping(app)
    services.start_test(app, user=None)
    services.start_set_up_check(app, user=None)
    SynchJob.objects.create(verb="describe", connection=app)
    work()
    now = timezone.now()
    for code, state, of, params in (
        ("privileges", "fail", mapping, {"table": "account", "user": "tandem", "privilege": ["prvWriteAccount"],
                                         "grant": 'GRANT UPDATE ON TABLE "public"."account" TO "tandem";'}),
        ("not_superuser", "fail", None, {"user": "tandem"}),
        ("password_valid", "warn", None, {"user": "tandem", "until": "2026-12-01", "days": 6}),
        ("compatible", "warn", mapping, {"table": "account", "field": ["name", "address1_line1", "jobtitle"]}),
        ("exchange_rates", "fail", mapping, {"table": "rates", "currency": ["NOK", "USD"], "base": "EUR"}),
    ):  # fmt: skip
        SetupCheck.objects.filter(connection=app, code=code).delete()
        SetupCheck.objects.create(
            connection=app,
            mapping=of,
            code=code,
            state=state,
            params=params,
            at=now,
            since=now - timedelta(days=3),
        )
    go(page, "connection", app)
    look_at(page, "setup-connection")
    picture(page, "setup-connection-full", whole=True)
    go(page, "guided_checks", app)
    picture(page, "setup-checks-full", whole=True)
    look_at(page, "setup-checks")
    go(page, "app_tables", app)
    look_at(page, "setup-tables")
    go(page, "app_tables", app, "?table=table_1")
    look_at(page, "setup-table")
    go(page, "guided_next", app)
    look_at(page, "setup-next-paired")
    alone = make.make_connection("Webshop")
    go(page, "guided_next", alone)
    look_at(page, "setup-next-alone")

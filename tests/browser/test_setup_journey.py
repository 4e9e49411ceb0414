"""From an empty installation to two connected apps and their pair, with the pages alone and services that speak the real
protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from synccore import jobs
from synccore.models import Connection, Integration, SetupCheck
from synccore.models.catalogue import read_at
from tests import factories as make
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer

from .looks import check


@pytest.fixture
def erp() -> Iterator[BusinessCentralServer]:
    with BusinessCentralServer() as server:
        yield server


@pytest.fixture
def crm() -> Iterator[DataverseServer]:
    with DataverseServer() as server:
        yield server


@pytest.fixture
def page(transactional_db, monkeypatch, open_browser) -> Page:
    monkeypatch.setattr("synccore.tasks.run_job.apply_async", lambda *_given, **_options: None)
    found: Page = open_browser(make.make_user("Administrator", username="anna"))
    return found


def work() -> None:
    """What a worker would do now."""
    while (job := jobs.startable().first()) is not None:
        jobs.run(job.pk)


def fill(page: Page, server, *, name: str, address: str, secret: str = "") -> None:
    """The form of an app, as somebody fills it who has its address from a browser, and its credentials."""
    page.get_by_label("Name of the app").fill(name)
    page.get_by_label("Address", exact=True).fill(address)
    page.get_by_label("Client ID").fill(server.client_id)
    page.get_by_label("Client secret", exact=True).fill(secret or server.client_secret)
    # Where tokens come from is the only thing that a service of a test has to say itself.
    page.get_by_text("More options").click()
    page.get_by_label("Token address").fill(server.token_url)


def test_two_apps_are_connected_from_an_empty_installation(page, erp, crm):
    page.goto("/connections/")
    page.get_by_role("link", name="Connect the first one").click()
    expect(page.get_by_role("heading", name="Business Central")).to_be_visible()
    check(page, "journey-kinds")
    page.get_by_role("link", name="Business Central", exact=True).click()
    fill(page, erp, name="ERP", address=f"{erp.url}customers?$top=1", secret="not the secret")
    check(page, "journey-form")
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_role("heading", level=1, name="Test the connection to ERP")).to_be_visible()
    expect(page.get_by_text("What you typed was turned into")).to_be_visible()
    work()
    expect(page.get_by_text("Test failed")).to_be_visible()
    expect(page.get_by_role("link", name="Go on")).to_have_count(0)
    check(page, "journey-refused")

    page.get_by_role("link", name="Change address or credentials").click()
    page.get_by_label("Client secret", exact=True).fill(erp.client_secret)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_role("heading", level=1, name="Test the connection to ERP")).to_be_visible()
    work()
    expect(page.locator("#guided-region").get_by_text("Answers", exact=True)).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_role("heading", level=1, name="Company or environment")).to_be_visible()
    expect(page.get_by_role("radio")).to_be_checked()  # there is one only
    check(page, "journey-company")
    page.get_by_role("button", name="Use this one").click()
    expect(page.get_by_role("heading", level=1, name="Set-up checks of ERP")).to_be_visible()
    work()
    expect(page.locator(".check-summary")).to_contain_text("passed")
    check(page, "journey-checks")
    page.get_by_role("link", name="Go on").click()

    page.get_by_role("link", name="Connect the other app").click()
    page.get_by_role("link", name="Dataverse", exact=True).click()
    fill(page, crm, name="CRM", address=f"{crm.address}/main.aspx?appid=1&pagetype=entitylist&etn=account")
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_role("heading", level=1, name="Test the connection to CRM")).to_be_visible()
    work()
    expect(page.locator("#guided-region").get_by_text("Answers", exact=True)).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_text("contoso", exact=True)).to_be_visible()
    page.get_by_role("button", name="Yes, this is it").click()
    expect(page.get_by_role("heading", level=1, name="Set-up checks of CRM")).to_be_visible()
    work()
    expect(page.locator(".check-summary")).to_contain_text("passed")
    check(page, "journey-checks-crm")
    page.get_by_role("link", name="Go on").click()

    expect(page.get_by_label("Name", exact=True)).to_have_value("ERP ⇄ CRM")
    page.get_by_role("button", name="Make them a pair").click()
    expect(page.get_by_role("link", name="New mapping")).to_be_visible()
    check(page, "journey-pair")
    page.get_by_role("link", name="Use Default Synchronization Setup").click()
    expect(page.get_by_role("heading", level=1, name="Use Default Synchronization Setup")).to_be_visible()

    pair = Integration.objects.get()
    left, right = pair.left, pair.right
    assert (left.name, right.name) == ("ERP", "CRM")
    assert left.options["company"] == erp.company
    assert left.options["environment"] == erp.environment
    assert (left.address, right.address) == (erp.address, crm.address)
    assert left.integration_user == erp.client_id
    assert left.secrets() == {"client_secret": erp.client_secret}
    for app in Connection.objects.all():
        states = dict(SetupCheck.objects.filter(connection=app).values_list("code", "state"))
        assert (states["address"], states["signs_in"], states["user_enabled"]) == ("pass", "pass", "pass")
        assert states["clock"] in ("pass", "warn")
        assert read_at([app.pk])[app.pk] is not None
    page.goto(f"/connections/{left.pk}/tables/?q=customers")
    expect(page.get_by_role("link", name="customers")).to_be_visible()
    assert "not the secret" not in page.content() and erp.client_secret not in page.content()


def test_a_refused_form_starts_on_its_first_wrong_answer(page):
    page.goto("/connections/new/?kind=dataverse")
    page.get_by_label("Name of the app").fill("CRM")
    page.get_by_label("Address", exact=True).fill("hello world")
    page.get_by_label("Tenant").fill("contoso.com")
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_label("Client ID")).to_be_focused()
    expect(page.locator(".field-error")).to_have_text(["It must be filled in.", "It must be filled in."])
    page.get_by_label("Client ID").fill("11111111-2222-3333-4444-555555555555")
    page.get_by_label("Client secret").fill("s3cret")
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_label("Address", exact=True)).to_be_focused()
    expect(page.get_by_text("It must be an address that begins with https://.")).to_be_visible()
    assert not Connection.objects.exists()

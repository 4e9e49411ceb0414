"""The bar and *Break something* while the online demo runs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from synccore.models import Connection
from tandem.demo import shows
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.online import faults, steps
from tandem.demo.online.apps import OnlineApps
from tandem.demo.online.cases import CASES
from tandem.demo.online.host import Host, open_app
from tests.factories import make_connection, make_problem

BREAK = "/demo/break/"
LIVE = "/live/demo/faults/"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory) -> Iterator[dict[str, Host]]:
    folder = tmp_path_factory.mktemp("console")
    kinds = ("business_central", "dataverse")
    found = {kind: open_app(kind, port=0, file=folder / f"{kind}.records", key="k") for kind in kinds}
    for host in found.values():
        host.server.start()
    yield found
    for host in found.values():
        host.server.close()


@pytest.fixture
def online(hosts, settings, monkeypatch) -> OnlineApps:
    """The console as it is while the online demo runs."""
    settings.DEMO = True
    settings.ROOT_URLCONF = "tests.demo.console"
    (engine,) = settings.TEMPLATES
    options = engine["OPTIONS"]
    processors = [*options["context_processors"], "tandem.demo.bar.bar"]
    settings.TEMPLATES = [{**engine, "OPTIONS": {**options, "context_processors": processors}}]
    monkeypatch.setenv("TANDEM_DEMO_APPS", "dataverse")
    monkeypatch.setenv("TANDEM_DEMO_KEY", "k")
    for kind, host in hosts.items():
        monkeypatch.setenv(f"TANDEM_DEMO_{kind.upper()}_PORT", str(host.server.port))
    apps = OnlineApps.of_environment()
    yield apps
    faults.put_right(apps)


def text_of(answer) -> str:
    return html.unescape(" ".join(answer.content.decode().split()))


def test_it_offers_what_happens_to_online_apps(world, administrator, as_user, online):
    browser = as_user(administrator)
    text = text_of(browser.get(BREAK))
    for fault in faults.FAULTS.values():
        assert str(fault.title) in text
    assert "GRANT" not in text and "CRM:" not in text


def test_a_fault_is_caused_seen_and_put_right(world, administrator, as_user, online):
    browser = as_user(administrator)
    page = make_connection("Dataverse", kind="dataverse")
    browser.post(BREAK + "admin-mode/")
    text = text_of(browser.get(LIVE))
    assert "Dataverse is in administration mode." in text and f"/connections/{page.pk}/" in text
    assert online.crm.state()["admin_mode"] is True
    browser.post(BREAK + "admin-mode/put-right/")
    assert "Dataverse is in administration mode." not in text_of(browser.get(LIVE))
    assert browser.post(BREAK + "down-with-it/").status_code == 404


def test_everything_is_put_right_and_tandem_looks_again(world, administrator, as_user, online, monkeypatch):
    monkeypatch.setattr("synccore.tasks.kick", lambda: 0)
    for name, kind in (("Business Central", "business_central"), ("Dataverse", "dataverse")):
        make_connection(name, kind=kind)
    browser = as_user(administrator)
    for name in ("admin-mode", "expired", "down", "throttled"):
        browser.post(f"{BREAK}{name}/")
    browser.post("/demo/put-all-right/")
    assert {each.now for each in faults.standings(online)} == {""}
    for app in Connection.objects.filter(name__in=("Business Central", "Dataverse")):
        assert {job.verb for job in app.jobs.all()} == {"check_connection", "check_set_up"}


def test_an_app_that_does_not_answer_is_said(world, administrator, as_user, online, monkeypatch):
    monkeypatch.setenv("TANDEM_DEMO_DATAVERSE_PORT", "1")
    browser = as_user(administrator)
    assert "Dataverse does not answer" in text_of(browser.get(LIVE))
    answer = browser.post(BREAK + "down/", follow=True)
    assert "Dataverse does not answer" in text_of(answer)


def test_the_card_names_the_online_apps(world, administrator, as_user, online):
    card = re.search(
        r"<ol class=\"demo-steps\">.*?</ol>", as_user(administrator).get("/").content.decode(), re.DOTALL
    )
    assert card and "Dataverse" in card[0] and "GRANT" not in card[0]
    assert [each.step.name for each in steps.look()] == [
        "met",
        "conflict",
        "restored",
        "set_up",
        "own",
        "broken",
    ]


def test_what_was_broken_and_ended_checks_its_step_off(world, administrator, online):
    assert not {each.step.name: each.is_done for each in steps.look()}["broken"]
    connection = make_connection("Dataverse", kind="dataverse")
    make_problem(connection=connection, kind="misconfigured", code="admin_mode", state="ended")
    assert {each.step.name: each.is_done for each in steps.look()}["broken"]


def test_every_code_of_a_step_is_a_code():
    from synccore.codes import CODES

    assert set(steps.BROKEN) <= set(CODES), set(steps.BROKEN) - set(CODES)
    assert {each.code for each in CASES} <= set(CODES)


def test_an_unknown_demo_is_refused(monkeypatch):
    monkeypatch.setenv("TANDEM_DEMO_APPS", "sap")
    with pytest.raises(DemoProblem, match="choose one of databases, dataverse"):
        shows.chosen()


def test_commands_of_the_databases_say_that_they_are(monkeypatch, db):
    monkeypatch.setenv("TANDEM_DEMO_APPS", "dataverse")
    monkeypatch.setattr(Apps, "of_environment", lambda: pytest.fail("no database is asked"))
    for command in (("demo_sql", "erp", "SELECT 1"), ("demo_traffic",)):
        with pytest.raises(CommandError, match="for the demo of two databases"):
            call_command(*command)


def test_without_a_start_the_apps_are_nowhere(monkeypatch):
    monkeypatch.delenv("TANDEM_DEMO_KEY", raising=False)
    with pytest.raises(DemoProblem, match="make demo APPS=dataverse"):
        OnlineApps.of_environment()

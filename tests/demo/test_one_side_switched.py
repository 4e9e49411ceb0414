"""One side of the demo switched from a database to an OData service: a connection and its mappings, all by the forms.

It follows *Switch one side from a database to a service* in ``docs/demo.md`` step by step. The ERP is the demo's PostgreSQL
database with all its records; the CRM of the demo stays beside it, set up and untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from synccore.connectors.odata import metadata
from synccore.forms.fields import LINE
from synccore.models import (
    Connection,
    Coupling,
    Integration,
    SetupCheck,
    SynchJob,
    TableMapping,
)
from synccore.services import mappings
from synccore.verbs import problems
from tandem.demo.apps import App, Apps
from tandem.demo.online.apps import OnlineApp
from tandem.demo.online.host import by_hand, open_app
from tandem.demo.sample import CURRENCIES, NO_RATE_IN_CRM
from tandem.demo.setup import make_integration
from tests import factories as make
from tests.demo.test_end_to_end import found
from tests.demo.test_set_up_by_hand import page, save_fields, work
from tests.odata.server import Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(900)]

Rows = dict[str, dict[str, Any]]


@pytest.fixture
def browser(as_user, monkeypatch) -> Iterator[Any]:
    monkeypatch.setattr("synccore.tasks.kick", lambda: 0)  # jobs run here, not in a worker
    monkeypatch.setattr(problems, "REFUSAL_WAIT", timedelta(0))
    monkeypatch.setattr(problems, "BACKOFF", (timedelta(0),))
    metadata.forget()
    yield as_user(make.make_user("Administrator", username="anna"))
    metadata.forget()


@dataclass(frozen=True)
class Service:
    """Dataverse: ``app`` as its people work in it, through its own API; ``server`` for looking.

    ``told``: what its start prints, by caption.
    """

    server: Server
    app: OnlineApp
    told: dict[str, str]

    def rows(self, table: str) -> list[dict[str, Any]]:
        return list(self.server.rows(table).values())

    def accounts(self) -> Rows:
        """By the number that people know; by the name where there is none."""
        return {row["accountnumber"] or row["name"]: row for row in self.rows("accounts")}

    def save(self, no: str, **fields: Any) -> None:
        with self.app.person("jane.smith") as desk:
            desk.change("accounts", f"accountnumber eq '{no}'", fields)


@pytest.fixture
def dataverse(tmp_path: Path) -> Iterator[Service]:
    """The online Dataverse of the demo: its currencies and people, no account yet."""
    host = open_app("dataverse", port=0, file=tmp_path / "dataverse.records", key="k")
    with host.server:
        told = dict(each.split(": ", 1) for each in by_hand(host).splitlines() if ": " in each)
        yield Service(host.server, OnlineApp("dataverse", host.server.port, "k"), told)
    assert host.server.crashes == []


# -- the apps as their people see them ---------------------------------------------------------------------------------


def customers(erp: App) -> Rows:
    """The ERP's customers by their number, as an administrator of the database reads them."""
    with erp.as_admin() as admin:
        answer = admin.execute("SELECT * FROM customer")
        names = [column.name for column in answer.description or ()]
        return {row["no"]: row for row in (dict(zip(names, each, strict=True)) for each in answer)}


def save_customer(erp: App, no: str, column: str, value: Any) -> None:
    with erp.person("p.maas") as person:
        person.execute(f"UPDATE customer SET {column} = %s WHERE no = %s", [value, no])


# -- the pages as people use them --------------------------------------------------------------------------------------


def done(answer: Any) -> str:
    """The page that a form led on to. A form that is refused says why."""
    said = [line.errors for line in answer.context.get("lines") or () if getattr(line, "errors", None)]
    assert answer.status_code == 200 and answer.redirect_chain, (said, answer.context.get("form"))
    return str(answer.content.decode())


def step(name: str, **params: str) -> dict[str, str]:
    return {"name": name, **params}


def line(left: str, right: str, direction: str = "both", **more: Any) -> dict[str, Any]:
    return LINE.blank() | {"left": left, "right": right, "direction": direction} | more


def free(left: str, right: str, there: int, back: int, **more: Any) -> dict[str, Any]:
    """Free text of different lengths: cut to what the other side holds, and the person says that this is meant."""
    cuts = {"to_right": [step("cut", length=str(there))], "to_left": [step("cut", length=str(back))]}
    return line(left, right, accepted="on", **cuts, **more)


def connect(browser: Any, told: dict[str, str]) -> Connection:
    """Step 1: kind, address and credentials; test; environment; set-up checks."""
    typed = {
        "name": "Dataverse",
        "option_address": told["Address"],
        "option_client_id": told["Client ID"],
        "option_client_secret": told["Client secret"],
        "option_token_address": told["Token address"],
    }
    done(browser.post(reverse("synccore:new_connection") + "?kind=dataverse", typed, follow=True))
    app = Connection.objects.get(name="Dataverse")
    [test] = work()
    assert (test.verb, test.state) == ("check_connection", "finished")
    choose = reverse("synccore:guided_choose", args=[app.pk])
    shown = browser.get(choose)
    assert "Yes, this is it" in shown.content.decode()
    done(browser.post(choose, {"confirmed": "1", "revision": shown.context["revision"]}, follow=True))
    assert {job.verb: job.state for job in work()}["describe"] == "finished"
    states = dict(SetupCheck.objects.filter(connection=app).values_list("code", "state"))
    assert states["signs_in"] == "pass"
    return app


def make_mapping(browser: Any, pair: Integration, **typed: str) -> TableMapping:
    done(browser.post(reverse("synccore:new_mapping") + f"?integration={pair.pk}", typed, follow=True))
    work()  # the tables of an app that were not read yet
    return TableMapping.objects.get(integration=pair, name=typed["name"])


def save_lines(browser: Any, mapping: TableMapping, lines: list[dict[str, Any]]) -> None:
    answer = save_fields(browser, mapping, lines)
    said = [each.errors for each in answer.context["lines"] if each.errors] if answer.context else []
    assert answer.status_code == 302, said


def edit(browser: Any, mapping: TableMapping, key: str = "", **changed: str) -> None:
    """*Edit*, with what the page shows and what a person changes of it; ``key``: look new records up by this field."""
    form = browser.get(page("edit_mapping", mapping)).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    if key:
        changed["natural_key"] = str(mapping.field_mappings.get(left_field=key).pk)
    sent = {name: value for name, value in (shown | changed).items() if value not in (None, "", False)}
    done(browser.post(page("edit_mapping", mapping), sent, follow=True))
    mapping.refresh_from_db()


def save_filters(
    browser: Any, mapping: TableMapping, left: tuple[str, str], right: tuple[str, str] | None
) -> None:
    sent = {"revision": mappings.revision_of(mapping), "do": "save"}
    for side, condition in (("left", left), ("right", right)):
        sent[f"{side}-n"] = "1" if condition else "0"
        if condition:
            sent |= {
                f"{side}-0-field": condition[0],
                f"{side}-0-operator": "eq",
                f"{side}-0-value": condition[1],
            }
    done(browser.post(page("mapping_filters", mapping), sent, follow=True))
    mapping.refresh_from_db()


def look(browser: Any, mapping: TableMapping) -> dict[str, int]:
    """*Records to be synchronized*: what the first run would do. Nothing is written."""
    browser.post(page("planned", mapping))
    [job] = work()
    assert job.state == "finished", job.app_message
    return dict(job.options["counts"])


def run(browser: Any, mapping: TableMapping) -> SynchJob:
    """*Synchronize Modified Records*."""
    browser.post(reverse("synccore:run_now", args=[mapping.pk]))
    return [job for job in work() if job.scope == "changes"][-1]


# -- the mappings of docs/demo.md --------------------------------------------------------------------------------------

COUNTRIES = "NL = Netherlands\nNO = Norway\nGB = United Kingdom"


def lines_of_customers(currencies: TableMapping) -> list[dict[str, Any]]:
    back = "\n".join(" = ".join(reversed(pair.split(" = "))) for pair in COUNTRIES.splitlines())
    return [
        line("no", "accountnumber", "to_right"),
        free("name", "name", 160, 100),
        free("address", "address1_line1", 250, 100, group="address"),
        free("address_2", "address1_line2", 250, 50, group="address"),
        line("post_code", "address1_postalcode", group="address"),
        free("city", "address1_city", 80, 60, group="address"),
        line(
            "country_code", "address1_country", group="address",
            to_right=[step("map", pairs=COUNTRIES)], to_left=[step("map", pairs=back)],
        ),
        line("phone", "telephone1", personal="on"),
        line("email", "emailaddress1", personal="on"),
        line("currency_code", "transactioncurrencyid", reference=str(currencies.pk), group="credit"),
        line("credit_limit", "creditlimit", group="credit"),
        line(
            "payment_terms", "paymenttermscode", accepted="on",
            to_right=[step("map", pairs="NET30 = 1\nNET60 = 4", unmapped="empty")],
            to_left=[step("map", pairs="1 = NET30\n4 = NET60"), step("default", value="NET30")],
        ),
        line("", "customertypecode", "to_right", has_constant="on", constant="3"),
    ]  # fmt: skip


TERMS = {"COD": None, "NET14": None, "NET30": 1, "NET60": 4}
COUNTRY = dict(pair.split(" = ") for pair in COUNTRIES.splitlines())


def as_account(customer: dict[str, Any], currencies: dict[str, str]) -> dict[str, Any]:
    """What Dataverse holds of a customer."""
    return {
        "accountnumber": customer["no"],
        "name": customer["name"],
        "address1_line1": customer["address"],
        "address1_line2": customer["address_2"],
        "address1_postalcode": customer["post_code"],
        "address1_city": customer["city"],
        "address1_country": COUNTRY[customer["country_code"]],
        "telephone1": customer["phone"],
        "emailaddress1": customer["email"],
        "transactioncurrencyid": currencies[customer["currency_code"]],
        "creditlimit": customer["credit_limit"],
        "paymenttermscode": TERMS[customer["payment_terms"]],
        "customertypecode": 3,
    }


def of_mapping(mapping: TableMapping) -> set[tuple[str, str]]:
    """Its open problems: record and code."""
    return {(key, code) for name, key, code, _state in found() if name == mapping.name}


def in_step(erp: App, crm: Service, *, without: set[str]) -> None:
    """Every customer that is not blocked is an account with the same values, and there are no others."""
    ids = {row["isocurrencycode"]: row["transactioncurrencyid"] for row in crm.rows("transactioncurrencies")}
    there = crm.accounts()
    here = {no: row for no, row in customers(erp).items() if not row["blocked"] and no not in without}
    assert here.keys() == there.keys() - without
    for no, row in here.items():
        expected = as_account(row, ids)
        assert {name: there[no][name] for name in expected} == expected, no


def test_the_erp_is_kept_in_step_with_a_service_by_a_connection_and_mappings(
    apps: Apps, browser: Any, dataverse: Service
) -> None:
    assert make_integration(apps)  # the demo of two databases, as it is when somebody begins
    app = connect(browser, dataverse.told)
    erp = Connection.objects.get(name="ERP")
    sent = {"name": "ERP ⇄ Dataverse", "left": erp.pk, "right": app.pk}
    done(browser.post(reverse("synccore:new_integration"), sent, follow=True))
    pair = Integration.objects.get(right=app)
    currencies = make_currencies(browser, pair)
    mapping = make_customers(browser, pair, currencies)
    all_customers_arrive(browser, mapping, apps.erp, dataverse)
    what_waited_arrives(browser, mapping, currencies, apps.erp, dataverse)
    edits_travel_both_ways(browser, mapping, apps.erp, dataverse)
    a_new_account_becomes_a_customer(browser, mapping, apps.erp, dataverse)
    a_conflict_and_deletions_are_asked(browser, mapping, apps.erp, dataverse)
    jobs = SynchJob.objects.exclude(state=SynchJob.State.FINISHED)
    assert not jobs.exists(), "no job failed, none waits"
    assert not Coupling.objects.exclude(mapping__integration=pair).exists(), (
        "the demo's own pair is untouched"
    )


def make_currencies(browser: Any, pair: Integration) -> TableMapping:
    asked = {"left_table": "currency", "right_table": "transactioncurrencies", "direction": "to_right"}
    mapping = make_mapping(browser, pair, name="Currencies of both", **asked)
    save_lines(browser, mapping, [line("code", "isocurrencycode"), line("description", "currencyname")])
    edit(browser, mapping, key="code", left_key_field="code", right_key_field="isocurrencycode")
    save_filters(browser, mapping, ("discontinued", "false"), None)
    assert look(browser, mapping) == {"inserted": 1, "modified": 1, "unchanged": 8}
    assert "is switched on" in done(browser.post(page("switch_on", mapping), follow=True))
    job = run(browser, mapping)
    assert (job.state, job.inserted, job.modified, job.unchanged, job.failed) == ("finished", 0, 1, 8, 1)
    assert of_mapping(mapping) == {(NO_RATE_IN_CRM, "value_required")}, "Dataverse wants an exchange rate"
    return mapping


def make_customers(browser: Any, pair: Integration, currencies: TableMapping) -> TableMapping:
    asked = {"left_table": "customer", "right_table": "accounts", "direction": "both"}
    mapping = make_mapping(browser, pair, name="Customers of both", **asked)
    assert (mapping.left_modified_field, mapping.right_modified_field) == ("modified_at", "modifiedon")
    rows = browser.get(page("suggest_fields", mapping)).context["rows"]
    assert [row.key for row in rows if row.ticked] == [
        "name = name", "credit_limit = creditlimit", "city = address1_city", "email = emailaddress1",
    ]  # fmt: skip
    assert [row.key for row in rows if not row.ticked] == [
        "phone = telephone1", "no = accountnumber", "address = address1_line1", "address_2 = address1_line2",
        "post_code = address1_postalcode",
    ]  # fmt: skip
    save_lines(browser, mapping, lines_of_customers(currencies))
    told = browser.get(page("mapping", mapping)).content.decode()
    assert "email in ERP takes 80 characters; emailaddress1 may hold 100. Longer values are refused." in told
    assert "name in ERP takes" not in told, "it is cut"
    edit(
        browser, mapping, key="no", left_key_field="no", left_name_field="name", right_key_field="accountnumber",
        right_name_field="name", left_modified_by_field="modified_by", right_modified_by_field="modifiedby",
    )  # fmt: skip
    save_filters(browser, mapping, ("blocked", "false"), ("customertypecode", "3"))
    return mapping


#: Customers that Dataverse cannot take: decimals, a currency without a rate there, and one that is not synchronized.
HELD = {
    ("C20002", "number_too_precise"),
    ("C20005", "reference_not_coupled"),
    ("C20006", "reference_not_coupled"),
}


def all_customers_arrive(browser: Any, mapping: TableMapping, erp: App, crm: Service) -> None:
    n = sum(not row["blocked"] for row in customers(erp).values()) - len(HELD)
    assert look(browser, mapping) == {"inserted": n, "failed": 1, "waiting": 2}
    assert not crm.rows("accounts"), "a look writes nothing"
    assert "is switched on" in done(browser.post(page("switch_on", mapping), follow=True))
    job = run(browser, mapping)
    assert (job.state, job.inserted, job.failed, job.waiting) == ("finished", n, 1, 2)
    assert of_mapping(mapping) == HELD
    in_step(erp, crm, without={no for no, _code in HELD})
    again = run(browser, mapping)
    assert (again.inserted, again.modified, again.deleted) == (0, 0, 0), "nothing echoes"


def what_waited_arrives(
    browser: Any, mapping: TableMapping, currencies: TableMapping, erp: App, crm: Service
) -> None:
    """Somebody enters the rate in Dataverse, somebody else the limit in the ERP."""
    name, symbol = CURRENCIES[NO_RATE_IN_CRM]
    rate = {"currencyname": name, "isocurrencycode": NO_RATE_IN_CRM, "currencysymbol": symbol}
    with crm.app.person("jane.smith") as desk:
        desk.create("transactioncurrencies", {**rate, "currencyprecision": 2, "exchangerate": 149.5})
    save_customer(erp, "C20002", "credit_limit", "12500.25")
    run(browser, currencies)
    run(browser, mapping)
    run(browser, mapping)
    assert of_mapping(currencies) == set()
    assert of_mapping(mapping) == {("C20006", "reference_not_coupled")}, "its currency is discontinued"
    in_step(erp, crm, without={"C20006"})


def edits_travel_both_ways(browser: Any, mapping: TableMapping, erp: App, crm: Service) -> None:
    save_customer(erp, "C10100", "name", "Kaas & Zn “De Punt”")
    save_customer(erp, "C10100", "payment_terms", "NET60")
    crm.save("C10101", telephone1="+31 20 555 0199", creditlimit=7500.5, paymenttermscode=4)
    crm.save("C10102", address1_line1="Torget 1", address1_city="Oslo", address1_country="Norway")
    save_customer(erp, "C10103", "email", "post@c10103.example")  # joined: other fields of one record
    crm.save("C10103", telephone1="+47 22 55 01 03")
    job = run(browser, mapping)
    assert (job.state, job.failed, job.inserted) == ("finished", 0, 0)
    there, here = crm.accounts(), customers(erp)
    assert (there["C10100"]["name"], there["C10100"]["paymenttermscode"]) == ("Kaas & Zn “De Punt”", 4)
    changed = here["C10101"]
    assert (changed["phone"], changed["credit_limit"]) == ("+31 20 555 0199", Decimal("7500.5"))
    assert changed["payment_terms"] == "NET60"
    moved = here["C10102"]
    assert (moved["address"], moved["city"], moved["country_code"]) == ("Torget 1", "Oslo", "NO")
    assert there["C10103"]["emailaddress1"] == "post@c10103.example"
    assert here["C10103"]["phone"] == "+47 22 55 01 03"
    in_step(erp, crm, without={"C20006"})


def a_new_account_becomes_a_customer(browser: Any, mapping: TableMapping, erp: App, crm: Service) -> None:
    """It gets its number from the ERP, and what the ERP cannot hold of its name is cut there, not here."""
    name = ("Vereniging van Vrienden van de Vaart " * 3).strip()
    new = {"name": name, "customertypecode": 3, "address1_country": "Netherlands", "creditlimit": 0}
    with crm.app.person("jane.smith") as desk:
        desk.create("accounts", new)  # an amount without a currency gets the base currency
    id = crm.accounts()[name]["accountid"]
    run(browser, mapping)
    run(browser, mapping)
    [no] = Coupling.objects.live().filter(mapping=mapping, right_id=id).values_list("left_key", flat=True)
    assert (no, crm.accounts()[no]["accountid"]) == ("C30001", id), "the number of the ERP went back"
    assert customers(erp)[no]["name"] == name[:100].strip()
    assert crm.accounts()[no]["name"] == name
    assert customers(erp)[no]["payment_terms"] == "NET30", "the default of its conversion"


def a_conflict_and_deletions_are_asked(browser: Any, mapping: TableMapping, erp: App, crm: Service) -> None:
    save_customer(erp, "C20011", "phone", "+31 1")
    crm.save("C20011", telephone1="+31 2")
    with erp.person("p.maas") as person:
        person.execute("DELETE FROM customer WHERE no = 'C20014'")
    with crm.app.person("ola.larsen") as desk:
        desk.delete("accounts", "accountnumber eq 'C20015'")
    run(browser, mapping)
    browser.post(reverse("synccore:find_deleted"), {"mapping": mapping.pk})
    assert all(job.state == "finished" for job in work())
    run(browser, mapping)
    assert of_mapping(mapping) == {
        ("C20006", "reference_not_coupled"),
        ("C20011", "update_conflict"),
        ("C20014", "deleted_left"),
        ("C20015", "deleted_right"),
    }
    there, here = crm.accounts(), customers(erp)
    assert (here["C20011"]["phone"], there["C20011"]["telephone1"]) == ("+31 1", "+31 2"), "a person decides"
    assert "C20014" in there and "C20015" in here, "nothing is deleted without an answer"
    browser.post(reverse("synccore:full"), {"mapping": mapping.pk, "answered": "1"})
    whole = next(job for job in work() if job.scope == "full" and job.mapping_id == mapping.pk)
    assert (whole.inserted, whole.modified, whole.deleted) == (0, 0, 0), "all else is in step"
    in_step(erp, crm, without={"C20006", "C20011", "C20014", "C20015", "C30001"})

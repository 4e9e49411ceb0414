"""Records and services in trouble: what was written counts, what is not known is said to be, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from synccore.connectors import connect
from synccore.connectors.base import Connector
from synccore.failures import Misconfigured, Rejected, Transient
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.standard_dataverse import PEOPLE

JANE = next(iter(PEOPLE))
ACCOUNT = TableRef(
    "accounts",
    modified_field="modifiedon",
    modified_by_field="modifiedby",
    key_field="accountnumber",
    name_field="name",
)
CUSTOMER = TableRef(
    "customers", modified_field="lastModifiedDateTime", key_field="number", name_field="displayName"
)


def opened(server: Any, kind: str, **options: Any) -> Connector:
    given = {
        "address": server.address,
        "tenant": server.tenant,
        "client_id": server.client_id,
        "token_address": server.token_url,
        **options,
    }
    return connect(kind, given, {"client_secret": server.client_secret}, app="Shop")


@pytest.fixture
def dataverse() -> Iterator[tuple[DataverseServer, Connector]]:
    with DataverseServer() as server, opened(server, "dataverse") as connector:
        yield server, connector
        assert not server.crashes, server.crashes[0]


@pytest.fixture
def central() -> Iterator[tuple[BusinessCentralServer, Connector]]:
    with BusinessCentralServer() as server:
        options = {"environment": server.environment, "company": server.company}
        with opened(server, "business_central", **options) as connector:
            yield server, connector
        assert not server.crashes, server.crashes[0]


def customers(n: int) -> list[CreateItem]:
    return [CreateItem(str(i), {"number": f"C{i:03}", "displayName": f"Customer {i}"}) for i in range(n)]


def accounts(n: int) -> list[CreateItem]:
    return [
        CreateItem(str(i), {"accountnumber": f"A{i:03}", "name": f"Account {i}"}, str(uuid4()))
        for i in range(n)
    ]


def kinds(results: list[Any]) -> str:
    """``.`` stored, ``?`` unknown, ``-`` not sent, ``x`` refused."""
    return "".join(
        "." if isinstance(each, Record)
        else "?" if each.outcome_unknown
        else "-" if each.stops_the_job
        else "x"
        for each in results
    )  # fmt: skip


# -- batches --------------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_half_way(central: tuple[BusinessCentralServer, Connector]) -> None:
    server, app = central
    app.describe()
    wanted = customers(250)
    batches = iter(range(9))
    server.faults.cut(after=True, when=lambda method, path: path.endswith("$batch") and next(batches) == 1)
    results = app.create(CUSTOMER, wanted, ["number"])
    assert kinds(results) == "." * 100 + "?" * 100 + "-" * 50
    assert len(server.rows("customers")) == 200, "the lost ones are there"
    found = app.find(CUSTOMER, "number", [item.fields["number"] for item in wanted], ["number"])
    assert len(found) == 200


def test_answers_in_another_order_and_left_out_ones(central: tuple[BusinessCentralServer, Connector]) -> None:
    server, app = central
    made = app.create(CUSTOMER, customers(60), ["number"])
    assert kinds(made) == "." * 60
    server.faults.shuffle = True
    changed = [
        UpdateItem(each.id, each.version, {"displayName": f"New {each.key}"})
        for each in made
        if isinstance(each, Record)
    ]
    results = app.update(CUSTOMER, changed, ["number", "displayName"])
    assert [each.fields["displayName"] for each in results if isinstance(each, Record)] == [
        item.fields["displayName"] for item in changed
    ]
    server.faults.shuffle = False
    server.faults.drop_answers = 1
    again = [
        UpdateItem(each.id, each.version, {"city": "Gent"}) for each in results if isinstance(each, Record)
    ]
    assert kinds(app.update(CUSTOMER, again, ["city"])) == "." * 59 + "?"


@pytest.mark.parametrize("language", ["en", "nl", "nb"])
def test_refusals_are_told_apart_in_any_language(
    dataverse: tuple[DataverseServer, Connector], language: str
) -> None:
    server, app = dataverse
    server.faults.language = language
    made = [each for each in app.create(ACCOUNT, accounts(4), ["name"]) if isinstance(each, Record)]
    server.put("accounts", made[1].id, {"name": "elsewhere"})
    server.remove("accounts", made[2].id)
    results = app.update(
        ACCOUNT, [UpdateItem(each.id, each.version, {"address1_city": "Gent"}) for each in made], ["name"]
    )
    assert [type(each).__name__ for each in results] == ["Record", "Stale", "Stale", "Record"]
    assert made[2].id not in server.rows("accounts"), "what was deleted is not made again"
    [same] = app.create(ACCOUNT, [CreateItem("k", {"name": "x"}, made[0].id)], ["name"])
    assert isinstance(same, Rejected) and same.code == "duplicate_key"
    assert (same.params["field"], same.params["value"]) == ("accountid", made[0].id)
    gone = app.delete(ACCOUNT, [DeleteItem(each.id, each.version) for each in made])
    assert [type(each).__name__ for each in gone] == ["Stale", "Stale", "NoneType", "Stale"]


@pytest.mark.usefixtures("no_pauses")
def test_throttling_and_outages_park_nothing(dataverse: tuple[DataverseServer, Connector]) -> None:
    server, app = dataverse
    server.faults.throttle(2, retry_after=0)
    server.faults.fail(1, 503, retry_after=0)
    assert kinds(app.create(ACCOUNT, accounts(30), ["name"])) == "." * 30
    server.faults.down = 503
    with pytest.raises(Transient) as caught:
        app.create(ACCOUNT, accounts(30), ["name"])
    assert caught.value.stops_the_job
    server.faults.down = 0
    assert len(server.rows("accounts")) == 30


# -- delta ----------------------------------------------------------------------------------------------------------------


def test_deletions_come_along_the_delta_and_an_expired_one_deletes_nothing(
    dataverse: tuple[DataverseServer, Connector],
) -> None:
    server, app = dataverse
    made = [each for each in app.create(ACCOUNT, accounts(5), ["name"]) if isinstance(each, Record)]
    first = app.changes(ACCOUNT, ["name"])
    assert len(first.records) == 5 and first.watermark is not None
    server.put("accounts", made[0].id, {"name": "changed"}, by=JANE)
    server.remove("accounts", made[1].id)
    unknown = str(uuid4())
    server.put("accounts", unknown, {"name": "here and gone"}, by=JANE)
    server.remove("accounts", unknown)
    second = app.changes(ACCOUNT, ["name"], (), json.loads(json.dumps(first.watermark)))
    assert [(record.name, record.modified_by) for record in second.records] == [("changed", "Jane Smith")]
    assert made[1].id in second.deleted_ids
    server.remove("accounts", made[2].id)
    server.faults.expire_deltas()
    server.put("accounts", made[3].id, {"name": "since then"}, by=JANE)
    third = app.changes(ACCOUNT, ["name"], (), second.watermark)
    assert len(third.records) == 3 and third.deleted_ids == () and third.watermark is not None
    assert app.changes(ACCOUNT, ["name"], (), third.watermark).records == ()


# -- values ---------------------------------------------------------------------------------------------------------------


def test_lookups_money_and_days_come_back_as_they_were_sent(
    dataverse: tuple[DataverseServer, Connector],
) -> None:
    server, app = dataverse
    contact, currency = str(uuid4()), next(iter(server.rows("transactioncurrencies")))
    server.put("contacts", contact, {"lastname": "Dekker"})
    fields = {
        "name": "Äpfel & Söhne 'x' \"y\" 💧",
        "creditlimit": Decimal("12345.60"),
        "primarycontactid": UUID(contact),
        "transactioncurrencyid": UUID(currency),
    }
    [made] = app.create(ACCOUNT, [CreateItem("k", fields, str(uuid4()))], list(fields))
    assert isinstance(made, Record), made
    assert dict(made.fields) == fields
    assert app.fetch(ACCOUNT, [made.id], list(fields)) == [made]
    [cleared] = app.update(
        ACCOUNT, [UpdateItem(made.id, made.version, {"primarycontactid": None})], list(fields)
    )
    assert isinstance(cleared, Record), cleared
    assert cleared.fields["primarycontactid"] is None and cleared.fields["name"] == fields["name"]
    by_contact = TableRef("contacts", modified_field="modifiedon", name_field="fullname")
    born = date(1980, 2, 29)
    new = CreateItem(
        "k", {"lastname": "Kim", "birthdate": born, "parentcustomerid_account": UUID(made.id)}, str(uuid4())
    )
    [person] = app.create(by_contact, [new], ["birthdate", "parentcustomerid_account"])
    assert isinstance(person, Record), person
    assert dict(person.fields) == {"birthdate": born, "parentcustomerid_account": UUID(made.id)}


def test_blanks_of_business_central_are_no_values_and_stay_blank(
    central: tuple[BusinessCentralServer, Connector],
) -> None:
    server, app = central
    [made] = app.create(CUSTOMER, customers(1), ["city", "currencyId", "blocked", "type"])
    assert isinstance(made, Record), made
    fields = dict(made.fields)
    assert fields["currencyId"] is None and fields["blocked"] in (None, "")
    [same] = app.update(
        CUSTOMER, [UpdateItem(made.id, made.version, {"city": "", "blocked": None})], list(fields)
    )
    assert isinstance(same, Record), same
    assert {**same.fields, "city": None} == {**fields, "city": None}


def test_a_missing_right_is_told_for_the_records_it_concerns(
    central: tuple[BusinessCentralServer, Connector],
) -> None:
    server, app = central
    server.faults.deny("customers", "create")
    results = app.create(CUSTOMER, customers(2), ["number"])
    assert any(isinstance(each, Misconfigured) and each.code == "missing_privilege" for each in results)
    server.faults.allow()
    assert kinds(app.create(CUSTOMER, customers(2), ["number"])) == ".."

"""What the services list for people to choose from, and what they tell of their currencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from synccore.connectors.odata.addresses import (
    business_central_root,
    dataverse_root,
    tidy_business_central,
)
from synccore.connectors.odata.audit import currencies
from synccore.connectors.odata.auth import ClientCredentials
from synccore.connectors.odata.business_central import BusinessCentralProfile
from synccore.connectors.odata.client import Client
from synccore.connectors.odata.dataverse import DataverseProfile
from synccore.connectors.odata.discover import choices
from synccore.connectors.odata.plain import PlainProfile
from synccore.failures import Failure, Misconfigured
from synccore.shapes import Choice, Currencies
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer

Open = Callable[..., Client]


def signed(server: Any, scope: str) -> ClientCredentials:
    return ClientCredentials(
        token_address=server.token_url,
        client_id=server.client_id,
        client_secret=server.client_secret,
        scope=scope,
    )


@pytest.fixture
def erp() -> Iterator[BusinessCentralServer]:
    with BusinessCentralServer() as server:
        yield server


@pytest.fixture
def crm() -> Iterator[DataverseServer]:
    with DataverseServer() as server:
        yield server


@pytest.fixture
def central(erp: BusinessCentralServer) -> Iterator[Open]:
    server, made = erp, []

    def open_(**values: Any) -> Client:
        values = tidy_business_central({"address": server.address, **values})
        profile = BusinessCentralProfile(values)
        scope = "https://api.businesscentral.dynamics.com/.default"
        client = Client(profile, app="ERP", sign_in=signed(server, scope), root=business_central_root(values))
        made.append(client)
        return client

    yield open_
    for client in made:
        client.close()


def test_business_central_lists_the_companies_of_every_environment(central, erp):
    [only] = choices(central(tenant=erp.tenant))
    assert only == Choice(
        only.label,
        {"environment": "production", "company": erp.company, "company_name": only.answers["company_name"]},
        "production",
    )
    assert only.label
    assert only.answers["company_name"]


def test_the_environment_that_was_named_comes_first_and_one_that_is_not_there_is_left_out(central, erp):
    assert len(choices(central(environment="production"))) == 1
    found = choices(central(environment="Nowhere"))
    assert [each.answers["environment"] for each in found] == ["production"]


def test_without_the_list_of_environments_the_one_that_was_named_is_asked(central, erp):
    erp.faults.fail(2, 403, when=lambda _method, path: "/environments" in path)
    [only] = choices(central(environment="production"))
    assert only.answers["environment"] == "production"
    with pytest.raises(Misconfigured):
        choices(central(tenant=erp.tenant))


def test_a_company_tells_its_currency_and_where_rates_stand(central, erp):
    client = central(environment="production", company=erp.company)
    assert currencies(client) is None
    erp.put("companyInformation", str(uuid4()), {"currencyCode": "EUR"})
    found = currencies(client)
    assert found == Currencies("EUR", "currencies", "currencyExchangeRates", "currencyCode", "startingDate")


@pytest.fixture
def dataverse(crm: DataverseServer) -> Iterator[Client]:
    values = {"address": crm.address}
    sign_in = signed(crm, f"{crm.address}/.default")
    with Client(DataverseProfile(values), app="CRM", sign_in=sign_in, root=dataverse_root(values)) as client:
        yield client


def test_dataverse_shows_the_organization_for_confirmation(dataverse, crm):
    [only] = choices(dataverse)
    host = crm.address.removeprefix("http://")
    assert (only.label, only.answers, only.detail) == ("contoso", {}, host)


def test_where_the_organization_may_not_be_read_its_id_stands_for_it(dataverse, crm):
    crm.faults.denied.add(("organizations", "read"))
    [only] = choices(dataverse)
    assert only.label == crm.address.removeprefix("http://")
    assert len(only.detail) == 36


def test_dataverse_tells_its_base_currency(dataverse):
    assert currencies(dataverse) == Currencies(
        "EUR", "transactioncurrencies", "transactioncurrencies", "isocurrencycode"
    )


def test_a_plain_service_lists_nothing():
    with Client(PlainProfile({"address": "https://x.example/odata"}), app="Any") as client:
        assert choices(client) == []
        assert currencies(client) is None


@pytest.mark.parametrize("body", ["<html>", "[]", "7", '{"value": 3}', '{"value": [1, null, {"id": 5}]}'])
@pytest.mark.parametrize("profile", [BusinessCentralProfile, DataverseProfile])
def test_whatever_is_answered_gives_choices_or_a_failure(body, profile):
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, text=body))
    values = {"address": "https://x.example", "environment": "P"}
    with Client(profile(values), app="Any", root="https://x.example/", transport=transport) as client:
        for ask in (choices, currencies):
            with suppress(Failure):
                ask(client)

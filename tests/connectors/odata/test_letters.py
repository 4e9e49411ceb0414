"""Text that differs in its letters' case only: what services take for equal is not what people mean, except where a service
keeps it in one way."""

from __future__ import annotations

import pytest

from synccore.connectors import connect
from synccore.connectors.odata import metadata
from synccore.shapes import CreateItem, Record, TableRef
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.fixtures import business_central_server, dataverse_server  # noqa: F401

CUSTOMER = TableRef(
    "customers", modified_field="lastModifiedDateTime", key_field="number", name_field="displayName"
)
ACCOUNT = TableRef("accounts", modified_field="modifiedon", key_field="accountnumber", name_field="name")


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    metadata.forget()


def test_a_number_that_business_central_keeps_in_capitals_is_found_by_the_letters_it_was_made_with(
    business_central_server: BusinessCentralServer,  # noqa: F811
) -> None:
    server = business_central_server
    options = {"address": server.address, "tenant": server.tenant, "environment": server.environment}
    options |= {"company": server.company, "client_id": server.client_id, "token_address": server.token_url}
    with connect("business_central", options, {"client_secret": server.client_secret}, app="ERP") as erp:
        fields = ("number", "displayName")
        (made,) = erp.create(CUSTOMER, [CreateItem("1", {"number": "c-1a", "displayName": "Anna"})], fields)
        assert isinstance(made, Record) and made.fields["number"] == "C-1A"
        # as after an answer that was lost: the number as it was sent
        assert [each.id for each in erp.find(CUSTOMER, "number", ["c-1a"], fields)] == [made.id]
        assert [each.id for each in erp.find(CUSTOMER, "number", ["C-1A"], fields)] == [made.id]
        assert erp.find(CUSTOMER, "displayName", ["anna", "ANNA"], fields) == []


def test_of_two_accounts_that_differ_in_case_the_one_that_was_meant_is_found(
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    server = dataverse_server
    ids = [f"6f1c1d1e-0000-4000-8000-00000000000{n}" for n in range(3)]
    for id, name in zip(ids, ("abc", "ABC", "Abc "), strict=True):
        server.put("accounts", id, {"name": name})
    options = {"address": server.url, "client_id": server.client_id, "token_address": server.token_url}
    with connect("dataverse", options, {"client_secret": server.client_secret}, app="CRM") as crm:
        assert [each.id for each in crm.find(ACCOUNT, "name", ["ABC"], ("name",))] == [ids[1]]
        assert [each.id for each in crm.find(ACCOUNT, "name", ["abc"], ("name",))] == [ids[0]]
        assert crm.find(ACCOUNT, "name", ["aBC"], ("name",)) == [], "it is nobody's: a new one may be made"

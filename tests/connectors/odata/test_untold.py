"""Answers that say less, or other, than they should: nothing is taken for done, or for the end, that was not told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synccore.connectors import read_options
from synccore.connectors.odata import DataverseConnector, metadata
from synccore.failures import Failure, Transient
from synccore.shapes import Record, TableRef, UpdateItem
from tests.odata.dataverse import DataverseServer
from tests.odata.faults import reads, writes
from tests.odata.fixtures import dataverse_server  # noqa: F401

ACCOUNTS = TableRef("accounts", modified_field="modifiedon", key_field="accountnumber", name_field="name")
ID = "6f1c1d1e-0000-4000-8000-00000000abcd"


@pytest.fixture
def crm(dataverse_server: DataverseServer) -> Iterator[DataverseConnector]:  # noqa: F811
    metadata.forget()
    server = dataverse_server
    assert server.tokens
    options = {
        "address": server.url, "token_address": server.token_url, "scope": server.tokens.scope,
        "client_id": server.client_id,
    }  # fmt: skip
    clean = read_options(DataverseConnector.options, options, {"client_secret": server.client_secret})
    server.put("accounts", ID, {"name": "Fabrikam", "accountnumber": "A1"})
    with DataverseConnector.open(clean, app="CRM") as connector:
        yield connector
    metadata.forget()


@pytest.mark.parametrize("link", [b"7", b"[]", b"{}", b"false"])
def test_a_link_that_is_no_text_is_not_the_last_page(
    crm: DataverseConnector,
    dataverse_server: DataverseServer,  # noqa: F811
    link: bytes,
) -> None:
    assert crm.fetch(ACCOUNTS, [ID], ["name"])
    dataverse_server.faults.garbage(b'{"value": [], "@odata.nextLink": ' + link + b"}", 9, when=reads)
    for read in (lambda: crm.changes(ACCOUNTS, ["name"]), lambda: crm.versions(ACCOUNTS)):
        with pytest.raises(Transient) as caught:
            read()
        assert caught.value.code == "answer_unreadable"


@pytest.mark.parametrize(
    ("status", "body"), [(204, b""), (200, b""), (200, b"<html>"), (200, b"{}"), (201, b"[]")]
)
def test_a_change_that_is_told_done_and_was_not_stored_is_unknown(
    crm: DataverseConnector,
    dataverse_server: DataverseServer,  # noqa: F811
    status: int,
    body: bytes,
) -> None:
    [before] = crm.fetch(ACCOUNTS, [ID], ["name"])
    dataverse_server.faults.garbage(body, 1, status, when=writes)
    [result] = crm.update(ACCOUNTS, [UpdateItem(ID, before.version, {"name": "Contoso"})], ["name"])
    assert isinstance(result, Failure) and result.outcome_unknown
    [result] = crm.update(ACCOUNTS, [UpdateItem(ID, before.version, {"name": "Contoso"})], ["name"])
    assert isinstance(result, Record) and result.fields["name"] == "Contoso"

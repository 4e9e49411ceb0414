"""Fields that no new record is given, such as the state of a row of Dataverse: it is given once the record is there."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from synccore.connectors import connect
from synccore.connectors.base import Connector
from synccore.connectors.odata import metadata
from synccore.failures import Rejected, Transient
from synccore.shapes import CreateItem, Record, TableRef
from tests.odata.dataverse import DataverseServer
from tests.odata.faults import Trouble
from tests.odata.fixtures import dataverse_server  # noqa: F401

ACCOUNT = TableRef("accounts", modified_field="modifiedon", key_field="accountnumber", name_field="name")
FIELDS = ("name", "statecode", "statuscode")
ID = "6f1c1d1e-0000-4000-8000-00000000abc{}"


@pytest.fixture
def crm(dataverse_server: DataverseServer) -> Iterator[Connector]:  # noqa: F811
    metadata.forget()
    server = dataverse_server
    options = {"address": server.url, "client_id": server.client_id, "token_address": server.token_url}
    with connect("dataverse", options, {"client_secret": server.client_secret}, app="CRM") as connector:
        yield connector
    metadata.forget()


def new(number: int, **fields: object) -> CreateItem:
    return CreateItem(str(number), {"name": f"Account {number}", **fields}, ID.format(number))  # type: ignore[dict-item]


def states(server: DataverseServer) -> list[tuple[int, int]]:
    rows = server.rows("accounts")
    return [(rows[key]["statecode"], rows[key]["statuscode"]) for key in sorted(rows)]


def test_a_new_record_gets_the_state_it_is_to_have(
    crm: Connector,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    items = [
        new(1, statecode=1, statuscode=2),
        new(2, statecode=0, statuscode=1),
        new(3),
        new(4, statecode=1),
    ]
    results = crm.create(ACCOUNT, items, FIELDS)
    assert [each.fields["statecode"] for each in results if isinstance(each, Record)] == [1, 0, 0, 1]
    assert states(dataverse_server) == [(1, 2), (0, 1), (0, 1), (1, 2)]
    assert [each.id for each in results if isinstance(each, Record)] == [item.id for item in items]
    stored = {each.id: each.version for each in crm.fetch(ACCOUNT, [str(item.id) for item in items], FIELDS)}
    assert stored == {each.id: each.version for each in results if isinstance(each, Record)}


def test_a_state_that_the_record_has_by_itself_costs_no_further_request(
    crm: Connector,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    crm.create(ACCOUNT, [new(1, statecode=0), new(2, statecode=0)], FIELDS)
    dataverse_server.requests.clear()
    crm.create(ACCOUNT, [new(3, statecode=0), new(4, statecode=None)], FIELDS)
    assert len(dataverse_server.requests) == 1


def test_a_state_that_there_is_not_is_refused_before_anything_is_made(
    crm: Connector,
    dataverse_server: DataverseServer,  # noqa: F811
) -> None:
    refused, made = crm.create(ACCOUNT, [new(1, statecode=7), new(2, statecode=0)], FIELDS)
    assert isinstance(refused, Rejected) and isinstance(made, Record)
    assert (refused.code, refused.params["field"]) == ("option_unmapped", "statecode")
    assert list(dataverse_server.rows("accounts")) == [str(UUID(ID.format(2)))]


@pytest.mark.parametrize(
    "trouble", [Trouble(403), Trouble(503, {"Retry-After": "3000"}), Trouble(cut="before")]
)
def test_a_record_whose_state_is_refused_is_looked_at_before_it_is_made_again(
    crm: Connector,
    dataverse_server: DataverseServer,  # noqa: F811
    trouble: Trouble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = dataverse_server
    monkeypatch.setattr(crm.client, "_rest", lambda _seconds: None)  # type: ignore[attr-defined]
    crm.check(ACCOUNT)
    trouble.when = lambda method, _path: method != "GET" and bool(server.rows("accounts"))
    server.faults.add(trouble, 20)
    (result,) = crm.create(ACCOUNT, [new(1, statecode=1)], FIELDS)
    assert not isinstance(result, Record) and result.outcome_unknown
    assert states(dataverse_server) == [(0, 1)]


def test_a_record_that_was_changed_before_it_got_its_state_is_looked_at(
    crm: Connector,
    dataverse_server: DataverseServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, send = dataverse_server, crm.client.send_raw  # type: ignore[attr-defined]

    def somebody_is_quicker(request: object, **more: object) -> object:
        answer = send(request, **more)
        if more.get("operation") == "create":
            server.put("accounts", ID.format(1), {"name": "Edited"})
        return answer

    monkeypatch.setattr(crm.client, "send_raw", somebody_is_quicker)  # type: ignore[attr-defined]
    (result,) = crm.create(ACCOUNT, [new(1, statecode=1)], FIELDS)
    assert isinstance(result, Transient) and result.outcome_unknown
    assert states(server) == [(0, 1)]

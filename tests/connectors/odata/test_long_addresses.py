"""No address is longer than services take: many fields, long filters, many words and many ids, on each of the three."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synccore.connectors import connect
from synccore.connectors.base import Connector
from synccore.connectors.odata import metadata
from synccore.shapes import ALL, Condition, CreateItem, DeleteItem, Operator, TableRef, UpdateItem
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.plain import PlainServer
from tests.odata.schema import EntitySet, Prop, entity, guid, instant, text
from tests.odata.server import Server

MANY = 120
NAMES = tuple(f"someone_calls_this_field_{n:03}" for n in range(MANY))
#: Ten lists of values in one filter, each of them short enough by itself.
FILTER = tuple(
    Condition(name, Operator.IN, (f"{n}", *(f"none of them {each}" for each in range(15))))
    for n, name in enumerate(NAMES[:10])
)


def wide(key: Prop) -> EntitySet:
    """A table of many fields with long names."""
    own = (text("name", 100), *(text(name, 40) for name in NAMES), instant("changed", read_only=True))
    return entity("wide", "wide", key, *own, modified="changed", primary_name="name", label="Wide")


REF = TableRef("wide", modified_field="changed", name_field="name")


@pytest.fixture(params=["odata", "business_central", "dataverse"])
def wide_app(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Connector]]:
    """A service with the wide table, and a connector; afterwards no address was too long."""
    metadata.forget()
    key = guid("wideid" if request.param == "dataverse" else "id", read_only=request.param != "dataverse")
    made = {"odata": PlainServer, "business_central": BusinessCentralServer, "dataverse": DataverseServer}
    with made[request.param]([wide(key)]) as server:
        options = {"address": server.url, "page_size": 7}
        if server.tokens:
            options |= {"client_id": server.client_id, "token_address": server.token_url}
        if isinstance(server, BusinessCentralServer):
            options |= {"address": server.address, "tenant": server.tenant}
            options |= {"environment": server.environment, "company": server.company}
        secret = {"client_secret": server.client_secret} if server.tokens else {}
        with connect(request.param, options, secret, app="Shop") as connector:
            yield server, connector
        assert server.too_long == []
        assert server.crashes == []
    metadata.forget()


def id_of(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012}"


def fill(server: Server, number: int) -> None:
    for n in range(number):
        server.put(
            "wide", id_of(n), {"name": f"Record {n}", **{name: str(i) for i, name in enumerate(NAMES)}}
        )


def everything(
    connector: Connector, fields: tuple[str, ...], filter: tuple[Condition, ...] = ()
) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = connector.changes(REF, fields, filter, cursor)
        for record in page.records:
            assert record.fields["name"] == f"Record {int(record.id[-4:])}"
            assert all(record.fields[name] == str(NAMES.index(name)) for name in fields if name != "name")
            found.append(record.id)
        if page.complete:
            return found
        cursor = page.cursor


def test_changes_of_many_fields_are_read_page_by_page(wide_app: tuple[Server, Connector]) -> None:
    server, connector = wide_app
    fill(server, 20)
    assert sorted(set(everything(connector, ("name", *NAMES)))) == [id_of(n) for n in range(20)]


def test_a_long_filter_loses_no_record_and_lets_none_in(wide_app: tuple[Server, Connector]) -> None:
    server, connector = wide_app
    fill(server, 9)
    assert sorted(set(everything(connector, ("name",), FILTER))) == [id_of(n) for n in range(9)]
    nobody = (*FILTER, Condition("name", Operator.IN, tuple(f"Nobody {n}" for n in range(15))))
    assert everything(connector, ("name",), nobody) == []
    found, cursor = [], None
    while True:
        page = connector.versions(REF, FILTER, cursor)
        found += [id for id, _version in page.versions]
        if page.complete:
            break
        cursor = page.cursor
    assert sorted(set(found)) == [id_of(n) for n in range(9)]


def test_records_are_fetched_found_and_written_with_many_fields(wide_app: tuple[Server, Connector]) -> None:
    server, connector = wide_app
    fill(server, 60)
    fields = ("name", *NAMES)
    ids = [id_of(n) for n in range(60)]
    records = {record.id: record for record in connector.fetch(REF, ids, fields)}
    assert sorted(records) == ids
    assert len(connector.fetch(REF, ids, ALL)) == 60
    long = [f"Record {n}" for n in range(60)] + ["none " + "x" * 90] * 5
    assert sorted(each.id for each in connector.find(REF, "name", long, fields)) == ids
    assert records[ids[7]].fields[NAMES[119]] == "119"
    (changed,) = connector.update(
        REF, [UpdateItem(ids[7], records[ids[7]].version, {NAMES[0]: "new"})], fields
    )
    assert (changed.fields[NAMES[0]], changed.fields[NAMES[119]]) == ("new", "119")
    (gone,) = connector.delete(REF, [DeleteItem(changed.id, changed.version)])
    assert gone is None
    if connector.kind != "odata":  # which gives no ids of this kind
        given = id_of(999) if connector.kind == "dataverse" else None
        (made,) = connector.create(REF, [CreateItem(given, {"name": "made", NAMES[5]: "x"})], fields)
        assert (made.fields["name"], made.fields[NAMES[5]], made.fields[NAMES[6]] or "") == ("made", "x", "")


@pytest.mark.parametrize(
    "text", ["record 7", "record " + "with more words than anybody reads " * 12, "x" * 3000]
)
def test_whatever_is_searched_for_is_asked_within_the_limit(
    wide_app: tuple[Server, Connector], text: str
) -> None:
    server, connector = wide_app
    fill(server, 9)
    found = connector.search(REF, text, ("name", *NAMES))
    assert [record.id for record in found] == ([id_of(7)] if text == "record 7" else [])

"""Services that tell ETags of single records only, or none at all, with a stamp and without: nothing written is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synccore.connectors import connect
from synccore.connectors.base import Connector
from synccore.failures import Stale
from synccore.shapes import CreateItem, DeleteItem, Record, TableRef, UpdateItem
from tests.odata.plain import PlainServer

PRODUCT = TableRef("Products", modified_field="ChangedAt", key_field="Code", name_field="Name")
CATEGORY = TableRef("Categories", name_field="Name")


@pytest.fixture(params=["in lists", "in headers", "nowhere"])
def server(request: pytest.FixtureRequest) -> Iterator[PlainServer]:
    with PlainServer() as server:
        server.service.etags = request.param != "nowhere"
        server.service.etag_in_body = request.param == "in lists"
        yield server
        assert not server.crashes, server.crashes[0]


@pytest.fixture
def app(server: PlainServer) -> Iterator[Connector]:
    with connect("odata", {"address": server.url}, {}, app="Shop") as connector:
        yield connector


def new(table: TableRef, n: int) -> CreateItem:
    if table is PRODUCT:
        return CreateItem(str(n), {"Code": f"P{n}", "Name": f"Product {n}"})
    return CreateItem(str(n), {"Name": f"Category {n}"}, f"C{n}")


@pytest.mark.parametrize("table", [PRODUCT, CATEGORY], ids=lambda each: each.name)
def test_versions_are_the_same_however_a_record_is_met(
    server: PlainServer, app: Connector, table: TableRef
) -> None:
    made = [
        each
        for each in app.create(table, [new(table, n) for n in range(5)], ["Name"])
        if isinstance(each, Record)
    ]
    assert len(made) == 5
    assert sorted(app.fetch(table, [each.id for each in made], ["Name"]), key=lambda each: each.id) == made
    changed = app.update(table, [UpdateItem(each.id, each.version, {"Name": "x"}) for each in made], ["Name"])
    versions = {each.id: each.version for each in changed if isinstance(each, Record)}
    assert len(versions) == 5
    assert {each.id: each.version for each in app.changes(table, ["Name"]).records} == versions
    assert dict(app.versions(table).versions) == versions


@pytest.mark.parametrize("table", [PRODUCT, CATEGORY], ids=lambda each: each.name)
def test_what_moved_is_not_written_over(server: PlainServer, app: Connector, table: TableRef) -> None:
    made = [
        each
        for each in app.create(table, [new(table, n) for n in range(3)], ["Name"])
        if isinstance(each, Record)
    ]
    key = int(made[0].id) if table is PRODUCT else made[0].id
    server.put(table.name, key, {"Name": "elsewhere"})
    server.remove(table.name, int(made[1].id) if table is PRODUCT else made[1].id)
    results = app.update(
        table, [UpdateItem(each.id, each.version, {"Name": "ours"}) for each in made], ["Name"]
    )
    assert [type(each).__name__ for each in results] == ["Stale", "Stale", "Record"]
    assert server.rows(table.name)[key]["Name"] == "elsewhere"
    gone = app.delete(table, [DeleteItem(each.id, each.version) for each in made[:2]])
    assert isinstance(gone[0], Stale) and gone[1] is None


@pytest.mark.parametrize("guessed", [None, "0"], ids=["a key of nobody", "a key of somebody"])
@pytest.mark.parametrize("table", [PRODUCT, CATEGORY], ids=lambda each: each.name)
def test_trying_a_right_changes_no_record(
    server: PlainServer, app: Connector, table: TableRef, guessed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = 0 if table is PRODUCT else "0"
    server.put(table.name, key, {"Name": "the first one there is"})
    if guessed is not None:
        monkeypatch.setattr("synccore.connectors.odata.connector._some_key", lambda *_: guessed)
    app.check(table, write=True)
    assert server.rows(table.name)[key]["Name"] == "the first one there is"

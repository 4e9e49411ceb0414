"""The contract's app behind each of the three services, and a connector that knows only address and credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from synccore.connectors import connect
from synccore.shapes import FieldInfo, KeyKind, Value
from tests.connectors.harness import ITEM_FIELDS, Harness
from tests.odata import contract_sets
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.plain import PlainServer
from tests.odata.server import Server

LENGTHS = {"mail": 100, "owner": 100, "changed_by": 100}


def guid_of(name: str) -> str:
    """An id that says what the tests call its record, in the same order: at most six characters."""
    return f"00000000-0000-4000-8000-{name.encode().hex().ljust(12, '0')}"


class ServiceHarness(Harness):
    """One service and one connector. ``server`` is running; close both."""

    server: Server
    clock_precision = timedelta(seconds=1)  # the Date of an answer

    def __init__(
        self, server: Server, kind: str, options: Mapping[str, Any], credentials: Mapping[str, Any]
    ) -> None:
        self.server = server
        self.connector = connect(kind, dict(options), dict(credentials), app="Shop")

    def close(self) -> None:
        self.connector.close()
        self.server.close()
        assert not self.server.crashes, self.server.crashes[0]

    def put(
        self,
        table: str,
        name: str,
        fields: Mapping[str, Value],
        *,
        stamp: datetime | None | Literal["now"] = "now",
    ) -> None:
        key = self.id(name, table)
        own = {"code": name} if table == "item" else {}
        number = int(key) if self.server.service.shapes[table].props[self.ids[table]].type == "Int32" else key
        self.server.put(table, number, {**own, **fields}, stamp=stamp)

    def remove(self, table: str, name: str) -> None:
        self.server.remove(table, self.id(name, table))

    @property
    def ids(self) -> dict[str, str]:
        return {"item": self.item_id, "ticket": self.ticket_id}


class PlainHarness(ServiceHarness):
    ticket_keys = KeyKind.OPAQUE
    # nothing in the metadata says that a property other than the key is unique
    item_fields: ClassVar[tuple[FieldInfo, ...]] = tuple(
        replace(info, unique=info.name == "code") for info in ITEM_FIELDS
    )

    def __init__(self) -> None:
        server = PlainServer(contract_sets.PLAIN).start()
        super().__init__(server, "odata", {"address": server.url}, {})


class GuidHarness(ServiceHarness):
    """Ids are GUIDs; ``code`` is a field among others."""

    has_rows_without_stamp = False

    def id(self, name: str, table: str = "item") -> str:
        rows = self.server.service.store.tables[table].rows
        if table == "item" and self.item_keys is KeyKind.OPAQUE:
            for key, row in rows.items():
                if row.values["code"] == name:
                    return str(key)
        return guid_of(name)


class DataverseHarness(GuidHarness):
    item_keys = ticket_keys = KeyKind.UUID
    item_id, ticket_id = "itemid", "ticketid"
    stamp_precision = timedelta(seconds=1)
    all_fields = Harness.all_fields | {"itemid"}
    item_fields: ClassVar[tuple[FieldInfo, ...]] = tuple(
        replace(
            info, length=LENGTHS.get(info.name, info.length), precision=None if info.scale else info.precision
        )
        for info in ITEM_FIELDS
    )

    def __init__(self) -> None:
        server = DataverseServer(contract_sets.DATAVERSE).start()
        super().__init__(
            server,
            "dataverse",
            {
                "address": server.url,
                "tenant": server.tenant,
                "client_id": server.client_id,
                "token_address": server.token_url,
            },
            {"client_secret": server.client_secret},
        )


class BusinessCentralHarness(GuidHarness):
    item_keys = ticket_keys = KeyKind.OPAQUE
    item_id = ticket_id = "id"
    stamp_precision = timedelta(milliseconds=1)
    all_fields = Harness.all_fields | {"id"}
    # which fields must have a value and which are unique, nobody is told before a record is refused
    item_fields: ClassVar[tuple[FieldInfo, ...]] = tuple(
        replace(info, length=LENGTHS.get(info.name, info.length), required=False, unique=False)
        for info in ITEM_FIELDS
    )

    def __init__(self) -> None:
        server = BusinessCentralServer(contract_sets.BUSINESS_CENTRAL).start()
        super().__init__(
            server,
            "business_central",
            {
                "address": server.address,
                "tenant": server.tenant,
                "environment": server.environment,
                "company": server.company,
                "client_id": server.client_id,
                "token_address": server.token_url,
            },
            {"client_secret": server.client_secret},
        )

    def empty(self, field: str) -> Value:
        return 0

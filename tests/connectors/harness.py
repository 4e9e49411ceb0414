"""What the contract's tests work with: the app under test, its two tables, and some records.

``item``     ``code`` (at most 10 characters, unique), by which the tests name a record; name, price, count, mail (unique),
             ready, born, seen; ``changed`` and ``changed_by`` are kept by the app.
``ticket``   ``title``; read without a stamp.

How a record gets its id differs between apps: ``code`` and a number from a sequence in the simplest, a GUID that we or the
app choose in others. The ``Harness`` says it, and what else an app cannot hold; the promises are the same for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from synccore.connectors.base import Connector
from synccore.failures import Failure
from synccore.shapes import CreateItem, FieldInfo, FieldType, KeyKind, Page, Record, TableRef, Value

ITEM = TableRef(
    "item",
    modified_field="changed",
    modified_by_field="changed_by",
    key_field="code",
    name_field="name",
    owner_field="owner",
)
TICKET = TableRef("ticket", key_field="title")
FIELDS = ("code", "name", "price", "count", "mail", "ready", "born", "seen")
#: What both tables look like, for connectors that declare their tables.
ITEM_FIELDS = (
    FieldInfo("code", FieldType.TEXT, length=10, required=True, unique=True),
    FieldInfo("name", FieldType.TEXT, length=20, required=True),
    FieldInfo("price", FieldType.DECIMAL, precision=10, scale=2),
    FieldInfo("count", FieldType.INTEGER, precision=32),
    FieldInfo("mail", FieldType.TEXT, unique=True),
    FieldInfo("ready", FieldType.BOOLEAN),
    FieldInfo("born", FieldType.DATE),
    FieldInfo("seen", FieldType.INSTANT),
    FieldInfo("owner", FieldType.TEXT),
    FieldInfo("changed", FieldType.INSTANT),
    FieldInfo("changed_by", FieldType.TEXT),
)
TICKET_FIELDS = (
    FieldInfo("id", FieldType.INTEGER, precision=32, unique=True),
    FieldInfo("title", FieldType.TEXT),
)


class Harness:
    """The app, as its own users have it, beside the connector under test.

    The defaults are those of an app whose items have their ``code`` for an id, and whose tickets are numbered by a
    sequence.
    """

    connector: Connector
    item_keys: KeyKind = KeyKind.NATURAL
    ticket_keys: KeyKind = KeyKind.SEQUENCE
    #: The fields that are the ids of both tables.
    item_id: str = "code"
    ticket_id: str = "id"
    #: What the connector says of the fields of ``item``; an app may not tell everything.
    item_fields: tuple[FieldInfo, ...] = ITEM_FIELDS
    #: Every field of ``item`` that can be read.
    all_fields: frozenset[str] = frozenset(info.name for info in ITEM_FIELDS)
    #: False: the app stamps every row.
    has_rows_without_stamp: bool = True
    #: How exactly the app keeps its stamps.
    stamp_precision: timedelta = timedelta(0)
    #: How exactly the app tells its clock.
    clock_precision: timedelta = timedelta(0)

    def put(
        self,
        table: str,
        name: str,
        fields: Mapping[str, Value],
        *,
        stamp: datetime | None | Literal["now"] = "now",
    ) -> None:
        """Create or change a record as somebody else; with ``stamp`` back-dated, or without one (None)."""
        raise NotImplementedError

    def remove(self, table: str, name: str) -> None:
        """Delete a record as somebody else."""
        raise NotImplementedError

    def id(self, name: str, table: str = "item") -> str:
        """The id of the record that the tests call ``name``: its code, or the number of a ticket. Ids of names in
        alphabetical order are in the order in which the app reads them."""
        return name

    def new(self, name: str, /, **fields: Value) -> CreateItem:
        """An item to be created as the engine creates it in an app with such ids."""
        if self.item_keys is KeyKind.NATURAL:
            return CreateItem(f"key-{name}", fields, name)
        chosen = self.id(name) if self.item_keys is KeyKind.UUID else None
        return CreateItem(f"key-{name}", {**fields, "code": name}, chosen)

    def empty(self, field: str) -> Value:
        """What the app holds in a field of ``item`` that nobody filled in."""
        return None

    def items(self, n: int, start: int = 0) -> list[CreateItem]:
        return [
            self.new(f"I{i:05}", name=f"Item {i}", price=Decimal(i) / 4, count=i)
            for i in range(start, start + n)
        ]

    def fetch(self, *names: str) -> list[Record]:
        """The items of these names."""
        return self.connector.fetch(ITEM, [self.id(name) for name in names], FIELDS)


def items(n: int, start: int = 0) -> list[CreateItem]:
    """Items of an app whose items have their ``code`` for an id."""
    return Harness().items(n, start)


def names(records: Iterable[Record]) -> list[str]:
    """What the tests call these items."""
    return [record.key for record in records]


def stored(results: Sequence[Record | Failure]) -> list[Record]:
    """The records of a batch, all of which must have been stored."""
    records = [result for result in results if isinstance(result, Record)]
    assert len(records) == len(results), [result for result in results if isinstance(result, Failure)]
    return records


def all_pages(
    connector: Connector, table: TableRef, cursor: Mapping[str, Any] | None = None, limit: int = 3
) -> tuple[list[Record], dict[str, Any] | None]:
    """A whole pass, its cursors stored as JSON between the pages, as jobs do."""
    records: list[Record] = []
    fields = ("title",) if table is TICKET else FIELDS
    for _ in range(1_000):
        page: Page = connector.changes(table, fields, (), cursor, limit=limit)
        records.extend(page.records)
        assert len(page.records) <= limit
        if page.complete:
            return records, json.loads(json.dumps(page.watermark))
        assert page.watermark is None
        cursor = json.loads(json.dumps(page.cursor))
    raise AssertionError("the pass does not end")

"""What the contract's tests work with: the app under test, its two tables, and some records.

``item``     natural text key ``code`` (at most 10 characters); name, price, count, mail (unique), ready, born, seen;
             ``changed`` and ``changed_by`` are kept by the app.
``ticket``   key ``id`` from a sequence; ``title``; no stamp.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from synccore.connectors.base import Connector
from synccore.failures import Failure
from synccore.shapes import CreateItem, FieldInfo, FieldType, Page, Record, TableRef, Value

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


class Harness(Protocol):
    """The app, as its own users have it, beside the connector under test."""

    connector: Connector

    def put(
        self,
        table: str,
        id: str,
        fields: Mapping[str, Value],
        *,
        stamp: datetime | None | Literal["now"] = "now",
    ) -> None:
        """Create or change a record as somebody else; with ``stamp`` back-dated, or without one (None)."""

    def remove(self, table: str, id: str) -> None:
        """Delete a record as somebody else."""


def items(n: int, start: int = 0) -> list[CreateItem]:
    return [
        CreateItem(f"key-{i}", {"name": f"Item {i}", "price": Decimal(i) / 4, "count": i}, f"I{i:05}")
        for i in range(start, start + n)
    ]


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

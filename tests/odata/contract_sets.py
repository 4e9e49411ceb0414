"""The two tables of the connector contract, as each service would have them: ``item`` and ``ticket``."""

from __future__ import annotations

from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.plain import PlainServer
from tests.odata.schema import EntitySet, Prop, day, decimal, entity, flag, guid, instant, number, text

CODE = text("code", 10, unique=True, required=True)


def fields(mail: int | None = None) -> tuple[Prop, ...]:
    """What an item holds besides its key."""
    return (
        text("name", 20, required=True),
        decimal("price", 10, 2),
        number("count"),
        text("mail", mail, unique=True),
        flag("ready"),
        day("born"),
        instant("seen"),
        text("owner", mail),
        instant("changed", read_only=True),
        text("changed_by", mail, read_only=True),
    )


KEPT = {"modified": "changed", "modified_by": "changed_by"}

PLAIN: tuple[EntitySet, ...] = (
    entity("item", "item", text("code", 10, required=True), *fields(), **KEPT),
    entity("ticket", "ticket", number("id", read_only=True), text("title")),
)
DATAVERSE: tuple[EntitySet, ...] = (
    entity(
        "item",
        "item",
        guid("itemid"),
        CODE,
        *fields(100),
        primary_name="name",
        alternate_keys=("code", "mail"),
        **KEPT,
    ),
    entity("ticket", "ticket", guid("ticketid"), text("title", 100), primary_name="title"),
)
BUSINESS_CENTRAL: tuple[EntitySet, ...] = (
    entity(
        "item",
        "item",
        guid("id", read_only=True),
        CODE,
        *fields(100),
        label="Item",
        identity=("code",),
        **KEPT,
    ),
    entity("ticket", "ticket", guid("id", read_only=True), text("title", 100), label="Ticket"),
)


def plain() -> PlainServer:
    return PlainServer(PLAIN)


def dataverse() -> DataverseServer:
    return DataverseServer(DATAVERSE)


def business_central() -> BusinessCentralServer:
    return BusinessCentralServer(BUSINESS_CENTRAL)

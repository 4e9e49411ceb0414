"""Where a record stands in its app's own pages. Asks no app."""

from __future__ import annotations

from urllib.parse import urlsplit

from synccore.failures import Failure
from synccore.models import Coupling, TableMapping
from synccore.shapes import SIDES, Side


def app_address(mapping: TableMapping, side: Side, id: str | None) -> str:
    """Address of a record in its app; "" where the app has no pages, or its connection cannot be used as it is set up.

    Only http and https: the address is put together from what an administrator typed and from the app's own id.
    """
    if not id:
        return ""
    try:
        with mapping.connection(side).connect() as connector:
            address = connector.record_url(mapping.table(side), id) or ""
    except Failure:
        return ""
    return address if urlsplit(address).scheme in ("http", "https") else ""


def app_addresses(coupling: Coupling) -> dict[Side, str]:
    """The address of each record of a pair that is there."""
    return {
        side: app_address(coupling.mapping, side, coupling.of(side, "id"))
        if coupling.of(side, "exists")
        else ""
        for side in SIDES
    }

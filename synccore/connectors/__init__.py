"""Connectors: how Tandem speaks with a business app. ``base`` is the contract; every kind is listed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synccore.connectors.base import Connector, WriteResult
from synccore.connectors.memory import MemoryConnector
from synccore.connectors.odata import (
    BusinessCentralConnector,
    DataverseConnector,
    PlainODataConnector,
)
from synccore.connectors.options import Option, OptionType, read_options
from synccore.connectors.postgresql import PostgresqlConnector
from synccore.failures import Misconfigured, Scope

CONNECTORS: dict[str, type[Connector]] = {
    "business_central": BusinessCentralConnector,
    "dataverse": DataverseConnector,
    "odata": PlainODataConnector,
    "postgresql": PostgresqlConnector,
    "memory": MemoryConnector,
}


def connect(kind: str, options: Mapping[str, Any], credentials: Mapping[str, Any], *, app: str) -> Connector:
    """The connector of a connection. Nobody is contacted yet: the first call does.

    Args:
        kind: a key of :data:`CONNECTORS`.
        options: the connection's options JSON.
        credentials: its secret options, decrypted.
        app: the name people gave the app.

    Raises:
        Misconfigured: ``unknown_kind``, ``bad_connection_options``, ``bad_connection_string`` or ``bad_pattern``,
            scope connection.
    """
    found = CONNECTORS.get(kind)
    if found is None:
        raise Misconfigured("unknown_kind", {"kind": kind, "app": app}, scope=Scope.CONNECTION)
    return found.open(read_options(found.options, options, credentials), app=app)


__all__ = ["CONNECTORS", "Connector", "Option", "OptionType", "WriteResult", "connect", "read_options"]

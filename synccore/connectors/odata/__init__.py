"""The connector for apps that speak OData V4: one connector, and a profile for what differs between services."""

from synccore.connectors.odata.connector import (
    BusinessCentralConnector,
    DataverseConnector,
    PlainODataConnector,
)

__all__ = ["BusinessCentralConnector", "DataverseConnector", "PlainODataConnector"]

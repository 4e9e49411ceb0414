"""One server of each kind for a test. Import the fixtures where they are used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer
from tests.odata.plain import PlainServer


@pytest.fixture
def dataverse_server() -> Iterator[DataverseServer]:
    with DataverseServer() as server:
        yield server
    assert not server.crashes, server.crashes[0]


@pytest.fixture
def business_central_server() -> Iterator[BusinessCentralServer]:
    with BusinessCentralServer() as server:
        yield server
    assert not server.crashes, server.crashes[0]


@pytest.fixture
def plain_server() -> Iterator[PlainServer]:
    with PlainServer() as server:
        yield server
    assert not server.crashes, server.crashes[0]

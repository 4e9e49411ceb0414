"""The three kinds of OData services keep the contract, against servers that refuse what the real ones refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.contract import ConnectorContract
from tests.connectors.odata.harness import (
    BusinessCentralHarness,
    DataverseHarness,
    PlainHarness,
    ServiceHarness,
)


class ServiceContract(ConnectorContract):
    make: type[PlainHarness] | type[DataverseHarness] | type[BusinessCentralHarness]

    @pytest.fixture
    def harness(self) -> Iterator[ServiceHarness]:
        harness = self.make()
        yield harness
        harness.close()


class TestPlain(ServiceContract):
    make = PlainHarness


class TestDataverse(ServiceContract):
    make = DataverseHarness


class TestBusinessCentral(ServiceContract):
    make = BusinessCentralHarness

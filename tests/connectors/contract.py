"""The promises of ``synccore.connectors.base``, one test each. A connector inherits them and gives a ``Harness``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synccore.connectors.base import Connector
from tests.connectors.contract_reading import ReadingContract
from tests.connectors.contract_set_up import SetUpContract
from tests.connectors.contract_writing import WritingContract
from tests.connectors.harness import Harness


class ConnectorContract(SetUpContract, ReadingContract, WritingContract):
    """Inherit, and give the fixture ``harness``."""

    @pytest.fixture
    def harness(self) -> Iterator[Harness]:
        raise NotImplementedError

    @pytest.fixture
    def connector(self, harness: Harness) -> Connector:
        return harness.connector

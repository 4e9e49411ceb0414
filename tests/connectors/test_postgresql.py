"""The PostgreSQL connector keeps the contract on a real server, with a role that has no more rights than it needs."""

from __future__ import annotations

import pytest

from tests.connectors.contract import ConnectorContract
from tests.connectors.pg import PostgresqlHarness, Server


class TestPostgresql(ConnectorContract):
    @pytest.fixture
    def harness(self, server: Server) -> PostgresqlHarness:
        return PostgresqlHarness(server)

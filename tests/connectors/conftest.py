"""A PostgreSQL database for the connector's tests, and a schema for each; everything is dropped again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql

from tests.connectors.pg import PostgresqlHarness, Server

NAME = f"connectors_{os.getpid()}"
_number = count(1)


@pytest.fixture(scope="session")
def pg_database(pg_admin: Callable[[str], str]) -> Iterator[str]:
    """A superuser's connection string for a database of these tests' own."""
    with psycopg.connect(pg_admin("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        yield pg_admin(NAME)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))


@pytest.fixture
def server(pg_database: str) -> Iterator[Server]:
    schema = f"t{os.getpid()}_{next(_number)}"
    with psycopg.connect(pg_database, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {schema}".encode())
        admin.execute(f"SET search_path = {schema}".encode())
        server = Server(pg_database, admin, schema)
        yield server
        for connector in server.connectors:
            connector.close()
        admin.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        for role in server.roles:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


@pytest.fixture
def app(server: Server) -> PostgresqlHarness:
    """The contract's app, for tests of what only PostgreSQL does."""
    return PostgresqlHarness(server)

"""One schema of a real PostgreSQL server, its roles, and the contract's app in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from synccore.connectors import connect
from synccore.connectors.base import Connector
from synccore.connectors.postgresql import PostgresqlConnector
from synccore.failures import Failure
from synccore.shapes import CreateItem, Record, TableRef, Value
from tests.connectors.harness import Harness

PASSWORD = "a secret pass-word"
LINE = TableRef("line")


@dataclass
class Server:
    """One schema of the test database, as its administrator has it, and connectors to it."""

    dsn: str
    admin: psycopg.Connection[Any]
    schema: str
    roles: list[str] = field(default_factory=list)
    connectors: list[PostgresqlConnector] = field(default_factory=list)

    def run(self, statement: str, params: Any = None) -> list[Any]:
        """Run a statement as the administrator, the schema on the search path; rows, if there are any."""
        cursor = self.admin.execute(statement.encode(), params)
        return cursor.fetchall() if cursor.description else []

    def role(self, *grants: str) -> str:
        """A new role that may use the schema and what ``grants`` say (``"SELECT ON item"``)."""
        name = f"{self.schema}_role{len(self.roles)}"
        self.roles.append(name)
        self.run(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        self.run(f"GRANT USAGE ON SCHEMA {self.schema} TO {name}")
        for grant in grants:
            self.run(f"GRANT {grant} TO {name}")
        return name

    def dsn_of(self, role: str | None) -> str:
        parts = conninfo_to_dict(self.dsn)
        if role:
            parts.update(user=role, password=PASSWORD)
        return make_conninfo("", **parts)

    def connect(self, role: str | None = None, **options: Any) -> PostgresqlConnector:
        """A connector with the rights of ``role`` (None: of the administrator)."""
        credentials = {"dsn": self.dsn_of(role)}
        connector = connect("postgresql", {"schema": self.schema, **options}, credentials, app="ERP")
        assert isinstance(connector, PostgresqlConnector)
        self.connectors.append(connector)
        return connector

    def other(self) -> psycopg.Connection[Any]:
        """A second connection of the administrator, for somebody who works at the same time."""
        connection = psycopg.connect(self.dsn)
        connection.execute(f"SET search_path = {self.schema}".encode())
        connection.commit()
        return connection


STAMPS = """
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed := clock_timestamp();
        NEW.changed_by := coalesce(nullif(current_setting('test.person', true), ''), session_user);
        RETURN NEW;
    END $$"""

ITEM_TABLE = """
    CREATE TABLE item (
        code varchar(10) PRIMARY KEY, name varchar(20) NOT NULL, price numeric(10, 2), count integer,
        mail text UNIQUE, ready boolean, born date, seen timestamptz, owner text,
        changed timestamptz, changed_by text)"""


class PostgresqlHarness(Harness):
    """The contract's app in PostgreSQL; people there work through the administrator's connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.run(STAMPS)
        server.run(ITEM_TABLE)
        server.run(
            "CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION stamp()"
        )
        server.run("CREATE TABLE ticket (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text)")
        server.run("SET test.person = 'somebody'")
        role = server.role(
            "SELECT, INSERT, UPDATE, DELETE ON item, ticket",
            f"USAGE ON SEQUENCE {server.schema}.ticket_id_seq",
        )
        self.connector = server.connect(role)

    def put(
        self,
        table: str,
        name: str,
        fields: Mapping[str, Value],
        *,
        stamp: datetime | None | Literal["now"] = "now",
    ) -> None:
        key = "code" if table == "item" else "id"
        values: dict[str, Any] = {key: name, **fields}
        if stamp != "now":
            values |= {"changed": stamp, "changed_by": "somebody"}
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        sets = ", ".join(f"{name} = excluded.{name}" for name in values if name != key)
        self.server.run(f"SET session_replication_role = {'origin' if stamp == 'now' else 'replica'}")
        self.server.run(
            f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({marks})"
            f" ON CONFLICT ({key}) DO UPDATE SET {sets}",
            list(values.values()),
        )
        self.server.run("SET session_replication_role = origin")

    def remove(self, table: str, name: str) -> None:
        self.server.run(f"DELETE FROM {table} WHERE {'code' if table == 'item' else 'id'}::text = %s", [name])


def create_one(connector: Connector, table: TableRef, **fields: Any) -> Record | Failure:
    [result] = connector.create(table, [CreateItem("k", fields)], list(fields))
    if isinstance(result, Failure):
        json.dumps(result.params)
        assert PASSWORD not in result.app_message + result.debug
    return result


def refused(result: object, code: str, **params: Any) -> Failure:
    assert isinstance(result, Failure), result
    assert result.code == code, (result, result.app_message)
    assert {name: result.params.get(name) for name in params} == params
    return result

"""Two scratch databases with customers and accounts, and a mapping between them, for the measurements."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import psycopg
from django.conf import settings
from django.utils import timezone
from psycopg import sql
from psycopg.conninfo import make_conninfo

from synccore.engine.canonical import canon
from synccore.engine.serial import load_info
from synccore.models import Connection, Coupling, FieldMapping, Integration, TableMapping
from synccore.models.bulk import insert, reserve
from synccore.services import setup
from synccore.shapes import SIDES
from synccore.verbs.store import NEW_COUPLING

TABLE = """
CREATE TABLE {table} (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    no text NOT NULL,
    name text NOT NULL,
    street text NOT NULL DEFAULT '',
    city text NOT NULL DEFAULT '',
    phone text NOT NULL DEFAULT '',
    credit numeric(12,2) NOT NULL DEFAULT 0,
    modified_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON {table} (modified_at, id);
"""
FIELDS = ("no", "name", "street", "city", "phone", "credit")


def own_dsn() -> str:
    """A connection string for Tandem's own database."""
    own = settings.DATABASES["default"]
    parts = {
        "host": own.get("HOST"), "port": own.get("PORT"), "user": own.get("USER"), "password": own.get("PASSWORD"),
        "dbname": own["NAME"],
    }  # fmt: skip
    return make_conninfo(**{name: value for name, value in parts.items() if value})


def admin_dsn(database: str = "postgres") -> str:
    """A connection string with the rights to make databases: TANDEM_ADMIN_URL, else Tandem's own user."""
    return make_conninfo(os.environ.get("TANDEM_ADMIN_URL") or own_dsn(), dbname=database)


class World:
    """The two apps and the mapping; ``dsn`` per side."""

    def __init__(self, left: str, right: str, mapping: TableMapping) -> None:
        self.left, self.right, self.mapping = left, right, mapping


@contextmanager
def world(name: str) -> Iterator[World]:
    """Fresh databases ``<name>_left`` and ``<name>_right`` and their mapping; all dropped at the end."""
    with psycopg.connect(admin_dsn(), autocommit=True) as admin:
        for side in ("left", "right"):
            database = sql.Identifier(f"bench_{name}_{side}")
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
    left, right = (admin_dsn(f"bench_{name}_{side}") for side in ("left", "right"))
    for dsn, table in ((left, "customer"), (right, "account")):
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLE.format(table=table))
    mapping = _mapping(name, left, right)
    try:
        yield World(left, right, mapping)
    finally:
        with psycopg.connect(admin_dsn(), autocommit=True) as admin:
            for side in ("left", "right"):
                database = sql.Identifier(f"bench_{name}_{side}")
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))


def _mapping(name: str, left: str, right: str) -> TableMapping:
    stamp = time.time_ns()
    apps = []
    for side, dsn in (("left", left), ("right", right)):
        app = Connection(name=f"{name} {side} {stamp}", kind="postgresql", overlap_seconds=1)
        app.set_secrets({"dsn": dsn})
        app.save()
        apps.append(app)
    integration = Integration.objects.create(name=f"{name} {stamp}", left=apps[0], right=apps[1])
    mapping = TableMapping.objects.create(
        integration=integration, name=name, left_table="customer", right_table="account",
        left_modified_field="modified_at", right_modified_field="modified_at",
        left_key_field="no", right_key_field="no", left_name_field="name", right_name_field="name",
    )  # fmt: skip
    FieldMapping.objects.bulk_create(
        FieldMapping(mapping=mapping, position=position, left_field=field, right_field=field)
        for position, field in enumerate(FIELDS)
    )
    if failures := setup.refresh(mapping):
        raise SystemExit(f"The mapping of the measurement is not usable: {failures}")
    return TableMapping.objects.get(pk=mapping.pk)


def fill(dsn: str, table: str, n: int) -> None:
    """``n`` rows with readable values, the same for the same ``n`` on both sides."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            f"INSERT INTO {table} (id, no, name, street, city, phone, credit, modified_at) "
            "SELECT md5(i::text)::uuid, 'C' || i, 'Customer ' || i, 'Street ' || i %% 977, 'City ' || i %% 211, "
            "'+32 2 ' || i, (i %% 1000) / 4.0, clock_timestamp() - interval '1 day' + i * interval '1 ms' "
            "FROM generate_series(1, %s) i",
            [n],
        )
        connection.commit()
        connection.autocommit = True
        connection.execute(f"VACUUM ANALYZE {table}")


def touch_all(dsn: str, table: str) -> None:
    """Every row gets another city and a new stamp."""
    with psycopg.connect(dsn) as connection:
        connection.execute(f"UPDATE {table} SET city = city || '*', modified_at = clock_timestamp()")


def couple_all(mapping: TableMapping, left: str, right: str) -> None:
    """The memory of pairs as a first run would have left it, without its time: for measuring runs over many records."""
    rules = list(mapping.field_mappings.order_by("position"))
    infos = [load_info(rule.left_info, field=rule.left_field, side="left") for rule in rules]
    now = timezone.now()

    def image(values: Sequence[Any]) -> dict[str, Any]:
        return {
            str(rule.pk): [rule.revision, canon(value, info)]
            for rule, info, value in zip(rules, infos, values, strict=True)
        }

    def memory(pair: tuple[tuple[Any, ...], tuple[Any, ...]]) -> list[Any]:
        coupling = Coupling(mapping=mapping, created_at=now, agreed_at=now)
        for side, row in zip(SIDES, pair, strict=True):
            values = (*row[:3], row[3], row[4], image(row[3:]))
            for name, value in zip(
                ("id", "version", "modified_at", "key", "name", "base"), values, strict=True
            ):
                coupling.put(side, name, value)
        ids = ("mapping", "agreed_by", "removed_by")
        return [getattr(coupling, f"{name}_id" if name in ids else name) for name in NEW_COUPLING]

    query = f"SELECT id::text, xmin::text, modified_at, {', '.join(FIELDS)} FROM {{}} ORDER BY id"
    with psycopg.connect(left) as a, psycopg.connect(right) as b, a.cursor("l") as one, b.cursor("r") as two:
        pairs = zip(one.execute(query.format("customer")), two.execute(query.format("account")), strict=True)
        while batch := [memory(pair) for pair in islice(pairs, 20_000)]:
            for row, pk in zip(batch, reserve(Coupling, len(batch)), strict=True):
                row[0] = pk
            insert(Coupling, NEW_COUPLING, batch)

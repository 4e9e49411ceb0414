"""Two scratch databases with customers and accounts, and a mapping between them, for the measurements."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from synccore.models import Connection, FieldMapping, Integration, TableMapping
from synccore.services import setup

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


def admin_dsn(database: str | None = None) -> str:
    """A connection string for Tandem's own server with the rights to make databases."""
    own = settings.DATABASES["default"]
    parts: dict[str, Any] = {
        "host": own.get("HOST"), "port": own.get("PORT"), "user": own.get("USER"), "password": own.get("PASSWORD"),
        "dbname": database or own["NAME"],
    }  # fmt: skip
    given = os.environ.get("TANDEM_ADMIN_URL")
    if given:
        parts = {**conninfo_to_dict(given), "dbname": database or "postgres"}
    return make_conninfo(**{name: value for name, value in parts.items() if value})


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
            "'+32 2 ' || i, (i %% 1000) / 4.0, clock_timestamp() - interval '1 day' + i * interval '1 ms' FROM generate_series(1, %s) i",
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
    from synccore.models import Coupling
    from synccore.models.bulk import insert, reserve
    from synccore.verbs.store import _NEW

    rules = list(mapping.field_mappings.order_by("position"))
    columns = ", ".join(FIELDS)
    with psycopg.connect(left) as a, psycopg.connect(right) as b:
        query = "SELECT id::text, xmin::text, modified_at, {} FROM {} ORDER BY id"
        rows = zip(
            a.cursor("l", binary=False).execute(query.format(columns, "customer")),
            b.cursor("r", binary=False).execute(query.format(columns, "account")),
            strict=True,
        )
        import json

        from django.utils import timezone

        from synccore.engine.canonical import canon
        from synccore.engine.serial import load_info

        infos = [load_info(rule.left_info, field=rule.left_field, side="left") for rule in rules]
        now = timezone.now()
        batch: list[list[Any]] = []

        def image(values: tuple[Any, ...]) -> dict[str, Any]:
            return {
                str(rule.pk): [rule.revision, canon(value, info)]
                for rule, info, value in zip(rules, infos, values, strict=True)
            }

        def store() -> None:
            for row, pk in zip(batch, reserve(Coupling, len(batch)), strict=True):
                row[0] = pk
            insert(Coupling, _NEW, batch)
            batch.clear()

        assert json
        for one, two in rows:
            coupling = Coupling(mapping=mapping, created_at=now, agreed_at=now)
            for side, row in (("left", one), ("right", two)):
                for name, value in zip(
                    ("id", "version", "modified_at", "key", "name", "base"),
                    (*row[:3], row[3], row[4], image(row[3:])),
                    strict=True,
                ):
                    setattr(coupling, f"{side}_{name}", value)
            batch.append(
                [
                    getattr(
                        coupling, f"{name}_id" if name in ("mapping", "agreed_by", "removed_by") else name
                    )
                    for name in _NEW
                ]
            )
            if len(batch) == 20_000:
                store()
        store()

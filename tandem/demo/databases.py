"""Making the demo apps' databases and roles; each step looks first, so a second start changes nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from tandem.demo.apps import App, Apps, DemoProblem

SCHEMAS: Final = Path(__file__).parent / "sql"


def make(app: App) -> bool:
    """The app's roles, database and tables; True if its tables are new (and still empty).

    Raises DemoProblem where the server refuses, with what it said.
    """
    try:
        with psycopg.connect(app.admin, autocommit=True) as server:
            for role in (app.owner, app.people, app.integration):
                _make_role(server, app, role)
            if not _exists(server, "pg_database", "datname", app.database):
                server.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                        sql.Identifier(app.database)
                    )
                )
        with app.as_admin() as database:
            return _make_tables(database, app)
    except psycopg.Error as fault:
        raise DemoProblem(
            f"The demo's database {app.database} could not be made: {str(fault).strip()}"
        ) from fault


def _make_role(server: psycopg.Connection[Any], app: App, role: str) -> None:
    """Nobody's superuser, may create nothing; the password is set again, since the secret key may be new."""
    if not _exists(server, "pg_roles", "rolname", role):
        server.execute(sql.SQL("CREATE ROLE {} NOINHERIT").format(sql.Identifier(role)))
    if role != app.owner:
        server.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(app.password(role))
            )
        )


def _make_tables(database: psycopg.Connection[Any], app: App) -> bool:
    found = database.execute(
        "SELECT to_regclass('public.account'), to_regclass('public.customer')"
    ).fetchone()
    if found and any(found):
        return False
    names = {
        "owner": sql.Identifier(app.owner),
        "people": sql.Identifier(app.people),
        "integration": sql.Identifier(app.integration),
    }
    here = sql.Identifier(app.database)
    database.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(here))
    database.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {people}, {integration}").format(here, **names))
    database.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {owner}").format(**names))
    database.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {people}, {integration}").format(**names))
    text = (SCHEMAS / f"{app.kind}.sql").read_text(encoding="utf-8")
    database.execute(sql.SQL(text).format(**names))
    return True


def drop(apps: Apps) -> None:
    """Both databases and all six roles, whoever is connected. For tests."""
    with psycopg.connect(apps.erp.admin, autocommit=True) as server:
        for app in apps:
            server.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(app.database))
            )
            for role in (app.owner, app.people, app.integration):
                with contextlib.suppress(psycopg.errors.UndefinedObject):
                    server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _exists(server: psycopg.Connection[Any], catalogue: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier(catalogue), sql.Identifier(column)
    )
    return server.execute(query, [name]).fetchone() is not None


__all__ = ["drop", "make"]

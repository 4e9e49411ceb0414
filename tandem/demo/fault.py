"""The shape of what can be broken on purpose, and small steps that several of them take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from psycopg import sql

from tandem.demo import stage
from tandem.demo.apps import App
from tandem.demo.stage import Sight

Text = str | Promise
Seen = Mapping[str, Sight]

#: What ``Fault.now`` says where nothing is wrong.
WHOLE: Final = ""


@dataclass(frozen=True)
class Place:
    """A page on which the fault shows: its caption and address. ``{app}`` in ``of`` fills in the app's connection."""

    label: Text
    url: str
    query: str = ""
    app: str = ""


@dataclass(frozen=True)
class Fault:
    """One real fault of the demo's apps (``Apps`` or ``OnlineApps``, with what was seen of them).

    Args:
        name: part of its address.
        does: what happens in the apps, in words.
        see: where Tandem shows it, and when.
        right: how it is put right the way the page advises.
        break_label, right_label: the two buttons.
        cause: does it; gives the sentence of what was done. Raises DemoProblem where it cannot be.
        put_right: ends it in the apps, as somebody would who runs them; Tandem must notice by itself. Safe to repeat.
        now: how it stands, as a sentence; ``WHOLE`` where nothing is wrong. Asks the apps.
        statement: what puts it right, to be read or copied; "" where it is not one statement.
    """

    name: str
    icon: str
    title: Text
    does: Text
    see: Text
    places: tuple[Place, ...]
    right: Text
    break_label: Text
    right_label: Text
    cause: Callable[[Any, str], Text]
    put_right: Callable[[Any], Text]
    now: Callable[[Any, Any], Text]
    statement: Callable[[Any], str] = lambda _apps: ""


def on_server(app: App, statement: str, **names: sql.Composable) -> None:
    """One statement of the administrator about the whole server (roles, databases)."""
    with stage.server(app) as session:
        session.execute(sql.SQL(statement).format(**names))


def in_app(app: App, statement: str, **names: sql.Composable) -> None:
    """One statement of the administrator inside the app."""
    with app.as_admin(connect_timeout=10) as session:
        session.execute(sql.SQL(statement).format(**names))


def of_role(app: App, column: str) -> Any:
    """A column of the integration user's row in ``pg_roles``, or an expression over them."""
    with stage.server(app) as session:
        row = session.execute(
            sql.SQL("SELECT {} FROM pg_roles WHERE rolname = %s").format(sql.SQL(column)), [app.integration]
        ).fetchone()
    return row[0] if row else None


def may(app: App, privilege: str, table: str) -> bool:
    """Whether the integration user has a privilege of its own, a superuser's power apart."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.oid = to_regclass(%s) AND a.privilege_type = %s AND r.rolname = %s)"
    )
    with app.as_admin(connect_timeout=10) as session:
        row = session.execute(query, [f"public.{table}", privilege, app.integration]).fetchone()
    return bool(row and row[0])


def integration(app: App) -> sql.Identifier:
    return sql.Identifier(app.integration)


def one_edit(app: App, person: str, statement: str, values: Mapping[str, Any] | None = None) -> int:
    """A saved edit of one of the app's people; gives how many records it met."""
    with app.person(person) as session:
        return session.execute(statement.encode(), values).rowcount

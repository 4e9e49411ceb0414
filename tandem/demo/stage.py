"""What is going on in the demo's two apps: who closed one until when, whether people work in them.

It stands as JSON in the comments on the apps' databases: there it survives any process, dies with the database, and can be
read while the app itself takes no connection. Only the apps' administrator writes it; Tandem knows nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from tandem.demo.apps import App, DemoProblem

#: How long an app that was taken down stays down.
DOWN_SECONDS: Final = 120
#: First key of the advisory lock under which a comment is read and written again.
_LOCK: Final = 0x7A4D


@dataclass(frozen=True)
class Work:
    """People at work in both apps (``traffic``). ``done``: how often they did what; ``told``: when that was counted."""

    since: datetime
    by: str = ""
    done: dict[str, int] = field(default_factory=dict)
    told: datetime | None = None


@dataclass(frozen=True)
class Sight:
    """One app as its server tells it. ``is_open``: it takes connections; ``closed_until``: when it will again."""

    is_open: bool
    closed_until: datetime | None
    is_due: bool
    work: Work | None


@contextmanager
def server(app: App) -> Iterator[psycopg.Connection[Any]]:
    """The app's server as its administrator, in a database that is always open. One transaction."""
    with psycopg.connect(app.admin, connect_timeout=10) as session:
        yield session


def look(apps: Iterable[App]) -> dict[str, Sight]:
    """The apps that exist, by kind; one question to their server."""
    wanted = {app.database: app for app in apps}
    query = (
        "SELECT datname::text, datallowconn, shobj_description(oid, 'pg_database'), extract(epoch FROM clock_timestamp())"
        " FROM pg_database WHERE datname = ANY(%s)"
    )
    with server(next(iter(wanted.values()))) as session:
        rows = session.execute(query, [list(wanted)]).fetchall()
    return {wanted[name].kind: _sight(is_open, _read(text), float(now)) for name, is_open, text, now in rows}


def _sight(is_open: bool, labels: dict[str, Any], now: float) -> Sight:
    until = labels.get("closed_until")
    found = labels.get("work")
    work = None
    if isinstance(found, dict) and (since := _moment(found.get("since"))):
        work = Work(
            since, str(found.get("by", "")), dict(found.get("done") or {}), _moment(found.get("told"))
        )
    return Sight(is_open, _moment(until), until is not None and float(until) <= now, work)


def _read(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:  # somebody else's comment
        return {}
    return found if isinstance(found, dict) else {}


def _moment(epoch: Any) -> datetime | None:
    return datetime.fromtimestamp(float(epoch), UTC) if epoch else None


@contextmanager
def _labels(app: App) -> Iterator[tuple[psycopg.Connection[Any], dict[str, Any]]]:
    """The app's labels to be changed, and what is done with them in one transaction; one at a time."""
    with server(app) as session:
        session.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, app.database])
        row = session.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [app.database]
        ).fetchone()
        if row is None:
            raise DemoProblem(f"There is no database {app.database}.")
        labels = _read(row[0])
        yield session, labels
        text = sql.Literal(json.dumps(labels)) if labels else sql.SQL("NULL")
        session.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(app.database), text))


def _now(session: psycopg.Connection[Any]) -> float:
    row = session.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
    assert row is not None
    return float(row[0])


# -- an app that is down -----------------------------------------------------------------------------------------------


def close(app: App, seconds: float = DOWN_SECONDS) -> None:
    """The app takes no connections, and those that are open end now. It opens again by itself (``stagehand``)."""
    with _labels(app) as (session, labels):
        labels["closed_until"] = _now(session) + seconds
        _allow(session, app, "false")
    with server(app) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [app.database]
        )


def open_again(app: App) -> None:
    """The app takes connections again, whoever closed it."""
    with _labels(app) as (session, labels):
        labels.pop("closed_until", None)
        _allow(session, app, "true")


def _allow(session: psycopg.Connection[Any], app: App, allowed: str) -> None:
    text = "ALTER DATABASE {} ALLOW_CONNECTIONS " + allowed
    session.execute(sql.SQL(text).format(sql.Identifier(app.database)))


# -- people at work ----------------------------------------------------------------------------------------------------


def start_work(app: App, by: str) -> None:
    """People begin to work; ``stagehand`` plays them. Who works already goes on."""
    with _labels(app) as (session, labels):
        labels.setdefault("work", {"since": _now(session), "by": by})


def stop_work(app: App) -> None:
    with _labels(app) as (_session, labels):
        labels.pop("work", None)


def tell_work(app: App, done: dict[str, int]) -> None:
    """Keep what was done so far, if people are still at work."""
    with _labels(app) as (session, labels):
        if "work" in labels:
            labels["work"] |= {"done": done, "told": _now(session)}

"""A small installation of its own: PostgreSQL, Valkey, workers and beats as processes, and two apps they share with us.

The apps stand in the server of the test run, Tandem's own database in another that may be restarted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.utils import timezone
from psycopg import sql

from synccore.connectors.postgresql import PostgresqlConnector
from synccore.models import (
    Connection,
    Coupling,
    FieldMapping,
    Integration,
    JobQueueEntry,
    Problem,
    SynchJob,
    TableMapping,
)
from synccore.services.setup import refresh
from synccore.verbs.run import LEASE
from tandem.runtime import Services
from tandem.runtime.places import CLONE
from tandem.runtime.processes import start, stop, wait_until

CELERY = [sys.executable, "-m", "celery", "-A", "tandem.celery"]
WORKER = [
    *(*CELERY, "worker", "--queues", "tick,sync,upkeep", "--concurrency", "2", "--loglevel", "INFO"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]
BEAT = [*CELERY, "beat", "--pidfile", "", "--loglevel", "INFO"]
#: Records a page holds, as the connector pages.
PAGE = PostgresqlConnector.page_size
GATE = 4711

TABLES = f"""
CREATE TABLE {{table}} (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), no text NOT NULL, name text,
    modified_at timestamptz NOT NULL DEFAULT clock_timestamp(), modified_by text);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.modified_at := clock_timestamp();
    NEW.modified_by := session_user;
    IF NEW.name = 'gate' THEN PERFORM pg_advisory_xact_lock_shared({GATE}); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON {{table}} FOR EACH ROW EXECUTE FUNCTION stamp();
"""


class Stage:
    """The processes and both apps. ``admin`` gives a connection string for a database of the run's own server."""

    def __init__(self, services: Services, admin: Callable[[str], str], folder: Path) -> None:
        self.services, self.admin, self.folder = services, admin, folder
        self.children: list[subprocess.Popen[bytes]] = []
        self.databases = {side: f"queue_{side}_{os.getpid()}" for side in ("left", "right")}
        self.worker: subprocess.Popen[bytes] | None = None
        self._n = 0

    # -- processes -------------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        own = {"DATABASE_URL": self.services.database_url, "REDIS_URL": self.services.redis_url}
        return os.environ | own | {"PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "tandem.settings"}

    def start(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            child = start(command, log=log.fileno(), env=self.environment, cwd=CLONE)
        self.children.append(child)
        return child

    def start_worker(self) -> subprocess.Popen[bytes]:
        name = f"worker-{len(list(self.folder.glob('worker-*')))}"
        child = self.start([*WORKER, "--hostname", f"{name}@%h"], name)
        until(lambda: b"ready." in (self.folder / f"{name}.log").read_bytes(), f"{name} is ready")
        return child

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        """As the kernel does when memory runs out: the whole group, at once."""
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self.children.remove(child)

    def end(self) -> None:
        for child in self.children:
            stop(child, how=signal.SIGTERM, patience=0.1)
        self.children.clear()

    # -- the apps --------------------------------------------------------------------------------------------------------

    def make_apps(self) -> None:
        with psycopg.connect(self.admin("postgres"), autocommit=True) as admin:
            for name in self.databases.values():
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_apps(self) -> None:
        with psycopg.connect(self.admin("postgres"), autocommit=True) as admin:
            for name in self.databases.values():
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def run(self, side: str, statement: str, params: Any = None) -> list[Any]:
        with psycopg.connect(self.admin(self.databases[side]), autocommit=True) as app:
            cursor = app.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def closed_gate(self) -> Iterator[psycopg.Connection[Any]]:
        """Whoever writes a record with the name "gate" into the right app waits until this ends."""
        with psycopg.connect(self.admin(self.databases["right"]), autocommit=True) as keeper:
            keeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
            yield keeper

    def waits_at_gate(self) -> bool:
        return bool(self.run("right", "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    def mapping(self, *, customers: int, gate: int | None = None) -> TableMapping:
        """A mapping of its own schema in both apps, with new records on the left; nobody was told about them yet."""
        self._n += 1
        schema = f"world{self._n}"
        rows = {}
        for side, table in (("left", "customer"), ("right", "account")):
            self.run(
                side, f"CREATE SCHEMA {schema}; SET search_path = {schema}; {TABLES.format(table=table)}"
            )
            rows[side] = Connection(name=f"{side} {schema}", kind="postgresql")
            rows[side].options = {"schema": schema, "lock_timeout": 30, "overlap": 5}
            rows[side].set_secrets({"dsn": self.admin(self.databases[side])})
            rows[side].save()
        integration = Integration.objects.create(name=schema, **rows)
        values = {
            f"{side}_{name}": value
            for side in ("left", "right")
            for name, value in (
                ("modified_field", "modified_at"),
                ("key_field", "no"),
                ("name_field", "name"),
            )
        }
        mapping = TableMapping.objects.create(
            integration=integration, name=schema, left_table="customer", right_table="account", **values
        )
        for position, name in enumerate(("no", "name")):
            FieldMapping.objects.create(mapping=mapping, position=position, left_field=name, right_field=name)
        wrong = refresh(mapping)
        assert not wrong, wrong
        mapping.refresh_from_db()
        self.run(
            "left",
            f"INSERT INTO {schema}.customer (no, name) SELECT 'C' || n, CASE n WHEN %s THEN 'gate' ELSE 'Firm ' || n END"
            " FROM generate_series(1, %s) n",
            [gate or 0, customers],
        )
        return mapping

    def accounts(self, mapping: TableMapping) -> list[str]:
        return [no for (no,) in self.run("right", f"SELECT no FROM {mapping.name}.account ORDER BY no")]

    def customers(self, mapping: TableMapping) -> list[str]:
        return [no for (no,) in self.run("left", f"SELECT no FROM {mapping.name}.customer ORDER BY no")]


def until(ready: Callable[[], bool], what: str, *, seconds: float = 180, pause: float = 0.1) -> None:
    """Patient, as it costs nothing where all is well: two cores may have other work to do."""
    assert wait_until(ready, seconds=seconds, pause=pause), f"in vain: {what}"


def state_of(job: SynchJob) -> str:
    return str(SynchJob.objects.values_list("state", flat=True).get(pk=job.pk))


def settled(mapping: TableMapping) -> bool:
    """Nothing of the mapping is queued or runs, and something has run."""
    jobs = SynchJob.objects.filter(mapping=mapping)
    return jobs.exists() and not jobs.unfinished().exists()


def coupled(mapping: TableMapping) -> int:
    return Coupling.objects.live().paired().filter(mapping=mapping).count()


def due_now(mapping: TableMapping) -> JobQueueEntry:
    return JobQueueEntry.objects.create(mapping=mapping, interval_seconds=3600, next_run=timezone.now())


def keep_lease(job: SynchJob) -> None:
    """As if no time went by for it, however long the rest takes."""
    SynchJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() + timedelta(days=1))


def let_leases_run_out(*, silent_for: timedelta | None = None) -> None:
    """As if 90 seconds had gone by for all workers, or for those that renewed no lease for so long."""
    running = SynchJob.objects.filter(state=SynchJob.State.RUNNING)
    if silent_for is not None:
        running = running.filter(lease_until__lte=timezone.now() + LEASE - silent_for)
    running.update(lease_until=timezone.now() - timedelta(seconds=1))


def let_waits_pass() -> None:
    """As if the next attempts of set-up problems had come."""
    Problem.objects.filter(state=Problem.State.RETRYING).update(next_attempt=timezone.now())

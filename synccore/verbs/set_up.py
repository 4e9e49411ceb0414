"""Verbs that look at one connection: *Test Connection*. They write to no app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db.models import Q

from synccore.connectors.base import Connector
from synccore.failures import Kind
from synccore.models import Connection, Problem, TableMapping

from . import clocks
from .run import CHECK, Run


def check_connection(run: Run) -> None:
    """*Test Connection*: does the app answer, does it sign us in, and what does its clock say?

    What held its mappings is checked next. Raises Failure as the connector does; the job keeps it.
    """
    app = connection_of(run)
    with signed_in(run, app) as connector:
        connector.check(None)
        run.renew()
        clock = clocks.read(connector)
    with run.page() as at:
        clocks.store(app, clock)
        look_again(run, app, at)


def connection_of(run: Run) -> Connection:
    """The job's connection as it is now, not as it was when the job was queued."""
    assert run.job.connection_id is not None
    return Connection.objects.get(pk=run.job.connection_id)


@contextmanager
def signed_in(run: Run, app: Connection) -> Iterator[Connector]:
    """A connector of the connection for calls of this job; the lease is renewed first. Raises Failure, LeaseLost."""
    run.renew()
    with app.connect() as connector:
        yield connector


def look_again(run: Run, app: Connection, at: datetime) -> None:
    """What holds this app or its mappings, and a check can end, is checked as soon as this job has ended: a mapping whose
    fault is mended goes on at once. Should that job get lost, the next tick finds them due."""
    of_app = Q(mapping__integration__left=app) | Q(mapping__integration__right=app)
    held = Problem.objects.not_ended().of_setup().filter(Q(mapping=None, connection=app) | of_app)
    kinds = (Kind.TRANSIENT.value, Kind.MISCONFIGURED.value)
    due = held.filter(state=Problem.State.RETRYING, kind__in=kinds)
    mappings = set(due.filter(mapping__isnull=False).values_list("mapping", flat=True))
    if due.filter(mapping=None).exists() and (first := first_mapping_of(app.pk)) is not None:
        mappings.add(first)
    due.update(next_attempt=at)
    run.queue_next.update((mapping, CHECK) for mapping in mappings)


def first_mapping_of(app: int | None) -> int | None:
    """A mapping of the app that runs: its check tells whether the app answers."""
    of_app = Q(integration__left=app) | Q(integration__right=app)
    return TableMapping.objects.filter(of_app, enabled=True).values_list("pk", flat=True).first()

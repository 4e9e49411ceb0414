"""Verbs that look at one connection: *Test Connection*. They write to no app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db.models import Q

from synccore.connectors.base import Connector
from synccore.failures import Kind
from synccore.models import Connection, Problem

from . import clocks
from .run import Run


def check_connection(run: Run) -> None:
    """*Test Connection*: does the app answer, does it sign us in, and what does its clock say?

    What held its mappings is looked at again by the next tick. Raises Failure as the connector does; the job keeps it.
    """
    app = connection_of(run)
    with signed_in(run, app) as connector:
        connector.check(None)
        run.renew()
        clock = clocks.read(connector)
    with run.page() as at:
        clocks.store(app, clock)
        look_again(app, at)


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


def look_again(app: Connection, at: datetime) -> int:
    """What holds this app or its mappings, and a check can end, is due now: the tick starts the checks. Returns how many."""
    of_app = Q(mapping__integration__left=app) | Q(mapping__integration__right=app)
    held = Problem.objects.not_ended().of_setup().filter(Q(mapping=None, connection=app) | of_app)
    kinds = (Kind.TRANSIENT.value, Kind.MISCONFIGURED.value)
    return held.filter(state=Problem.State.RETRYING, kind__in=kinds).update(next_attempt=at)

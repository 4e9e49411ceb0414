"""How far each app's clock is from ours, for the one policy that compares the two (*most recently saved record wins*)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from synccore.connectors.base import Connector
from synccore.models import Connection
from synccore.shapes import SIDES, Side

from .run import Run

#: A measurement is good for so long; clocks drift by far less in this time than two people's saves are apart.
FRESH: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Clock:
    """An app's clock minus ours, in seconds, and how sure we are."""

    skew: float
    uncertainty: float
    at: datetime


def measure(run: Run, side: Side) -> None:
    """Ask an app for its time and keep the difference, with half the round trip, and half the step in which it is
    told, as its uncertainty.

    Raises Failure where the app does not answer.
    """
    with run.remote(side) as connector:
        clock = read(connector)
    store(run.mapping.connection(side), clock)


def read(connector: Connector) -> Clock:
    """Ask an app for its time. Raises Failure where it does not answer."""
    before = timezone.now()
    app = connector.now()
    after = timezone.now()
    skew = (app - (before + (after - before) / 2)).total_seconds()
    return Clock(skew, ((after - before).total_seconds() + connector.clock_step) / 2, after)


def store(connection: Connection, clock: Clock) -> None:
    """Keep what was measured, in the database and on the object."""
    connection.skew_seconds, connection.skew_uncertainty = clock.skew, clock.uncertainty
    connection.checked_at = clock.at
    Connection.objects.filter(pk=connection.pk).update(
        skew_seconds=connection.skew_seconds,
        skew_uncertainty=connection.skew_uncertainty,
        checked_at=connection.checked_at,
    )


def keep_measured(run: Run) -> None:
    """Measure the clocks that were not measured lately. To be called before the run's rules are frozen."""
    for side in SIDES:
        checked_at = run.mapping.connection(side).checked_at
        if checked_at is None or checked_at < timezone.now() - FRESH:
            measure(run, side)

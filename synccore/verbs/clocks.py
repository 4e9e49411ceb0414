"""How far each app's clock is from ours, for the one policy that compares the two (*most recently saved record wins*)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from synccore.models import Connection
from synccore.shapes import SIDES, Side

from .run import Run

#: A measurement is good for so long; clocks drift by far less in this time than two people's saves are apart.
FRESH: Final = timedelta(minutes=15)


def measure(run: Run, side: Side) -> None:
    """Ask an app for its time and keep the difference, with half the round trip as its uncertainty.

    Raises Failure where the app does not answer.
    """
    with run.remote(side) as connector:
        before = timezone.now()
        app = connector.now()
        after = timezone.now()
    connection = run.mapping.connection(side)
    connection.skew_seconds = (app - (before + (after - before) / 2)).total_seconds()
    connection.skew_uncertainty = (after - before).total_seconds() / 2
    connection.checked_at = after
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

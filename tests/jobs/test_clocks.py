"""The clocks of the apps are measured before they are compared."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from synccore.models import Connection
from synccore.shapes import Side

from .conftest import Clock
from .test_lap import new
from .world import World

pytestmark = pytest.mark.django_db


def app(world: World, side: Side) -> Connection:
    return Connection.objects.get(pk=world.mapping.connection(side).pk)


def test_a_run_measures_clocks_that_were_not_measured_lately(clock: Clock) -> None:
    world = World()
    world.left.clock = timezone.now() + timedelta(seconds=90)
    world.right.clock = timezone.now() - timedelta(seconds=30)
    world.run()
    assert app(world, Side.LEFT).skew_seconds == pytest.approx(90, abs=1)
    assert app(world, Side.RIGHT).skew_seconds == pytest.approx(-30, abs=1)
    first = app(world, Side.LEFT).checked_at
    world.run()
    assert app(world, Side.LEFT).checked_at == first


def test_the_newest_save_wins_by_corrected_clocks() -> None:
    world = World(conflicts="newest")
    left = new(world, Side.LEFT, "C1", phone="1")
    world.run()
    right = world.coupling("C1").right_id
    # The left app's clock is ten minutes ahead: its stamp looks later, but its save was a minute earlier.
    now = timezone.now()
    world.left.clock, world.right.clock = now + timedelta(minutes=10), now
    Connection.objects.update(checked_at=None)
    world.left.put("customer", left, {"phone": "2"}, stamp=world.left.clock - timedelta(minutes=1))
    world.right.put("account", right, {"phone": "3"})
    job = world.run()
    assert (job.modified, job.failed) == (1, 0)
    assert world.rows(Side.LEFT)[left]["phone"] == "3"

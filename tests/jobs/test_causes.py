"""Causes are kept in the transaction that stores the entries that met them."""

from __future__ import annotations

import pytest
from django.utils import timezone

from errors.models import Cause
from errors.services import keep_causes
from synccore.failures import Rejected
from synccore.jobs import page_stored
from synccore.models import SynchJobError
from synccore.shapes import Side
from tests.factories import make_entry

from .test_lap import new
from .world import World

pytestmark = pytest.mark.django_db


def test_one_receiver_hears_of_stored_pages() -> None:
    assert len(page_stored.receivers) == 1


def test_records_that_fail_alike_share_a_cause() -> None:
    world = World()
    for n in range(3):
        new(world, Side.LEFT, f"C{n}")
    world.right.faults.refuse = lambda operation, table, item: Rejected(
        "check_refused",
        {"table": "account", "field": "name"},
        app_message=f'Firm "{item.fields["name"]}" is not welcome',
    )
    assert world.run().failed == 3
    assert SynchJobError.objects.count() == 3
    cause = Cause.objects.get()
    assert (cause.kind, cause.code) == ("rejected", "check_refused")
    assert cause.sample.endswith("is not welcome")


def test_a_known_cause_keeps_its_first_sight() -> None:
    entry = make_entry()
    keep_causes([entry])
    first = Cause.objects.get().first_seen
    entry.at = timezone.now()
    keep_causes([entry, entry])
    assert Cause.objects.get().first_seen == first

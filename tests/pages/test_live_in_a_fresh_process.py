"""A comparison of both records now, in a web process that has never read from these services."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.urls import reverse

from synccore.connectors.odata import metadata
from synccore.models import Coupling
from tests import factories as make
from tests.connectors.odata.test_round_trips import Pair
from tests.odata.business_central import BusinessCentralServer
from tests.odata.dataverse import DataverseServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Customers and accounts that workers keep in step; what they read of the tables is shared."""
    with BusinessCentralServer() as left, DataverseServer() as right:
        left.put("customers", str(uuid4()), {"number": "C1", "displayName": "Fabrikam", "city": "Gent"})
        yield Pair(left, right)
        assert not left.crashes and not right.crashes


def test_it_asks_each_app_for_the_record_and_for_nothing_else(pair, as_user, monkeypatch):
    coupling = Coupling.objects.live().paired().get()
    browser = as_user(make.make_user("Administrator"))
    monkeypatch.setattr(metadata, "_kept", OrderedDict())  # a process that has just started
    pair.left.requests.clear()
    pair.right.requests.clear()
    answer = browser.get(reverse("coupling:live_compare", args=[coupling.pk]), headers={"hx-request": "true"})
    text = answer.content.decode()
    assert answer.status_code == 200 and "Gent" in text and "Fabrikam" in text
    assert pair.asked == (1, 1), (pair.left.requests, pair.right.requests)
    assert all(method == "GET" and "$metadata" not in path for method, path in pair.right.requests)

"""The online demo with real jobs in one process: set up by the services, each fault on its record, nothing else amiss."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from synccore.models import Connection, Coupling, FieldMapping, JobQueueEntry, Problem, TableMapping
from synccore.services.connections import check_now
from synccore.verbs import problems
from tandem.demo import opening
from tandem.demo.online import faults
from tandem.demo.online import opening as online
from tandem.demo.online.apps import OnlineApp, OnlineApps
from tandem.demo.online.cases import CASES
from tandem.demo.online.host import open_app
from tandem.demo.online.setup import INTEGRATION, make_integration
from tandem.demo.users import make_people
from tests.demo.test_end_to_end import a_minute, found, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def apps(tmp_path) -> Iterator[OnlineApps]:
    hosts = {
        kind: open_app(kind, port=0, file=tmp_path / f"{kind}.records", key="k")
        for kind in ("business_central", "dataverse")
    }
    for host in hosts.values():
        host.server.start()
    yield OnlineApps(*(OnlineApp(kind, host.server.port, "k") for kind, host in hosts.items()))
    for host in hosts.values():
        host.server.close()
        assert host.server.crashes == []
    shutil.rmtree(tmp_path)


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(problems, "REFUSAL_WAIT", timedelta(0))
    monkeypatch.setattr(problems, "BACKOFF", (timedelta(0),))
    monkeypatch.setattr("synccore.tasks.kick", lambda: 0)  # jobs run here, not in a worker
    monkeypatch.setattr("synccore.services.jobs.kick_on_commit", lambda: None)


def test_the_online_demo_from_its_first_start_to_rest(apps, no_waiting):
    assert make_integration(apps)
    assert not make_integration(apps)
    assert {row.kind for row in Connection.objects.all()} == {"business_central", "dataverse"}
    assert TableMapping.objects.filter(enabled=True).count() == 8
    make_people()
    assert TableMapping.objects.visible_to(User.objects.get(username="viewer")).count() == 8
    assert JobQueueEntry.objects.filter(interval_seconds=60).count() == 16
    names = [mapping.name for level in opening.levels(INTEGRATION) for mapping in level]
    assert names.index("Currencies") < names.index("Customers") and names.index("Unit groups") < names.index(
        "Items"
    )
    said = []
    assert online.run(apps, said.append, pause=lambda _seconds: work())
    for _ in range(3):
        a_minute("sweep")
        a_minute()

    expected = {
        (each.mapping, "" if each.setup else each.key, each.code, each.state) for each in CASES if each.state
    }
    assert set(found()) == expected
    assert len(list(found())) == len(expected)
    _nothing_else_is_amiss()
    _a_second_start_changes_nothing(apps)
    for name, code in BROKEN.items():
        _broken_and_put_right(apps, name, code)


#: What Tandem says of each fault: of a mapping, or of the whole app.
BROKEN = {
    "accounts": "missing_privilege",
    "expired": "secret_expired",
    "admin-mode": "admin_mode",
}


def _broken_and_put_right(apps: OnlineApps, name: str, code: str) -> None:
    fault, administrator = faults.FAULTS[name], User.objects.get(username="admin")
    held = Problem.objects.not_ended().of_setup().exclude(mapping__name="Salespeople")
    records = {each for each in found() if each[1]}
    fault.cause(apps, "admin")
    a_minute()
    assert {problem.code for problem in held.all()} == {code}, name
    assert {each for each in found() if each[1]} == records, "no record is touched"
    fault.put_right(apps)
    for problem in held.all():
        check_now(problem, user=administrator)
    work()
    a_minute()
    assert not held.all().exists(), name


def _a_second_start_changes_nothing(apps: OnlineApps) -> None:
    before = Coupling.objects.count()
    assert not make_integration(apps)
    assert online.run(apps, lambda _text: None, pause=lambda _seconds: work())
    a_minute()
    assert Coupling.objects.count() == before


def _nothing_else_is_amiss() -> None:
    """Both apps hold the same, and customers and vendors are told apart."""
    pairs = Coupling.objects.live().paired()
    counts = {
        name: pairs.filter(mapping__name=name).count() for name in ("Salespeople", "Currencies", "Vendors")
    }
    assert counts == {"Salespeople": 12, "Currencies": 7, "Vendors": 300}
    of_both = pairs.filter(mapping__name__in=("Customers", "Vendors"), right_id__isnull=False)
    assert len(set(of_both.values_list("right_id", flat=True))) == of_both.count()
    currency = FieldMapping.objects.get(mapping__name="Customers", left_field="currencyId")
    assert currency.empty_id  # the base currency of Dataverse, looked up once

"""A try whose answer was lost, and later ones that reach nobody: what the first one did is found, and not done again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from synccore.connectors.odata import circuit, limiter, metadata
from synccore.models import Coupling, Journal, Problem
from tests.connectors.odata.conftest import on_its_own  # noqa: F401
from tests.odata.dataverse import DataverseServer
from tests.odata.faults import Trouble
from tests.odata.fixtures import dataverse_server  # noqa: F401

from .conftest import Clock
from .test_garbage import ErpAndDataverse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("on_its_own")]


def creates(method: str, _path: str) -> bool:
    return method == "PATCH"


ID = "7f000000-0000-4000-8000-000000000001"
LATER = {
    "a pause": Trouble(429, {"Retry-After": "200"}, when=creates),
    "a service that starts": Trouble(503, {"Retry-After": "200"}, when=creates),
    "no service": Trouble(cut="before", when=creates),
    "a gateway": Trouble(503, {}, b"<html>upstream connect error</html>", when=creates),
    "a refused sign-in": Trouble(401, {}, b"", when=creates),
}


@pytest.fixture
def world(
    dataverse_server: DataverseServer,  # noqa: F811
    no_pauses: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ErpAndDataverse]:
    monkeypatch.setattr(circuit, "PROBE_EVERY", 0.0)
    metadata.forget()
    yield ErpAndDataverse(dataverse_server)
    metadata.forget()


@pytest.mark.parametrize("later", LATER)
def test_a_record_that_was_created_is_not_created_again(
    world: ErpAndDataverse, clock: Clock, later: str
) -> None:
    world.left.put("customer", ID, {"no": "C001", "name": "One"})
    world.server.faults.cut(after=True, when=creates)  # it is created, and nobody is told
    world.server.faults.add(LATER[later], 9)
    world.run()
    assert len(world.accounts()) == 1
    assert Journal.objects.get().state == Journal.State.UNKNOWN
    world.server.faults.clear()
    circuit._locals.clear()
    limiter._locals.clear()
    for _run in range(2):
        clock.move(hours=2)
        Problem.objects.of_setup().not_ended().update(next_attempt=clock.now)
        world.run("check")
        world.run()
    assert world.accounts() == [("C001", "One")]
    assert Coupling.objects.live().paired().count() == 1
    assert not Problem.objects.of_records().not_ended().exists()

"""What the tests of the OData connector share."""

import pytest

from synccore.connectors.odata import limiter, shared
from tests.connectors.odata.wire import Port, Wire


@pytest.fixture(autouse=True)
def on_its_own(monkeypatch):
    """Without Redis."""
    monkeypatch.setattr(shared, "_shared", shared.Shared())


@pytest.fixture
def with_redis(redis_url):
    """The Redis of this test run."""
    limiter.use(redis_url)


@pytest.fixture
def wire():
    """A server of bare sockets."""
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def talking():
    """``talking(talk)`` → the number of a port of this machine whose connections are given to ``talk`` (``Port``)."""
    ports = []

    def start(talk, **more):
        ports.append(Port(talk, **more))
        return ports[-1].number

    yield start
    for port in ports:
        port.close()

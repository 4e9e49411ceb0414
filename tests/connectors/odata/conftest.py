"""What the tests of the OData connector share: no test knows of another's outages, limits, sizes or tokens."""

import pytest

from synccore.connectors.odata import auth, batches, circuit, limiter, shared
from tests.connectors.odata.wire import Port, Wire


@pytest.fixture(autouse=True)
def on_its_own(monkeypatch):
    """Without Redis, and with nothing learned before."""
    monkeypatch.setattr(shared, "_shared", shared.Shared())
    for known in (auth._tokens, batches._known, circuit._locals, limiter._locals):
        known.clear()
    limiter._memory.clear()


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

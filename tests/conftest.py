"""Fixtures every test may use. The servers behind them are started by `tandem.runtime.pytest_plugin`."""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connections
from hypothesis import HealthCheck
from hypothesis import settings as properties
from hypothesis.internal.conjecture import providers

from synccore.connectors.odata import (
    auth,
    batches,
    circuit,
    client,
    copies,
    exchange,
    limiter,
    metadata,
    shared,
)
from synccore.services import live, matching, parents
from tandem import health
from tandem.runtime import Services
from tandem.runtime.pytest_plugin import SERVICES

#: Seconds that a test takes, roughly, by its folder; most take a tenth of one.
SECONDS = {"browser": 2.5, "convergence": 1.0, "demo": 1.0, "runtime": 1.5}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the files, those that take longest are dealt out first: at the end nobody waits for a
    process that has just begun one of them."""
    if not hasattr(config, "workerinput"):
        return
    takes: Counter[Path] = Counter()
    for item in items:
        takes[item.path] += 20 if item.get_closest_marker("slow") else SECONDS.get(item.path.parent.name, 0.1)
    items.sort(key=lambda item: (-takes[item.path], item.path))


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay until the end: the garbage collector need not look through them again and
    again, which is a twentieth of the time."""
    gc.collect()
    gc.freeze()


#: Seconds that stand for the short ones of people who wait: a busy machine may stand still for longer than those.
PATIENCE = 60

EXPLORE = bool(os.environ.get("TANDEM_EXPLORE"))

# The same examples each time, and no example is too slow: chance and the machine fail no run. TANDEM_EXPLORE=1 draws others.
properties.register_profile(
    "tandem", deadline=None, derandomize=not EXPLORE, suppress_health_check=[HealthCheck.too_slow]
)
properties.load_profile("tandem")
if not EXPLORE:
    # Texts and numbers of the code that happens to be imported are mixed into examples: these would be others after
    # another test, another commit, and in a clone of another path.
    pytest.MonkeyPatch().setattr(providers, "is_local_module_file", lambda path: False)


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """Tests of these limits set small ones of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "STEP", PATIENCE)
        patch.setattr(matching, "LONGEST", PATIENCE)
        for asks in (live.read_pair, live.ask, parents.missing):
            patch.setitem(asks.__kwdefaults__, "longest", PATIENCE)
        patch.setattr(shared, "PATIENCE", PATIENCE)
        patch.setattr(exchange, "PAUSE", PATIENCE)
        patch.setattr(health, "SECONDS", PATIENCE)
        patch.setitem(connections.settings["default"]["OPTIONS"], "connect_timeout", PATIENCE)
        yield


@pytest.fixture(autouse=True)
def services_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test server may stand where that of another test stood: what was read there, and learned of its limits, outages,
    sizes and tokens, is not shared with this one."""
    name = uuid4().hex
    monkeypatch.setattr(copies, "_code", lambda: name)
    monkeypatch.setattr(client, "name_of", lambda *parts: limiter.name_of(name, *parts))
    for known in (auth._tokens, batches._known, circuit._locals, limiter._locals, metadata._kept):
        known.clear()
    limiter._memory.clear()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not answer, or is busy and does not say for how long, is asked again at once; as often as ever."""
    monkeypatch.setattr(client, "backoff", lambda tries: 0.0)


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> Services:
    """The running PostgreSQL and Valkey of this test run."""
    return pytestconfig.stash[SERVICES]


@pytest.fixture(scope="session")
def pg_admin(services: Services) -> Callable[[str], str]:
    """`pg_admin(dbname="postgres")` → a superuser's connection string, for tests that need databases and
    roles of their own. Drop what you create."""
    return services.admin_dsn


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The broker's address as redis-py takes it (`unix://…` or `redis://…`)."""
    return settings.REDIS_URL

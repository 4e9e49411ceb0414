"""The two demo apps on the test server, under names of their own."""

import os
from collections.abc import Callable, Iterator

import pytest

from tandem.demo import databases
from tandem.demo.apps import Apps
from tandem.demo.seed import make_apps
from tests.pages.conftest import administrator, as_user, owner, viewer, world  # noqa: F401  (fixtures)


@pytest.fixture(scope="module")
def apps(pg_admin: Callable[..., str]) -> Iterator[Apps]:
    """Both apps, freshly made and filled; dropped at the end of the module."""
    made = Apps.at(pg_admin(), f"tandem_test_demo_{os.getpid()}")
    databases.drop(made)
    assert make_apps(made)
    yield made
    databases.drop(made)


@pytest.fixture
def demo_runs(settings, apps, monkeypatch):
    """The console as it is while the demo runs: its bar, its addresses, its two apps."""
    settings.DEMO = True
    settings.ROOT_URLCONF = "tests.demo.console"
    (engine,) = settings.TEMPLATES
    options = engine["OPTIONS"]
    processors = [*options["context_processors"], "tandem.demo.bar.bar"]
    settings.TEMPLATES = [{**engine, "OPTIONS": {**options, "context_processors": processors}}]
    monkeypatch.setattr("tandem.demo.apps.Apps.of_environment", lambda: apps)
    return apps

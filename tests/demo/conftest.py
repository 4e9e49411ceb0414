"""The two demo apps on the test server, under names of their own."""

import os
from collections.abc import Callable, Iterator

import pytest

from tandem.demo import databases
from tandem.demo.apps import Apps
from tandem.demo.seed import make_apps


@pytest.fixture(scope="module")
def apps(pg_admin: Callable[..., str]) -> Iterator[Apps]:
    """Both apps, freshly made and filled; dropped at the end of the module."""
    made = Apps.at(pg_admin(), f"tandem_test_demo_{os.getpid()}")
    databases.drop(made)
    assert make_apps(made)
    yield made
    databases.drop(made)

"""The stage of these tests, as Tandem's default database of this process for as long as they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from stage import Stage

from tandem import env
from tandem.celery import app as celery
from tandem.runtime import Services
from tandem.runtime.services import VARIABLES


@pytest.fixture(scope="module")
def stage(
    pg_admin: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: pytest.FixtureRequest,
) -> Iterator[Stage]:
    kept = {name: os.environ.pop(name) for name in (*VARIABLES, "TANDEM_ADMIN_URL") if name in os.environ}
    services = Services(profile=f"test-queue-{os.getpid()}")
    os.environ.update(kept)
    folder: Path = tmp_path_factory.mktemp("queue")
    services.start()
    made = Stage(services, pg_admin, folder)
    ours = connections["default"]
    broker = celery.conf.broker_url
    try:
        with django_db_blocker.unblock():  # type: ignore[attr-defined]
            connections["default"] = DatabaseWrapper(
                {**ours.settings_dict, **env.database(services.database_url)}, "default"
            )
            _use_broker(env.broker(services.redis_url))
            call_command("migrate", verbosity=0)
            made.make_apps()
            yield made
    finally:
        made.end()
        connections["default"].close()
        connections["default"] = ours
        _use_broker(broker)
        made.drop_apps()
        services.stop()
        for name in kept:
            os.environ.pop(name, None)
        try:
            Services(profile=services.profile).reset()
        finally:
            os.environ.update(kept)


def _use_broker(url: str) -> None:
    celery.conf.broker_url = url
    celery._pool = None  # pools are kept per address: the old one is found again afterwards
    celery.amqp._producer_pool = None

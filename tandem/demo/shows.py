"""Which demo runs (``APPS=`` of ``make demo``), and what its bar and *Break something* show of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from synccore.models import Connection
from tandem.demo import faults, steps
from tandem.demo.apps import Apps, DemoProblem
from tandem.demo.fault import Fault
from tandem.demo.faults import Standing
from tandem.demo.steps import Done

#: What APPS may be: two databases, or the online apps Business Central and Dataverse.
DATABASES, ONLINE = "databases", "dataverse"
CHOICES: Final = (DATABASES, ONLINE)


@dataclass(frozen=True)
class Show:
    """One of the demos. ``troubles``: what its apps raise where they do not answer, or have not what is asked for."""

    apps: Callable[[], Any]
    faults: Mapping[str, Fault]
    standings: Callable[[Any], Iterator[Standing]]
    put_all_right: Callable[[Any], None]
    steps: Callable[[], list[Done]]
    connections: Callable[[Any], dict[str, int]]
    troubles: tuple[type[Exception], ...]


def _database_connections(apps: Apps) -> dict[str, int]:
    kinds = {app.integration: app.kind for app in apps}
    rows = Connection.objects.filter(integration_user__in=kinds).values_list("integration_user", "pk")
    return {kinds[user]: pk for user, pk in rows}


def chosen() -> str:
    """The demo that the start of this process named. Raises DemoProblem where it is none."""
    name = os.environ.get("TANDEM_DEMO_APPS", "") or DATABASES
    if name not in CHOICES:
        raise DemoProblem(f"APPS is {name!r}: choose one of {', '.join(CHOICES)}.")
    return name


def show() -> Show:
    """What the running demo shows."""
    if chosen() == ONLINE:
        from tandem.demo.online.show import ONLINE_SHOW  # its servers are no part of an installation

        return ONLINE_SHOW
    return Show(
        lambda: Apps.of_environment(),
        faults.FAULTS,
        faults.standings,
        faults.put_all_right,
        steps.look,
        _database_connections,
        (DemoProblem, psycopg.Error),
    )

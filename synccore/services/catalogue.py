"""What the apps' tables looked like when they were last read, for pages that contact nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max

from synccore import jobs
from synccore.engine.serial import load_preconditions
from synccore.failures import Misconfigured
from synccore.models import AppTable, Connection, Integration, SynchJob, TableMapping
from synccore.models.catalogue import read_at, stored_tables
from synccore.models.scoping import SET_UP
from synccore.shapes import SIDES, Side, TableInfo
from synccore.tasks import kick_on_commit

from .rights import require


@dataclass(frozen=True, slots=True)
class Known:
    """Stored descriptions of the tables a page needs. ``read_at``: when each app was read, None where it never was."""

    tables: Mapping[Side, Mapping[str, TableInfo]]
    read_at: Mapping[Side, datetime | None]

    @property
    def complete(self) -> bool:
        return all(self.read_at.values())

    def table(self, side: Side, name: str) -> TableInfo | None:
        return self.tables[side].get(name)


def known_of(integration: Integration, wanted: Mapping[Side, Collection[str]]) -> Known:
    """Stored descriptions of these tables of both apps; two queries."""
    apps = {side: integration.connection(side).pk for side in SIDES}
    found = stored_tables({apps[side]: set(wanted.get(side, ())) for side in SIDES})
    at = read_at(apps.values())
    return Known({side: found[apps[side]] for side in SIDES}, {side: at[apps[side]] for side in SIDES})


def known_to(mapping: TableMapping, *more: tuple[Side, str]) -> Known:
    """Stored descriptions of every table that a mapping names, and of ``more``; two queries."""
    wanted = {side: {getattr(mapping, f"{side.value}_table")} for side in SIDES}
    try:
        for each in load_preconditions(mapping.preconditions):
            wanted[each.side].add(each.table)
    except Misconfigured:
        pass  # the page says so; it needs no further table for that
    for side, name in more:
        wanted[side].add(name)
    return known_of(mapping.integration, wanted)


def table_names(app: Connection) -> list[tuple[str, str]]:
    """Names and labels of the tables as last read, in order."""
    rows = AppTable.objects.filter(connection=app).order_by("name").values_list("name", "info__label")
    return [(name, label or "") for name, label in rows]


@dataclass(frozen=True, slots=True)
class Summary:
    """How many tables an app had when they were last read; ``at`` None: they never were."""

    tables: int
    at: datetime | None


def summary_of(app: Connection) -> Summary:
    """One query."""
    found = AppTable.objects.filter(connection=app).order_by().aggregate(n=Count("pk"), at=Max("read_at"))
    return Summary(found["n"], found["at"])


def start_describe(apps: Collection[Connection], *, user: Any) -> list[SynchJob]:
    """Read the tables of these apps anew: one job each. Raises RightMissing."""
    require(user, SET_UP)
    with transaction.atomic():
        started = [
            jobs.enqueue(verb="describe", connection=app, requested_by=user, origin=SynchJob.Origin.PERSON)
            for app in apps
        ]
        kick_on_commit()
    return started


def unreadable(apps: Collection[Connection]) -> list[SynchJob]:
    """The last reading of each app's tables where it failed."""
    last: dict[int | None, SynchJob] = {}
    found = SynchJob.objects.filter(verb="describe", connection__in=[app.pk for app in apps])
    for job in found.select_related("connection").order_by("-pk")[:20]:
        last.setdefault(job.connection_id, job)
    return [job for job in last.values() if job.state == SynchJob.State.FAILED]


def being_read(apps: Collection[Connection]) -> list[SynchJob]:
    """Jobs that read the tables of these apps now, or will."""
    found = SynchJob.objects.unfinished().filter(verb="describe", connection__in=[app.pk for app in apps])
    return list(found.order_by("pk"))

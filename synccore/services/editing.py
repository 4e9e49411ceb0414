"""A record of an app that has no pages of its own: read whole for a person who waits, and edited by a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from synccore.connectors import CONNECTORS
from synccore.connectors.base import Connector
from synccore.engine.values import dump_values
from synccore.models import Coupling, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.shapes import ALL, Record, Side, TableInfo, TableRef, Value

from .addresses import app_address
from .comparing import being_decided
from .jobs import NotNow
from .live import Answer, ask
from .records import start_bulk
from .rights import require_on

EDIT = "synccore.edit_record"


def can_edit(mapping: TableMapping, side: Side, id: str) -> bool:
    """Whether this app's records are edited here: it takes changes and has no page of its own for the record."""
    kind = CONNECTORS.get(mapping.connection(side).kind)
    return kind is not None and kind.can_write and not app_address(mapping, side, id)


@dataclass(frozen=True, slots=True)
class Whole:
    """A record with every field the integration user may read; ``info`` None where the app does not describe its table."""

    record: Record | None
    info: TableInfo | None


def read_whole(coupling: Coupling, side: Side) -> Answer[Whole]:
    """The record as its app holds it now. Never raises for what the app does."""
    mapping = coupling.mapping
    table, id = mapping.table(side), str(coupling.of(side, "id"))
    return ask({side: (mapping.connection(side), lambda app: _whole(app, table, id))})[side]


def _whole(app: Connector, table: TableRef, id: str) -> Whole:
    """Runs in a thread of its own and touches nothing of Django."""
    records = app.fetch(table, [id], ALL)
    record = next((each for each in records if each.id == id), None)
    return Whole(record, app.glance([table.name]).get(table.name) if record is not None else None)


@transaction.atomic
def edit(
    coupling: Coupling, side: Side, *, values: Mapping[str, Value], seen: Mapping[str, Any], user: Any
) -> SynchJob:
    """Start the job that writes these values to one record.

    ``seen``: {"version": …, "fields": {name: digest}}, what the person had before him; where a field is not that any more,
    nothing is written and the job names it. Raises RightMissing; NotNow ``not_coupled``, ``in_job``.
    """
    require_on(user, coupling.mapping, EDIT, GrantLevel.RESOLVE)
    locked = Coupling.objects.select_for_update(of=("self",)).live().filter(pk=coupling.pk).first()
    if locked is None or locked.of(side, "id") is None:
        raise NotNow("not_coupled")
    if (busy := being_decided(coupling)) is not None:
        raise NotNow("in_job", job=busy.job_id, who=str(busy.job.requested_by or ""))
    options = {"side": side.value, "values": dump_values(values), "seen": dict(seen)}
    return start_bulk("edit", Coupling.objects.filter(pk=coupling.pk), user=user, options=options)

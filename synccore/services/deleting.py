"""Deleting a mapping, a pair of apps, or a connection that nothing needs any more. No app is contacted.

The order in which rows are locked: what the diary tells of it, then the row itself; whoever is about to refer to that row
keeps it first (``models.kept``). So a job that starts in between is seen, or does not start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import DELETION
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from synccore.models import (
    AppTable,
    Connection,
    Coupling,
    FieldMapping,
    Integration,
    Journal,
    OwnerCode,
    Problem,
    SetupCheck,
    SynchJob,
    TableMapping,
)
from synccore.models.scoping import SET_UP

from . import acts, deleted
from .connections import revision_of
from .jobs import NotNow
from .rights import require

# -- a mapping ---------------------------------------------------------------------------------------------------------


def hangs_on(mapping: TableMapping) -> dict[str, int]:
    """What forbids to delete a mapping: kinds of things with how many there are; {} where it may go. Five queries."""
    found = {
        "couplings": Coupling.objects.filter(mapping=mapping).count(),
        "problems": Problem.objects.not_ended().of_records().filter(mapping=mapping).count(),
        "journal": Journal.objects.filter(mapping=mapping).count(),
        "references": FieldMapping.objects.filter(reference=mapping).exclude(mapping=mapping).count(),
        "jobs": SynchJob.objects.unfinished().filter(mapping=mapping).count(),
    }
    return {name: n for name, n in found.items() if n}


@transaction.atomic
def delete_mapping(mapping: TableMapping, *, user: Any) -> None:
    """Delete a mapping on which nothing hangs, with its fields, schedules and jobs, and what the diary tells of it; who did
    it is kept.

    Raises RightMissing; NotNow ``mapping_gone``, ``mapping_in_use`` with ``hangs`` as :func:`hangs_on` gives it.
    """
    require(user, SET_UP)
    if hangs := hangs_on(mapping):  # before anything is locked for it
        raise NotNow("mapping_in_use", mapping=mapping.name, hangs=hangs)
    deleted.hold_diary(mapping=mapping)
    row = TableMapping.objects.select_for_update().filter(pk=mapping.pk).first()
    if row is None:
        raise NotNow("mapping_gone", mapping=mapping.name)
    if hangs := hangs_on(row):
        raise NotNow("mapping_in_use", mapping=row.name, hangs=hangs)
    acts.note(row, DELETION, by=user, said=f"{row.left_table} ⇄ {row.right_table}")
    deleted.forget_diary(mapping=row)
    row.field_mappings.update(reference=None)
    row.delete()


# -- a pair of apps ----------------------------------------------------------------------------------------------------


def mappings_of(integration: Integration) -> QuerySet[Any]:
    """The mappings of an integration with what keeps them: ``coupled`` (whether records are, or were) and ``written`` (when
    the journal was written last; None: never)."""
    couplings = Coupling.objects.filter(mapping=OuterRef("pk"))
    journal = Journal.objects.filter(mapping=OuterRef("pk")).order_by("-pk").values("at")[:1]
    rows = TableMapping.objects.filter(integration=integration).order_by("name", "pk")
    return rows.annotate(coupled=Exists(couplings), written=Subquery(journal))


@transaction.atomic
def delete_integration(integration: Integration, *, user: Any) -> None:
    """Delete a pair of apps that has no mapping. The apps stay connected; who did it is kept.

    Raises RightMissing; NotNow ``integration_gone``, ``integration_needed``.
    """
    require(user, SET_UP)
    rows = Integration.objects.select_for_update(of=("self",)).select_related("left", "right")
    row = rows.filter(pk=integration.pk).first()
    if row is None:
        raise NotNow("integration_gone", mapping=integration.name)
    if row.mappings.exists():
        raise NotNow("integration_needed", mapping=row.name)
    acts.note(row, DELETION, by=user, said=f"{row.left} ⇄ {row.right}")
    row.delete()


# -- a connection ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needs:
    """What stands in the way of deleting a connection: the integrations that use it, each with its mappings (see
    :func:`mappings_of`), and its jobs that have not ended. Empty: nothing does."""

    integrations: list[tuple[Integration, list[Any]]]
    jobs: list[SynchJob]

    def __bool__(self) -> bool:
        return bool(self.integrations or self.jobs)


def needs_of(connection: Connection) -> Needs:
    """What needs a connection. One query, two more and one per integration where some do."""
    of_app = Q(left=connection) | Q(right=connection)
    pairs = Integration.objects.filter(of_app).select_related("left", "right").order_by("name", "pk")
    unfinished = SynchJob.objects.unfinished().filter(connection=connection).order_by("pk")
    return Needs([(pair, list(mappings_of(pair))) for pair in pairs], list(unfinished))


def goes_with(connection: Connection) -> dict[str, int]:
    """What is deleted with a connection, and how much of each; what there is none of is left out."""
    of = {"connection": connection}
    found = {
        "checks": SetupCheck.objects.filter(**of).count(),
        "tables": AppTable.objects.filter(**of).count(),
        "jobs": SynchJob.objects.filter(**of).count(),
        "codes": OwnerCode.objects.filter(**of).count(),
        **deleted.diary_of(**of),
    }
    return {name: n for name, n in found.items() if n}


@transaction.atomic
def delete_connection(connection: Connection, *, user: Any, revision: str) -> None:
    """Delete a connection that nothing needs, with all that :func:`goes_with` it; who did it is kept.

    ``revision``: ``services.connections.revision_of`` what the person saw.

    Raises RightMissing; NotNow ``connection_gone``, ``connection_needed``, or ``connection_moved`` where somebody saved it
    in the meantime: he may have put right what is wrong with it.
    """
    require(user, SET_UP)
    if needs_of(connection):  # before anything is locked for it
        raise NotNow("connection_needed", mapping=connection.name)
    deleted.hold_diary(connection=connection)
    row = Connection.objects.select_for_update().filter(pk=connection.pk).first()
    if row is None:
        raise NotNow("connection_gone", mapping=connection.name)
    if needs_of(row):
        raise NotNow("connection_needed", mapping=row.name)
    if revision != revision_of(row):
        raise NotNow("connection_moved", mapping=row.name)
    acts.note(row, DELETION, by=user, said=row.address or row.kind)
    deleted.forget_diary(connection=row)
    row.delete()

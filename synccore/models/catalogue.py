"""What an app's tables looked like when they were last read: the set-up pages judge by it and contact nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from synccore.engine.serial import dump_table, load_table
from synccore.failures import Misconfigured
from synccore.shapes import TableInfo

from .connection import Connection


class AppTable(models.Model):
    """One table of an app as its catalogue described it. The verb ``describe`` replaces all of a connection."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="tables")
    name = models.CharField(max_length=200)
    info = models.JSONField()
    read_at = models.DateTimeField()

    class Meta:
        ordering = ("connection", "name")
        verbose_name = _("table of an app")
        verbose_name_plural = _("tables of apps")
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="app_table_once")]

    def __str__(self) -> str:
        return self.name


@transaction.atomic
def store_catalogue(connection: Connection, tables: Mapping[str, TableInfo], at: datetime) -> None:
    """Keep what the app's catalogue says now; tables that are gone go. A name too long to be mapped is left out."""
    names = [name for name in tables if len(name) <= 200]
    AppTable.objects.filter(connection=connection).exclude(name__in=names).delete()
    AppTable.objects.bulk_create(
        [
            AppTable(connection=connection, name=name, info=dump_table(tables[name]), read_at=at)
            for name in sorted(names)
        ],
        update_conflicts=True,
        unique_fields=["connection", "name"],
        update_fields=["info", "read_at"],
        batch_size=500,
    )


def stored_tables(wanted: Mapping[int, Collection[str]]) -> dict[int, dict[str, TableInfo]]:
    """Descriptions of these tables by connection id, in one query. One that cannot be read any more counts as not stored."""
    found: dict[int, dict[str, TableInfo]] = {pk: {} for pk in wanted}
    names: set[str] = {name for each in wanted.values() for name in each}
    rows: Any = AppTable.objects.filter(connection__in=list(wanted), name__in=names)
    for row in rows:
        if row.name in wanted[row.connection_id]:
            try:
                found[row.connection_id][row.name] = load_table(row.info)
            except Misconfigured:
                continue
    return found


def read_at(connections: Collection[int]) -> dict[int, datetime | None]:
    """When the catalogue of each connection was read; None: never. One query."""
    known: dict[int, datetime | None] = dict.fromkeys(connections)
    rows = AppTable.objects.filter(connection__in=connections).order_by().values_list("connection")
    return known | dict(rows.annotate(at=models.Max("read_at")))

"""Rows that others are about to refer to, and that somebody may be deleting at this moment."""

from __future__ import annotations

from django.db import connection
from django.db.models import Model


def keep(row: Model) -> None:
    """Nobody deletes this row before the present transaction ends. Raises ``DoesNotExist`` where somebody did.

    PostgreSQL looks at references when a transaction ends: too late to say anything. Whoever deletes locks the row first
    (``select_for_update``) and then looks who refers to it, so that one of the two waits for the other and sees it. Nobody
    else waits.
    """
    table, key = row._meta.db_table, row._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT 1 FROM "{table}" WHERE "{key}" = %s FOR KEY SHARE', [row.pk])
        if cursor.fetchone() is None:
            raise type(row).DoesNotExist(f"{table} {row.pk}")  # type: ignore[attr-defined]

"""Counting up to a limit: many conditions in one question, none of which reads more rows than the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet

COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class Counted:
    """How many rows match. ``more``: at least so many, counting stopped there."""

    n: int
    more: bool = False


def up_to(n: int) -> Counted:
    """What a count with :data:`COUNT_LIMIT` + 1 as its limit says."""
    return Counted(min(n, COUNT_LIMIT), more=n > COUNT_LIMIT)


def count_each(querysets: Sequence[QuerySet[Any]]) -> list[Counted]:
    """One query for all of them."""
    parts: list[str] = []
    params: list[Any] = []
    asked = []
    for place, rows in enumerate(querysets):
        try:
            sql, own = rows.order_by().values("pk")[: COUNT_LIMIT + 1].query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append(f"(SELECT count(*) FROM ({sql}) AS part_{place})")
        params += own
        asked.append(place)
    counts = dict.fromkeys(range(len(querysets)), 0)
    if parts:
        with connections[querysets[0].db].cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(parts)}", params)
            counts |= dict(zip(asked, cursor.fetchone(), strict=True))
    return [up_to(counts[place]) for place in range(len(querysets))]

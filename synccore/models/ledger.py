"""Do the counts still say what the rows say? Problems, entries and ``Stat``, recounted from nothing.

The sums of ``Stat`` are judged per bucket, fingerprint, state and "of a record", whatever the day: writers put a delta
on the day they write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Count

from .problem import Problem, Stat

#: What every row of Stat should add up to. Entries of people's clean-ups are deleted entries and count no more.
_RECOUNT = """
    SELECT bucket_id, fingerprint, state, coupling_id IS NOT NULL AS of_record, count(*) AS n,
           CASE state WHEN 'ended' THEN max(ended_at) ELSE max(since) END AS last
    FROM synccore_problem GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT bucket_id, fingerprint, 'entry', coupling_id IS NOT NULL, count(*), max(at)
    FROM synccore_synchjoberror GROUP BY 1, 2, 4
"""

_DRIFT = f"""
    WITH really AS ({_RECOUNT}),
    counted AS (
        SELECT bucket_id, fingerprint, state, of_record, sum(n) AS n FROM synccore_stat GROUP BY 1, 2, 3, 4
    )
    SELECT bucket_id, fingerprint, state, of_record, coalesce(counted.n, 0), coalesce(really.n, 0)
    FROM counted FULL JOIN really USING (bucket_id, fingerprint, state, of_record)
    WHERE coalesce(counted.n, 0) <> coalesce(really.n, 0)
    ORDER BY bucket_id, state, fingerprint, of_record
"""

_REPLACE = f"""
    INSERT INTO synccore_stat (day, bucket_id, fingerprint, state, of_record, n)
    SELECT (last AT TIME ZONE 'UTC')::date, bucket_id, fingerprint, state, of_record, n FROM ({_RECOUNT}) AS really
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """One count that is not what the rows say. ``state`` is a problem's state, or "entry"."""

    bucket: int
    fingerprint: str
    state: str
    of_record: bool
    counted: int
    really: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Problems there ever were: every one is in one state now, and every one that ended says how.

    ``unaccounted`` are those that are neither: none, as long as the constraints hold.
    """

    ever: int
    states: dict[str, int]
    endings: dict[str, int]
    drift: list[Drift]

    @property
    def unaccounted(self) -> int:
        return self.ever - sum(self.states.values()) - sum(self.endings.values())


def read_ledger() -> Ledger:
    """Recount problems and entries. One snapshot: workers may go on meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not connection.savepoint_ids:  # the outermost transaction: its isolation may still be chosen
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        states = dict(
            Problem.objects.exclude(state=Problem.State.ENDED).values_list("state").annotate(n=Count("pk"))
        )
        endings: dict[str, Any] = dict(
            Problem.objects.exclude(ending="").values_list("ending").annotate(n=Count("pk"))
        )
        cursor.execute(_DRIFT)
        drift = [Drift(*row) for row in cursor.fetchall()]
        return Ledger(Problem.objects.count(), states, endings, drift)


def replace_stat() -> int:
    """Put the recount in the place of every row of Stat; gives the number of rows. Writers wait until it is done."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE synccore_stat IN SHARE ROW EXCLUSIVE MODE")
        Stat.objects.all().delete()
        cursor.execute(_REPLACE)
        return int(cursor.rowcount)

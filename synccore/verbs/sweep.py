"""The sweep: compare (id, version) of every row with the memory; whatever differs is left for the next run (ENGINE §5).

It reads by id, not by time, so it finds what a reading by time can miss: late commits, back-dated rows, deletions. It
writes to no app.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from psycopg import sql

from synccore.engine.brakes import deletions_stop
from synccore.failures import Kind
from synccore.models import Coupling, FieldMapping, TableMapping
from synccore.shapes import SIDES, Side

from .counted import keep_count
from .mended import put_right
from .released import fill
from .run import Run

TABLE = "tandem_sweep"

#: A row whose pair is not at this version, unless its open problem failed at this very version. Where its counterpart is
#: outside the filter nothing is done until that comes back, which the other side's scan tells.
_MOVED = """
INSERT INTO synccore_jobitem (job_id, mapping_id, coupling_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, %(mapping)s, c.id, %(side)s, s.id, '', 'found', 'open', 'moved'
FROM {table} s
JOIN synccore_coupling c ON c.mapping_id = %(mapping)s AND c.{id} = s.id AND c.removed_at IS NULL AND c.ended_at IS NULL
LEFT JOIN synccore_problem p ON p.coupling_id = c.id AND p.state <> 'ended'
WHERE (c.{version} <> s.version AND c.{other_outside} IS NULL OR NOT c.{exists} OR c.{outside} IS NOT NULL)
  AND (p.id IS NULL OR (p.{seen} <> s.version AND p.state <> 'on_purpose'))
ON CONFLICT DO NOTHING
"""

#: A row nobody knows, on a side from which records flow. Half couplings are known: their problem brings them back.
_NEW = """
INSERT INTO synccore_jobitem (job_id, mapping_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, %(mapping)s, %(side)s, s.id, '', 'found', 'open', 'new'
FROM {table} s
WHERE NOT EXISTS (
  SELECT 1 FROM synccore_coupling c WHERE c.mapping_id = %(mapping)s AND c.{id} = s.id AND c.ended_at IS NULL
)
ON CONFLICT DO NOTHING
"""

#: A coupled record that a complete scan did not meet: deleted, or outside the filter. The next run looks which.
_GONE = """
INSERT INTO synccore_jobitem (job_id, mapping_id, coupling_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, %(mapping)s, c.id, %(side)s, c.{id}, c.{name}, 'found', 'open', 'gone'
FROM synccore_coupling c
LEFT JOIN {table} s ON s.id = c.{id}
WHERE c.mapping_id = %(mapping)s AND c.{id} IS NOT NULL AND s.id IS NULL AND c.{exists} AND c.{outside} IS NULL
  AND c.removed_at IS NULL AND c.ended_at IS NULL
ON CONFLICT DO NOTHING
"""


def sweep(run: Run) -> None:
    """Sweep both sides of one mapping. Only a scan that came to its end counts; a broken one finds nothing.

    Raises Failure where an app cannot be read, Stopped where a side that held records suddenly shows no row at all (unless
    the job's option ``allow_empty`` says that a person looked at it).
    """
    rules = run.rules.rules
    for side in SIDES:
        rows = scan(run, side)
        if not run.job.options.get("allow_empty"):
            stop_if_emptied(run, side, rows)
        with run.page() as at:
            found = _compare(run, side, flows=rules.direction.allows(side.other) and not rules.only_coupled)
            keep_count(run, side, rows, at)
            run.log("swept", side=side.value, rows=rows, found=found)
            run.count("unchanged", side, max(rows - found, 0))
            run.count("waiting", side, found)
            if side is Side.RIGHT:
                TableMapping.objects.filter(pk=run.mapping.pk).update(swept_at=at)
    with run.page() as at:
        put_right(run, at, (Kind.TRANSIENT,), asked=run.asked)
    if run.job.waiting:
        run.queue_next.add((run.mapping.pk, "due"))


def count_records(run: Run) -> None:
    """Count both sides, for *Full synchronization*. It writes to no app. Raises Failure where one cannot be read; what was
    counted of the other one stays."""
    for side in SIDES:
        rows = scan(run, side)
        with run.page() as at:
            keep_count(run, side, rows, at)


def stop_if_emptied(run: Run, side: Side, rows: int) -> None:
    """Raises Stopped ``side_empty`` where a scan met no row of a side that held records of pairs when one last looked. Those
    known to be gone (a creation that was undone, a deletion that waits for a decision) are no part of them."""
    if rows:
        return
    there = {f"{side.value}_exists": True, f"{side.value}_out_of_filter_since": None}
    couplings = Coupling.objects.live().paired().filter(mapping=run.mapping, **there).count()
    if stop := deletions_stop(0, couplings, side, brakes=run.brakes):
        stop.params["job"] = run.job.pk
        raise stop


def scan(run: Run, side: Side, *, counted: Callable[[int], None] | None = None) -> int:
    """All rows of a side into the temporary table :data:`TABLE`; returns their number. ``counted`` is told page by page how
    many it met, repeats among them."""
    rules = run.rules.rules
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TABLE IF EXISTS {TABLE};"
            f'CREATE TEMP TABLE {TABLE} (id text COLLATE "C" PRIMARY KEY, version text NOT NULL)'
        )
    position = None
    while True:
        with run.remote(side) as connector:
            page = connector.versions(rules.table(side), rules.filter(side), position)
        with connection.cursor() as cursor:
            # A key that moved during the scan may be met twice; the later reading counts.
            cursor.execute(
                f"INSERT INTO {TABLE} SELECT DISTINCT ON (id) id, version "
                "FROM unnest(%s::text[], %s::text[]) AS v(id, version) "
                "ON CONFLICT (id) DO UPDATE SET version = excluded.version",
                [[id for id, _version in page.versions], [version for _id, version in page.versions]],
            )
        run.observe("scanned")
        if counted is not None:
            counted(len(page.versions))
        if page.complete:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {TABLE}")
                return int(cursor.fetchone()[0])
        position = page.cursor
        run.between_pages()


def _compare(run: Run, side: Side, *, flows: bool) -> int:
    names = {
        name: sql.Identifier(f"{side.value}_{column}")
        for name, column in (
            ("id", "id"), ("version", "version"), ("exists", "exists"),
            ("outside", "out_of_filter_since"), ("name", "name"), ("seen", "seen_version"),
        )
    }  # fmt: skip
    names["other_outside"] = sql.Identifier(f"{side.other.value}_out_of_filter_since")
    found = 0
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLE}")
        for statement in (_MOVED, _GONE, *((_NEW,) if flows else ())):
            query = sql.SQL(statement).format(table=sql.Identifier(TABLE), **names)
            cursor.execute(query, {"job": run.job.pk, "mapping": run.mapping.pk, "side": side.value})
            found += cursor.rowcount
        cursor.execute(f"DROP TABLE {TABLE}")
    return found + _fillable(run, side)


def _fillable(run: Run, side: Side) -> int:
    """Pairs whose optional reference was left open because the parent was not coupled, and is now."""
    rules = FieldMapping.objects.filter(mapping=run.mapping, reference__isnull=False, optional=True)
    return sum(fill(run, rule, side) for rule in rules.order_by("pk"))

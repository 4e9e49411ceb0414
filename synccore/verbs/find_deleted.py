"""*Find for Deleted*: which coupled records are gone from one app? It only asks, whatever the mapping's policy.

It reads as a sweep does, confirms each candidate by its id, and leaves a problem for a decision. It writes to no app.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

from django.db import connection
from psycopg import sql

from synccore.engine.rules import DeletionPolicy, Resolution
from synccore.failures import Missing
from synccore.models import JobItem, Problem
from synccore.shapes import SIDES, Side

from .candidate import Candidate
from .chosen import right_is_gone
from .lookup import complete
from .page import process
from .resume import settle_open
from .run import Run
from .select import attach_problems, from_items
from .sweep import TABLE, scan, stop_if_emptied
from .synchronise import open_items

#: Note of an item whose record is gone from one app and waits for somebody now.
FOR_DECISION: Final = "for_decision"

#: Coupled records that a complete scan did not meet. One item for a pair, also where both of its records are gone.
_GONE: Final = """
INSERT INTO synccore_jobitem (job_id, mapping_id, coupling_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, %(mapping)s, c.id, %(side)s, c.{id}, c.{name}, 'chosen', 'open', ''
FROM synccore_coupling c
LEFT JOIN {table} s ON s.id = c.{id}
WHERE c.mapping_id = %(mapping)s AND c.left_id IS NOT NULL AND c.right_id IS NOT NULL AND s.id IS NULL
  AND c.{exists} AND c.{outside} IS NULL AND c.removed_at IS NULL AND c.ended_at IS NULL
ON CONFLICT DO NOTHING
"""


def find_deleted(run: Run) -> None:
    """Read both sides whole, then leave a problem *Deleted in one app* for each pair of which one record is gone.

    Raises Failure where an app cannot be read, Stopped where a side that held records shows no row at all.
    """
    if right_is_gone(run):
        return
    settle_open(run)
    # Of a try that was broken off: it starts over.
    run.job.items.filter(purpose=JobItem.Purpose.CHOSEN, state=JobItem.State.OPEN).delete()
    for side in SIDES:
        rows = scan(run, side, counted=partial(_count, run, side))
        stop_if_emptied(run, side, rows)
        with run.page():
            run.log("swept", side=side.value, rows=rows, found=_compare(run, side))
    for items in open_items(run, JobItem.Purpose.CHOSEN):
        run.between_pages()
        _look(run, from_items(run, items))


def _count(run: Run, side: Side, rows: int) -> None:
    with run.page():
        run.count("unchanged", side, rows)


def _compare(run: Run, side: Side) -> int:
    names = {
        name: sql.Identifier(f"{side.value}_{column}")
        for name, column in (
            ("id", "id"), ("name", "name"), ("exists", "exists"), ("outside", "out_of_filter_since"),
        )
    }  # fmt: skip
    with connection.cursor() as cursor:
        query = sql.SQL(_GONE).format(table=sql.Identifier(TABLE), **names)
        cursor.execute(query, {"job": run.job.pk, "mapping": run.mapping.pk, "side": side.value})
        return int(cursor.rowcount)


def _look(run: Run, candidates: list[Candidate]) -> None:
    """Confirm by id: existence is never judged by a filter."""
    attach_problems(candidates)
    complete(run, candidates)
    chosen, others = [], []
    for candidate in candidates:
        gone = [side for side in SIDES if candidate.records.get(side) is None]
        if candidate.problem is not None and candidate.problem.state == Problem.State.ON_PURPOSE:
            others.append((candidate, "on_purpose"))
        elif not gone:
            others.append((candidate, "not_deleted"))  # outside the filter, or back again
        else:
            chosen.append(candidate)
            survivor = next((side for side in SIDES if side not in gone), None)
            record = candidate.records[survivor] if survivor is not None else None
            if survivor is not None and record is not None and run.rules.inside(survivor, record):
                candidate.resolution = Resolution(deletion=DeletionPolicy.ASK)
    if others:
        with run.page():
            for candidate, note in others:
                assert candidate.item is not None
                candidate.item.state, candidate.item.note = JobItem.State.NOT_APPLICABLE, note
            JobItem.objects.bulk_update([c.item for c, _note in others if c.item], ["state", "note"])
    if chosen:
        process(run, chosen, carry_out=True, advance=partial(_asked, run, chosen))


def _asked(run: Run, candidates: list[Candidate], _at: datetime) -> None:
    """Finding one is no failure of the job: it waits for a decision."""
    items = []
    for candidate in candidates:
        if candidate.item is not None and isinstance(candidate.failure, Missing):
            candidate.item.state, candidate.item.note = JobItem.State.DONE, FOR_DECISION
            items.append(candidate.item)
            run.count("failed", candidate.direction, -1)
            run.count("waiting", candidate.direction)
    JobItem.objects.bulk_update(items, ["state", "note"])

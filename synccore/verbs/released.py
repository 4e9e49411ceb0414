"""What waited for records that are coupled now: records that could not go on, and pairs with an open optional reference.

An open reference is marked in the base image of the pair (``UNFILLED``, ``store._mark_unfilled``); partial indexes hold the
marked pairs alone, by what their open references name, so that a page finds its own in one statement per field mapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection
from psycopg import sql

from synccore.engine.rules import UNFILLED
from synccore.models import FieldMapping
from synccore.shapes import SIDES, Side

from . import problems
from .run import Run

#: The conditions on the base are, to the letter, those of the indexes coupling_unfilled_left and …_right. A reference names
#: its record by id, or by number (``by_number``); the base holds either as JSON text.
_FILLABLE: Final = """
INSERT INTO synccore_jobitem (job_id, mapping_id, coupling_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, c.mapping_id, c.id, %(side)s, c.{id}, '', 'found', 'open', 'parent_coupled'
FROM synccore_coupling p
JOIN synccore_coupling c ON c.mapping_id = %(mapping)s AND c.removed_at IS NULL AND c.ended_at IS NULL
  AND jsonb_path_exists(c.{base}, 'strict $.* ? (@[0] == 0)', '{{}}', true)
  AND jsonb_path_query_array(c.{base}, 'strict $.* ? (@[0] == 0)[1]', '{{}}', true)
    ?| ARRAY[p.{named}, to_json(p.{named})::text]
  AND c.{base} -> %(rule)s ->> 0 = %(unfilled)s
  AND c.{base} -> %(rule)s ->> 1 IN (p.{named}, to_json(p.{named})::text)
WHERE p.mapping_id = %(parent)s AND p.{other} IS NOT NULL AND p.removed_at IS NULL AND p.ended_at IS NULL
  AND p.{named} <> '' AND p.{id} {chosen}
ON CONFLICT DO NOTHING
"""


def release(run: Run, coupled: Mapping[Side, set[str]], at: datetime) -> None:
    """These records of the run's mapping are coupled now: what waited for one of them goes on in the runs that follow. Call
    it in the transaction that stores the couplings, after them."""
    if not any(coupled.values()):
        return
    mappings = problems.release(run.mapping, dict(coupled), at)
    if "optional_references" not in run.known:
        rules = FieldMapping.objects.filter(reference=run.mapping, optional=True).order_by("pk")
        run.known["optional_references"] = list(rules.defer("left_info", "right_info"))
    for rule in run.known["optional_references"]:
        for side in SIDES:
            if coupled.get(side) and fill(run, rule, side, coupled[side]):
                mappings.add(rule.mapping_id)
    run.queue_next.update((mapping, "due") for mapping in mappings)


def fill(run: Run, rule: FieldMapping, side: Side, ids: Iterable[str] | None = None) -> int:
    """Leave for the next run the pairs whose open reference ``rule`` names, on ``side``, a record that is coupled now; with
    ``ids`` one of these. Returns how many were found."""
    steps = rule.to_right if side is Side.LEFT else rule.to_left
    by_number = any(step["name"] == "by_number" for step in steps)
    names = {
        name: sql.Identifier(f"{at.value}_{column}")
        for name, at, column in (
            ("id", side, "id"), ("base", side, "base"), ("named", side, "key" if by_number else "id"),
            ("other", side.other, "id"),
        )
    }  # fmt: skip
    chosen = sql.SQL("IS NOT NULL" if ids is None else "= ANY(%(ids)s)")
    facts: dict[str, Any] = {
        "job": run.job.pk, "mapping": rule.mapping_id, "side": side.value, "parent": rule.reference_id,
        "rule": str(rule.pk), "unfilled": str(UNFILLED), "ids": None if ids is None else list(ids),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(_FILLABLE).format(chosen=chosen, **names), facts)
        return int(cursor.rowcount)

"""What waited for records that are coupled now: records that could not go on, and pairs with an open optional reference.

An open reference is marked in the base image of the pair (``UNFILLED``, ``store._mark_unfilled``); partial indexes hold the
marked pairs alone, by what their open references name, so that a page finds its own in one statement per field mapping.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection
from psycopg import sql

from synccore.engine.rules import UNFILLED
from synccore.models import Coupling, FieldMapping
from synccore.shapes import SIDES, Side

from . import problems
from .run import Run

#: The conditions on the base are, to the letter, those of the indexes coupling_unfilled_left and …_right. They are asked
#: once of each pair, whatever the plan: the pairs come first.
_FILLABLE: Final = """
WITH open AS MATERIALIZED (
  SELECT c.mapping_id, c.id, c.{id} AS record_id, trim(both '"' from c.{base} -> %(rule)s ->> 1) AS named
  FROM synccore_coupling c
  WHERE c.mapping_id = %(mapping)s AND c.removed_at IS NULL AND c.ended_at IS NULL
    AND jsonb_path_exists(c.{base}, 'strict $.* ? (@[0] == 0)', '{{}}', true)
    AND c.{base} -> %(rule)s ->> 0 = %(unfilled)s {chosen}
)
INSERT INTO synccore_jobitem (job_id, mapping_id, coupling_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, o.mapping_id, o.id, %(side)s, o.record_id, '', 'found', 'open', 'parent_coupled'
FROM open o
JOIN synccore_coupling p ON p.mapping_id = %(parent)s AND p.{named} = o.named
WHERE p.{other} IS NOT NULL AND p.removed_at IS NULL AND p.ended_at IS NULL
ON CONFLICT DO NOTHING
"""
#: Only pairs whose open references name one of these.
_NAMED: Final = """
    AND jsonb_path_query_array(c.{base}, 'strict $.* ? (@[0] == 0)[1]', '{{}}', true) ?| %(names)s
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


def _named(rule: FieldMapping, side: Side) -> str:
    """By which column of its coupling the reference names a record of ``side``: its number (``by_number``), else its id."""
    steps = rule.to_right if side is Side.LEFT else rule.to_left
    return f"{side.value}_key" if any(step["name"] == "by_number" for step in steps) else f"{side.value}_id"


def fill(run: Run, rule: FieldMapping, side: Side, ids: Iterable[str] | None = None) -> int:
    """Leave for the next run the pairs whose open reference ``rule`` names, on ``side``, a record that is coupled now; with
    ``ids`` one of these. Returns how many were found."""
    named, id = _named(rule, side), f"{side.value}_id"
    facts: dict[str, Any] = {
        "job": run.job.pk, "mapping": rule.mapping_id, "side": side.value, "parent": rule.reference_id,
        "rule": str(rule.pk), "unfilled": str(UNFILLED),
    }  # fmt: skip
    if ids is not None:
        names = set(ids)
        if named != id:
            pairs = Coupling.objects.live().filter(mapping=rule.reference_id, **{f"{id}__in": list(ids)})
            names = set(pairs.values_list(named, flat=True)) - {""}
        # as the base holds them: JSON text
        facts["names"] = [*names, *(json.dumps(name, ensure_ascii=False) for name in names)]
    base = sql.Identifier(f"{side.value}_base")
    query = sql.SQL(_FILLABLE).format(
        id=sql.Identifier(id), base=base, named=sql.Identifier(named), other=sql.Identifier(f"{side.other.value}_id"),
        chosen=sql.SQL(_NAMED if ids is not None else "").format(base=base),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(query, facts)
        return int(cursor.rowcount)

"""A look at both apps by a mapping's match criteria: every record of both sides once, and who goes with whom.

The records are read page by page into :class:`MatchRecord`, each with one key per group of the criteria; what belongs
together is found by SQL on these keys, so that memory holds one page whatever the tables hold. Nothing is written to an app.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection
from django.db.models import Count

from synccore.connectors.values import written
from synccore.engine.matching import Matcher
from synccore.failures import Misconfigured, Scope
from synccore.models import JobItem, MatchRecord, MatchSetup, SynchJob, TableMapping
from synccore.models.bulk import dumps
from synccore.shapes import SIDES, Record, Side, storable

from .counted import keep_count
from .elsewhere import sharing
from .lookup import coupled
from .run import Run

#: Longer values are cut where they are shown; keys are made of the whole.
LONGEST: Final = 200

_MET: Final = """
INSERT INTO synccore_matchrecord
  (job_id, mapping_id, side, record_id, key, name, subject, state, keys, "values", outcome, other_id, note)
SELECT %(job)s, %(mapping)s, %(side)s, v.id, v.key, v.name, %(subject)s, 'free', v.keys, v.shown, '', '', ''
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(id text, key text, name text, keys jsonb, shown jsonb)
ON CONFLICT (job_id, side, record_id)
DO UPDATE SET key = excluded.key, name = excluded.name, keys = excluded.keys, "values" = excluded."values"
"""

#: The records that were chosen; the others are met to know whom these could match besides.
_SUBJECTS: Final = """
UPDATE synccore_matchrecord r SET subject = TRUE FROM synccore_jobitem i
WHERE r.job_id = %(job)s AND i.job_id = %(job)s AND i.side = r.side AND i.record_id = r.record_id
"""
#: A record taken apart by a person stays apart, unless it is one of those chosen now (or went with one of them).
_REMOVED: Final = """
UPDATE synccore_matchrecord r SET state = 'removed' FROM synccore_coupling c
WHERE r.job_id = %(job)s AND r.side = %(side)s AND c.mapping_id = %(mapping)s AND c.{here} = r.record_id
  AND c.removed_at IS NOT NULL AND c.ended_at IS NULL
  AND NOT (%(chosen)s AND EXISTS (
    SELECT 1 FROM synccore_jobitem i WHERE i.job_id = %(job)s
      AND (i.side = 'left' AND i.record_id = c.left_id OR i.side = 'right' AND i.record_id = c.right_id)
  ))
"""
_LEFT_OUT: Final = """
UPDATE synccore_matchrecord r SET state = 'left_out' FROM synccore_coupling c
JOIN synccore_problem p ON p.coupling_id = c.id AND p.state = 'on_purpose'
WHERE r.job_id = %(job)s AND r.side = %(side)s AND c.mapping_id = %(mapping)s AND c.{here} = r.record_id
  AND c.removed_at IS NULL AND c.ended_at IS NULL
"""
#: In this mapping, or in another one with which it shares the table.
_COUPLED: Final = """
UPDATE synccore_matchrecord r SET state = 'coupled' FROM synccore_coupling c
WHERE r.job_id = %(job)s AND r.side = %(side)s AND c.mapping_id = ANY(%(sharing)s) AND c.{here} = r.record_id
  AND c.{there} IS NOT NULL AND c.removed_at IS NULL AND c.ended_at IS NULL
"""
_NONE_OF_THESE: Final = """
UPDATE synccore_matchrecord r SET outcome = 'none' FROM synccore_matchchoice m
WHERE r.job_id = %(job)s AND m.mapping_id = %(mapping)s AND m.side = r.side AND m.record_id = r.record_id
  AND m.other_id = '' AND r.state = 'free'
"""
_CHOSEN: Final = """
WITH pairs AS (
  SELECT a.id AS a, b.id AS b, a.record_id AS a_id, b.record_id AS b_id FROM synccore_matchchoice m
  JOIN synccore_matchrecord a
    ON a.job_id = %(job)s AND a.side = m.side AND a.record_id = m.record_id AND a.state = 'free'
  JOIN synccore_matchrecord b
    ON b.job_id = %(job)s AND b.side <> m.side AND b.record_id = m.other_id AND b.state = 'free'
  WHERE m.mapping_id = %(mapping)s AND m.other_id <> ''
)
UPDATE synccore_matchrecord r
SET outcome = 'chosen', other_id = CASE WHEN r.id = pairs.a THEN pairs.b_id ELSE pairs.a_id END
FROM pairs WHERE r.id IN (pairs.a, pairs.b)
"""

#: One group. A pair is made where two free records are each other's only match, coupled records included: a record whose
#: value stands twice in one app is for a person to decide.
_GROUP: Final = """
CREATE TEMP TABLE tandem_match ON COMMIT DROP AS
SELECT id, side, record_id, keys ->> %(place)s AS key,
       state = 'free' AND outcome NOT IN ('one', 'chosen') AS is_open
FROM synccore_matchrecord
WHERE job_id = %(job)s AND keys ->> %(place)s IS NOT NULL AND NOT (state = 'free' AND outcome = 'none');
CREATE TEMP TABLE tandem_match_key ON COMMIT DROP AS
SELECT key, count(*) FILTER (WHERE side = 'left') AS lefts, count(*) FILTER (WHERE side = 'right') AS rights,
       count(*) FILTER (WHERE side = 'left' AND is_open) AS free_lefts,
       count(*) FILTER (WHERE side = 'right' AND is_open) AS free_rights,
       min(record_id) FILTER (WHERE side = 'left' AND is_open) AS a_left,
       min(record_id) FILTER (WHERE side = 'right' AND is_open) AS a_right
FROM tandem_match GROUP BY key HAVING count(DISTINCT side) = 2;
ANALYZE tandem_match, tandem_match_key;
UPDATE synccore_matchrecord r SET
  outcome = CASE WHEN pair THEN 'one' WHEN r.outcome <> '' THEN r.outcome
                 WHEN free_others = 0 THEN 'taken' ELSE 'several' END,
  place = CASE WHEN pair OR r.outcome = '' THEN %(place)s ELSE r.place END,
  other_id = CASE WHEN pair THEN other ELSE '' END
FROM (
  SELECT m.id, lefts = 1 AND rights = 1 AND free_lefts = 1 AND free_rights = 1 AS pair,
         CASE m.side WHEN 'left' THEN free_rights ELSE free_lefts END AS free_others,
         CASE m.side WHEN 'left' THEN a_right ELSE a_left END AS other
  FROM tandem_match m JOIN tandem_match_key k ON k.key = m.key WHERE m.is_open
) found
WHERE r.id = found.id;
DROP TABLE tandem_match, tandem_match_key
"""
#: What goes with a chosen record belongs to the look as well.
_THEIR_PAIRS: Final = """
UPDATE synccore_matchrecord r SET subject = TRUE FROM synccore_matchrecord s
WHERE r.job_id = %(job)s AND s.job_id = %(job)s AND s.subject AND NOT r.subject AND r.side <> s.side
  AND s.outcome IN ('one', 'chosen') AND r.record_id = s.other_id
"""
_NOTHING: Final = """
UPDATE synccore_matchrecord SET outcome = 'none' WHERE job_id = %(job)s AND outcome = '' AND state = 'free'
"""
#: Chosen records that were not met: gone, or outside the filter.
_NOT_MET: Final = """
UPDATE synccore_jobitem i SET state = 'not_applicable', note = 'not_in_filter'
WHERE i.job_id = %(job)s AND i.purpose = 'chosen' AND i.state = 'open' AND NOT EXISTS (
  SELECT 1 FROM synccore_matchrecord r WHERE r.job_id = %(job)s AND r.side = i.side AND r.record_id = i.record_id
)
"""


def matcher_of(run: Run) -> Matcher:
    """The criteria of the mapping as they are now. Raises Misconfigured where there are none that can be used."""
    matcher = Matcher(run.rules, [each.criterion() for each in run.mapping.match_criteria.all()])
    if not matcher:
        raise Misconfigured("match_without_criteria", {"mapping_name": run.mapping.name}, scope=Scope.RECORD)
    return matcher


def setup_of(mapping: TableMapping) -> MatchSetup:
    """The mapping's settings of match-based coupling beside its criteria; unsaved defaults, with revision 0, where nobody
    has set it up."""
    return MatchSetup.objects.filter(mapping=mapping).first() or MatchSetup(mapping=mapping, revision=0)


def look(run: Run, matcher: Matcher, *, chosen: bool = False) -> None:
    """Read both sides into the rows of this job and say of each free record what it matches.

    ``chosen``: only the records frozen into the job are asked about. It goes on from the job's checkpoint, whose phase is
    ``looked`` afterwards. Raises Failure where an app cannot be read, Interrupted between two pages.
    """
    criteria = setup_of(run.mapping).revision
    if (
        run.job.checkpoint.get("criteria") != criteria
    ):  # a look that goes on under other criteria would mix two
        run.job.options |= {"criteria": criteria, "groups": matcher.described(), "fields": matcher.told()}
        with run.page({"phase": Side.LEFT.value, "read": {}, "criteria": criteria}):
            MatchRecord.objects.filter(job=run.job).delete()
            run.job.save(update_fields=["options"])
    for side in SIDES:
        if run.job.checkpoint["phase"] == side.value:
            _read(run, matcher, side, chosen=chosen)
    if run.job.checkpoint["phase"] == "both_read":
        with run.page({**run.job.checkpoint, "phase": "looked"}) as at:
            met = MatchRecord.objects.filter(job=run.job)
            for side in SIDES:  # not what was read: a record that changes meanwhile is read twice
                keep_count(run, side, met.filter(side=side.value).count(), at)
            _decide(run, len(matcher.groups), chosen=chosen)


def _read(run: Run, matcher: Matcher, side: Side, *, chosen: bool) -> None:
    """One side, page by page; each page and the place after it are stored together."""
    rules = run.rules.rules
    cursor = run.job.checkpoint.get("cursor")
    read = dict(run.job.checkpoint.get("read", {}))
    after = Side.RIGHT.value if side is Side.LEFT else "both_read"
    while True:
        run.between_pages()
        with run.remote(side) as connector:
            page = connector.changes(rules.table(side), _fields(matcher, side), rules.filter(side), cursor)
        cursor = page.cursor
        rows = _rows(matcher, side, page.records)
        read[side.value] = read.get(side.value, 0) + len(rows)
        place: dict[str, Any] = {"phase": after} if page.complete else {"phase": side.value, "cursor": cursor}
        with run.page({**place, "read": read, "criteria": run.job.options["criteria"]}):
            _keep(run, side, rows, chosen=chosen)
        run.observe("matched page")
        if page.complete:
            return


def _fields(matcher: Matcher, side: Side) -> tuple[str, ...]:
    """The criteria's fields, and those by which connectors that judge a filter themselves need to see a record."""
    filtered = (condition.field for condition in matcher.rules.rules.filter(side))
    return tuple(dict.fromkeys((*matcher.fields(side), *filtered)))


def _rows(matcher: Matcher, side: Side, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    wanted: dict[tuple[int, Side], set[str]] = {}
    for mapping, at, id in matcher.references(side, records):
        wanted.setdefault((mapping, at), set()).add(id)
    refs = coupled(wanted)
    return {
        record.id: {
            "id": record.id,
            "key": record.key,
            "name": record.name,
            "keys": matcher.keys(side, record, refs),
            "shown": {rule: _short(text) for rule, text in matcher.shown(side, record, written).items()},
        }
        for record in records
    }


def _short(text: str) -> str:
    text = storable(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _keep(run: Run, side: Side, rows: dict[str, dict[str, Any]], *, chosen: bool) -> None:
    if not rows:
        return
    facts = {**_facts(run), "side": side.value, "subject": not chosen, "rows": dumps(list(rows.values()))}
    with connection.cursor() as cursor:
        cursor.execute(_MET, facts)


def _facts(run: Run) -> dict[str, Any]:
    return {"job": run.job.pk, "mapping": run.mapping.pk}


def _decide(run: Run, groups: int, *, chosen: bool) -> None:
    facts = {**_facts(run), "chosen": chosen}
    with connection.cursor() as cursor:
        # The rows came a moment ago; without numbers about them the joins below would be planned for a few.
        cursor.execute("ANALYZE synccore_matchrecord")
        if chosen:
            cursor.execute(_SUBJECTS, facts)
        for side in SIDES:
            here, there = f"{side.value}_id", f"{side.other.value}_id"
            of_side = {**facts, "side": side.value, "sharing": [run.mapping.pk, *sharing(run.mapping, side)]}
            for statement in (_REMOVED, _LEFT_OUT, _COUPLED):
                cursor.execute(statement.format(here=here, there=there), of_side)
        for statement in (_NONE_OF_THESE, _CHOSEN):
            cursor.execute(statement, facts)
        for place in range(groups):
            for statement in _GROUP.split(";"):
                cursor.execute(statement, {**facts, "place": place})
        for statement in (_NOTHING, *((_THEIR_PAIRS, _NOT_MET) if chosen else ())):
            cursor.execute(statement, facts)


def forget_others(run: Run) -> None:
    """This look takes the place of earlier ones, but for those that a job is still working through."""
    unfinished = SynchJob.objects.unfinished().filter(mapping=run.mapping, verb="match_couple")
    needed = {run.job.pk, *(job.options.get("look") for job in unfinished)}
    MatchRecord.objects.filter(mapping=run.mapping).exclude(job__in=[pk for pk in needed if pk]).delete()


def counts_of(job_id: int) -> dict[str, dict[str, int]]:
    """Per outcome and side how many of a look's records; one query."""
    found: dict[str, dict[str, int]] = {}
    rows = MatchRecord.objects.filter(job=job_id, subject=True).exclude(outcome="").order_by()
    for outcome, side, n in rows.values_list("outcome", "side").annotate(n=Count("pk")):
        found.setdefault(outcome, {})[side] = n
    return found


def match_preview(run: Run) -> None:
    """Look at both apps by the criteria, and store what a run would couple. Option ``chosen``: only the records frozen into
    the job. Nothing is coupled, and nothing is written to an app."""
    matcher = matcher_of(run)
    chosen = bool(run.job.options.get("chosen"))
    look(run, matcher, chosen=chosen)
    with run.page({**run.job.checkpoint, "phase": "end"}):
        forget_others(run)
        if chosen:
            run.job.items.filter(state=JobItem.State.OPEN).update(state=JobItem.State.DONE)

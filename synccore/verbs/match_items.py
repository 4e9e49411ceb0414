"""The records of a look as items of the run that carries it out: each ends with a result, or is given up with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection
from django.db.models import Q

from synccore.models import Coupling, JobItem, MatchRecord
from synccore.shapes import SIDES, Side

from . import items
from .match_look import forget_others
from .run import Run

#: Every record of the look becomes an item: first the pairs, then what is made new; the others are left alone and say why.
_FREEZE: Final = """
INSERT INTO synccore_jobitem (job_id, mapping_id, side, record_id, title, purpose, state, note)
SELECT %(job)s, r.mapping_id, r.side, r.record_id,
  {title_r} || CASE WHEN o.id IS NULL THEN '' ELSE ' ⇄ ' || {title_o} END, 'chosen',
  CASE WHEN r.outcome IN ('one', 'chosen') OR r.outcome = 'none' AND r.side = ANY(%(sources)s)
       THEN 'open' ELSE 'not_applicable' END,
  CASE WHEN r.outcome IN ('several', 'taken') OR r.outcome = 'none' AND NOT r.side = ANY(%(sources)s)
       THEN 'match_' || r.outcome ELSE '' END
FROM synccore_matchrecord r
LEFT JOIN synccore_matchrecord o ON o.job_id = r.job_id AND o.side = 'right' AND o.record_id = r.other_id
  AND r.side = 'left' AND r.outcome IN ('one', 'chosen')
WHERE r.job_id = %(look)s AND r.subject AND r.outcome IN ('one', 'chosen', 'several', 'taken', 'none')
  AND NOT (r.side = 'right' AND r.outcome IN ('one', 'chosen')) {without}
ORDER BY r.outcome NOT IN ('one', 'chosen'), r.side, r.id
"""
_TITLE: Final = (
    "CASE WHEN {0}.key = '' AND {0}.name = '' THEN {0}.record_id WHEN {0}.key IN ('', {0}.name) THEN {0}.name "
    "WHEN {0}.name = '' THEN {0}.key ELSE {0}.key || ' ' || {0}.name END"
)
#: Not those that have a result already.
_WITHOUT: Final = """
  AND (r.side, r.record_id) NOT IN (
    SELECT side, record_id FROM synccore_jobitem WHERE job_id = %(job)s AND purpose = 'chosen')
"""
#: Why the look itself leaves a record alone, as the statement above notes it.
_LEFT_ALONE: Final = tuple(
    f"match_{outcome.value}" for outcome in (*MatchRecord.UNDECIDED, MatchRecord.Outcome.NONE)
)


def freeze(run: Run, look: int, sources: Sequence[Side]) -> None:
    """Every record of the look (id of its job) becomes an item of this job; those that are left alone end here.

    ``sources``: sides whose records without a match are made new on the other one. Once frozen, the job's phase is so. A job
    that was frozen before, under rules that have moved since, keeps the results it has and takes the rest from this look.
    """
    facts: dict[str, Any] = {"job": run.job.pk, "look": look, "sources": [side.value for side in sources]}
    with run.page({**run.job.checkpoint, "phase": "frozen"}):
        _thaw(run)
        kept = _chosen(run).count()
        statement = _FREEZE.format(
            title_r=_TITLE.format("r"), title_o=_TITLE.format("o"), without=_WITHOUT if kept else ""
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, facts)
            run.job.total = kept + cursor.rowcount
        if look == run.job.pk:
            forget_others(run)
        for side in SIDES:
            _count(run, side, _left_alone(run, side).count())


def begun(run: Run, page: Sequence[JobItem]) -> list[tuple[JobItem, Coupling, str]]:
    """Items whose record this job had coupled already, or made a counterpart of, when its worker died; with the pair and the
    note that says which. Intentions without an answer were settled before."""
    pairs = Coupling.objects.live().paired()
    coupled = pairs.in_bulk([item.coupling_id for item in page if item.coupling_id])
    found = [
        (item, coupled[item.coupling_id], "match_coupled") for item in page if item.coupling_id in coupled
    ]
    for side in SIDES:
        rest = {
            item.record_id: item
            for item in page
            if item.side == side.value and item.coupling_id not in coupled
        }
        ids = {f"{side.value}_id__in": list(rest)}
        made = pairs.filter(mapping=run.mapping, agreed_job=run.job.pk, **ids) if rest else ()
        found += [(rest[str(pair.of(side, "id"))], pair, "match_created") for pair in made]
    return found


def give_up(run: Run, note: str) -> None:
    """What was frozen and not reached is not carried out; ``note`` says why, as a job item does. What a worker had done
    before it died says so, and the next run brings it into step."""
    rest = _chosen(run).filter(state=JobItem.State.OPEN)
    done = begun(run, list(rest))
    with run.page(run.job.checkpoint):
        for item, pair, how in done:
            item.state, item.note, item.coupling = JobItem.State.DONE, how, pair
            run.count("inserted" if how == "match_created" else "unchanged", Side(item.side).other)
        JobItem.objects.bulk_update([item for item, _pair, _how in done], ["state", "note", "coupling"])
        items.find(run, [(pair, Side.LEFT, str(pair.left_id)) for _item, pair, _how in done])
        for side in SIDES:
            n = rest.filter(side=side.value).update(state=JobItem.State.NOT_APPLICABLE, note=note)
            _count(run, side, n)


def _thaw(run: Run) -> None:
    """Items that the job has not reached, or that an earlier look left alone, are taken back. Pairs that are coupled stay:
    they are still to be synchronized."""
    whole = Q(coupling__left_id__isnull=False, coupling__right_id__isnull=False)
    # Looked up first: one statement would join the items with themselves.
    taken_back = list(
        _chosen(run).filter(state=JobItem.State.OPEN).exclude(whole).values_list("pk", flat=True)
    )
    JobItem.objects.filter(pk__in=taken_back).delete()
    for side in SIDES:
        n, _rows = _left_alone(run, side).delete()
        _count(run, side, -n)


def _count(run: Run, side: Side, n: int) -> None:
    if n:
        run.count("skipped", side.other, n)


def _chosen(run: Run) -> Any:
    return run.job.items.filter(purpose=JobItem.Purpose.CHOSEN)


def _left_alone(run: Run, side: Side) -> Any:
    state = JobItem.State.NOT_APPLICABLE
    return _chosen(run).filter(side=side.value, state=state, note__in=_LEFT_ALONE)

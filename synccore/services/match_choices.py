"""What a person chooses for records that several match: one of them, or none of these. Kept with the mapping until a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from synccore.models import JobItem, MatchChoice, MatchRecord, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.shapes import Side
from synccore.tasks import kick_on_commit
from synccore.verbs.chosen import NEEDS

from .jobs import NotNow
from .match import COUPLE, coupling_now, latest_look
from .records import may_bulk
from .rights import require_on

#: So many candidates of one record are shown.
SHOWN: Final = 8
#: So many rows are read to find them: a value that stands everywhere tells nobody apart.
_READ: Final = 2_000
#: So many records are frozen into a job at once.
_AT_ONCE: Final = 2_000
#: A choice that takes back an earlier one, and one that says that none of the candidates is meant.
UNDECIDED: Final = "undecided"
NONE: Final = "none"
_Outcome = MatchRecord.Outcome


def candidates(rows: Sequence[MatchRecord]) -> dict[int, list[MatchRecord]]:
    """Per record of one look the records of the other side that match it, by the first group that finds any: free ones
    first. One query per group and side; more than SHOWN are cut."""
    found: dict[int, list[MatchRecord]] = {}
    for side in Side:
        mine = [row for row in rows if row.side == side.value]
        for place in range(max((len(row.keys) for row in mine), default=0)):
            waiting = {row.keys[place]: [] for row in mine if row.pk not in found and row.keys[place]}  # type: ignore[var-annotated]
            if not waiting:
                continue
            # The first condition is the index's, whatever the group; the second one keeps to this group.
            others = MatchRecord.objects.filter(
                reduce(or_, (Q(keys__contains=[key]) for key in waiting)),
                **{"job": mine[0].job_id, "side": side.other.value, f"keys__{place}__in": list(waiting)},
            )
            declined = MatchChoice.objects.filter(
                mapping=mine[0].mapping_id,
                side=side.other.value,
                record_id=OuterRef("record_id"),
                other_id="",
            )
            for other in others.exclude(Exists(declined)).order_by("pk")[:_READ]:
                waiting[other.keys[place]].append(other)
            for row in mine:
                if row.pk not in found and waiting.get(row.keys[place] or ""):
                    there = sorted(waiting[row.keys[place]], key=lambda each: each.state != "free")
                    found[row.pk] = there[:SHOWN]
    return found


@transaction.atomic
def choose(
    mapping: TableMapping, *, user: Any, look: int, choices: Mapping[int, str]
) -> tuple[int, list[MatchRecord]]:
    """Keep choices: row of the look → record id of a candidate, ``none`` or ``undecided``.

    Gives how many choices changed, and the rows whose candidate is not free any more (nothing was changed for them).
    Raises RightMissing; NotNow ``match_no_look`` where the look was replaced, ``match_running`` while it is carried out.
    """
    require_on(user, mapping, COUPLE, GrantLevel.RESOLVE)
    TableMapping.objects.select_for_update(of=("self",)).get(pk=mapping.pk)
    found = latest_look(mapping)
    if found is None or found.pk != look:
        raise NotNow("match_no_look", mapping=mapping.name)
    if (busy := coupling_now(mapping)) is not None:
        raise NotNow("match_running", mapping=mapping.name, job=busy.pk)
    rows = list(
        MatchRecord.objects.filter(
            job=found, pk__in=list(choices), subject=True, state=MatchRecord.State.FREE
        ).order_by("pk")
    )
    can = candidates(rows)
    changed, refused = 0, []
    # A form tells of every record it shows; those it leaves as they were must not take back what another one says of them.
    for row in [row for row in rows if choices[row.pk] != _chosen(row)]:
        row.refresh_from_db()  # an earlier one of these choices may be about it
        wanted = choices[row.pk]
        if wanted == _chosen(row):
            continue
        other = next((each for each in can.get(row.pk, ()) if each.record_id == wanted), None)
        if other is not None:
            other.refresh_from_db()
        if wanted not in (NONE, UNDECIDED) and (other is None or not is_free(other, row)):
            refused.append(row)
            continue
        _take_back(row)
        if other is not None:
            _take_back(other)
            _keep_pair(mapping, row, other, user)
        elif wanted == NONE:
            MatchChoice.objects.create(
                mapping=mapping, side=row.side, record_id=row.record_id, other_id="", chosen_by=user
            )
            _set(row, _Outcome.NONE)
        _look_at_others(can.get(row.pk, ()))
        changed += 1
    return changed, refused


def _look_at_others(others: Iterable[MatchRecord]) -> None:
    """What the criteria leave for the candidates of a record that is decided now (or no longer is)."""
    for other in others:
        other.refresh_from_db()
        if other.state == MatchRecord.State.FREE and other.outcome not in MatchRecord.PAIRED:
            _set(other, _outcome(other))


def is_free(other: MatchRecord, row: MatchRecord) -> bool:
    """Whether a candidate of ``row`` can be chosen for it: it is not coupled, and goes with nobody else."""
    if other.state != MatchRecord.State.FREE:
        return False
    return other.outcome not in MatchRecord.PAIRED or other.other_id == row.record_id


def _chosen(row: MatchRecord) -> str:
    """What is chosen for a record now, in the words of ``choices``."""
    if row.outcome == _Outcome.CHOSEN:
        return row.other_id
    declined = row.outcome == _Outcome.NONE and _choices(row).filter(other_id="").exists()
    return NONE if declined else UNDECIDED


def choice_about(row: MatchRecord) -> MatchChoice | None:
    """What a person chose for a record, from either side, and who that was."""
    found: MatchChoice | None = _choices(row).select_related("chosen_by").order_by("-chosen_at").first()
    return found


def _choices(row: MatchRecord) -> QuerySet[MatchChoice]:
    """The choices that are about a record, from either side."""
    own = Q(side=row.side, record_id=row.record_id)
    of_other = Q(side=Side(row.side).other.value, other_id=row.record_id)
    return MatchChoice.objects.filter(own | of_other, mapping=row.mapping_id)


def _take_back(row: MatchRecord) -> None:
    """No choice is kept for the record, and whoever it went with is undecided again."""
    _choices(row).delete()
    if row.other_id:
        other = MatchRecord.objects.filter(
            job=row.job_id, side=Side(row.side).other.value, record_id=row.other_id
        ).first()
        if other is not None and other.other_id == row.record_id:
            _set(other, _outcome(other))
    _set(row, _outcome(row))


def _outcome(row: MatchRecord) -> MatchRecord.Outcome:
    """What the criteria leave for a record nobody decided about."""
    there = candidates([row]).get(row.pk, [])
    if not there:
        return _Outcome.NONE
    free = any(
        each.state == MatchRecord.State.FREE and each.outcome not in MatchRecord.PAIRED for each in there
    )
    return _Outcome.SEVERAL if free else _Outcome.TAKEN


def _keep_pair(mapping: TableMapping, row: MatchRecord, other: MatchRecord, user: Any) -> None:
    left, right = (row, other) if row.side == Side.LEFT.value else (other, row)
    MatchChoice.objects.create(
        mapping=mapping,
        side=Side.LEFT.value,
        record_id=left.record_id,
        other_id=right.record_id,
        chosen_by=user,
    )
    for each, its in ((left, right), (right, left)):
        _set(each, _Outcome.CHOSEN, its.record_id)


def _set(row: MatchRecord, outcome: MatchRecord.Outcome, other_id: str = "") -> None:
    row.outcome, row.other_id = outcome, other_id
    row.save(update_fields=["outcome", "other_id"])


@transaction.atomic
def leave_out_met(
    mapping: TableMapping, *, user: Any, rows: QuerySet[MatchRecord], options: dict[str, Any]
) -> SynchJob:
    """*Leave out on purpose* for records of a look that are not coupled: a job, like for any other record.

    Raises RightMissing; NotNow ``match_nothing`` where none of them is free any more.
    """
    permission, level = NEEDS["leave_out"]
    require_on(user, mapping, permission, level)
    free = rows.order_by("pk").filter(mapping=mapping, state=MatchRecord.State.FREE)
    n = free.count()
    if not n:
        raise NotNow("match_nothing", mapping=mapping.name)
    may_bulk(user, n)
    job = SynchJob.objects.create(
        verb="leave_out",
        scope=SynchJob.Scope.ITEMS,
        mapping=mapping,
        requested_by=user,
        origin=SynchJob.Origin.PERSON,
        options={**options, "manual": True},
        pressed_at=timezone.now(),
        total=n,
    )
    # A look may hold a million records: they pass through memory in parts, without all that a list shows of them.
    found = free.values("side", "record_id", "key", "name").iterator(chunk_size=_AT_ONCE)
    while part := [MatchRecord(**each) for each in islice(found, _AT_ONCE)]:
        JobItem.objects.bulk_create(_item(job, mapping, row) for row in part)
    kick_on_commit()
    return job


def _item(job: SynchJob, mapping: TableMapping, row: MatchRecord) -> JobItem:
    return JobItem(
        job=job,
        mapping=mapping,
        side=row.side,
        record_id=row.record_id,
        title=row.title,
        purpose=JobItem.Purpose.CHOSEN,
    )

"""Undo as people ask for it: what can be taken back, what comes back and what does not, and the job that does it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from synccore.engine.rules import ConflictPolicy
from synccore.models import Coupling, Journal, SynchJob, TableMapping
from synccore.shapes import Side
from synccore.verbs.undo import right_to_undo
from synccore.verbs.undo_plan import keeps_its_id
from ui.paging import among

from .jobs import NotNow
from .records import may_bulk, start_frozen
from .rights import RightMissing

#: Names that a question shows.
NAMED = 10


@dataclass(slots=True)
class Undoable:
    """What *Undo* would do, counted in journal rows: before anything is pressed.

    ``counts``: operation that is taken back → rows. ``forbidden``: rows this person may not take back, ``right`` is the
    first right he lacks. ``already``: taken back before. ``late``: written too long ago. ``new_ids``: apps in which a
    deleted record comes back under another id. ``asks``: the next synchronization asks which values hold.
    """

    counts: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    records: int = 0
    forbidden: int = 0
    right: str = ""
    already: int = 0
    late: int = 0
    new_ids: list[str] = field(default_factory=list)
    asks: bool = False


def family(job: SynchJob) -> list[int]:
    """The job and the parts it was split into."""
    return [job.pk, *job.children.values_list("pk", flat=True)]


def undoable(
    job: SynchJob, *, user: Any = None, journal: Iterable[int] | None = None
) -> QuerySet[Journal, Journal]:
    """Journal rows of a job that can be taken back now, and by this person; ``journal``: ids, where not all are meant."""
    rows = _rows(job, journal).undoable(timezone.now())
    return rows.filter(_permitted(rows, user)[0])


def undone_by(job: SynchJob) -> list[int]:
    """Jobs that undid something of this one, newest first."""
    rows = Journal.objects.filter(job__in=family(job), undone_by__isnull=False)
    by = Journal.objects.filter(among("pk", rows.values("undone_by")))
    return sorted(set(by.values_list("job", flat=True)), reverse=True)


def rows_undoable(rows: Iterable[Journal], *, user: Any) -> set[int]:
    """Ids of those of these rows that this person can take back now."""
    can = Journal.objects.filter(pk__in=[row.pk for row in rows]).undoable(timezone.now())
    return set(can.filter(_permitted(can, user)[0]).values_list("pk", flat=True))


def _rows(job: SynchJob, journal: Iterable[int] | None) -> Any:
    rows = Journal.objects.filter(job__in=family(job))
    return rows if journal is None else rows.filter(pk__in=list(journal))


def _permitted(rows: Any, user: Any) -> tuple[Q, str]:
    """Which of the rows the person may take back, and the first right he lacks for the others."""
    if user is None:
        return Q(), ""
    may, missing, needed = Q(pk__in=[]), "", ""
    for verb, operation in sorted(rows.order_by().values_list("job__verb", "operation").distinct()):
        permission, level = right_to_undo(verb, operation)
        needed = needed or permission
        if not user.has_perm(permission):
            missing = missing or permission
            continue
        mappings = TableMapping.objects.visible_to(user, level).values("pk")
        may |= Q(job__verb=verb, operation=operation, mapping__in=mappings)
    return may, missing or needed


def undo_preview(job: SynchJob, *, user: Any, journal: Iterable[int] | None = None) -> Undoable:
    """What undoing would do, for the question. Reads our own database only."""
    chosen = list(journal) if journal is not None else None
    rows = _rows(job, chosen)
    written, now = rows.written(), timezone.now()
    can = rows.undoable(now)
    may, missing = _permitted(can, user)
    mine = can.filter(may)
    found = Undoable(
        counts=dict(mine.order_by().values_list("operation").annotate(n=Count("pk"))),
        records=mine.values("coupling").distinct().count(),
        already=written.count() - written.not_undone().count(),
        late=written.not_undone().count() - can.count(),
    )
    found.forbidden = can.count() - sum(found.counts.values())
    if found.forbidden:
        found.right = missing
    named = mine.order_by("coupling_id").values_list("coupling_id", flat=True).distinct()[:NAMED]
    pairs = Coupling.objects.filter(pk__in=list(named)).order_by("pk")
    found.names = [str(pair) for pair in pairs.defer("left_base", "right_base")]
    mappings = TableMapping.objects.filter(pk__in=mine.values("mapping")).select_related(
        "integration__left", "integration__right"
    )
    deletions = set(mine.filter(operation=Journal.Operation.DELETE).order_by().values_list("mapping", "side"))
    for mapping in mappings:
        for side in Side:
            name = mapping.connection(side).name
            lost = (mapping.pk, side.value) in deletions and not keeps_its_id(mapping, side)
            if lost and name not in found.new_ids:
                found.new_ids.append(name)
    updates = mine.filter(operation=Journal.Operation.UPDATE).exclude(job__verb="edit")
    found.asks = updates.filter(mapping__conflicts=ConflictPolicy.ASK.value).exists()
    return found


@transaction.atomic
def undo(job: SynchJob, *, user: Any, journal: Iterable[int] | None = None) -> SynchJob:
    """Start the job that takes back what ``job`` wrote, or only these rows of its journal.

    The records are frozen now; rights are those of what is undone, asked again when the job runs. Gives the job, a parent
    where there are several mappings. Raises RightMissing; NotNow: ``undone_already``, ``too_late`` (30 days are over),
    ``nothing_written``.
    """
    chosen = sorted(journal) if journal is not None else None
    rows = undoable(job, user=user, journal=chosen)
    found = Coupling.objects.filter(among("pk", rows.order_by().values("coupling"))).order_by()
    records = dict(found.values_list("pk", "mapping_id"))
    if not records:
        raise _why_not(undo_preview(job, user=user, journal=chosen))
    may_bulk(user, len(records))
    return start_frozen(
        "undo",
        records,
        user=user,
        options={"undo": family(job), "journal": chosen},
        reverse=rows.filter(operation=Journal.Operation.CREATE).exists(),
    )


def _why_not(found: Undoable) -> Exception:
    if found.forbidden:
        return RightMissing(found.right)
    if found.late:
        return NotNow("too_late")
    return NotNow("undone_already" if found.already else "nothing_written")

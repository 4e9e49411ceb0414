"""What happened to a pair: every job that touched it, everything that was written, and the edits that were written over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from synccore.models import Coupling, JobItem, Journal, SynchJob, SynchJobError
from synccore.services import rows_undoable
from synccore.tables import JobRow, Said, State, app_names, say
from synccore.views.sentences import item_note
from synccore.views.written import Written, written

#: So many jobs and rows of the journal, the newest.
SHOWN = 50
OVERWRITTEN_SHOWN = timedelta(days=30)


@dataclass(slots=True)
class LogLine:
    """One job that touched the record: what ran, started by whom or which schedule, what came of it for this record."""

    job: int
    url: str
    what: str
    by: str
    at: datetime
    state: State
    outcomes: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


def log(coupling: Coupling, user: Any) -> list[LogLine]:
    """*Synchronization Log*, newest first. Jobs that were purged are left out."""
    rows = list(Journal.objects.filter(coupling=coupling).order_by("-pk")[: 4 * SHOWN])
    entries = list(
        SynchJobError.objects.visible_to(user).filter(coupling_id=coupling.pk).order_by("-pk")[:SHOWN]
    )
    items = list(JobItem.objects.filter(coupling=coupling).order_by("-pk")[:SHOWN])
    ids = {row.job_id for row in rows} | {each.job_id for each in entries} | {each.job_id for each in items}
    ids |= {coupling.agreed_job, coupling.to_left_job, coupling.to_right_job}
    jobs = (
        SynchJob.objects.filter(pk__in=[pk for pk in ids if pk])
        .select_related(
            "mapping__integration__left",
            "mapping__integration__right",
            "requested_by",
            "entry__mapping",
            "connection",
        )
        .order_by("-pk")[:SHOWN]
    )
    apps = app_names(coupling.mapping)
    by_job: dict[int, list[Any]] = defaultdict(list)
    for each in [*reversed(rows), *reversed(entries), *reversed(items)]:
        by_job[each.job_id or 0].append(each)
    return [_line(job, by_job[job.pk], coupling, apps) for job in jobs]


def _line(job: SynchJob, touched: Sequence[Any], coupling: Coupling, apps: Mapping[str, str]) -> LogLine:
    row = JobRow(job)
    by = row.started_by
    if job.origin == SynchJob.Origin.SCHEDULE and job.entry is not None:
        by = _("job queue entry %(name)s") % {"name": job.entry.mapping.name}
    line = LogLine(
        job.pk, row.url, row.what, by, job.finished_at or job.started_at or job.queued_at, row.state
    )
    for each in touched:
        if isinstance(each, Journal):
            line.outcomes.append(outcome(each, apps))
            line.fields += [name for name in each.values if name not in line.fields]
        elif isinstance(each, SynchJobError):
            line.said.append(say(each, apps))
        elif each.purpose == JobItem.Purpose.FOUND:
            line.outcomes.append(_("found to differ; left for the next run"))
        else:
            note = item_note(each.note, apps) if each.note else ""
            state = str(each.get_state_display())
            line.outcomes.append(f"{state}: {note}" if note else state)
    if job.pk == coupling.agreed_job:
        line.outcomes.append(_("both sides agreed"))
    line.outcomes = list(dict.fromkeys(line.outcomes))
    return line


def outcome(row: Journal, apps: Mapping[str, str]) -> str:
    """What one row of the journal did, in words."""
    facts = {
        "what": str(row.get_operation_display()),
        "app": apps[row.side],
        "state": str(row.get_state_display()),
    }
    if row.operation in (Journal.Operation.CREATE, Journal.Operation.UPDATE, Journal.Operation.DELETE):
        if row.state == Journal.State.DONE:
            return _("%(what)s in %(app)s") % facts
        return _("%(what)s in %(app)s: %(state)s") % facts
    return facts["what"]


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One row of the journal with what stood before and after; ``undo``: the question's address, "" if too late."""

    row: Journal
    what: str
    job_url: str
    written: Written
    undo: str
    undone: int | None


def journal(coupling: Coupling, user: Any) -> list[JournalLine]:
    """Everything written for the pair, newest first."""
    apps = app_names(coupling.mapping)
    rows = list(
        Journal.objects.filter(coupling=coupling).select_related("job", "undone_by").order_by("-pk")[:SHOWN]
    )
    can = rows_undoable(rows, user=user)
    hidden = sensitive(coupling, user)
    return [
        JournalLine(
            row,
            outcome(row, apps),
            reverse("synccore:job", args=[row.job_id]),
            written(row, hidden.get(row.side, frozenset())),
            undo_address(row) if row.pk in can else "",
            row.undone_by.job_id if row.undone_by and row.is_undone else None,
        )
        for row in rows
    ]


def undo_address(row: Journal) -> str:
    return f"{reverse('synccore:undo_job', args=[row.job_id])}?row={row.pk}"


def sensitive(coupling: Coupling, user: Any) -> dict[str, frozenset[str]]:
    """Per side the fields whose values this person may not see."""
    if user.has_perm("synccore.see_sensitive"):
        return {}
    rules = coupling.mapping.field_mappings.filter(sensitive=True)
    names = list(rules.values_list("left_field", "right_field"))
    return {
        "left": frozenset(left for left, _right in names if left),
        "right": frozenset(right for _left, right in names if right),
    }


@dataclass(frozen=True, slots=True)
class Overwritten:
    """An edit that a one-way field, a policy or a decision wrote over: kept in the journal of the job that did."""

    at: datetime
    app: str
    field: str
    lost: str
    job: int
    undo: str


def overwritten(coupling: Coupling, user: Any) -> list[Overwritten]:
    """Edits written over in the last 30 days, newest first."""
    from .compare import readable

    apps, hidden = app_names(coupling.mapping), sensitive(coupling, user)
    rows = list(
        Journal.objects.filter(
            coupling=coupling, state=Journal.State.DONE, at__gte=timezone.now() - OVERWRITTEN_SHOWN
        )
        .exclude(overwrites={})
        .select_related("job", "undone_by")
        .order_by("-pk")[:SHOWN]
    )
    can = rows_undoable(rows, user=user)
    found = []
    for row in rows:
        for name, text in row.overwrites.items():
            secret = name in hidden.get(row.side, frozenset())
            lost = _("hidden") if secret else readable(text, None) if text is not None else _("empty")
            undo = undo_address(row) if row.pk in can else ""
            found.append(Overwritten(row.at, apps[row.side], name, lost, row.job_id, undo))
    return found

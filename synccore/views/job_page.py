"""What a job's page shows: result, progress, parts, records, failures, log, and who started it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from synccore import roles, services
from synccore.forms import ReasonForm
from synccore.models import Coupling, JobItem, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.job import OUTCOMES
from synccore.models.mapping import read_with_mappings
from synccore.models.scoping import GrantLevel
from synccore.tables import COUNTER_LABELS, JobRow, Said, app_names, person_name, say
from synccore.verbs.chosen import CHANGED_MEANWHILE
from synccore.verbs.undo_plan import CHANGED_SINCE
from ui.paging import among

from .brakes import decided_brake, open_brake
from .progress import progress
from .queue_table import scope_word
from .sentences import item_note, log_line

#: So many failed records, left over records and lines of the log stand on the page itself.
SHOWN = 50
LOG_SHOWN = 200
#: So far failed records are counted.
COUNTED = 10_000

#: Notes of records that somebody changed: comparing them ends it.
MOVED = (CHANGED_MEANWHILE, CHANGED_SINCE)

ITEM_LOOKS = {
    JobItem.State.OPEN: ("hourglass", "waits"),
    JobItem.State.DONE: ("check", "good"),
    JobItem.State.FAILED: ("warning", "person"),
    JobItem.State.NOT_APPLICABLE: ("info", "closed"),
    JobItem.State.CANCELLED: ("x", "closed"),
}


def jobs_of(user: Any) -> QuerySet[SynchJob]:
    """The jobs a user may see: those of his mappings, and those he started himself over several mappings."""
    mine = Q(pk__in=SynchJob.objects.visible_to(user).values("pk")) | Q(requested_by=user, mapping=None)
    seen = SynchJob.objects.visible_to(user) if user.has_perm(roles.SET_UP) else SynchJob.objects.filter(mine)
    return seen.select_related(
        "mapping__integration__left",
        "mapping__integration__right",
        "requested_by",
        "cancel_requested_by",
        "connection",
        "entry__mapping",
    )


def visible(request: HttpRequest, pk: int) -> SynchJob:
    """The job, or 404; PermissionDenied for who sees no jobs at all."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    return get_object_or_404(jobs_of(request.user), pk=pk)


def is_forgotten(pk: int) -> bool:
    """Whether there was such a job once: retention has taken it. Ids are never given again."""
    return not SynchJob.objects.filter(pk=pk).exists() and SynchJob.objects.filter(pk__gt=pk).exists()


@dataclass(frozen=True)
class ItemCount:
    """How many of a job's frozen records ended in one way, and the address of exactly these."""

    label: str
    n: int
    url: str
    icon: str
    tone: str


@dataclass(frozen=True)
class FailedRecord:
    """A record that failed in the job: what the try said, its entry if one was written, its problem if it is open."""

    name: str
    said: Said
    entry: int | None
    problem: int | None
    now: str


def job_context(request: HttpRequest, found: SynchJob, reason: ReasonForm | None = None) -> dict[str, Any]:
    """Context of ``job.html`` and of its region. ``reason``: the brake's form as it was posted."""
    row = JobRow(found)
    children = [JobRow(child) for child in jobs_of(request.user).filter(parent=found).order_by("pk")]
    ids = [found.pk, *(child.pk for child in children)]
    counts = item_counts(ids)
    chosen = counts.get(JobItem.Purpose.CHOSEN, Counter())
    failed = failed_records(request.user, found, ids)
    retryable = failed_couplings(request.user, found, ids)[: COUNTED + 1].count() if found.failed else 0
    return {
        "page_title": _("%(what)s, job %(n)s") % {"what": row.what, "n": found.pk},
        "job": found,
        "row": row,
        "outcomes": [str(COUNTER_LABELS[name]) for name in OUTCOMES],
        "progress": progress(row, sum(chosen.values()) - chosen[JobItem.State.OPEN], children),
        "chosen": _links(found.pk, chosen),
        "chosen_total": sum(chosen.values()),
        "collected": [
            (JobItem.Purpose(purpose).label, _links(found.pk, counter, purpose))
            for purpose, counter in counts.items()
            if purpose != JobItem.Purpose.CHOSEN
        ],
        "left_over": _left_over(ids) if chosen else [],
        "children": children,
        "log": [
            (line, log_line(line.code, line.params, row.apps))
            for line in found.log.order_by("-pk")[:LOG_SHOWN]
        ],
        "failed": failed[:SHOWN],
        "more_failed": len(failed) > SHOWN or found.failed > len(failed),
        "retryable": retryable,
        "brake": open_brake(found, reason),
        "decided": decided_brake(found),
        "started_by": started_by(row),
        "schedule": found.entry if found.origin == SynchJob.Origin.SCHEDULE else None,
        "reason": str(found.options.get("reason", "") or ""),
        "cancelled_by": person_name(found.cancel_requested_by),
        "may_decide": right(request, roles.SET_UP),
        "may_retry": right(request, "synccore.retry"),
        "undoable": not found.is_unfinished and services.undoable(found, user=request.user).exists(),
        "undone_by": services.undone_by(found),
        "may_undo": is_over_purge(found) and right(request, "synccore.clean_up"),
        "may_cancel": found.is_unfinished
        and not found.cancel_requested_at
        and may_cancel(request.user, found),
    }


def started_by(row: JobRow) -> str:
    """Who or which schedule started it, as one phrase."""
    entry = row.job.entry
    if row.job.origin == SynchJob.Origin.SCHEDULE and entry is not None:
        what = {"mapping": entry.mapping.name, "what": scope_word(entry.scope)}
        return _("job queue entry %(mapping)s · %(what)s") % what
    return row.started_by


# --- records frozen into it --------------------------------------------------------------------------------------


def item_counts(ids: list[int]) -> dict[str, Counter[str]]:
    """Per purpose how many of the jobs' records are in which state; one query."""
    counts: dict[str, Counter[str]] = {}
    found = JobItem.objects.filter(job__in=ids).order_by().values_list("purpose", "state")
    for purpose, state, n in found.annotate(n=Count("pk")):
        counts.setdefault(purpose, Counter())[state] = n
    return counts


def _links(pk: int, counter: Counter[str], purpose: str = "") -> list[ItemCount]:
    """In the order of the states; those with none are left out."""
    where = reverse("synccore:job_records", args=[pk])
    more = f"&purpose={purpose}" if purpose else ""
    return [
        ItemCount(str(state.label), counter[state], f"{where}?tab={state.value}{more}", *ITEM_LOOKS[state])
        for state in JobItem.State
        if counter[state]
    ]


def _left_over(ids: list[int]) -> list[tuple[JobItem, str, bool]]:
    """The first chosen records that were not done: which, why, and whether comparing again is what ends it."""
    left = read_with_mappings(
        JobItem.objects.filter(
            job__in=ids,
            purpose=JobItem.Purpose.CHOSEN,
            state__in=(JobItem.State.FAILED, JobItem.State.NOT_APPLICABLE),
        )
    )
    return [
        (item, item_note(item.note, app_names(item.mapping)), item.note.startswith(MOVED))
        for item in left.order_by("pk")[:SHOWN]
    ]


# --- records that failed -----------------------------------------------------------------------------------------


def failed_records(user: Any, found: SynchJob, ids: list[int]) -> list[FailedRecord]:
    """Records that failed in the job, by the entries it wrote and, where equal failures wrote none, by their problems."""
    apps = app_names(found.mapping) if found.mapping else None
    entries = list(
        read_with_mappings(SynchJobError.objects.visible_to(user).filter(job_id__in=ids).order_by("pk"))[
            : SHOWN + 1
        ]
    )
    problems: dict[int, Problem] = {}
    if found.failed:
        of_job = read_with_mappings(_open_problems(user, found, ids).select_related("coupling"))
        deferred = of_job.defer("coupling__left_base", "coupling__right_base")
        problems = {each.pk: each for each in deferred.order_by("pk")[: SHOWN + 1]}
    rows = []
    for entry in entries:
        name = entry.left_title or entry.right_title or entry.left_id or entry.right_id
        problem = problems.pop(entry.problem_id or 0, None)
        rows.append(
            FailedRecord(
                name or _("whole mapping"),
                say(entry, apps or app_names(entry.mapping)),
                entry.pk,
                entry.problem_id if entry.coupling_id else None,
                str(problem.get_state_display()) if problem else "",
            )
        )
    for problem in problems.values():
        said = say(problem, apps or app_names(problem.mapping))
        name = str(problem.coupling or problem.name)
        rows.append(FailedRecord(name, said, None, problem.pk, str(problem.get_state_display())))
    return rows


def failed_couplings(user: Any, found: SynchJob, ids: list[int]) -> QuerySet[Coupling]:
    """The records whose open problem was last met in the job: what *Retry* takes."""
    return Coupling.objects.filter(
        among("pk", _open_problems(user, found, ids).order_by().values("coupling"))
    )


def _open_problems(user: Any, found: SynchJob, ids: list[int]) -> QuerySet[Problem]:
    problems = Problem.objects.visible_to(user).of_records().open().filter(last_job__in=ids)
    return problems.filter(mapping=found.mapping_id) if found.mapping_id else problems


# --- who may -----------------------------------------------------------------------------------------------------


def is_over_purge(found: SynchJob) -> bool:
    return found.verb == "purge" and found.state == SynchJob.State.FINISHED


def may_cancel(user: Any, found: SynchJob) -> bool:
    """As ``services.cancel`` checks it: one's own job, else the right to synchronize and to change these records."""
    if found.requested_by_id is not None and found.requested_by_id == user.pk:
        return True
    if not user.has_perm("synccore.synchronize"):
        return False
    return (
        found.mapping_id is None
        or TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).filter(pk=found.mapping_id).exists()
    )


def right(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(permission)  # type: ignore[union-attr]

"""*Find for Deleted*: started on a list, followed there while it reads, with its result as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from synccore import roles, services
from synccore.models import JobItem, SynchJob
from synccore.models.scoping import GrantLevel
from synccore.services.jobs import NotNow
from synccore.tables import JobRow
from synccore.verbs.find_deleted import FOR_DECISION
from ui.actions import number
from ui.filters import with_

from .back import back_to
from .job_page import jobs_of
from .lists import may_run, visible_mappings
from .sentences import not_now

PERMISSION = "synccore.synchronize"
#: Of the address of a list: the jobs that it follows, split by dots.
FINDING = "finding"


@dataclass(frozen=True)
class Finding:
    """The find jobs that a list follows: how far they are, or what they found."""

    jobs: list[JobRow]
    ids: str
    running: bool
    scanned: int
    total: int
    found: int
    failed: list[JobRow]
    show_url: str

    @property
    def done(self) -> int:
        return min(self.scanned, self.total)


def following(request: HttpRequest, text: str) -> Finding | None:
    """What the find jobs with these ids do, as far as the person may see them; one query. None where there are none."""
    ids = [key for part in text.split(".")[:100] if (key := number(part)) is not None]
    if not ids:
        return None
    decided = Count("items", filter=Q(items__note=FOR_DECISION, items__state=JobItem.State.DONE))
    jobs = list(jobs_of(request.user).filter(pk__in=ids, verb="find_deleted").annotate(for_decision=decided))
    if not jobs:
        return None
    rows = [JobRow(job) for job in jobs]
    mappings = {job.mapping_id for job in jobs}
    query = f"?kind=missing&mapping={mappings.pop()}" if len(mappings) == 1 else "?kind=missing"
    return Finding(
        rows,
        ".".join(str(job.pk) for job in jobs),
        any(job.is_unfinished for job in jobs),
        sum(job.scanned for job in jobs),
        sum(job.total or 0 for job in jobs),
        sum(job.for_decision for job in jobs),
        [row for row in rows if row.job.state == SynchJob.State.FAILED],
        reverse("coupling:coupled") + query,
    )


@require_POST
def find_deleted(request: HttpRequest) -> HttpResponse:
    """Start it for the mappings ``mapping`` (repeated; none: all that the person may synchronize), and follow it there."""
    if not may_run(request.user):
        raise PermissionDenied(roles.refusal(PERMISSION))
    wanted = {number(key) for key in request.POST.getlist("mapping")}
    mappings = [
        each for each in visible_mappings(request.user) if each.enabled and (not wanted or each.pk in wanted)
    ]
    allowed = set(
        type(mappings[0]).objects.visible_to(request.user, GrantLevel.RESOLVE).values_list("pk", flat=True)
        if mappings
        else ()
    )
    mine = [each for each in mappings if each.pk in allowed]
    if mappings and not mine:
        raise PermissionDenied(roles.refusal(PERMISSION, of_mapping=True))
    if not mine:
        messages.info(request, _("No mapping that is switched on is in view, so nothing was searched."))
        return HttpResponseRedirect(back_to(request))
    try:
        jobs = services.find_deleted(mine, user=request.user)
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return HttpResponseRedirect(back_to(request))
    return HttpResponseRedirect(_followed(back_to(request), jobs))


def _followed(back: str, jobs: list[SynchJob]) -> str:
    """The page it was pressed on, following the jobs."""
    path, _mark, query = back.partition("?")
    return path + with_(QueryDict(query), **{FINDING: ".".join(str(job.pk) for job in jobs)})


@require_safe
def region(request: HttpRequest) -> HttpResponse:
    """The strip alone, while it runs; a page of its own without JavaScript. Calls no app."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    context: dict[str, Any] = {"finding": following(request, request.GET.get(FINDING, ""))}
    context["page_title"] = _("Find for Deleted")
    part = request.htmx  # type: ignore[attr-defined]
    return render(request, "synccore/finding.html" if part else "synccore/finding_page.html", context)

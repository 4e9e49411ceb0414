"""*Run Full Synchronization*: of one or several mappings, parents first; what to expect, the question, and how it goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from synccore import jobs, roles, services
from synccore.models import SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import runs
from synccore.services.jobs import NotNow
from synccore.services.setup import order_of
from synccore.tables import JobRow, State

from .jobs import jobs_of
from .mapping_forms import FORM_VERBS
from .mapping_rows import MappingRow, mappings_of
from .sentences import not_now


class FullRow:
    """One mapping that could be synchronized whole, and what is known about it."""

    def __init__(self, mapping: Any, row: MappingRow, reason: str) -> None:
        self.mapping, self.row, self.pk, self.name = mapping, row, mapping.pk, mapping.name
        self.reason = not_now("held", {"mapping": mapping.name, "reason": reason}) if reason else ""

    @property
    def advice(self) -> State:
        """Whether it is worth it, by what is known."""
        mapping = self.mapping
        if self.reason:
            return State(_("Left out"), "pause", "closed")
        if not mapping.couplings_counted:
            return State(_("First synchronization"), "play", "runs")
        if mapping.last_full is None or mapping.last_full["revision"] < mapping.revision:
            return State(_("Recommended"), "warning", "waits")
        return State(_("Not needed"), "check", "good")

    @property
    def last_full_at(self) -> datetime | None:
        last = self.mapping.last_full
        return datetime.fromisoformat(last["finished"]) if last and last["finished"] else None

    @property
    def why(self) -> str:
        mapping = self.mapping
        if self.reason:
            return self.reason
        if not mapping.couplings_counted:
            if mapping.only_coupled:
                return _("Nothing is coupled yet, and this mapping makes no new records.")
            if mapping.natural_key is not None:
                return _(
                    "Nothing is coupled yet. Records that are the same in both apps are coupled, the others are new."
                )
            return _(
                "Nothing is coupled yet. Where the other app holds records already, the brake asks before any is made."
            )
        if mapping.last_full is None:
            return _("It was never synchronized whole.")
        if mapping.last_full["revision"] < mapping.revision:
            return _("Its rules have changed since; records in which nothing changed have not met them.")
        return _("Its rules have not changed since the last one; runs and sweeps keep it in step.")


def _rows(user: Any) -> list[FullRow]:
    """Every mapping whose records this person may synchronize, parents first, with its last full synchronization that
    ended well."""
    may = TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).values("pk")
    last = SynchJob.objects.filter(
        mapping=OuterRef("pk"), verb="synchronise", scope=SynchJob.Scope.FULL, state=SynchJob.State.FINISHED
    ).order_by("-pk")
    facts = JSONObject(id="pk", revision="mapping_revision", finished="finished_at")
    found = mappings_of(user).filter(pk__in=may).annotate(last_full=Subquery(last.values(said=facts)[:1]))
    return [FullRow(mapping, MappingRow(mapping, []), jobs.held(mapping)) for mapping in order_of(found)]


@require_http_methods(FORM_VERBS)
def full(request: HttpRequest) -> HttpResponse:
    """Choose the mappings, answer the question, start."""
    user: Any = request.user
    if not user.has_perm(runs.SYNCHRONIZE):
        raise PermissionDenied(roles.refusal(runs.SYNCHRONIZE))
    sets_up = user.has_perm(roles.SET_UP)
    rows = _rows(user)
    wanted = request.POST.getlist("mapping") or request.GET.getlist("mapping")
    chosen = [row for row in rows if str(row.pk) in wanted]
    if request.method == "POST" and request.POST.get("answered"):
        try:
            parent, left = runs.start_full([row.mapping for row in chosen], user=user)
        except NotNow as no:
            messages.warning(request, _refused(no))
            return redirect("synccore:full")
        n = parent.children.count()
        text = ngettext(
            "%(n)s mapping is synchronized whole.",
            "%(n)s mappings are synchronized whole, one after the other.",
            n,
        )
        messages.success(request, " ".join([text % {"n": n}, *(_reason(each) for each in left)]))
        return redirect("synccore:full_status", pk=parent.pk)
    usable = [row for row in chosen if not row.reason]
    if len(usable) > 1 and not sets_up:
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    if request.method == "POST" and usable:
        context: dict[str, Any] = {
            "page_title": _("Run Full Synchronization"),
            "rows": usable,
            "left": [row for row in chosen if row.reason],
        }
        return render(request, "synccore/full_question.html", context)
    if request.method == "POST":
        messages.warning(request, _("Choose at least one mapping that can run."))
    open_ = jobs_of(user).filter(
        verb="synchronise", scope=SynchJob.Scope.FULL, mapping=None, state=SynchJob.State.RUNNING
    )
    context = {
        "page_title": _("Run Full Synchronization"),
        "rows": rows,
        "chosen": {row.pk for row in chosen},
        "sets_up": sets_up,
        "running": list(open_.order_by("-pk")[:5]),
    }
    return render(request, "synccore/full.html", context)


def _reason(left: runs.Left) -> str:
    return not_now("held", {"mapping": left.mapping.name, "reason": left.reason})


def _refused(no: NotNow) -> str:
    if no.code == "nothing_to_run":
        reasons = " ".join(_reason(each) for each in no.params["left"])
        return reasons or _("Choose at least one mapping that can run.")
    return not_now(no.code, no.params)


def _parent(request: HttpRequest, pk: int) -> SynchJob:
    found = get_object_or_404(SynchJob, pk=pk, verb="synchronise", scope=SynchJob.Scope.FULL, mapping=None)
    own = found.requested_by_id is not None and found.requested_by_id == request.user.pk
    if not own and not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    return found


@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """How it goes, line by line. While one runs, the page asks for its region alone and swaps that."""
    parent = _parent(request, pk)
    lines = runs.lines_of(parent)
    context = {
        "page_title": _("Full synchronization, job %(n)s") % {"n": pk},
        "job": parent,
        "row": JobRow(parent),
        "lines": [(job, JobRow(job)) for job in lines],
        "done": sum(not job.is_unfinished for job in lines),
        "count": len(lines),
    }
    template = "synccore/full_region.html" if request.htmx else "synccore/full_status.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_POST
def again(request: HttpRequest, pk: int, mapping: int) -> HttpResponse:
    """Run one line again."""
    parent = _parent(request, pk)
    found = get_object_or_404(
        TableMapping.objects.visible_to(request.user)
        .select_related("integration")
        .filter(jobs__parent=parent)
        .distinct(),
        pk=mapping,
    )
    try:
        runs.run_line_again(parent, found, user=request.user)
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
    else:
        messages.success(request, _("%(name)s is synchronized whole again.") % {"name": found.name})
    return redirect("synccore:full_status", pk=pk)


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Lines that wait are cancelled at once, the one that runs after its page."""
    parent = _parent(request, pk)
    if services.cancel(parent, user=request.user):
        messages.success(
            request,
            _("What waits is cancelled; the line that runs ends after its page. What is done stays done."),
        )
    else:
        messages.info(request, _("It had ended already; nothing was cancelled."))
    return redirect("synccore:full_status", pk=pk)

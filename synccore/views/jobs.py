"""Integration Synchronization Jobs: the list, a job's page, and what can be done with a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from synccore import roles, services
from synccore.failures import Kind
from synccore.filters import JobFilter
from synccore.forms import ReasonForm
from synccore.models import JobItem, Problem, SynchJob, SynchJobError, TableMapping
from synccore.models.job import OUTCOMES
from synccore.models.scoping import GrantLevel
from synccore.services.jobs import NotNow
from synccore.tables import COUNTER_LABELS, JobRow, JobTable, app_names, say
from synccore.verbs.chosen import CHANGED_MEANWHILE
from ui.paging import Sort
from ui.views import Tab

from .lists import RecordListPage, may_run, runnable
from .sentences import item_note, log_line, not_now

SHOWN = 50


def jobs_of(user: Any) -> QuerySet[SynchJob]:
    """The jobs a user may see: those of his mappings, and those he started himself over several mappings."""
    mine = Q(pk__in=SynchJob.objects.visible_to(user).values("pk")) | Q(requested_by=user, mapping=None)
    seen = SynchJob.objects.visible_to(user) if user.has_perm(roles.SET_UP) else SynchJob.objects.filter(mine)
    return seen.select_related(
        "mapping__integration__left", "mapping__integration__right", "requested_by", "connection"
    )


class JobsPage(RecordListPage):
    title = gettext_lazy("Integration Synchronization Jobs")
    intro = gettext_lazy("What ran, what it did with each record, and what runs now.")
    permission = "synccore.view"
    table_class = JobTable
    filter_class = JobFilter
    tabs = (
        Tab("all", gettext_lazy("All"), empty=gettext_lazy("No job has run yet.")),
        Tab(
            "unfinished",
            gettext_lazy("Queued and running"),
            empty=gettext_lazy("Nothing runs at the moment and nothing is queued."),
            branches=(Q(state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING)),),
        ),
        Tab(
            "trouble",
            gettext_lazy("With failures"),
            empty=gettext_lazy("No job had failures."),
            branches=(Q(state=SynchJob.State.FAILED) | Q(failed__gt=0),),
        ),
    )
    sorts = (Sort("time", ("queued_at",), descending=True),)

    def rows(self) -> QuerySet[Any]:
        return jobs_of(self.request.user)

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [JobRow(job) for job in rows]


def _visible(request: HttpRequest, pk: int) -> SynchJob:
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    return get_object_or_404(jobs_of(request.user), pk=pk)


@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """A job's page. While it runs, the page asks for its region alone and swaps that."""
    found = _visible(request, pk)
    context = _job_context(request, found) | {"allow_form": ReasonForm()}
    return render(request, "synccore/job_region.html" if request.htmx else "synccore/job.html", context)  # type: ignore[attr-defined]


def _job_context(request: HttpRequest, found: SynchJob) -> dict[str, Any]:
    row = JobRow(found)
    items = dict(found.items.order_by().values_list("state").annotate(n=Count("pk")))
    left_over = found.items.filter(state__in=(JobItem.State.FAILED, JobItem.State.NOT_APPLICABLE))
    entries = (
        SynchJobError.objects.visible_to(request.user).filter(job_id=found.pk).order_by("pk")[: SHOWN + 1]
    )
    return {
        "page_title": _("%(what)s, job %(n)s") % {"what": row.what, "n": found.pk},
        "job": found,
        "row": row,
        "outcomes": [str(COUNTER_LABELS[name]) for name in OUTCOMES],
        "items": [(JobItem.State(state).label, n) for state, n in sorted(items.items())],
        "left_over": [
            (item, item_note(item.note, app_names(item.mapping)), item.note.startswith(CHANGED_MEANWHILE))
            for item in left_over.select_related(
                "mapping__integration__left", "mapping__integration__right"
            ).order_by("pk")[:SHOWN]
        ],
        "children": [JobRow(child) for child in jobs_of(request.user).filter(parent=found).order_by("pk")],
        "log": [
            (line, log_line(line.code, line.params, row.apps)) for line in found.log.order_by("-pk")[:200]
        ],
        "entries": [
            (entry, say(entry, row.apps if found.mapping else app_names(None))) for entry in entries[:SHOWN]
        ],
        "more_entries": len(entries) > SHOWN,
        "brake": _open_brake(found),
        "may_decide": _right(request, roles.SET_UP),
        "may_undo": _is_over_purge(found) and _right(request, "synccore.clean_up"),
        "may_cancel": found.is_unfinished
        and not found.cancel_requested_at
        and _may_cancel(request.user, found),
    }


def _is_over_purge(found: SynchJob) -> bool:
    return found.verb == "purge" and found.state == SynchJob.State.FINISHED


def _open_brake(found: SynchJob) -> Problem | None:
    """The brake that this job pulled, as long as nobody decided."""
    if found.kind != Kind.STOPPED.value or found.mapping_id is None:
        return None
    brakes = Problem.objects.of_setup().open().filter(mapping=found.mapping_id, kind=Kind.STOPPED.value)
    return brakes.filter(last_job=found.pk).first()


def _may_cancel(user: Any, found: SynchJob) -> bool:
    """As ``services.cancel`` checks it: one's own job, else the right to synchronize and to change these records."""
    if found.requested_by_id is not None and found.requested_by_id == user.pk:
        return True
    if not user.has_perm("synccore.synchronize"):
        return False
    return (
        found.mapping_id is None
        or TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).filter(pk=found.mapping_id).exists()
    )


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    found = _visible(request, pk)
    if not _may_cancel(request.user, found):
        raise PermissionDenied(
            roles.refusal("synccore.synchronize", of_mapping=_right(request, "synccore.synchronize"))
        )
    if services.cancel(found, user=request.user):
        messages.success(
            request, _("The job ends after the page of records it works on. What is done stays done.")
        )
    else:
        messages.info(request, _("The job had ended already; nothing was cancelled."))
    return redirect("synccore:job", pk=pk)


@require_POST
def allow_once(request: HttpRequest, pk: int) -> HttpResponse:
    found = _deciding(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return render(
            request, "synccore/job.html", _job_context(request, found) | {"allow_form": form}, status=422
        )
    try:
        started = services.allow_once(found, user=request.user, reason=form.cleaned_data["reason"])
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return redirect("synccore:job", pk=pk)
    said = _("Allowed once. What was held back is carried out as job %(n)s.") % {"n": started.pk}
    messages.success(request, said)
    return redirect("synccore:job", pk=started.pk)


@require_POST
def keep_stopped(request: HttpRequest, pk: int) -> HttpResponse:
    found = _deciding(request, pk)
    services.keep_stopped(found, user=request.user)
    text = _(
        "The mapping stays off: what was held back is not carried out, and no job runs until it is switched on."
    )
    messages.success(request, text)
    return redirect("synccore:job", pk=pk)


def _deciding(request: HttpRequest, pk: int) -> SynchJob:
    found = _visible(request, pk)
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    if _open_brake(found) is None:
        raise PermissionDenied(
            _("This job holds no brake that waits for a decision; somebody may have decided before you.")
        )
    return found


@require_POST
def run_now(request: HttpRequest, pk: int) -> HttpResponse:
    """*Run now* on a mapping; back to the page it was pressed on."""
    mapping = get_object_or_404(TableMapping.objects.visible_to(request.user), pk=pk)
    if not may_run(request.user) or not runnable(request.user).filter(pk=pk).exists():
        raise PermissionDenied(roles.refusal("synccore.synchronize", of_mapping=may_run(request.user)))
    try:
        jobs = services.run_now([mapping], user=request.user)
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return HttpResponseRedirect(_back(request))
    named = ((JobRow(each).url, _("job %(n)s") % {"n": each.pk}) for each in jobs)
    links = format_html_join(", ", '<a href="{}">{}</a>', named)
    messages.success(
        request, format_html(_("{mapping} runs now as {jobs}."), mapping=mapping.name, jobs=links)
    )
    return HttpResponseRedirect(_back(request))


@require_POST
def undo_purge(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring back what a clean-up job deleted."""
    found = _visible(request, pk)
    if not _right(request, "synccore.clean_up"):
        raise PermissionDenied(roles.refusal("synccore.clean_up"))
    try:
        started = services.undo_purge(found.options.get("purge", ""), user=request.user)
    except (LookupError, ValueError):
        messages.warning(request, _("Nothing of this clean-up is left to bring back."))
        return redirect("synccore:job", pk=pk)
    messages.success(request, _("The deleted entries come back as job %(n)s.") % {"n": started.pk})
    return redirect("synccore:job", pk=started.pk)


def _right(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(permission)  # type: ignore[union-attr]


def _back(request: HttpRequest) -> str:
    """The page a button was pressed on, if it is one of ours."""
    wanted = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else "/"

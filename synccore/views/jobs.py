"""Integration Synchronization Jobs: the list, a job's page, and what can be done with a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from synccore import actions, roles, services
from synccore.failures import Kind
from synccore.filters import JobFilter
from synccore.forms import ReasonForm
from synccore.models import SynchJob, TableMapping
from synccore.models.seals import KEPT
from synccore.services.jobs import NotNow
from synccore.tables import JobRow, JobTable
from ui.paging import Sort
from ui.views import Tab

from .addresses import job_link
from .back import back_to
from .job_page import (
    COUNTED,
    failed_couplings,
    is_forgotten,
    job_context,
    jobs_of,
    may_cancel,
    right,
    visible,
)
from .lists import RecordListPage, may_run, runnable
from .sentences import not_now


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
        return [JobRow(job) for job in self.with_mappings(rows)]


def _visible(request: HttpRequest, pk: int) -> SynchJob:
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    return get_object_or_404(jobs_of(request.user), pk=pk)


@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """A job's page. While it runs, the page asks for its region alone and swaps that. Couplings, problems and entries go on
    naming jobs that were forgotten."""
    if request.user.has_perm("synccore.view") and is_forgotten(pk):  # type: ignore[union-attr]
        facts = {"page_title": _("Job %(n)s") % {"n": pk}, "days": KEPT.days}
        return render(request, "synccore/job_forgotten.html", facts, status=410)
    found = visible(request, pk)
    template = "synccore/job_region.html" if request.htmx else "synccore/job.html"  # type: ignore[attr-defined]
    return render(request, template, job_context(request, found))


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    found = visible(request, pk)
    if not may_cancel(request.user, found):
        raise PermissionDenied(
            roles.refusal("synccore.synchronize", of_mapping=right(request, "synccore.synchronize"))
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
    """*Allow once*, with a reason; on to the job that carries it out."""
    found = _deciding(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        context = job_context(request, found, ReasonForm(request.POST, auto_id="id_brake_%s"))
        return render(request, "synccore/job.html", context, status=422)
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
    """*Keep stopped*: what was held back is dropped and the mapping is off; back to the page it was pressed on."""
    found = _deciding(request, pk)
    here = back_to(request, reverse("synccore:job", args=[pk]))
    try:
        services.keep_stopped(found, user=request.user)
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return HttpResponseRedirect(here)
    text = _(
        "The mapping stays off: what was held back is not carried out, and no job runs until it is switched on."
    )
    messages.success(request, text)
    return HttpResponseRedirect(here)


def _deciding(request: HttpRequest, pk: int) -> SynchJob:
    found = visible(request, pk)
    if not right(request, roles.SET_UP):
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    if found.kind != Kind.STOPPED.value or found.mapping_id is None:
        raise PermissionDenied(_("This job holds no brake."))
    return found


@require_POST
def retry_failed(request: HttpRequest, pk: int) -> HttpResponse:
    """*Retry* of the records that failed in this job and still have their problem."""
    found = visible(request, pk)
    if not right(request, actions.RETRY.permission):
        raise PermissionDenied(actions.refusal(actions.RETRY, request.user))
    ids = [pk, *jobs_of(request.user).filter(parent=found).values_list("pk", flat=True)]
    couplings = actions.allowed(actions.RETRY, failed_couplings(request.user, found, ids), request.user)
    count = couplings[: COUNTED + 1].count()
    if not count:
        messages.info(request, _("None of them has an open problem any more that you may retry."))
        return redirect("synccore:job", pk=pk)
    actions.check_size(actions.RETRY, count, request.user)
    outcome = actions.perform(actions.RETRY, couplings, {}, user=request.user)
    messages.add_message(request, messages.SUCCESS if outcome.ok else messages.WARNING, str(outcome.sentence))
    return redirect("synccore:job", pk=pk)


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
        return HttpResponseRedirect(back_to(request))
    links = format_html_join(", ", "{}", ((job_link(each),) for each in jobs))
    messages.success(
        request, format_html(_("{mapping} runs now as {jobs}."), mapping=mapping.name, jobs=links)
    )
    return HttpResponseRedirect(back_to(request))


@require_POST
def undo_purge(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring back what a clean-up job deleted."""
    found = visible(request, pk)
    if not right(request, "synccore.clean_up"):
        raise PermissionDenied(roles.refusal("synccore.clean_up"))
    try:
        started = services.undo_purge(found.options.get("purge", ""), user=request.user)
    except (LookupError, ValueError):
        messages.warning(request, _("Nothing of this clean-up is left to bring back."))
        return redirect("synccore:job", pk=pk)
    messages.success(request, _("The deleted entries come back as job %(n)s.") % {"n": started.pk})
    return redirect("synccore:job", pk=started.pk)

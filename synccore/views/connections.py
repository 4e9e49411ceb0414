"""Connection Setup: the apps, how they are reached, whether they answer, and what the last look at them found.

No page here contacts an app: *Test Connection* is a job, and the page shows what it found.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from synccore import roles
from synccore.models import Connection, Problem, SynchJob, TableMapping
from synccore.models.mapping import with_app
from synccore.services import catalogue, deleted
from synccore.services import connections as services
from synccore.services.jobs import NotNow
from synccore.tables import JobRow, apps_of, say

from . import integrations
from .addresses import job_link
from .back import back_to
from .banners import with_next_look
from .checks import checks_of
from .connection_rows import (
    ConnectionRow,
    all_connections,
    answer_groups,
    declared_of,
    listed_of,
    place_of,
)
from .gone import told_when_gone
from .sentences import not_now


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))


@require_safe
def connections(request: HttpRequest) -> HttpResponse:
    _require(request)
    apps = list(all_connections())
    tests = SynchJob.objects.select_related("mapping", "connection", "requested_by").in_bulk(
        [app.tested for app in apps if app.tested]
    )
    context = {
        "page_title": _("Connection Setup"),
        "rows": [ConnectionRow(app, tests.get(app.tested)) for app in apps],
        "integrations": integrations.all_rows(),
        "deleted": deleted.lately(),
    }
    return render(request, "synccore/connections.html", context)


@require_safe
@told_when_gone(Connection)
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """One app. While a job of it is under way, the page asks for its region alone and swaps that."""
    _require(request)
    app = all_connections().get(pk=pk)
    template = "synccore/connection_region.html" if request.htmx else "synccore/connection.html"  # type: ignore[attr-defined]
    return render(request, template, context_of(app))


def context_of(app: Any) -> dict[str, Any]:
    """What the region of a connection shows; ``app`` as of ``all_connections``."""
    jobs = SynchJob.objects.select_related("mapping", "connection", "requested_by")
    last = {
        verb: jobs.filter(connection=app, verb=verb).order_by("-pk").first()
        for verb in ("check_set_up", "describe", "list_choices")
    }
    row = ConnectionRow(app, jobs.filter(pk=app.tested).first())
    of_app = with_app(app)
    mappings = TableMapping.objects.filter(of_app).select_related("integration").order_by("name", "pk")
    held = Problem.objects.of_setup().open().filter(connection=app, mapping=None).select_related("connection")
    problems = with_next_look(held).order_by("since", "pk")
    checks, listed = checks_of(app), listed_of(app)
    read, groups = catalogue.summary_of(app), answer_groups(app)
    unfinished = [job for job in (row.test and row.test.job, *last.values()) if job and job.is_unfinished]
    return {
        "page_title": app.name,
        "app": app,
        "row": row,
        "answers": [group for group in groups if not group.advanced],
        "more_answers": [group for group in groups if group.advanced],
        "unreadable": services.secrets_set(app) is None,
        "has_secrets": any(option.secret for option in declared_of(app.kind)),
        "problems": [(problem, say(problem, apps_of(problem))) for problem in problems],
        "mappings": list(mappings),
        "set_up_job": JobRow(last["check_set_up"]) if last["check_set_up"] else None,
        "read_job": JobRow(last["describe"]) if last["describe"] else None,
        "list_job": JobRow(last["list_choices"]) if last["list_choices"] else None,
        "read": read,
        "checks": checks,
        "listed": listed,
        "place": place_of(app, listed),
        "chooses": any(option.listed for option in declared_of(app.kind)),
        "busy": bool(unfinished),
    }


@require_POST
@told_when_gone(Connection)
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """*Test Connection*: a job; its result appears on the page."""
    app = Connection.objects.get(pk=pk)
    job = services.start_test(app, user=request.user)
    return _started(request, app, job, _("{app} is being tested by {job}; what it finds appears below."))


@require_POST
@told_when_gone(Connection)
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """*Check the set-up*: a job; what it found appears on the page."""
    app = Connection.objects.get(pk=pk)
    job = services.start_set_up_check(app, user=request.user)
    return _started(
        request, app, job, _("The set-up of {app} is being checked by {job}; what it finds appears below.")
    )


@require_POST
@told_when_gone(Connection)
def read_tables(request: HttpRequest, pk: int) -> HttpResponse:
    """*Refresh tables and fields*: a job."""
    app = Connection.objects.get(pk=pk)
    [job] = catalogue.start_describe([app], user=request.user)
    return _started(request, app, job, _("The tables of {app} are being read by {job}."))


@require_POST
@told_when_gone(Connection)
def list_choices(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the app again what there is to choose from: a job."""
    app = Connection.objects.get(pk=pk)
    job = services.start_listing(app, user=request.user)
    return _started(request, app, job, _("{app} is being asked by {job}; what it lists appears below."))


def _started(request: HttpRequest, app: Connection, job: SynchJob, text: str) -> HttpResponse:
    """Say which job does it, and go back to where it was pressed."""
    messages.success(request, format_html(text, app=app.name, job=job_link(job)))
    return HttpResponseRedirect(back_to(request, reverse("synccore:connection", args=[app.pk])))


@require_POST
def check_now(request: HttpRequest, pk: int) -> HttpResponse:
    """*Check now*, on whatever page tells what holds a mapping or an app."""
    _require(request)
    problem = get_object_or_404(Problem.objects.of_setup(), pk=pk)
    try:
        job = services.check_now(problem, user=request.user)
    except NotNow as no:
        messages.info(request, not_now(no.code, no.params))
    else:
        text = _("Checked now by {job}. If it passes, {name} goes on at once.")
        messages.success(request, format_html(text, job=job_link(job), name=problem.name))
    return HttpResponseRedirect(back_to(request))

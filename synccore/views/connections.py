"""Connection Setup: the apps, how they are reached, whether they answer, and the form of each kind's own options.

No page here contacts an app: *Test Connection* is a job, and the page shows what it found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from synccore import guides, roles
from synccore.connectors import CONNECTORS
from synccore.failures import Misconfigured
from synccore.forms import ConnectionForm
from synccore.models import Connection, Problem, SetupCheck, SynchJob, TableMapping
from synccore.services import connections as services
from synccore.services.jobs import NotNow
from synccore.tables import JobRow, Said, State, say

from . import integrations
from .checks import check_rows
from .sentences import not_now

FORM_VERBS = ["GET", "HEAD", "POST"]


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))


def _all() -> QuerySet[Any]:
    tests = SynchJob.objects.filter(connection=OuterRef("pk"), verb="check_connection").order_by("-pk")
    problems = Problem.objects.of_setup().open().filter(connection=OuterRef("pk"), mapping=None).order_by()
    count = problems.values("connection").annotate(n=Count("pk")).values("n")
    failing = SetupCheck.objects.filter(connection=OuterRef("pk"), state=SetupCheck.State.FAIL).order_by()
    failed = failing.values("connection").annotate(n=Count("pk")).values("n")
    return Connection.objects.annotate(
        tested=Subquery(tests.values("pk")[:1]), trouble=Subquery(count), failed=Subquery(failed)
    ).order_by("name", "pk")


class ConnectionRow:
    """A connection as the list and its page show it."""

    def __init__(self, app: Any, test: SynchJob | None) -> None:
        self.app, self.pk, self.test = app, app.pk, JobRow(test) if test else None
        self.url = reverse("synccore:connection", args=[app.pk])
        self.kind = kind_name(app.kind)

    @property
    def state(self) -> State:
        """What the last test found; a set-up problem of the app stands before it."""
        if self.app.trouble:
            return State(_("Set-up problem"), "wrench", "person")
        if self.app.failed and not (self.test and self.test.job.is_unfinished):
            text = ngettext("%(n)s set-up check failed", "%(n)s set-up checks failed", self.app.failed)
            return State(text % {"n": self.app.failed}, "wrench", "person")
        if self.test is None:
            if self.app.checked_at:
                return State(_("Answered"), "check", "good", self.app.checked_at)
            return State(_("Not tested yet"), "hourglass", "waits")
        job = self.test.job
        if job.is_unfinished:
            return State(_("Being tested"), "play", "runs")
        if job.state == SynchJob.State.FINISHED:
            return State(_("Answers"), "check", "good", job.finished_at)
        if job.state == SynchJob.State.CANCELLED:
            return State(_("Test cancelled"), "x", "closed", job.finished_at)
        return State(_("Test failed"), "stop", "person", job.finished_at)

    @property
    def clock(self) -> str:
        """The measured difference of the clocks; "" before it was measured."""
        if self.app.checked_at is None:
            return ""
        values = {
            "skew": number_format(abs(self.app.skew_seconds), 2),
            "uncertainty": number_format(max(self.app.skew_uncertainty, 0.01), 2),
        }
        if self.app.skew_seconds >= 0:
            return _("%(skew)s s ahead of ours (± %(uncertainty)s s)") % values
        return _("%(skew)s s behind ours (± %(uncertainty)s s)") % values

    @property
    def said(self) -> Said | None:
        """Why the last test failed, with its guide."""
        return self.test.said if self.test else None


@dataclass(frozen=True)
class Answer:
    """One option on the page: what is stored, or that a secret is set. Never a secret's value."""

    label: str
    value: str
    muted: bool = False


def kind_name(kind: str) -> str:
    found = CONNECTORS.get(kind)
    return _(found.label) if found and found.label else kind


def answers_of(app: Connection) -> list[Answer]:
    """The options in the order the connector declares them; those of other versions of it are left out."""
    declared = CONNECTORS[app.kind].options if app.kind in CONNECTORS else ()
    stored, secrets = services.options_of(app), services.secrets_set(app)
    shown = []
    for option in declared:
        label = _(option.label)
        if option.secret:
            if secrets is None:
                shown.append(Answer(label, _("cannot be read: type it again"), muted=True))
            else:
                is_set = option.name in secrets
                shown.append(Answer(label, _("set") if is_set else _("not set"), muted=True))
        elif stored.get(option.name) not in (None, ""):
            shown.append(Answer(label, _said(stored[option.name])))
        elif option.default is not None:
            shown.append(Answer(label, _("%(value)s (default)") % {"value": option.default}, muted=True))
    return shown


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return _("%(n)s set") % {"n": len(value)}
    if isinstance(value, dict):
        return ", ".join(f"{key}: {each}" for key, each in value.items())
    return str(value)


@require_safe
def connections(request: HttpRequest) -> HttpResponse:
    _require(request)
    apps = list(_all())
    tests = SynchJob.objects.select_related("mapping", "connection", "requested_by").in_bulk(
        [app.tested for app in apps if app.tested]
    )
    context = {
        "page_title": _("Connection Setup"),
        "rows": [ConnectionRow(app, tests.get(app.tested)) for app in apps],
        "integrations": integrations.all_rows(),
    }
    return render(request, "synccore/connections.html", context)


@require_safe
def connection(request: HttpRequest, pk: int) -> HttpResponse:
    """One app. While a job of it is under way, the page asks for its region alone and swaps that."""
    _require(request)
    app = get_object_or_404(_all(), pk=pk)
    template = "synccore/connection_region.html" if request.htmx else "synccore/connection.html"  # type: ignore[attr-defined]
    return render(request, template, _context(app))


def _context(app: Any) -> dict[str, Any]:
    jobs = SynchJob.objects.select_related("mapping", "connection", "requested_by")
    row = ConnectionRow(app, jobs.filter(pk=app.tested).first())
    checked = jobs.filter(connection=app, verb="check_set_up").order_by("-pk").first()
    of_app = Q(integration__left=app) | Q(integration__right=app)
    mappings = list(TableMapping.objects.filter(of_app).order_by("name", "pk").values_list("name", flat=True))
    problems = Problem.objects.of_setup().open().filter(connection=app, mapping=None).order_by("since", "pk")
    checks = check_rows(app)
    return {
        "page_title": app.name,
        "app": app,
        "row": row,
        "answers": answers_of(app),
        "unreadable": services.secrets_set(app) is None,
        "problems": [(problem, say(problem, {"": app.name, problem.side: app.name})) for problem in problems],
        "mappings": mappings,
        "set_up_job": JobRow(checked) if checked else None,
        "checks": [each for each in checks if each.state.tone != "good"],
        "passed": [each for each in checks if each.state.tone == "good"],
        "checked_at": checks[0].at if checks else None,
        "busy": bool(row.test and row.test.job.is_unfinished) or bool(checked and checked.is_unfinished),
    }


@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """*Test Connection*: a job; its result appears on the page."""
    app = get_object_or_404(Connection, pk=pk)
    job = services.start_test(app, user=request.user)
    link = format_html(
        '<a href="{}">{}</a>', reverse("synccore:job", args=[job.pk]), _("job %(n)s") % {"n": job.pk}
    )
    text = _("{app} is being tested by {job}; what it finds appears below.")
    messages.success(request, format_html(text, app=app.name, job=link))
    return redirect("synccore:connection", pk=pk)


@require_POST
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """*Check the set-up*: a job; what it found appears on the page."""
    app = get_object_or_404(Connection, pk=pk)
    job = services.start_set_up_check(app, user=request.user)
    link = format_html(
        '<a href="{}">{}</a>', reverse("synccore:job", args=[job.pk]), _("job %(n)s") % {"n": job.pk}
    )
    text = _("The set-up of {app} is being checked by {job}; what it finds appears below.")
    messages.success(request, format_html(text, app=app.name, job=link))
    return redirect("synccore:connection", pk=pk)


@require_POST
def check_now(request: HttpRequest, pk: int) -> HttpResponse:
    """*Check now*, on whatever page tells what holds a mapping or an app."""
    _require(request)
    problem = get_object_or_404(Problem.objects.of_setup(), pk=pk)
    back = request.POST.get("back", "")
    ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    try:
        job = services.check_now(problem, user=request.user)
    except NotNow as no:
        messages.info(request, not_now(no.code, no.params))
    else:
        link = format_html(
            '<a href="{}">{}</a>', reverse("synccore:job", args=[job.pk]), _("job %(n)s") % {"n": job.pk}
        )
        text = _("Checked now by {job}. If it passes, {name} goes on at once.")
        messages.success(request, format_html(text, job=link, name=problem.name))
    return redirect(back if ours else "home")


@require_http_methods(FORM_VERBS)
def new(request: HttpRequest) -> HttpResponse:
    """A new connection: first which kind, then what that kind asks for."""
    _require(request)
    offered = {kind: _(each.label) for kind, each in CONNECTORS.items() if each.label}
    kind = request.GET.get("kind", "")
    if kind not in offered and len(offered) == 1:
        [kind] = offered
    if kind not in offered:
        context = {"page_title": _("New connection"), "kinds": offered.items()}
        return render(request, "synccore/connection_kinds.html", context)
    form = ConnectionForm(request.POST or None, options=CONNECTORS[kind].options)
    return _form_page(request, form, None, kind)


@require_http_methods(FORM_VERBS)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    _require(request)
    app = get_object_or_404(Connection, pk=pk)
    if app.kind not in CONNECTORS:
        messages.warning(
            request, _("This version of Tandem has no connector for it; nothing can be changed.")
        )
        return redirect("synccore:connection", pk=pk)
    form = ConnectionForm(
        request.POST or None,
        options=CONNECTORS[app.kind].options,
        stored=services.secrets_set(app) or (),
        initial={
            "name": app.name,
            "integration_user": app.integration_user,
            "revision": services.revision_of(app),
            **services.options_of(app),
        },
    )
    return _form_page(request, form, app, app.kind)


def _form_page(request: HttpRequest, form: ConnectionForm, app: Connection | None, kind: str) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            saved = _save(request, form, app, kind)
        except NotNow:
            text = _(
                "Somebody saved %(app)s while you looked at it; this is how it is now. Nothing of yours was saved."
            )
            messages.warning(request, text % {"app": app.name if app else ""})
            return redirect(request.path)
        if saved is not None:
            text = _("{app} is saved. Nobody was contacted: Test Connection tells whether it works.")
            messages.success(request, format_html(text, app=saved.name))
            return redirect("synccore:connection", pk=saved.pk)
    context = {
        "page_title": _("Edit %(app)s") % {"app": app.name} if app else _("New connection"),
        "form": form,
        "kind": kind_name(kind),
        "back": reverse("synccore:connection", args=[app.pk]) if app else reverse("synccore:connections"),
        "app": app,
    }
    return render(request, "synccore/connection_form.html", context, status=422 if form.errors else 200)


def _save(request: HttpRequest, form: ConnectionForm, app: Connection | None, kind: str) -> Connection | None:
    """The saved connection; None where the form now says what is wrong."""
    try:
        return services.save_connection(
            app,
            user=request.user,
            kind=kind,
            name=form.cleaned_data["name"],
            integration_user=form.cleaned_data.get("integration_user", ""),
            options=form.answers(),
            secrets=form.secrets(),
            forget=form.forget(),
            revision=form.cleaned_data["revision"],
        )
    except services.NameTaken:
        form.add_error("name", _("Another connection has this name."))
    except services.BadOptions as bad:
        labels = {option.name: _(option.label) for option in form.declared}
        for name, failure in bad.found.items():
            form.refuse(
                name, option_refused(failure, labels.get(name, name), form.cleaned_data.get("name", ""))
            )
    return None


def option_refused(failure: Misconfigured, label: str, app: str) -> str:
    """Why an answer of a connection cannot be used, beside its field. The answer itself is not in it."""
    values = {"limit": failure.params.get("limit", "")}
    reasons = {
        "required": _("It must be filled in."),
        "unknown": _("This kind of connection has no such option."),
        "not_a_number": _("It must be a whole number."),
        "too_small": _("It must be at least %(limit)s.") % values,
        "too_large": _("It must be at most %(limit)s.") % values,
        "not_a_choice": _("It is none of the choices."),
        "not_a_boolean": _("It must be yes or no."),
        "wrong_shape": _("It does not have the form that is asked for."),
        "is_secret": _("It is a secret and belongs into its own field."),
        "is_not_secret": _("It is no secret and belongs into its own field."),
        "address_changed": _(
            "The address has changed. Type it again, so that it is only sent where you want it sent."
        ),
    }
    sentence = guides.render(failure.code, {**failure.params, "field": label, "app": app}).sentence
    reason = reasons.get(str(failure.params.get("reason", "")), "")
    return f"{sentence} {reason}".strip()

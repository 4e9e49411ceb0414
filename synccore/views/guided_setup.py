"""The guided start: from an address to a connection that was tested, checked and paired. One page per step; all it knows
stands in rows and in the address, so that going back, looking again or pressing twice loses nothing."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from synccore.forms.mapping import IntegrationForm
from synccore.guides.kinds import KINDS
from synccore.models import Connection, Integration
from synccore.services import catalogue, mappings, standard
from synccore.services import connections as services
from synccore.services.mappings import Wrong

from .connection_choices import choose_page
from .connection_forms import edit
from .connection_rows import all_connections
from .connections import context_of
from .gone import told_when_gone
from .guided_steps import after, steps_of
from .mapping_words import sentences
from .mappings import require_set_up

FORM_VERBS = ["GET", "HEAD", "POST"]


@require_http_methods(FORM_VERBS)
@told_when_gone(Connection)
def address(request: HttpRequest, pk: int) -> HttpResponse:
    """Address and credentials, once more."""
    return edit(request, pk, guided=True)


@require_safe
@told_when_gone(Connection)
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """*Test Connection*, and what it found. While it is under way the page asks for its region alone."""
    require_set_up(request)
    app = all_connections().get(pk=pk)
    context = {
        **context_of(app),
        "page_title": _("Test the connection to %(app)s") % {"app": app.name},
        "steps": steps_of(app, "test"),
        "after": after(app, "test"),
        "here": reverse("synccore:guided_test", args=[pk]),
    }
    row = context["row"]
    context["busy"] = bool(row.test and row.test.job.is_unfinished)
    context["answers_now"] = bool(row.test) and row.test_state.tone == "good"
    template = "synccore/guided_test_region.html" if request.htmx else "synccore/guided_test.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_http_methods(FORM_VERBS)
@told_when_gone(Connection)
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """The company or environment, from what the service lists."""
    return choose_page(request, pk, guided=True)


@require_http_methods(FORM_VERBS)
@told_when_gone(Connection)
def checks(request: HttpRequest, pk: int) -> HttpResponse:
    """What the set-up checks find. POST: the step before is done; look, and read the tables for what comes next."""
    require_set_up(request)
    app = all_connections().get(pk=pk)
    if request.method == "POST":
        services.start_set_up_check(app, user=request.user)
        catalogue.start_describe([app], user=request.user)
        return redirect("synccore:guided_checks", pk=pk)
    context = {
        **context_of(app),
        "page_title": _("Set-up checks of %(app)s") % {"app": app.name},
        "steps": steps_of(app, "checks"),
        "after": after(app, "checks"),
        "here": reverse("synccore:guided_checks", args=[pk]),
    }
    unfinished = [context[name] for name in ("set_up_job", "read_job") if context[name]]
    context["busy"] = any(each.job.is_unfinished for each in unfinished)
    template = "synccore/guided_checks_region.html" if request.htmx else "synccore/guided_checks.html"  # type: ignore[attr-defined]
    return render(request, template, context)


@require_http_methods(FORM_VERBS)
@told_when_gone(Connection)
def what_next(request: HttpRequest, pk: int) -> HttpResponse:
    """The other app, the pair of both, and the first mapping. POST: make the pair; two that are one already stay it."""
    require_set_up(request)
    app = Connection.objects.get(pk=pk)
    pairs = list(_pairs(app))
    others = list(Connection.objects.exclude(pk=pk).order_by("name", "pk"))
    form = IntegrationForm(request.POST or None, initial=_proposal(app, others))
    if request.method == "POST" and form.is_valid():
        done = _pair(request, form)
        if done is not None:
            text = _("%(name)s is a pair now.") % {"name": done.name}
            messages.success(request, text)
            return redirect("synccore:guided_next", pk=pk)
    context = {
        "page_title": _("What next for %(app)s") % {"app": app.name},
        "app": app,
        "steps": steps_of(app, "next"),
        "pairs": [(pair, standard.standard_of(pair) is not None) for pair in pairs],
        "others": others,
        "form": form,
    }
    return render(request, "synccore/guided_next.html", context, status=422 if form.errors else 200)


def _pairs(app: Connection) -> Any:
    found = Integration.objects.filter(left=app) | Integration.objects.filter(right=app)
    return found.select_related("left", "right").order_by("name", "pk")


def _proposal(app: Connection, others: list[Connection]) -> dict[str, Any]:
    """Which pair is likely meant: with an app that has none yet, that answers, that is usually on the other side, the newest
    of them; what is usually on the left stands there."""
    if not others:
        return {}
    paired = set(Integration.objects.values_list("left", flat=True))
    paired |= set(Integration.objects.values_list("right", flat=True))
    ours = _usual_side(app)
    other = max(
        others,
        key=lambda each: (
            each.pk not in paired,
            each.checked_at is not None,
            _usual_side(each) != ours,
            each.pk,
        ),
    )
    theirs = _usual_side(other)
    is_left = ours == "left" if ours else theirs == "right" if theirs else app.pk < other.pk
    left, right = (app, other) if is_left else (other, app)
    return {"left": left, "right": right, "name": f"{left} ⇄ {right}"[:100]}


def _usual_side(app: Connection) -> str:
    kind = KINDS.get(app.kind)
    return kind.side if kind else ""


def _pair(request: HttpRequest, form: IntegrationForm) -> Integration | None:
    """The pair that was made, or that the two are already; None where the form now says what is wrong."""
    data = form.cleaned_data
    known = Integration.objects.filter(left=data["left"], right=data["right"]).first()
    if known is not None:
        return known
    try:
        return mappings.make_integration(user=request.user, **data)
    except Wrong as wrong:
        for name, each in sentences(wrong.found, {}).items():
            for sentence in each:
                form.add_error(name, sentence)
    return None

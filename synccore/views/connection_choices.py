"""Choosing the company or environment of a connection from what the app lists; also another one, later."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from synccore.models import Connection, SynchJob
from synccore.services import catalogue
from synccore.services import connections as services
from synccore.services.elsewhere import Coupled, coupled_records
from synccore.services.jobs import NotNow
from synccore.tables import JobRow

from .connection_rows import declared_of, key_of, listed_of
from .gone import told_when_gone
from .guided_steps import steps_of, words_for_choosing
from .mappings import require_set_up

#: Longer than any name of a company or environment.
LONGEST = 200


@require_http_methods(["GET", "HEAD", "POST"])
@told_when_gone(Connection)
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """Another company or environment for a connection that is in use."""
    return choose_page(request, pk, guided=False)


def choose_page(request: HttpRequest, pk: int, *, guided: bool) -> HttpResponse:
    """The page, and its POST: a choice of the list (``choice``), one that is typed (``typed=1`` with the options' names), or
    the confirmation of what is only shown (``confirmed=1``)."""
    require_set_up(request)
    app = Connection.objects.get(pk=pk)
    where = reverse("synccore:guided_checks" if guided else "synccore:connection", args=[pk])
    error, coupled, typed = "", 0, _typed(app, request)
    if request.method == "POST":
        answers = _answers(app, request, typed)
        if answers is None:
            error = _("Choose one of them, or type its name. The list may have changed since you saw it.")
        else:
            try:
                services.choose(
                    app,
                    user=request.user,
                    answers=answers,
                    revision=request.POST.get("revision", ""),
                    same_records=request.POST.get("same_records") == "on",
                )
            except Coupled as found:
                coupled = found.n
            except NotNow:
                text = _(
                    "Somebody saved %(app)s while you looked at it; this is how it is now. Choose again."
                )
                messages.warning(request, text % {"app": app.name})
                return redirect(request.path)
            else:
                services.start_set_up_check(app, user=request.user)
                catalogue.start_describe([app], user=request.user)
                if not guided:
                    text = _(
                        "%(app)s uses it from now on; its set-up is being checked and its tables are being read."
                    )
                    messages.success(request, text % {"app": app.name})
                return redirect(where)
    context = _context(app, request, typed, guided=guided) | {"error": error, "coupled": coupled}
    region = request.htmx and request.method == "GET"  # type: ignore[attr-defined]
    template = "synccore/choose_region.html" if region else "synccore/choose.html"
    return render(request, template, context, status=422 if error or coupled else 200)


def _typed(app: Connection, request: HttpRequest) -> dict[str, str]:
    """What stands in the inputs: what was typed, else what is in use."""
    names = [option.name for option in declared_of(app.kind) if option.listed]
    given = request.POST if request.POST.get("typed") else None
    return {
        name: (given.get(name, "").replace("\x00", "").strip()[:LONGEST] if given else str(app.options.get(name) or ""))
        for name in names
    }  # fmt: skip


def _answers(app: Connection, request: HttpRequest, typed: dict[str, str]) -> dict[str, str] | None:
    """What was answered; None where it is nothing that is offered."""
    if request.POST.get("typed"):
        return typed if any(typed.values()) else None
    stored = app.listed.get("choices", []) if isinstance(app.listed, dict) else []
    if request.POST.get("confirmed"):
        return {} if stored else None
    chosen = request.POST.get("choice", "")
    found = next((each for each in stored if each.get("answers") and key_of(each) == chosen), None)
    return dict(found["answers"]) if found else None


def _context(app: Connection, request: HttpRequest, typed: dict[str, str], *, guided: bool) -> dict[str, Any]:
    listing = (
        SynchJob.objects.select_related("mapping", "connection", "requested_by")
        .filter(connection=app, verb__in=("list_choices", "check_connection"))
        .order_by("-pk")
        .first()
    )
    labels = {option.name: option for option in declared_of(app.kind) if option.listed}
    listed = listed_of(app)
    offered = listed.current or (listed.offers[0] if len(listed.offers) == 1 else None)
    return {
        "page_title": words_for_choosing(app.kind),
        "app": app,
        "listed": listed,
        "chosen": request.POST.get("choice", offered.value if offered else ""),
        "typed": [
            (name, _(option.label), typed[name], _(option.help) if option.help else "")
            for name, option in labels.items()
        ],
        "is_typed": bool(request.POST.get("typed")),
        "records": coupled_records(app),
        "revision": services.revision_of(app),
        "job": JobRow(listing) if listing else None,
        "busy": bool(listing and listing.is_unfinished),
        "guided": guided,
        "steps": steps_of(app, "choose") if guided else [],
        "here": request.path,
        "back": reverse("synccore:guided_test" if guided else "synccore:connection", args=[app.pk]),
    }

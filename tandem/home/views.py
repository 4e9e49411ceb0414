"""Home: is it healthy, what needs me, is it getting better."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from synccore import roles
from synccore.models import Connection, TableMapping
from synccore.views.banners import banners
from synccore.views.lists import may_run, visible_mappings
from synccore.views.navigation import counts

from . import figures


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if not user.has_perm("synccore.view"):
        raise PermissionDenied(roles.refusal("synccore.view"))
    mappings = visible_mappings(user)
    request.tandem_mappings = mappings  # type: ignore[attr-defined]  # the frame asks no second time
    if not any(mapping.last_job for mapping in mappings):  # type: ignore[attr-defined]
        steps = _steps(mappings, user)
        if steps:
            return render(request, "tandem/home_start.html", {"page_title": _("Home"), "steps": steps})
    numbers = counts(request)
    held = banners(mappings)
    days = figures.days(user, numbers["all"])
    lines = figures.mapping_health(mappings)
    context = {
        "page_title": _("Home"),
        "mappings": mappings,
        "stopped": held,
        "banners": [each for each in held if not each.brake],
        "may_decide": user.has_perm(roles.SET_UP),
        "clockwork": figures.clockwork(user),
        "apps": figures.app_lines(mappings, held, user),
        "lines": lines,
        "may_run": may_run(user),
        "causes": figures.top_causes(user, mappings) if numbers["all"] else [],
        "days": days,
        "before": days[-1].open,
        "best": max((each.line.state.at for each in lines if each.line.state.at), default=None),
        "scanned": sum(each.line.scanned for each in lines),
    }
    return render(request, "tandem/home.html", context)


def _steps(mappings: list[TableMapping], user: Any) -> list[dict[str, Any]]:
    """The three steps to the first synchronization, for who may take them; none for others."""
    if not user.has_perm(roles.SET_UP):
        return []
    apps = Connection.objects.count()
    enabled = [each for each in mappings if each.enabled]
    return [
        {
            "title": _("Connect the two apps"),
            "text": _(
                "Tandem signs in with an integration user of each app. Testing a connection writes nothing."
            ),
            "url": reverse("synccore:connections"),
            "link": _("Connection Setup"),
            "done": apps >= 2,
        },
        {
            "title": _("Say what belongs together"),
            "text": _("A mapping couples a table of one app with a table of the other, field by field."),
            "url": reverse("synccore:mappings"),
            "link": _("Integration Table Mappings"),
            "done": bool(enabled),
        },
        {
            "title": _("Run it for the first time"),
            "text": _(
                "Look at what a run would do, then run it. Equal records are coupled, nothing is doubled."
            ),
            "url": reverse("synccore:queue"),
            "link": _("Job Queue Entries"),
            "done": False,
        },
    ]

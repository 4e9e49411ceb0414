"""Home: is it healthy, and what needs me."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from synccore import roles

from .lists import banners, mapping_lines, may_run, visible_mappings


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    mappings = visible_mappings(request.user)
    apps = {app.pk: app for each in mappings for app in (each.integration.left, each.integration.right)}
    return render(
        request,
        "synccore/home.html",
        {
            "page_title": _("Home"),
            "mapping_lines": mapping_lines(mappings),
            "banners": banners(mappings),
            "connections": sorted(apps.values(), key=lambda app: app.name),
            "may_run": may_run(request.user),
        },
    )

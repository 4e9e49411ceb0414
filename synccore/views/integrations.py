"""Pausing and resuming the pair of apps; on Connection Setup, and said wherever somebody wonders why nothing runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from synccore import roles, services
from synccore.models import Integration, TableMapping
from synccore.models.instance import MISMATCH
from synccore.tables import person_name

from .gone import told_when_gone


@dataclass(frozen=True)
class IntegrationRow:
    """A pair of apps as people see it. ``copied``: it stands still because this database was copied from another place."""

    pk: int
    name: str
    apps: str
    since: datetime | None
    by: str
    reason: str
    copied: bool

    @property
    def is_paused(self) -> bool:
        return self.since is not None


def row(integration: Integration) -> IntegrationRow:
    copied = integration.paused_reason == MISMATCH
    return IntegrationRow(
        integration.pk,
        integration.name,
        f"{integration.left} ⇄ {integration.right}",
        integration.paused_since,
        person_name(integration.paused_by),
        "" if copied else integration.paused_reason,
        copied,
    )


def all_rows() -> list[IntegrationRow]:
    found = Integration.objects.select_related("left", "right", "paused_by").order_by("name", "pk")
    return [row(each) for each in found]


def paused_rows(user: Any) -> list[IntegrationRow]:
    """Those that stand still and have a mapping this person may see."""
    paused = Integration.objects.exclude(paused_since=None).select_related("left", "right", "paused_by")
    seen = TableMapping.objects.visible_to(user).values("integration")
    return [row(each) for each in paused.filter(pk__in=seen).order_by("name", "pk")]


def _deciding(request: HttpRequest, pk: int) -> Integration:
    if not request.user.has_perm(roles.SET_UP):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(roles.SET_UP))
    return Integration.objects.get(pk=pk)


@require_POST
@told_when_gone(Integration)
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """*Pause*: running jobs end after their page, schedules start nothing; a reason is asked for."""
    integration = _deciding(request, pk)
    reason = request.POST.get("reason", "").replace("\x00", "").strip()[:500]
    if not reason:
        messages.warning(request, _("Say why it is paused, so that others know. Nothing was paused."))
    elif integration.paused_since is not None:
        messages.info(request, _("%(name)s is paused already.") % {"name": integration.name})
    else:
        services.pause(integration, user=request.user, reason=reason)
        text = _("%(name)s is paused: running jobs end after their page, changes wait and none is lost.")
        messages.success(request, text % {"name": integration.name})
    return redirect("synccore:connections")


@require_POST
@told_when_gone(Integration)
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """*Resume*; of a copied database: from now on this installation works on it."""
    integration = _deciding(request, pk)
    if integration.paused_since is None:
        messages.info(request, _("%(name)s is not paused any more.") % {"name": integration.name})
    elif integration.paused_reason == MISMATCH:
        if request.POST.get("own") != "yes":
            text = _(
                "Confirm first that no other installation works with this copy of the data. Nothing was resumed."
            )
            messages.warning(request, text)
        else:
            services.own_copy(user=request.user)
            messages.success(request, _("This installation works with the copied data from now on."))
    else:
        services.resume([integration], user=request.user)
        text = _("%(name)s goes on; what waited is taken up by the next runs.")
        messages.success(request, text % {"name": integration.name})
    return redirect("synccore:connections")

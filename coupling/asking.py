"""*Ask the administrator*, pressed on a banner or in the panel of a record."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from synccore import roles, services
from synccore.models import Coupling, Problem
from synccore.services.jobs import NotNow
from synccore.views.back import back_to
from ui.actions import number


@require_POST
def ask_administrator(request: HttpRequest, pk: int) -> HttpResponse:
    """Note on the problem who asks, when, and from which record; the same person is told when he asked before."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    problem = get_object_or_404(Problem, pk=pk)
    key = number(request.POST.get("record", ""))
    coupling = Coupling.objects.visible_to(request.user).filter(pk=key).first() if key else None
    try:
        services.ask(problem, user=request.user, coupling=coupling)
    except NotNow as no:
        messages.info(request, _said(no))
    else:
        text = _(
            "The administrators see on their page and on Home that you asked. You need not do more; the changes wait"
            " and none is lost."
        )
        messages.success(request, text)
    return HttpResponseRedirect(back_to(request))


def _said(no: NotNow) -> str:
    if no.code != "asked_already":
        return _("Nothing of this waits for an administrator any more.")
    at = timezone.localtime(no.params["at"])
    day = date_format(at, "SHORT_DATE_FORMAT")
    return _("You asked about this already, on %(day)s at %(time)s.") % {"day": day, "time": f"{at:%H:%M}"}

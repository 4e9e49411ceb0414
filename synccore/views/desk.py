"""What is pressed beside the lists: run what was just retried."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from synccore import actions, services
from ui.actions import Outcome

from .back import back_to


@require_POST
def run_pressed(request: HttpRequest) -> HttpResponse:
    """*Run it now*, in the result of *Retry*: exactly the records of that press that still wait."""
    if not request.user.has_perm(actions.RUN_NOW.permission):  # type: ignore[union-attr]
        raise PermissionDenied(actions.refusal(actions.RUN_NOW, request.user))
    try:
        moment = parse_datetime(request.POST.get("pressed", ""))
    except ValueError:
        moment = None
    waiting = services.pressed_at(request.user, moment) if moment is not None and moment.tzinfo else None
    n = waiting.count() if waiting is not None else 0
    if waiting is None or not n:
        return say(request, Outcome(_("None of these records waits any more."), ok=False))
    actions.check_size(actions.RUN_NOW, n, request.user)
    return say(request, actions.run_now(waiting, user=request.user))


def say(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """The result as a message, on the page where it was pressed."""
    messages.add_message(
        request,
        messages.SUCCESS if outcome.ok else messages.WARNING,
        outcome.sentence,  # type: ignore[arg-type]
    )
    return HttpResponseRedirect(back_to(request))

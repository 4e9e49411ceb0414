"""The bar above every page of the running demo: that this is the demo, who you are, the first five minutes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from synccore.models import JobQueueEntry
from tandem.demo.shows import show
from tandem.demo.users import PEOPLE

#: Cookies: is the bar folded away, and is the card unfolded. They hold no more than that.
BAR_COOKIE: Final = "tandem_demo_bar"
CARD_COOKIE: Final = "tandem_demo_card"


def bar(request: HttpRequest) -> dict[str, Any]:
    """Context of every template; nothing at all outside the demo. Asked once per page, where a template shows it."""
    if not settings.DEMO or not hasattr(request, "user"):
        return {}
    return {"demo": SimpleLazyObject(lambda: _bar(request))}


def _bar(request: HttpRequest) -> dict[str, Any]:
    if not request.user.is_authenticated:
        return {"is_anonymous": True}
    if request.COOKIES.get(BAR_COOKIE) == "away":
        return {"is_away": True}
    done = show().steps()
    return {
        "people": _people(request.user.get_username()),
        "next_run": _next_run(request.user),
        "steps": done,
        "done": sum(each.is_done for each in done),
        "card_is_open": _card_is_open(request),
    }


def _people(me: str) -> list[dict[str, Any]]:
    return [
        {
            "name": person.name,
            "does": f"{person.first} {person.last}, {_(person.group)}",
            "is_me": person.name == me,
        }
        for person in PEOPLE
    ]


def _next_run(user: Any) -> datetime | None:
    """The next time a schedule starts something that this person may see."""
    entries = JobQueueEntry.objects.visible_to(user).exclude(status=JobQueueEntry.Status.ON_HOLD)
    return entries.order_by("next_run").values_list("next_run", flat=True).first()


def _card_is_open(request: HttpRequest) -> bool:
    """As it was left; before that, on Home."""
    kept = request.COOKIES.get(CARD_COOKIE, "")
    return kept == "open" if kept else request.path == "/"


def person_named(name: str) -> Any:
    """That person of the demo, or None: nobody else can be switched to."""
    if name not in {person.name for person in PEOPLE}:
        return None
    return get_user_model().objects.filter(username=name, is_active=True).first()

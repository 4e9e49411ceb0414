"""Pages and presses of the running demo. Everybody who is signed in may press everything: it is a sandbox.

What breaks here breaks in the two apps, by statements of their administrator; Tandem is not told and finds it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from synccore.views.back import is_ours
from tandem.demo.apps import DemoProblem
from tandem.demo.bar import BAR_COOKIE, person_named
from tandem.demo.fault import Fault, Place
from tandem.demo.faults import Standing
from tandem.demo.shows import Show, show

_BACKEND = "django.contrib.auth.backends.ModelBackend"


def only_in_the_demo(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A second lock on the door: elsewhere these addresses are not even known."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
        if not settings.DEMO:
            raise Http404
        return view(request, *args, **values)

    return guarded


@only_in_the_demo
@require_safe
def break_something(request: HttpRequest) -> HttpResponse:
    """What can be broken, as it is written; how it stands is asked by the fragment."""
    now = show()
    found = [Standing(fault, is_known=False) for fault in now.faults.values()]
    return render(request, "demo/break.html", _context(now, found) | {"load_live": True})


@only_in_the_demo
@require_safe
def live_faults(request: HttpRequest) -> HttpResponse:
    """How every fault stands in the apps now: the region alone for the page, a whole page without JavaScript."""
    now = show()
    try:
        context = _context(now, list(now.standings(now.apps())))
    except now.troubles as fault:
        found = [Standing(each, is_known=False) for each in now.faults.values()]
        context = _context(now, found) | {"trouble": _sentence(fault)}
    template = "demo/faults.html" if request.htmx else "demo/break.html"  # type: ignore[attr-defined]
    answer = render(request, template, context)
    answer["Cache-Control"] = "no-store"
    return answer


def _context(now: Show, found: list[Standing]) -> dict[str, Any]:
    try:
        apps = now.apps()
        pages = now.connections(apps)
    except DemoProblem:
        apps, pages = None, {}
    return {
        "page_title": _("Break something"),
        "faults": [_card(each, apps, pages) for each in found],
    }


def _card(standing: Standing, apps: Any, connections: dict[str, int]) -> dict[str, Any]:
    fault = standing.fault
    return {
        "fault": fault,
        "now": standing.now,
        "is_known": standing.is_known,
        "statement": fault.statement(apps) if apps is not None else "",
        "places": [
            (place.label, address) for place in fault.places if (address := _address(place, connections))
        ],
    }


def _address(place: Place, connections: dict[str, int]) -> str:
    if not place.app:
        return reverse(place.url) + place.query
    pk = connections.get(place.app)
    return reverse(place.url, args=[pk]) if pk else ""


@only_in_the_demo
@require_POST
def cause(request: HttpRequest, name: str) -> HttpResponse:
    fault = _fault(name)
    return _press(request, lambda apps: fault.cause(apps, request.user.get_username()))


@only_in_the_demo
@require_POST
def put_right(request: HttpRequest, name: str) -> HttpResponse:
    return _press(request, _fault(name).put_right)


@only_in_the_demo
@require_POST
def put_all_right(request: HttpRequest) -> HttpResponse:
    def work(apps: Any) -> str:
        show().put_all_right(apps)
        return _("Everything is as it should be in both apps, and Tandem looks at them again now.")

    return _press(request, work)


def _fault(name: str) -> Fault:
    found = show().faults.get(name)
    if found is None:
        raise Http404
    return found


def _press(request: HttpRequest, work: Callable[[Any], Any]) -> HttpResponse:
    now = show()
    try:
        messages.success(request, str(work(now.apps())))
    except now.troubles as fault:
        messages.warning(request, _sentence(fault))
    return redirect("demo:break")


def _sentence(fault: Exception) -> str:
    if isinstance(fault, DemoProblem):
        return str(fault)
    return _("A demo app does not answer, nothing was changed: %(why)s") % {"why": str(fault).strip()}


@only_in_the_demo
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Be another person of the demo, on the page where one is."""
    person = person_named(request.POST.get("person", ""))
    if person is None:
        raise Http404
    login(request, person, backend=_BACKEND)
    return _back(request)


@only_in_the_demo
@require_POST
def show_bar(request: HttpRequest) -> HttpResponse:
    """Put the bar away, or take it out again; kept in this browser."""
    answer = _back(request)
    if request.POST.get("show") == "1":
        answer.delete_cookie(BAR_COOKIE)
    else:
        answer.set_cookie(BAR_COOKIE, "away", samesite="Lax", httponly=True)
    return answer


def _back(request: HttpRequest) -> HttpResponseRedirect:
    there = request.POST.get("next", "")
    return HttpResponseRedirect(there if is_ours(request, there) else "/")

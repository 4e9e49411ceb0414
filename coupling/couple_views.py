"""*Couple by hand*: choose a record on each side, see what would be written, couple them with what they refer to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from synccore import roles, services
from synccore.models import Coupling, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import matching, parents
from synccore.services.comparing import Pair
from synccore.services.jobs import NotNow
from synccore.shapes import SIDES, Side
from synccore.tables import app_names

from . import couple
from .compare_views import _cannot
from .couple import Asked, ParentRow, SideView
from .couple_result import Result

COUPLE = "synccore.couple"
#: So many new records a side shows before anything is searched.
HALVES = 20


def _mappings(user: Any) -> Any:
    return (
        TableMapping.objects.visible_to(user)
        .select_related("integration__left", "integration__right")
        .order_by("name", "pk")
    )


def _asked(request: HttpRequest, params: QueryDict) -> Asked:
    """What the address means. Raises PermissionDenied; Http404 for a mapping this person may not see."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    given = params.get("mapping", "")
    if not given:
        return Asked()
    mapping = (
        _mappings(request.user).filter(pk=given).first() if given.isdecimal() and len(given) < 19 else None
    )
    if mapping is None:
        raise Http404
    ids = {side: _clean(params.get(side.value, "")) for side in SIDES}
    side, id = params.get("side", ""), params.get("id", "")
    if side in ("left", "right") and id:
        ids[Side(side)] = _clean(id)
    words = {each: _clean(params.get(f"{each.value}_q", ""))[:200] for each in SIDES}
    return Asked(mapping, ids, words, params.get("job", ""))


def _clean(text: str) -> str:
    """No database holds these characters."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The page from memory; apps are asked by its fragments. POST couples."""
    if request.method == "POST":
        return _couple(request)
    asked = _asked(request, request.GET)
    context = _context(request, asked)
    only_result = request.htmx and context["result"] is not None  # type: ignore[attr-defined]
    return render(request, "coupling/couple_result.html" if only_result else "coupling/couple.html", context)


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """What the apps say: the part that is asked for, or the whole page without JavaScript."""
    asked = _asked(request, request.GET)
    context = _context(request, asked)
    part = request.GET.get("part", "") if request.htmx else ""  # type: ignore[attr-defined]
    if asked.mapping is None:
        template = "coupling/couple.html"
    elif part in ("left", "right"):
        side = Side(part)
        if part not in context["sides"] or asked.ids[side]:
            raise Http404
        _look(asked, side, context)
        context |= {
            "view": context["sides"][part],
            "other": context["sides"][side.other.value],
            "alone": True,
        }
        template = "coupling/couple_hits.html"
    elif part == "pair":
        context |= _pair(request, asked, context) | {"alone": True}
        template = "coupling/couple_pair.html"
    else:
        for side in SIDES:
            if context["sides"][side.value].asks:
                _look(asked, side, context)
        context |= _pair(request, asked, context)
        context["is_live"] = True
        template = "coupling/couple.html"
    answer = render(request, template, context)
    answer["Cache-Control"] = "no-store"
    return answer


def _context(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    """Everything that memory knows."""
    context: dict[str, Any] = {
        "page_title": _("Set Up Coupling"),
        "asked": asked,
        "mapping": asked.mapping,
        "sides": {},
        "result": None,
        "refusal": "",
        "held": [],
        "preview": None,
        "is_whole": asked.is_whole,
    }
    if asked.mapping is None:
        return context | {"mappings": list(_mappings(request.user))}
    apps = app_names(asked.mapping)
    known = {side: _known(asked, side) for side in SIDES}
    sides = {side.value: SideView(asked, side, apps, known[side]) for side in SIDES}
    if not any(asked.ids.values()):
        for side in SIDES:
            if not asked.words[side]:
                sides[side.value].remember(_halves(asked.mapping, side), asked)
    context |= {
        "sides": sides,
        "refusal": _refusal(request.user, asked.mapping),
        "live_url": asked.url("live_couple"),
        "again_url": replace(asked, job="").url(),
        "pair_url": asked.url("live_couple", part="pair"),
        "held": _held(asked, known, apps),
    }
    if asked.is_whole:
        context["result"] = Result.of(request.user, asked, known)
    return context


def _known(asked: Asked, side: Side) -> Coupling | None:
    """The coupling of the chosen record; one that holds before one that was removed."""
    id = asked.ids.get(side)
    if not id:
        return None
    rows = Coupling.objects.filter(mapping=asked.mapping, ended_at=None, **{f"{side.value}_id": id})
    return rows.order_by("removed_at", "pk").first() if rows.filter(removed_at=None).exists() else rows.last()


def _halves(mapping: TableMapping, side: Side) -> Any:
    there, other = f"{side.value}_id__isnull", f"{side.other.value}_id__isnull"
    found = Coupling.objects.live().filter(mapping=mapping, **{there: False, other: True})
    return found.defer("left_base", "right_base").order_by(f"{side.value}_name", "pk")[:HALVES]


def _held(asked: Asked, known: dict[Side, Coupling | None], apps: dict[str, str]) -> list[dict[str, Any]]:
    """Chosen records that are coupled to another one: nothing can be coupled before that ends."""
    found = []
    for side in SIDES:
        coupling = known[side]
        if coupling is None or coupling.is_half or coupling.removed_at is not None:
            continue
        if coupling.of(side.other, "id") == asked.ids.get(side.other):
            continue
        words = {"app": apps[side.value], "record": coupling.title(side), "to": coupling.title(side.other)}
        found.append(
            {
                "coupling": coupling,
                "sentence": _("%(record)s of %(app)s is already coupled to %(to)s.") % words,
            }
        )
    return found


def _refusal(user: Any, mapping: TableMapping) -> str:
    """Why this person may not couple here; "" where he may."""
    if not user.has_perm(COUPLE):
        return roles.refusal(COUPLE)
    if not TableMapping.objects.visible_to(user, GrantLevel.RESOLVE).filter(pk=mapping.pk).exists():
        return roles.refusal(COUPLE, of_mapping=True)
    return ""


def _look(asked: Asked, side: Side, context: dict[str, Any]) -> None:
    """Ask the app of one side: what is searched, else counterparts of the other side's record."""
    assert asked.mapping is not None
    view: SideView = context["sides"][side.value]
    if view.words:
        view.take(matching.find(asked.mapping, side, view.words), asked)
    elif view.has_other:
        found = matching.candidates(asked.mapping, side.other, asked.ids[side.other])
        view.take(found, asked)
        if found.source is not None:
            context["sides"][side.other.value].name(found.source)
    else:
        view.remember(_halves(asked.mapping, side), asked)


def _pair(request: HttpRequest, asked: Asked, context: dict[str, Any]) -> dict[str, Any]:
    """Both records as they are now, what would be written, and what must be coupled first."""
    assert asked.mapping is not None
    result = context["result"]
    if not asked.is_whole or context["held"] or (result is not None and result.is_coupled):
        return {}
    pair = matching.couple_pair(asked.mapping, asked.ids[Side.LEFT], asked.ids[Side.RIGHT])
    apps = app_names(asked.mapping)
    shown = couple.preview(pair, see_sensitive=request.user.has_perm("synccore.see_sensitive"))  # type: ignore[union-attr]
    trouble = _trouble(pair, apps)
    for side, record in pair.records.items():
        if record is not None:
            context["sides"][side.value].name(record)
    first = [] if trouble or shown.troubles else parents.missing(pair, user=request.user)
    return {
        "preview": shown,
        "pair": pair,
        "trouble": trouble,
        "outside": _outside(pair, apps),
        "parents": [ParentRow(each, apps) for each in first],
        "couplable": not (trouble or shown.troubles or context["refusal"]),
    }


def _trouble(pair: Pair, apps: dict[str, str]) -> str:
    """Why the two cannot be coupled; "" where they can."""
    if pair.failure is not None:
        return _cannot(pair, apps)
    gone = [apps[side.value] for side in SIDES if pair.live and pair.records.get(side) is None]
    if gone:
        return _("%(app)s has no such record (any more). Choose another one.") % {"app": ", ".join(gone)}
    return ""


def _outside(pair: Pair, apps: dict[str, str]) -> list[str]:
    text = _(
        "The record of %(app)s is outside the filter of this mapping: the two are coupled, but do not synchronize."
    )
    return [text % {"app": apps[side.value]} for side in matching.outside(pair)]


# -- coupling ----------------------------------------------------------------------------------------------------------


def _couple(request: HttpRequest) -> HttpResponse:
    asked = _asked(request, request.POST)
    if not asked.is_whole or asked.mapping is None:
        messages.warning(request, _("Choose a record on both sides first; nothing was coupled."))
        return redirect(asked.url())
    if refusal := _refusal(request.user, asked.mapping):
        raise PermissionDenied(refusal)
    prefer = request.POST.get("prefer", "")
    first = _parents(request)
    if prefer not in couple.PREFERS or first is None:
        messages.warning(
            request, _("Choose first which version counts where they differ; nothing was coupled.")
        )
        return redirect(asked.url())
    try:
        job = services.couple(
            asked.mapping,
            left=asked.ids[Side.LEFT],
            right=asked.ids[Side.RIGHT],
            user=request.user,
            prefer="" if prefer == couple.ASK else prefer,
            parents=first,
        )
    except NotNow as no:
        messages.warning(request, _not_now(no))
        return redirect(asked.url())
    return redirect(asked.url(job=str(job.pk)))


def _parents(request: HttpRequest) -> list[services.Two] | None:
    """What is to be coupled first. None where the form was tampered with. Raises PermissionDenied."""
    values = couple.parent_values(request.POST.getlist("parent"))
    if values is None:
        return None
    mappings = _mappings(request.user).in_bulk({mapping for mapping, _left, _right in values})
    if len(mappings) != len({mapping for mapping, _left, _right in values}):
        return None
    for mapping in mappings.values():
        if refusal := _refusal(request.user, mapping):
            raise PermissionDenied(refusal)
    return [services.Two(mappings[pk], _clean(left), _clean(right)) for pk, left, right in values]


def _not_now(no: NotNow) -> str:
    if no.code == "in_job":
        who = no.params["who"] or _("somebody")
        text = _(
            "%(who)s couples one of these records at this moment, as job %(n)s. Nothing more was started."
        )
        return text % {"who": who, "n": no.params["job"]}
    if no.code == "coupled_elsewhere":
        text = _("%(record)s is coupled to %(to)s in %(mapping)s; nothing was coupled.")
        return text % no.params
    text = (
        _("%(record)s and %(to)s are coupled already; somebody may have pressed before you.")
        if no.params["together"]
        else _("%(record)s is coupled to %(to)s already; nothing was coupled.")
    )
    return text % {"record": no.params["record"], "to": no.params["to"]}

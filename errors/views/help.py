"""Help: what a failure means, why it happens, what to do, who can do it and what exactly must change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from synccore import guides, roles, services
from synccore.failures import Kind
from synccore.guides import Help
from synccore.models import Coupling, Problem, SynchJobError
from synccore.models.problem import KindChoices
from synccore.tables import KIND_ICONS, apps_of, say
from synccore.views.offers import About, offers
from ui.actions import number

LANGUAGES = {"en": gettext_lazy("English"), "nl": gettext_lazy("Dutch"), "nb": gettext_lazy("Norwegian")}
CHECK_WORD, CHECK_ICON = gettext_lazy("Set-up check"), "wrench"
_SHOWN_WITH = ("mapping__integration__left", "mapping__integration__right", "connection")


@dataclass(frozen=True)
class Line:
    """One guide in the list of all. ``open``: records that have it now, as far as this person sees them."""

    help: Help
    url: str
    open: int


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All guides by kind; with ``q`` those in which the words occur, or that people know by these words."""
    _must_view(request)
    query = request.GET.get("q", "").strip()[:400]
    numbers = services.open_by_code(request.user)
    groups = []
    for kind in (*KindChoices, None):
        lines = [
            Line(each, reverse("errors:help", args=[each.code]), numbers.get(each.code, 0))
            for each in guides.all_help()
            if each.kind == (kind.value if kind else "") and _matches(each, query)
        ]
        if lines:
            lines.sort(key=lambda line: (-line.open, line.help.title.casefold()))
            icon = KIND_ICONS[Kind(kind.value)] if kind else CHECK_ICON
            groups.append((str(kind.label if kind else CHECK_WORD), icon, lines))
    context = {"page_title": _("Help"), "groups": groups, "query": query}
    return render(request, "errors/help_index.html", context)


def _matches(found: Help, query: str) -> bool:
    if not query:
        return True
    if known := guides.codes_known_as(query):
        return found.code in known
    text = " ".join([found.code, found.title, found.sentence, found.cause, *found.steps]).casefold()
    return all(word in text for word in query.casefold().split())


@require_safe
def page(request: HttpRequest, code: str) -> HttpResponse:
    """One guide; with ``?problem=`` or ``?entry=`` it speaks of that very failure, and offers what can be done about it."""
    _must_view(request)
    failure = _failure(request)
    if failure is not None and failure.code != code:
        return redirect(f"{reverse('errors:help', args=[failure.code])}?{request.GET.urlencode()}")
    context: dict[str, Any] = {"open_now": services.open_by_code(request.user).get(code, 0)}
    if failure is None:
        found = guides.explain(code)
    else:
        apps = apps_of(failure)
        found = guides.explain(code, failure.params, apps=apps, side=failure.side, kind=failure.kind)
        context |= _about(request, failure) | {"said": say(failure, apps)}
    if found is None:
        raise Http404
    word, icon = _kind(found.kind)
    context |= {
        "page_title": found.title,
        "help": found,
        "kind": word,
        "icon": icon,
        "known_as": [(LANGUAGES[each.language], each) for each in found.known_as],
    }
    return render(request, "errors/help.html", context)


def _kind(kind: str) -> tuple[str, str]:
    if kind in KindChoices.values:
        return str(KindChoices(kind).label), KIND_ICONS[Kind(kind)]
    return str(CHECK_WORD), CHECK_ICON


def _failure(request: HttpRequest) -> Problem | SynchJobError | None:
    """The problem or entry that the address names, if this person may see it."""
    for name, table in (("problem", Problem), ("entry", SynchJobError)):
        if (pk := number(request.GET.get(name, ""))) is not None:
            rows = table.objects.visible_to(request.user).select_related(*_SHOWN_WITH)  # type: ignore[attr-defined]
            found: Problem | SynchJobError | None = rows.filter(pk=pk).first()
            return found
    return None


def _about(request: HttpRequest, failure: Problem | SynchJobError) -> dict[str, Any]:
    """The record or mapping it is about, and what can be done. Actions are sent to the page of what was named."""
    of_entry = isinstance(failure, SynchJobError)
    coupling = (
        Coupling.objects.visible_to(request.user).filter(pk=failure.coupling_id).first()
        if failure.coupling_id
        else None
    )
    about = About.of(failure, coupling)
    wanted = guides.guide_for(failure.code, failure.kind).actions
    where = reverse("errors:entry" if of_entry else "coupling:problem", args=[failure.pk])
    is_page = of_entry or coupling is not None
    return {
        "about": str(coupling or failure.mapping or failure.connection or ""),
        "about_url": where if is_page else "",
        "offers": offers(wanted, about, request.user),
        "action_url": where if is_page else "",
        "value": failure.pk,
    }


def _must_view(request: HttpRequest) -> None:
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))

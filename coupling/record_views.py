"""The record page ``/go/<mapping>/<key>``, its live fragment, and what is pressed on it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from synccore import roles, services
from synccore.actions import ON_RECORDS, TAKE_BACK, couplings_of
from synccore.filters import CouplingFilter
from synccore.models import Coupling, Problem
from synccore.models.scoping import GrantLevel
from synccore.services.jobs import NotNow
from synccore.shapes import SIDES, Side
from synccore.tables import ProblemRow, app_names, record_url
from synccore.views.coupling_table import CouplingTable
from synccore.views.lists import RecordListPage
from synccore.views.offers import About, Offer, offers

from . import panel, record, record_history
from .compare_views import LONGEST_OPEN, NO_ANSWER, _not_now

SALT = "coupling.record"
#: What can be done with one record.
OFFERED = (TAKE_BACK, *ON_RECORDS)
SYNCHRONIZE = "synccore.synchronize"


class RecordPage(RecordListPage):
    """One pair. What is pressed comes back here."""

    permission = "synccore.view"
    title = gettext_lazy("Record")
    table_class = CouplingTable
    filter_class = CouplingFilter
    actions = OFFERED
    sorts: Any = ()
    tabs = ()

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.named, self.key = str(kwargs.get("mapping", "")), str(kwargs.get("key", ""))
        super().setup(request, *args, **kwargs)

    def _sort(self, token: str) -> Any:
        return None

    def rows(self) -> QuerySet[Any]:
        return record.pairs_of(self.request.user)

    def chosen(self, selection: Any) -> QuerySet[Any]:
        return couplings_of(self.rows().filter(pk__in=selection.keys).values("pk"))

    def get(self, request: HttpRequest, mapping: str, key: str) -> HttpResponse:  # type: ignore[override]
        mappings = record.mappings_named(request.user, mapping)
        if not mappings:
            raise Http404
        found = record.hits(request.user, mappings, key)
        named = record.pair_named(request.user, mappings, request.GET.get("pair", ""))
        one = named or record.the_one(found)
        if one is None:
            context = {
                "page_title": key,
                "key": key,
                "mappings": mappings,
                "hits": [(each, record_url(each), _state_of(each)) for each in found],
            }
            return render(request, "coupling/record_hits.html", context)
        context = page_context(request, one)
        context["others"] = [(each, record_url(each), _state_of(each)) for each in found if each != one]
        return render(request, "coupling/record.html", context)

    def post(self, request: HttpRequest, mapping: str, key: str) -> HttpResponse:  # type: ignore[override]
        return super().post(request)


def _state_of(coupling: Coupling) -> str:
    if coupling.ended_at:
        return _("ended")
    if coupling.removed_at:
        return _("removed")
    return _("not coupled") if coupling.is_half else _("coupled")


@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """Values, times and the sentence with both apps read now: the region alone for the page, else a whole page."""
    coupling = visible(request, pk)
    if request.htmx:  # type: ignore[attr-defined]
        context = _shown_context(request, coupling, services.open_problem(coupling), live=True)
        answer = render(request, "coupling/record_now.html", context)
    else:
        answer = render(request, "coupling/record.html", page_context(request, coupling, live=True))
    answer["Cache-Control"] = "no-store"
    return answer


def visible(request: HttpRequest, pk: int) -> Coupling:
    """A pair, or half of one, this person may see. Raises PermissionDenied, Http404."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    found: Coupling = get_object_or_404(record.pairs_of(request.user), pk=pk)
    return found


def page_context(request: HttpRequest, coupling: Coupling, *, live: bool = False) -> dict[str, Any]:
    """Everything ``coupling/record.html`` shows."""
    user: Any = request.user
    problem = services.open_problem(coupling)
    likely, further, row = _buttons(coupling, problem, user)
    first = coupling.sides()[0]
    return {
        "page_title": coupling.title(first),
        "coupling": coupling,
        "mapping": coupling.mapping,
        "ends": record.ends(coupling),
        "may_edit": user.has_perm("synccore.edit_record") and _may(user, coupling, "synccore.edit_record"),
        "problem": problem,
        "row": row,
        "likely": likely,
        "further": further,
        "here": record_url(coupling),
        "share": _share(coupling, first),
        "log": record_history.log(coupling, user),
        "journal": record_history.journal(coupling, user),
        "overwritten": record_history.overwritten(coupling, user),
        "load_live": not live,
        **_shown_context(request, coupling, problem, live=live),
    }


def _share(coupling: Coupling, side: Side) -> str:
    """The address people write to each other."""
    key = coupling.of(side, "key") or coupling.of(side, "id")
    return reverse(
        "coupling:record", args=[coupling.mapping.name.replace("/", " ") or coupling.mapping_id, key]
    )


def _shown_context(
    request: HttpRequest, coupling: Coupling, problem: Problem | None, *, live: bool
) -> dict[str, Any]:
    user: Any = request.user
    shown = record.shown(coupling, problem, live=live, see_sensitive=user.has_perm("synccore.see_sensitive"))
    alive = coupling.removed_at is None and coupling.ended_at is None and not coupling.is_half
    may = alive and _may(user, coupling, SYNCHRONIZE)
    apps = app_names(coupling.mapping)
    return {
        "coupling": coupling,
        "shown": shown,
        "now": shown.now,
        "live_url": reverse("coupling:live_record", args=[coupling.pk]),
        "compare_url": reverse("coupling:compare", args=[coupling.pk]) if alive else "",
        "ways": [(side.value, apps[side.value], apps[side.other.value]) for side in SIDES]
        if may and shown.differs
        else [],
        "token": signing.dumps({"c": coupling.pk, "s": shown.seen}, salt=SALT, compress=True)
        if may and shown.differs
        else "",
    }


def _may(user: Any, coupling: Coupling, permission: str) -> bool:
    mine = Coupling.objects.visible_to(user, GrantLevel.RESOLVE).filter(pk=coupling.pk)
    return bool(user.has_perm(permission)) and mine.exists()


def _buttons(
    coupling: Coupling, problem: Problem | None, user: Any
) -> tuple[list[Offer], list[Offer], ProblemRow | None]:
    """What can be done with the record now; with a problem, what its guide advises comes first."""
    if problem is not None:
        row = ProblemRow(problem, {})
        return (*panel.buttons(problem, row.said.actions, user), row)
    about = About(coupling.mapping, coupling=coupling)
    return offers((), about, user, on_records=OFFERED), [], None


# -- what is pressed ---------------------------------------------------------------------------------------------------


@require_POST
def synchronize(request: HttpRequest, pk: int) -> HttpResponse:
    """*Synchronize now* in a chosen direction: carried out on what the person saw, or not at all."""
    coupling = visible(request, pk)
    back = redirect(record_url(coupling))
    if not _may(request.user, coupling, SYNCHRONIZE):
        has = request.user.has_perm(SYNCHRONIZE)  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal(SYNCHRONIZE, of_mapping=has))
    source = request.POST.get("from", "")
    try:
        content = signing.loads(request.POST.get("token", ""), salt=SALT, max_age=LONGEST_OPEN)
    except signing.BadSignature:
        content = {}
    if content.get("c") != coupling.pk or source not in list(Side):
        messages.warning(request, str(NO_ANSWER))
        return back
    try:
        job = services.synchronise_from(coupling, Side(source), user=request.user, seen=content["s"])
    except NotNow as no:
        messages.warning(request, _not_now(no))
        return back
    link = format_html('<a href="{}">{}</a>', record_url(coupling), coupling)
    text = _("{record} is read again and synchronized now. It can be undone on this page when it is done.")
    messages.success(request, format_html(text, record=link))
    return redirect("synccore:job", pk=job.pk)

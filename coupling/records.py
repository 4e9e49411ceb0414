"""Records: per mapping everything that is known, from memory; a live search finds those that are not coupled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from synccore import roles
from synccore.actions import ON_RECORDS
from synccore.engine.why import why
from synccore.filters import CouplingFilter
from synccore.models import Coupling, Problem, TableMapping
from synccore.services import matching, situation
from synccore.services.matching import Hit
from synccore.shapes import SIDES, Side
from synccore.tables import State, app_names, record_url
from synccore.views.coupling_table import CouplingRow
from synccore.views.lists import RecordListPage
from synccore.views.sentences import why_silent
from synccore.views.why import sentence
from ui.paging import Sort, among
from ui.tables import Column, ListTable
from ui.views import Tab

_LIVE = Q(removed_at=None, ended_at=None)
_PAIRED = Q(left_id__isnull=False, right_id__isnull=False)
_OPEN = Problem.objects.filter(coupling=OuterRef("pk")).not_ended()
_LEFT_OUT = among(
    "pk", Problem.objects.of_records().filter(state=Problem.State.ON_PURPOSE).values("coupling")
)


class RecordRow(CouplingRow):
    """A record with its counterpart, or alone. Annotated like a :class:`CouplingRow`."""

    def __init__(self, coupling: Coupling) -> None:
        super().__init__(coupling)
        self.url = self.record_url
        first, second = (self.left, self.right) if coupling.left_id is not None else (self.right, self.left)
        self.record, self.other = first, second
        self.name = " ⇄ ".join(each.title for each in (first, second) if each.title)

    @property
    def state(self) -> State:
        if self.problem_state == Problem.State.ON_PURPOSE:
            return State(_("Left out on purpose"), "pause", "closed")
        coupling = self.coupling
        if coupling.is_half and not self.problem_url and coupling.removed_at is None:
            return State(_("Not coupled yet"), "hourglass", "waits")
        outside = coupling.left_out_of_filter_since or coupling.right_out_of_filter_since
        if outside and not self.problem_url and coupling.removed_at is None:
            return State(_("Outside the filter"), "pause", "closed", outside)
        return super().state


class RecordTable(ListTable):
    caption = gettext_lazy("Records")
    row_template = "coupling/record_row.html"
    newest_first = ("agreed",)

    record = Column(gettext_lazy("Record ⇄ coupled to"), sort="name")
    mapping = Column(gettext_lazy("Mapping"), narrow=True)
    state = Column(gettext_lazy("State"), narrow=True)
    agreed = Column(gettext_lazy("Last agreement"), sort="agreed", narrow=True)


class RecordsPage(RecordListPage):
    title = gettext_lazy("Records")
    intro = gettext_lazy(
        "Every record that Tandem knows: coupled, not coupled yet, left out, taken apart. Others are found in the apps."
    )
    permission = "synccore.view"
    template_name = "coupling/records.html"
    table_class = RecordTable
    filter_class = CouplingFilter
    actions = ON_RECORDS
    tabs = (
        Tab(
            "known",
            gettext_lazy("All known"),
            empty=gettext_lazy(
                "Nothing is known yet. The first synchronization of a mapping fills this list."
            ),
            branches=(_LIVE, Q(removed_at__isnull=False, ended_at=None)),
        ),
        Tab(
            "coupled",
            gettext_lazy("Coupled"),
            empty=gettext_lazy("No records are coupled yet."),
            branches=(_LIVE & _PAIRED,),
        ),
        Tab(
            "alone",
            gettext_lazy("Not coupled yet"),
            explain=gettext_lazy(
                "New in one app: their counterpart could not be created, waits, or is left out."
            ),
            empty=gettext_lazy("Every known record has its counterpart."),
            branches=(_LIVE & (Q(left_id=None) | Q(right_id=None)),),
        ),
        Tab(
            "left_out",
            gettext_lazy("Left out on purpose"),
            empty=gettext_lazy("No record is left out on purpose."),
            branches=(_LIVE & _LEFT_OUT,),
        ),
        Tab(
            "removed",
            gettext_lazy("Removed"),
            explain=gettext_lazy(
                "Taken apart by a person. No later run couples or creates these records again."
            ),
            empty=gettext_lazy("No coupling was removed."),
            branches=(Q(removed_at__isnull=False, ended_at=None),),
        ),
    )
    sorts = (Sort("name", ("left_name",)), Sort("agreed", ("agreed_at",), descending=True, nullable=True))

    def rows(self) -> QuerySet[Any]:
        return (
            Coupling.objects.visible_to(self.request.user)
            .select_related(
                "mapping__integration__left", "mapping__integration__right", "agreed_by", "removed_by"
            )
            .defer("left_base", "right_base")
            .annotate(
                open_problem=Subquery(_OPEN.values("pk")[:1]),
                problem_state=Subquery(_OPEN.values("state")[:1]),
            )
        )

    def keys(self) -> QuerySet[Any]:
        return self.scoped(Coupling.objects.all())

    def tab_counts(self) -> Mapping[str, int]:
        return {"left_out": self.counts()["on_purpose"]}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [RecordRow(each) for each in rows]

    def extra(self) -> dict[str, Any]:
        asked = self.params.get("q", "").strip()[:200]
        chosen = [each for each in self.mappings_in_view() if self.params.get("mapping")]
        one = self.mappings_in_view()
        return {"matchable": one[0] if len(one) == 1 else None,
                "searches": [_search(each, asked) for each in chosen] if asked else [], "asked": asked,
                "look": self.params.get("look") == "1", "choose_mapping": bool(asked) and not chosen}  # fmt: skip


@dataclass(frozen=True)
class SearchOf:
    """The live search of one mapping: an address per app."""

    mapping: TableMapping
    sides: list[tuple[str, str, str]]
    look_url: str
    whole_url: str


def _search(mapping: TableMapping, asked: str) -> SearchOf:
    apps = app_names(mapping)
    where = reverse("coupling:live_records")
    of: dict[str, str | int] = {"mapping": mapping.pk, "q": asked}
    return SearchOf(
        mapping,
        [
            (side.value, apps[side.value], f"{where}?{urlencode({**of, 'side': side.value})}")
            for side in SIDES
        ],
        f"{reverse('coupling:records')}?{urlencode({**of, 'look': 1})}",
        f"{where}?{urlencode(of)}",
    )


@dataclass(frozen=True)
class HitRow:
    """A record found in an app: where it leads, and what is known of it."""

    title: str
    id: str
    state: str
    url: str
    couple_url: str


@dataclass(frozen=True)
class SideFound:
    side: str
    app: str
    rows: list[HitRow]
    more: bool
    trouble: str


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Records of one mapping by number or name, as the apps have them now: one app's part, or a page without JavaScript."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    named, asked = request.GET.get("mapping", ""), request.GET.get("q", "").replace("\x00", "").strip()[:200]
    seen = TableMapping.objects.visible_to(request.user).select_related(
        "integration__left", "integration__right"
    )
    mapping = seen.filter(pk=named).first() if named.isdecimal() and len(named) < 19 else None
    if mapping is None and named:
        raise Http404
    wanted = request.GET.get("side", "")
    sides = [Side(wanted)] if wanted in list(Side) else list(SIDES)
    may = request.user.has_perm("synccore.couple")  # type: ignore[union-attr]
    found = [_found(mapping, side, asked, may_couple=may) for side in sides] if asked and mapping else []
    context = {
        "page_title": _("Records in both apps"),
        "mapping": mapping,
        "asked": asked,
        "found": found,
        "back": f"{reverse('coupling:records')}?{urlencode({'mapping': named, 'q': asked})}",
    }
    part = request.htmx and len(found) == 1  # type: ignore[attr-defined]
    answer = render(
        request,
        "coupling/records_found.html" if part else "coupling/records_live.html",
        context | ({"one": found[0]} if part else {}),
    )
    answer["Cache-Control"] = "no-store"
    return answer


def _found(mapping: TableMapping, side: Side, asked: str, *, may_couple: bool) -> SideFound:
    apps = app_names(mapping)
    found = matching.find(mapping, side, asked)
    rows = [_hit(mapping, hit, may_couple=may_couple) for hit in found.hits]
    return SideFound(
        side.value, apps[side.value], rows, found.more, why_silent(found.trouble, found.failure, apps, side)
    )


def _hit(mapping: TableMapping, hit: Hit, *, may_couple: bool) -> HitRow:
    coupling = hit.coupling
    couple = ""
    if coupling is not None and coupling.pk:
        url = record_url(coupling)
        if coupling.removed_at is not None:
            state = _("taken apart by a person")
        elif coupling.is_half:
            state = _("not coupled yet")
        else:
            state = _("coupled to %(other)s") % {"other": coupling.title(hit.side.other)}
    else:
        url = ""
        now = situation.of_uncoupled(mapping, hit.side, record=hit.record, inside=not hit.outside)
        state = sentence(why(now), app_names(mapping))
    if may_couple and hit.is_free:
        query = urlencode({"mapping": mapping.pk, "side": hit.side.value, "id": hit.record.id})
        couple = f"{reverse('coupling:couple')}?{query}"
    return HitRow(hit.title or hit.record.id, hit.record.id, state, url, couple)

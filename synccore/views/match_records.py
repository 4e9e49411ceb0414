"""The records of a look as a list, a tab per outcome: choose among several, decline, leave out, couple by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import django_filters
from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore import actions, exports, roles
from synccore.actions import LEAVE_OUT
from synccore.models import MatchRecord, SynchJob, TableMapping
from synccore.services import match, match_found
from synccore.services.jobs import NotNow
from synccore.services.match_choices import choose, leave_out_met
from synccore.shapes import SIDES, Side
from synccore.tables import app_names
from ui.actions import NAMES_SHOWN, Action, Outcome, number, permitted
from ui.counting import Counted, up_to
from ui.filters import ListFilter
from ui.paging import Page, Sort
from ui.panels import Panel
from ui.search import PREFIX, Numbers, Pasted
from ui.tables import Column, ListTable
from ui.templatetags.ui import when
from ui.views import ListPage, Tab, TabLink

from . import match_panel
from .mappings import granted_mapping
from .match_rows import NOT_ASKED, OF_PAIRS, OPEN, MetRow, groups_of, tab_of
from .sentences import not_now

_Outcome, _State = MatchRecord.Outcome, MatchRecord.State
#: Tabs that stand there though they hold nothing.
_ALWAYS = ("several", "all")
_EXPLAINED = {
    _Outcome.SEVERAL: gettext_lazy("A value stands in an app more than once. A person says who is meant."),
    _Outcome.ONE: gettext_lazy("Each is the other’s only match; a run couples the two."),
    _Outcome.CHOSEN: gettext_lazy("A person said who is meant; a run couples the two."),
    _Outcome.TAKEN: gettext_lazy("What they match is coupled already, or goes with another record."),
    _Outcome.NONE: gettext_lazy("Nothing in the other app agrees with them in any group of the criteria."),
}
#: Tabs in which nothing is left to decide here.
_DECIDED = ("coupled", "created", "already", "set_aside")
LEAVE_OUT_MET = replace(
    LEAVE_OUT,
    applies_to=Q(state=_State.FREE, outcome__in=OPEN),
    not_for=gettext_lazy("They are coupled, or set aside already."),
    consequences=(
        LEAVE_OUT.consequences[0],
        gettext_lazy("They are neither matched nor created in the other app meanwhile."),
    ),
)


def of_tab(name: str, side: str) -> list[Q]:
    """The records of a tab, as conditions that each have an index; a pair stands there once."""
    if name == "all":
        return [each for tab in MatchRecordsPage.tabs if tab.name != "all" for each in of_tab(tab.name, side)]
    sides = [side] if side else ["left"] if name in OF_PAIRS else [each.value for each in SIDES]
    kinds = [Q(outcome="", state=state) for state in NOT_ASKED.get(name, ())] or [Q(outcome=name)]
    return [kind & Q(side=each) for kind in kinds for each in sides]


class MatchFilter(ListFilter):
    reads_lists = True

    q = django_filters.CharFilter(label=gettext_lazy("Search words, paste numbers"), method="search")
    side = django_filters.ChoiceFilter(label=gettext_lazy("App"), empty_label=gettext_lazy("Both apps"))

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        found = self.searched
        if isinstance(found, Numbers):
            return numbered(rows, found)
        for word in found.words if found is not None else ():
            # Found whole, and by its beginning where it is long enough, as words are everywhere.
            pattern = rf"\m{re.escape(word)}" + ("" if len(word) >= PREFIX else r"\M")
            rows = rows.filter(Q(key__istartswith=word) | Q(name__iregex=pattern) | Q(record_id__iexact=word))
        return rows


def numbered(rows: QuerySet[Any], given: Numbers) -> QuerySet[Any]:
    """Those whose number or id is one of the pasted ones."""
    wanted = Q(_key__in=given.numbers) | Q(_id__in=given.numbers)
    return rows.alias(_key=Lower("key"), _id=Lower("record_id")).filter(wanted)


class MatchTable(ListTable):
    caption = gettext_lazy("Records of the look")
    exports = exports.MATCHES
    row_template = "synccore/match_record_row.html"

    record = Column(gettext_lazy("Record ⇄ goes with"))
    compared = Column(gettext_lazy("Compared"), roomy=True)
    outcome = Column(gettext_lazy("Outcome"))


class MatchRecordsPage(ListPage):
    permission = match.COUPLE
    template_name = "synccore/match_records.html"
    table_class = MatchTable
    filter_class = MatchFilter
    has_panel = True
    actions = (LEAVE_OUT_MET,)
    tabs = (
        *(
            Tab(
                outcome.value,
                outcome.label,
                explain=_EXPLAINED.get(outcome, ""),
                empty=gettext_lazy("No record of the look has this outcome."),
            )
            for outcome in (
                _Outcome.SEVERAL,
                _Outcome.ONE,
                _Outcome.CHOSEN,
                _Outcome.TAKEN,
                _Outcome.NONE,
                _Outcome.COUPLED,
                _Outcome.CREATED,
            )
        ),
        Tab(
            "already",
            _State.COUPLED.label,
            explain=gettext_lazy("They were coupled before the look, so that nothing was asked about them."),
            empty=gettext_lazy("No record was coupled before the look."),
        ),
        Tab(
            "set_aside",
            gettext_lazy("Set aside"),
            explain=gettext_lazy("Taken apart, or left out on purpose: nothing was asked about them."),
            empty=gettext_lazy("No record was set aside."),
        ),
        Tab("all", gettext_lazy("All"), empty=gettext_lazy("The look met no record.")),
    )
    sorts = (Sort("order", ()),)  # as they were met

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.mapping: TableMapping = granted_mapping(request, kwargs["pk"], match.COUPLE)
        self.apps = app_names(self.mapping)

    def get(self, request: HttpRequest, pk: int = 0) -> HttpResponseBase:
        return super().get(request)

    def post(self, request: HttpRequest, pk: int = 0) -> HttpResponse:
        return self._choose() if "choose" in request.POST else super().post(request)

    @cached_property
    def look(self) -> SynchJob | None:
        return match_found.look_of(self.mapping)

    @property
    def is_busy(self) -> bool:
        return self.look is not None and self.look.is_coupling  # type: ignore[attr-defined,no-any-return]

    # --- the rows -----------------------------------------------------------------------------------------

    def keys(self) -> QuerySet[Any]:
        return match_found.records_of(self.look)  # of a mapping that was scoped itself

    def rows(self) -> QuerySet[Any]:
        return match_found.told(self.keys())

    def branches(self) -> Sequence[Q]:
        return of_tab(self.tab.name if self.tab else "all", str(self.filter.applied.get("side", "")))

    def choices(self) -> dict[str, Any]:
        return {"side": [(side.value, self.apps[side.value]) for side in SIDES]}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        assert self.look is not None or not rows
        groups = groups_of(self.look, self.apps) if self.look is not None else []
        return [MetRow(row, self.apps, groups, self._creates) for row in rows]

    @cached_property
    def _creates(self) -> set[Side]:
        setup = getattr(self.look.mapping, "match_setup", None) if self.look is not None else None
        can = match.creatable(self.mapping)
        return {side for side in can if setup.creates(side)} if setup is not None else set()

    def pasted(self, page: Page) -> Pasted | None:
        """The pasted numbers that are in no row; one query."""
        given = self.filter.searched
        if not isinstance(given, Numbers):
            return None
        listed = Exists(self.matching().filter(pk=OuterRef("pk")))
        rows = numbered(self.keys(), given).values_list("key", "record_id", listed)
        return given.sorted_out((names, is_here) for *names, is_here in rows)

    # --- tabs ---------------------------------------------------------------------------------------------

    def _counts(self) -> dict[str, Counted]:
        """Counted up to a limit, also without a filter: a look may be of a million records. *All* is the others' sum."""
        found = self.count_tabs([tab for tab in self.tabs if tab.name != "all"])
        whole = up_to(sum(each.n for each in found.values()))
        return {**found, "all": replace(whole, more=whole.more or any(each.more for each in found.values()))}

    def _tab_links(self, counts: Mapping[str, Counted]) -> list[TabLink]:
        """Those of outcomes that nothing has stand there only while they are looked at."""
        links = super()._tab_links(counts)
        return [
            each for each in links if each.current or each.tab.name in _ALWAYS or each.count and each.count.n
        ]

    # --- the row beside the list ----------------------------------------------------------------------------

    def panel(self, key: str) -> Panel | None:
        found = self.rows().filter(pk=number(key)).first()
        if found is None or self.look is None:
            return None
        (row,) = self.present([found])
        context = match_panel.context(row, self.look, self.apps, may_choose=not self.is_busy)
        context["apps"] = self.apps
        context["actions"] = (
            () if self.is_busy or not row.is_open else permitted(self.actions, self.request.user)
        )
        return Panel(row.title, "synccore/match_panel.html", context, row.pair_url, self._moved(found))

    def _moved(self, found: MatchRecord) -> str:
        """In which tab the row is now, where that is another one."""
        own = tab_of(found.outcome or found.state)
        if self.tab is None or self.tab.name in ("all", own):
            return ""
        label = next((tab.label for tab in self.tabs if tab.name == own), "")
        return _("It stands under “%(tab)s” now.") % {"tab": label} if label else ""

    # --- what is done ---------------------------------------------------------------------------------------

    def _choose(self) -> HttpResponse:
        """Keep what was chosen for the row of the pressed button."""
        row, look = number(self.request.POST["choose"]), number(self.request.POST.get("look", ""))
        choices = {row or 0: self.request.POST.get("choice", "")}
        try:
            changed, refused = choose(self.mapping, user=self.request.user, look=look or 0, choices=choices)
        except NotNow as no:
            return self._back(Outcome(not_now(no.code, no.params), ok=False))
        if refused:
            text = _("The record chosen for %(name)s goes with another one by now; the choice was not kept.")
            return self._back(Outcome(text % {"name": refused[0].title}, ok=False))
        if changed:
            return self._back(Outcome(_("The choice is kept; the run takes it over.")))
        messages.info(self.request, _("Nothing was chosen differently."))
        return HttpResponseRedirect(self.request.get_full_path())

    def offered_actions(self) -> Sequence[Action]:
        decided = self.tab is not None and self.tab.name in _DECIDED
        return () if decided or self.is_busy else self.actions

    def names(self, rows: QuerySet[Any]) -> list[str]:
        return [row.title for row in rows.order_by("pk")[:NAMES_SHOWN]]

    def check_size(self, action: Action, count: int) -> None:
        actions.check_size(action, count, self.request.user)

    def refusal(self, action: Action | None) -> str:
        return actions.refusal(action, self.request.user) if action else roles.refusal(self.permission)

    def perform(self, action: Action, targets: QuerySet[Any], options: dict[str, Any]) -> Outcome:
        given = actions.left_out_as(options)
        try:
            job = leave_out_met(self.mapping, user=self.request.user, rows=targets, options=given)
        except NotNow as no:
            return Outcome(not_now(no.code, no.params), ok=False)
        return actions.started(job, action)

    def extra(self) -> dict[str, Any]:
        look = self.look
        intro = _("Nobody has looked yet.")
        if look is not None:
            text = _("As the last look found them, {when}. What is chosen here is kept until it is coupled.")
            intro = format_html(text, when=when(look.finished_at or look.started_at))
        return {
            "page_title": _("Matches of %(name)s") % {"name": self.mapping.name},
            "intro": intro,
            "mapping": self.mapping,
            "look": look,
            "is_busy": self.is_busy,
            "run": look.run if look is not None else None,  # type: ignore[attr-defined]
        }

"""The list page: filter, tabs, order, one keyset page, actions. A subclass is a few attributes and its own queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views import View

from .actions import NAMES_SHOWN, SELECTED, Action, Outcome, Selection, permitted, pressed
from .filters import CURSOR, SORT, TAB, ListFilter, with_
from .paging import EVERYTHING, Page, Sort, paginate
from .tables import ListTable

Text = str | Promise
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class Tab:
    """A state of the rows as a tab. ``explain`` is one sentence under the tabs, ``empty`` the good news when it has none."""

    name: str
    label: Text
    explain: Text = ""
    empty: Text = ""
    branches: tuple[Q, ...] = EVERYTHING


@dataclass(frozen=True)
class TabLink:
    tab: Tab
    url: str
    count: int | None
    current: bool


@dataclass(frozen=True)
class Counted:
    """How many rows match. ``more``: at least so many, counting stopped there."""

    n: int
    more: bool = False


class ListPage(View):
    """GET shows the page of the URL; POST does an action on ticked rows, one row, or all matching ones.

    Without a question an action runs at once; with one, the same address shows the question first, and the answer
    comes back to the same address. All of it works without JavaScript.
    """

    http_method_names = ["get", "head", "post", "options"]

    title: Text = ""
    intro: Text = ""
    permission = ""
    template_name = "ui/list.html"
    table_class: type[ListTable]
    filter_class: type[ListFilter]
    tabs: tuple[Tab, ...] = ()
    sorts: tuple[Sort, ...]  # the first is the page's own
    actions: tuple[Action, ...] = ()
    page_size = 100

    # --- what a subclass answers ------------------------------------------------------------------------

    def rows(self) -> QuerySet[Any]:
        """Every row this user may see, related rows included."""
        raise NotImplementedError

    def keys(self) -> QuerySet[Any]:
        """The same rows with nothing joined: what is filtered, counted and paged. Must be scoped like ``rows``."""
        return self.rows()

    def tab_counts(self) -> Mapping[str, int]:
        """Exact number of rows per tab, unfiltered; a tab left out shows none."""
        return {}

    def choices(self) -> dict[str, Any]:
        """Choices of filter fields as this user may see them."""
        return {}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The rows as the row template takes them."""
        return rows

    def names(self, rows: QuerySet[Any]) -> list[str]:
        """Names of the first rows, for a question."""
        return [str(row) for row in rows[:NAMES_SHOWN]]

    def targets(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """What actions work on, from the list's rows."""
        return rows

    def allowed(self, action: Action, targets: QuerySet[Any]) -> QuerySet[Any]:
        """The targets on which the user may do it."""
        return targets

    def perform(self, action: Action, targets: QuerySet[Any], options: dict[str, Any]) -> Outcome:
        """Do it."""
        raise NotImplementedError

    def refusal(self, action: Action | None) -> str:
        """What a person reads who may not do it (None: who may not open the page)."""
        return ""

    def form_options(self, action: Action, targets: QuerySet[Any]) -> dict[str, Any]:
        """Arguments of the action's form."""
        return {}

    def check_size(self, action: Action, count: int) -> None:
        """Raise PermissionDenied where so many rows are too many for this user."""

    def opens(self, action: Action, targets: QuerySet[Any]) -> str:
        """Address of a page that asks better than the question does, where one row alone was chosen."""
        return ""

    def branches(self) -> Sequence[Q]:
        """The rows of the current tab, as conditions that each have an index (see ``paginate``)."""
        return self.tab.branches if self.tab else EVERYTHING

    def offered_actions(self) -> Sequence[Action]:
        """The actions that make sense in the current tab; all are refused or done by what they apply to anyway."""
        return self.actions

    def offered_sorts(self) -> Sequence[Sort]:
        """The orders of the current tab; the first is the one it opens with."""
        return self.sorts

    def extra(self) -> dict[str, Any]:
        """More context of the page."""
        return {}

    # --- the page ---------------------------------------------------------------------------------------

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.params: QueryDict = request.GET
        names = {tab.name: tab for tab in self.tabs}
        self.tab = names.get(self.params.get(TAB, ""), self.tabs[0]) if self.tabs else None
        self.sort = self._sort(self.params.get(SORT, ""))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if self.permission and not request.user.has_perm(self.permission):  # type: ignore[union-attr]
            raise PermissionDenied(self.refusal(None))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        self.filter = self.filter_class(self.params, queryset=self.keys(), choices=self.choices())
        page = self.page()
        offered = permitted(self.offered_actions(), request.user)
        table = self.table_class(
            self.present(page.rows), sort=self.sort, params=self.params, selectable=bool(offered)
        )
        counts = self.tab_counts()
        context = {
            "page_title": self.title,
            "intro": self.intro,
            "filter": self.filter,
            "pills": self.filter.pills(self.params),
            "tabs": self._tab_links(counts),
            "tab": self.tab,
            "table": table,
            "actions": offered,
            "page": page,
            "pager": self._pager(page),
            "counted": self._counted(counts, page),
            "here": request.get_full_path(),
            "clear_url": with_(QueryDict(), **({TAB: self.tab.name} if self.tab else {})),
            "kept": {name: self.params[name] for name in (TAB, SORT) if self.params.get(name)},
            **self.extra(),
        }
        if page.invalid:
            context["note"] = _(
                "The place in the list that this address names cannot be read; this is its first page."
            )
        return render(request, self.template_name, context)

    def page(self) -> Page:
        return paginate(
            self.rows(),
            self.sort,
            keys=self.filter.qs,
            cursor=self.params.get(CURSOR, ""),
            size=self.page_size,
            branches=self.branches(),
        )

    def matching(self) -> QuerySet[Any]:
        """All rows of this tab and filter, not of this page only."""
        whole = Q()
        for branch in self.branches():
            whole |= branch
        return self.filter.qs.filter(whole)

    def _sort(self, token: str) -> Sort:
        name = token.removeprefix("-")
        offered = self.offered_sorts()
        found = next((sort for sort in offered if sort.name == name), None)
        return replace(found, descending=token.startswith("-")) if found else offered[0]

    def _tab_links(self, counts: Mapping[str, int]) -> list[TabLink]:
        first = self.tabs[0] if self.tabs else None
        return [
            TabLink(
                tab,
                with_(self.params, **{TAB: "" if tab is first else tab.name, CURSOR: ""}),
                counts.get(tab.name),
                tab is self.tab,
            )
            for tab in self.tabs
        ]

    def _pager(self, page: Page) -> dict[str, str]:
        link = {"newer": page.newer, "older": page.older}
        links = {name: with_(self.params, **{CURSOR: token}) for name, token in link.items() if token}
        if page.newer:
            links["first"] = with_(self.params, **{CURSOR: ""})
        if page.older:
            links["last"] = with_(self.params, **{CURSOR: "last"})
        return links

    def _counted(self, counts: Mapping[str, int], page: Page) -> Counted:
        """Number of matching rows: from the tab's own count, from the page, or by counting up to a limit."""
        if page.is_only:
            return Counted(len(page.rows))
        if not self.filter.applied and self.tab and self.tab.name in counts:
            return Counted(counts[self.tab.name])
        n = self.matching().order_by()[: COUNT_LIMIT + 1].count()
        return Counted(min(n, COUNT_LIMIT), more=n > COUNT_LIMIT)

    # --- actions ----------------------------------------------------------------------------------------

    def post(self, request: HttpRequest) -> HttpResponse:
        found = pressed(self.actions, request.POST)
        if found is None:
            return HttpResponseRedirect(request.get_full_path())
        action, value = found
        if not request.user.has_perm(action.permission):  # type: ignore[union-attr]
            raise PermissionDenied(self.refusal(action))
        selection = Selection.of(request.POST, value)
        if not selection:
            return self._back(Outcome(_("Nothing is ticked. Tick the records first."), ok=False))
        self.filter = self.filter_class(self.params, queryset=self.keys(), choices=self.choices())
        rows = self.matching() if selection.everything else self.rows().filter(pk__in=selection.keys)
        return self._act(action, selection, rows)

    def _act(self, action: Action, selection: Selection, rows: QuerySet[Any]) -> HttpResponse:
        chosen = self.targets(rows)
        may = self.allowed(action, chosen)
        fitting = may.filter(action.applies_to)
        total, within, count = chosen.count(), may.count(), fitting.count()
        if total and not within:
            raise PermissionDenied(self.refusal(action))
        if not count:
            reason = str(action.not_for) if total else _("These records have left the list in the meantime.")
            return self._back(Outcome(reason, ok=False))
        self.check_size(action, count)
        answered = self.request.POST.get("answered") == "1"
        form = self._form(action, fitting, answered=answered)
        if action.asks and not (answered and (form is None or form.is_valid())):
            if not answered and count == total == 1 and (page := self.opens(action, fitting)):
                return HttpResponseRedirect(page)
            return self._ask(
                action, selection, fitting, form, count=count, forbidden=total - within, other=within - count
            )
        outcome = self.perform(action, fitting, form.cleaned_data if form else {})
        self._say_left_over(action, forbidden=total - within, other=within - count)
        return self._back(outcome)

    def _form(self, action: Action, targets: QuerySet[Any], *, answered: bool) -> Any:
        if action.options is None:
            return None
        return action.options(self.request.POST if answered else None, **self.form_options(action, targets))

    def _ask(
        self,
        action: Action,
        selection: Selection,
        targets: QuerySet[Any],
        form: Any,
        *,
        count: int,
        forbidden: int,
        other: int,
    ) -> HttpResponse:
        names = self.names(targets)
        context = {
            "page_title": action.question or action.label,
            "action": action,
            "value": SELECTED,
            "selection": selection,
            "count": count,
            "names": names,
            "more": count - len(names),
            "forbidden": forbidden,
            "other": other,
            "form": form,
            "back": self.request.get_full_path(),
        }
        return render(self.request, "ui/question.html", context)

    def _say_left_over(self, action: Action, *, forbidden: int, other: int) -> None:
        if other:
            text = _("%(n)s of the chosen records were left alone: %(why)s")
            messages.info(self.request, text % {"n": other, "why": action.not_for})
        if forbidden:
            text = _("%(n)s of the chosen records were left alone: your group may only view them.")
            messages.info(self.request, text % {"n": forbidden})

    def _back(self, outcome: Outcome) -> HttpResponse:
        messages.add_message(
            self.request, messages.SUCCESS if outcome.ok else messages.WARNING, str(outcome.sentence)
        )
        return HttpResponseRedirect(self.request.get_full_path())

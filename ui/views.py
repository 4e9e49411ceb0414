"""The list page: filter, tabs, order, one keyset page, actions. A subclass is a few attributes and its own queries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from hashlib import blake2b
from operator import or_
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from .acting import Acting
from .actions import Action, Selection, keys_of, number, permitted
from .bulk import MOST_LOOKED_AT, Fit
from .counting import Counted, count_each
from .export import CHUNK, answer
from .filters import CURSOR, FORMAT, OPEN, PER_PAGE, SORT, TAB, ListFilter, with_
from .paging import EVERYTHING, Page, Sort, chunks, paginate
from .panels import Panel
from .search import HELP, Pasted
from .tables import ListTable

Text = str | Promise
#: Differs from answer to answer though the list is the same.
_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')
PER_PAGE_CHOICES = (25, 100, 250)


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
    count: Counted | None
    current: bool


class ListPage(Acting):
    """GET shows the page of the URL; POST does an action on ticked rows, one row, or all matching ones.

    Without a question an action runs at once; with one, the same address shows the question first, and the answer
    comes back to the same address. All of it works without JavaScript.

    **The panel.** With ``?open=<key>`` the row of that key stands beside the list. A page that has one sets ``has_panel``
    and answers ``panel(key)`` with a ``Panel`` (title, template and its context, the row's own page), or with None where
    this user has no such row; the list says so. The row template links there by ``{% panel_url row.pk %}`` with
    ``data-open="{{ row.pk }}"`` and marks itself by ``{% opened row.pk %}`` in its ``<tr>``. A browser asks for the panel
    alone (``HX-Target`` ends in ``#panel``) and for the list alone (``#list``); both have the page's own address.
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
    page_size = 100
    has_panel = False

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

    def make_table(self, rows: Sequence[Any], *, selectable: bool) -> ListTable:
        """The table of these rows, as ``present`` gave them."""
        return self.table_class(rows, sort=self.sort, params=self.params, selectable=selectable)

    def branches(self) -> Sequence[Q]:
        """The rows of the current tab, as conditions that each have an index (see ``paginate``)."""
        return self.tab.branches if self.tab else EVERYTHING

    def offered_actions(self) -> Sequence[Action]:
        """The actions that make sense in the current tab; all are refused or done by what they apply to anyway."""
        return self.actions

    def offered_sorts(self) -> Sequence[Sort]:
        """The orders of the current tab; the first is the one it opens with."""
        return self.sorts

    def panel(self, key: str) -> Panel | None:
        """What stands beside the list for the row with this key (text of a URL: anything); None where there is none."""
        return None

    def pasted(self, page: Page) -> Pasted | None:
        """What the search says besides its rows: the pasted numbers that are in no row."""
        return None

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

    @cached_property
    def filter(self) -> ListFilter:
        return self.filter_class(self.params, queryset=self.keys(), choices=self.choices())

    @property
    def per_page(self) -> int:
        chosen = number(self.params.get(PER_PAGE, ""))
        return chosen if chosen in PER_PAGE_CHOICES else self.page_size

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self._asks_for("panel"):
            return self._answer("ui/panel.html", self._panel_context())
        if self._asks_for("bulk"):
            return self._answer("ui/bulk.html", self._bulk_context())
        if self.params.get(FORMAT) == "csv" and self.table_class.exports:
            return self._export()
        context = self._list_context()
        if self._asks_for("list"):
            return self._refreshed(context)
        return self._answer(self.template_name, context | self._panel_context())

    def _asks_for(self, part: str) -> bool:
        """Whether a script asks for one part of the page only."""
        return bool(self.request.headers.get("HX-Target", "").endswith(f"#{part}"))

    def _answer(self, template: str, context: dict[str, Any]) -> HttpResponse:
        answer = render(self.request, template, context)
        patch_vary_headers(answer, ["HX-Target"])  # going back must not show a part of the page as the page
        return answer

    def _refreshed(self, context: dict[str, Any]) -> HttpResponse:
        """The list alone, and which of the ticked rows have left it; 304 where it looks as when it was last asked for."""
        ticked = keys_of(self.request.headers.get("Tandem-Ticked", ""))
        here = self.still_here(ticked)
        context["left_keys"] = ".".join(str(key) for key in ticked if key not in here)
        answer = self._answer(self.template_name, context | {"frame": "ui/fragment.html"})
        tag = f'W/"{blake2b(_TOKEN.sub(b"", answer.content), digest_size=16).hexdigest()}"'
        if self.request.headers.get("If-None-Match") == tag:
            return HttpResponseNotModified()
        answer.headers["ETag"] = tag
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    def _list_context(self) -> dict[str, Any]:
        page = self.page()
        pasted = self.pasted(page)
        offered = permitted(self.offered_actions(), self.request.user)
        table = self.make_table(self.present(page.rows), selectable=bool(offered))
        counts = self._counts()
        context = {
            "page_title": self.title,
            "intro": self.intro,
            "filter": self.filter,
            "pills": self.filter.pills(self.params),
            "tabs": self._tab_links(counts),
            "tab": self.tab,
            "table": table,
            "actions": offered,
            "fits": [Fit(action) for action in offered],
            "page": page,
            "pager": self._pager(page),
            "counted": self._counted(counts, page),
            "here": self.request.get_full_path(),
            "pasted": pasted,
            "search_help": HELP,
            "has_panel": self.has_panel,
            "opened_key": self._opened_key,
            "clear_url": with_(QueryDict(), **({TAB: self.tab.name} if self.tab else {})),
            "export_url": with_(self.params, **{FORMAT: "csv", CURSOR: "", OPEN: ""})
            if self.table_class.exports
            else "",
            "per_page": self._per_page_links(page),
            "kept": {name: self.params[name] for name in (TAB, SORT, PER_PAGE) if self.params.get(name)},
            **self.extra(),
        }
        if page.invalid:
            context["note"] = _(
                "The place in the list that this address names cannot be read; this is its first page."
            )
        return context

    @property
    def _opened_key(self) -> str:
        return self.params.get(OPEN, "") if self.has_panel else ""

    def _panel_context(self) -> dict[str, Any]:
        key = self._opened_key
        return {
            "opened_key": key,
            "panel": self.panel(key) if key else None,
            "close_url": with_(self.params, **{OPEN: ""}),
            "here": self.request.get_full_path(),
        }

    def _bulk_context(self) -> dict[str, Any]:
        """The bar for the rows that are ticked now (``ticked=1.2.3``, or ``all=1``): what fits how many of them."""
        selection = Selection.of_address(self.params)
        rows = self.chosen(selection)
        offered = permitted(self.offered_actions(), self.request.user)
        n = rows.order_by()[: MOST_LOOKED_AT + 1].count() if selection.everything else len(selection.keys)
        left = 0 if selection.everything else n - len(self.still_here(selection.keys))
        fits = self.fits(offered, rows) if n <= MOST_LOOKED_AT else [Fit(action) for action in offered]
        return {"fits": fits, "left": left, "counted": Counted(n)}

    def still_here(self, keys: Sequence[int]) -> set[int]:
        """Those of the rows with these keys that this tab and filter still hold; one query."""
        return (
            set(self.matching().filter(pk__in=keys).order_by().values_list("pk", flat=True))
            if keys
            else set()
        )

    def chosen(self, selection: Selection) -> QuerySet[Any]:
        return self.matching() if selection.everything else self.rows().filter(pk__in=selection.keys)

    def page(self) -> Page:
        keys = self.filter.qs  # first: it sets the search's branches
        return paginate(
            self.rows(),
            self.sort,
            keys=keys,
            cursor=self.params.get(CURSOR, ""),
            size=self.per_page,
            branches=self._wanted(),
        )

    def _export(self) -> HttpResponseBase:
        """All rows of this tab and filter as a CSV file."""
        keys = self.filter.qs  # first: it sets the search's branches
        found = chunks(self.rows(), self.sort, keys=keys, size=CHUNK, branches=self._wanted())
        place = self.request.resolver_match
        name = f"tandem {place.url_name if place else ''} {self.tab.name if self.tab else ''}"
        return answer(self.table_class.exports, found, self.present, name)

    def _wanted(self) -> list[Q]:
        """The tab's branches joined with those of the search."""
        return [mine & its for mine in self.branches() for its in self.filter.branches]

    def matching(self) -> QuerySet[Any]:
        """All rows of this tab and filter, not of this page only."""
        whole = Q()
        for branch in self.branches():
            whole |= branch
        return self.filter.rows.filter(whole)

    def _sort(self, token: str) -> Sort:
        name = token.removeprefix("-")
        offered = self.offered_sorts()
        found = next((sort for sort in offered if sort.name == name), None)
        return replace(found, descending=token.startswith("-")) if found else offered[0]

    def _tab_links(self, counts: Mapping[str, Counted]) -> list[TabLink]:
        first = self.tabs[0] if self.tabs else None
        return [
            TabLink(
                tab,
                with_(self.params, **{TAB: "" if tab is first else tab.name, CURSOR: "", OPEN: ""}),
                counts.get(tab.name),
                tab is self.tab,
            )
            for tab in self.tabs
        ]

    def _pager(self, page: Page) -> dict[str, str]:
        link = {"newer": page.newer, "older": page.older}
        links = {
            name: with_(self.params, **{CURSOR: token, OPEN: ""}) for name, token in link.items() if token
        }
        if page.newer:
            links["first"] = with_(self.params, **{CURSOR: "", OPEN: ""})
        if page.older:
            links["last"] = with_(self.params, **{CURSOR: "last", OPEN: ""})
        return links

    def _per_page_links(self, page: Page) -> list[tuple[int, str, bool]]:
        """How many rows a page may have: number, address, whether it is so now. None where all rows stand on one."""
        if page.is_only and len(page.rows) <= min(PER_PAGE_CHOICES):
            return []
        here = self.per_page
        return [
            (n, with_(self.params, **{PER_PAGE: str(n), CURSOR: "", OPEN: ""}), n == here)
            for n in PER_PAGE_CHOICES
        ]

    def _counts(self) -> dict[str, Counted]:
        """Rows per tab: exact ones without a filter; with one, of what it leaves, counted up to a limit."""
        if not self.filter.applied or not self.tabs:
            return {name: Counted(n) for name, n in self.tab_counts().items()}
        return self.count_tabs(self.tabs)

    def count_tabs(self, tabs: Sequence[Tab]) -> dict[str, Counted]:
        """Rows of these tabs under the filter, counted up to a limit; one query."""
        rows = [self.filter.rows.filter(reduce(or_, self._branches_of(tab))) for tab in tabs]
        return {tab.name: n for tab, n in zip(tabs, count_each(rows), strict=True)}

    def _branches_of(self, tab: Tab) -> Sequence[Q]:
        own, self.tab = self.tab, tab
        try:
            return self.branches()
        finally:
            self.tab = own

    def _counted(self, counts: Mapping[str, Counted], page: Page) -> Counted:
        """Number of matching rows: from the page, from the tab's own count, or by counting up to a limit."""
        if page.is_only:
            return Counted(len(page.rows))
        if self.tab and self.tab.name in counts:
            return counts[self.tab.name]
        return count_each([self.matching()])[0]

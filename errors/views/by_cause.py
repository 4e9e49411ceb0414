"""The switch *Records / Causes* of a list of problems: the same tab and filters, grouped by what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from errors import causes
from synccore.views.lists import RecordListPage
from ui.actions import permitted
from ui.filters import CURSOR, OPEN, SORT, TAB, with_
from ui.paging import Page, Sort
from ui.tables import ListTable
from ui.views import Counted

if TYPE_CHECKING:
    _Base = RecordListPage
else:
    _Base = object

GROUP, CAUSES, CAUSE = "group", "causes", "cause"


class ByCause(_Base):
    """Stands between a list of problems and ``RecordListPage``; the list's filter has ``cause``, a fingerprint.

    ``?group=causes`` shows causes instead of records. An action on a cause is the list's own action on all records that
    match: the tab and the filters in view and this cause. Its question, its rights and its result are those of the list.
    """

    @property
    def grouped(self) -> bool:
        return self.params.get(GROUP) == CAUSES

    @cached_property
    def groups(self) -> list[causes.Group]:
        return causes.groups_of(self.matching(), self.sort)

    def _sort(self, token: str) -> Sort:
        if not self.grouped:
            return super()._sort(token)
        found = next((sort for sort in causes.SORTS if sort.name == token.removeprefix("-")), None)
        return replace(found, descending=token.startswith("-")) if found else causes.SORTS[0]

    def page(self) -> Page:
        return Page([]) if self.grouped else super().page()

    def make_table(self, rows: Sequence[Any], *, selectable: bool) -> ListTable:
        if not self.grouped:
            return super().make_table(rows, selectable=selectable)
        mappings = {each.pk: each for each in self.mappings}
        offered = permitted(self.offered_actions(), self.request.user)
        self.with_mappings([group.sample for group in self.groups])  # type: ignore[attr-defined]
        shown = [
            causes.CauseRow(group, mappings=mappings, url=self._records_of(group), offered=offered)
            for group in self.groups[: causes.SHOWN]
        ]
        return causes.CauseTable(shown, sort=self.sort, params=self.params)

    def _records_of(self, group: causes.Group) -> str:
        """The list of exactly these records."""
        return with_(self.params, **{GROUP: "", SORT: "", CURSOR: "", OPEN: "", CAUSE: group.fingerprint})

    def _list_context(self) -> dict[str, Any]:
        address = {CURSOR: "", OPEN: "", SORT: ""}
        context = super()._list_context()
        context["switch"] = [
            (_("Records"), with_(self.params, **address, **{GROUP: ""}), not self.grouped),
            (_("Causes"), with_(self.params, **address, **{GROUP: CAUSES}), self.grouped),
        ]
        return context | self._of_causes() if self.grouped else context

    def _of_causes(self) -> dict[str, Any]:
        """What a page of causes says otherwise: each is acted on by itself, and none is opened beside the list."""
        shown = self.groups[: causes.SHOWN]
        tab = {TAB: self.tab.name} if self.tab else {}
        context: dict[str, Any] = {
            "page": Page(shown),
            "counted": Counted(len(shown)),
            "actions": [],
            "fits": [],
            "has_panel": False,
            "opened_key": "",
            "kept": {name: self.params[name] for name in (TAB, SORT, GROUP) if self.params.get(name)},
            "clear_url": with_(QueryDict(), **tab, **{GROUP: CAUSES}),
        }
        if len(self.groups) > len(shown):
            text = _("There are more causes than these %(n)s. A filter, or another tab, shows the others.")
            context["note"] = text % {"n": causes.SHOWN}
        return context

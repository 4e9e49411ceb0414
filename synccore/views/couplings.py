"""Couplings: which records belong together, and when they last agreed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from synccore.actions import ON_COUPLINGS, ON_REMOVED
from synccore.filters import CouplingFilter
from synccore.models import Coupling, Problem
from synccore.views.coupling_table import CouplingRow, CouplingTable
from ui.actions import Action
from ui.paging import Sort
from ui.views import Tab

from .lists import RecordListPage


class CouplingsPage(RecordListPage):
    title = _("Couplings")
    intro = _("Which records belong together, when they last agreed, and which were taken apart.")
    permission = "synccore.view"
    template_name = "synccore/couplings.html"
    table_class = CouplingTable
    filter_class = CouplingFilter
    actions = (*ON_COUPLINGS, *ON_REMOVED)
    tabs = (
        Tab(
            "coupled",
            _("Coupled"),
            empty=_("No records are coupled yet. The first synchronization of a mapping couples them."),
        ),
        Tab(
            "removed",
            _("Removed"),
            explain=_(
                "Taken apart by a person. No later run couples or creates these records again, until somebody couples them"
                " again (with what they last agreed on) or allows it again."
            ),
            empty=_("No coupling was removed."),
        ),
    )
    sorts = (Sort("name", ("left_name",)), Sort("agreed", ("agreed_at",), descending=True, nullable=True))

    def rows(self) -> QuerySet[Any]:
        problem = Problem.objects.filter(coupling=OuterRef("pk")).not_ended()
        return (
            Coupling.objects.visible_to(self.request.user)
            .paired()
            .select_related("agreed_by", "removed_by")
            .defer("left_base", "right_base")
            .annotate(
                open_problem=Subquery(problem.values("pk")[:1]),
                problem_state=Subquery(problem.values("state")[:1]),
            )
        )

    def offered_actions(self) -> Sequence[Action]:
        return ON_REMOVED if self.tab and self.tab.name == "removed" else ON_COUPLINGS

    def keys(self) -> QuerySet[Any]:
        return self.scoped(Coupling.objects.paired())

    def branches(self) -> Sequence[Q]:
        if self.tab and self.tab.name == "removed":
            return (Q(removed_at__isnull=False, ended_at=None),)
        live = Q(removed_at=None, ended_at=None)
        if self.sort.name != "agreed" or not self.mappings:
            return (live,)
        # one range of the index coupling_by_agreement per mapping
        return tuple(live & Q(mapping_id=each.pk) for each in self.mappings)

    def extra(self) -> dict[str, Any]:
        in_view = self.mappings_in_view()
        return {"matchable": in_view[0] if len(in_view) == 1 else None}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [CouplingRow(coupling) for coupling in self.with_mappings(rows)]

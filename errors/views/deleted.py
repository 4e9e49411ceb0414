"""Deleted entries: what clean-ups took away in the last 30 days, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from errors.filters import DeletedFilter
from errors.tables import DeletedRow, DeletedTable
from synccore import services
from synccore.models import DeletedEntry, SynchJob
from synccore.services.entries import MOST_CHOSEN
from ui.actions import Action, Outcome
from ui.paging import Sort

from .base import DiaryPage, with_what_rows_show
from .clean_up import too_many, with_result

#: So many clean-ups are listed above the entries.
CLEAN_UPS_SHOWN = 10

BRING_BACK = Action(
    name="bring_back",
    label=gettext_lazy("Bring back"),
    permission="synccore.clean_up",
    icon="restore",
    shortcut="b",
)


class DeletedEntriesPage(DiaryPage):
    title = gettext_lazy("Deleted entries")
    intro = gettext_lazy("What clean-ups of the diary took away. It can be brought back for 30 days.")
    template_name = "errors/deleted_entries.html"
    table_class = DeletedTable
    filter_class = DeletedFilter
    actions = (BRING_BACK,)
    sorts = (Sort("deleted", ("deleted_at",), descending=True),)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.brings: SynchJob | None = None

    def rows(self) -> QuerySet[Any]:
        seen = DeletedEntry.objects.visible_to(self.request.user)  # type: ignore[arg-type]
        return with_what_rows_show(seen).select_related("deleted_by")

    def keys(self) -> QuerySet[Any]:
        return self.scoped(DeletedEntry.objects.all())

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [DeletedRow(entry) for entry in self.with_mappings(rows)]

    def names(self, rows: QuerySet[Any]) -> list[str]:
        return [str(entry) for entry in rows[:10]]

    def allowed(self, action: Action, targets: QuerySet[Any]) -> QuerySet[Any]:
        return targets

    def check_size(self, action: Action, count: int) -> None:
        """Any number: a clean-up may have taken as many."""

    def perform(self, action: Action, targets: QuerySet[Any], options: dict[str, Any]) -> Outcome:
        ids = self.chosen_ids(targets, MOST_CHOSEN)
        try:
            self.brings = services.bring_back(ids, user=self.request.user)
        except ValueError:
            return Outcome(too_many(), ok=False)
        except LookupError:
            return Outcome(_("These entries were brought back in the meantime."), ok=False)
        return Outcome("")

    def _back(self, outcome: Outcome) -> HttpResponse:
        if self.brings is None:
            return super()._back(outcome)
        return HttpResponseRedirect(with_result(self.request.get_full_path(), self.brings))

    def extra(self) -> dict[str, Any]:
        return super().extra() | {"clean_ups": services.clean_ups(self.request.user)[:CLEAN_UPS_SHOWN]}

"""Integration Synchronization Errors: the diary, and one entry's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from errors.bundle import support_bundle
from errors.filters import DiaryFilter
from errors.forms import CleanUpForm
from errors.tables import DeletedRow, EntryRow, EntryTable
from synccore import guides, roles
from synccore.actions import REMOVE_COUPLING, RETRY, SET_UP_COUPLING, SYNCHRONIZE, couplings_of
from synccore.models import Coupling, DeletedEntry, SynchJobError
from synccore.models.problem import SET_UP_ENTRIES
from synccore.services.entries import MOST_CHOSEN
from synccore.views.lists import banners, mapping_lines, may_run
from synccore.views.offers import About, offers
from ui.actions import Action, Outcome, Selection, number
from ui.paging import Sort
from ui.panels import Panel
from ui.views import Tab

from . import clean_up
from .base import DiaryPage, with_what_rows_show

DELETE_ENTRIES = Action(
    name="delete_entries",
    label=gettext_lazy("Delete Entries"),
    permission="synccore.clean_up",
    icon="trash",
    question=gettext_lazy("Delete entries?"),
    danger=True,
)

#: What can be done with the record of an entry, as it is now.
OF_ENTRIES = (SYNCHRONIZE, RETRY, SET_UP_COUPLING, REMOVE_COUPLING)


class EntriesPage(DiaryPage):
    title = gettext_lazy("Integration Synchronization Errors")
    intro = gettext_lazy(
        "What the jobs ran into, and what an administrator must change. Entries are never edited."
    )
    template_name = "errors/entries.html"
    table_class = EntryTable
    filter_class = DiaryFilter
    actions = (*OF_ENTRIES, DELETE_ENTRIES)
    has_panel = True
    tabs: tuple[Tab, ...] = (
        Tab(
            "set_up",
            gettext_lazy("Set-up"),
            explain=gettext_lazy("Faults of whole mappings or apps, brakes, and errors in Tandem."),
            empty=gettext_lazy("Nothing in the set-up needs an administrator."),
            branches=(SET_UP_ENTRIES,),
        ),
        Tab("entries", gettext_lazy("All entries"), empty=gettext_lazy("The diary is empty.")),
    )
    sorts = (Sort("time", ("at",), descending=True),)

    def rows(self) -> QuerySet[Any]:
        return SynchJobError.objects.visible_to(self.request.user).select_related("connection")  # type: ignore[arg-type]

    def keys(self) -> QuerySet[Any]:
        return self.scoped(SynchJobError.objects.all())

    def targets(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return couplings_of(rows.order_by().filter(coupling_id__isnull=False).values("coupling_id"))

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [EntryRow(entry) for entry in self.with_mappings(rows)]

    def tab_counts(self) -> Mapping[str, int]:
        numbers = self.counts()
        return {"set_up": numbers["entries_set_up"], "entries": numbers["entries"]}

    def panel(self, key: str) -> Panel | None:
        found = _entry(self.request.user, number(key))
        if found is None:
            return None
        context = panel_context(self.request, found) | {"action_url": self.request.get_full_path()}
        row = context["row"]
        gone = (
            _("This entry was deleted. It can be brought back for 30 days.") if context["is_deleted"] else ""
        )
        title = row.name or _("Entry %(n)s") % {"n": found.pk}
        return Panel(title, "errors/entry_panel.html", context, row.url, gone)

    def extra(self) -> dict[str, Any]:
        shown = self.mappings_in_view()
        return super().extra() | {
            "banners": banners(shown),
            "mapping_lines": mapping_lines(shown),
            "may_run": may_run(self.request.user),
        }

    def acts_on(self, action: Action, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows if action is DELETE_ENTRIES else super().acts_on(action, rows)

    def allowed(self, action: Action, targets: QuerySet[Any]) -> QuerySet[Any]:
        return targets if action is DELETE_ENTRIES else super().allowed(action, targets)

    def post(self, request: HttpRequest) -> HttpResponse:
        """*Delete Entries* is about the entries themselves; all other actions are about their records."""
        if DELETE_ENTRIES.name not in request.POST:
            return super().post(request)
        selection = Selection.of(request.POST, str(request.POST[DELETE_ENTRIES.name]))
        rows = self.matching() if selection.everything else self.keys().filter(pk__in=selection.keys)
        ids = self.chosen_ids(rows, MOST_CHOSEN)
        if not ids:
            return self._back(Outcome(_("Nothing is ticked. Tick the entries first."), ok=False))
        if len(ids) > MOST_CHOSEN:
            return self._back(Outcome(clean_up.too_many(), ok=False))
        return clean_up.ask(request, CleanUpForm.CHOSEN, ids=ids, back=request.get_full_path())


class EntryPage(EntriesPage):
    """One entry as it was written, also one that a clean-up took away. What is pressed here comes back here."""

    tabs = ()

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:  # type: ignore[override]
        found = _entry(request.user, pk)
        if found is None:
            raise Http404
        context = panel_context(request, found, alone=True) | {"action_url": request.path}
        coupling, may_see_stack = context["coupling"], context["may_see_stack"]
        context["page_title"] = _("Entry %(n)s") % {"n": pk}
        context["details"] = support_bundle(found, coupling, with_stack=may_see_stack)
        return render(request, "errors/entry.html", context)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:  # type: ignore[override]
        return super().post(request)


def panel_context(
    request: HttpRequest, found: SynchJobError | DeletedEntry, *, alone: bool = False
) -> dict[str, Any]:
    """Context of ``errors/entry_panel.html``, beside the diary and (``alone``) on the entry's own page."""
    coupling = Coupling.objects.visible_to(request.user).filter(pk=found.coupling_id or 0).first()
    about = About.of(found, coupling)
    wanted = (*guides.guide_for(found.code, found.kind).actions, "couple", "copy_details")
    return {
        "entry": found,
        "row": DeletedRow(found) if isinstance(found, DeletedEntry) else EntryRow(found),
        "is_deleted": isinstance(found, DeletedEntry),
        "coupling": coupling,
        "offers": offers(
            [name for name in wanted if not (alone and name == "copy_details")],
            about,
            request.user,
            on_records=OF_ENTRIES,
        ),
        "value": found.pk,
        "may_see_stack": request.user.has_perm(roles.SET_UP),  # type: ignore[union-attr]
    }


def _entry(user: Any, pk: int | None) -> SynchJobError | DeletedEntry | None:
    for table in (SynchJobError, DeletedEntry):
        rows = with_what_rows_show(table.objects.visible_to(user)).select_related("call_stack")  # type: ignore[attr-defined]
        if found := rows.filter(pk=pk).first():
            return found  # type: ignore[no-any-return]
    return None

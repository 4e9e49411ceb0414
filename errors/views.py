"""Integration Synchronization Errors: the diary, one entry's page, and the clean-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from errors.forms import CleanUpForm
from errors.tables import EntryRow, EntryTable
from synccore import roles, services
from synccore.actions import REMOVE_COUPLING, RETRY, SYNCHRONIZE, couplings_of
from synccore.filters import EntryFilter
from synccore.models import SynchJobError
from synccore.models.problem import SET_UP_ENTRIES
from synccore.views.lists import RecordListPage, banners, mapping_lines, may_run
from ui.paging import Sort
from ui.views import Tab

OLD = timedelta(days=7)


def entries_of(user: Any) -> QuerySet[SynchJobError]:
    return SynchJobError.objects.visible_to(user).select_related(
        "mapping__integration__left", "mapping__integration__right", "connection"
    )


class EntriesPage(RecordListPage):
    title = gettext_lazy("Integration Synchronization Errors")
    intro = gettext_lazy(
        "What the jobs ran into, and what an administrator must change. Entries are never edited."
    )
    permission = "synccore.view"
    template_name = "errors/entries.html"
    table_class = EntryTable
    filter_class = EntryFilter
    actions = (SYNCHRONIZE, RETRY, REMOVE_COUPLING)
    tabs = (
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
        return entries_of(self.request.user)

    def keys(self) -> QuerySet[Any]:
        return self.scoped(SynchJobError.objects.all())

    def targets(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return couplings_of(rows.order_by().filter(coupling_id__isnull=False).values("coupling_id"))

    def choices(self) -> dict[str, Any]:
        names = {(each.integration.left.name, each.integration.right.name) for each in self.mappings}
        left, right = names.pop() if len(names) == 1 else (_("the left app"), _("the right app"))
        return super().choices() | {
            "destination": [("right", f"{left} → {right}"), ("left", f"{right} → {left}")]
        }

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [EntryRow(entry) for entry in rows]

    def tab_counts(self) -> Mapping[str, int]:
        numbers = self.counts()
        return {"set_up": numbers["entries_set_up"], "entries": numbers["entries"]}

    def extra(self) -> dict[str, Any]:
        shown = self.mappings_in_view()
        return {
            "banners": banners(shown),
            "mapping_lines": mapping_lines(shown),
            "may_run": may_run(self.request.user),
            "may_clean_up": self.request.user.has_perm("synccore.clean_up"),  # type: ignore[union-attr]
        }


@require_safe
def entry(request: HttpRequest, pk: int) -> HttpResponse:
    """One entry as it was written, with its call stack."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    found = get_object_or_404(entries_of(request.user).select_related("call_stack"), pk=pk)
    row = EntryRow(found)
    context = {
        "page_title": _("Entry %(n)s") % {"n": pk},
        "entry": found,
        "row": row,
        "may_see_stack": request.user.has_perm(roles.SET_UP),  # type: ignore[union-attr]
    }
    return render(request, "errors/entry.html", context)


@require_safe
def ask_clean_up(request: HttpRequest) -> HttpResponse:
    """The question: how many go, how many stay, and that no problem changes."""
    _must_clean_up(request)
    clicked = timezone.now()
    everything = request.GET.get("which") == CleanUpForm.EVERYTHING
    older_than = None if everything else clicked - OLD
    to_delete, kept = services.count_old_entries(user=request.user, older_than=older_than)
    which = CleanUpForm.EVERYTHING if everything else CleanUpForm.WEEK
    context = {
        "page_title": _("Delete All Entries") if everything else _("Delete Entries Older than 7 Days"),
        "everything": everything,
        "older_than": older_than,
        "to_delete": to_delete,
        "kept": kept,
        "form": CleanUpForm(initial={"which": which, "clicked": clicked.isoformat()}),
        "back": reverse("errors:entries"),
    }
    return render(request, "errors/clean_up.html", context)


@require_POST
def clean_up(request: HttpRequest) -> HttpResponse:
    """Start the job that takes the entries away; the hour is that of the click on the question."""
    _must_clean_up(request)
    form = CleanUpForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("The question was not complete; nothing was deleted. Ask again."))
        return redirect("errors:entries")
    clicked = min(form.cleaned_data["clicked"] or timezone.now(), timezone.now())
    older_than = clicked - OLD if form.cleaned_data["which"] == CleanUpForm.WEEK else None
    job = services.delete_old_entries(user=request.user, older_than=older_than)
    link = format_html(
        '<a href="{}">{}</a>', reverse("synccore:job", args=[job.pk]), _("job %(n)s") % {"n": job.pk}
    )
    text = _("The entries are being deleted as {job}. It can be undone from there for 30 days.")
    messages.success(request, format_html(text, job=link))
    return redirect("errors:entries")


def _must_clean_up(request: HttpRequest) -> None:
    if not request.user.has_perm("synccore.clean_up"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.clean_up"))

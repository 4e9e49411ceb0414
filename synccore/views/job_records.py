"""The records frozen into a job, each with its result: every item, keyset pages, one tab per result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore import roles
from synccore.models import JobItem, SynchJob
from synccore.models.mapping import read_with_mappings
from synccore.tables import JobRow, State, app_names, pair_url
from ui.filters import ListFilter
from ui.paging import Sort
from ui.tables import Column, ListTable
from ui.views import ListPage, Tab

from .job_page import ITEM_LOOKS, MOVED, item_counts, jobs_of, visible
from .sentences import item_note

#: Why match-based coupling left a record alone.
UNMATCHED = {
    "match_none": gettext_lazy("Nothing matches"),
    "match_several": gettext_lazy("Several records match"),
    "match_taken": gettext_lazy("Its match is taken"),
}


class ItemFilter(ListFilter):
    q = django_filters.CharFilter(label=gettext_lazy("Number or name"), method="search")
    purpose = django_filters.ChoiceFilter(
        label=gettext_lazy("Why it is here"),
        choices=JobItem.Purpose.choices,
        empty_label=gettext_lazy("Every reason"),
    )

    note = django_filters.ChoiceFilter(
        label=gettext_lazy("Left alone because"),
        choices=list(UNMATCHED.items()),
        empty_label=gettext_lazy("Any cause"),
    )

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Q(title__icontains=value.strip()) | Q(record_id__istartswith=value.strip()))


class ItemTable(ListTable):
    caption = gettext_lazy("Records of the job")
    row_template = "synccore/job_record_row.html"
    newest_first = ()

    record = Column(gettext_lazy("Record"), sort="order")
    mapping = Column(gettext_lazy("Mapping"), narrow=True)
    result = Column(gettext_lazy("Result"))


class ItemRow:
    """A frozen record with what came of it."""

    def __init__(self, item: JobItem) -> None:
        self.item, self.pk, self.mapping = item, item.pk, item.mapping
        self.name = item.title or item.record_id
        state = JobItem.State(item.state)
        self.state = State(str(state.label), *ITEM_LOOKS[state])
        self.purpose = "" if item.purpose == JobItem.Purpose.CHOSEN else item.get_purpose_display()
        # A find's note is the sweep's own word; what came of a chosen record is said.
        said = item.note and item.purpose != JobItem.Purpose.FOUND
        self.note = item_note(item.note, app_names(item.mapping)) if said else ""
        self.url = pair_url(item.mapping_id, item.coupling_id, item.record_id)
        moved = item.note.startswith(MOVED) and item.coupling_id
        self.compare_url = reverse("coupling:compare", args=[item.coupling_id]) if moved else ""
        alone = item.coupling_id is None and item.note in UNMATCHED
        self.couple_url = _couple_url(item) if alone else ""
        if item.note in UNMATCHED:
            self.state = State(_("Left alone"), *ITEM_LOOKS[state])


def _couple_url(item: JobItem) -> str:
    """Where a record that is not coupled is coupled by hand."""
    query = {"mapping": str(item.mapping_id), "side": item.side, "id": item.record_id}
    return f"{reverse('coupling:couple')}?{urlencode(query)}"


class JobRecordsPage(ListPage):
    http_method_names = ["get", "head", "options"]  # nothing is done here
    permission = "synccore.view"
    template_name = "synccore/job_records.html"
    table_class = ItemTable
    filter_class = ItemFilter
    tabs = (
        Tab("all", gettext_lazy("All"), empty=gettext_lazy("No record was chosen for this job.")),
        *(
            Tab(
                state.value,
                state.label,
                empty=gettext_lazy("No record of the job ended this way."),
                branches=(Q(state=state),),
            )
            for state in JobItem.State
        ),
    )
    sorts = (Sort("order", ()),)

    def get(self, request: HttpRequest, pk: int = 0) -> HttpResponseBase:
        return super().get(request)

    def refusal(self, action: Any) -> str:
        return roles.refusal(self.permission)

    @cached_property
    def job(self) -> SynchJob:
        return visible(self.request, self.kwargs["pk"])

    @cached_property
    def ids(self) -> list[int]:
        """The job, or its parts that this user may see."""
        if self.job.mapping_id is not None:
            return [self.job.pk]
        parts = jobs_of(self.request.user).filter(parent=self.job)
        return [self.job.pk, *parts.values_list("pk", flat=True)]

    def rows(self) -> QuerySet[Any]:
        return read_with_mappings(self.keys())

    def keys(self) -> QuerySet[Any]:
        return JobItem.objects.filter(job__in=self.ids)

    def tab_counts(self) -> Mapping[str, int]:
        counts = item_counts(self.ids)
        purpose = self.filter.applied.get("purpose")
        chosen = [counter for name, counter in counts.items() if not purpose or name == purpose]
        by_state = sum(chosen, Counter[str]())
        return {"all": sum(by_state.values()), **{state.value: by_state[state] for state in JobItem.State}}

    def present(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [ItemRow(item) for item in rows]

    def extra(self) -> dict[str, Any]:
        row = JobRow(self.job)
        return {
            "page_title": _("Records of job %(n)s") % {"n": self.job.pk},
            "intro": row.what if self.job.mapping is None else f"{row.what} · {self.job.mapping}",
            "row": row,
        }

"""Filters of the lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from synccore import guides
from synccore.models import JobQueueEntry, Problem, SynchJob
from synccore.models.problem import KindChoices
from synccore.search import branches
from ui.filters import ListFilter
from ui.search import Words


class RecordFilter(ListFilter):
    """Filters of lists whose rows belong to couplings. ``q`` searches; ``couplings`` names the field with their id."""

    couplings = "coupling"
    reads_lists = True
    #: Whether rows are failures, so that words are also looked for in messages.
    of_failures = False

    q = django_filters.CharFilter(label=_("Search words, paste numbers"), method="search")

    @property
    def visible_mappings(self) -> list[int]:
        """Ids of the mappings this user may see, where the list offers them."""
        mapping = self.filters.get("mapping")
        return [int(pk) for pk, _name in mapping.extra.get("choices", ())] if mapping else []

    def said(self, words: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Fingerprint → those of the words that its cause's message holds. The app that owns the causes answers this."""
        return {}

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        found = self.searched
        if found is None:
            return rows
        said = self.said(found.words) if self.of_failures and isinstance(found, Words) else None
        self.branches = branches(
            found,
            self.couplings,
            text=value,
            said=said if self.of_failures else None,
            mappings=self.visible_mappings,
        )
        return rows


class ProblemFilter(RecordFilter):
    """Coupled Data Synchronization Errors and Skipped Synch. Records."""

    of_failures = True

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=KindChoices.choices, empty_label=_("All kinds")
    )
    job = django_filters.NumberFilter(label=_("Job"), field_name="last_job")
    code = django_filters.CharFilter(label=_("Code"))
    cause = django_filters.CharFilter(label=_("Cause"), field_name="fingerprint")

    def _say(self, name: str, value: Any) -> str:
        code = value
        if name == "cause":
            same = Problem.objects.filter(fingerprint=value).order_by("state", "-pk")
            code = same.values_list("code", flat=True).first()
        page = guides.explain(code) if name in ("code", "cause") and code else None
        return page.title if page else super()._say(name, value)


class EntryFilter(RecordFilter):
    """Integration Synchronization Errors."""

    couplings = "coupling_id"
    of_failures = True

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=KindChoices.choices, empty_label=_("All kinds")
    )
    destination = django_filters.ChoiceFilter(label=_("Direction"), empty_label=_("Both directions"))
    job = django_filters.NumberFilter(label=_("Job"), field_name="job_id")
    problem = django_filters.NumberFilter(label=_("Problem"), field_name="problem_id")


class CouplingFilter(RecordFilter):
    """Couplings."""

    couplings = "pk"

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )


class JobFilter(ListFilter):
    """Integration Synchronization Jobs."""

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    state = django_filters.ChoiceFilter(
        label=_("State"), choices=SynchJob.State.choices, empty_label=_("All states")
    )
    origin = django_filters.ChoiceFilter(
        label=_("Started by"), choices=SynchJob.Origin.choices, empty_label=_("Schedule or person")
    )


class QueueFilter(ListFilter):
    """Job Queue Entries."""

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    status = django_filters.ChoiceFilter(
        label=_("Status"), choices=JobQueueEntry.Status.choices, empty_label=_("Every status")
    )

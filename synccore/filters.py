"""Filters of the lists, and the search by the beginning of a number or a name."""

from __future__ import annotations

import re
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from synccore import guides
from synccore.models import Coupling, JobQueueEntry, SynchJob
from synccore.models.problem import KindChoices
from ui.filters import ListFilter

MOST_PARTS = 200
_BETWEEN = re.compile(r"[,;\n\t]+")


def couplings_named(text: str) -> QuerySet[Coupling]:
    """Couplings one of whose numbers or names begins with the text, or with one of several split by commas."""
    parts = [part.strip().lower() for part in _BETWEEN.split(text) if part.strip()][:MOST_PARTS]
    if not parts:
        return Coupling.objects.none()
    names = ("left_key", "right_key", "left_name", "right_name")
    wanted = Q()
    for part in parts:
        for name in names:
            wanted |= Q(**{f"low_{name}__startswith": part})
    # Spelled as LOWER(column) LIKE 'text%', which the text_pattern_ops indexes answer.
    low = {f"low_{name}": Lower(name) for name in names}
    return Coupling.objects.alias(**low).filter(wanted)


class ProblemFilter(ListFilter):
    """Coupled Data Synchronization Errors and Skipped Synch. Records."""

    q = django_filters.CharFilter(label=_("Number or name"), method="search")
    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=KindChoices.choices, empty_label=_("All kinds")
    )
    job = django_filters.NumberFilter(label=_("Job"), field_name="last_job")
    code = django_filters.CharFilter(label=_("Code"))

    def _say(self, name: str, value: Any) -> str:
        page = guides.explain(value) if name == "code" else None
        return page.title if page else super()._say(name, value)

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        named = Q(coupling__in=couplings_named(value).values("pk"))
        known = guides.codes_known_as(value)  # a message as Business Central writes it, pasted
        return rows.filter(named | Q(code__in=known)) if known else rows.filter(named)


class EntryFilter(ListFilter):
    """Integration Synchronization Errors."""

    q = django_filters.CharFilter(label=_("Number or name"), method="search")
    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=KindChoices.choices, empty_label=_("All kinds")
    )
    destination = django_filters.ChoiceFilter(label=_("Direction"), empty_label=_("Both directions"))
    job = django_filters.NumberFilter(label=_("Job"), field_name="job_id")
    problem = django_filters.NumberFilter(label=_("Problem"), field_name="problem_id")

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return rows.filter(coupling_id__in=couplings_named(value).values("pk"))


class CouplingFilter(ListFilter):
    """Couplings."""

    q = django_filters.CharFilter(label=_("Number or name"), method="search")
    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )

    def search(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return rows.filter(pk__in=couplings_named(value).values("pk"))


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

"""Filters of the lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet, TextChoices
from django.forms import DateInput
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from synccore import guides
from synccore.models import JobQueueEntry, Journal, Problem, SynchJob
from synccore.models.problem import KindChoices
from synccore.search import branches
from ui.filters import ListFilter
from ui.search import Words

DAY = DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class MappingFilter(ListFilter):
    """Filters of lists whose rows belong to mappings: which integration, where there are several (the top bar's switch)."""

    integration = django_filters.ChoiceFilter(
        label=_("Integration"), choices=(), method="of_integration", empty_label=_("All integrations")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(self.filters["integration"].extra["choices"]) < 2:
            del self.filters["integration"], self.form.fields["integration"]

    def of_integration(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return rows.filter(mapping__integration=value)


class RecordFilter(MappingFilter):
    """Filters of lists whose rows belong to couplings. ``q`` searches; ``couplings`` names the field with their id."""

    couplings = "coupling"
    reads_lists = True
    from_elsewhere: tuple[str, ...] = ("job", "problem", "kept", "purge", "code", "cause")
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


class Days(TextChoices):
    """Days on which something failed, in the reader's time zone."""

    TODAY = "today", _("Today")
    WEEK = "7", _("Last 7 days")
    MONTH = "30", _("Last 30 days")
    RANGE = "range", _("From … to …")


class FailureFilter(RecordFilter):
    """Filters of lists of failures. ``moment`` names the field that says when it failed."""

    moment = ""
    of_failures = True

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    kind = django_filters.ChoiceFilter(
        label=_("Kind"), choices=KindChoices.choices, empty_label=_("All kinds")
    )
    failed = django_filters.ChoiceFilter(
        label=_("Failed on"), choices=Days.choices, empty_label=_("Any day"), method="on_days"
    )
    failed_from = django_filters.DateFilter(label=_("From"), method="from_day", widget=DAY)
    failed_to = django_filters.DateFilter(label=_("To"), method="to_day", widget=DAY)

    @property
    def offered(self) -> list[Any]:
        """The two days of a range stand there once a range is wanted."""
        wanted = self.form["failed"].data == Days.RANGE
        return [
            field
            for field in super().offered
            if wanted or field.data or field.name not in ("failed_from", "failed_to")
        ]

    def _say(self, name: str, value: Any) -> str:
        return "" if (name, value) == ("failed", Days.RANGE) else super()._say(name, value)

    def on_days(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        back = {Days.TODAY: 0, Days.WEEK: 6, Days.MONTH: 29}.get(Days(value))
        return rows if back is None else self._since(rows, timezone.localdate() - timedelta(days=back))

    def from_day(self, rows: QuerySet[Any], _name: str, value: date) -> QuerySet[Any]:
        return self._since(rows, value)

    def to_day(self, rows: QuerySet[Any], _name: str, value: date) -> QuerySet[Any]:
        after = value + timedelta(days=1) if value < date.max else value
        return rows.filter(**{f"{self.moment}__lt": _midnight(after)})

    def _since(self, rows: QuerySet[Any], day: date) -> QuerySet[Any]:
        return rows.filter(**{f"{self.moment}__gte": _midnight(day)})


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class ProblemFilter(FailureFilter):
    """Coupled Data Synchronization Errors and Skipped Synch. Records."""

    moment = "last_failure"

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


class EntryFilter(FailureFilter):
    """Integration Synchronization Errors."""

    couplings = "coupling_id"
    moment = "at"

    destination = django_filters.ChoiceFilter(label=_("Direction"), empty_label=_("Both directions"))
    job = django_filters.NumberFilter(label=_("Job"), field_name="job_id")
    problem = django_filters.NumberFilter(label=_("Problem"), field_name="problem_id")


class CouplingFilter(RecordFilter):
    """Couplings."""

    couplings = "pk"

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )


class JournalFilter(RecordFilter):
    """The journal."""

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    operation = django_filters.ChoiceFilter(
        label=_("Operation"), choices=Journal.Operation.choices, empty_label=_("Every operation")
    )
    side = django_filters.ChoiceFilter(label=_("App"), empty_label=_("Both apps"))
    state = django_filters.ChoiceFilter(
        label=_("State"), choices=Journal.State.choices, empty_label=_("All states")
    )
    job = django_filters.NumberFilter(label=_("Job"), field_name="job_id")
    record = django_filters.CharFilter(label=_("Record id"), field_name="record_id")


class JobFilter(MappingFilter):
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


class QueueFilter(MappingFilter):
    """Job Queue Entries."""

    mapping = django_filters.ChoiceFilter(
        label=_("Mapping"), field_name="mapping_id", empty_label=_("All mappings")
    )
    status = django_filters.ChoiceFilter(
        label=_("Status"), choices=JobQueueEntry.Status.choices, empty_label=_("Every status")
    )

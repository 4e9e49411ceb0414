"""Filters of the diary and of its deleted entries."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from errors.search import InMessages
from synccore.filters import EntryFilter
from synccore.models import SynchJob
from synccore.services import kept_by


class DiaryFilter(InMessages, EntryFilter):
    """Integration Synchronization Errors. ``kept``: what a clean-up left in the diary, by its job."""

    kept = django_filters.NumberFilter(label=gettext_lazy("Kept by clean-up, job"), method="kept_by")

    def kept_by(self, rows: QuerySet[Any], _name: str, value: Any) -> QuerySet[Any]:
        job = SynchJob.objects.filter(verb="purge", pk=value).first()
        return rows.filter(pk__in=kept_by(job).values("pk")) if job else rows.none()


class DeletedFilter(InMessages, EntryFilter):
    """Deleted entries. ``purge``: those of one clean-up."""

    purge = django_filters.UUIDFilter(label=gettext_lazy("Clean-up"))

    def _say(self, name: str, value: Any) -> str:
        if name != "purge":
            return super()._say(name, value)
        job = SynchJob.objects.filter(verb="purge", options__purge=str(value)).first()
        return _("job %(n)s") % {"n": job.pk} if job else str(value)

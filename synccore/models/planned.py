"""What a run would do with each record, as the last *Records to be synchronized* of a mapping found it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from synccore.engine.rules import StepKind

from .job import SynchJob
from .mapping import SideChoices, TableMapping
from .problem import KindChoices
from .scoping import ScopedQuerySet


class PlannedRecord(models.Model):
    """One record and what a run would have done with it at that moment. Sensitive values are blanked.

    A new dry run of the mapping replaces those of the last one.
    """

    class Step(models.TextChoices):
        CREATE = StepKind.CREATE.value, _("New record")
        WRITE = StepKind.WRITE.value, _("Fields are written")
        DELETE = StepKind.DELETE.value, _("Deleted")
        UNCOUPLE = StepKind.UNCOUPLE.value, _("Coupling removed")
        END = StepKind.END.value, _("Coupling ends")
        FAIL = StepKind.FAIL.value, _("Would fail")
        UNCHANGED = StepKind.UNCHANGED.value, _("Nothing to write")
        IGNORED = StepKind.IGNORED.value, _("Left out")
        LEFT_FILTER = StepKind.LEFT_FILTER.value, _("Outside the filter")

    job = models.ForeignKey(SynchJob, models.CASCADE, related_name="planned")
    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="planned")
    title = models.TextField(blank=True, default="")
    step = models.CharField(max_length=15, choices=Step)
    why = models.CharField(max_length=60, blank=True, default="")
    #: The side that is written to, "" where none is.
    side = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    #: {"right": {"name": "Van Dijk"}}: what would be written, as text.
    writes = models.JSONField(default=dict)
    kind = models.CharField(max_length=14, choices=KindChoices, blank=True, default="")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name = _("record to be synchronized")
        verbose_name_plural = _("records to be synchronized")
        # The result page: records of a dry run in the order it met them, and of one step.
        indexes = [models.Index(fields=["job", "step", "id"], name="planned_of_job")]

    def __str__(self) -> str:
        return f"{self.title}: {self.step}"

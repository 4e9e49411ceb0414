"""The journal: the intention and the proof of every write to a business app, sealed page by page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _

from .coupling import Coupling
from .job import SynchJob
from .mapping import SideChoices, TableMapping
from .scoping import ScopedQuerySet


class JournalSeal(models.Model):
    """sha256 over the journal rows that one committed page settled, chained to the job's seal before it."""

    job = models.ForeignKey(SynchJob, models.CASCADE, related_name="seals")
    page = models.PositiveIntegerField()
    previous = models.CharField(max_length=64, blank=True, default="")
    digest = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "page"], name="one_seal_per_page")]

    def __str__(self) -> str:
        return self.digest[:12]


#: How long what was written can be undone.
UNDO_WINDOW: Final = timedelta(days=30)


class JournalQuerySet(ScopedQuerySet):
    def written(self) -> Self:
        """Rows that changed a record in an app, or what synchronises, and still know their pair."""
        return self.filter(
            state=Journal.State.DONE, operation__in=Journal.CAN_BE_UNDONE, coupling__isnull=False
        )

    def not_undone(self) -> Self:
        """Nobody undid them, or whoever tried was refused by the app. The other row is read by its key, for each that names
        one: no join of the journal with itself."""
        other = Journal.objects.filter(pk=OuterRef("undone_by")).values("state")[:1]
        return self.alias(_other=Subquery(other)).filter(Q(undone_by=None) | Q(_other=Journal.State.FAILED))

    def undoable(self, now: datetime) -> Self:
        """What *Undo* can still take back."""
        return self.written().not_undone().filter(at__gte=now - UNDO_WINDOW)


class Journal(models.Model):
    """One write to one app. ``intended`` is committed before the app hears of it (ENGINE §6).

    Moves: intended → done | failed | unknown; unknown → done | failed. ``before`` and ``values`` are typed JSON
    (``engine.images.dump_values``); ``before`` of a delete holds every readable field.
    """

    class Operation(models.TextChoices):
        CREATE = "create", _("Create")
        UPDATE = "update", _("Update")
        DELETE = "delete", _("Delete")
        COUPLE = "couple", _("Couple")
        UNCOUPLE = "uncouple", _("Remove coupling")
        RECOUPLE = "recouple", _("Coupling put back")
        END = "end", _("Coupling ended")

    class State(models.TextChoices):
        INTENDED = "intended", _("Intended")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Outcome unknown")

    CAN_BE_UNDONE = (
        Operation.CREATE,
        Operation.UPDATE,
        Operation.DELETE,
        Operation.COUPLE,
        Operation.UNCOUPLE,
    )

    job = models.ForeignKey(SynchJob, models.PROTECT, related_name="journal")
    mapping = models.ForeignKey(TableMapping, models.PROTECT, related_name="+")
    coupling = models.ForeignKey(Coupling, models.SET_NULL, null=True, related_name="journal")
    side = models.CharField(max_length=5, choices=SideChoices)
    operation = models.CharField(max_length=10, choices=Operation)
    record_id = models.TextField(blank=True, default="")
    version = models.TextField(blank=True, default="")
    #: Where the write left the record, as far as the app told: undoing asks whether it moved since.
    version_after = models.TextField(blank=True, default="", db_default="")
    before = models.JSONField(default=dict)
    values = models.JSONField(default=dict)
    #: What the write replaces that the other app's value was not the base of: field → canonical text lost.
    overwrites = models.JSONField(default=dict)
    #: What both records looked like when this was decided: side → [id, version, base image]. Lets a run that finds the
    #: intention of a dead one put the memory right.
    basis = models.JSONField(default=dict)
    key = models.UUIDField()
    state = models.CharField(max_length=10, choices=State, default=State.INTENDED)
    at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    seal = models.ForeignKey(JournalSeal, models.PROTECT, null=True, related_name="journal")
    #: The write that took this one back (or tried to: its state says what came of it).
    undone_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="undoes")

    objects = JournalQuerySet.as_manager()

    class Meta:
        verbose_name = _("journal row")
        verbose_name_plural = _("journal")
        indexes = [
            models.Index(
                fields=["mapping", "id"], condition=Q(state__in=["intended", "unknown"]), name="journal_open"
            ),
            models.Index(fields=["coupling", "-id"], name="journal_of_coupling"),
            # The journal's page: filtered by mapping, and its tabs
            models.Index(fields=["mapping", "-id"], name="journal_of_mapping"),
            models.Index(fields=["-id"], condition=Q(state="failed"), name="journal_failed"),
            models.Index(fields=["-id"], condition=Q(undone_by__isnull=False), name="journal_undone"),
            models.Index(fields=["mapping", "side", "record_id"], name="journal_of_record"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.record_id} ({self.state})"

    @property
    def is_undone(self) -> bool:
        """Taken back, or about to be; a try that the app refused does not count."""
        return self.undone_by is not None and self.undone_by.state != Journal.State.FAILED

    def can_be_undone(self, now: datetime) -> bool:
        """As :meth:`JournalQuerySet.undoable`, of a row that was loaded with ``undone_by``."""
        return (
            self.state == Journal.State.DONE
            and self.operation in Journal.CAN_BE_UNDONE
            and self.coupling_id is not None
            and not self.is_undone
            and self.at >= now - UNDO_WINDOW
        )


class JobSeal(models.Model):
    """The last seal of a job, chained to the job before it. Small; retention never removes it."""

    job_id = models.BigIntegerField(db_index=True)
    #: The job's last page seal; kept here so that the chain can be recomputed when the job is long gone.
    seal = models.CharField(max_length=64)
    previous = models.CharField(max_length=64, blank=True, default="")
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.digest[:12]

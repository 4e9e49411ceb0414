"""Synchronisation jobs, the records frozen into them, their log, and the schedules that start them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .connection import Connection
from .coupling import Coupling
from .mapping import SideChoices, TableMapping
from .problem import CallStack, KindChoices
from .scoping import ScopedQuerySet

#: Each record a job looked at ends in exactly one of these; scanned is their sum.
OUTCOMES = ("inserted", "modified", "deleted", "unchanged", "skipped", "waiting", "failed")
#: Counted besides.
EXTRAS = ("coupled", "uncoupled")


class JobQuerySet(ScopedQuerySet):
    def unfinished(self) -> JobQuerySet:
        return self.filter(state__in=(SynchJob.State.QUEUED, SynchJob.State.RUNNING))


class SynchJob(models.Model):
    """One run of a verb. The row exists before the queue hears of it and is the truth about it.

    Moves: queued → running → finished | failed | cancelled; queued → cancelled; running → queued when it stops between
    two pages (shutdown, new revision, frozen items ahead). A lease keeps two workers apart: ``lease_no`` rises with each
    take-over and every write of the worker is conditional on it.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Stopped by an error")
        CANCELLED = "cancelled", _("Cancelled")

    class Scope(models.TextChoices):
        CHANGES = "changes", _("Modified records")
        FULL = "full", _("All records")
        SWEEP = "sweep", _("Sweep")
        SINCE = "since", _("Changes since a date")
        DUE = "due", _("Due retries")
        ITEMS = "items", _("Chosen records")

    class Origin(models.TextChoices):
        SCHEDULE = "schedule", _("Schedule")
        PERSON = "person", _("By hand")
        COMMAND = "command", _("Command line")
        ENGINE = "engine", _("Tandem")

    verb = models.CharField(max_length=20)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.CHANGES)
    mapping = models.ForeignKey(TableMapping, models.CASCADE, null=True, related_name="jobs")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, related_name="jobs")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    #: A line of a full synchronization: it starts as soon as the lines of ``needs`` in the same press have ended well.
    #: Other parts of a press start one after the other.
    is_line = models.BooleanField(default=False, db_default=False)
    needs = models.ManyToManyField(TableMapping, related_name="needed_by")
    entry = models.ForeignKey("JobQueueEntry", models.SET_NULL, null=True, related_name="jobs")
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.PERSON)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    options = models.JSONField(default=dict)
    pressed_at = models.DateTimeField(null=True)

    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    lease_no = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    checkpoint = models.JSONField(default=dict)
    pages = models.PositiveIntegerField(default=0)
    mapping_revision = models.PositiveIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True, default="")

    inserted = models.PositiveIntegerField(default=0)
    modified = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    coupled = models.PositiveIntegerField(default=0)
    uncoupled = models.PositiveIntegerField(default=0)
    #: {"right": {"inserted": 3, …}, "left": {…}}: the same counters by the side that was written to (or read for).
    by_direction = models.JSONField(default=dict)
    #: Records known to be in front of it, where that is known.
    total = models.PositiveIntegerField(null=True)

    kind = models.CharField(max_length=14, choices=KindChoices, blank=True, default="")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    app_message = models.TextField(blank=True, default="")
    side = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    call_stack = models.ForeignKey(CallStack, models.PROTECT, null=True, related_name="+")

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("integration synchronization job")
        verbose_name_plural = _("integration synchronization jobs")
        constraints = [
            models.UniqueConstraint(
                fields=["mapping"],
                condition=Q(state="running", mapping__isnull=False) & ~Q(scope="sweep"),
                name="one_running_job_per_mapping",
            ),
            models.UniqueConstraint(
                fields=["mapping"],
                condition=Q(state="running", mapping__isnull=False, scope="sweep"),
                name="one_running_sweep_per_mapping",
            ),
            models.UniqueConstraint(
                fields=["mapping", "scope", "verb"],
                condition=Q(state="queued", mapping__isnull=False) & ~Q(scope="items"),
                name="one_queued_job_per_scope",
            ),
            models.UniqueConstraint(
                fields=["connection", "verb"],
                condition=Q(state="queued", mapping=None, connection__isnull=False),
                name="one_queued_job_per_connection",
            ),
        ]
        indexes = [
            models.Index(fields=["-queued_at", "-id"], name="job_by_time"),
            models.Index(fields=["mapping", "-queued_at", "-id"], name="job_of_mapping"),
            models.Index(fields=["state", "lease_until"], condition=Q(state="running"), name="job_lease"),
            models.Index(fields=["id"], condition=Q(state="queued"), name="job_queued"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} #{self.pk}"

    @property
    def scanned(self) -> int:
        return sum(getattr(self, name) for name in OUTCOMES)

    @property
    def is_unfinished(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)


class JobItem(models.Model):
    """A record frozen into a job: chosen by a person, found by a sweep, or collected for the end of a run."""

    class Purpose(models.TextChoices):
        CHOSEN = "chosen", _("Chosen")
        FOUND = "found", _("Found by a sweep")
        DELETION = "deletion", _("Deletion, to be carried out last")
        CREATION = "creation", _("New record past the limit")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        NOT_APPLICABLE = "not_applicable", _("No longer applies")
        CANCELLED = "cancelled", _("Cancelled")

    job = models.ForeignKey(SynchJob, models.CASCADE, related_name="items")
    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="+")
    coupling = models.ForeignKey(Coupling, models.CASCADE, null=True, related_name="+")
    side = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    record_id = models.TextField(blank=True, default="")
    title = models.TextField(blank=True, default="")
    purpose = models.CharField(max_length=10, choices=Purpose)
    state = models.CharField(max_length=15, choices=State, default=State.OPEN)
    note = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mapping", "side", "record_id"],
                condition=Q(state="open", purpose="found"),
                name="one_open_find_per_record",
            ),
            models.UniqueConstraint(
                fields=["job", "coupling"], condition=Q(purpose="chosen"), name="chosen_once_per_job"
            ),
        ]
        indexes = [
            models.Index(fields=["job", "state", "id"], name="item_of_job"),
            models.Index(fields=["mapping", "purpose", "id"], condition=Q(state="open"), name="item_open"),
        ]

    def __str__(self) -> str:
        return f"{self.record_id or self.coupling_id} ({self.state})"


class JobLog(models.Model):
    """One line of a job's log: a code with its facts; the sentence is chosen when it is read."""

    job = models.ForeignKey(SynchJob, models.CASCADE, related_name="log")
    at = models.DateTimeField()
    code = models.CharField(max_length=60)
    params = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.code


class JobQueueEntry(models.Model):
    """A schedule: what runs, how often, when next. *Late* is computed; only *On Hold* stops it."""

    class Status(models.TextChoices):
        READY = "ready", _("Ready")
        IN_PROCESS = "in_process", _("In Process")
        ON_HOLD = "on_hold", _("On Hold")
        ERROR = "error", _("Error")

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="queue_entries")
    scope = models.CharField(max_length=10, choices=SynchJob.Scope, default=SynchJob.Scope.CHANGES)
    interval_seconds = models.PositiveIntegerField(default=1800)
    status = models.CharField(max_length=10, choices=Status, default=Status.READY)
    next_run = models.DateTimeField()
    last_run = models.DateTimeField(null=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("job queue entry")
        verbose_name_plural = _("job queue entries")
        constraints = [
            models.UniqueConstraint(fields=["mapping", "scope"], name="one_schedule_per_scope"),
            models.CheckConstraint(condition=Q(interval_seconds__gte=5), name="interval_at_least_5_s"),
        ]
        indexes = [models.Index(fields=["next_run"], condition=~Q(status="on_hold"), name="queue_entry_due")]

    def __str__(self) -> str:
        return f"{self.mapping} {self.scope}"

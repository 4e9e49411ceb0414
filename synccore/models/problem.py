"""What is wrong now (problems), what was tried (entries), and how many of each there are (stat)."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from synccore.failures import Kind

from .connection import Connection
from .coupling import Coupling
from .mapping import SideChoices, TableMapping
from .scoping import ScopedQuerySet


class KindChoices(models.TextChoices):
    """One word per thing on every page (GLOSSARY)."""

    TRANSIENT = Kind.TRANSIENT.value, _("Temporary fault")
    BLOCKED = Kind.BLOCKED.value, _("Waits for another record")
    REJECTED = Kind.REJECTED.value, _("Value refused")
    CONFLICT = Kind.CONFLICT.value, _("Changed in both apps")
    MISSING = Kind.MISSING.value, _("Deleted in one app")
    MISCONFIGURED = Kind.MISCONFIGURED.value, _("Set-up problem")
    STOPPED = Kind.STOPPED.value, _("Stopped for safety")
    UNRECOGNISED = Kind.UNRECOGNISED.value, _("Answer not recognised")
    BUG = Kind.BUG.value, _("Error in Tandem")


#: Skipped records of these kinds wait for the administrator, all others for the record's owner.
ADMINISTRATORS_KINDS = (Kind.MISCONFIGURED.value, Kind.BUG.value)

#: Entries of these kinds stand on the diary's tab *Set-up*, and so does every entry that is of no single record.
SET_UP_KINDS = (*ADMINISTRATORS_KINDS, Kind.STOPPED.value)
SET_UP_ENTRIES = Q(kind__in=SET_UP_KINDS) | Q(coupling_id=None)


class Bucket(models.Model):
    """A mapping × direction × kind × code combination that occurs; filters resolve to ids of these few rows."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, null=True, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, related_name="+")
    #: Side the failed try wrote to; "" where it got no further than reading.
    destination = models.CharField(max_length=5, blank=True, default="")
    kind = models.CharField(max_length=14, choices=KindChoices, blank=True, default="")
    code = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mapping", "connection", "destination", "kind", "code"],
                name="bucket_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.mapping_id}/{self.destination}/{self.kind}/{self.code}"


class CallStack(models.Model):
    """A traceback or support detail, stored once per content."""

    digest = models.CharField(max_length=64, primary_key=True)
    text = models.TextField()

    def __str__(self) -> str:
        return self.digest[:12]


class ProblemQuerySet(ScopedQuerySet):
    """The tabs of the desk are methods here: a tab is a function of state and kind."""

    def of_records(self) -> Self:
        return self.filter(coupling__isnull=False)

    def of_setup(self) -> Self:
        """Problems of a mapping or a connection: the desk's banners."""
        return self.filter(coupling=None)

    def open(self) -> Self:
        return self.filter(state__in=Problem.OPEN)

    def not_ended(self) -> Self:
        return self.exclude(state=Problem.State.ENDED)

    def needs_you(self) -> Self:
        return self.filter(state=Problem.State.SKIPPED).exclude(kind__in=ADMINISTRATORS_KINDS)

    def with_the_administrator(self) -> Self:
        return self.filter(state=Problem.State.SKIPPED, kind__in=ADMINISTRATORS_KINDS)

    def waiting(self) -> Self:
        return self.filter(state=Problem.State.WAITING)

    def will_retry(self) -> Self:
        return self.filter(state=Problem.State.RETRYING)


class Problem(models.Model):
    """One episode of something being wrong with a coupling or, without one, with a mapping or connection.

    Moves: (new) → retrying | waiting | skipped | on_purpose; any open state → any open state, on_purpose or ended;
    on_purpose → open states or ended; ended is final (the next failure starts a new episode).
    Only ``synccore.verbs.problems`` writes states.
    """

    class State(models.TextChoices):
        RETRYING = "retrying", _("Will retry")
        WAITING = "waiting", _("Waiting")
        SKIPPED = "skipped", _("Skipped")
        ON_PURPOSE = "on_purpose", _("Left out on purpose")
        ENDED = "ended", _("Ended")

    class Ending(models.TextChoices):
        FIXED = "fixed", _("Fixed")
        SUPERSEDED = "superseded", _("Superseded")
        ACCEPTED = "accepted", _("Accepted")
        DELETED = "deleted", _("Deleted by a person")
        REMOVED = "removed", _("Coupling removed")

    OPEN = (State.RETRYING, State.WAITING, State.SKIPPED)

    coupling = models.ForeignKey(Coupling, models.PROTECT, null=True, related_name="problems")
    mapping = models.ForeignKey(TableMapping, models.CASCADE, null=True, related_name="problems")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, related_name="problems")

    kind = models.CharField(max_length=14, choices=KindChoices, blank=True, default="")
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    app_message = models.TextField(blank=True, default="")
    #: The side whose app spoke ("CRM answered:"); "" where Tandem found it.
    side = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    destination = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    bucket = models.ForeignKey(Bucket, models.PROTECT, related_name="+")
    call_stack = models.ForeignKey(CallStack, models.PROTECT, null=True, related_name="+")
    name = models.TextField(
        blank=True, default=""
    )  # for sorting and search; the record's title at its last failure

    state = models.CharField(max_length=10, choices=State)
    attempts = models.PositiveIntegerField(default=0)
    #: Those of the attempts that a person asked for, after the first: they do not lengthen the waits.
    by_hand = models.PositiveIntegerField(default=0, db_default=0)
    next_attempt = models.DateTimeField(null=True)
    requested_at = models.DateTimeField(null=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    blocker_mapping = models.ForeignKey(TableMapping, models.SET_NULL, null=True, related_name="+")
    blocker_side = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    blocker_record = models.TextField(blank=True, default="")

    #: Hash of the mapped fields per side as they were when it failed: a change of one of them brings it back.
    left_seen = models.CharField(max_length=64, blank=True, default="")
    right_seen = models.CharField(max_length=64, blank=True, default="")
    #: The versions it failed at: repeats of the same reading are told apart without looking at fields.
    left_seen_version = models.TextField(blank=True, default="")
    right_seen_version = models.TextField(blank=True, default="")
    mapping_revision = models.PositiveIntegerField(default=0)

    since = models.DateTimeField()
    last_failure = models.DateTimeField(null=True)
    found_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    first_job = models.BigIntegerField(null=True)
    last_job = models.BigIntegerField(null=True)
    first_entry = models.BigIntegerField(null=True)
    last_entry = models.BigIntegerField(null=True)

    reason = models.TextField(blank=True, default="")  # why it was left out on purpose
    until = models.DateTimeField(null=True)  # when it comes back from being left out
    left_out_at = models.DateTimeField(null=True)
    left_out_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    ending = models.CharField(max_length=10, choices=Ending, blank=True, default="")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    ended_job = models.BigIntegerField(null=True)

    objects = ProblemQuerySet.as_manager()

    class Meta:
        verbose_name = _("problem")
        verbose_name_plural = _("problems")
        constraints = [
            models.UniqueConstraint(
                fields=["coupling"],
                condition=~Q(state="ended") & Q(coupling__isnull=False),
                name="one_problem_per_coupling",
            ),
            models.UniqueConstraint(
                fields=["mapping", "code"],
                condition=~Q(state="ended") & Q(coupling=None, mapping__isnull=False),
                name="one_problem_per_mapping_and_code",
            ),
            models.UniqueConstraint(
                fields=["connection", "code"],
                condition=~Q(state="ended") & Q(coupling=None, mapping=None),
                name="one_problem_per_connection_and_code",
            ),
            models.CheckConstraint(
                condition=Q(mapping__isnull=False) | Q(connection__isnull=False),
                name="problem_is_of_something",
            ),
            models.CheckConstraint(
                condition=(Q(state="ended") & ~Q(ending="") & Q(ended_at__isnull=False))
                | (~Q(state="ended") & Q(ending="")),
                name="problem_ended_says_how",
            ),
        ]
        indexes = [
            # tabs Needs you, With the administrator, Waiting, Will retry, by since
            models.Index(
                fields=["state", "-since", "-id"], condition=~Q(state="ended"), name="problem_tab_since"
            ),
            # the same by last failure and by name, within one bucket
            models.Index(
                fields=["state", "-last_failure", "-id"],
                condition=~Q(state="ended"),
                name="problem_tab_failed",
            ),
            models.Index(
                fields=["state", "name", "id"], condition=~Q(state="ended"), name="problem_tab_name"
            ),
            models.Index(
                fields=["bucket", "state", "-since", "-id"],
                condition=~Q(state="ended"),
                name="problem_bucket_since",
            ),
            # tab Ended
            models.Index(fields=["-ended_at", "-id"], condition=Q(state="ended"), name="problem_ended"),
            # due retries of a mapping
            models.Index(
                fields=["mapping", "next_attempt"],
                condition=Q(next_attempt__isnull=False),
                name="problem_due",
            ),
            # pressed Retry, in the next synchronization
            models.Index(
                fields=["mapping", "id"], condition=Q(requested_at__isnull=False), name="problem_requested"
            ),
            # what waits for this record
            models.Index(
                fields=["blocker_mapping", "blocker_side", "blocker_record"],
                condition=~Q(state="ended") & ~Q(blocker_record=""),
                name="problem_blocker",
            ),
            models.Index(fields=["fingerprint", "state"], name="problem_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"{self.code} ({self.state})"


class EntryFields(models.Model):
    """What an entry says; shared with the entries that were deleted and can be brought back for 30 days."""

    at = models.DateTimeField()
    job_id = models.BigIntegerField(null=True)
    mapping = models.ForeignKey(TableMapping, models.CASCADE, null=True, related_name="+")
    connection = models.ForeignKey(Connection, models.CASCADE, null=True, related_name="+")
    coupling_id = models.BigIntegerField(null=True)
    problem_id = models.BigIntegerField(null=True)
    left_id = models.TextField(blank=True, default="")
    right_id = models.TextField(blank=True, default="")
    left_title = models.TextField(blank=True, default="")
    right_title = models.TextField(blank=True, default="")
    destination = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    side = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    kind = models.CharField(max_length=14, choices=KindChoices)
    code = models.CharField(max_length=60)
    params = models.JSONField(default=dict)
    app_message = models.TextField(blank=True, default="")
    fingerprint = models.CharField(max_length=64)
    bucket = models.ForeignKey(Bucket, models.PROTECT, related_name="+")
    call_stack = models.ForeignKey(CallStack, models.PROTECT, null=True, related_name="+")

    class Meta:
        abstract = True


class EntryQuerySet(ScopedQuerySet):
    def relevant(self) -> Self:
        """First and last entry of a problem that has not ended: kept by every clean-up."""
        open_problems = Problem.objects.not_ended()
        return self.filter(
            Q(pk__in=open_problems.filter(first_entry__isnull=False).values("first_entry"))
            | Q(pk__in=open_problems.filter(last_entry__isnull=False).values("last_entry"))
        )

    def no_longer_relevant(self) -> Self:
        return self.exclude(pk__in=self.model.objects.relevant().values("pk"))


class SynchJobError(EntryFields):
    """*Entry*: one failed try, never edited. Equal tries after it are only counted on the problem."""

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("integration synchronization error")
        verbose_name_plural = _("integration synchronization errors")
        indexes = [
            models.Index(fields=["-at", "-id"], name="entry_by_time"),
            models.Index(fields=["bucket", "-at", "-id"], name="entry_bucket_time"),
            models.Index(fields=["job_id", "id"], name="entry_of_job"),
            models.Index(fields=["coupling_id", "-id"], name="entry_of_coupling"),
            models.Index(fields=["problem_id", "-id"], name="entry_of_problem"),
            models.Index(fields=["fingerprint", "-at"], name="entry_of_cause"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.code}"


class DeletedEntry(EntryFields):
    """An entry taken away by a clean-up, kept 30 days so that the clean-up can be undone. Keeps the entry's own id."""

    id = models.BigIntegerField(primary_key=True)
    purge = models.UUIDField(db_index=True)
    deleted_at = models.DateTimeField()
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    objects = ScopedQuerySet.as_manager()

    class Meta:
        verbose_name = _("deleted entry")
        verbose_name_plural = _("deleted entries")
        # Deleted entries, by when they were deleted; what has been kept long enough
        indexes = [models.Index(fields=["-deleted_at", "-id"], name="deleted_entry_by_time")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.code}"


class Stat(models.Model):
    """Counts as deltas: writers append, the tick folds, ``manage.py ledger`` recounts.

    ``state`` is a problem's state, or "entry" for entries of the diary.
    """

    ENTRY = "entry"

    day = models.DateField()
    bucket = models.ForeignKey(Bucket, models.CASCADE, related_name="+")
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    state = models.CharField(max_length=10)
    of_record = models.BooleanField(default=True)
    n = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["state", "bucket"], include=["n", "of_record"], name="stat_counts")]

    def __str__(self) -> str:
        return f"{self.day} {self.state} {self.n:+d}"

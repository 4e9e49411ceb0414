"""Match-based coupling: a mapping's criteria, what a look at both apps found by them, and what people chose."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from synccore.engine.matching import Compare, Criterion
from synccore.shapes import Side

from .job import SynchJob
from .mapping import FieldMapping, SideChoices, TableMapping
from .scoping import ScopedQuerySet


class MatchSetup(models.Model):
    """What match-based coupling of a mapping does besides coupling. ``revision`` moves with it and with the criteria."""

    class After(models.TextChoices):
        """What happens to a pair once it is coupled. A side: its values win wherever the two differ."""

        NOTHING = "", _("Nothing now; the next synchronization compares them")
        RULES = "rules", _("Synchronize by the rules of the mapping; real differences are asked")
        LEFT = Side.LEFT.value, _("Synchronize; the left app wins")
        RIGHT = Side.RIGHT.value, _("Synchronize; the right app wins")

    mapping = models.OneToOneField(TableMapping, models.CASCADE, related_name="match_setup")
    #: Sides on which a record is made for one of the other side that matches nothing.
    create_left = models.BooleanField(default=False)
    create_right = models.BooleanField(default=False)
    after = models.CharField(max_length=5, choices=After, blank=True, default=After.NOTHING)
    revision = models.PositiveIntegerField(default=1)

    objects = ScopedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.mapping} {self.revision}"

    def creates(self, side: Side) -> bool:
        return self.create_left if side is Side.LEFT else self.create_right


class MatchCriterion(models.Model):
    """One line: a field mapping, how its two values are compared, and the group it belongs to."""

    class How(models.TextChoices):
        TEXT = Compare.TEXT.value, _("Text, without accents, punctuation and surplus blanks")
        EXACT = Compare.EXACT.value, _("Exactly as it stands")
        PHONE = Compare.PHONE.value, _("Phone number")
        EMAIL = Compare.EMAIL.value, _("E-mail address")
        WEB = Compare.WEB.value, _("Web address")
        CODE = Compare.CODE.value, _("Letters and digits (VAT or registration number, IBAN)")

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="match_criteria")
    field = models.ForeignKey(FieldMapping, models.CASCADE, related_name="+")
    group = models.PositiveSmallIntegerField(default=1)
    compare = models.CharField(max_length=10, choices=How, default=How.TEXT)
    case_sensitive = models.BooleanField(default=False)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        ordering = ("group", "pk")
        constraints = [
            models.UniqueConstraint(fields=["mapping", "group", "field"], name="criterion_once_per_group"),
            models.CheckConstraint(condition=Q(group__gte=1), name="criterion_group_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.field_id} {self.compare}"

    def criterion(self) -> Criterion:
        """This line as the engine takes it."""
        return Criterion(self.field_id, Compare(self.compare), self.case_sensitive, self.group)


class MatchRecord(models.Model):
    """One record of one side, as the last look at both apps met it, and what became of it.

    The rows of a look are its job's. A new look of the mapping replaces those of the last one.
    """

    class State(models.TextChoices):
        """What memory knows of the record. Only a free one is matched."""

        FREE = "free", _("Not coupled")
        COUPLED = "coupled", _("Coupled already")
        REMOVED = "removed", _("Not to be coupled by itself")
        LEFT_OUT = "left_out", _("Left out on purpose")

    class Outcome(models.TextChoices):
        """What the criteria say of a free record; "" for one that is not."""

        ONE = "one", _("One match")
        CHOSEN = "chosen", _("Chosen by hand")
        SEVERAL = "several", _("Several match")
        TAKEN = "taken", _("Match is taken")
        NONE = "none", _("No match")
        COUPLED = "coupled", _("Coupled")
        CREATED = "created", _("Created")

    #: Those that a run couples.
    PAIRED = (Outcome.ONE, Outcome.CHOSEN)
    #: Those that may have a counterpart, which only a person can tell.
    UNDECIDED = (Outcome.SEVERAL, Outcome.TAKEN)

    job = models.ForeignKey(SynchJob, models.CASCADE, related_name="matched")
    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="+")
    side = models.CharField(max_length=5, choices=SideChoices)
    record_id = models.TextField()
    key = models.TextField(blank=True, default="")
    name = models.TextField(blank=True, default="")
    #: Whether the look is about it; the others are read to know whom a record could match besides.
    subject = models.BooleanField(default=True)
    state = models.CharField(max_length=8, choices=State, default=State.FREE)
    #: One key per group of the criteria, null where it can match nothing.
    keys = models.JSONField(default=list)
    #: The values of the criteria's fields as people read them: field mapping → text.
    values = models.JSONField(default=dict)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True, default="")
    #: Place (from 0) of the group in ``keys`` that decided; null where none did.
    place = models.PositiveSmallIntegerField(null=True)
    #: The record of the other side it goes with; "" where there is none, or more than one.
    other_id = models.TextField(blank=True, default="")
    #: Why a run left it alone though it was to be coupled or made, as a job item says it; "" otherwise.
    note = models.CharField(max_length=200, blank=True, default="")

    objects = ScopedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "side", "record_id"], name="matched_once_per_look"),
        ]
        indexes = [
            # The list of a look, a tab per outcome: its records in the order they were met, and their numbers
            models.Index(
                fields=["job", "outcome", "side", "id"],
                condition=Q(subject=True) & ~Q(outcome=""),
                name="matched_by_outcome",
            ),
            # The same for the tabs of records that no criteria were asked about
            models.Index(
                fields=["job", "state", "side", "id"],
                condition=Q(subject=True, outcome="") & ~Q(state="free"),
                name="matched_by_state",
            ),
            # The records that share a key with one: its candidates
            GinIndex(fields=["keys"], opclasses=["jsonb_path_ops"], name="matched_by_key"),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.outcome or self.state}"

    @property
    def title(self) -> str:
        """Number and name, as people know it."""
        return " ".join(dict.fromkeys(part for part in (self.key, self.name) if part)) or self.record_id


class MatchChoice(models.Model):
    """What a person chose for a record that several match: one of them, or none of these. Kept until it is coupled."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="match_choices")
    side = models.CharField(max_length=5, choices=SideChoices)
    record_id = models.TextField()
    #: The record of the other side; "" says that none of them is meant.
    other_id = models.TextField(blank=True, default="")
    chosen_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    chosen_at = models.DateTimeField(auto_now=True)

    objects = ScopedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mapping", "side", "record_id"], name="one_choice_per_record"),
            models.UniqueConstraint(
                fields=["mapping", "side", "other_id"],
                condition=~Q(other_id=""),
                name="chosen_for_one_record",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.record_id} → {self.other_id or '–'}"

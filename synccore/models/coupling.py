"""The memory of one pair: what both records looked like when they last agreed."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from synccore.engine.rules import Image, Link
from synccore.shapes import SIDES, Record, Side

from .mapping import SideChoices, TableMapping
from .scoping import ScopedQuerySet

#: The words of both records' keys and names: what the index ``coupling_words`` holds.
WORDS_OF_PAIR = SearchVector("left_key", "left_name", "right_key", "right_name", config="simple")


class CouplingQuerySet(ScopedQuerySet):
    def live(self) -> Self:
        """Those a job works with: neither removed nor ended."""
        return self.filter(removed_at=None, ended_at=None)

    def paired(self) -> Self:
        """Both ids known: what the page Couplings shows."""
        return self.filter(left_id__isnull=False, right_id__isnull=False)


class Coupling(models.Model):
    """The lasting link of one left record with one right record.

    A *half* coupling has one id: a new record that failed, waits, is left out or has an unconfirmed create. Base images
    are ``{field mapping id: [revision, canonical text]}``, as that app held the values after the last agreement.
    """

    mapping = models.ForeignKey(TableMapping, models.PROTECT, related_name="couplings")

    left_id = models.TextField(null=True)  # noqa: DJ001  (unknown id, not an empty one)
    left_version = models.TextField(blank=True, default="")
    left_modified_at = models.DateTimeField(null=True)
    left_key = models.TextField(blank=True, default="")
    left_name = models.TextField(blank=True, default="")
    left_owner = models.TextField(blank=True, default="")
    left_exists = models.BooleanField(default=True)
    left_out_of_filter_since = models.DateTimeField(null=True)
    left_base = models.JSONField(default=dict)

    right_id = models.TextField(null=True)  # noqa: DJ001
    right_version = models.TextField(blank=True, default="")
    right_modified_at = models.DateTimeField(null=True)
    right_key = models.TextField(blank=True, default="")
    right_name = models.TextField(blank=True, default="")
    right_owner = models.TextField(blank=True, default="")
    right_exists = models.BooleanField(default=True)
    right_out_of_filter_since = models.DateTimeField(null=True)
    right_base = models.JSONField(default=dict)

    #: The side chosen when the pair was coupled; settles fields that have no base yet.
    prefer = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    agreed_at = models.DateTimeField(null=True)
    agreed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    agreed_job = models.BigIntegerField(null=True)  # plain id: jobs are purged, agreements stay
    to_right_job = models.BigIntegerField(null=True)
    to_right_result = models.CharField(max_length=12, blank=True, default="")
    to_left_job = models.BigIntegerField(null=True)
    to_left_result = models.CharField(max_length=12, blank=True, default="")

    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects = CouplingQuerySet.as_manager()

    class Meta:
        verbose_name = _("coupling")
        verbose_name_plural = _("couplings")
        constraints = [
            models.CheckConstraint(
                condition=Q(left_id__isnull=False) | Q(right_id__isnull=False), name="coupling_names_a_record"
            ),
            models.UniqueConstraint(
                fields=["mapping", "left_id"],
                condition=Q(removed_at=None, ended_at=None, left_id__isnull=False),
                name="left_coupled_once",
            ),
            models.UniqueConstraint(
                fields=["mapping", "right_id"],
                condition=Q(removed_at=None, ended_at=None, right_id__isnull=False),
                name="right_coupled_once",
            ),
        ]
        indexes = [
            # Couplings list, newest agreement first
            models.Index(
                fields=["mapping", "-agreed_at", "-id"],
                condition=Q(removed_at=None, ended_at=None),
                name="coupling_by_agreement",
            ),
            # Couplings list by name, and search by the beginning of key or name
            models.Index(fields=["left_name", "id"], name="coupling_by_left_name"),
            models.Index(OpClass(Lower("left_key"), name="text_pattern_ops"), name="coupling_left_key"),
            models.Index(OpClass(Lower("right_key"), name="text_pattern_ops"), name="coupling_right_key"),
            models.Index(OpClass(Lower("left_name"), name="text_pattern_ops"), name="coupling_left_name"),
            models.Index(OpClass(Lower("right_name"), name="text_pattern_ops"), name="coupling_right_name"),
            # My records: couplings whose owner field holds a code
            models.Index(
                fields=["left_owner", "mapping"], condition=~Q(left_owner=""), name="coupling_left_owner"
            ),
            models.Index(
                fields=["right_owner", "mapping"], condition=~Q(right_owner=""), name="coupling_right_owner"
            ),
            # search by whole words and beginnings of words
            GinIndex(WORDS_OF_PAIR, name="coupling_words"),
            # Records, tab "Not coupled yet"
            models.Index(
                fields=["left_name", "id"],
                condition=Q(removed_at=None, ended_at=None) & (Q(left_id=None) | Q(right_id=None)),
                name="coupling_alone",
            ),
            # Removed tab, and "is this record marked not to be coupled by itself?"
            models.Index(
                fields=["mapping", "left_id"], condition=Q(removed_at__isnull=False), name="removed_left"
            ),
            models.Index(
                fields=["mapping", "right_id"], condition=Q(removed_at__isnull=False), name="removed_right"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title(Side.LEFT) or '–'} ⇄ {self.title(Side.RIGHT) or '–'}"

    def title(self, side: Side) -> str:
        """Number and name of one side's record, as people know it; "" where there is none."""
        key, name, id = self.of(side, "key"), self.of(side, "name"), self.of(side, "id")
        return " ".join(dict.fromkeys(part for part in (key, name) if part)) or id or ""

    def of(self, side: Side, name: str) -> Any:
        return getattr(self, f"{side.value}_{name}")

    def put(self, side: Side, name: str, value: Any) -> None:
        setattr(self, f"{side.value}_{name}", value)

    @property
    def is_half(self) -> bool:
        return self.left_id is None or self.right_id is None

    def base(self, side: Side) -> Image:
        stored: dict[str, list[Any]] = self.of(side, "base")
        return {int(rule): (entry[0], entry[1]) for rule, entry in stored.items()}

    def link(self) -> Link:
        """This coupling as ``decide`` takes it."""
        return Link(
            left_id=self.left_id,
            right_id=self.right_id,
            left_base=self.base(Side.LEFT),
            right_base=self.base(Side.RIGHT),
            prefer=Side(self.prefer) if self.prefer else None,
        )

    def see(self, side: Side, record: Record) -> None:
        """Take over what identifies the record, without touching version or base image."""
        self.put(side, "id", record.id)
        self.put(side, "key", record.key)
        self.put(side, "name", record.name)
        self.put(side, "owner", record.owner or "")
        self.put(side, "modified_at", record.modified_at)
        self.put(side, "exists", True)

    def sides(self) -> tuple[Side, ...]:
        """The sides on which a record is known."""
        return tuple(side for side in SIDES if self.of(side, "id") is not None)

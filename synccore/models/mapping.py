"""Integration Table Mappings, their field mappings, and who may work with their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

from django.contrib.auth.models import Group
from django.contrib.postgres.aggregates import JSONBAgg
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import JSONObject
from django.utils.translation import gettext_lazy as _

from synccore.engine.rules import ConflictPolicy, DeletionPolicy, Direction
from synccore.shapes import SIDES, KeyKind, Side, TableRef

from .connection import Connection, Integration
from .scoping import GrantLevel, ScopedQuerySet


def with_app(app: Any, at: str = "") -> models.Q:
    """Mappings of a connection (row, key or OuterRef), or of one of several (a collection of keys). ``at``: the path to the
    mapping."""
    how = "__in" if isinstance(app, set | frozenset | list | tuple) else ""
    return models.Q(**{f"{at}integration__left{how}": app}) | models.Q(
        **{f"{at}integration__right{how}": app}
    )


#: The fields of a mapping with their captions, as one value.
_CAPTIONS = JSONBAgg(
    JSONObject(
        **{f"{side.value}_field": f"{side.value}_field" for side in SIDES},
        **{f"{side.value}_caption": KeyTextTransform("label", f"{side.value}_info") for side in SIDES},
    )
)


class MappingQuerySet(ScopedQuerySet):
    mapping_path = ""

    def with_captions(self) -> Self:
        """The mappings with what people call their fields (:attr:`TableMapping.captions`), in the same query."""
        fields = FieldMapping.objects.filter(mapping=models.OuterRef("pk")).order_by().values("mapping")
        return self.annotate(read_captions=models.Subquery(fields.annotate(told=_CAPTIONS).values("told")))


def with_read_mappings(rows: Sequence[Any], mappings: Iterable[TableMapping]) -> Sequence[Any]:
    """The rows, each with its mapping as it was read already: no row joins mapping, pair and apps once more."""
    known = {each.pk: each for each in mappings}
    for row in rows:
        if row.mapping_id in known:
            row.mapping = known[row.mapping_id]
    return rows


def read_with_mappings(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Rows that belong to mappings, each with its mapping, that one's apps and its captions; one query for all."""
    mappings = TableMapping.objects.with_captions().select_related("integration__left", "integration__right")
    return rows.prefetch_related(models.Prefetch("mapping", mappings))


class DirectionChoices(models.TextChoices):
    BOTH = Direction.BOTH.value, _("Bidirectional")
    TO_RIGHT = Direction.TO_RIGHT.value, _("Left to right")
    TO_LEFT = Direction.TO_LEFT.value, _("Right to left")


class ConflictChoices(models.TextChoices):
    ASK = ConflictPolicy.ASK.value, _("Ask")
    LEFT = ConflictPolicy.LEFT.value, _("The left app wins")
    RIGHT = ConflictPolicy.RIGHT.value, _("The right app wins")
    NEWEST = ConflictPolicy.NEWEST.value, _("The most recently saved record wins")


class DeletionChoices(models.TextChoices):
    ASK = DeletionPolicy.ASK.value, _("Ask")
    RESTORE = DeletionPolicy.RESTORE.value, _("Restore the deleted record")
    UNCOUPLE = DeletionPolicy.UNCOUPLE.value, _("Remove the coupling")
    DELETE = DeletionPolicy.DELETE.value, _("Delete the other record too")


class SideChoices(models.TextChoices):
    LEFT = Side.LEFT.value, _("Left")
    RIGHT = Side.RIGHT.value, _("Right")


class TableMapping(models.Model):
    """A table on the left, a table on the right, and the rules that keep their records in step.

    ``revision`` moves with every change of the rules; a running job sees it and starts over with the new ones, skipped
    records come back. Watermarks are the cursors that a connector's ``changes`` returned at the end of a pass.
    """

    integration = models.ForeignKey(Integration, models.PROTECT, related_name="mappings")
    name = models.CharField(_("name"), max_length=100)
    enabled = models.BooleanField(_("enabled"), default=True)
    revision = models.PositiveIntegerField(default=1, editable=False)
    direction = models.CharField(_("direction"), max_length=10, choices=DirectionChoices, default="both")

    left_table = models.CharField(_("left table"), max_length=200)
    left_id_field = models.CharField(max_length=200, blank=True, default="")
    left_key_kind = models.CharField(max_length=10, default=KeyKind.OPAQUE.value)
    left_modified_field = models.CharField(max_length=200, blank=True, default="")
    left_modified_by_field = models.CharField(max_length=200, blank=True, default="")
    left_key_field = models.CharField(max_length=200, blank=True, default="")
    left_name_field = models.CharField(max_length=200, blank=True, default="")
    left_owner_field = models.CharField(max_length=200, blank=True, default="")
    left_filter = models.JSONField(_("table filter"), default=list, blank=True)
    left_watermark = models.JSONField(null=True, blank=True, editable=False)

    right_table = models.CharField(_("right table"), max_length=200)
    right_id_field = models.CharField(max_length=200, blank=True, default="")
    right_key_kind = models.CharField(max_length=10, default=KeyKind.OPAQUE.value)
    right_modified_field = models.CharField(max_length=200, blank=True, default="")
    right_modified_by_field = models.CharField(max_length=200, blank=True, default="")
    right_key_field = models.CharField(max_length=200, blank=True, default="")
    right_name_field = models.CharField(max_length=200, blank=True, default="")
    right_owner_field = models.CharField(max_length=200, blank=True, default="")
    right_filter = models.JSONField(_("integration table filter"), default=list, blank=True)
    right_watermark = models.JSONField(null=True, blank=True, editable=False)

    conflicts = models.CharField(
        _("resolve update conflicts"),
        max_length=10,
        default="ask",
        choices=ConflictChoices,
    )
    deletions = models.CharField(
        _("resolve deletion conflicts"),
        max_length=10,
        default="ask",
        choices=DeletionChoices,
    )
    only_coupled = models.BooleanField(_("synch. only coupled records"), default=False)
    templates = models.JSONField(default=list, blank=True)
    preconditions = models.JSONField(default=list, blank=True)
    #: id of the field mapping that is looked up before a create.
    natural_key = models.PositiveBigIntegerField(null=True, blank=True)

    deletions_min = models.PositiveIntegerField(default=20)
    deletions_share = models.FloatField(default=0.05, validators=[MinValueValidator(0), MaxValueValidator(1)])
    creations_min = models.PositiveIntegerField(default=200)
    creations_share = models.FloatField(default=0.10, validators=[MinValueValidator(0), MaxValueValidator(1)])
    swept_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MappingQuerySet.as_manager()

    class Meta:
        ordering = ("integration", "name")
        verbose_name = _("integration table mapping")
        verbose_name_plural = _("integration table mappings")
        constraints = [
            models.UniqueConstraint(fields=["integration", "name"], name="mapping_name_once"),
        ]
        # The rights of Tandem itself. They stand on one model so that they are granted as ``synccore.<codename>``.
        permissions = [
            ("view", _("See the records and their problems")),
            ("retry", _("Retry")),
            ("synchronize", _("Synchronize and resolve conflicts")),
            ("couple", _("Couple records")),
            ("remove_coupling", _("Remove couplings")),
            ("leave_out", _("Leave records out on purpose")),
            ("edit_record", _("Edit records")),
            ("restore_records", _("Restore deleted records")),
            ("delete_records", _("Delete records")),
            ("bulk", _("Act on more than 50 records at once")),
            ("remember_rule", _("Remember a rule")),
            ("clean_up", _("Delete entries")),
            ("set_up", _("Set up connections, mappings, jobs and users")),
            ("see_sensitive", _("See sensitive fields")),
        ]
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    def table(self, side: Side) -> TableRef:
        """The table of one side with the fields that carry stamp, key, name and owner."""

        def of(name: str) -> str | None:
            return getattr(self, f"{side.value}_{name}_field") or None

        return TableRef(
            name=getattr(self, f"{side.value}_table"),
            modified_field=of("modified"),
            modified_by_field=of("modified_by"),
            key_field=of("key"),
            name_field=of("name"),
            owner_field=of("owner"),
        )

    def connection(self, side: Side) -> Connection:
        return self.integration.connection(side)

    def watermark(self, side: Side) -> dict[str, Any] | None:
        value: dict[str, Any] | None = getattr(self, f"{side.value}_watermark")
        return value

    @cached_property
    def captions(self) -> dict[str, dict[str, str]]:
        """What people call the mapped fields, by side and name; a field that its app has no caption for is left out. One
        query, none where the row was read ``with_captions``."""
        if "read_captions" in self.__dict__:
            fields = self.__dict__["read_captions"] or []
        else:
            fields = self.field_mappings.aggregate(told=_CAPTIONS)["told"] or []
        return {
            side.value: {
                each[f"{side.value}_field"]: each[f"{side.value}_caption"]
                for each in fields
                if each[f"{side.value}_field"] and each[f"{side.value}_caption"]
            }
            for side in SIDES
        }


class FieldMapping(models.Model):
    """A field on each side, with direction and conversions. ``revision`` keys the base images taken under its rules."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="field_mappings")
    position = models.PositiveIntegerField(default=0)
    left_field = models.CharField(_("left field"), max_length=200, blank=True, default="")
    right_field = models.CharField(_("right field"), max_length=200, blank=True, default="")
    #: The fields as the catalogue described them when the mapping was saved (``FieldInfo`` as JSON).
    left_info = models.JSONField(null=True, blank=True, editable=False)
    right_info = models.JSONField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    direction = models.CharField(max_length=10, choices=DirectionChoices, default="both")
    to_right = models.JSONField(default=list, blank=True)
    to_left = models.JSONField(default=list, blank=True)
    has_constant = models.BooleanField(default=False)
    constant = models.TextField(null=True, blank=True)  # noqa: DJ001  (null is a value: the constant "empty")
    group = models.CharField(max_length=60, blank=True, default="")
    owner = models.CharField(max_length=5, choices=SideChoices, blank=True, default="")
    reference = models.ForeignKey(
        TableMapping, models.PROTECT, null=True, blank=True, related_name="referenced_by"
    )
    optional = models.BooleanField(default=False)
    keep_empty = models.BooleanField(default=False)
    only_new = models.BooleanField(default=False)
    #: Of a reference with the step ``empty_means``: id of that record, once a run found it.
    empty_id = models.CharField(max_length=200, blank=True, default="", editable=False)
    personal = models.BooleanField(default=False)
    sensitive = models.BooleanField(default=False)
    #: A person accepts that its conversions do not bring every value back as it was.
    accepted = models.BooleanField(default=False)

    class Meta:
        ordering = ("mapping", "position", "pk")
        verbose_name = _("integration field mapping")
        verbose_name_plural = _("integration field mappings")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(left_field="") | ~models.Q(right_field=""),
                name="field_mapping_names_a_field",
            ),
            models.CheckConstraint(
                condition=models.Q(has_constant=False) | ~models.Q(direction="both"),
                name="constant_is_one_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.left_field or '='} / {self.right_field or '='}"


class MappingGrant(models.Model):
    """What a group may do with the records of one mapping."""

    mapping = models.ForeignKey(TableMapping, models.CASCADE, related_name="grants")
    group = models.ForeignKey(Group, models.CASCADE, related_name="mapping_grants")
    level = models.PositiveSmallIntegerField(choices=GrantLevel, default=GrantLevel.VIEW)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mapping", "group"], name="one_grant_per_group")]

    def __str__(self) -> str:
        return f"{self.group}: {self.get_level_display()}"

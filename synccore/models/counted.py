"""How many records each side of a mapping held in its filter when somebody last counted: a sweep, a look, or on request."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from synccore.shapes import SIDES, Side

from .mapping import TableMapping


class RecordCount(models.Model):
    """The last numbers of one mapping; null where a side was never counted. ``revision``: that of the mapping then."""

    mapping = models.OneToOneField(TableMapping, models.CASCADE, related_name="record_count")
    left = models.PositiveIntegerField(null=True)
    right = models.PositiveIntegerField(null=True)
    left_at = models.DateTimeField(null=True)
    right_at = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.mapping_id}: {self.left} ⇄ {self.right}"

    def of(self, side: Side) -> int | None:
        return self.left if side is Side.LEFT else self.right

    @property
    def at(self) -> datetime | None:
        """When the older of the two numbers was counted; None where one is missing."""
        moments = [self.left_at, self.right_at]
        return None if None in moments else min(moment for moment in moments if moment is not None)

    @property
    def is_whole(self) -> bool:
        return all(self.of(side) is not None for side in SIDES)

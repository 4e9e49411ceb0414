"""A connection that points to another place from now on: another address, another company of the same service.

What Tandem remembers of its records was read at the old place. Where records are coupled, a person must say that they are
the same ones at the new place; even then nothing runs before somebody has looked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from synccore.connectors.options import Option
from synccore.models import Connection, Coupling, Integration, TableMapping
from synccore.models.mapping import with_app
from synccore.shapes import SIDES
from synccore.verbs.describe import bump_revision


class Coupled(Exception):
    """Records of the present place are coupled, ``n`` of them, and nobody said that they stand at the new one too."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.n = n


def is_moved(declared: Collection[Option], before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether answers that say where the records are have changed. Choosing from a list for the first time is no move."""
    for each in declared:
        old, new = (str(given.get(each.name) or each.default or "") for given in (before, after))
        if old != new and (each.place or each.listed) and (old or not each.listed):
            return True
    return False


def coupled_records(connection: Connection) -> int:
    """How many records of the app are coupled."""
    of_app = Q(mapping__integration__left=connection, left_id__isnull=False)
    of_app |= Q(mapping__integration__right=connection, right_id__isnull=False)
    return Coupling.objects.live().filter(of_app).count()


def take_place(row: Connection, *, same_records: bool, user: Any) -> None:
    """What a move does besides: everything is read from its beginning, and where records are coupled its pairs of apps are
    paused until a person resumes them. To be called inside the transaction that stores the new place. Raises Coupled."""
    n = coupled_records(row)
    if n and not same_records:
        raise Coupled(n)
    if n:
        reason = _("%(app)s points to another place since now. Check its set-up, then resume.") % {
            "app": row.name
        }
        running = Integration.objects.filter(Q(left=row) | Q(right=row), paused_since=None)
        running.update(paused_since=timezone.now(), paused_by=user, paused_reason=reason)
    of_app = with_app(row)
    for mapping in TableMapping.objects.filter(of_app).select_related("integration"):
        for side in SIDES:
            if getattr(mapping.integration, f"{side.value}_id") == row.pk:
                setattr(mapping, f"{side.value}_watermark", None)
        mapping.save(update_fields=["left_watermark", "right_watermark"])
        bump_revision(mapping)
    row.listed = {}
    row.told_currencies = {}
    row.checks.all().delete()

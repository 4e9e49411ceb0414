"""What is left of what people delete from the set-up: who did it, and when. And what goes with it of the diary."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from synccore.models import (
    Bucket,
    Connection,
    DeletedEntry,
    Integration,
    Problem,
    SynchJobError,
    TableMapping,
)

from . import acts

#: Of whose deletion Connection Setup tells.
_TOLD: tuple[type[Model], ...] = (Connection, Integration, TableMapping)
#: What the diary tells of a mapping or a connection, in the order in which it is locked and deleted: a clean-up moves
#: entries between the first two.
_DIARY: Any = (SynchJobError, DeletedEntry, Problem)


def noted(model: type[Model], pk: int) -> LogEntry | None:
    """Who deleted the row that had this key, which no other one will have; None where nobody did."""
    return acts.of_row(model, pk).filter(action_flag=DELETION).first()


def lately(limit: int = 20) -> list[LogEntry]:
    """What was deleted last of connections, integrations and mappings, newest first."""
    types = ContentType.objects.get_for_models(*_TOLD).values()
    of_set_up = LogEntry.objects.filter(content_type__in=types, action_flag=DELETION)
    return list(of_set_up.select_related("user", "content_type").order_by("-action_time", "-pk")[:limit])


def diary_of(**of: Any) -> dict[str, int]:
    """How much the diary tells of one mapping or connection: ``problems`` and ``entries``, deleted ones included."""
    kept, deleted, problems = (model.objects.filter(**of).count() for model in _DIARY)
    return {"problems": problems, "entries": kept + deleted}


def hold_diary(**of: Any) -> None:
    """Lock what the diary tells of it. To be called before the row itself is locked: who moves entries locks them first,
    and refers to that row when its transaction ends."""
    for model in _DIARY:
        list(model.objects.filter(**of).order_by("pk").select_for_update().values_list("pk"))


def forget_diary(**of: Any) -> None:
    """Delete what the diary tells of it, with the counts of that. Causes stay: they belong to nobody."""
    for model in (*_DIARY, Bucket):
        model.objects.filter(**of).delete()

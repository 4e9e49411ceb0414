"""Who did what to accounts, groups and the set-up, and when: in Django's own log. What Tandem does itself is not in it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet


def note(row: Model, flag: int, *, by: Any, said: str = "") -> None:
    """Keep that a person did this, in the present transaction; a row that is to be deleted is still there then.

    Args:
        flag: ``ADDITION``, ``CHANGE`` or ``DELETION`` of ``django.contrib.admin.models``.
        by: the person; None (Tandem itself, a command) notes nothing.
        said: what was done.
    """
    if by is None:
        return
    LogEntry.objects.create(
        user_id=by.pk,
        content_type=ContentType.objects.get_for_model(row),
        object_id=str(row.pk),
        object_repr=str(row)[:200],
        action_flag=flag,
        change_message=said,
    )


def of_row(model: type[Model], pk: int) -> QuerySet[LogEntry]:
    """What was done to the row that has or had this key, newest first, each with its person."""
    of_model = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
    return of_model.filter(object_id=str(pk)).select_related("user").order_by("-action_time", "-pk")

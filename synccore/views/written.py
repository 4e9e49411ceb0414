"""What a row of the journal says: field by field what stood there before and what was written."""

from __future__ import annotations

import uuid
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _

from synccore.engine.values import load_value
from synccore.models import Journal
from synccore.shapes import Value


@dataclass(frozen=True, slots=True)
class Change:
    """One field. ``before`` None: it did not stand there (a new record); ``after`` None: nothing does any more."""

    name: str
    before: str | None
    after: str | None


Written = list[Change]


def written(row: Journal, hidden: AbstractSet[str]) -> Written:
    """The changes of a row; values of ``hidden`` fields are not shown."""
    operation = row.operation
    if operation not in (Journal.Operation.CREATE, Journal.Operation.UPDATE, Journal.Operation.DELETE):
        return []
    names = list(dict.fromkeys([*row.values, *row.before]))
    created, deleted = operation == Journal.Operation.CREATE, operation == Journal.Operation.DELETE
    return [
        Change(
            name,
            None if created else _shown(row.before.get(name), name in hidden),
            None if deleted else _shown(row.values.get(name), name in hidden),
        )
        for name in names
        if not (deleted and row.before.get(name) in (None, ""))
    ]


def _shown(stored: Any, hidden: bool) -> str:
    if hidden:
        return _("hidden")
    try:
        return plain(load_value(stored))
    except (ValueError, TypeError):
        return str(stored)


def plain(value: Value) -> str:
    """A value as people write it, in their format; "" for nothing."""
    match value:
        case None:
            return ""
        case bool():
            return _("yes") if value else _("no")
        case datetime():
            local = timezone.localtime(value) if value.tzinfo is not None else value
            return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S}"
        case date():
            return formats.date_format(value, "SHORT_DATE_FORMAT")
        case time():
            return f"{value:%H:%M:%S}"
        case bytes():
            return _("binary content, %(n)s bytes") % {"n": len(value)}
        case Decimal() | int():
            digits = -int(value.as_tuple().exponent) if isinstance(value, Decimal) else 0
            return formats.number_format(value, decimal_pos=max(digits, 0), force_grouping=True)
        case uuid.UUID():
            return str(value)
    return str(value)

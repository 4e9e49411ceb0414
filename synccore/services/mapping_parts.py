"""Templates for new records, and what must exist before a record is written. Judged by the catalogues as last read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction

from synccore.engine.canonical import canon
from synccore.engine.convert import convert
from synccore.failures import Failure
from synccore.models import TableMapping
from synccore.shapes import Side, TableInfo

from . import setup
from .catalogue import Known, known_to
from .mappings import Found, Wrong, add, condition_errors, locked

MOST: Final = 100
#: Priorities and names nobody means.
HIGHEST: Final = 9_999
LONGEST: Final = 200


@dataclasses.dataclass(slots=True)
class TemplateDraft:
    """A template as a person wants it; ``values``: (field, text as typed), ``when``: the JSON of a filter."""

    priority: str = ""
    side: str = ""
    values: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    when: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class PreconditionDraft:
    """Something that must exist, as a person wants it; ``filter``: the JSON of a filter."""

    what: str = ""
    side: str = ""
    table: str = ""
    lookup_field: str = ""
    record_side: str = ""
    field: str = ""
    exempt: list[str] = dataclasses.field(default_factory=list)
    filter: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@transaction.atomic
def save_templates(
    mapping: TableMapping, *, user: Any, drafts: Sequence[TemplateDraft], revision: str
) -> TableMapping:
    """Replace the templates for new records.

    Raises RightMissing; NotNow ``mapping_moved``; Wrong with places like ``t-0-values-1-value``, ``t-0-when-2``.
    """
    row = locked(mapping, user=user, revision=revision)
    known = known_to(row)
    found: Found = {}
    stored = [_template(row, draft, f"t-{i}", known, found) for i, draft in enumerate(drafts[:MOST])]
    return _store(row, "templates", stored, len(drafts), found)


def _template(row: TableMapping, draft: TemplateDraft, at: str, known: Known, found: Found) -> dict[str, Any]:
    number = draft.priority.strip()
    if not (number.isascii() and number.isdecimal() and len(number) < 6 and int(number) <= HIGHEST):
        add(found, f"{at}-priority", "not_a_number")
    side = _side(draft.side, f"{at}-side", found)
    table = known.table(side, getattr(row, f"{side.value}_table")) if side else None
    values: dict[str, str | None] = {}
    if not draft.values:
        add(found, f"{at}-values", "required")
    for j, (name, text) in enumerate(draft.values):
        here = f"{at}-values-{j}"
        if not name:
            add(found, f"{here}-field", "required")
        elif name in values:
            add(found, f"{here}-field", "twice")
        values[name] = _value(table, name, text, here, found) if side else None
    if side:
        _conditions(
            draft.when,
            known.table(side.other, getattr(row, f"{side.other.value}_table")),
            f"{at}-when",
            found,
        )
    return {
        "priority": int(number) if f"{at}-priority" not in found else 0,
        "side": draft.side,
        "values": values,
        "when": draft.when,
    }


def _value(table: TableInfo | None, name: str, text: str, at: str, found: Found) -> str | None:
    """A typed value as the canonical text of its field."""
    if table is None:
        add(found, f"{at}-value", "type_unknown")
        return None
    info = table.fields.get(name)
    if info is None:
        if name:
            add(found, f"{at}-field", "unknown_field", table=table.name, field=name)
        return None
    try:
        return canon(convert(text, None, info), info, keep_empty=True)
    except Failure:
        add(found, f"{at}-value", "bad_constant", field=name, value=text[:LONGEST])
        return None


@transaction.atomic
def save_preconditions(
    mapping: TableMapping, *, user: Any, drafts: Sequence[PreconditionDraft], revision: str
) -> TableMapping:
    """Replace what must exist before a record is written.

    Raises RightMissing; NotNow ``mapping_moved``; Wrong with places like ``p-0-table``, ``p-0-filter-2``.
    """
    row = locked(mapping, user=user, revision=revision)
    asked = [(Side(draft.side), draft.table) for draft in drafts if draft.side in list(Side) and draft.table]
    known = known_to(row, *asked)
    found: Found = {}
    stored = [_precondition(row, draft, f"p-{i}", known, found) for i, draft in enumerate(drafts[:MOST])]
    return _store(row, "preconditions", stored, len(drafts), found)


def _precondition(
    row: TableMapping, draft: PreconditionDraft, at: str, known: Known, found: Found
) -> dict[str, Any]:
    for name in ("what", "table", "lookup_field", "field"):
        text = getattr(draft, name)
        if not text:
            add(found, f"{at}-{name}", "required")
        elif len(text) > LONGEST:
            add(found, f"{at}-{name}", "too_long", limit=LONGEST)
    side, record_side = (
        _side(draft.side, f"{at}-side", found),
        _side(draft.record_side, f"{at}-record_side", found),
    )
    looked_up = known.table(side, draft.table) if side else None
    if side and draft.table and looked_up is None and known.read_at[side] is not None:
        add(found, f"{at}-table", "unknown_table", table=draft.table, side=side.value)
    if looked_up is not None and draft.lookup_field and draft.lookup_field not in looked_up.fields:
        params = {"table": looked_up.name, "field": draft.lookup_field, "side": draft.side}
        add(found, f"{at}-lookup_field", "unknown_field", **params)
    source = known.table(record_side, getattr(row, f"{record_side.value}_table")) if record_side else None
    if source is not None and draft.field and draft.field not in source.fields:
        params = {"table": source.name, "field": draft.field, "side": draft.record_side}
        add(found, f"{at}-field", "unknown_field", **params)
    _conditions(draft.filter, looked_up, f"{at}-filter", found)
    names = ("what", "side", "table", "lookup_field", "record_side", "field", "exempt", "filter")
    return {name: getattr(draft, name) for name in names}


def _side(text: str, at: str, found: Found) -> Side | None:
    if text in list(Side):
        return Side(text)
    add(found, at, "not_a_choice")
    return None


def _conditions(conditions: Sequence[dict[str, Any]], table: TableInfo | None, at: str, found: Found) -> None:
    for i, condition in enumerate(conditions):
        for failure in condition_errors(condition, table):
            add(found, f"{at}-{i}", failure.code, **failure.params)


def _store(
    row: TableMapping, name: str, stored: list[dict[str, Any]], wanted: int, found: Found
) -> TableMapping:
    if wanted > MOST:
        add(found, "", "too_many", limit=MOST)
    if found:
        raise Wrong(found)
    if getattr(row, name) != stored:
        setattr(row, name, stored)
        row.save(update_fields=[name])
        setup.bump_revision(row)
    return row

"""Whether what flows into a field fits it, judged by both descriptions alone: warnings before anything runs.

A warning forbids nothing. What forbids a mapping to run is in ``services.validation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from synccore.engine.fit import fit
from synccore.engine.rules import Direction
from synccore.engine.serial import load_info, load_templates
from synccore.failures import Misconfigured
from synccore.models import FieldMapping, TableMapping
from synccore.shapes import SIDES, FieldInfo, KeyKind, Side

from . import setup
from .catalogue import Known


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that will be refused, or be wrong, for some records. ``row``: which field mapping, None: the mapping."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)
    row: int | None = None


def warnings(mapping: TableMapping, rows: Sequence[FieldMapping], known: Known) -> list[Warned]:
    """Everything worth a word about a mapping and its fields. Asks nobody and no database."""
    found = [each for row in rows for each in of_field(mapping, row, known)]
    for side in SIDES:
        found += of_side(mapping, rows, side, known)
    return found


def of_field(mapping: TableMapping, row: FieldMapping, known: Known) -> Iterator[Warned]:
    """One field mapping, in each direction in which it flows."""
    if row.has_constant or row.reference_id is not None:
        return
    for to in SIDES:
        source, destination = info_of(mapping, row, to.other, known), info_of(mapping, row, to, known)
        if source is None or destination is None or not goes(mapping, row, to):
            continue
        steps = getattr(row, f"to_{to.value}")
        for code, params in fit(source, destination, steps):
            said = {"from": source.name, "field": destination.name, "side": to.value, **params}
            yield Warned(code, said, row.pk)


def of_side(
    mapping: TableMapping, rows: Sequence[FieldMapping], side: Side, known: Known
) -> Iterator[Warned]:
    """The table of one side: how it is read, and whether new records can be made in it."""
    table = known.table(side, getattr(mapping, f"{side.value}_table"))
    if table is None:
        return
    where = {"table": table.name, "side": side.value}
    if not getattr(mapping, f"{side.value}_modified_field"):
        yield Warned("no_stamp", where)
    if mapping.only_coupled or not allows(mapping.direction, side):
        return
    written = {getattr(row, f"{side.value}_field") for row in rows if goes(mapping, row, side)}
    written |= _template_fields(mapping, side)
    own_id = table.id_field if table.key_kind is not KeyKind.NATURAL else None
    missing = [
        name
        for name, info in table.fields.items()
        if info.required and not info.read_only and name not in written and name != own_id
    ]
    if missing and rows:
        yield Warned("required_unmapped", {**where, "fields": missing})
    if rows and setup.idempotency(mapping, side, rows) is setup.Idempotency.NONE:
        yield Warned("uncertain_creates", where)


def _template_fields(mapping: TableMapping, side: Side) -> set[str]:
    """Fields that a template without a condition fills in every new record."""
    try:
        templates = load_templates(mapping.templates)
    except Misconfigured:
        return set()
    return {name for each in templates if each.side is side and not each.when for name in each.values}


def info_of(mapping: TableMapping, row: FieldMapping, side: Side, known: Known) -> FieldInfo | None:
    """The field as the catalogue last described it, else as it was when it was mapped."""
    name = getattr(row, f"{side.value}_field")
    table = known.table(side, getattr(mapping, f"{side.value}_table"))
    if table is not None and name in table.fields:
        return table.fields[name]
    try:
        return load_info(getattr(row, f"{side.value}_info"))
    except Misconfigured:
        return None


def goes(mapping: TableMapping, row: FieldMapping, destination: Side) -> bool:
    """Whether the field is written to ``destination``."""
    return allows(mapping.direction, destination) and allows(row.direction, destination)


def allows(direction: str, destination: Side) -> bool:
    """Whether a direction writes to a side; one that is none writes nowhere."""
    try:
        return Direction(direction).allows(destination)
    except ValueError:
        return False

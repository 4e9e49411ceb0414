"""Whether what flows into a field fits it, judged by both descriptions alone: warnings before anything runs.

A warning forbids nothing. What forbids a mapping to run is in ``services.validation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from synccore.engine.rules import Direction
from synccore.engine.serial import load_info, load_templates
from synccore.failures import Misconfigured
from synccore.models import FieldMapping, TableMapping
from synccore.shapes import SIDES, FieldInfo, FieldType, KeyKind, Side

from . import setup
from .catalogue import Known

_NUMBERS: Final = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT})
_STAMPS: Final = frozenset({FieldType.INSTANT, FieldType.DATETIME})
#: Conversions that leave a value's length or digits as they are, or make them less.
_KEEPS: Final = frozenset({"trim", "upper", "lower", "digits_only", "strip_prefix", "null_if"})


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
        names = [each.get("name", "") for each in steps if isinstance(each, dict)]
        for code, params in _fit(source, destination, names, steps):
            said = {"from": source.name, "field": destination.name, "side": to.value, **params}
            yield Warned(code, said, row.pk)


def _fit(
    source: FieldInfo, destination: FieldInfo, names: list[str], steps: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
    same_shape = all(name in _KEEPS for name in names)
    text = source.type is destination.type is FieldType.TEXT
    if text and destination.length is not None:
        cuts = [each["params"].get("length") for each in steps if each.get("name") == "cut"]
        longest = min([n for n in [*cuts, source.length] if isinstance(n, int)], default=None)
        if (same_shape or cuts) and (longest is None or longest > destination.length):
            yield "shorter", {"limit": destination.length, "length": longest}
    if source.type in _NUMBERS and destination.type is FieldType.DECIMAL and not names:
        yield from _digits(source, destination)
    fractions = source.type in (FieldType.DECIMAL, FieldType.FLOAT) and source.scale != 0
    if destination.type is FieldType.INTEGER and fractions and same_shape and "round" not in names:
        yield "no_decimals", {}
    if source.type is not destination.type and same_shape:
        if {source.type, destination.type} == _STAMPS:
            yield "zone_needed", {}
        elif not _goes_by_itself(source.type, destination.type):
            yield "other_type", {"from_type": source.type.value, "type": destination.type.value}
    # Text that is missing is written as "", which such a field takes.
    needs_value = destination.required and destination.type is not FieldType.TEXT
    if needs_value and not source.required and "default" not in names:
        yield "required_here", {}


def _digits(source: FieldInfo, destination: FieldInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    finer = source.scale is None or (destination.scale is not None and source.scale > destination.scale)
    if destination.scale is not None and source.type is not FieldType.INTEGER and finer:
        yield "fewer_decimals", {"scale": destination.scale, "from_scale": source.scale}
    if source.type is FieldType.DECIMAL and None not in (source.precision, destination.precision):
        whole = (destination.precision or 0) - (destination.scale or 0)
        if (source.precision or 0) - (source.scale or 0) > whole:
            yield "smaller", {"digits": whole}


def _goes_by_itself(source: FieldType, destination: FieldType) -> bool:
    """Whether the values of one type are, all of them, values of the other without a conversion step."""
    if destination is FieldType.TEXT:
        return source is not FieldType.BINARY
    numbers = source in _NUMBERS and destination in _NUMBERS
    return numbers or (source is FieldType.DATE and destination is FieldType.DATETIME)


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

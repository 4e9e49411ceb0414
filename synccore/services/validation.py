"""What can be wrong with one mapping, judged against the catalogues of both apps. Asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from synccore.engine.canonical import parse
from synccore.engine.filters import filter_errors, parse_filter
from synccore.engine.rules import Direction
from synccore.engine.serial import load_preconditions, load_templates, load_transforms
from synccore.engine.transforms import TRANSFORMS
from synccore.engine.transforms import validate as transform_errors
from synccore.failures import Misconfigured, Rejected
from synccore.models import FieldMapping, TableMapping
from synccore.shapes import SIDES, Side, TableInfo

Loaded = TypeVar("Loaded")
Catalogues = Mapping[Side, Mapping[str, TableInfo]]


def of_mapping(
    mapping: TableMapping, rows: Sequence[FieldMapping], catalogues: Catalogues
) -> Iterator[Misconfigured]:
    """Everything wrong with the mapping itself; what needs other mappings (circles) is elsewhere."""
    tables = {side: catalogues[side].get(getattr(mapping, f"{side.value}_table")) for side in SIDES}
    for side in SIDES:
        table = tables[side]
        if table is None:
            name = getattr(mapping, f"{side.value}_table")
            yield Misconfigured("unknown_table", {"table": name, "side": side.value})
        else:
            yield from _table(mapping, rows, side, table)
    if not rows:
        yield Misconfigured("mapping_without_fields", {"mapping_name": mapping.name})
    for row in rows:
        yield from _field(mapping, row, tables)
    yield from _written_twice(mapping, rows)
    yield from _natural_key(mapping, rows)
    yield from _templates(mapping, tables)
    yield from _preconditions(mapping, tables, catalogues)


def _table(
    mapping: TableMapping, rows: Sequence[FieldMapping], side: Side, table: TableInfo
) -> Iterator[Misconfigured]:
    """The table of one side: its key, the fields that carry stamp, key, name and owner, its filter."""
    where = {"table": table.name, "side": side.value}
    if table.id_field is None:
        yield Misconfigured("no_key", where)
    ref = mapping.table(side)
    for name in dict.fromkeys(
        (ref.modified_field, ref.modified_by_field, ref.key_field, ref.name_field, ref.owner_field)
    ):
        if name and name not in table.fields:
            yield Misconfigured("unknown_field", {**where, "field": name})
    if not table.writable and any(_goes(mapping, row, side) for row in rows):
        yield Misconfigured("not_writable", where)
    conditions, error = _load(lambda: parse_filter(getattr(mapping, f"{side.value}_filter")))
    for each in [error] if error else filter_errors(conditions or (), table):
        each.params |= where
        yield each


def _field(
    mapping: TableMapping, row: FieldMapping, tables: Mapping[Side, TableInfo | None]
) -> Iterator[Misconfigured]:
    """One field mapping: its fields are there and may be written, its conversions make sense."""
    for side in SIDES:
        name, table = getattr(row, f"{side.value}_field"), tables[side]
        if not name or table is None or (row.has_constant and not _goes(mapping, row, side)):
            continue
        where = {"table": table.name, "field": name, "side": side.value}
        info = table.fields.get(name)
        if info is None:
            known = getattr(row, f"{side.value}_info") is not None
            yield Misconfigured("field_vanished" if known else "unknown_field", where)
            continue
        if not _goes(mapping, row, side):
            continue
        if info.read_only:
            yield Misconfigured("field_read_only", where)
        if row.has_constant:
            try:
                parse(row.constant, info)
            except Rejected:
                yield Misconfigured("bad_constant", {"field": name, "value": row.constant})
    title = row.left_field or row.right_field
    if row.has_constant and row.direction == Direction.BOTH:
        yield Misconfigured("constant_both_ways", {"field": title})
    yield from _transforms(mapping, row, title)


def _transforms(mapping: TableMapping, row: FieldMapping, title: str) -> Iterator[Misconfigured]:
    for data in (row.to_right, row.to_left):
        steps, error = _load(lambda data=data: load_transforms(data, field=title))  # type: ignore[misc]
        yield from [error] if error else transform_errors(steps or (), title)
    yield from (failure for _way, failure in reference_steps(row))
    yield from one_way_transformation(mapping, row)


def reference_steps(row: FieldMapping) -> Iterator[tuple[str, Misconfigured]]:
    """Steps for references stand on references alone, and a number is no way back to a record. With the way it is on."""
    title = row.left_field or row.right_field
    for way in ("to_right", "to_left"):
        for step in getattr(row, way) if isinstance(getattr(row, way), list) else ():
            spec = TRANSFORMS.get(step.get("name", "")) if isinstance(step, dict) else None
            if spec is None:
                continue
            params = {"field": title, "transform": step["name"], "param": ""}
            if spec.of_reference and row.reference_id is None:
                yield way, Misconfigured("bad_transformation", {**params, "reason": "only_for_references"})
            elif step["name"] == "by_number" and row.direction != way:
                yield way, Misconfigured("bad_transformation", {**params, "reason": "one_way_only"})


def one_way_transformation(mapping: TableMapping, row: FieldMapping) -> Iterator[Misconfigured]:
    """A field that goes both ways has conversions for both, or for none."""
    title = row.left_field or row.right_field
    both = all(_goes(mapping, row, side) for side in SIDES) and not row.has_constant
    if both and row.reference_id is None and bool(row.to_right) != bool(row.to_left):
        other = row.right_field if row.to_right else row.left_field
        yield Misconfigured("one_way_transformation", {"field": title, "other_field": other})


def _written_twice(mapping: TableMapping, rows: Sequence[FieldMapping]) -> Iterator[Misconfigured]:
    for side in SIDES:
        written = Counter(
            getattr(row, f"{side.value}_field")
            for row in rows
            if getattr(row, f"{side.value}_field") and _goes(mapping, row, side)
        )
        for name, n in written.items():
            if n > 1:
                table = getattr(mapping, f"{side.value}_table")
                yield Misconfigured("written_twice", {"field": name, "side": side.value, "table": table})


def _natural_key(mapping: TableMapping, rows: Sequence[FieldMapping]) -> Iterator[Misconfigured]:
    if mapping.natural_key is None:
        return
    found = next((row for row in rows if row.pk == mapping.natural_key), None)
    if found is None or found.has_constant or not (found.left_field and found.right_field):
        yield Misconfigured("natural_key_not_mapped", {"mapping_name": mapping.name})


def _templates(mapping: TableMapping, tables: Mapping[Side, TableInfo | None]) -> Iterator[Misconfigured]:
    templates, error = _load(lambda: load_templates(mapping.templates))
    if error:
        yield error
    for each in templates or ():
        table, source = tables[each.side], tables[each.side.other]
        for name, text in each.values.items() if table else ():
            params: dict[str, Any] = {"field": name, "value": text, "priority": each.priority}
            info = table.fields.get(name) if table else None
            if info is None:
                yield Misconfigured("bad_template", {**params, "reason": "unknown_field"})
                continue
            try:
                parse(text, info)
            except Rejected:
                yield Misconfigured("bad_template", {**params, "reason": "value_not_of_type"})
        if source:
            yield from filter_errors(each.when, source)


def _preconditions(
    mapping: TableMapping, tables: Mapping[Side, TableInfo | None], catalogues: Catalogues
) -> Iterator[Misconfigured]:
    preconditions, error = _load(lambda: load_preconditions(mapping.preconditions))
    if error:
        yield error
    for each in preconditions or ():
        looked_up, source = catalogues[each.side].get(each.table), tables[each.record_side]
        if looked_up is None:
            yield Misconfigured("unknown_table", {"table": each.table, "side": each.side.value})
        else:
            if each.lookup_field not in looked_up.fields:
                where = {"table": each.table, "field": each.lookup_field, "side": each.side.value}
                yield Misconfigured("unknown_field", where)
            yield from filter_errors(each.filter, looked_up)
        if source is not None and each.field not in source.fields:
            where = {"table": source.name, "field": each.field, "side": each.record_side.value}
            yield Misconfigured("unknown_field", where)


def _goes(mapping: TableMapping, row: FieldMapping, destination: Side) -> bool:
    """Whether the field is written to ``destination``: the mapping's direction and the field's both allow it."""
    try:
        both = Direction(mapping.direction) & Direction(row.direction)
    except ValueError:
        return False
    return both is not None and both.allows(destination)


def _load(load: Callable[[], Loaded]) -> tuple[Loaded | None, Misconfigured | None]:
    """What a row's JSON says, or why it says nothing."""
    try:
        return load(), None
    except Misconfigured as failure:
        return None, failure

"""Set-up checks of the tables of one app: as they are mapped, against what its catalogue says now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from synccore.engine.fit import fit
from synccore.engine.rules import Direction
from synccore.engine.serial import load_info
from synccore.failures import Misconfigured
from synccore.models import Connection, FieldMapping, TableMapping
from synccore.models.mapping import with_app
from synccore.shapes import SIDES, CheckState, FieldInfo, Finding, Side, TableInfo, TableUse

#: Another value of these makes fields of the same type take other values.
_LIMITS: Final = ("length", "precision", "scale", "fraction", "padded")
#: Findings that say that somebody looked at a table.
OF_TABLE: Final = ("table", "fields", "field_type")


@dataclass(frozen=True)
class Used:
    """A mapping's side in the app: how its table is used, and its field mappings with what was known of them."""

    mapping: TableMapping
    side: Side
    use: TableUse
    rows: tuple[FieldMapping, ...]


def uses_of(app: Connection) -> Iterator[Used]:
    """Every mapping's use of the app, in the order of their names."""
    of_app = with_app(app)
    mappings = (
        TableMapping.objects.filter(of_app).select_related("integration").prefetch_related("field_mappings")
    )
    for mapping in mappings.order_by("name", "pk"):
        for side in SIDES:
            if getattr(mapping.integration, f"{side.value}_id") != app.pk:
                continue
            rows = tuple(row for row in mapping.field_mappings.all() if getattr(row, f"{side.value}_field"))
            write = Direction(mapping.direction).allows(side)
            read = (getattr(row, f"{side.value}_field") for row in rows if not row.has_constant)
            written = (getattr(row, f"{side.value}_field") for row in rows if write and _goes(row, side))
            use = TableUse(
                mapping.table(side), tuple(dict.fromkeys(read)), tuple(dict.fromkeys(written)), write
            )
            yield Used(mapping, side, use, rows)


def _goes(row: FieldMapping, side: Side) -> bool:
    return Direction(row.direction).allows(side)


def merged(uses: list[TableUse]) -> TableUse:
    """One use that needs what all of them need."""
    fields = dict.fromkeys(name for use in uses for name in (*use.fields, *named(use)))
    written = dict.fromkeys(name for use in uses for name in use.written)
    return TableUse(uses[0].table, tuple(fields), tuple(written), any(use.write for use in uses))


def named(use: TableUse) -> list[str]:
    ref = use.table
    named = (ref.modified_field, ref.modified_by_field, ref.key_field, ref.name_field, ref.owner_field)
    return [name for name in named if name]


def check_tables(catalogue: Mapping[str, TableInfo], used: list[Used]) -> list[tuple[int | None, Finding]]:
    return [(each.mapping.pk, finding) for each in used for finding in _table(catalogue, each)]


def _table(catalogue: Mapping[str, TableInfo], used: Used) -> Iterator[Finding]:
    """Is the table there, are its mapped fields, and are they of the types that the mapping was made with?"""
    name = used.use.table.name
    info = catalogue.get(name)
    if info is None:
        yield Finding("table", CheckState.FAIL, {}, name)
        return
    wanted = dict.fromkeys((*used.use.fields, *used.use.written, *named(used.use)))
    gone = [field for field in wanted if field not in info.fields]
    if gone:
        yield Finding("fields", CheckState.FAIL, {"field": gone}, name)
    changed = [*_changed(info, used)]
    yield from changed
    if not gone and not changed:
        yield Finding("fields", CheckState.PASS, {}, name)
    yield from _compatible(info, used)


def _changed(info: TableInfo, used: Used) -> Iterator[Finding]:
    for row in used.rows:
        field = getattr(row, f"{used.side.value}_field")
        was, now = _known(getattr(row, f"{used.side.value}_info")), info.fields.get(field)
        if was is None or now is None:
            continue
        is_other = was.type is not now.type
        if is_other or any(getattr(was, name) != getattr(now, name) for name in _LIMITS):
            params = {
                "field": field,
                "was": was.native or was.type.value,
                "now": now.native or now.type.value,
            }
            state = CheckState.FAIL if is_other else CheckState.WARN
            yield Finding("field_type", state, params, info.name)


def _compatible(info: TableInfo, used: Used) -> Iterator[Finding]:
    """Do the values that flow into the table fit its fields? Judged with the other app's fields as they were last read."""
    if not used.use.write:
        return
    bad, unread = [], []
    flowing = [row for row in used.rows if _goes(row, used.side)]
    for row in flowing:
        name = getattr(row, f"{used.side.value}_field")
        if row.has_constant or row.reference_id is not None or name not in info.fields:
            continue
        source = _known(getattr(row, f"{used.side.other.value}_info"))
        if source is None:
            unread.append(name)
        elif any(fit(source, info.fields[name], getattr(row, f"to_{used.side.value}"))):
            bad.append(name)
    if bad:
        yield Finding("compatible", CheckState.WARN, {"field": bad}, info.name)
    elif unread:
        yield Finding("compatible", CheckState.UNKNOWN, {"field": unread}, info.name)
    elif flowing:
        yield Finding("compatible", CheckState.PASS, {}, info.name)


def _known(data: object) -> FieldInfo | None:
    try:
        return load_info(data) if data else None
    except Misconfigured:
        return None

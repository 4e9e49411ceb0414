"""What people write into the apps by way of Tandem: an edit on a record's page, and *Undo*.

To the checker it is what a person types into the app itself, at the moment the app stores it: the job may come late, be
overtaken, refused or killed. It may replace what the person meant, and nothing else: what he saw on the page, or what the
job that he undoes left there. A record that *Undo* takes away is one that a person deleted. One thing is different: a
one-way field that was taken back keeps what stands there until its source changes, so the two sides of it differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from synccore import services
from synccore.connectors.memory.app import INTEGRATION_USER, MemoryApp, MemoryTable, Row
from synccore.engine.values import load_values
from synccore.models import Coupling, FieldMapping, Journal
from synccore.services.jobs import NotNow
from synccore.shapes import Record, Side
from synccore.verbs.edit import field_digest

if TYPE_CHECKING:
    from .arena import Arena, Kind

VERBS = ("edit", "undo")


def edit(arena: Arena, coupling: Coupling, side: Side, **values: Any) -> None:
    """Type over fields of a record on its page in Tandem, as it stands in the app now; the job waits in the queue."""
    kind = arena.kind_of(coupling.mapping_id)
    id = str(coupling.of(side, "id"))
    row = arena.memory(kind, side).rows.get(id)
    if row is None:
        return
    record = Record(id, str(row.version), None, None, "", "", row.fields)
    seen = {
        "version": record.version,
        "fields": {name: field_digest(record, name) for name in row.fields if name != "modified_at"},
    }
    try:
        services.edit(coupling, side, values=values, seen=seen, user=None)
    except NotNow:
        return


def take_back(arena: Arena, n: int, *, alone: bool) -> None:
    """Undo something that was written: one row, or all that its job wrote. Couplings are not taken back: the two would be
    two records again, and this test counts them as one."""
    rows = Journal.objects.filter(mapping__integration=arena.integration).undoable(timezone.now())
    couples = Journal.objects.filter(operation=Journal.Operation.COUPLE).values("job")
    found = list(rows.exclude(job__in=couples).select_related("job").order_by("-pk")[:30])
    if not found:
        return
    row = found[n % len(found)]
    try:
        services.undo(row.job, user=None, journal=[row.pk] if alone else None)
    except NotNow:
        return


def watch(arena: Arena, side: Side, app: MemoryApp) -> None:
    """From now on the arena hears of what these jobs store in the app, before they do."""
    store, remove = app.store, app.remove

    def stored(
        table: MemoryTable, id: str, fields: Mapping[str, Any], by: str, stamp: datetime | None
    ) -> Row:
        mine = by == INTEGRATION_USER and arena.job is not None and arena.job.verb in VERBS
        kind = arena.kind_of_table(table.info.name)
        before = arena.rows(kind, side).get(id)
        if mine and before is not None:
            arena.look()
            _typed(arena, kind, side, id, before, fields)
        row = store(table, id, fields, by, stamp)
        if mine:
            arena.births.setdefault((kind, side, id), str(row.fields["no"]))
            arena.addresses.add((arena.birth(kind, side, id), *arena.address(row.fields)))
        return row

    def removed(table: str, id: str) -> None:
        if arena.job is not None and arena.job.verb == "undo":
            kind = arena.kind_of_table(table)
            arena.look()
            _replaced(arena, kind, side, id, arena.rows(kind, side)[id])
            arena.deleted.add((kind, side, arena.birth(kind, side, id)))
        remove(table, id)

    app.store, app.remove = stored, removed  # type: ignore[method-assign]


def _typed(
    arena: Arena, kind: Kind, side: Side, id: str, before: Mapping[str, Any], fields: Mapping[str, Any]
) -> None:
    for name, value in fields.items():
        if name in ("id", "modified_at", "modified_by") or before[name] == value:
            continue
        _replaced(arena, kind, side, id, {name: before[name]})
        if arena.job is not None and arena.job.verb == "undo" and _one_way(arena, kind, name):
            arena.taken_back.add((kind, arena.birth(kind, side, id), name))
        elif name not in ("closed", "source"):
            arena.note(kind, side, id, name, value)


def _replaced(arena: Arena, kind: Kind, side: Side, id: str, values: Mapping[str, Any]) -> None:
    """Those of these values that the person meant to be gone are."""
    assert arena.job is not None
    options = arena.job.options
    if arena.job.verb == "edit":
        record = Record(id, "", None, None, "", "", values)
        meant = {n for n in values if field_digest(record, n) == options["seen"]["fields"].get(n)}
    else:
        rows = Journal.objects.filter(job__in=options["undo"], side=side.value, record_id=id, state="done")
        if options["journal"] is not None:
            rows = rows.filter(pk__in=options["journal"])
        left: dict[str, Any] = {}
        for row in rows.order_by("pk"):
            left.update(load_values(row.values))
        meant = {
            name
            for name, value in values.items()
            if name in left
            and arena.meaning(kind, side, name, left[name]) == arena.meaning(kind, side, name, value)
        }
    for name in meant:
        arena.replace(kind, side, id, name, values[name])


def _one_way(arena: Arena, kind: Kind, name: str) -> bool:
    directions = {arena.mappings[kind].direction}
    directions |= set(
        FieldMapping.objects.filter(mapping=arena.mappings[kind], left_field=name).values_list(
            "direction", flat=True
        )
    )
    return not all(direction == "both" for direction in directions)


def is_taken_back(arena: Arena, kind: Kind, birth: str, name: str) -> bool:
    """Whether the field of the record was one-way and taken back, ever."""
    return any(
        (k, arena.one(mark), field) == (kind, arena.one(birth), name) for k, mark, field in arena.taken_back
    )

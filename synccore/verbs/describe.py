"""Reading an app's catalogue, and what it changes: the tables the set-up pages choose from, and what mappings remember of
their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction
from django.db.models import F

from synccore.engine.serial import dump_info, load_info
from synccore.failures import Misconfigured
from synccore.models import FieldMapping, TableMapping
from synccore.models.catalogue import store_catalogue
from synccore.models.mapping import with_app
from synccore.shapes import SIDES, FieldInfo, Side, TableInfo

from .run import Run
from .set_up import connection_of, signed_in

Catalogue = Mapping[str, TableInfo]
#: Of one side or of both.
Catalogues = Mapping[Side, Catalogue]

#: Parts of a description that decide how a value is compared: a base image taken before they changed says nothing.
_COMPARES: Final = ("type", "fraction", "padded")


def describe(run: Run) -> None:
    """Read the tables of one app, keep their description, and bring what its mappings remember of them up to date.

    Raises Failure where the app cannot be read; nothing is changed then.
    """
    app = connection_of(run)
    with signed_in(run, app) as connector:
        tables = connector.describe()
    of_app = with_app(app)
    with run.page() as at:
        store_catalogue(app, tables, at)
        for mapping in TableMapping.objects.filter(of_app).select_related("integration"):
            take_over(
                mapping,
                {side: tables for side in SIDES if mapping.integration.connection(side).pk == app.pk},
            )
        run.log("tables_read", n=len(tables))


def take_over(mapping: TableMapping, catalogues: Catalogues) -> bool:
    """Write what the catalogues say into the mapping and its field mappings; True where anything changed.

    A field whose type has changed gets a new revision, so that its base images are taken anew; any change moves the
    mapping's revision. What the catalogues do not name keeps its last description.
    """
    with transaction.atomic():
        moved = changed = False
        for side in SIDES:
            table = catalogues.get(side, {}).get(getattr(mapping, f"{side.value}_table"))
            if table is None:
                continue
            for name, value in (("id_field", table.id_field or ""), ("key_kind", table.key_kind.value)):
                if getattr(mapping, f"{side.value}_{name}") != value:
                    setattr(mapping, f"{side.value}_{name}", value)
                    moved = True
        if moved:
            mapping.save(
                update_fields=[f"{side.value}_{name}" for side in SIDES for name in ("id_field", "key_kind")]
            )
        anew = []
        for row in mapping.field_mappings.all():
            described, compares = described_anew(mapping, row, catalogues)
            if described:
                row.save(update_fields=["left_info", "right_info"])
                changed = True
            if compares:
                anew.append(row)
        if moved or changed:
            bump_revision(mapping, fields=anew)
        return moved or changed


def described_anew(mapping: TableMapping, row: FieldMapping, catalogues: Catalogues) -> tuple[bool, bool]:
    """Put new descriptions into a row: whether one differs, and whether values now compare differently."""
    described = compares = False
    for side in SIDES:
        table = catalogues.get(side, {}).get(getattr(mapping, f"{side.value}_table"))
        info = table.fields.get(getattr(row, f"{side.value}_field")) if table else None
        if info is None:
            continue
        old, new = getattr(row, f"{side.value}_info"), dump_info(info)
        if old == new:
            continue
        setattr(row, f"{side.value}_info", new)
        described = True
        compares |= old is not None and _compared(_load(old)) != _compared(info)
    return described, compares


def _load(data: object) -> FieldInfo | None:
    try:
        return load_info(data)
    except Misconfigured:
        return None


def _compared(info: FieldInfo | None) -> tuple[object, ...]:
    return tuple(getattr(info, name) for name in _COMPARES) if info else ()


def bump_revision(mapping: TableMapping, fields: Sequence[FieldMapping] = ()) -> None:
    """The mapping's rules have changed: running jobs start over with the new ones, skipped records come back.

    ``fields``: the field mappings whose values are now got or compared differently; their base images are taken
    anew. In the database and on the objects.
    """
    with transaction.atomic():
        TableMapping.objects.filter(pk=mapping.pk).update(revision=F("revision") + 1)
        FieldMapping.objects.filter(mapping=mapping, pk__in=[row.pk for row in fields]).update(
            revision=F("revision") + 1
        )
    mapping.refresh_from_db(fields=["revision"])
    for row in fields:
        row.refresh_from_db(fields=["revision"])

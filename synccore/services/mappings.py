"""Integration Table Mappings as people set them up: tables, fields that carry stamp and name, policies, limits, filters.

Saving judges by what the apps' catalogues said when they were last read; it contacts nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from hashlib import sha256
from json import dumps
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from synccore import jobs
from synccore.engine.filters import filter_errors, parse_filter
from synccore.failures import Misconfigured
from synccore.models import (
    Connection,
    Coupling,
    FieldMapping,
    Integration,
    JobQueueEntry,
    MatchSetup,
    SynchJob,
    TableMapping,
)
from synccore.models.kept import keep
from synccore.models.scoping import SET_UP
from synccore.shapes import SIDES, FieldType, Side, TableInfo
from synccore.tasks import kick_on_commit

from . import setup
from .catalogue import Known, known_of, known_to, start_describe
from .jobs import NotNow
from .rights import require

#: Fields of a table that a mapping names besides the mapped ones: column of the row → what it must hold ("" anything).
NAMED: Final = ("modified", "modified_by", "key", "name", "owner")
#: What one run may do before a person is asked.
BRAKES: Final = ("deletions_min", "deletions_share", "creations_min", "creations_share")
#: Columns of which another value makes other rules; a name is none.
_RULES: Final = (
    "direction", "conflicts", "deletions", "only_coupled", "natural_key", *BRAKES,
    *(f"{side.value}_{name}" for side in SIDES for name in ("table", *(f"{each}_field" for each in NAMED))),
)  # fmt: skip
#: How often a new mapping runs, and how often all its records are compared.
SCHEDULES: Final = {SynchJob.Scope.CHANGES: timedelta(minutes=30), SynchJob.Scope.SWEEP: timedelta(days=1)}

Found = dict[str, list[tuple[str, dict[str, Any]]]]


class Wrong(Exception):
    """Answers that cannot be used: where ("" is the whole form) → codes with their facts. Nothing was saved."""

    def __init__(self, found: Mapping[str, list[tuple[str, dict[str, Any]]]]) -> None:
        super().__init__(", ".join(sorted(found)))
        self.found = dict(found)


def revision_of(mapping: TableMapping) -> str:
    """A word that changes whenever somebody saves the mapping or its fields. Descriptions of fields do not count."""
    rows = mapping.field_mappings.order_by("pk")
    facts = [_facts(mapping, ("swept_at", "left_watermark", "right_watermark"))]
    facts += [_facts(row, ("left_info", "right_info")) for row in rows]
    return sha256(dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _facts(row: Any, without: tuple[str, ...]) -> dict[str, Any]:
    left_out = {*without, "revision", "left_key_kind", "right_key_kind", "left_id_field", "right_id_field"}
    names = (field.attname for field in row._meta.concrete_fields if field.attname not in left_out)
    return {name: getattr(row, name) for name in names}


def locked(mapping: TableMapping, *, user: Any, revision: str) -> TableMapping:
    """The mapping's row, locked, as the person saw it. Raises RightMissing; NotNow ``mapping_moved``, ``mapping_gone``."""
    require(user, SET_UP)
    rows = TableMapping.objects.select_for_update(of=("self",))
    row: TableMapping | None = (
        rows.select_related("integration__left", "integration__right").filter(pk=mapping.pk).first()
    )
    if row is None:
        raise NotNow("mapping_gone", mapping=mapping.name)
    if revision != revision_of(row):
        raise NotNow("mapping_moved", mapping=row.name)
    return row


# -- integrations ------------------------------------------------------------------------------------------------------


def make_integration(*, user: Any, name: str, left: Connection, right: Connection) -> Integration:
    """A pair of apps. Raises RightMissing; Wrong where the two are one, one was deleted, or the name is taken."""
    require(user, SET_UP)
    if left.pk == right.pk:
        raise Wrong({"right": [("same_app", {"app": right.name})]})
    try:
        with transaction.atomic():
            for side, app in (("left", left), ("right", right)):
                try:
                    keep(app)
                except Connection.DoesNotExist:
                    raise Wrong({side: [("app_gone", {"app": app.name})]}) from None
            return Integration.objects.create(name=name, left=left, right=right)
    except IntegrityError:
        raise Wrong({"name": [("integration_name_taken", {})]}) from None


# -- a mapping ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def make_mapping(integration: Integration, *, user: Any, values: Mapping[str, Any]) -> TableMapping:
    """A new mapping, switched off, with its schedules. What the catalogues tell of its tables is filled in.

    Apps whose tables were never read are read by a job. Raises RightMissing; Wrong; NotNow ``integration_gone``.
    """
    require(user, SET_UP)
    try:
        keep(integration)
    except Integration.DoesNotExist:
        raise NotNow("integration_gone", mapping=integration.name) from None
    row = TableMapping(integration=integration, enabled=False)
    known = known_of(integration, {side: {values[f"{side.value}_table"]} for side in SIDES})
    for side in SIDES:
        table = known.table(side, values[f"{side.value}_table"])
        if table is not None and table.modified_field:
            setattr(row, f"{side.value}_modified_field", table.modified_field)
    found = _apply(row, values, known)
    if found:
        raise Wrong(found)
    _store(row)
    now = timezone.now()
    for scope, every in SCHEDULES.items():
        JobQueueEntry.objects.create(
            mapping=row, scope=scope, interval_seconds=every.total_seconds(), next_run=now + every
        )
    unread = [integration.connection(side) for side in SIDES if known.read_at[side] is None]
    if unread:
        start_describe(unread, user=user)
    return row


@transaction.atomic
def change_mapping(
    mapping: TableMapping, *, user: Any, values: Mapping[str, Any], revision: str
) -> TableMapping:
    """Change what ``values`` name. Other tables or stamps are read from the beginning.

    Raises RightMissing; Wrong; NotNow ``mapping_moved`` where somebody saved it in the meantime.
    """
    row = locked(mapping, user=user, revision=revision)
    before = {name: getattr(row, name) for name in _RULES}
    wanted = {
        side: {values.get(f"{side.value}_table", getattr(row, f"{side.value}_table"))} for side in SIDES
    }
    found = _apply(row, values, known_of(row.integration, wanted))
    changed = {name for name in _RULES if getattr(row, name) != before[name]}
    tables = [name for name in changed if name.endswith("_table")]
    if tables and (n := Coupling.objects.live().filter(mapping=row).count()):
        for name in tables:
            found.setdefault(name, []).append(("coupled_tables", {"n": n}))
    if found:
        raise Wrong(found)
    for side in SIDES:
        if changed & {f"{side.value}_table", f"{side.value}_modified_field"}:
            setattr(row, f"{side.value}_watermark", None)
    _store(row)
    if changed:
        setup.bump_revision(row)
    return row


def _apply(row: TableMapping, values: Mapping[str, Any], known: Known) -> Found:
    """Put the answers into the row; what is wrong with them."""
    found: Found = {}
    for name, value in values.items():
        setattr(row, name, value)
    for side in SIDES:
        name = getattr(row, f"{side.value}_table")
        table = known.table(side, name)
        if table is None:
            if known.read_at[side] is not None and f"{side.value}_table" in values:
                add(found, f"{side.value}_table", "unknown_table", table=name, side=side.value)
            continue
        setattr(row, f"{side.value}_id_field", table.id_field or "")
        setattr(row, f"{side.value}_key_kind", table.key_kind.value)
        _named_fields(found, row, side, table)
    if row.natural_key is not None and "natural_key" in values:
        rows = FieldMapping.objects.filter(mapping=row, pk=row.natural_key, has_constant=False)
        if row.pk is None or not rows.exclude(left_field="").exclude(right_field="").exists():
            add(found, "natural_key", "natural_key_not_mapped", mapping_name=row.name)
    return found


def _named_fields(found: Found, row: TableMapping, side: Side, table: TableInfo) -> None:
    for each in NAMED:
        at = f"{side.value}_{each}_field"
        name = getattr(row, at)
        if not name:
            continue
        info = table.fields.get(name)
        if info is None:
            add(found, at, "unknown_field", table=table.name, field=name, side=side.value)
        elif each == "modified" and info.type not in (FieldType.INSTANT, FieldType.DATETIME):
            kind = info.native or info.type.value
            add(found, at, "bad_modified_field", table=table.name, field=name, type=kind, side=side.value)


def add(found: Found, at: str, code: str, **params: Any) -> None:
    """One more answer that cannot be used."""
    found.setdefault(at, []).append((code, params))


def _store(row: TableMapping) -> None:
    """Raises Wrong where the name is taken."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise Wrong({"name": [("mapping_name_taken", {})]}) from None


# -- filters -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def save_filters(
    mapping: TableMapping, *, user: Any, filters: Mapping[Side, list[dict[str, Any]]], revision: str
) -> TableMapping:
    """Which records of each side the mapping is about, as the JSON of filters.

    A mapping that runs compares all records next: a wider filter lets records in that nobody changed. Raises
    RightMissing; NotNow ``mapping_moved``; Wrong, with places like ``left-2`` for the third condition of the left.
    """
    row = locked(mapping, user=user, revision=revision)
    known = known_to(row)
    found: Found = {}
    for side in SIDES:
        table = known.table(side, getattr(row, f"{side.value}_table"))
        for i, condition in enumerate(filters[side]):
            for failure in condition_errors(condition, table):
                params = {**failure.params, "side": side.value, "table": table.name if table else ""}
                add(found, f"{side.value}-{i}", failure.code, **params)
    if found:
        raise Wrong(found)
    if all(getattr(row, f"{side.value}_filter") == filters[side] for side in SIDES):
        return row
    for side in SIDES:
        setattr(row, f"{side.value}_filter", filters[side])
    row.save(update_fields=["left_filter", "right_filter"])
    setup.bump_revision(row)
    if row.enabled:
        jobs.enqueue(
            verb="synchronise",
            mapping=row,
            scope=SynchJob.Scope.SWEEP,
            requested_by=user,
            origin=SynchJob.Origin.PERSON,
        )
        kick_on_commit()
    return row


def condition_errors(condition: Mapping[str, Any], table: TableInfo | None) -> list[Misconfigured]:
    """What is wrong with one condition of a filter; without a table only its shape is judged."""
    try:
        parsed = parse_filter([condition])
    except Misconfigured as failure:
        return [failure]
    return filter_errors(parsed, table) if table is not None else []


# -- on, off, away -----------------------------------------------------------------------------------------------------


@transaction.atomic
def switch_on(mapping: TableMapping, *, user: Any) -> TableMapping:
    """Let the mapping run. Raises RightMissing; NotNow ``mapping_gone``; ``not_read`` where the tables of an app were never
    read; ``mapping_wrong`` with what is wrong as ``failures``."""
    row = _row(mapping, user)
    known = known_to(row)
    if not known.complete:
        raise NotNow("not_read", mapping=row.name)
    if failures := setup.validate(row, known.tables):
        raise NotNow("mapping_wrong", mapping=row.name, failures=failures)
    if not row.enabled:
        row.enabled = True
        row.save(update_fields=["enabled"])
        kick_on_commit()
    return row


def switch_on_all(
    found: Iterable[TableMapping], *, user: Any
) -> tuple[list[TableMapping], list[tuple[TableMapping, NotNow]]]:
    """Switch on what can be; gives those that are on now, and why each of the others stays off. Raises RightMissing."""
    on: list[TableMapping] = []
    off: list[tuple[TableMapping, NotNow]] = []
    for mapping in found:
        try:
            on.append(switch_on(mapping, user=user))
        except NotNow as no:
            off.append((mapping, no))
    return on, off


@transaction.atomic
def switch_off(mapping: TableMapping, *, user: Any) -> TableMapping:
    """No job of the mapping starts by itself; a running one ends after its page. Raises RightMissing, NotNow."""
    row = _row(mapping, user)
    row.enabled = False
    row.save(update_fields=["enabled"])
    return row


@transaction.atomic
def copy_mapping(mapping: TableMapping, *, user: Any, name: str) -> TableMapping:
    """The same rules and match criteria under another name, switched off, without anything coupled. Raises RightMissing,
    Wrong, NotNow."""
    row = _row(mapping, user)
    fields, old = list(row.field_mappings.all()), row.pk
    criteria, setup = list(row.match_criteria.all()), MatchSetup.objects.filter(mapping=row).first()
    copies: dict[int, FieldMapping] = {}
    row.pk, row._state.adding = None, True
    row.name, row.enabled, row.revision, row.swept_at = name, False, 1, None
    row.left_watermark = row.right_watermark = None
    wanted, row.natural_key = row.natural_key, None
    _store(row)
    for each in fields:
        was, each.pk, each._state.adding = each.pk, None, True
        copies[was] = each
        each.mapping, each.revision = row, 1
        if each.reference_id == old:
            each.reference = row
        each.save()
        if was == wanted:
            row.natural_key = each.pk
    for criterion in criteria:
        criterion.field = copies[criterion.field_id]
    for part in (*criteria, *([setup] if setup is not None else ())):
        part.pk, part._state.adding, part.mapping = None, True, row
        part.save()
    row.save(update_fields=["natural_key"])
    now = timezone.now()
    for entry in JobQueueEntry.objects.filter(mapping_id=old):
        JobQueueEntry.objects.create(
            mapping=row,
            scope=entry.scope,
            interval_seconds=entry.interval_seconds,
            next_run=now + timedelta(seconds=entry.interval_seconds),
        )
    return row


def _row(mapping: TableMapping, user: Any) -> TableMapping:
    require(user, SET_UP)
    rows = TableMapping.objects.select_for_update(of=("self",))
    row: TableMapping | None = (
        rows.select_related("integration__left", "integration__right").filter(pk=mapping.pk).first()
    )
    if row is None:
        raise NotNow("mapping_gone", mapping=mapping.name)
    return row

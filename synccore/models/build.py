"""Rows of a mapping as the frozen rules the engine works with. Built once per job."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from synccore.engine.brakes import Brakes
from synccore.engine.filters import parse_filter
from synccore.engine.rules import ConflictPolicy, DeletionPolicy, Direction, FieldRule, MappingRules
from synccore.engine.serial import load_info, load_preconditions, load_templates, load_transforms
from synccore.failures import Misconfigured
from synccore.shapes import SIDES, KeyKind, Side

from .connection import Integration
from .mapping import FieldMapping, TableMapping

Choice = TypeVar("Choice", bound=StrEnum)


def rules_of(mapping: TableMapping) -> MappingRules:
    """The rules of a mapping, as its rows say now. Two queries, fewer where the rows were prefetched.

    Args:
        mapping: the row; its integration and both connections are left cached on it.

    Raises Misconfigured (scope table) where a row's JSON cannot be used: ``bad_filter``,
    ``bad_transformation``, ``bad_template``, ``bad_precondition``, ``field_unknown``, ``bad_setting``.
    """
    integration = _integration(mapping)
    return MappingRules(
        id=mapping.pk,
        name=mapping.name,
        left=mapping.table(Side.LEFT),
        right=mapping.table(Side.RIGHT),
        fields=tuple(field_rule(row) for row in mapping.field_mappings.all()),
        revision=mapping.revision,
        direction=_one_of(Direction, mapping.direction, "direction"),
        left_filter=parse_filter(mapping.left_filter),
        right_filter=parse_filter(mapping.right_filter),
        left_key_kind=_one_of(KeyKind, mapping.left_key_kind, "key_kind"),
        right_key_kind=_one_of(KeyKind, mapping.right_key_kind, "key_kind"),
        left_id_field=mapping.left_id_field or None,
        right_id_field=mapping.right_id_field or None,
        conflicts=_one_of(ConflictPolicy, mapping.conflicts, "conflicts"),
        deletions=_one_of(DeletionPolicy, mapping.deletions, "deletions"),
        only_coupled=mapping.only_coupled,
        templates=load_templates(mapping.templates),
        preconditions=load_preconditions(mapping.preconditions),
        natural_key=mapping.natural_key,
        left_skew=integration.left.skew,
        right_skew=integration.right.skew,
    )


def field_rule(row: FieldMapping) -> FieldRule:
    """One field mapping as a rule. A constant keeps only its destination. Raises Misconfigured as
    :func:`rules_of`."""
    direction = _one_of(Direction, row.direction, "direction")
    names: dict[Side, str | None] = {Side.LEFT: row.left_field or None, Side.RIGHT: row.right_field or None}
    infos = {
        Side.LEFT: load_info(row.left_info, field=row.left_field, side=Side.LEFT.value),
        Side.RIGHT: load_info(row.right_info, field=row.right_field, side=Side.RIGHT.value),
    }
    if row.has_constant:
        for side in SIDES:
            if not direction.allows(side):
                names[side] = infos[side] = None
    title = row.left_field or row.right_field
    return FieldRule(
        id=row.pk,
        left=names[Side.LEFT],
        right=names[Side.RIGHT],
        left_info=infos[Side.LEFT],
        right_info=infos[Side.RIGHT],
        revision=row.revision,
        direction=direction,
        to_right=load_transforms(row.to_right, field=title),
        to_left=load_transforms(row.to_left, field=title),
        has_constant=row.has_constant,
        constant=row.constant,
        group=row.group,
        owner=Side(row.owner) if row.owner else None,
        reference=row.reference_id,
        optional=row.optional,
        keep_empty=row.keep_empty,
        personal=row.personal,
        sensitive=row.sensitive,
        only_new=row.only_new,
        empty_id=row.empty_id,
    )


def brakes_of(mapping: TableMapping) -> Brakes:
    """How much one run of this mapping may delete or create before a person is asked."""
    return Brakes(
        deletions_min=mapping.deletions_min,
        deletions_share=mapping.deletions_share,
        creations_min=mapping.creations_min,
        creations_share=mapping.creations_share,
    )


def _integration(mapping: TableMapping) -> Integration:
    """The integration with both connections, in at most one query."""
    cached = mapping._state.fields_cache
    known = cached.get("integration")
    if known is None or not {"left", "right"} <= known._state.fields_cache.keys():
        mapping.integration = Integration.objects.select_related("left", "right").get(
            pk=mapping.integration_id
        )
    return mapping.integration


def _one_of(kind: type[Choice], value: str, setting: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise Misconfigured("bad_setting", {"setting": setting, "value": value}) from None

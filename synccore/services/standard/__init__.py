"""*Use Default Synchronization Setup*: the standard mappings of two kinds of apps, made or reset by one press."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from synccore.models import Integration, TableMapping
from synccore.models.scoping import SET_UP
from synccore.shapes import SIDES

from .. import mapping_parts, mappings
from ..field_mappings import Draft, save_fields
from ..jobs import NotNow
from ..rights import require
from .plan import MappingPlan, Plan, Skipped, base_currency, make_plan, slug_of, standard_of

__all__ = [
    "MappingPlan",
    "Plan",
    "Result",
    "Skipped",
    "base_currency",
    "make_plan",
    "slug_of",
    "standard_of",
    "use_standard",
]


@dataclass(slots=True)
class Result:
    """What a press did: mappings made, reset, left as they were, and those that stayed off with why."""

    made: list[TableMapping] = field(default_factory=list)
    reset: list[TableMapping] = field(default_factory=list)
    left: list[TableMapping] = field(default_factory=list)
    off: list[tuple[TableMapping, NotNow]] = field(default_factory=list)


@transaction.atomic
def use_standard(
    integration: Integration,
    *,
    user: Any,
    chosen: Collection[str],
    reset: Collection[str] = (),
    currency: str | None = None,
    switch_on: bool = False,
) -> Result:
    """Make the chosen standard mappings of this pair that are not there yet, and put those of ``reset`` back to it.

    One whose two tables are mapped already is left as it is unless it stands in ``reset``; its couplings, schedules and
    grants stay in either case. All in one transaction; pressed twice, it does nothing the second time.

    Raises RightMissing; NotNow ``no_standard`` (not for these kinds), ``not_read`` (an app's tables were never read).
    """
    require(user, SET_UP)
    locked = (
        Integration.objects.select_for_update(of=("self",))
        .select_related("left", "right")
        .get(pk=integration.pk)
    )
    plan = make_plan(locked, currency=currency, chosen=chosen)
    if plan is None:
        raise NotNow("no_standard", integration=locked.name)
    if not plan.is_read:
        raise NotNow("not_read", mapping=locked.name)
    result = Result()
    there: dict[str, TableMapping] = {}
    for each in plan.mappings:
        if each.existing is not None:
            there[each.slug] = each.existing
        if each.blocked is not None or each.slug not in {*chosen, *reset}:
            continue
        if each.existing is None:
            row = there[each.slug] = _make(locked, each, user)
            _fill(row, each, there, user)
            result.made.append(row)
        elif each.slug in reset:
            _fill(each.existing, each, there, user)
            result.reset.append(each.existing)
        else:
            result.left.append(each.existing)
    if switch_on:
        _on, result.off = mappings.switch_on_all(result.made, user=user)
    return result


def _make(integration: Integration, plan: MappingPlan, user: Any) -> TableMapping:
    values = {
        "name": plan.name,
        "direction": plan.direction,
        **{f"{side.value}_table": plan.tables[side] for side in SIDES},
        **plan.columns,
    }
    return mappings.make_mapping(integration, user=user, values=values)


def _fill(row: TableMapping, plan: MappingPlan, there: dict[str, TableMapping], user: Any) -> None:
    """Fields, filters, templates and rules of the standard. Rows of a field mapping that stays keep their memory."""
    if row.natural_key is not None:
        _change(row, user, natural_key=None)
    old = {(each.left_field, each.right_field): each.pk for each in row.field_mappings.all()}
    for i, draft in enumerate(plan.drafts):
        draft.key = old.get((draft.left, draft.right))
        draft.reference = there[plan.references[i]].pk if i in plan.references else None
    save_fields(row, user=user, drafts=_with_keys_once(plan.drafts), revision=_as_it_is(row))
    mappings.save_filters(row, user=user, filters=plan.filters, revision=_as_it_is(row))
    mapping_parts.save_templates(row, user=user, drafts=plan.templates, revision=_as_it_is(row))
    mapping_parts.save_preconditions(row, user=user, drafts=[], revision=_as_it_is(row))
    natural = None
    if plan.natural is not None:
        natural = row.field_mappings.order_by("position").values_list("pk", flat=True)[plan.natural]
    rules: dict[str, Any] = {"conflicts": "ask", "deletions": "ask", "only_coupled": False}
    _change(row, user, natural_key=natural, direction=plan.direction, **rules, **plan.columns)


def _with_keys_once(drafts: list[Draft]) -> list[Draft]:
    """A stored row is the first draft's that names its fields."""
    seen: set[int] = set()
    for draft in drafts:
        if draft.key in seen:
            draft.key = None
        elif draft.key is not None:
            seen.add(draft.key)
    return drafts


def _as_it_is(row: TableMapping) -> str:
    """The revision of the mapping now: what this transaction saved before is no change behind anybody's back."""
    row.refresh_from_db()
    return mappings.revision_of(row)


def _change(row: TableMapping, user: Any, **values: Any) -> None:
    mappings.change_mapping(row, user=user, values=values, revision=_as_it_is(row))
    row.refresh_from_db()

"""Rules, records and links for the engine's tests, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from synccore.engine.images import image
from synccore.engine.rules import Direction, FieldRule, Link, MappingRules, Step
from synccore.shapes import FieldInfo, FieldType, Record, Side, TableRef, Value

L, R = Side.LEFT, Side.RIGHT
BOTH, TO_RIGHT, TO_LEFT = Direction.BOTH, Direction.TO_RIGHT, Direction.TO_LEFT
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def info(name: str, type: FieldType = FieldType.TEXT, **options: Any) -> FieldInfo:
    return FieldInfo(name, type, **options)


def rule(id: int, name: str, type: FieldType = FieldType.TEXT, **options: Any) -> FieldRule:
    """A field called ``l_name`` on the left and ``r_name`` on the right."""
    values: dict[str, Any] = {
        "left": f"l_{name}",
        "right": f"r_{name}",
        "left_info": info(f"l_{name}", type),
        "right_info": info(f"r_{name}", type),
    }
    return FieldRule(id=id, **{**values, **options})


def constant(id: int, name: str, text: str | None, side: Side = R) -> FieldRule:
    on_right = side is R
    return FieldRule(
        id=id,
        left=None if on_right else f"l_{name}",
        right=f"r_{name}" if on_right else None,
        left_info=None if on_right else info(f"l_{name}"),
        right_info=info(f"r_{name}") if on_right else None,
        direction=TO_RIGHT if on_right else TO_LEFT,
        has_constant=True,
        constant=text,
    )


def mapping(*fields: FieldRule, **options: Any) -> MappingRules:
    return MappingRules(
        id=7, name="Customers", left=TableRef("customer"), right=TableRef("account"), fields=fields, **options
    )


def record(side: Side, id: str = "", at: float | None = 0, by: str = "Anna", **values: Value) -> Record:
    """``at``: seconds after noon. Field names without their side's prefix."""
    return Record(
        id=id or ("L1" if side is L else "R1"),
        version="1",
        modified_at=None if at is None else NOON + timedelta(seconds=at),
        modified_by=by,
        key="C10",
        name="Cronus",
        fields={f"{side.value[0]}_{name}": value for name, value in values.items()},
    )


def pair(left: Mapping[str, Value], right: Mapping[str, Value] | None = None) -> tuple[Record, Record]:
    return record(L, **left), record(R, **(left if right is None else right))


def agreed(rules: MappingRules, left: Record, right: Record, prefer: Side | None = None) -> Link:
    """The memory of a pair that agreed on these two records."""
    return Link("L1", "R1", image(rules, L, left), image(rules, R, right), prefer)


def edit(record: Record, at: float | None = None, **values: Value) -> Record:
    side = record.id[0].lower()
    stamp = record.modified_at if at is None else NOON + timedelta(seconds=at)
    fields = {**record.fields, **{f"{side}_{name}": value for name, value in values.items()}}
    return replace(record, fields=fields, modified_at=stamp, version=record.version + "x")


def applied(step: Step, side: Side, record: Record) -> Record:
    """The record after the step's writes, as an app without a mind of its own stores them."""
    return replace(record, fields={**record.fields, **step.writes.get(side, {})})


def plainly(step: Step) -> dict[str, Any]:
    """What a step does, as short as it can be compared."""
    found: dict[str, Any] = {"kind": step.kind.value}
    if step.writes:
        found["writes"] = {side.value: dict(fields) for side, fields in step.writes.items()}
    if step.overwrites:
        found["overwrites"] = {side.value: dict(fields) for side, fields in step.overwrites.items()}
    if step.failure:
        found["failure"] = step.failure.code
    return found


#: A mapping with a field each way, one that goes both ways, and a group; and what a pair of it holds.
ADDRESS = (rule(2, "street", group="address"), rule(3, "city", group="address"))
RULES = mapping(
    rule(1, "name"), *ADDRESS, rule(4, "rep", direction=TO_RIGHT), rule(5, "owes", direction=TO_LEFT)
)
VALUES = {"name": "Cronus", "street": "High St", "city": "Oslo", "rep": "AB", "owes": "5"}

"""Conversions that follow from the descriptions of two fields alone: what is too long is cut, and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synccore.engine.transforms import TRANSFORMS
from synccore.shapes import SIDES, FieldInfo, FieldType, Side

from .field_mappings import Draft


def cuts(source: FieldInfo, destination: FieldInfo) -> list[dict[str, Any]]:
    """The conversion by which text of one field fits into the other, as it is stored; none where it does in any case."""
    text = source.type is destination.type is FieldType.TEXT
    if text and is_less(destination.length, source.length):
        return [{"name": "cut", "params": {"length": destination.length}}]
    return []


def come_back(draft: Draft, infos: Mapping[Side, FieldInfo]) -> None:
    """A field that goes both ways has conversions for both: the second cut takes nothing away."""
    for side in SIDES:
        mine, other = getattr(draft, f"to_{side.value}"), getattr(draft, f"to_{side.other.value}")
        if other and not mine:
            length = infos[side].length or infos[side.other].length
            setattr(draft, f"to_{side.value}", [{"name": "cut", "params": {"length": length}}])
    draft.accepted = any(TRANSFORMS[each["name"]].loses for each in (*draft.to_right, *draft.to_left))


def is_less(limit: int | None, other: int | None) -> bool:
    """Whether a limit is smaller than another, of which None is none at all."""
    return limit is not None and (other is None or other > limit)

"""The editor of field mappings: one line per field mapping, its conversions as lines inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synccore.models import FieldMapping
from synccore.services.field_mappings import Draft, draft_of
from synccore.shapes import SIDES, FieldInfo, Side

from .conversions import STEP, lines_of, steps_of
from .lines import Line, Shape

PREFIX = "f"
FLAGS = ("has_constant", "optional", "only_new", "keep_empty", "personal", "sensitive", "accepted")
LINE = Shape(
    ("key", "left", "right", "direction", "constant", "group", "owner", "reference", *FLAGS),
    {"to_right": STEP, "to_left": STEP},
)

Infos = Mapping[Side, Mapping[str, FieldInfo]]
Unread = list[tuple[str, int]]


def line_of(row: FieldMapping) -> Line:
    """A stored field mapping as a line."""
    return line_of_draft(draft_of(row))


def line_of_draft(draft: Draft) -> Line:
    texts = {
        name: getattr(draft, name) for name in ("left", "right", "direction", "constant", "group", "owner")
    }
    flags = {name: "on" if getattr(draft, name) else "" for name in FLAGS}
    keys = {"key": str(draft.key or ""), "reference": str(draft.reference or "")}
    return {
        **texts,
        **flags,
        **keys,
        "to_right": lines_of(draft.to_right),
        "to_left": lines_of(draft.to_left),
    }


def drafts_of(lines: Sequence[Line], infos: Infos) -> tuple[list[Draft], Unread]:
    """Lines as the service takes them, and the places whose text could not be read, each with the line of its text."""
    drafts, unread = [], []
    for i, line in enumerate(lines):
        draft = Draft(key=_number(line["key"]), reference=_number(line["reference"]))
        for name in ("left", "right", "constant", "group", "owner"):
            setattr(draft, name, line[name] if name == "constant" else line[name].strip())
        draft.direction = line["direction"] or "both"
        for name in FLAGS:
            setattr(draft, name, bool(line[name]))
        here = {side: infos[side].get(getattr(draft, side.value)) for side in SIDES}
        for way, to in (("to_right", Side.RIGHT), ("to_left", Side.LEFT)):
            steps, bad = steps_of(line[way], here[to.other], here[to])
            setattr(draft, way, steps)
            unread += [(f"{PREFIX}-{i}-{way}-{step}-{param}", number) for step, param, number in bad]
        drafts.append(draft)
    return drafts, unread


def _number(text: Any) -> int | None:
    return int(text) if str(text).isdecimal() and len(str(text)) < 16 else None

"""Forms that grow by lines, also without JavaScript: reading them, and the presses that add, remove and move a line.

A list of lines has a prefix: ``f-n`` says how many there are, ``f-3-left`` is an answer of the fourth, and
``f-3-to_right-0-name`` one of the first line of a list inside it. A press is named by what it does and where:
``add:f``, ``remove:f-3-to_right:0``, ``up:f:2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: More lines than anybody means.
MOST: Final = 500
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """The answers of one line, and the lists inside it."""

    names: tuple[str, ...]
    lists: Mapping[str, Shape] = field(default_factory=dict)

    def blank(self) -> Line:
        return {name: "" for name in self.names} | {name: [] for name in self.lists}


def read(data: Mapping[str, Any], prefix: str, shape: Shape) -> list[Line]:
    """The lines as they were typed, every answer a text. What is not there is empty."""
    lines = []
    for i in range(_number(data.get(f"{prefix}-n", ""))):
        at = f"{prefix}-{i}"
        line: Line = {name: str(data.get(f"{at}-{name}", "")).replace("\0", "") for name in shape.names}
        lines.append(line | {name: read(data, f"{at}-{name}", inner) for name, inner in shape.lists.items()})
    return lines


def _number(text: Any) -> int:
    found = str(text)
    return min(int(found), MOST) if found.isdecimal() and len(found) < 9 else 0


def press(lines: list[Line], prefix: str, shape: Shape, wanted: str, data: Mapping[str, Any]) -> str:
    """Do what was pressed to the lines; gives the place to look at afterwards, "" where nothing was done.

    A line that is added takes the answers of ``<place>-add-<name>``.
    """
    action, _colon, rest = wanted.partition(":")
    place, _colon, number = rest.partition(":")
    found = _find(lines, prefix, shape, place)
    if found is None:
        return ""
    there, inner = found
    if action == "add" and len(there) < MOST:
        added = {name: str(data.get(f"{place}-add-{name}", "")) for name in inner.names}
        there.append(inner.blank() | added)
        return f"{place}-{len(there) - 1}"
    i = _number(number)
    if not number.isdecimal() or i >= len(there):
        return ""
    if action == "remove":
        del there[i]
        return f"{place}-{max(0, min(i, len(there) - 1))}" if there else place
    to = {"up": i - 1, "down": i + 1}.get(action)
    if to is None or not 0 <= to < len(there):
        return ""
    there[i], there[to] = there[to], there[i]
    return f"{place}-{to}"


def _find(lines: list[Line], prefix: str, shape: Shape, place: str) -> tuple[list[Line], Shape] | None:
    """The list at a place, and the shape of its lines."""
    if place == prefix:
        return lines, shape
    if not place.startswith(f"{prefix}-"):
        return None
    number, _dash, rest = place.removeprefix(f"{prefix}-").partition("-")
    i, name = _number(number), rest.partition("-")[0]
    if not number.isdecimal() or i >= len(lines) or name not in shape.lists:
        return None
    return _find(lines[i][name], name, shape.lists[name], rest)

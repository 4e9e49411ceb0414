"""Whether the values of one field are values of another that takes only those of a list: an enumeration, a picklist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from synccore.engine.steps import key_of
from synccore.shapes import FieldInfo, FieldType

Found = Iterator[tuple[str, dict[str, Any]]]

#: As many values of a list as are worth carrying in a warning; a sentence names fewer.
MOST: Final = 50


def of_lists(source: FieldInfo, destination: FieldInfo, steps: Sequence[Mapping[str, Any]]) -> Found:
    """Values that will be refused, or not be understood, because a field takes those of a list only.

    ``steps`` as stored; where they do more than replace values by a list nothing can be said.
    """
    maps = [each for each in steps if each.get("name") == "map"]
    if not source.options and not destination.options:
        return
    if not maps:
        if not steps:
            yield from _unmapped(source, destination)
        return
    if len(maps) == 1:
        yield from _mapped(source, destination, maps[0].get("params") or {}, alone=len(steps) == 1)


def _unmapped(source: FieldInfo, destination: FieldInfo) -> Found:
    accepted = {text for text, _label in destination.options}
    if destination.options:
        if not source.options:
            yield "only_of_list", {"options": said(destination.options)}
        elif lacking := [option for option in source.options if option[0] and option[0] not in accepted]:
            yield "other_list", {"values": said(lacking), "options": said(destination.options)}
    elif source.type is FieldType.INTEGER and destination.type is FieldType.TEXT:
        yield "number_of_list", {"values": said(source.options)}


def _mapped(source: FieldInfo, destination: FieldInfo, params: Mapping[str, Any], *, alone: bool) -> Found:
    pairs = [pair for pair in params.get("pairs") or () if isinstance(pair, list | tuple) and len(pair) == 2]
    accepted = {text for text, _label in destination.options}
    if alone and source.options:
        known = {key_of(pair[0]) for pair in pairs}
        rest = [option for option in source.options if option[0] and option[0] not in known]
        match params.get("unmapped", "reject"):
            case "reject" if rest:
                yield "not_all_of_list", {"values": said(rest)}
            case "keep" if accepted and (lacking := [option for option in rest if option[0] not in accepted]):
                yield "other_list", {"values": said(lacking), "options": said(destination.options)}
    if alone and accepted:
        wrong = [text for pair in pairs if (text := key_of(pair[1])) and text not in accepted]
        if wrong:
            values = said([(text, "") for text in wrong])
            yield "not_of_list", {"values": values, "options": said(destination.options)}


def said(options: Sequence[tuple[str, str]]) -> list[str]:
    """The values of a list as people read them: "3 Customer"."""
    return [option_text(*option) for option in options if option[0]][:MOST]


def option_text(text: str, label: str) -> str:
    """One value of a list: with its caption, where that says more."""
    return f"{text} {label}" if label and label != text else text


def proposed_pairs(source: FieldInfo | None, destination: FieldInfo | None) -> list[tuple[str, str]]:
    """Values of two lists that mean the same by their own text or by their caption; () where either has no list."""
    if source is None or destination is None:
        return []
    targets: dict[str, str] = {}
    for text, label in destination.options:
        for name in (label, text):
            if name:
                targets.setdefault(name.casefold(), text)
    pairs = []
    for text, label in source.options:
        found = targets.get(text.casefold()) or targets.get(label.casefold())
        if text and found:
            pairs.append((text, found))
    return pairs

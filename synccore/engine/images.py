"""Base images, and comparisons of a stored record with what was meant (ENGINE §4, §6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from synccore.engine.canonical import canon
from synccore.engine.compiled import Compiled, CompiledField, Rules, compile_rules
from synccore.engine.fields import located
from synccore.engine.rules import Blocker, Image, Link, References
from synccore.engine.values import dump_values, load_values
from synccore.failures import Blocked, Rejected
from synccore.shapes import FieldInfo, Record, Side, Value


def image(rules: Rules, side: Side, record: Record) -> dict[int, tuple[int, str | None]]:
    """The base image of a record: rule id → (revision, canonical text), for every rule with a field on
    ``side``.

    Raises ``Rejected`` for a value that is not of its field's type.
    """
    compiled = compile_rules(rules)
    found = {}
    for each in compiled.fields:
        if each.name(side) is not None:
            try:
                found[each.rule.id] = (each.rule.revision, each.text(side, record))
            except Rejected as failure:
                raise located(failure, compiled, each, side) from None
    return found


def image_hash(rules: Rules, side: Side, record: Record) -> str:
    """sha256 (hex) over the mapped fields: did one of them change since a failure? Works on invalid values
    too."""
    digest = sha256()
    for each in compile_rules(rules).fields:
        if each.name(side) is None:
            continue
        try:
            text = each.text(side, record)
        except Rejected:
            text = f"invalid {each.value(record, side)!r}"
        digest.update(json.dumps([each.rule.id, text]).encode())
    return digest.hexdigest()


def changed_fields(rules: Rules, side: Side, record: Record, base: Image) -> dict[str, str | None] | None:
    """Mapped fields of ``record`` that are not as in ``base``: name → canonical text now.

    None where that cannot be told: a field without base, because nothing was agreed yet or its rule's
    revision moved. A value that is not of its field's type counts as changed and is given as text.
    """
    found: dict[str, str | None] = {}
    for each in compile_rules(rules).fields:
        name = each.name(side)
        if name is None:
            continue
        was = base.get(each.rule.id)
        if was is None or was[0] != each.rule.revision:
            return None
        try:
            text = each.text(side, record)
        except Rejected as failure:
            text = json.dumps(str(failure.params["value"]), ensure_ascii=False)
        if text != was[1]:
            found[name] = text
    return found


def reference_values(
    rules: Rules, left: Record | None, right: Record | None, link: Link
) -> set[tuple[int, Side, str]]:
    """What ``References`` must hold for ``decide`` on this pair: (mapping, side the value stands on, id
    text).

    Both directions; nothing for a field that neither side moved. Values that are no ids are left for
    ``decide`` to refuse.
    """
    found: set[tuple[int, Side, str]] = set()
    records = {Side.LEFT: left, Side.RIGHT: right}
    for each in compile_rules(rules).fields:
        if each.rule.reference is None or not (each.left and each.right):
            continue
        if left is not None and right is not None and _as_agreed(rules, each.rule.id, left, right, link):
            continue
        for side, record in records.items():
            if record is None or not each.allows(side.other):
                continue
            try:
                key = each.reference_key(side, each.value(record, side))
            except Rejected:
                continue
            if key is not None:
                found.add(key)
    return found


def keepers(rules: Rules) -> list[tuple[CompiledField, Side]]:
    """Optional references that flow one way, with the side that names the record."""
    return [
        (each, Side.LEFT if each.allows(Side.RIGHT) else Side.RIGHT)
        for each in compile_rules(rules).pairs
        if each.rule.reference is not None and each.rule.optional and not each.both_ways
    ]


def kept(
    fields: Iterable[tuple[CompiledField, Side]], records: Mapping[Side, Record | None], refs: References
) -> dict[int, Side]:
    """Those of :func:`keepers` whose record has no counterpart (yet), so that a field which must have a value keeps the one
    it has: rule → the side that names the record."""
    found = {}
    for each, source in fields:
        record = records.get(source)
        if record is None:
            continue
        try:
            key = each.reference_key(source, each.value(record, source))
        except Rejected:
            continue  # decide meets the same failure and names it
        if key is not None and isinstance(refs.get(key), Blocker):
            found[each.rule.id] = source
    return found


def _as_agreed(rules: Rules, rule_id: int, left: Record, right: Record, link: Link) -> bool:
    each = next(each for each in compile_rules(rules).fields if each.rule.id == rule_id)
    for side, record in ((Side.LEFT, left), (Side.RIGHT, right)):
        try:
            now = (each.rule.revision, each.text(side, record))
        except Rejected:
            return False
        was = link.base(side).get(rule_id)
        if was is None or tuple(was) != now:
            return False
    return True


def natural_key_value(rules: Rules, source_side: Side, record: Record, refs: References) -> Value:
    """The value that identifies the counterpart of ``record`` in the other app, to be looked up before a
    create.

    None without a natural key, or where it is empty. Raises ``Rejected`` or ``Blocked`` as its conversion
    does.
    """
    compiled = compile_rules(rules)
    destination = source_side.other
    for each in compiled.fields:
        if each.rule.id == compiled.rules.natural_key and each.allows(destination) and each.name(destination):
            try:
                value = each.flow(destination, each.value(record, source_side), refs)
                return None if each.canon[destination](value) is None else value
            except Rejected as failure:
                raise located(failure, compiled, each, destination) from None
    return None


def same(rules: Rules, left: Record, right: Record, refs: References) -> bool:
    """Whether all fields the two share are equal, as for adopting a counterpart that is there already."""
    for each in compile_rules(rules).pairs:
        side = Side.RIGHT if each.allows(Side.RIGHT) else Side.LEFT
        source, stored = (left, right) if side is Side.RIGHT else (right, left)
        try:
            if each.flow_text(side, each.value(source, side.other), refs) != each.text(side, stored):
                return False
        except (Rejected, Blocked):
            return False
    return True


def canon_fields(fields: Mapping[str, Value], infos: Mapping[str, FieldInfo]) -> dict[str, str | None]:
    """Canonical texts of values by field name. A field that is not described is taken by its value's own
    type."""
    return {name: canon(value, infos.get(name)) for name, value in fields.items()}


def holds(record: Record, values: Mapping[str, str | None], infos: Mapping[str, FieldInfo]) -> bool:
    """Whether the record holds these canonical values (of :func:`canon_fields` with the same ``infos``).

    False for a field that was not read, or holds something that is no value of its type.
    """
    for name, text in values.items():
        if name not in record.fields:
            return False
        try:
            if canon(record.fields[name], infos.get(name)) != text:
                return False
        except Rejected:
            return False
    return True


__all__ = [
    "Compiled",
    "canon_fields",
    "changed_fields",
    "compile_rules",
    "dump_values",
    "holds",
    "image",
    "image_hash",
    "load_values",
    "natural_key_value",
    "reference_values",
    "same",
]

"""The rules of a mapping made ready for many records: one function per field and side instead of look-ups per
value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from synccore.engine.canonical import Canonizer, canon_pair_info, canonizer, parse
from synccore.engine.convert import converter
from synccore.engine.filters import Test, compile_filter
from synccore.engine.rules import (
    BY_NUMBER,
    Blocker,
    Direction,
    FieldRule,
    MappingRules,
    References,
    Template,
    Transform,
)
from synccore.engine.transforms import compile_transforms
from synccore.failures import Blocked, Misconfigured, Rejected
from synccore.shapes import SIDES, FieldInfo, FieldType, Record, Side, Value

#: Texts that mean "nothing stands here", with and without ``keep_empty``.
EMPTY: Final = frozenset({None, '""'})


def id_text(canonical: str | None) -> str | None:
    """The plain id text of a reference's canonical value, as ``Record.id`` spells it."""
    if canonical is None or not canonical.startswith('"'):
        return canonical
    text = json.loads(canonical)
    return str(text) or None


class CompiledField:
    """One field rule ready to run.

    ``direction`` is the effective one (mapping ∩ field), None where the field never flows. ``canon`` gives
    canonical text with both sides cut to the coarser precision.
    """

    __slots__ = (
        "_empty_stands_on",
        "_flows",
        "_numbered",
        "canon",
        "canon_left",
        "canon_right",
        "direction",
        "infos",
        "left",
        "right",
        "rule",
    )

    def __init__(self, rule: FieldRule, mapping: MappingRules) -> None:
        self.rule = rule
        self.left, self.right = rule.left, rule.right
        self.direction = mapping.direction & rule.direction
        left, right = canon_pair_info(rule.info(Side.LEFT), rule.info(Side.RIGHT))
        self.infos = {Side.LEFT: left, Side.RIGHT: right}
        self.canon_left: Canonizer = canonizer(left, keep_empty=rule.keep_empty)
        self.canon_right: Canonizer = canonizer(right, keep_empty=rule.keep_empty)
        self.canon = {Side.LEFT: self.canon_left, Side.RIGHT: self.canon_right}
        #: Sides whose value is a number; the side of the record that an empty value of the other side stands for.
        self._numbered = frozenset(side for side in SIDES if step_of(rule, side.other, "by_number"))
        self._empty_stands_on = next((side for side in SIDES if step_of(rule, side, "empty_means")), None)
        self._flows: dict[Side, Callable[[Value, References], Value]] = {}
        for destination in SIDES:
            if self.allows(destination) and self.name(destination):
                self._flows[destination] = self._compile_flow(destination)

    def name(self, side: Side) -> str | None:
        return self.left if side is Side.LEFT else self.right

    def allows(self, destination: Side) -> bool:
        return self.direction is not None and self.direction.allows(destination)

    @property
    def both_ways(self) -> bool:
        return self.direction is Direction.BOTH and not self.rule.has_constant

    def text(self, side: Side, record: Record) -> str | None:
        """Canonical text of this field on one side's record. Raises Rejected, or Misconfigured if it was not
        read."""
        name = self.left if side is Side.LEFT else self.right
        assert name is not None
        try:
            value = record.fields[name]
        except KeyError:
            raise field_missing(side, name) from None
        return self.canon[side](value)

    def flow(self, destination: Side, source: Value, refs: References) -> Value:
        """What ``source`` of the other side becomes on ``destination``: transformed, translated, converted.

        Raises ``Rejected`` (see ``convert`` and ``transforms``) and ``Blocked`` for a reference without
        counterpart.
        """
        return self._flows[destination](source, refs)

    def flow_text(self, destination: Side, source: Value, refs: References) -> str | None:
        """Canonical text of :meth:`flow`."""
        return self.canon[destination](self.flow(destination, source, refs))

    def value(self, record: Record, side: Side) -> Value:
        """The raw value this field's source holds; None for a constant, which needs no source."""
        name = self.name(side)
        if name is None:
            return None
        try:
            return record.fields[name]
        except KeyError:
            raise field_missing(side, name) from None

    # -- compiling
    # -----------------------------------------------------------------------------------------------------

    def _compile_flow(self, destination: Side) -> Callable[[Value, References], Value]:
        rule, info, source = self.rule, self.infos[destination], self.infos[destination.other]
        if info is None:
            raise Misconfigured("field_unknown", {"field": rule.name(destination), "side": destination.value})
        if rule.has_constant:
            constant = _fill(_constant(rule, info), info, rule.keep_empty)
            return lambda value, refs: constant
        keep_empty = rule.keep_empty
        if rule.reference is not None:
            to_type = converter(None, info)

            def translate(value: Value, refs: References) -> Value:
                found = self._translated(destination.other, value, refs)
                return _fill(to_type(found), info, keep_empty)

            return translate
        steps = compile_transforms(rule.transforms(destination), info.name)
        to_type = converter(source, info)
        padded = source is not None and source.padded
        if steps is None:
            return lambda value, refs: _fill(to_type(value), info, keep_empty)

        def run(value: Value, refs: References) -> Value:
            if padded and isinstance(value, str):
                value = value.rstrip(" ")
            return _fill(to_type(steps(value)), info, keep_empty)

        return run

    def reference_key(self, side: Side, value: Value) -> tuple[int, Side, str] | None:
        """What to ask ``References`` for, where ``value`` stands on ``side``; None for an empty reference, and for the
        record that stands for one."""
        assert self.rule.reference is not None
        text = id_text(self.canon[side](value))
        if text is None or (side is self._empty_stands_on and text == self.rule.empty_id):
            return None
        if side in self._numbered:
            text = BY_NUMBER + text
        return self.rule.reference, side, text

    def _translated(self, side: Side, value: Value, refs: References) -> str | None:
        key = self.reference_key(side, value)
        if key is None:
            return self._of_empty(side)
        found = refs.get(key)
        if isinstance(found, str):
            return found
        if self.rule.optional:
            return None
        blocker = found or Blocker(mapping=key[0], side=side, record=key[2].removeprefix(BY_NUMBER))
        raise Blocked("reference_not_coupled", blocker_params(blocker, self.rule.name(side) or ""))

    def _of_empty(self, side: Side) -> str | None:
        """What an empty value of ``side`` is on the other: nothing, or the record that it stands for."""
        if self._empty_stands_on is not side.other:
            return None
        if self.rule.empty_id:
            return self.rule.empty_id
        step = step_of(self.rule, side.other, "empty_means")
        assert step is not None and self.rule.reference is not None
        sought = f"{step.params.get('field')} = {step.params.get('value')}"
        blocker = Blocker(self.rule.reference, side.other, sought, hopeless=True, reason="absent")
        raise Blocked("reference_not_coupled", blocker_params(blocker, self.rule.name(side.other) or ""))


def step_of(rule: FieldRule, destination: Side, name: str) -> Transform | None:
    """The step of this name on the way to a side, where the rule is a reference that has it."""
    if rule.reference is None:
        return None
    return next((step for step in rule.transforms(destination) if step.name == name), None)


def blocker_params(blocker: Blocker, field: str) -> dict[str, object]:
    """The params of ``reference_not_coupled``."""
    return {
        "mapping": blocker.mapping,
        "mapping_name": blocker.mapping_name,
        "side": blocker.side.value,
        "record": blocker.record,
        "record_name": blocker.record_name,
        "field": field,
        "hopeless": blocker.hopeless,
        "reason": blocker.reason,
    }


def field_missing(side: Side, name: str) -> Misconfigured:
    return Misconfigured("field_missing", {"field": name, "side": side.value})


def _constant(rule: FieldRule, info: FieldInfo) -> Value:
    try:
        return parse(rule.constant, info)
    except Rejected as failure:
        raise Misconfigured(
            "bad_constant", {"field": info.name, "value": failure.params["value"]}
        ) from failure


def _fill(value: Value, info: FieldInfo, keep_empty: bool) -> Value:
    """Null and "" are the same value (unless ``keep_empty``): give the one that the destination takes."""
    if keep_empty or (value is not None and value != ""):
        return value
    return "" if info.required and info.type is FieldType.TEXT else None


class Compiled:
    """``MappingRules`` ready to run; make it once per job with :func:`compile_rules`. Holds no state of
    records."""

    __slots__ = ("_inside", "constants", "fields", "new_only", "pairs", "rules", "templates")

    def __init__(self, rules: MappingRules) -> None:
        self.rules = rules
        self.fields = tuple(CompiledField(rule, rules) for rule in rules.fields)
        flowing = [each for each in self.fields if each.direction is not None and not each.rule.only_new]
        #: Fields that stand on both sides and flow at least one way, in pairs that exist.
        self.pairs = tuple(
            each for each in flowing if each.left and each.right and not each.rule.has_constant
        )
        self.constants = tuple(each for each in flowing if each.rule.has_constant)
        #: Those that are written into new records only.
        self.new_only = tuple(
            each
            for each in self.fields
            if each.rule.only_new and each.direction is not None and each.left and each.right
        )
        infos = {side: rules.infos(side) for side in SIDES}
        self._inside: dict[Side, Test | None] = {
            side: compile_filter(rules.filter(side), infos[side]) if rules.filter(side) else None
            for side in SIDES
        }
        self.templates = tuple(
            (
                each,
                compile_filter(each.when, infos[each.side.other]),
                _template_values(each, infos[each.side]),
            )
            for each in sorted(rules.templates, key=lambda each: each.priority)
        )

    def inside(self, side: Side, record: Record) -> bool:
        """Whether a fetched record is inside the filter of its side."""
        test = self._inside[side]
        return test is None or test(record.fields)

    def template(self, destination: Side, source: Record) -> Mapping[str, Value]:
        """Values for a new record on ``destination``: of the matching template with the lowest priority
        number."""
        for template, test, values in self.templates:
            if template.side is destination and test(source.fields):
                return values
        return {}


def _template_values(template: Template, infos: Mapping[str, FieldInfo]) -> dict[str, Value]:
    values = {}
    for name, text in template.values.items():
        try:
            values[name] = parse(text, infos.get(name))
        except Rejected as failure:
            params = {"field": name, "value": failure.params["value"], "priority": template.priority}
            raise Misconfigured("bad_template", params) from failure
    return values


Rules = MappingRules | Compiled

#: The last rules compiled, by identity: callers that hold MappingRules compile once all the same.
_recent: dict[int, Compiled] = {}


def compile_rules(rules: Rules) -> Compiled:
    """The compiled form; cheap when these very rules were compiled just before.

    Raises ``Misconfigured`` of scope table: ``bad_transformation``, ``bad_filter``, ``bad_constant {field,
    value}``, ``bad_template {field, value, priority}``, ``field_unknown {field, side}``.
    """
    if isinstance(rules, Compiled):
        return rules
    found = _recent.get(id(rules))
    if found is None or found.rules is not rules:
        found = Compiled(rules)
        if len(_recent) >= 32:
            _recent.clear()
        _recent[id(rules)] = found
    return found

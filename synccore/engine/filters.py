"""Filters, evaluated on fetched records: the same meaning as in every connector (``shapes.Condition``).

A condition's value is the plain text of a value of the field's type, as it stands inside canonical JSON text:
``NL``, ``12.5``, ``true``, ``2024-01-31``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from synccore.engine.canonical import guid_of, infer
from synccore.engine.convert import convert
from synccore.failures import Failure, Misconfigured
from synccore.shapes import Condition, FieldInfo, FieldType, Filter, Operator, TableInfo, Value

Fields = Mapping[str, Value]
Test = Callable[[Fields], bool]

_LISTS: Final = frozenset({Operator.IN, Operator.NOT_IN})
_NO_VALUE: Final = frozenset({Operator.EMPTY, Operator.NOT_EMPTY})
_ORDERED: Final = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
#: Above every number, as PostgreSQL sorts NaN.
_ABOVE: Final = Decimal("Infinity")


def bad_filter(field: str, reason: str) -> Misconfigured:
    return Misconfigured("bad_filter", {"field": field, "reason": reason})


def matches(filter: Filter, record_fields: Fields, infos: Mapping[str, FieldInfo]) -> bool:
    """Whether a record is inside the filter. Raises ``Misconfigured("bad_filter")`` as :func:`compile_filter`
    does."""
    return compile_filter(filter, infos)(record_fields)


def compile_filter(filter: Filter, infos: Mapping[str, FieldInfo]) -> Test:
    """The filter as one function, for many records. A field without description is compared by its value's
    own type.

    Raises ``Misconfigured("bad_filter", {field, reason})``; the function itself does for a record without the
    field.
    """
    tests = [_compile(condition, infos.get(condition.field)) for condition in filter]

    def run(fields: Fields) -> bool:
        return all(test(fields) for test in tests)

    return run


def _compile(condition: Condition, info: FieldInfo | None) -> Test:
    name = condition.field
    if info is None:
        return _compile_undescribed(condition)
    if error := _error(condition, info):
        raise error
    test, kind, padded = _test(condition, info), info.type, info.padded

    def run(fields: Fields) -> bool:
        return test(_comparable(_read(fields, name), kind, padded))

    return run


def _compile_undescribed(condition: Condition) -> Test:
    """The condition where only the value itself tells the type."""
    by_type: dict[FieldType, Test] = {}

    def run(fields: Fields) -> bool:
        info = replace(infer(_read(fields, condition.field)), name=condition.field)
        if info.type not in by_type:
            by_type[info.type] = _compile(condition, info)
        return by_type[info.type](fields)

    return run


def _read(fields: Fields, name: str) -> Value:
    try:
        return fields[name]
    except KeyError:
        raise bad_filter(name, "field_not_read") from None


def _value(text: str | None, info: FieldInfo) -> Value:
    """The typed value of a condition's text; limits of the field do not apply."""
    return convert(text, None, FieldInfo(info.name, info.type))


def _comparable(value: Value, kind: FieldType, padded: bool) -> Any:
    """Something that compares by the filter's meaning; None for empty."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if kind is FieldType.GUID:
            return guid_of(value) or value
        return (value.rstrip(" ") or None) if padded else value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        exact = Decimal(repr(value) if isinstance(value, float) else value)
        return _ABOVE if exact.is_nan() else exact
    return value


def _test(condition: Condition, info: FieldInfo) -> Callable[[Any], bool]:
    """The condition on a comparable value. An empty field is handled here, once for each operator."""

    def wanted(text: str | None) -> Any:
        return _comparable(_value(text, info), info.type, info.padded)

    match condition.operator:
        case Operator.EMPTY:
            return lambda value: value is None
        case Operator.NOT_EMPTY:
            return lambda value: value is not None
        case Operator.IN:
            among = [wanted(text) for text in condition.value or ()]
            return lambda value: value in among
        case Operator.NOT_IN:
            among = [wanted(text) for text in condition.value or ()]
            return lambda value: value not in among
    assert not isinstance(condition.value, tuple)
    other = wanted(condition.value)
    match condition.operator:
        case Operator.EQ:
            return lambda value: bool(value == other)
        case Operator.NE:
            return lambda value: bool(value != other)
        case Operator.STARTS_WITH:
            return lambda value: isinstance(value, str) and value.startswith(other)
        case Operator.LT:
            return lambda value: _ordered(value, other) and bool(value < other)
        case Operator.LE:
            return lambda value: _ordered(value, other) and bool(value <= other)
        case Operator.GT:
            return lambda value: _ordered(value, other) and bool(value > other)
        case _:
            return lambda value: _ordered(value, other) and bool(value >= other)


def _ordered(value: Any, other: Any) -> bool:
    """Whether the two can be put in order: same kind of value, and both with or both without a zone."""
    if isinstance(value, datetime) and isinstance(other, datetime):
        return (value.tzinfo is None) == (other.tzinfo is None)
    if isinstance(value, datetime) or isinstance(other, datetime):
        return False
    return type(value) is type(other)


def _error(condition: Condition, info: FieldInfo) -> Misconfigured | None:
    """Why a condition makes no sense: reasons no_field, unknown_operator, value_not_allowed, value_missing,
    not_a_list, is_a_list, value_not_of_type, type_not_comparable."""
    name, operator, value = condition.field, condition.operator, condition.value
    if not name:
        return bad_filter(name, "no_field")
    if operator in _NO_VALUE:
        return bad_filter(name, "value_not_allowed") if value is not None else None
    if info.type is FieldType.BINARY:
        return bad_filter(name, "type_not_comparable")
    if operator in _LISTS:
        if not isinstance(value, tuple):
            return bad_filter(name, "not_a_list")
        texts: tuple[str | None, ...] = value
    elif isinstance(value, tuple):
        return bad_filter(name, "is_a_list")
    else:
        texts = (value,)
    try:
        parsed = [_value(text, info) for text in texts]
    except Failure:
        return bad_filter(name, "value_not_of_type")
    if operator in _ORDERED or operator is Operator.STARTS_WITH:
        if parsed[0] is None or parsed[0] == "":
            return bad_filter(name, "value_missing")
        boolean = isinstance(parsed[0], bool)
        if boolean or (operator is Operator.STARTS_WITH and not isinstance(parsed[0], str)):
            return bad_filter(name, "type_not_comparable")
    return None


def filter_errors(filter: Filter, table: TableInfo) -> list[Misconfigured]:
    """Everything wrong with a filter on this table, one ``bad_filter`` per condition, for set-up."""
    found = []
    for condition in filter:
        info = table.fields.get(condition.field)
        if info is None:
            found.append(bad_filter(condition.field, "unknown_field"))
        elif error := _error(condition, info):
            found.append(error)
    return found


def parse_filter(data: Any) -> Filter:
    """A filter from its JSON: a list of ``{"field", "operator", "value"}``; None is the empty filter.

    Raises ``Misconfigured("bad_filter", {field, reason})``.
    """
    if data is None:
        return ()
    if not isinstance(data, list | tuple):
        raise bad_filter("", "not_a_list")
    return tuple(_condition(each) for each in data)


def _condition(data: Any) -> Condition:
    if not isinstance(data, Mapping):
        raise bad_filter("", "not_a_condition")
    name = data.get("field")
    if not isinstance(name, str) or not name:
        raise bad_filter("", "no_field")
    if unknown := set(data) - {"field", "operator", "value"}:
        raise bad_filter(name, f"unknown_part {sorted(map(str, unknown))[0]}")
    try:
        operator = Operator(str(data.get("operator")))
    except ValueError:
        raise bad_filter(name, "unknown_operator") from None
    value = data.get("value")
    if isinstance(value, list | tuple):
        if not all(isinstance(text, str) for text in value):
            raise bad_filter(name, "value_not_text")
        value = tuple(value)
    elif value is not None and not isinstance(value, str):
        raise bad_filter(name, "value_not_text")
    condition = Condition(name, operator, value)
    if operator in _LISTS and not isinstance(value, tuple):
        raise bad_filter(name, "not_a_list")
    if operator not in _LISTS and isinstance(value, tuple):
        raise bad_filter(name, "is_a_list")
    return condition


def dump_filter(filter: Iterable[Condition]) -> list[dict[str, Any]]:
    """The JSON of a filter; :func:`parse_filter` reads it back."""
    return [
        {
            "field": condition.field,
            "operator": condition.operator.value,
            "value": list(condition.value) if isinstance(condition.value, tuple) else condition.value,
        }
        for condition in filter
    ]

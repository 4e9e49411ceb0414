"""Conditions, checked against the description of a table before a connector renders them in its app's own language.

Their meaning is ``shapes.Condition``'s; ``engine.filters`` evaluates the same on fetched records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synccore.connectors.values import parse
from synccore.engine.filters import compile_filter
from synccore.failures import Misconfigured, Rejected
from synccore.shapes import Condition, FieldInfo, Filter, Value


def matcher(
    table: str, filter: Filter, infos: Mapping[str, FieldInfo]
) -> Callable[[Mapping[str, Value]], bool]:
    """The filter as a function of a record's fields.

    Raises:
        Misconfigured: ``bad_filter {table, field, reason}``, also for a field the table lacks (``unknown_field``).
    """
    for condition in filter:
        if condition.field not in infos:
            raise bad_filter(table, condition.field, "unknown_field")
        condition_values(table, condition, infos[condition.field])
    return compile_filter(filter, infos)


def bad_filter(table: str, field: str, reason: str) -> Misconfigured:
    """A condition that makes no sense for its field; scope table. ``reason`` as in ``engine.filters``."""
    return Misconfigured("bad_filter", {"table": table, "field": field, "reason": reason})


def condition_values(table: str, condition: Condition, info: FieldInfo) -> list[Value]:
    """The typed values of a condition, None for empty: one, several of a list, none of EMPTY and NOT_EMPTY.

    Raises:
        Misconfigured: ``bad_filter``.
    """
    try:
        compile_filter((condition,), {info.name: info})
    except Misconfigured as failure:
        raise bad_filter(table, info.name, failure.params["reason"]) from None
    value = condition.value
    texts = value if isinstance(value, tuple) else (value,)
    try:
        return [_value(table, info, text) for text in texts]
    except Rejected:  # a character that no app can store
        raise bad_filter(table, info.name, "value_not_of_type") from None


def _value(table: str, info: FieldInfo, text: str | None) -> Value:
    if text is not None and info.padded:
        text = text.rstrip(" ")
    return None if text is None or text == "" else parse(table, info, text)

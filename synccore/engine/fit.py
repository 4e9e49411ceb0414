"""Whether what flows into a field fits it, judged by the two descriptions and the conversions between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from synccore.engine.fit_lists import of_lists
from synccore.shapes import FieldInfo, FieldType

_NUMBERS: Final = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT})
_STAMPS: Final = frozenset({FieldType.INSTANT, FieldType.DATETIME})
#: What apps call a field that holds the id of another of their records.
_LOOKUPS: Final = frozenset({"lookup", "Lookup", "Customer", "Owner"})
#: Conversions that leave a value's length or digits as they are, or make them less.
_KEEPS: Final = frozenset({"trim", "upper", "lower", "digits_only", "strip_prefix", "null_if"})


def fit(
    source: FieldInfo, destination: FieldInfo, steps: Sequence[Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What may go wrong when values of ``source`` are written to ``destination`` after the conversions ``steps`` (as they
    are stored): code and facts of each; nothing where every value fits."""
    names = [each.get("name", "") for each in steps if isinstance(each, dict)]
    same_shape = all(name in _KEEPS for name in names)
    if source.type is destination.type is FieldType.GUID and not names and destination.native in _LOOKUPS:
        yield "foreign_id", {}
    text = source.type is destination.type is FieldType.TEXT
    if text and destination.length is not None:
        cuts = [each["params"].get("length") for each in steps if each.get("name") == "cut"]
        listed = max((len(value) for value, _label in source.options), default=None)
        longest = min([n for n in [*cuts, source.length, listed] if isinstance(n, int)], default=None)
        if (same_shape or cuts) and (longest is None or longest > destination.length):
            yield "shorter", {"limit": destination.length, "length": longest}
    if source.type in _NUMBERS and destination.type is FieldType.DECIMAL and not names:
        yield from _digits(source, destination)
    fractions = source.type in (FieldType.DECIMAL, FieldType.FLOAT) and source.scale != 0
    if destination.type is FieldType.INTEGER and fractions and same_shape and "round" not in names:
        yield "no_decimals", {}
    lists = list(of_lists(source, destination, [each for each in steps if isinstance(each, dict)]))
    yield from lists
    if source.type is not destination.type and same_shape and not (lists and destination.options):
        if {source.type, destination.type} == _STAMPS:
            yield "zone_needed", {}
        elif not _goes_by_itself(source.type, destination.type):
            yield "other_type", {"from_type": source.type.value, "type": destination.type.value}
    # Text that is missing is written as "", which such a field takes.
    needs_value = destination.required and destination.type is not FieldType.TEXT
    if needs_value and not source.required and "default" not in names:
        yield "required_here", {}


def _digits(source: FieldInfo, destination: FieldInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    finer = source.scale is None or (destination.scale is not None and source.scale > destination.scale)
    if destination.scale is not None and source.type is not FieldType.INTEGER and finer:
        yield "fewer_decimals", {"scale": destination.scale, "from_scale": source.scale}
    if source.type is FieldType.DECIMAL and None not in (source.precision, destination.precision):
        whole = (destination.precision or 0) - (destination.scale or 0)
        if (source.precision or 0) - (source.scale or 0) > whole:
            yield "smaller", {"digits": whole}


def _goes_by_itself(source: FieldType, destination: FieldType) -> bool:
    """Whether the values of one type are, all of them, values of the other without a conversion step."""
    if destination is FieldType.TEXT:
        return source is not FieldType.BINARY
    numbers = source in _NUMBERS and destination in _NUMBERS
    return numbers or (source is FieldType.DATE and destination is FieldType.DATETIME)

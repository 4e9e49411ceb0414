"""A table of a service as JSON, and back: what one process has read, written down for the others.

Only what differs from the default stands there. Reading is strict: whatever is not of its declared type, missing or unknown
raises ValueError, so that a text which somebody or something has spoilt is never taken for a table.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from synccore.connectors.odata.model import Entity

T = TypeVar("T")
Reader = Callable[[Any], Any]
_PLAIN: Final = frozenset({str, int, bool})


def to_json(entity: Entity) -> dict[str, Any]:
    """The table as a JSON object. The descriptions of its fields stand once, with its properties."""
    said: dict[str, Any] = _shown(replace(entity, table=replace(entity.table, fields={})))
    return said


def from_json(said: Any) -> Entity:
    """The table that ``to_json`` wrote. Raises ValueError."""
    entity: Entity = _reader(Entity)(said)
    infos = {name: each.info for name, each in entity.properties.items()}
    return replace(entity, table=replace(entity.table, fields=infos))


@cache
def _written(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The fields of a class with their defaults; MISSING where there is none."""
    return tuple(
        (each.name, each.default if each.default_factory is MISSING else each.default_factory())
        for each in fields(kind)
    )


def _shown(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN or value is None:
        return value
    if is_dataclass(kind):
        said = {}
        for name, default in _written(kind):
            found = getattr(value, name)
            if found is not default and found != default:
                said[name] = found if type(found) in _PLAIN else _shown(found)
        return said
    if isinstance(value, Mapping):
        return {name: _shown(each) for name, each in value.items()}
    if kind is tuple:
        return [_shown(each) for each in value]
    return value.value


@cache
def _reader(kind: Any) -> Reader:
    """What reads a value of this declared type. The types are those of :class:`Entity` and what it is made of."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        [other] = [each for each in inner if each is not type(None)]
        read = _reader(other)
        return lambda said: None if said is None else read(said)
    if origin is tuple:
        return _tuple(inner)
    if origin is not None:  # Mapping[str, …]
        read = _reader(inner[1])
        return lambda said: {name: read(each) for name, each in _of(dict, said).items()}
    if kind in _PLAIN:
        return lambda said: _of(kind, said)
    if issubclass(kind, Enum):
        return lambda said: kind(said)
    return _dataclass(kind)


def _tuple(inner: tuple[Any, ...]) -> Reader:
    read = [_reader(each) for each in inner if each is not Ellipsis]
    if Ellipsis in inner:
        return lambda said: tuple(read[0](each) for each in _of(list, said))
    return lambda said: tuple(one(each) for one, each in zip(read, _of(list, said), strict=True))


def _dataclass(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in fields(kind)}

    def read(said: Any) -> Any:
        try:
            return kind(**{name: readers[name](each) for name, each in _of(dict, said).items()})
        except (KeyError, TypeError) as error:  # a name that is not known, or one that is missing
            raise ValueError(f"no {kind.__name__}") from error

    return read


def _of(kind: type[T], said: Any) -> T:
    if type(said) is not kind:
        raise ValueError(f"{type(said).__name__} instead of {kind.__name__}")
    return said

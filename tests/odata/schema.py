"""What a test service holds: entity sets and their properties, said once and used for data, $metadata and refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BLANK_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Prop:
    """One property. ``type`` is its EDM name without ``Edm.``; a lookup is a Guid with ``targets`` (entity sets)."""

    name: str
    type: str = "String"
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    required: bool = False
    read_only: bool = False
    create_only: bool = False
    update_only: bool = False  # no new record can be given it
    unique: bool = False
    members: tuple[Any, ...] = ()  # texts of an enumeration, numbers of a picklist
    labels: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    money: bool = False
    memo: bool = False
    code: bool = False  # Business Central's Code: trimmed, upper case
    default: Any = None
    label: str = ""

    @property
    def is_lookup(self) -> bool:
        return bool(self.targets)

    @property
    def picklist(self) -> bool:
        return bool(self.members) and self.type == "Int32"


def text(name: str, length: int | None = None, **more: Any) -> Prop:
    return Prop(name, "String", length, **more)


def code(name: str, length: int, **more: Any) -> Prop:
    return Prop(name, "String", length, code=True, **more)


def guid(name: str, **more: Any) -> Prop:
    return Prop(name, "Guid", **more)


def lookup(name: str, *targets: str, **more: Any) -> Prop:
    return Prop(name, "Guid", targets=targets, **more)


def number(name: str, **more: Any) -> Prop:
    return Prop(name, "Int32", **more)


def decimal(name: str, precision: int | None = None, scale: int | None = None, **more: Any) -> Prop:
    return Prop(name, "Decimal", precision=precision, scale=scale, **more)


def money(name: str, **more: Any) -> Prop:
    return Prop(name, "Decimal", precision=19, scale=2, money=True, **more)


def flag(name: str, **more: Any) -> Prop:
    return Prop(name, "Boolean", **more)


def day(name: str, **more: Any) -> Prop:
    return Prop(name, "Date", **more)


def instant(name: str, **more: Any) -> Prop:
    return Prop(name, "DateTimeOffset", **more)


def enum(name: str, *members: str, **more: Any) -> Prop:
    return Prop(name, "Enum", members=members, **more)


def picklist(name: str, members: Mapping[int, str], **more: Any) -> Prop:
    return Prop(name, "Int32", members=tuple(members), labels=tuple(members.values()), **more)


#: A rule of one set beyond its properties: (service, values to be stored, the values before or None, what the request
#: gave). It refuses, or changes the values to be stored.
Rule = Callable[[Any, dict[str, Any], Mapping[str, Any] | None, Mapping[str, Any]], None]


#: What the service does by itself once a new row is stored: (service, its key, its values).
After = Callable[[Any, Any, Mapping[str, Any]], None]


@dataclass(frozen=True)
class EntitySet:
    """One entity set. ``modified`` and ``created`` name the stamps that the service keeps itself."""

    name: str
    props: Mapping[str, Prop]
    key: str
    type_name: str
    label: str = ""
    modified: str | None = None
    created: str | None = None
    modified_by: str | None = None
    read_only: bool = False
    tracks_changes: bool = True
    alternate_keys: tuple[str, ...] = ()
    primary_name: str = ""
    series: str = ""  # Business Central: the number series' prefix, for sets with a `number`
    identity: tuple[str, ...] = ()  # the fields that name a record in its app's own messages
    rules: tuple[Rule, ...] = field(default=(), compare=False)
    after: tuple[After, ...] = field(default=(), compare=False)

    @property
    def plural(self) -> str:
        name = self.label or self.type_name
        return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def entity(name: str, type_name: str, key: Prop, *props: Prop, **more: Any) -> EntitySet:
    return EntitySet(name, {prop.name: prop for prop in (key, *props)}, key.name, type_name, **more)

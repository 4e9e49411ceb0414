"""The tables of a service as the connector works with them, made of its ``$metadata``: :class:`Entity`, :class:`Property`.

What cannot be one field of a record (collections, complex types, streams, geography) is not there. A lookup is one field:
its value is read from a computed GUID and written by binding the record it points to; one that may point to several
tables is one field per table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from synccore.connectors.odata import csdl
from synccore.connectors.odata.profile import Profile
from synccore.failures import Misconfigured
from synccore.shapes import FieldInfo, FieldType, KeyKind, TableInfo

#: Type of the values and width of numbers, by the primitive type of the standard.
_TYPES: Final[Mapping[str, tuple[FieldType, int | None]]] = {
    "Edm.String": (FieldType.TEXT, None),
    "Edm.Guid": (FieldType.GUID, None),
    "Edm.Boolean": (FieldType.BOOLEAN, None),
    "Edm.SByte": (FieldType.INTEGER, 8),
    "Edm.Byte": (FieldType.INTEGER, 9),  # 0 to 255; what is below zero is refused in ``values``
    "Edm.Int16": (FieldType.INTEGER, 16),
    "Edm.Int32": (FieldType.INTEGER, 32),
    "Edm.Int64": (FieldType.INTEGER, 64),
    "Edm.Decimal": (FieldType.DECIMAL, None),
    "Edm.Double": (FieldType.FLOAT, 53),
    "Edm.Single": (FieldType.FLOAT, 24),
    "Edm.Date": (FieldType.DATE, None),
    "Edm.DateTimeOffset": (FieldType.INSTANT, None),
    "Edm.TimeOfDay": (FieldType.TIME, None),
    "Edm.Duration": (FieldType.TEXT, None),
    "Edm.Binary": (FieldType.BINARY, None),
}
ENUM: Final = "Enum"
_TIMED: Final = frozenset({FieldType.INSTANT, FieldType.TIME})
_KEY_TYPES: Final = frozenset({FieldType.INTEGER, FieldType.TEXT, FieldType.GUID})
#: Names of a modification stamp, the likeliest first.
_STAMPS: Final = (
    "lastmodifieddatetime", "modifiedon", "systemmodifiedat", "modifiedat", "lastmodifiedat", "lastmodified",
    "modifieddatetime", "modifieddate", "lastmodifieddate", "changedat", "changedon", "lastchangeddatetime",
    "lastchangedatetime", "updatedat", "updatedon", "lastupdated", "modified",
)  # fmt: skip
_LABELS: Final = ("com.sap.vocabularies.Common.v1.Label", csdl.DESCRIPTION)
_ESCAPE: Final = re.compile("_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class Binding:
    """How a lookup is written: ``navigation@odata.bind`` with the address of a record in ``target_set``.

    ``target`` is the logical name of the records it points to. ``shared``: the value read may be the id of another
    table's record; the annotation :attr:`Property.kind_path` says of which.
    """

    navigation: str
    target_set: str
    target: str
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Property:
    """One field of a table: its description, and how it stands in JSON and in an address.

    ``edm`` is its primitive type, or ``Enum``; ``read_path`` its name in answers, ``$select``, ``$filter`` and
    ``$orderby``. ``members`` of an enumeration: the service's own name → what people read.
    """

    name: str
    edm: str
    info: FieldInfo
    read_path: str
    creatable: bool = True
    updatable: bool = True
    bind: Binding | None = None
    #: False: the service takes no null for it.
    nullable: bool = True
    members: Mapping[str, str] = field(default_factory=dict)
    enum_type: str = ""

    @property
    def kind_path(self) -> str:
        """The annotation that names the table a shared lookup's value belongs to; "" where none is needed."""
        return f"{self.read_path}@{KIND}" if self.bind is not None and self.bind.shared else ""


#: Has to be asked for (``Prefer: odata.include-annotations``) wherever a property with a ``kind_path`` is read.
KIND: Final = "Microsoft.Dynamics.CRM.lookuplogicalname"


@dataclass(frozen=True, slots=True)
class Entity:
    """One table: an entity set. ``key`` is None where the key has several parts, or none that we can use."""

    set_name: str
    key: str | None
    properties: Mapping[str, Property]
    label: str
    modified_field: str | None
    table: TableInfo
    logical_name: str
    tracks_changes: bool = False
    #: Writes may be bound to a version (``If-Match``).
    versioned: bool = True

    def property(self, name: str) -> Property:
        """The property, or Misconfigured ``unknown_field`` (scope table): the field has gone, or never was."""
        try:
            return self.properties[name]
        except KeyError:
            raise Misconfigured("unknown_field", {"table": self.set_name, "field": name}) from None

    def key_property(self) -> Property:
        """The key's property, or Misconfigured ``no_key`` (scope table)."""
        if self.key is None:
            raise Misconfigured("no_key", {"table": self.set_name})
        return self.properties[self.key]


def entities(schema: csdl.Schema, profile: Profile) -> dict[str, Entity]:
    """Every entity set whose type is known, by name."""
    sets_of: dict[str, str] = {}
    for each in schema.sets.values():
        sets_of.setdefault(each.type, each.name)
    found = {}
    for each in schema.sets.values():
        if each.type in schema.types:
            found[each.name] = _Builder(schema, profile, each, sets_of).entity()
    return found


class _Builder:
    """One entity set on its way from the schema to an :class:`Entity`."""

    def __init__(
        self, schema: csdl.Schema, profile: Profile, entity_set: csdl.EntitySet, sets_of: Mapping[str, str]
    ) -> None:
        self.schema, self.profile, self.set, self.sets_of = schema, profile, entity_set, sets_of
        self.declared: dict[str, csdl.Property] = {}
        self.navigations: dict[str, csdl.Navigation] = {}
        self.annotations: dict[str, Any] = {}
        self.keys: tuple[str, ...] = ()
        for kind in schema.lineage(entity_set.type):
            self.declared |= kind.properties
            self.navigations |= kind.navigations
            self.annotations |= kind.annotations
            self.keys = kind.key or self.keys
        self.annotations |= entity_set.annotations
        #: Properties that the service says it takes for no new record, and for none that exists.
        self.not_created = set(
            map(str, csdl.listed(self.annotations, csdl.INSERTABLE, "NonInsertableProperties"))
        )
        self.not_updated = set(
            map(str, csdl.listed(self.annotations, csdl.UPDATABLE, "NonUpdatableProperties"))
        )

    def entity(self) -> Entity:
        unique = {self.keys[0]} if len(self.keys) == 1 else set()
        for key in csdl.listed(self.annotations, csdl.ALTERNATE_KEYS):
            parts = key.get("Key") if isinstance(key, Mapping) else None
            if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping):
                unique.add(str(parts[0].get("Name", "")))
        properties: dict[str, Property] = {}
        lookups = self._lookups()
        for each in self.declared.values():
            if each.name in lookups:
                for name, navigation, shared in lookups[each.name]:
                    properties[name] = self._lookup(name, each, navigation, shared)
            elif (made := self._property(each, each.name in unique)) is not None:
                properties[each.name] = made
        key = self.keys[0] if len(self.keys) == 1 and self.keys[0] in properties else None
        if key is not None and properties[key].info.type not in _KEY_TYPES:
            key = None
        return assemble(
            self.profile,
            self.set,
            key,
            properties,
            label=_label(self.annotations),
            insertable=csdl.says(self.annotations, csdl.INSERTABLE, "Insertable"),
            updatable=csdl.says(self.annotations, csdl.UPDATABLE, "Updatable"),
            tracks=self.profile.tracks_changes
            and csdl.says(self.annotations, csdl.CHANGE_TRACKING, "Supported", default=False),
        )

    # -- lookups -------------------------------------------------------------------------------------------------------

    def _lookups(self) -> dict[str, list[tuple[str, csdl.Navigation, bool]]]:
        """Computed GUID → the fields it is read for: (name, navigation property, whether it is one of several)."""
        if not self.profile.lookup_values:
            return {}
        found: dict[str, list[csdl.Navigation]] = {}
        for navigation in self.navigations.values():
            if navigation.collection or len(navigation.constraints) != 1:
                continue
            own = navigation.constraints[0][0]
            if self.profile.is_lookup_value(own) and self._target(navigation):
                found.setdefault(own, []).append(navigation)
        return {
            own: [(each.name, each, len(several) > 1) for each in several] for own, several in found.items()
        }

    def _target(self, navigation: csdl.Navigation) -> str:
        """The set that a navigation property's records are in; "" where none is known."""
        chosen = self.profile.lookup_targets.get(navigation.type.rpartition(".")[2])
        return chosen or self.set.bindings.get(navigation.name) or self.sets_of.get(navigation.type, "")

    def _lookup(self, name: str, value: csdl.Property, navigation: csdl.Navigation, shared: bool) -> Property:
        # The GUID itself is always computed; whether the lookup may be written stands with the navigation property's
        # field in the definitions of attributes, and else is found out by writing.
        return Property(
            name,
            value.type,
            FieldInfo(name, FieldType.GUID, label=_label(value.annotations), native="lookup"),
            value.name,
            bind=Binding(
                navigation.name, self._target(navigation), navigation.type.rpartition(".")[2], shared
            ),
        )

    # -- other properties ----------------------------------------------------------------------------------------------

    def _property(self, declared: csdl.Property, unique: bool) -> Property | None:
        if declared.collection:
            return None
        kind, facets = declared.type, declared
        if kind in self.schema.definitions:
            facets = self.schema.definitions[kind]
            kind = facets.type
        enum = self.schema.enums.get(kind)
        if enum is not None:
            type, width, edm = FieldType.TEXT, None, ENUM
        elif kind in _TYPES:
            (type, width), edm = _TYPES[kind], kind
        else:
            return None
        creatable, updatable = self._writable(declared)
        if edm == "Edm.Duration":
            creatable = updatable = False
        members = _members(enum, self.profile) if enum is not None else {}
        key = declared.name in self.keys
        info = FieldInfo(
            declared.name,
            type,
            length=_first(declared.length, facets.length)
            if type in (FieldType.TEXT, FieldType.BINARY)
            else None,
            required=creatable and self._required(declared),
            read_only=not (creatable or updatable),
            unique=unique,
            label=_label(declared.annotations),
            native=declared.type.removeprefix("Edm.") if enum is None else declared.type.rpartition(".")[2],
            # Of a flags enumeration several members may be set at once: no list of single values.
            options=tuple((text, text) for text in members.values()) if enum and not enum.flags else (),
            **self._digits(type, width, declared, facets),
        )
        return Property(
            declared.name,
            edm,
            info,
            declared.name,
            creatable,
            updatable and not key,
            nullable=declared.nullable,
            members=members,
            enum_type=enum.name if enum is not None else "",
        )

    def _digits(
        self, type: FieldType, width: int | None, declared: csdl.Property, facets: csdl.Property
    ) -> dict[str, Any]:
        """``precision``, ``scale`` and ``fraction`` of a field."""
        precision = _first(declared.precision, facets.precision)
        if type is FieldType.DECIMAL:
            return {"precision": precision, "scale": _first(declared.scale, facets.scale)}
        if type in _TIMED:
            most = self.profile.fraction
            return {"fraction": min(most, 6 if precision is None else precision)}
        return {"precision": width} if width is not None else {}

    def _writable(self, declared: csdl.Property) -> tuple[bool, bool]:
        """Whether a property may be given to a new record, and to one that exists."""
        notes = declared.annotations
        if _true(notes.get(csdl.COMPUTED)) or self.profile.is_lookup_value(declared.name):
            return False, False
        permissions = notes.get(csdl.PERMISSIONS)
        if isinstance(permissions, str) and permissions:
            names = {part.rpartition("/")[2] for part in re.split(r"[\s,]+", permissions)}
            if not names & {"Write", "ReadWrite", "3", "2"}:
                return False, False
        if self.profile.is_read_only(self.set.name, declared.name):
            return False, False
        creatable = notes.get("NAV.AllowEditOnCreate", notes.get("NAV.AllowEdit", True)) is not False
        updatable = notes.get("NAV.AllowEdit", True) is not False and not _true(notes.get(csdl.IMMUTABLE))
        name = declared.name
        return creatable and name not in self.not_created, updatable and name not in self.not_updated

    def _required(self, declared: csdl.Property) -> bool:
        nullable = declared.nullable or declared.default is not None
        return self.profile.is_required(self.set.name, declared.name, nullable)


def assemble(
    profile: Profile,
    entity_set: csdl.EntitySet,
    key: str | None,
    properties: Mapping[str, Property],
    *,
    label: str,
    insertable: bool,
    updatable: bool,
    tracks: bool,
) -> Entity:
    """The entity of these properties, with its description for people."""
    kind = _key_kind(profile, properties[key]) if key is not None else KeyKind.OPAQUE
    stamp = _stamp(properties.values())
    logical = entity_set.type.rpartition(".")[2]
    return Entity(
        entity_set.name,
        key,
        properties,
        label,
        stamp,
        TableInfo(
            entity_set.name,
            {name: each.info for name, each in properties.items()},
            key,
            kind,
            writable=(insertable or updatable) and entity_set.name not in profile.read_only_sets,
            label=label,
            modified_field=stamp,
        ),
        logical,
        tracks,
    )


def _key_kind(profile: Profile, key: Property) -> KeyKind:
    """How new records get their id: a GUID that we choose, a text that people give, or whatever the service says."""
    if key.info.type is FieldType.GUID and profile.create == "put_id":
        return KeyKind.UUID
    if key.info.type is FieldType.TEXT and key.creatable:
        return KeyKind.NATURAL
    return KeyKind.OPAQUE


def _stamp(properties: Iterable[Property]) -> str | None:
    """The likeliest modification stamp: a known name, else a moment that the service keeps and names like one."""
    moments = [each for each in properties if each.info.type is FieldType.INSTANT and each.bind is None]
    by_name = {each.name.lower().replace("_", ""): each.name for each in reversed(moments)}
    for name in _STAMPS:
        if name in by_name:
            return by_name[name]
    for each in moments:
        if each.info.read_only and re.search("modif|chang|updat", each.name, re.IGNORECASE):
            return each.name
    return None


def _members(enum: csdl.EnumType, profile: Profile) -> dict[str, str]:
    """The service's name of each member → what it means: "" for a blank, and escapes such as ``_x0020_`` resolved."""
    return {name: member_text(name, profile) for name in enum.members}


def member_text(name: str, profile: Profile) -> str:
    """What a member's name means to people: "" for a blank one."""
    if name in profile.blank_enums:
        return ""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), name) if profile.blank_enums else name


def _label(annotations: Mapping[str, Any]) -> str:
    for term in _LABELS:
        if isinstance(text := annotations.get(term), str) and text:
            return text[:200]
    return ""


def _true(value: object) -> bool:
    return value is True or value == "true"


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)

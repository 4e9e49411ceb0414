"""What a service says of itself: its ``$metadata`` (CSDL XML 4.0 and 4.01), read into a :class:`Schema`.

Names are qualified by namespace throughout; aliases of schemas are resolved. What is not known here is passed over: a
service may say more than anybody asks for. A document type or an entity is refused, so that no text of a server can make
us read a file or fill memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from synccore.failures import Misconfigured, Scope

_EDMX: Final = "{http://docs.oasis-open.org/odata/ns/edmx}"
_EDM: Final = "{http://docs.oasis-open.org/odata/ns/edm}"

#: Annotations of one model element: qualified term (with ``#qualifier``) → its value: text, a yes or no, a record (a
#: mapping), a collection (a list).
Annotations = dict[str, Any]
#: Records inside records of an annotation, so deep as anybody writes them; what is deeper is passed over.
_DEEPEST: Final = 20

COMPUTED: Final = "Org.OData.Core.V1.Computed"
IMMUTABLE: Final = "Org.OData.Core.V1.Immutable"
PERMISSIONS: Final = "Org.OData.Core.V1.Permissions"
DESCRIPTION: Final = "Org.OData.Core.V1.Description"
ALTERNATE_KEYS: Final = "Org.OData.Core.V1.AlternateKeys"
CHANGE_TRACKING: Final = "Org.OData.Capabilities.V1.ChangeTracking"
INSERTABLE: Final = "Org.OData.Capabilities.V1.InsertRestrictions"
UPDATABLE: Final = "Org.OData.Capabilities.V1.UpdateRestrictions"


@dataclass(slots=True)
class Property:
    """A structural property. ``type`` is ``Edm.…`` or a qualified name; ``scale`` is None where it varies or is not told."""

    name: str
    type: str
    collection: bool = False
    nullable: bool = True
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    default: str | None = None
    annotations: Annotations = field(default_factory=dict)


@dataclass(slots=True)
class Navigation:
    """A navigation property; ``constraints`` are (own property, property of the target)."""

    name: str
    type: str
    collection: bool = False
    constraints: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class EntityType:
    """An entity type with what it declares itself; :meth:`Schema.lineage` adds what it inherits."""

    name: str
    base: str | None = None
    abstract: bool = False
    key: tuple[str, ...] = ()
    properties: dict[str, Property] = field(default_factory=dict)
    navigations: dict[str, Navigation] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)


@dataclass(slots=True)
class EnumType:
    """Members by name, in the order of the document, with their numbers; ``flags``: several may be set at once."""

    name: str
    members: dict[str, int]
    flags: bool = False


@dataclass(slots=True)
class EntitySet:
    name: str
    type: str
    #: Navigation property → name of the set its target is in, as the container binds it.
    bindings: dict[str, str] = field(default_factory=dict)
    annotations: Annotations = field(default_factory=dict)


@dataclass(slots=True)
class Schema:
    """Everything of a ``$metadata`` document that tables are made of, by qualified name (sets by name)."""

    types: dict[str, EntityType] = field(default_factory=dict)
    enums: dict[str, EnumType] = field(default_factory=dict)
    #: Type definitions: qualified name → the primitive type behind it.
    definitions: dict[str, Property] = field(default_factory=dict)
    sets: dict[str, EntitySet] = field(default_factory=dict)

    def lineage(self, name: str) -> list[EntityType]:
        """The type and what it inherits from, the eldest first. An unknown base and a circle end it."""
        found: dict[str, EntityType] = {}
        current: str | None = name
        while current in self.types and current not in found:
            found[current] = self.types[current]
            current = found[current].base
        return list(found.values())[::-1]


def parse(document: bytes) -> Schema:
    """The schema that a ``$metadata`` document describes.

    Raises:
        Misconfigured: ``metadata_unreadable {reason}``, scope connection; reasons ``not_xml``, ``forbidden`` (a document
            type or an entity), ``not_csdl`` (no OData V4 metadata: another version, another document).
    """
    try:
        root = ElementTree.fromstring(document, forbid_dtd=True)
    except DefusedXmlException:
        raise unreadable("forbidden") from None
    except (ParseError, ValueError, LookupError):
        raise unreadable("not_xml") from None
    schemas = [
        each
        for services in root.iter(f"{_EDMX}DataServices")
        for each in services
        if each.tag == f"{_EDM}Schema" and each.get("Namespace")
    ]
    if root.tag != f"{_EDMX}Edmx" or not schemas:
        raise unreadable("not_csdl")
    return _Reader(root, schemas).read()


def unreadable(reason: str) -> Misconfigured:
    """``$metadata`` cannot be used; scope connection, since nothing can be read without it."""
    return Misconfigured("metadata_unreadable", {"reason": reason}, scope=Scope.CONNECTION)


class _Reader:
    """One document on its way into a schema."""

    def __init__(self, root: Element, schemas: list[Element]) -> None:
        self.schemas = schemas
        self.schema = Schema()
        self.aliases: dict[str, str] = {}
        # An alias may be given by the schema itself and by the reference or include that brings its vocabulary in.
        for each in root.iter(f"{_EDMX}Include"):
            if alias := each.get("Alias"):
                self.aliases[alias] = each.get("Namespace", "")
        for each in schemas:
            if alias := each.get("Alias"):
                self.aliases[alias] = each.get("Namespace", "")

    def read(self) -> Schema:
        containers: list[tuple[str, Element]] = []
        outside: list[Element] = []
        for schema in self.schemas:
            namespace = schema.get("Namespace", "")
            for each in schema:
                name = f"{namespace}.{each.get('Name', '')}"
                match each.tag.removeprefix(_EDM):
                    case "EntityType":
                        self.schema.types[name] = self._entity_type(name, each)
                    case "EnumType":
                        self.schema.enums[name] = _enum(name, each)
                    case "TypeDefinition":
                        self.schema.definitions[name] = self._property(each, each.get("UnderlyingType", ""))
                    case "EntityContainer":
                        containers.append((name, each))
                    case "Annotations":
                        outside.append(each)
        for _, container in containers:
            for each in container.iter(f"{_EDM}EntitySet"):
                self._entity_set(each)
        names = {name for name, _ in containers}
        for each in outside:
            self._annotate(each, names)
        return self.schema

    def qualified(self, name: str) -> str:
        """A name with its alias replaced by the namespace."""
        before, dot, last = name.rpartition(".")
        return f"{self.aliases.get(before, before)}.{last}" if dot else name

    def _type(self, text: str) -> tuple[str, bool]:
        """A type's qualified name, and whether it is a collection of it."""
        if text.startswith("Collection(") and text.endswith(")"):
            return self.qualified(text[11:-1]), True
        return self.qualified(text), False

    def _entity_type(self, name: str, element: Element) -> EntityType:
        found = EntityType(name, abstract=element.get("Abstract") == "true")
        if base := element.get("BaseType"):
            found.base = self.qualified(base)
        for each in element:
            match each.tag.removeprefix(_EDM):
                case "Property":
                    read = self._property(each, each.get("Type", ""))
                    found.properties[read.name] = read
                case "NavigationProperty":
                    navigation = self._navigation(each)
                    found.navigations[navigation.name] = navigation
                case "Key":
                    # A key inside a complex property has a path and an alias; no set with one can be mapped.
                    found.key = tuple(ref.get("Name", "") for ref in each.iter(f"{_EDM}PropertyRef"))
                case "Annotation":
                    self._note(found.annotations, each)
        return found

    def _property(self, element: Element, type: str) -> Property:
        kind, collection = self._type(type)
        found = Property(
            element.get("Name", ""),
            kind,
            collection,
            nullable=element.get("Nullable") != "false",
            length=_number(element.get("MaxLength")),
            precision=_number(element.get("Precision")),
            default=element.get("DefaultValue"),
        )
        scale = element.get("Scale")
        found.scale = _number(scale)
        if scale is None and found.precision is not None:
            found.scale = 0  # what the standard says where only the precision is given
        for each in element:
            if each.tag == f"{_EDM}Annotation":
                self._note(found.annotations, each)
        return found

    def _navigation(self, element: Element) -> Navigation:
        kind, collection = self._type(element.get("Type", ""))
        constraints = tuple(
            (each.get("Property", ""), each.get("ReferencedProperty", ""))
            for each in element.iter(f"{_EDM}ReferentialConstraint")
        )
        return Navigation(element.get("Name", ""), kind, collection, constraints)

    def _entity_set(self, element: Element) -> None:
        found = EntitySet(element.get("Name", ""), self.qualified(element.get("EntityType", "")))
        for each in element:
            if each.tag == f"{_EDM}NavigationPropertyBinding":
                target = each.get("Target", "")
                found.bindings[each.get("Path", "")] = target.rpartition("/")[2].rpartition(".")[2]
            elif each.tag == f"{_EDM}Annotation":
                self._note(found.annotations, each)
        self.schema.sets[found.name] = found

    # -- annotations ---------------------------------------------------------------------------------------------------

    def _note(self, into: Annotations, element: Element) -> None:
        term = self.qualified(element.get("Term", ""))
        if qualifier := element.get("Qualifier"):
            term = f"{term}#{qualifier}"
        into[term] = self._value(element, default=True)

    def _value(self, element: Element, default: Any = None, depth: int = 0) -> Any:
        """The value of an annotation or of a part of one: an attribute, or an element inside."""
        for name, value in element.items():
            if name in _VALUES:
                return value == "true" if name == "Bool" else value
        for each in element:
            match each.tag.removeprefix(_EDM):
                case "Record":
                    return self._record(each, depth)
                case "Collection":
                    return [
                        self._record(part, depth)
                        if part.tag == f"{_EDM}Record"
                        else (part.text or "").strip()
                        for part in each
                    ]
                case "Annotation":
                    continue
                case "Bool":
                    return (each.text or "").strip() == "true"
                case _:
                    return (each.text or "").strip()
        return default

    def _record(self, element: Element, depth: int) -> dict[str, Any]:
        if depth >= _DEEPEST:
            return {}
        return {
            part.get("Property", ""): self._value(part, default=True, depth=depth + 1)
            for part in _children(element, "PropertyValue")
        }

    def _annotate(self, element: Element, containers: set[str]) -> None:
        """Annotations that stand apart from what they annotate."""
        into = self._target(element.get("Target", ""), containers)
        if into is not None:
            for each in element:
                if each.tag == f"{_EDM}Annotation":
                    self._note(into, each)

    def _target(self, path: str, containers: set[str]) -> Annotations | None:
        owner, _, member = path.partition("/")
        owner = self.qualified(owner)
        if owner in containers:
            found = self.schema.sets.get(member)
            return found.annotations if found else None
        kind = self.schema.types.get(owner)
        if kind is None:
            return None
        if not member:
            return kind.annotations
        declared = kind.properties.get(member)
        return declared.annotations if declared else None


#: Attributes that hold an annotation's value.
_VALUES: Final = frozenset(
    "Bool String Int Decimal Float Date DateTimeOffset Duration TimeOfDay Guid EnumMember PropertyPath Path"
    " AnnotationPath NavigationPropertyPath ModelElementPath".split()
)
_DIGITS: Final = re.compile(r"[0-9]{1,9}\Z")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}\Z")


def _number(text: str | None) -> int | None:
    """A facet's number; None for ``max``, ``variable``, ``floating`` and nonsense."""
    return int(text) if text is not None and _DIGITS.match(text) else None


def _enum(name: str, element: Element) -> EnumType:
    members: dict[str, int] = {}
    for index, each in enumerate(_children(element, "Member")):
        value = each.get("Value", "")
        members[each.get("Name", "")] = int(value) if _INTEGER.match(value) else index
    return EnumType(name, members, element.get("IsFlags") == "true")


def _children(element: Element, tag: str) -> Iterator[Element]:
    return (each for each in element if each.tag == f"{_EDM}{tag}")


def says(annotations: Mapping[str, Any], term: str, part: str, default: bool = True) -> bool:
    """A yes or no inside an annotation that is a record, such as ``InsertRestrictions/Insertable``."""
    value = annotations.get(term)
    if isinstance(value, Mapping):
        value = value.get(part, default)
    return default if value is None else value is True or value == "true"


def listed(annotations: Mapping[str, Any], term: str, part: str = "") -> list[Any]:
    """A collection: an annotation's own value, or a part of one that is a record; empty where there is none."""
    value = annotations.get(term)
    if part:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []

"""What Dataverse tells of its tables beside ``$metadata``: lengths, labels, options, alternate keys, who may write what.

The list of tables is one request; the attributes of a table are asked for when somebody needs them, all its questions in
one batch. A right that is lacking for them costs a table its details and nothing else: the service itself refuses what is
too long. Any other refusal is a failure of that table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from synccore.connectors.odata.client import Answer, Client, Request
from synccore.connectors.odata.filtering import query
from synccore.connectors.odata.json_answers import rows_of
from synccore.connectors.odata.model import Entity, Property
from synccore.failures import Failure, Scope
from synccore.shapes import FieldType

log = logging.getLogger(__name__)

#: Tables asked about in one batch: a service takes a thousand questions, but answers must come before it gives up.
TABLES_AT_ONCE: Final = 25
#: The service's own number of its whole set of definitions; it changes with each of them.
VERSION: Final = "Microsoft.Dynamics.CRM.globalmetadataversion"

_TABLE: Final = (
    "LogicalName", "EntitySetName", "DisplayName", "ChangeTrackingEnabled", "IsOptimisticConcurrencyEnabled",
    "IsIntersect", "IsPrivate",
)  # fmt: skip
_ATTRIBUTE: Final = (
    "LogicalName", "AttributeType", "RequiredLevel", "IsValidForCreate", "IsValidForUpdate", "IsValidForRead",
    "DisplayName",
)  # fmt: skip
#: Alternate keys say which fields are unique. Nothing is wrong without them.
_KEYS: Final = "/Keys"
_CAST: Final = "Microsoft.Dynamics.CRM."
_OPTIONS: Final = {"$select": "LogicalName", "$expand": "OptionSet"}
#: What is asked of one kind of attribute, and the primitive type that a table must have for it to be worth asking.
_CASTS: Final[Sequence[tuple[str, str, Mapping[str, str]]]] = (
    ("StringAttributeMetadata", "Edm.String", {"$select": "LogicalName,MaxLength"}),
    ("MemoAttributeMetadata", "Edm.String", {"$select": "LogicalName,MaxLength"}),
    ("MoneyAttributeMetadata", "Edm.Decimal", {"$select": "LogicalName,Precision"}),
    ("DecimalAttributeMetadata", "Edm.Decimal", {"$select": "LogicalName,Precision"}),
    ("DateTimeAttributeMetadata", "Edm.DateTimeOffset", {"$select": "LogicalName,DateTimeBehavior"}),
    ("PicklistAttributeMetadata", "Edm.Int32", {**_OPTIONS, "$expand": "OptionSet,GlobalOptionSet"}),
    ("StateAttributeMetadata", "Edm.Int32", _OPTIONS),
    ("StatusAttributeMetadata", "Edm.Int32", _OPTIONS),
)
_REQUIRED: Final = frozenset({"SystemRequired", "ApplicationRequired"})
#: Kinds of attributes that the service fills by itself where a new record says nothing.
_FILLED: Final = frozenset({"Owner", "State", "Status", "Boolean", "Virtual", "EntityName"})


@dataclass(slots=True)
class _Facts:
    """What was told of one table: attribute → facts, and the attributes that are a key by themselves."""

    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    unique: set[str] = field(default_factory=set)


def list_of(client: Client, entities: Mapping[str, Entity]) -> tuple[dict[str, Entity], set[str], str]:
    """The tables with labels and habits, the names of those that people can map, and the version of the definitions.

    Raises Failure where the service cannot be asked.
    """
    request = Request(
        "GET",
        f"EntityDefinitions?{query({'$select': ','.join(_TABLE)})}",
        {"Prefer": f'odata.include-annotations="{VERSION}"'},
    )
    answer = client.send(request, operation="read")
    rows, said = rows_of(client, answer)
    found, offered = dict(entities), set()
    for row in rows:
        name = row.get("EntitySetName")
        entity = entities.get(name) if isinstance(name, str) else None
        if entity is None:
            continue
        label = _label(row.get("DisplayName"))
        found[entity.set_name] = replace(
            entity,
            logical_name=str(row.get("LogicalName") or entity.logical_name),
            label=label,
            table=replace(entity.table, label=label),
            tracks_changes=row.get("ChangeTrackingEnabled") is True,
            versioned=row.get("IsOptimisticConcurrencyEnabled") is not False,
        )
        if row.get("IsIntersect") is not True and row.get("IsPrivate") is not True:
            offered.add(entity.set_name)
    return found, offered, str(said.get(f"@{VERSION}") or "")


def version_of(client: Client) -> str:
    """The version of the definitions now; "" where the service does not tell. One small request. Raises Failure."""
    options = {"$select": "LogicalName", "$filter": "LogicalName eq 'account'"}
    request = Request(
        "GET", f"EntityDefinitions?{query(options)}", {"Prefer": f'odata.include-annotations="{VERSION}"'}
    )
    _rows, said = rows_of(client, client.send(request, operation="read"))
    return str(said.get(f"@{VERSION}") or "")


def detailed(client: Client, entities: Sequence[Entity]) -> list[Entity | Failure]:
    """For each table, in their order: the same with everything that is told of its attributes, or why that is not known. It
    is everything or nothing: a table without its lengths would be taken for one without limits.

    Raises Failure where the service as a whole does not answer.
    """
    found: list[Entity | Failure] = []
    for start in range(0, len(entities), TABLES_AT_ONCE):
        part = entities[start : start + TABLES_AT_ONCE]
        asked = [(entity, path) for entity in part for path in _paths(entity)]
        answers = client.batch(
            [Request("GET", path) for _entity, path in asked],
            operation="read",
            table=part[0].set_name if len(part) == 1 else "",
            about=[client.situation("read", entity.set_name) for entity, _path in asked],
        )
        told: dict[str, list[tuple[str, Answer | Failure]]] = {}
        for (entity, path), answer in zip(asked, answers, strict=True):
            told.setdefault(entity.set_name, []).append((path, answer))
        found += [_told_of(client, entity, told[entity.set_name]) for entity in part]
    return found


def _told_of(
    client: Client, entity: Entity, answers: Iterable[tuple[str, Answer | Failure]]
) -> Entity | Failure:
    """What the answers to the questions about one table make of it."""
    facts = _Facts()
    for path, answer in answers:
        try:
            if isinstance(answer, Failure):
                raise answer
            _note(facts, path, rows_of(client, answer, entity.set_name)[0])
        except Failure as failure:
            if failure.scope is Scope.CONNECTION:
                raise
            log.info("no definitions: %s: %s", path.partition("?")[0], failure.code)
            if failure.code == "missing_privilege":
                return entity
            if _KEYS not in path:
                return failure
    return _apply(entity, facts)


def _paths(entity: Entity) -> list[str]:
    """The questions about one table."""
    of = f"EntityDefinitions(LogicalName='{entity.logical_name}')"
    kinds = {each.edm for each in entity.properties.values()}
    paths = [
        f"{of}/Attributes?{query({'$select': ','.join(_ATTRIBUTE)})}",
        f"{of}{_KEYS}?{query({'$select': 'LogicalName,KeyAttributes'})}",
    ]
    paths += [
        f"{of}/Attributes/{_CAST}{cast}?{query(options)}" for cast, kind, options in _CASTS if kind in kinds
    ]
    return paths


def _note(facts: _Facts, path: str, rows: Iterable[Mapping[str, Any]]) -> None:
    if _KEYS in path:
        for row in rows:
            names = row.get("KeyAttributes")
            if isinstance(names, list) and len(names) == 1:
                facts.unique.add(str(names[0]))
        return
    for row in rows:
        if isinstance(name := row.get("LogicalName"), str):
            facts.attributes.setdefault(name, {}).update(row)


def _apply(entity: Entity, facts: _Facts) -> Entity:
    properties = {}
    for name, property in entity.properties.items():
        told = facts.attributes.get(_attribute(property), {})
        if told.get("IsValidForRead") is not False:
            properties[name] = _property(property, told, _attribute(property) in facts.unique)
    table = replace(entity.table, fields={name: each.info for name, each in properties.items()})
    return replace(entity, properties=properties, table=table)


def _attribute(property: Property) -> str:
    """The logical name of the attribute behind a property: of a lookup, what its computed GUID is called after."""
    if property.bind is not None or property.read_path.startswith("_"):
        return property.read_path.removeprefix("_").removesuffix("_value")
    return property.name


def _property(property: Property, told: Mapping[str, Any], unique: bool) -> Property:
    info = property.info
    creatable = property.creatable and told.get("IsValidForCreate") is not False
    updatable = property.updatable and told.get("IsValidForUpdate") is not False
    kind = told.get("AttributeType")
    required = _value(told.get("RequiredLevel")) in _REQUIRED and creatable and kind not in _FILLED
    changes: dict[str, Any] = {
        "required": required,
        "read_only": not (creatable or updatable),
        "unique": info.unique or unique,
        "label": _label(told.get("DisplayName")) or info.label,
        "native": kind if isinstance(kind, str) else info.native,
    }
    if info.type is FieldType.TEXT and (length := _count(told.get("MaxLength"))):
        changes["length"] = length
    if info.type is FieldType.DECIMAL and (scale := _count(told.get("Precision"))) is not None:
        changes["scale"] = scale
    if info.type is FieldType.INTEGER and (options := _options(told)):
        changes["options"] = options
    if info.type is FieldType.INSTANT and _value(told.get("DateTimeBehavior")) == "TimeZoneIndependent":
        changes["type"] = (
            FieldType.DATETIME
        )  # the same reading for everybody, written with a Z it does not mean
    return replace(property, info=replace(info, **changes), creatable=creatable, updatable=updatable)


def _options(told: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    for name in ("OptionSet", "GlobalOptionSet"):
        chosen = told.get(name)
        options = chosen.get("Options") if isinstance(chosen, Mapping) else None
        if isinstance(options, list) and options:
            return tuple(
                (str(each["Value"]), _label(each.get("Label")))
                for each in options
                if isinstance(each, Mapping) and isinstance(each.get("Value"), int)
            )
    return ()


def _label(text: Any) -> str:
    """A label in the language of the integration user, or in the first there is."""
    if not isinstance(text, Mapping):
        return ""
    own, more = text.get("UserLocalizedLabel"), text.get("LocalizedLabels")
    for each in (own, *(more if isinstance(more, list) else ())):
        if isinstance(each, Mapping) and isinstance(found := each.get("Label"), str) and found:
            return found[:200]
    return ""


def _value(managed: Any) -> Any:
    """A setting that stands in an object with what may be done about it."""
    return managed.get("Value") if isinstance(managed, Mapping) else managed


def _count(number: Any) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None

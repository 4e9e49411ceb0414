"""Dataverse's ``EntityDefinitions``: labels, lengths, required levels, options and keys, without pages."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from tests.odata import csdl
from tests.odata.functions import RIGHTS
from tests.odata.schema import EntitySet, Prop
from tests.odata.wire import Answer, Call, Refused

if TYPE_CHECKING:
    from tests.odata.dataverse import Dataverse

CAST = "Microsoft.Dynamics.CRM."
#: What one kind of attribute has beside what all have. Another kind is no type of the service's.
OWN = {
    "AttributeMetadata": (),
    "StringAttributeMetadata": ("MaxLength", "FormatName"),
    "MemoAttributeMetadata": ("MaxLength", "FormatName"),
    "MoneyAttributeMetadata": ("Precision", "MinValue", "MaxValue", "PrecisionSource"),
    "DecimalAttributeMetadata": ("Precision", "MinValue", "MaxValue"),
    "DoubleAttributeMetadata": ("Precision", "MinValue", "MaxValue"),
    "IntegerAttributeMetadata": ("MinValue", "MaxValue"),
    "BigIntAttributeMetadata": ("MinValue", "MaxValue"),
    "BooleanAttributeMetadata": ("DefaultValue",),
    "DateTimeAttributeMetadata": ("Format", "DateTimeBehavior"),
    "LookupAttributeMetadata": ("Targets",),
    "PicklistAttributeMetadata": ("DefaultFormValue",),
    "StateAttributeMetadata": ("DefaultFormValue",),
    "StatusAttributeMetadata": ("DefaultFormValue",),
}
#: Kinds of attributes that have a list of values, which is told where it is asked for.
LISTED = ("Boolean", "Picklist", "State", "Status")
VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"
TYPES = {
    "Guid": "Uniqueidentifier",
    "Int32": "Integer",
    "Int64": "BigInt",
    "Date": "DateTime",
    "DateTimeOffset": "DateTime",
}


def definitions(service: Dataverse, call: Call, segments: list[tuple[str, str | None]]) -> Answer:
    if call.method != "GET":
        raise Refused(405, "0x80060888", "Definitions are only read here.")
    options = call.options(service.bad)
    for name in options:
        if name not in ("$select", "$filter", "$expand"):
            raise service.bad(f"The query parameter {name} is not supported.")
    (_name, key), rest = segments[0], segments[1:]
    if key is None:
        found = [_entity(shape) for shape in service.shapes.values()]
        answer = _answer(service, "EntityDefinitions", _filtered(service, found, options), options)
        if VERSION in (call.prefers("odata.include-annotations") or ""):
            answer.body = {f"@{VERSION}": service.definitions_version, **answer.body}
        return answer
    shape = _shape(service, key)
    if not rest:
        one = _expand(service, shape, _entity(shape), options)
        return Answer(200, {"@odata.context": f"{service.root}$metadata#EntityDefinitions/$entity", **one})
    if rest[0][0] == "Keys":
        return _answer(service, "Keys", [_key(shape, name) for name in _unique(shape)], options)
    if rest[0][0] not in ("Attributes", "ManyToOneRelationships"):
        raise service.no_such_set(rest[0][0])
    if rest[0][0] == "ManyToOneRelationships":
        return _answer(service, rest[0][0], _filtered(service, _relations(service, shape), options), options)
    attributes = [each for prop in shape.props.values() for each in _attributes(service, shape, prop)]
    if rest[0][1] is not None:
        name = rest[0][1].removeprefix("LogicalName=").strip("'")
        attributes = [each for each in attributes if each["LogicalName"] == name]
    cast = rest[1][0].removeprefix(CAST) if len(rest) > 1 else "AttributeMetadata"
    if cast not in OWN:
        raise service.no_such_set(rest[1][0])
    if len(rest) > 1:
        attributes = [each for each in attributes if each["@odata.type"] == f"#{CAST}{cast}"]
    for name in filter(None, options.get("$select", "").split(",")):
        if any(name in own for kind, own in OWN.items() if kind != cast) and name not in OWN[cast]:
            raise service.bad(f"Could not find a property named '{name}' on type '{CAST}{cast}'.")
    if "$expand" in options:
        for name in options["$expand"].split(","):
            listed = cast.removesuffix("AttributeMetadata") in LISTED
            if not listed or name not in ("OptionSet", "GlobalOptionSet"):
                raise service.bad(f"Could not find a property named '{name}' on type '{CAST}{cast}'.")
        attributes = [{**each, **_options_of(shape, each)} for each in attributes]
    if rest[0][1] is not None:
        if not attributes:
            raise Refused(404, "0x80060888", f"Could not find an attribute '{rest[0][1]}'.")
        return Answer(200, attributes[0])
    return _answer(service, "Attributes", _filtered(service, attributes, options), options)


def _answer(service: Dataverse, name: str, found: list[dict[str, Any]], options: dict[str, str]) -> Answer:
    if "$select" in options:
        names = [each.strip() for each in options["$select"].split(",")]
        for each in found[:1]:
            for wanted in names:
                if wanted not in each:
                    raise service.bad(f"Could not find a property named '{wanted}' on type '{CAST}{name}'.")
        kept = {*names, "@odata.type", "MetadataId", "OptionSet", "GlobalOptionSet"}
        found = [{name: value for name, value in each.items() if name in kept} for each in found]
    return Answer(200, {"@odata.context": f"{service.root}$metadata#{name}", "value": found})


def _filtered(
    service: Dataverse, found: list[dict[str, Any]], options: dict[str, str]
) -> list[dict[str, Any]]:
    """``Name eq 'value'`` and ``Name eq true``, joined by or (and by and)."""
    text = options.get("$filter")
    if text is None:
        return found

    def test(part: str) -> Callable[[dict[str, Any]], bool]:
        match = re.fullmatch(r"\(?\s*(\w+) eq (?:'([^']*)'|(true|false))\s*\)?", part.strip())
        if match is None:
            raise service.bad(f"The filter '{part}' is not supported on definitions.")
        name, value, flag = match.groups()
        wanted: Any = value if flag is None else flag == "true"
        return lambda each: each.get(name) == wanted

    if " and " in text:
        tests = [test(part) for part in text.split(" and ")]
        return [each for each in found if all(one(each) for one in tests)]
    tests = [test(part) for part in text.split(" or ")]
    return [each for each in found if any(one(each) for one in tests)]


def _shape(service: Dataverse, key: str) -> EntitySet:
    match = re.fullmatch(r"LogicalName='(\w+)'", key)
    for shape in service.shapes.values():
        if match and shape.type_name == match.group(1):
            return shape
        if _id(shape.type_name) == key:
            return shape
    raise Refused(404, "0x80060888", f"Could not find an entity with specified entity name: {key}.")


def _id(*names: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(names)))


def label(text: str) -> dict[str, Any]:
    one = {"Label": text, "LanguageCode": 1033, "IsManaged": True}
    return {"LocalizedLabels": [one], "UserLocalizedLabel": one}


def _managed(value: Any) -> dict[str, Any]:
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": "canmodify"}


def _entity(shape: EntitySet) -> dict[str, Any]:
    return {
        "MetadataId": _id(shape.type_name),
        "LogicalName": shape.type_name,
        "SchemaName": shape.type_name.capitalize(),
        "EntitySetName": shape.name,
        "LogicalCollectionName": shape.name,
        "PrimaryIdAttribute": shape.key,
        "PrimaryNameAttribute": shape.primary_name or None,
        "DisplayName": label(shape.label or shape.type_name),
        "DisplayCollectionName": label(shape.plural),
        "ChangeTrackingEnabled": shape.tracks_changes,
        "IsOptimisticConcurrencyEnabled": True,
        "IsCustomEntity": False,
        "IsPrivate": False,
        "IsIntersect": False,
        "IsLogicalEntity": False,
        "TableType": "Standard",
        "ObjectTypeCode": 1 + zlib.crc32(shape.type_name.encode()) % 9999,
        "Privileges": [
            {
                "PrivilegeType": right,
                "PrivilegeId": _id(f"prv{right}{shape.type_name.capitalize()}"),
                "Name": f"prv{right}{shape.type_name.capitalize()}",
            }
            for right in RIGHTS
        ],
        "OwnershipType": "UserOwned" if "ownerid" in shape.props else "OrganizationOwned",
    }


def _expand(
    service: Dataverse, shape: EntitySet, one: dict[str, Any], options: dict[str, str]
) -> dict[str, Any]:
    if "$select" in options:
        names = {each.strip() for each in options["$select"].split(",")}
        one = {name: value for name, value in one.items() if name in names | {"MetadataId"}}
    expand = options.get("$expand", "")
    if "Attributes" in expand:
        one["Attributes"] = [
            each for prop in shape.props.values() for each in _attributes(service, shape, prop)
        ]
    if "Keys" in expand:
        one["Keys"] = [_key(shape, name) for name in _unique(shape)]
    return one


def _unique(shape: EntitySet) -> list[str]:
    return [prop.name for prop in shape.props.values() if prop.unique and prop.name != shape.key]


def _key(shape: EntitySet, name: str) -> dict[str, Any]:
    return {
        "MetadataId": _id(shape.type_name, "key", name),
        "LogicalName": f"{name}_key",
        "EntityLogicalName": shape.type_name,
        "KeyAttributes": [name],
        "EntityKeyIndexStatus": "Active",
        "DisplayName": label(shape.props[name].label or name),
    }


def _relations(service: Dataverse, shape: EntitySet) -> list[dict[str, Any]]:
    return [
        {
            "MetadataId": _id(shape.type_name, "relation", navigation),
            "SchemaName": f"{shape.type_name}_{navigation}",
            "ReferencingEntity": shape.type_name,
            "ReferencingAttribute": prop.name,
            "ReferencingEntityNavigationPropertyName": navigation,
            "ReferencedEntity": service.shapes[target].type_name,
            "ReferencedAttribute": service.shapes[target].key,
        }
        for prop in shape.props.values()
        if prop.is_lookup
        for target, navigation in csdl.navigations(prop)
        if target in service.shapes
    ]


def _kind(shape: EntitySet, prop: Prop) -> tuple[str, str]:
    """(AttributeType, name of the metadata type)."""
    if prop.name == shape.key:
        return "Uniqueidentifier", "AttributeMetadata"
    if prop.is_lookup:
        return ("Owner" if prop.name == "ownerid" else "Lookup"), "LookupAttributeMetadata"
    if prop.name in ("statecode", "statuscode"):
        return (
            ("State", "StateAttributeMetadata")
            if prop.name == "statecode"
            else ("Status", "StatusAttributeMetadata")
        )
    if prop.picklist:
        return "Picklist", "PicklistAttributeMetadata"
    if prop.type == "String":
        return ("Memo", "MemoAttributeMetadata") if prop.memo else ("String", "StringAttributeMetadata")
    if prop.type == "Decimal":
        return ("Money", "MoneyAttributeMetadata") if prop.money else ("Decimal", "DecimalAttributeMetadata")
    name = TYPES.get(prop.type, prop.type)
    return name, ("AttributeMetadata" if name == "Uniqueidentifier" else f"{name}AttributeMetadata")


def _attributes(service: Dataverse, shape: EntitySet, prop: Prop) -> list[dict[str, Any]]:
    kind, metadata = _kind(shape, prop)
    level = "SystemRequired" if prop.required or prop.name == shape.key else "None"
    told: dict[str, Any] = {
        "@odata.type": f"#{CAST}{metadata}",
        "MetadataId": _id(shape.type_name, prop.name),
        "LogicalName": prop.name,
        "SchemaName": prop.name.capitalize(),
        "EntityLogicalName": shape.type_name,
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{kind}Type"},
        "AttributeOf": None,
        "DisplayName": label(prop.label or prop.name),
        "RequiredLevel": _managed(level),
        "IsValidForCreate": not prop.read_only and not prop.update_only,
        "IsValidForUpdate": not prop.read_only and not prop.create_only and prop.name != shape.key,
        "IsValidForRead": True,
        "IsPrimaryId": prop.name == shape.key,
        "IsPrimaryName": prop.name == shape.primary_name,
        "IsLogical": False,
    }
    if prop.type == "String":
        told |= {"MaxLength": prop.length, "FormatName": {"Value": "Text"}}
    if prop.type == "Decimal":
        limit = 10 ** ((prop.precision or 12) - (prop.scale or 0))
        told |= {"Precision": prop.scale or 0, "MinValue": -limit, "MaxValue": limit, "PrecisionSource": 0}
    if prop.type in ("Int32", "Int64") and not prop.picklist:
        told |= {"MinValue": -(2**31), "MaxValue": 2**31 - 1}
    if prop.type in ("Date", "DateTimeOffset"):
        told |= {"Format": "DateOnly" if prop.type == "Date" else "DateAndTime", "DateTimeBehavior": {
            "Value": "DateOnly" if prop.type == "Date" else "UserLocal"}}  # fmt: skip
    if prop.is_lookup:
        told["Targets"] = [service.shapes[each].type_name for each in prop.targets if each in service.shapes]
    return [told]


def _options_of(shape: EntitySet, told: dict[str, Any]) -> dict[str, Any]:
    prop = shape.props[told["LogicalName"]]
    if not prop.picklist:
        return {}
    labels = prop.labels or tuple(map(str, prop.members))
    options = [
        {"Value": value, "Label": label(text), "Description": label("")}
        for value, text in zip(prop.members, labels, strict=True)
    ]
    return {
        "OptionSet": {
            "MetadataId": _id(prop.name),
            "Name": f"{shape.type_name}_{prop.name}",
            "IsGlobal": False,
            "Options": options,
        },
        "GlobalOptionSet": None,
    }

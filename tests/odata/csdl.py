"""``$metadata``: the entity sets as CSDL XML, in the manner of each service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from xml.sax.saxutils import quoteattr

from tests.odata.schema import EntitySet, Prop

#: A lookup of Dataverse whose rows are users or teams: their types have a parent in common.
OWNER = "ownerid"
TRACKED = (
    '<Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record><PropertyValue Property="Supported" Bool="true"/>'
    "</Record></Annotation>"
)


@dataclass(frozen=True)
class Manner:
    namespace: str
    alias: str = ""
    lengths: bool = True  # Dataverse tells no lengths here
    navigation: bool = False  # lookups are `_x_value` and a navigation property
    base_type: str = ""  # every type inherits from it
    labels: bool = False  # NAV.LabelId and friends
    computed: bool = False  # Org.OData.Core.V1.Computed where a property is read-only


def document(shapes: Iterable[EntitySet], manner: Manner, *, annotated: bool = True) -> bytes:
    """``annotated``: what Dataverse tells only where it is asked for: computed properties, tracked tables."""
    shapes = list(shapes)
    types = {shape.name: shape.type_name for shape in shapes}
    manner = replace(manner, computed=manner.computed and annotated)
    parts = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>',
        f"<Schema Namespace={quoteattr(manner.namespace)}"
        + (f" Alias={quoteattr(manner.alias)}" if manner.alias else "")
        + ' xmlns="http://docs.oasis-open.org/odata/ns/edm">',
    ]
    if manner.base_type:
        parts.append(f'<EntityType Name="{manner.base_type}" Abstract="true"/>')
        parts.append(_principal(manner))
    for shape in shapes:
        parts += [_enum(shape, prop) for prop in shape.props.values() if prop.type == "Enum"]
        parts.append(_type(shape, types, manner))
    parts.append('<EntityContainer Name="System">')
    prefix = f"{manner.alias or manner.namespace}."
    for shape in shapes:
        parts.append(f'<EntitySet Name="{shape.name}" EntityType="{prefix}{shape.type_name}">')
        if manner.navigation:
            for prop in shape.props.values():
                for target, name in navigations(prop):
                    if target in types and prop.name != OWNER:
                        parts.append(f'<NavigationPropertyBinding Path="{name}" Target="{target}"/>')
            if manner.computed and shape.tracks_changes:
                parts.append(TRACKED)
        parts.append("</EntitySet>")
    parts.append("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>")
    return "".join(parts).encode()


def _principal(manner: Manner) -> str:
    return f'<EntityType Name="principal" BaseType="{manner.alias}.{manner.base_type}" Abstract="true"/>'


def navigations(prop: Prop) -> list[tuple[str, str]]:
    """(target set, navigation property) of a lookup: one with several targets has one property for each."""
    if len(prop.targets) == 1:
        return [(prop.targets[0], prop.name)]
    return [(target, f"{prop.name}_{target[:-1]}") for target in prop.targets]


def enum_type(shape: EntitySet, prop: Prop) -> str:
    return f"{shape.type_name}{prop.name[0].upper()}{prop.name[1:]}"


def _enum(shape: EntitySet, prop: Prop) -> str:
    members = "".join(
        f'<Member Name={quoteattr("_x0020_" if name == " " else str(name).replace(" ", "_x0020_"))} Value="{n}"/>'
        for n, name in enumerate(prop.members)
    )
    return f'<EnumType Name="{enum_type(shape, prop)}">{members}</EnumType>'


def _type(shape: EntitySet, types: dict[str, str], manner: Manner) -> str:
    prefix = f"{manner.alias or manner.namespace}."
    parent = "principal" if shape.type_name == "systemuser" else manner.base_type
    base = f' BaseType="{prefix}{parent}"' if manner.base_type else ""
    parts = [f'<EntityType Name="{shape.type_name}"{base}><Key><PropertyRef Name="{shape.key}"/></Key>']
    for prop in shape.props.values():
        parts.append(_property(shape, prop, manner))
        if prop.is_lookup and manner.navigation:
            for target, name in navigations(prop):
                if target in types:
                    kind, key = (
                        ("principal", OWNER) if prop.name == OWNER else (types[target], f"{types[target]}id")
                    )
                    parts.append(
                        f'<NavigationProperty Name="{name}" Type="{prefix}{kind}"><ReferentialConstraint Property="'
                        f'_{prop.name}_value" ReferencedProperty="{key}"/></NavigationProperty>'
                    )
    parts.append("</EntityType>")
    return "".join(parts)


def _property(shape: EntitySet, prop: Prop, manner: Manner) -> str:
    name = f"_{prop.name}_value" if prop.is_lookup and manner.navigation else prop.name
    kind = f"{manner.namespace}.{enum_type(shape, prop)}" if prop.type == "Enum" else f"Edm.{prop.type}"
    facts = [f'Name="{name}" Type="{kind}"']
    if prop.name == shape.key or (prop.required and manner.lengths):
        facts.append('Nullable="false"')
    if prop.type == "String":
        if prop.length and manner.lengths:
            facts.append(f'MaxLength="{prop.length}"')
        facts.append('Unicode="true"' if manner.navigation else "")
    if prop.type == "Decimal":
        if manner.lengths and prop.precision is not None and not prop.money:
            facts.append(f'Precision="{prop.precision}" Scale="{prop.scale or 0}"')
        else:
            facts.append('Scale="Variable"')
    if prop.type == "DateTimeOffset" and not manner.navigation:
        facts.append('Precision="6"' if not manner.labels else "")
    inside = ""
    if manner.labels:
        inside += f'<Annotation Term="NAV.LabelId" String={quoteattr(prop.label or prop.name)}/>'
        editable = "false" if prop.read_only else "true"
        inside += f'<Annotation Term="NAV.AllowEdit" Bool="{editable}"/>'
        inside += f'<Annotation Term="NAV.AllowEditOnCreate" Bool="{editable}"/>'
    if manner.computed and (prop.read_only or (manner.navigation and prop.is_lookup)):
        inside += '<Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/>'
    text = "<Property " + " ".join(fact for fact in facts if fact)
    return f"{text}>{inside}</Property>" if inside else f"{text}/>"

"""Rules as JSON in rows, and back: field descriptions, transformations, templates, preconditions.

Filters have their own pair, ``engine.filters.parse_filter`` and ``dump_filter``. Everything here says what is
wrong with a row as ``Misconfigured``; a row that people or a command wrote never ends in a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from synccore.engine.filters import dump_filter, parse_filter
from synccore.engine.rules import Template, Transform
from synccore.failures import Misconfigured
from synccore.shapes import FieldInfo, FieldType, KeyKind, Precondition, Side, TableInfo, storable

_INFO_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "name": (str,),
    "length": (int, type(None)),
    "precision": (int, type(None)),
    "scale": (int, type(None)),
    "fraction": (int,),
    "required": (bool,),
    "padded": (bool,),
    "read_only": (bool,),
    "unique": (bool,),
    "label": (str,),
    "native": (str,),
}


def dump_info(info: FieldInfo) -> dict[str, Any]:
    """The JSON of a field's description; what has its usual value is left out."""
    found: dict[str, Any] = {"name": info.name, "type": info.type.value}
    for each in fields(FieldInfo):
        value = getattr(info, each.name)
        if each.name not in found and value != each.default:
            found[each.name] = storable(value) if each.name == "label" else value
    if info.options:
        found["options"] = [[storable(text) for text in option] for option in info.options]
    return found


def load_info(data: Any, *, field: str = "", side: str = "") -> FieldInfo | None:
    """A field's description from its JSON; None for null.

    Raises ``Misconfigured("field_unknown", {field, side})`` where the JSON is none; parts that a later
    version added are passed over.
    """
    if data is None:
        return None
    unknown = Misconfigured("field_unknown", {"field": field, "side": side})
    if not isinstance(data, Mapping):
        raise unknown
    try:
        kind = FieldType(str(data.get("type")))
    except ValueError:
        raise unknown from None
    found: dict[str, Any] = {}
    for name, types in _INFO_TYPES.items():
        if name not in data:
            continue
        value = data[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise unknown
        found[name] = value
    if not found.get("name"):
        raise unknown
    return FieldInfo(type=kind, options=_options(data.get("options")), **found)


def _options(data: Any) -> tuple[tuple[str, str], ...]:
    """The options of a field; what is none is passed over: it only says what is offered."""
    if not isinstance(data, list):
        return ()
    return tuple(
        (each[0], each[1])
        for each in data
        if isinstance(each, list | tuple) and len(each) == 2 and all(isinstance(part, str) for part in each)
    )


def dump_table(info: TableInfo) -> dict[str, Any]:
    """The JSON of a table's description; :func:`load_table` reads it back."""
    return {
        "name": info.name,
        "label": storable(info.label),
        "id_field": info.id_field,
        "key_kind": info.key_kind.value,
        "writable": info.writable,
        "modified_field": info.modified_field,
        "fields": [dump_info(field) for field in info.fields.values()],
    }


def load_table(data: Any) -> TableInfo:
    """A table's description from its JSON. Raises ``Misconfigured("field_unknown", {field, side})`` where it is none."""
    unknown = Misconfigured("field_unknown", {"field": "", "side": ""})
    if not isinstance(data, Mapping) or not isinstance(data.get("fields"), list):
        raise unknown
    infos = [load_info(each) for each in data["fields"]]
    try:
        kind = KeyKind(str(data.get("key_kind")))
    except ValueError:
        raise unknown from None
    return TableInfo(
        name=str(data.get("name", "")),
        fields={info.name: info for info in infos if info is not None},
        id_field=data.get("id_field"),
        key_kind=kind,
        writable=bool(data.get("writable", True)),
        label=str(data.get("label") or ""),
        modified_field=data.get("modified_field"),
    )


def dump_transforms(steps: Iterable[Transform]) -> list[dict[str, Any]]:
    """The JSON of transformations; :func:`load_transforms` reads it back."""
    return [{"name": step.name, "params": dict(step.params)} for step in steps]


def load_transforms(data: Any, *, field: str) -> tuple[Transform, ...]:
    """Transformations from their JSON, a list of ``{"name", "params"}``.

    Only the shape is judged; names and parameters are by ``engine.transforms.validate``. Raises
    ``Misconfigured("bad_transformation", {field, transform, param, reason})``.
    """

    def wrong(name: str, reason: str) -> Misconfigured:
        return Misconfigured(
            "bad_transformation", {"field": field, "transform": name, "param": "", "reason": reason}
        )

    if data is None:
        return ()
    if not isinstance(data, list | tuple):
        raise wrong("", "not_a_list")
    found = []
    for each in data:
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise wrong("", "unknown")
        params = each.get("params", {})
        if not isinstance(params, Mapping):
            raise wrong(each["name"], "unknown_param")
        found.append(Transform(each["name"], dict(params)))
    return tuple(found)


def dump_templates(templates: Iterable[Template]) -> list[dict[str, Any]]:
    """The JSON of templates; :func:`load_templates` reads it back."""
    return [
        {
            "priority": each.priority,
            "side": each.side.value,
            "values": dict(each.values),
            "when": dump_filter(each.when),
        }
        for each in templates
    ]


def load_templates(data: Any) -> tuple[Template, ...]:
    """Templates for new records from their JSON: ``{"priority", "side", "values", "when"}``.

    Raises ``Misconfigured("bad_template", {field, priority, reason})``, and ``bad_filter`` for its condition.
    """

    def wrong(reason: str, *, priority: Any = None, field: str = "") -> Misconfigured:
        return Misconfigured("bad_template", {"field": field, "priority": priority, "reason": reason})

    if data is None:
        return ()
    if not isinstance(data, list | tuple):
        raise wrong("not_a_list")
    found = []
    for each in data:
        if not isinstance(each, Mapping):
            raise wrong("not_a_template")
        priority = each.get("priority", 0)
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise wrong("priority_not_a_number")
        side = _side(each.get("side"))
        if side is None:
            raise wrong("unknown_side", priority=priority)
        values = each.get("values", {})
        if not isinstance(values, Mapping):
            raise wrong("values_not_a_list", priority=priority)
        for name, text in values.items():
            if text is not None and not isinstance(text, str):
                raise wrong("value_not_text", priority=priority, field=str(name))
        found.append(Template(priority, side, dict(values), parse_filter(each.get("when"))))
    return tuple(found)


def dump_preconditions(preconditions: Iterable[Precondition]) -> list[dict[str, Any]]:
    """The JSON of preconditions; :func:`load_preconditions` reads it back."""
    return [
        {
            "what": each.what,
            "side": each.side.value,
            "table": each.table,
            "lookup_field": each.lookup_field,
            "record_side": each.record_side.value,
            "field": each.field,
            "exempt": list(each.exempt),
            "filter": dump_filter(each.filter),
        }
        for each in preconditions
    ]


def load_preconditions(data: Any) -> tuple[Precondition, ...]:
    """Preconditions from their JSON, as :func:`dump_preconditions` writes it.

    Raises ``Misconfigured("bad_precondition", {what, part, reason})``, and ``bad_filter`` for its filter.
    """

    def wrong(what: str, part: str, reason: str) -> Misconfigured:
        return Misconfigured("bad_precondition", {"what": what, "part": part, "reason": reason})

    if data is None:
        return ()
    if not isinstance(data, list | tuple):
        raise wrong("", "", "not_a_list")
    found = []
    for each in data:
        if not isinstance(each, Mapping):
            raise wrong("", "", "not_a_precondition")
        what = each.get("what", "")
        for part in ("what", "table", "lookup_field", "field"):
            if not isinstance(each.get(part), str) or not each[part]:
                raise wrong(str(what), part, "missing")
        sides = {part: _side(each.get(part)) for part in ("side", "record_side")}
        side, record_side = sides["side"], sides["record_side"]
        if side is None or record_side is None:
            raise wrong(what, "side" if side is None else "record_side", "unknown_side")
        exempt = each.get("exempt", [])
        if not isinstance(exempt, list | tuple) or not all(isinstance(text, str) for text in exempt):
            raise wrong(what, "exempt", "not_a_list")
        found.append(
            Precondition(
                what=what,
                side=side,
                table=each["table"],
                lookup_field=each["lookup_field"],
                record_side=record_side,
                field=each["field"],
                exempt=tuple(exempt),
                filter=parse_filter(each.get("filter")),
            )
        )
    return tuple(found)


def _side(text: Any) -> Side | None:
    return Side(text) if text in (Side.LEFT.value, Side.RIGHT.value) else None

"""Mappings in words: types and filters as people read them, and the sentence for each answer that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from synccore import guides
from synccore.codes import CODES
from synccore.engine.filters import parse_filter
from synccore.engine.fit_lists import option_text
from synccore.engine.serial import load_preconditions, load_templates
from synccore.failures import Failure, Misconfigured
from synccore.forms.mapping import conflict_choices, direction_choices
from synccore.models.mapping import DeletionChoices
from synccore.services.field_mappings import constant_words
from synccore.services.setup import Idempotency
from synccore.shapes import FieldInfo, FieldType, KeyKind, Operator

OPERATORS = {
    Operator.EQ: gettext_lazy("is"),
    Operator.NE: gettext_lazy("is not"),
    Operator.LT: gettext_lazy("is less than"),
    Operator.LE: gettext_lazy("is at most"),
    Operator.GT: gettext_lazy("is more than"),
    Operator.GE: gettext_lazy("is at least"),
    Operator.IN: gettext_lazy("is one of"),
    Operator.NOT_IN: gettext_lazy("is none of"),
    Operator.EMPTY: gettext_lazy("is empty"),
    Operator.NOT_EMPTY: gettext_lazy("is not empty"),
    Operator.STARTS_WITH: gettext_lazy("starts with"),
}
TYPES = {
    FieldType.TEXT: gettext_lazy("text"),
    FieldType.INTEGER: gettext_lazy("whole number"),
    FieldType.DECIMAL: gettext_lazy("number"),
    FieldType.FLOAT: gettext_lazy("floating-point number"),
    FieldType.BOOLEAN: gettext_lazy("yes or no"),
    FieldType.DATE: gettext_lazy("date"),
    FieldType.TIME: gettext_lazy("time"),
    FieldType.INSTANT: gettext_lazy("moment"),
    FieldType.DATETIME: gettext_lazy("clock reading without time zone"),
    FieldType.GUID: gettext_lazy("GUID"),
    FieldType.BINARY: gettext_lazy("binary"),
}
_EXAMPLES = {
    FieldType.INTEGER: "12",
    FieldType.DECIMAL: "12.50",
    FieldType.FLOAT: "12.5",
    FieldType.BOOLEAN: gettext_lazy("true or false"),
    FieldType.DATE: "2026-01-31",
    FieldType.TIME: "08:30:00",
    FieldType.INSTANT: "2026-01-31T08:30:00Z",
    FieldType.DATETIME: "2026-01-31T08:30:00",
}
KEY_KINDS = {
    KeyKind.UUID: gettext_lazy("a GUID that Tandem chooses"),
    KeyKind.SEQUENCE: gettext_lazy("the next number of the table"),
    KeyKind.NATURAL: gettext_lazy("a mapped value"),
    KeyKind.OPAQUE: gettext_lazy("chosen by the app"),
}
_SAFE_CREATES = {
    Idempotency.UUID: gettext_lazy("yes: Tandem chooses the id beforehand"),
    Idempotency.SEQUENCE: gettext_lazy("yes: ids are reserved beforehand"),
    Idempotency.NATURAL: gettext_lazy("yes: a new record is looked up by a mapped field"),
    Idempotency.NONE: gettext_lazy(
        "no: a create whose answer is lost becomes a problem that a person looks at"
    ),
}


#: How a direction looks between the two fields.
SIGNS = {"both": "⇄", "to_right": "→", "to_left": "←"}


def direction_words(direction: str, apps: Mapping[str, str]) -> str:
    return dict(direction_choices(apps)).get(direction, direction)


def conflict_words(policy: str, apps: Mapping[str, str]) -> str:
    return dict(conflict_choices(apps)).get(policy, policy)


def deletion_words(policy: str) -> str:
    return str(dict(DeletionChoices.choices).get(policy, policy))


def percent(share: float) -> str:
    """A share of one as a percentage, without needless digits."""
    return number_format(round(share * 100, 3)).rstrip("0").rstrip(".,") or "0"


def type_words(info: FieldInfo | None) -> str:
    """A field's type with its limits: "text, up to 50", "number, 12 digits, 2 of them decimals"."""
    if info is None:
        return ""
    words = str(TYPES[info.type])
    if info.type in (FieldType.TEXT, FieldType.BINARY) and info.length is not None:
        words = _("%(type)s, up to %(n)s") % {"type": words, "n": number_format(info.length)}
    elif info.type is FieldType.DECIMAL and info.precision is not None:
        values = {"type": words, "n": info.precision, "scale": info.scale or 0}
        words = _("%(type)s, %(n)s digits, %(scale)s of them decimals") % values
    elif info.type is FieldType.DECIMAL and info.scale is not None:
        text = ngettext("%(type)s, %(scale)s decimal", "%(type)s, %(scale)s decimals", info.scale)
        words = text % {"type": words, "scale": info.scale}
    if n := len([text for text, _label in info.options if text]):
        words = ngettext("%(type)s, list of %(n)s value", "%(type)s, list of %(n)s values", n) % {
            "type": words,
            "n": number_format(n),
        }
    return words


def option_words(info: FieldInfo | None) -> list[str]:
    """The values of a field that takes only those of a list, each with its caption: "3 Customer"."""
    return [option_text(text, label) for text, label in info.options if text] if info else []


def field_hint(info: FieldInfo) -> str:
    """What a picker says beside a field's name."""
    more = [type_words(info)]
    if info.label and info.label != info.name:
        more.insert(0, info.label)
    if info.required:
        more.append(_("required"))
    if info.read_only:
        more.append(_("read only"))
    return " · ".join(more)


def example(info: FieldInfo | None) -> str:
    """How a value of the field is typed; "" where any text is one."""
    if info is not None and (first := next((text for text, _label in info.options if text), "")):
        return first
    return str(_EXAMPLES.get(info.type, "")) if info else ""


def filter_words(data: Any) -> list[str]:
    """The conditions of a filter, one sentence each."""
    try:
        conditions = parse_filter(data)
    except Misconfigured as failure:
        return [guides.render(failure.code, failure.params).sentence]
    return [condition_words(each.field, each.operator, each.value) for each in conditions]


def condition_words(field: str, operator: Operator, value: str | tuple[str, ...] | None) -> str:
    said = ", ".join(f"“{each}”" for each in value) if isinstance(value, tuple) else f"“{value or ''}”"
    if operator in (Operator.EMPTY, Operator.NOT_EMPTY):
        said = ""
    return f"{field} {OPERATORS[operator]} {said}".strip()


def template_words(data: Any, apps: Mapping[str, str]) -> list[str]:
    """The templates for new records, one sentence each."""
    try:
        templates = load_templates(data)
    except Misconfigured as failure:
        return [guides.render(failure.code, failure.params).sentence]
    shown = []
    for each in sorted(templates, key=lambda each: each.priority):
        values = ", ".join(f"{name} = {constant_words(text) or '–'}" for name, text in each.values.items())
        facts = {"n": each.priority, "app": apps[each.side.value], "values": values}
        text = _("Template %(n)s: new records of %(app)s get %(values)s") % facts
        when = [condition_words(one.field, one.operator, one.value) for one in each.when]
        shown.append(_("%(text)s, when %(when)s") % {"text": text, "when": ", ".join(when)} if when else text)
    return shown


def precondition_words(data: Any, apps: Mapping[str, str]) -> list[str]:
    """What must exist before a record is written, one sentence each."""
    try:
        found = load_preconditions(data)
    except Misconfigured as failure:
        return [guides.render(failure.code, failure.params).sentence]
    text = _(
        "Needs %(what)s: %(field)s of a record of %(from)s is looked for in %(lookup)s of %(table)s in %(app)s"
    )
    return [
        text
        % {
            "what": each.what,
            "field": each.field,
            "from": apps[each.record_side.value],
            "lookup": each.lookup_field,
            "table": each.table,
            "app": apps[each.side.value],
        }
        for each in found
    ]


def safe_creates(how: Idempotency) -> str:
    return str(_SAFE_CREATES[how])


def failure_words(failure: Failure, apps: Mapping[str, str]) -> tuple[str, str]:
    """Title and sentence of what is wrong with a mapping."""
    told = guides.render(
        failure.code,
        failure.params,
        apps=apps,
        side=str(failure.params.get("side", "")),
        kind=failure.kind.value,
    )
    return told.title, f"{told.sentence} {reason_words(failure.code, failure.params)}".strip()


def sentences(
    found: Mapping[str, Iterable[tuple[str, Mapping[str, Any]]]], apps: Mapping[str, str]
) -> dict[str, list[str]]:
    """Why answers cannot be used, by place (``services.mappings.Wrong``)."""
    return {at: [wrong(code, params, apps) for code, params in each] for at, each in found.items()}


def wrong(code: str, params: Mapping[str, Any], apps: Mapping[str, str]) -> str:
    """Why one answer cannot be used, beside its field."""
    values = {"app": apps.get(str(params.get("side", "")), ""), "table": "", "field": "", **params}
    own = {
        "mapping_name_taken": _("Another mapping of these two apps has this name."),
        "integration_name_taken": _("Another pair of apps has this name."),
        "app_gone": _("%(app)s was deleted in the meantime."),
        "same_app": _("An app cannot be kept in step with itself. Choose another one."),
        "unknown_table": _("When its tables were last read, %(app)s had no table of this name."),
        "unknown_field": _("When its tables were last read, %(table)s of %(app)s had no field %(field)s."),
        "required": _("It must be filled in."),
        "needs_both": _("A field of both apps is needed, or a constant for one of them."),
        "too_long": _("It has more than %(limit)s characters."),
        "too_many": _("There are more than %(limit)s of them."),
        "not_a_number": _("It must be a whole number."),
        "not_a_choice": _("It is none of the choices."),
        "twice": _("It stands here twice."),
        "constant_side": _("Leave the other app’s field empty: a constant has only one."),
        "type_unknown": _("The type of the field is not known yet. Read the tables first, then save again."),
        "natural_key_removed": _(
            "New records are looked up by %(field)s. Choose another field for that before this line goes."
        ),
        "bad_pair": _("Line %(line)s is not of the form “value = value”."),
        "mapping_gone": _("This mapping was deleted in the meantime."),
        "bad_moment": _("It must be a date and time that has passed."),
    }
    if code == "coupled_tables":
        text = ngettext(
            "%(n)s coupling belongs to this table, so it cannot be another. Make a new mapping instead.",
            "%(n)s couplings belong to this table, so it cannot be another. Make a new mapping instead.",
            params["n"],
        )
        return text % {"n": number_format(params["n"])}
    if code in ("does_not_come_back", "may_not_come_back"):
        return come_back_words(code, params)
    if code in own:
        return own[code] % values
    if code in CODES:
        sentence = guides.render(code, params, apps=apps, side=str(params.get("side", ""))).sentence
        return f"{sentence} {reason_words(code, params)}".strip()
    return code.replace("_", " ")


def come_back_words(code: str, params: Mapping[str, Any]) -> str:
    """Why conversions of both ways need a person's word."""
    if code == "may_not_come_back":
        return _(
            "These conversions may give the same value for different ones, and no record is coupled yet to try them on. "
            "Change them, or accept it."
        )
    text = ngettext(
        "Of %(tried)s known values %(n)s does not come back as it was%(examples)s. Change the conversions, or accept it.",
        "Of %(tried)s known values %(n)s do not come back as they were%(examples)s. Change the conversions, or accept it.",
        params["n"],
    )
    shown = [
        f"“{value}” → “{back}”" if back is not None else _("“%(value)s” is refused") % {"value": value}
        for value, back in params["examples"]
    ]
    return text % {**params, "examples": f" ({', '.join(shown)})" if shown else ""}


def reason_words(code: str, params: Mapping[str, Any]) -> str:
    """More about ``bad_filter`` and ``bad_transformation``, whose guides say only where to look."""
    if code not in ("bad_filter", "bad_transformation", "bad_template", "bad_precondition"):
        return ""
    reasons = {
        "unknown_field": _("The table has no such field."),
        "no_field": _("Choose a field."),
        "unknown_operator": _("Choose how to compare."),
        "value_missing": _("Enter a value."),
        "value_not_allowed": _("Leave the value empty."),
        "value_not_of_type": _("The value is not one that this field can hold."),
        "type_not_comparable": _("Fields of this type cannot be compared like this."),
        "missing": _("It must be filled in."),
        "empty": _("It must be filled in."),
        "not_a_number": _("It must be a whole number."),
        "negative": _("It must not be negative."),
        "not_a_list": _("Enter at least one line."),
        "bad_pairs": _("Each line needs two values."),
        "duplicate": _("A value stands here twice."),
        "not_a_choice": _("It is none of the choices."),
        "unknown_zone": _("This time zone is not known. One is called Europe/Brussels, for example."),
        "unknown": _("There is no such conversion."),
        "only_for_references": _("It is for fields that name a record of another mapping."),
        "one_way_only": _("The field must flow this way only."),
    }
    return reasons.get(str(params.get("reason", "")), "")

"""The fields of a record as a form: one widget per type, what was typed checked by the rules of the app's own field."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from synccore import guides
from synccore.connectors.values import fit, written
from synccore.engine.fit_lists import option_text
from synccore.engine.serial import dump_info, load_info
from synccore.failures import Rejected
from synccore.services.editing import Whole
from synccore.shapes import FieldInfo, FieldType, Value
from synccore.verbs.edit import field_digest
from synccore.verbs.seen import digest
from synccore.views.written import plain

#: From this length on a text gets lines.
LONG = 120
_NUMBERS = (FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT)


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field that is only read."""

    label: str
    value: str
    note: str = ""


@dataclass(slots=True)
class Fields:
    """What of a record can be edited, with what was seen of it, and what can only be read."""

    infos: dict[str, FieldInfo]
    initial: dict[str, str]
    seen: dict[str, str]
    read_only: list[FieldLine]
    version: str

    def content(self) -> dict[str, Any]:
        """For the signed token: what the form was made from. Values are there as digests alone."""
        return {
            "v": self.version,
            "s": self.seen,
            "f": {name: [dump_info(info), digest(self.initial[name])] for name, info in self.infos.items()},
        }


def fields_of(whole: Whole, *, hidden: AbstractSet[str], keys: AbstractSet[str], editable: bool) -> Fields:
    """``hidden``: fields whose values the person may not see; ``keys``: fields that identify or stamp the record."""
    record, info = whole.record, whole.info
    assert record is not None
    found = Fields({}, {}, {}, [], record.version)
    for name, value in record.fields.items():
        described = info.fields.get(name) if info is not None else None
        label = (described.label if described else "") or name
        if name in hidden:
            found.read_only.append(FieldLine(label, "", _("hidden")))
            continue
        can = (
            editable
            and described is not None
            and not described.read_only
            and described.type is not FieldType.BINARY
            and name not in keys
        )
        if can and described is not None:
            found.infos[name] = described
            found.initial[name] = as_text(value, described)
            found.seen[name] = field_digest(record, name)
        else:
            note = _("empty") if value in (None, "") else ""
            found.read_only.append(FieldLine(label, plain(value), note))
    return found


def as_text(value: Value, info: FieldInfo) -> str:
    """A value as its widget takes it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        local = timezone.localtime(value).replace(tzinfo=None) if value.tzinfo is not None else value
        return local.isoformat(timespec="milliseconds" if local.microsecond else "seconds")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal | int | float) and info.type in _NUMBERS:
        return (
            formats.localize_input(Decimal(written(value))) if isinstance(value, Decimal) else written(value)
        )
    return written(value)


class RecordForm(forms.Form):
    """The editable fields of one record. ``changes`` holds what differs from what the form showed, typed for the app."""

    def __init__(
        self, data: Any = None, *, infos: Mapping[str, FieldInfo], initial: Mapping[str, str] | None = None,
        digests: Mapping[str, str] | None = None, table: str = "", apps: Mapping[str, str] | None = None, side: str = "",
    ) -> None:  # fmt: skip
        super().__init__(data, initial=dict(initial or {}))
        self.infos, self.table, self.apps, self.side = dict(infos), table, apps or {}, side
        self.digests = dict(digests or {name: digest(text) for name, text in (initial or {}).items()})
        self.changes: dict[str, Value] = {}
        for name, info in self.infos.items():
            typed_now = data.get(self.add_prefix(name), "") if data is not None else ""
            self.fields[name] = _field(info, str((initial or {}).get(name) or typed_now))

    def add_prefix(self, field_name: str) -> str:
        return f"field:{field_name}"

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name, info in self.infos.items():
            if name not in data:
                continue
            text = _same_lines(str(data[name] or ""))
            if digest(text) == self.digests.get(name):
                continue
            try:
                self.changes[name] = typed(self.table, info, text)
            except Rejected as failure:
                failure.params["side"] = self.side
                told = guides.render(failure.code, failure.params, apps=self.apps, side=self.side)
                self.add_error(name, ValidationError(told.sentence))
        return data


def _same_lines(text: str) -> str:
    """Browsers send line ends of their own."""
    return text.replace("\r\n", "\n")


def typed(table: str, info: FieldInfo, text: str) -> Value:
    """What was typed, as the app's field takes it. Raises Rejected."""
    if text == "" and info.type is FieldType.TEXT:
        return "" if info.required else None
    if text == "":
        if info.required:
            raise Rejected("value_required", {"table": table, "field": info.name, "value": "", "limit": ""})
        return None
    if info.type in _NUMBERS:
        text = str(formats.sanitize_separators(text.strip()))
    if info.type in (FieldType.DATETIME, FieldType.INSTANT):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return fit(table, info, text)
        if info.type is FieldType.INSTANT and moment.tzinfo is None:
            moment = timezone.make_aware(moment).astimezone(UTC)
        return fit(table, info, moment)
    return fit(table, info, text if info.type is FieldType.TEXT else text.strip())


def _field(info: FieldInfo, now: str) -> forms.Field:
    """``now``: the value that the record holds, as text; a list of values offers it too."""
    label = info.label or info.name
    widget: forms.Widget
    match info.type:
        case _ if info.options:
            widget = forms.Select(choices=_choices(info, now))
        case FieldType.BOOLEAN:
            choices = [("true", _("yes")), ("false", _("no"))]
            if not info.required:
                choices.insert(0, ("", _("empty")))
            return forms.ChoiceField(label=label, choices=choices, required=False)
        case FieldType.DATE:
            widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        case FieldType.TIME:
            widget = forms.TextInput(attrs={"type": "time", "step": "1"})
        case FieldType.DATETIME | FieldType.INSTANT:
            widget = forms.TextInput(attrs={"type": "datetime-local", "step": "0.001"})
        case FieldType.INTEGER | FieldType.DECIMAL | FieldType.FLOAT:
            widget = forms.TextInput(
                attrs={"inputmode": "numeric" if info.type is FieldType.INTEGER else "decimal"}
            )
        case _ if info.type is FieldType.TEXT and (info.length is None or info.length > LONG):
            widget = forms.Textarea(attrs={"rows": 2})
        case _:
            widget = forms.TextInput()
    if info.type is FieldType.TEXT and info.length is not None and not info.options:
        widget.attrs["maxlength"] = info.length
    return forms.CharField(label=label, required=False, strip=False, widget=widget, help_text=_limits(info))


def _choices(info: FieldInfo, now: str) -> list[tuple[str, str]]:
    choices = [(text, option_text(text, caption)) for text, caption in info.options if text]
    if not info.required or now == "":
        choices.insert(0, ("", _("empty")))
    if now and now not in dict(choices):
        choices.append((now, now))
    return choices


def _limits(info: FieldInfo) -> str:
    """What the app's field allows, where that is not seen at its widget."""
    told = []
    if info.type is FieldType.TEXT and info.length is not None:
        told.append(_("at most %(n)s characters") % {"n": info.length})
    if info.type is FieldType.DECIMAL and info.scale is not None:
        told.append(_("at most %(n)s decimals") % {"n": info.scale})
    if info.required and info.type is not FieldType.TEXT:
        told.append(_("must not be empty"))
    if info.type is FieldType.INSTANT:
        told.append(_("in %(zone)s") % {"zone": timezone.get_current_timezone_name()})
    return ", ".join(told)


def from_content(content: Mapping[str, Any]) -> tuple[dict[str, FieldInfo], dict[str, str]]:
    """The fields and digests of a token that :meth:`Fields.content` made."""
    infos, digests = {}, {}
    for name, (described, text) in content["f"].items():
        info = load_info(described)
        if info is not None:
            infos[name], digests[name] = info, text
    return infos, digests

"""What is asked about a pair of apps and about a mapping. The services judge; here only shapes are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.models import Connection, TableMapping
from synccore.models.mapping import ConflictChoices, DeletionChoices, DirectionChoices
from synccore.services.mappings import BRAKES, NAMED
from synccore.shapes import SIDES, Side

#: A number of records nobody means.
MOST = 1_000_000_000

_NAMED_LABELS = {
    "modified": gettext_lazy("Modified-on field"),
    "modified_by": gettext_lazy("Modified-by field"),
    "key": gettext_lazy("Field of the number people know"),
    "name": gettext_lazy("Field of the name"),
    "owner": gettext_lazy("Field of the owner"),
}


def direction_choices(apps: Mapping[str, str]) -> list[tuple[str, str]]:
    """Captions of the field's own, with the apps' names."""
    return [
        (DirectionChoices.BOTH.value, _("Bidirectional")),
        (DirectionChoices.TO_RIGHT.value, _("%(left)s to %(right)s") % apps),
        (DirectionChoices.TO_LEFT.value, _("%(right)s to %(left)s") % apps),
    ]


def conflict_choices(apps: Mapping[str, str]) -> list[tuple[str, str]]:
    return [
        (ConflictChoices.ASK.value, _("Ask")),
        (ConflictChoices.LEFT.value, _("%(app)s wins") % {"app": apps["left"]}),
        (ConflictChoices.RIGHT.value, _("%(app)s wins") % {"app": apps["right"]}),
        (ConflictChoices.NEWEST.value, str(ConflictChoices.NEWEST.label)),
    ]


class IntegrationForm(forms.Form):
    """A pair of apps that is to be kept in step."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("For example “ERP ⇄ CRM”.")
    )
    left = forms.ModelChoiceField(
        Connection.objects.order_by("name"),
        label=gettext_lazy("First app"),
        help_text=gettext_lazy("It stands on the left of every page, for example the ERP."),
    )
    right = forms.ModelChoiceField(Connection.objects.order_by("name"), label=gettext_lazy("Second app"))


class NewMappingForm(forms.Form):
    """What a new mapping needs; the rest has usual values and is found on its page."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("What people call these records, for example “Customers”."),
    )
    left_table = forms.CharField(max_length=200)
    right_table = forms.CharField(max_length=200)
    direction = forms.ChoiceField(label=gettext_lazy("Direction"))

    def __init__(self, data: Any = None, *, apps: Mapping[str, str], initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.apps = apps
        for side in SIDES:
            field = self.fields[f"{side.value}_table"]
            field.label = _("Table of %(app)s") % {"app": apps[side.value]}
            field.widget.attrs = {
                "list": f"tables-{side.value}",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        choose(self.fields["direction"], direction_choices(apps))

    def refuse(self, found: Mapping[str, Iterable[str]]) -> None:
        """Put sentences beside their fields; above all where they are about none."""
        for name, sentences in found.items():
            for sentence in sentences:
                self.add_error(name if name in self.fields else None, sentence)

    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "revision"}


class MappingForm(NewMappingForm):
    """Everything about a mapping that is one answer each; fields, filters and the rest have pages of their own."""

    only_coupled = forms.BooleanField(
        label=gettext_lazy("Synch. Only Coupled Records"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
        help_text=gettext_lazy("No run makes new records; people couple them."),
    )
    natural_key = forms.TypedChoiceField(
        label=gettext_lazy("Look new records up by"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=gettext_lazy(
            "Before a record is created, one with the same value of this field is coupled instead."
        ),
    )
    conflicts = forms.ChoiceField(
        label=gettext_lazy("Resolve Update Conflicts"),
        help_text=gettext_lazy("When the same field changed in both apps. Ask: a person decides."),
    )
    deletions = forms.ChoiceField(
        label=gettext_lazy("Resolve Deletion Conflicts"),
        choices=DeletionChoices,
        help_text=gettext_lazy("When a coupled record was deleted in one app."),
    )
    deletions_min = forms.IntegerField(
        label=gettext_lazy("Deletions that are always allowed"), min_value=0, max_value=MOST
    )
    deletions_share = forms.CharField(
        label=gettext_lazy("… or so many percent of the couplings"), max_length=12
    )
    creations_min = forms.IntegerField(
        label=gettext_lazy("New records that are always allowed"), min_value=0, max_value=MOST
    )
    creations_share = forms.CharField(
        label=gettext_lazy("… or so many percent of the couplings"), max_length=12
    )
    #: The mapping as the person saw it: somebody else may have saved it since.
    revision = forms.CharField(widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, mapping: TableMapping, apps: Mapping[str, str], revision: str
    ) -> None:
        shown = {
            name: getattr(mapping, name) for name in (*self.base_fields, *_named()) if name != "revision"
        }
        for name in ("deletions_share", "creations_share"):
            shown[name] = _percent(shown[name])
        super().__init__(data, apps=apps, initial={**shown, "revision": revision})
        for side in SIDES:
            for name in NAMED:
                self.fields[f"{side.value}_{name}_field"] = forms.CharField(
                    label=_NAMED_LABELS[name],
                    max_length=200,
                    required=False,
                    widget=forms.TextInput(
                        attrs={"list": f"fields-{side.value}", "autocomplete": "off", "spellcheck": "false"}
                    ),
                )
        choose(self.fields["conflicts"], conflict_choices(apps))
        rows = (
            mapping.field_mappings.filter(has_constant=False).exclude(left_field="").exclude(right_field="")
        )
        keys = [(row.pk, f"{row.left_field} = {row.right_field}") for row in rows]
        choose(self.fields["natural_key"], [("", _("nothing: every new record is created")), *keys])
        for name in BRAKES:
            self.fields[name].widget.attrs["inputmode"] = "decimal"

    def clean_deletions_share(self) -> float:
        return _share(self.cleaned_data["deletions_share"])

    def clean_creations_share(self) -> float:
        return _share(self.cleaned_data["creations_share"])


def _named() -> list[str]:
    return [f"{side.value}_{name}_field" for side in SIDES for name in NAMED]


def _percent(share: float) -> str:
    return f"{share * 100:.3f}".rstrip("0").rstrip(".")


def _share(text: str) -> float:
    """A percentage as a share of one."""
    found = re.fullmatch(r"([0-9]{1,3}(?:[.,][0-9]{1,3})?) ?%?", text.strip())
    percent = float(found[1].replace(",", ".")) if found else -1
    if not 0 <= percent <= 100:
        raise forms.ValidationError(_("Enter a percentage from 0 to 100, for example 5 or 2.5."))
    return round(percent / 100, 6)


class NameForm(forms.Form):
    """The name of a copy."""

    name = forms.CharField(label=gettext_lazy("Name of the copy"), max_length=100)


def choose(field: forms.Field, choices: list[tuple[Any, Any]]) -> None:
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


class SinceForm(forms.Form):
    """From when on each app is read, as a clock reading in the zone that the form names."""

    def __init__(self, data: Any = None, *, apps: Mapping[Side, str]) -> None:
        super().__init__(data)
        self.apps = dict(apps)
        zone = timezone.get_current_timezone_name()
        for side, app in self.apps.items():
            self.fields[side.value] = forms.DateTimeField(
                label=_("%(app)s: changed since") % {"app": app},
                required=False,
                widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
                input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"],
                help_text=_("Time zone: %(zone)s. Empty: this app is not read.") % {"zone": zone},
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for side in self.apps:
            at = data.get(side.value)
            if at is not None and (at > timezone.now() or at.year < 1900):
                self.add_error(side.value, _("It must be a moment that has passed, after the year 1900."))
        if not self.errors and not any(data.get(side.value) for side in self.apps):
            self.add_error(None, _("Enter a date and time for at least one app."))
        return data

    def moments(self) -> dict[Side, datetime]:
        return {side: at for side in self.apps if (at := self.cleaned_data.get(side.value)) is not None}

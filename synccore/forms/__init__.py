"""What is asked before an action on records, and on a job's page."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.connectors.options import Option, OptionType
from synccore.services.queue import LONGEST, SHORTEST


class SideForm(forms.Form):
    """Which version becomes the one of both apps. Nothing is chosen beforehand where there are conflicts."""

    version = forms.ChoiceField(label=gettext_lazy("Use the version of"), widget=forms.RadioSelect)

    def __init__(self, data: Any = None, *, apps: Mapping[str, str], conflicts: int) -> None:
        super().__init__(data)
        choices = [(side, name) for side, name in apps.items()]
        choices.append(("newest", _("The app in which the record was saved last")))
        field = self.fields["version"]
        assert isinstance(field, forms.ChoiceField)
        if not conflicts:
            choices.insert(0, ("changes", _("Whichever app has a change (nothing is overwritten)")))
            field.initial = "changes"
        field.choices = choices

    @staticmethod
    def as_options(version: str) -> tuple[str, dict[str, Any]]:
        """The verb to start and its options."""
        if version == "changes":
            return "synchronise", {}
        return "resolve", {"newest": True} if version == "newest" else {"side": version}


class LeaveOutForm(forms.Form):
    """*Leave out on purpose*: why, and until when if it is to end by itself."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Everybody who meets these records reads it."),
    )
    until = forms.DateField(
        label=gettext_lazy("End date"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy(
            "They come back by themselves when this day begins. Empty: until somebody takes it back."
        ),
    )

    def clean_until(self) -> datetime | None:
        """The moment at which the day begins, in the reader's zone."""
        day = self.cleaned_data["until"]
        if day is None:
            return None
        if day <= timezone.localdate():
            raise forms.ValidationError(_("The end date must be after today."))
        return timezone.make_aware(datetime.combine(day, time.min))


class ReasonForm(forms.Form):
    """*Allow once*: the reason is kept with the job."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        min_length=5,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Kept with the job and in its log."),
    )


class IntervalForm(forms.Form):
    """How often a schedule runs, asked in minutes; ``minutes`` is cleaned to whole seconds."""

    minutes = forms.CharField(
        label=gettext_lazy("Minutes from one run to the next"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "For example 30, or 0.5 for half a minute. At least 5 seconds, at most 31 days."
        ),
    )
    #: The interval that the person saw, in seconds: somebody else may have changed it since.
    was = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, data: Any = None, *, seconds: int) -> None:
        shown = f"{seconds / 60:.2f}".rstrip("0").rstrip(".")
        super().__init__(data, initial={"minutes": shown, "was": seconds})

    def clean_minutes(self) -> int:
        text = self.cleaned_data["minutes"].strip()
        if not re.fullmatch(r"[0-9]{1,6}([.,][0-9]{1,2})?", text):  # 1,000 could be one or a thousand
            raise forms.ValidationError(_("Enter a number of minutes, for example 30 or 0.5."))
        seconds = round(float(text.replace(",", ".")) * 60)
        if seconds < SHORTEST.total_seconds():
            raise forms.ValidationError(_("The shortest interval is 5 seconds; that is 0.09 minutes."))
        if seconds > LONGEST.total_seconds():
            raise forms.ValidationError(_("The longest interval is 31 days; that is 44640 minutes."))
        return seconds


class ScheduleForm(IntervalForm):
    """A new schedule: what runs, of the mappings and kinds of run that have none, and how often."""

    which = forms.ChoiceField(label=gettext_lazy("Mapping and what runs"))
    field_order = ("which", "minutes")

    def __init__(self, data: Any = None, *, choices: Sequence[tuple[str, str]], chosen: str = "") -> None:
        super().__init__(data, seconds=1800)
        del self.fields["was"]
        field = self.fields["which"]
        assert isinstance(field, forms.ChoiceField)
        field.choices, field.initial = choices, chosen


class ConnectionForm(forms.Form):
    """A connection of one kind, made from the options its connector declares. A stored secret is never in it.

    Reads only what was typed; the service judges it (``services.connections.save_connection``).
    """

    name = forms.CharField(
        label=gettext_lazy("Name of the app"), max_length=100, help_text=gettext_lazy("As people call it.")
    )
    integration_user = forms.CharField(label=gettext_lazy("Integration user"), max_length=200, required=False)
    revision = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(
        self,
        data: Any = None,
        *,
        options: Collection[Option],
        stored: Collection[str] = (),
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        """``stored``: names of the secrets that are set; ``initial``: name, revision and the answers by option."""
        known = {
            name if name in self.base_fields else _of(name): value for name, value in (initial or {}).items()
        }
        super().__init__(data, initial=known)
        self.declared = tuple(options)
        if any(option.name == "user" for option in self.declared):
            del self.fields["integration_user"]
        for option in self.declared:
            if option.type is OptionType.JSON and isinstance(known.get(_of(option.name)), dict | list):
                self.initial[_of(option.name)] = json.dumps(
                    known[_of(option.name)], indent=1, ensure_ascii=False
                )
            self.fields[_of(option.name)] = _field(option, is_set=option.name in stored)
            if option.secret and option.name in stored and not option.required:
                label = _("Remove the stored one: %(name)s") % {"name": _(option.label)}
                self.fields[f"forget_{option.name}"] = forms.BooleanField(
                    label=label,
                    required=False,
                    widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
                )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for option in self.declared:
            if option.type is not OptionType.JSON or not data.get(_of(option.name)):
                continue
            try:
                data[_of(option.name)] = json.loads(data[_of(option.name)])
            except ValueError:
                self.add_error(
                    _of(option.name), _("This is not JSON. Look for a comma, a quote or a bracket.")
                )
        return data

    def answers(self) -> dict[str, Any]:
        """The answers that are no secrets and were given, by option."""
        return {
            option.name: self.cleaned_data[_of(option.name)]
            for option in self.declared
            if not option.secret and self.cleaned_data.get(_of(option.name)) not in (None, "", False)
        }

    def secrets(self) -> dict[str, str]:
        """The secrets that were typed."""
        return {
            option.name: self.cleaned_data[_of(option.name)]
            for option in self.declared
            if option.secret and self.cleaned_data.get(_of(option.name))
        }

    def forget(self) -> set[str]:
        return {option.name for option in self.declared if self.cleaned_data.get(f"forget_{option.name}")}

    def refuse(self, option: str, sentence: str) -> None:
        """Put a sentence beside the option's field; above all where it is about none of them."""
        self.add_error(_of(option) if _of(option) in self.fields else None, sentence)


def _of(option: str) -> str:
    return f"option_{option}"


def _field(option: Option, *, is_set: bool) -> forms.Field:
    """Text of whatever kind; what it must be is the connector's to judge, in its own words."""
    help_text = _(option.help) if option.help else ""
    default = "" if option.default is None else str(option.default)
    attrs = {"autocomplete": "off", "placeholder": default}
    label = _(option.label)
    if option.secret:
        state = _("A value is set. Type a new one to replace it.") if is_set else _("Not set.")
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        text = f"{state} {help_text}".strip()
        return forms.CharField(label=label, required=False, strip=False, widget=widget, help_text=text)
    if option.type is OptionType.BOOLEAN:
        box = forms.CheckboxInput(attrs={"class": "form-check-input"})
        return forms.BooleanField(label=label, required=False, help_text=help_text, widget=box)
    if option.type is OptionType.CHOICE:
        nothing = default or _("as the app decides")
        choices = [("", nothing), *((choice, choice) for choice in option.choices)]
        return forms.CharField(
            label=label, required=False, help_text=help_text, widget=forms.Select(choices=choices)
        )
    if option.type is OptionType.JSON:
        area = forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"})
        return forms.CharField(label=label, required=False, help_text=help_text, widget=area)
    if option.type is OptionType.INTEGER:
        attrs["inputmode"] = "numeric"
    return forms.CharField(
        label=label, required=False, help_text=help_text, max_length=2000, widget=forms.TextInput(attrs=attrs)
    )

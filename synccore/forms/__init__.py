"""What is asked before an action on records, and on a job's page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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

"""The question of the clean-up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _


class CleanUpForm(forms.Form):
    """What the question showed comes back with the answer: the moment of the click is the one that counts."""

    WEEK, EVERYTHING = "week", "all"

    which = forms.ChoiceField(
        choices=((WEEK, _("Entries older than 7 days")), (EVERYTHING, _("All entries"))),
        widget=forms.HiddenInput,
    )
    clicked = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_clicked(self) -> Any:
        value = self.cleaned_data["clicked"]
        moment = parse_datetime(value) if value else None
        if value and (moment is None or moment.tzinfo is None):
            raise forms.ValidationError(_("The moment of the click cannot be read."))
        return moment

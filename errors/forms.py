"""The question of the clean-up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _


class CleanUpForm(forms.Form):
    """What the question showed comes back with the answer: the moment of the click is the one that counts."""

    WEEK, EVERYTHING, CHOSEN = "week", "all", "chosen"

    which = forms.ChoiceField(
        choices=(
            (WEEK, _("Entries older than 7 days")),
            (EVERYTHING, _("All entries")),
            (CHOSEN, _("Chosen entries")),
        ),
        widget=forms.HiddenInput,
    )
    clicked = forms.CharField(required=False, widget=forms.HiddenInput)
    #: Ids of chosen entries, in one field: a browser may send ten thousand of them.
    ids = forms.CharField(required=False, widget=forms.HiddenInput)
    back = forms.CharField(required=False, widget=forms.HiddenInput)
    also_relevant = forms.BooleanField(required=False, label=_("Delete those too"))

    def clean_clicked(self) -> Any:
        value = self.cleaned_data["clicked"]
        moment = parse_datetime(value) if value else None
        if value and (moment is None or moment.tzinfo is None):
            raise forms.ValidationError(_("The moment of the click cannot be read."))
        return moment

    def clean_ids(self) -> list[int]:
        parts = [part for part in self.cleaned_data["ids"].split(",") if part]
        if not all(part.isdecimal() and len(part) < 19 for part in parts):
            raise forms.ValidationError(_("The chosen entries cannot be read."))
        return [int(part) for part in parts]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("which") == self.CHOSEN and not data.get("ids"):
            raise forms.ValidationError(_("No entry was chosen."))
        return data

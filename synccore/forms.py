"""What is asked before an action on records, and on a job's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


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


class ReasonForm(forms.Form):
    """*Allow once*: the reason is kept with the job."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        min_length=5,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Kept with the job and in its log."),
    )

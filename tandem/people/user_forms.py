"""Forms of accounts, groups and passwords."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import Group, Permission, User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tandem.people import accounts


class GroupChoices(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return _(obj.name)


class RightChoices(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return _(obj.name)


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """An account's facts and groups."""

    groups = GroupChoices(
        label=gettext_lazy("Groups"),
        queryset=Group.objects.order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "What somebody may do, and which mappings he sees, is what all his groups may."
        ),
    )
    revision = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "groups")
        labels = {"username": gettext_lazy("Name to sign in with"), "email": gettext_lazy("E-mail")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs.update(autocomplete="off", autocapitalize="none")

    def validate_unique(self) -> None:
        """The service says it, in one place with upper and lower case."""


class GroupForm(forms.Form):
    """A group's name and rights."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=150)
    rights = RightChoices(
        label=gettext_lazy("May"), queryset=None, required=False, widget=forms.CheckboxSelectMultiple
    )
    revision = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, group: Group | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        every = accounts.permissions()
        field: Any = self.fields["rights"]
        field.queryset = Permission.objects.filter(pk__in=[each.pk for each in every])
        field.choices = [(each.pk, _(each.name)) for each in every]
        if group is not None and group.name in accounts.OWN_GROUPS:
            self.fields["name"].disabled = True
            self.fields["name"].help_text = _("One of Tandem’s own groups; it keeps its name.")
        if group is not None and group.name == accounts.ADMINISTRATOR:
            field.disabled = True
            field.help_text = _("Administrators may do everything.")


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """A password of one's own, typed twice."""

"""Sign-in with a throttle, and the first administrator."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tandem.people import first, throttle


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": gettext_lazy(
            "This name and password do not belong together. Both mind upper and lower case."
        ),
        "inactive": gettext_lazy("This account is switched off. An administrator can switch it on."),
    }

    def clean(self) -> dict[str, Any]:
        """Refuse while too many tries failed; count one that fails."""
        request, name = self.request, self.cleaned_data.get("username", "")
        assert request is not None
        minutes = throttle.minutes_to_wait(request, name)
        if minutes:
            text = ngettext(
                "Too many tries failed. Try again in %(n)s minute, or ask an administrator for a new password.",
                "Too many tries failed. Try again in %(n)s minutes, or ask an administrator for a new password.",
                minutes,
            )
            raise ValidationError(text % {"n": minutes}, code="throttled")
        try:
            cleaned = super().clean()
        except ValidationError:
            throttle.failed(request, name)
            raise
        throttle.forget(request, name)
        return cleaned


class FirstAdministratorForm(BaseUserCreationForm):
    """Code, name and password of the first administrator."""

    code = forms.CharField(
        label=gettext_lazy("One-time code"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    field_order = ("code", "username", "password1", "password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["code"].widget.attrs["autofocus"] = True

    def make(self) -> Any:
        """The administrator; None with an error in the form where the code does not hold."""
        person = first.make(
            self.cleaned_data["code"], self.cleaned_data["username"], self.cleaned_data["password1"]
        )
        if person is None:
            self.add_error(
                "code",
                _(
                    "This code is not valid. It is used once, holds for 24 hours, and a newer one replaces it."
                ),
            )
        return person

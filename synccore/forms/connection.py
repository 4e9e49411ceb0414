"""What is asked about a connection: its name, and the options that its kind declares."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from synccore.connectors.options import WHO_SIGNS_IN, Option, OptionType

#: NUL as JSON writes it; after a backslash of its own it is plain text.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class Group:
    """Fields under one heading; "" for those that stand first. ``advanced``: folded away until somebody needs them."""

    title: str
    fields: list[forms.BoundField]
    advanced: bool = False


class ConnectionForm(forms.Form):
    """A connection of one kind, made from the options its connector declares. A stored secret is never in it, and what is
    chosen from a list is not asked for.

    Reads only what was typed; the service judges it (``services.connections.save_connection``).
    """

    name = forms.CharField(
        label=gettext_lazy("Name of the app"),
        max_length=100,
        help_text=gettext_lazy("As people call it."),
        error_messages={"required": gettext_lazy("It must be filled in.")},
    )
    integration_user = forms.CharField(label=gettext_lazy("Integration user"), max_length=200, required=False)
    revision = forms.CharField(widget=forms.HiddenInput, required=False)
    #: Asked for only where another address is given while records are coupled.
    same_records = forms.BooleanField(
        label=gettext_lazy("The coupled records are there too: it is the same data at another address"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        options: Collection[Option],
        stored: Collection[str] = (),
        initial: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        """``stored``: names of the secrets that are set; ``initial``: name, integration user and revision; ``given``: the
        answers by option."""
        known = {**(initial or {}), **{_of(name): value for name, value in (given or {}).items()}}
        super().__init__(data, initial=known)
        self.declared = tuple(option for option in options if not option.listed)
        self.asks_same_records = False
        if any(option.name in WHO_SIGNS_IN for option in self.declared):
            del self.fields["integration_user"]
        for option in self.declared:
            if option.type is OptionType.JSON and isinstance(known.get(_of(option.name)), dict | list):
                self.initial[_of(option.name)] = json.dumps(
                    known[_of(option.name)], indent=1, ensure_ascii=False
                )
            if option.type is OptionType.BOOLEAN:
                self.initial.setdefault(_of(option.name), option.default)
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
                data[_of(option.name)] = _parsed(data[_of(option.name)])
            except (ValueError, RecursionError):
                self.add_error(
                    _of(option.name), _("This is not JSON. Look for a comma, a quote or a bracket.")
                )
        return data

    def answers(self) -> dict[str, Any]:
        """The answers that are no secrets and were given, by option."""
        given = {
            option.name: self.cleaned_data.get(_of(option.name))
            for option in self.declared
            if not option.secret
        }
        # A box without a tick says nothing, unless it has one by itself.
        ticked = {option.name for option in self.declared if option.default is True}
        return {
            name: value
            for name, value in given.items()
            if value not in (None, "", False) or (value is False and name in ticked)
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

    def ask_same_records(self, n: int) -> None:
        """Another address while ``n`` records are coupled: the person says whether they are there too."""
        self.asks_same_records = True
        text = ngettext(
            "This is another address, and %(n)s record of this app is coupled. If other records are there, make a new "
            "connection. If they are the same ones, say so below; the pair of apps is then paused until you have looked.",
            "This is another address, and %(n)s records of this app are coupled. If other records are there, make a new "
            "connection. If they are the same ones, say so below; the pair of apps is then paused until you have looked.",
            n,
        )
        self.add_error("same_records", text % {"n": number_format(n)})

    def groups(self) -> list[Group]:
        """The fields as they stand on the page: name, address and credentials, then by subject, what is folded last."""
        own: list[str] = [name for name in ("name", "integration_user") if name in self.fields]
        found: dict[tuple[bool, str], list[str]] = {(False, ""): own}
        title = ""
        for option in self.declared:
            title = _(option.group) if option.group else title
            here = found.setdefault((option.advanced, title), [])
            names = (_of(option.name), f"forget_{option.name}")
            here += [name for name in names if name in self.fields]
        ordered = sorted(found.items(), key=lambda each: each[0][0])
        return [
            Group(title, [self[name] for name in names], advanced)
            for (advanced, title), names in ordered
            if names
        ]

    @property
    def has_more(self) -> bool:
        """Whether anything is folded away."""
        return any(option.advanced for option in self.declared)

    @property
    def is_wrong_below(self) -> bool:
        """Whether one of the folded fields has an error: then they are shown."""
        return any(field.errors for group in self.groups() if group.advanced for field in group.fields)

    def refuse(self, option: str, sentence: str) -> None:
        """Put a sentence beside the option's field; above all where it is about none of them."""
        self.add_error(_of(option) if _of(option) in self.fields else None, sentence)


def _of(option: str) -> str:
    return f"option_{option}"


def _parsed(text: str) -> Any:
    """JSON that can be stored: Python reads more than there is (NaN), and the database takes no NUL and no half a
    character. Raises ValueError, RecursionError."""
    value = json.loads(text)
    told = json.dumps(value, allow_nan=False, ensure_ascii=False)
    told.encode()
    if _NUL.search(told):
        raise ValueError(text)
    return value


class SecretArea(forms.Textarea):
    """Several lines that are never sent back to the page, like a password."""

    def format_value(self, value: Any) -> str:
        return ""


def _field(option: Option, *, is_set: bool) -> forms.Field:
    """Text of whatever kind; what it must be is the connector's to judge, in its own words."""
    help_text = _(option.help) if option.help else ""
    default = "" if option.default is None else str(option.default)
    attrs = {"autocomplete": "off", "placeholder": default or _(option.placeholder)}
    label = _(option.label)
    if option.secret:
        state = _("A value is set. Type a new one to replace it.") if is_set else ""
        widget: forms.Widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        if option.type is OptionType.JSON:
            more = {"rows": 3, "spellcheck": "false", "class": "code", "placeholder": _(option.placeholder)}
            widget = SecretArea(attrs={"autocomplete": "off", **more})
        text = f"{help_text} {state}".strip()
        # A blank that came along when a key was copied is none of it; a password may end with one.
        exact = option.name == "password"
        return forms.CharField(label=label, required=False, strip=not exact, widget=widget, help_text=text)
    if option.type is OptionType.BOOLEAN:
        box = forms.CheckboxInput(attrs={"class": "form-check-input"})
        return forms.BooleanField(label=label, required=False, help_text=help_text, widget=box)
    if option.type is OptionType.CHOICE:
        nothing = default or _(option.placeholder) or _("as the app decides")
        choices = [("", nothing), *((choice, choice) for choice in option.choices)]
        return forms.CharField(
            label=label, required=False, help_text=help_text, widget=forms.Select(choices=choices)
        )
    if option.type is OptionType.JSON:
        area = forms.Textarea(
            attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false", "class": "code"}
        )
        return forms.CharField(label=label, required=False, help_text=help_text, widget=area)
    if option.type is OptionType.INTEGER:
        attrs["inputmode"] = "numeric"
    return forms.CharField(
        label=label, required=False, help_text=help_text, max_length=2000, widget=forms.TextInput(attrs=attrs)
    )


class SecretsForm(forms.Form):
    """New secrets for those that are stored; what is not typed stays."""

    revision = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(
        self, data: Any = None, *, options: Collection[Option], stored: Collection[str], revision: str
    ) -> None:
        super().__init__(data, initial={"revision": revision})
        self.declared = tuple(option for option in options if option.secret)
        for option in self.declared:
            self.fields[_of(option.name)] = _field(option, is_set=option.name in stored)

    def secrets(self) -> dict[str, str]:
        """The secrets that were typed."""
        typed = {option.name: self.cleaned_data.get(_of(option.name)) for option in self.declared}
        return {name: value for name, value in typed.items() if value}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not any(data.get(_of(option.name)) for option in self.declared):
            raise forms.ValidationError(_("Type the new one. Nothing was changed."))
        return data

    def refuse(self, option: str, sentence: str) -> None:
        self.add_error(_of(option) if _of(option) in self.fields else None, sentence)

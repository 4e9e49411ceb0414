"""Filters of a list: django-filter parses and validates, this makes removable pills of what is set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import django_filters
from django import forms
from django.http import QueryDict
from django.utils import formats

#: Parameters of a list's URL that are no filters.
CURSOR, SORT, TAB, OPEN = "at", "sort", "tab", "open"
#: The filter that is a search box.
SEARCH = "q"


@dataclass(frozen=True)
class Pill:
    """One filter that is set: what it says and the address of the list without it."""

    label: str
    value: str
    url: str


class ListFilter(django_filters.FilterSet):
    """A filter set that knows its pills. Unknown values are told in the form and filter nothing."""

    def __init__(
        self, *args: Any, choices: dict[str, Iterable[tuple[Any, Any]]] | None = None, **kwargs: Any
    ) -> None:
        """``choices``: the choices of a field as this user may see them."""
        super().__init__(*args, **kwargs)
        for name, values in (choices or {}).items():
            self.filters[name].extra["choices"] = list(values)
        if SEARCH in self.form.fields:
            self.form.fields[SEARCH].widget.attrs["aria-keyshortcuts"] = "/"

    @property
    def applied(self) -> dict[str, Any]:
        """The valid values that are set."""
        self.form.is_valid()
        cleaned = getattr(self.form, "cleaned_data", {})
        return {
            name: value
            for name, value in cleaned.items()
            if name in self.filters and value not in (None, "", [])
        }

    def pills(self, params: QueryDict) -> list[Pill]:
        return [
            Pill(str(self.form.fields[name].label), self._say(name, value), without(params, name))
            for name, value in self.applied.items()
        ]

    def _say(self, name: str, value: Any) -> str:
        field = self.form.fields[name]
        if isinstance(field, forms.ChoiceField):
            wanted = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
            choices: Any = field.choices
            return ", ".join(str(label) for key, label in choices if str(key) in wanted)
        if hasattr(value, "isoformat"):
            return formats.date_format(value, "SHORT_DATE_FORMAT")
        return str(value)


def without(params: QueryDict, *names: str) -> str:
    """The query string without some parameters, on the first page and with no row open; "?" where nothing is left."""
    left = params.copy()
    for name in (*names, CURSOR, OPEN):
        left.pop(name, None)
    return f"?{left.urlencode()}"


def with_(params: QueryDict, **values: str) -> str:
    """The query string with some parameters set ("" takes one away)."""
    changed = params.copy()
    for name, value in values.items():
        if value:
            changed[name] = value
        else:
            changed.pop(name, None)
    return f"?{changed.urlencode()}"

"""Filters of a list: django-filter parses and validates, this makes removable pills of what is set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .paging import EVERYTHING
from .search import Numbers, Words, read

#: Parameters of a list's URL that are no filters.
CURSOR, SORT, TAB, OPEN, PER_PAGE, FORMAT = "at", "sort", "tab", "open", "per", "format"
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
            if name in self.filters:
                self.filters[name].extra["choices"] = list(values)
        if box := self.form.fields.get(SEARCH):
            box.widget.input_type = "search"
            box.widget.attrs |= {
                "aria-keyshortcuts": "/",
                "autocomplete": "off",
                "aria-describedby": "search-help",
            }

    #: Fields that come with links from elsewhere: shown only where they are set.
    from_elsewhere: tuple[str, ...] = ()

    @property
    def offered(self) -> list[Any]:
        """The fields that stand above the list."""
        return [field for field in self.form if field.name not in self.from_elsewhere]

    @property
    def carried(self) -> list[Any]:
        """Set by a link, so that no field stands for them: a pill says them, and the form carries them along."""
        return [field for field in self.form if field.name in self.from_elsewhere and field.data]

    #: What the search found, as disjoint conditions that each have an index: not in ``qs``, the list joins them.
    branches: Sequence[Q] = EVERYTHING

    #: Whether the search box takes words and pasted lists (``ui.search``); else its text is the filter's own affair.
    reads_lists = False

    @cached_property
    def _read(self) -> tuple[Words | Numbers | None, str]:
        self.form.is_valid()
        if told := self.form.errors.get(SEARCH):
            return None, " ".join(told)
        text = getattr(self.form, "cleaned_data", {}).get(SEARCH)
        if not text or not self.reads_lists:
            return None, ""
        try:
            return read(text), ""
        except ValidationError as refused:
            return None, " ".join(refused.messages)

    @property
    def searched(self) -> Words | Numbers | None:
        """What stands in the search box; None for nothing, and for what cannot be searched for."""
        return self._read[0]

    @property
    def search_refused(self) -> str:
        """Why what stands in the search box cannot be searched for, as a sentence."""
        return self._read[1]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """What cannot be searched for is in no row: never the whole list, on which an action could be pressed."""
        found: QuerySet[Any] = super().filter_queryset(queryset)
        return found.none() if self.search_refused else found

    @property
    def misread(self) -> str:
        """Labels of the fields whose value in the address is not known; the search says itself what is wrong."""
        return ", ".join(
            str(self.form.fields[name].label)
            for name in self.form.errors
            if name in self.form.fields and name != SEARCH
        )

    @property
    def rows(self) -> QuerySet[Any]:
        """All that match, the search included."""
        found: QuerySet[Any] = self.qs
        return found.filter(reduce(or_, self.branches)) if self.branches is not EVERYTHING else found

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
        """What is set. A filter that says nothing (``_say`` gives "") has none."""
        return [
            Pill(
                _("Search") if name == SEARCH else str(self.form.fields[name].label),
                said,
                without(params, name),
            )
            for name, value in self.applied.items()
            if (said := self._say(name, value))
        ]

    def _say(self, name: str, value: Any) -> str:
        field = self.form.fields[name]
        if name == SEARCH and isinstance(self.searched, Numbers):
            n = len(self.searched.numbers)
            return ngettext("%(n)s number", "%(n)s numbers", n) % {"n": n}
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

"""Filters of the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from errors.search import InMessages
from synccore import services
from synccore.filters import ProblemFilter
from ui.filters import CURSOR, OPEN, Pill, with_

#: Values of the filter *Owner*.
MINE, NOBODY, EVERYBODY = "mine", "none", "everybody"


class DeskFilter(InMessages, ProblemFilter):
    """Coupled Data Synchronization Errors and Skipped Synch. Records; words are also looked for in messages.

    ``codes``: the person's codes as an owner (connection id → code). Whoever has some sees his own records first.
    """

    owner = django_filters.ChoiceFilter(label=_("Owner"), method="of_owner", empty_label=None)

    codes: Mapping[int, str] = {}

    def __init__(self, *args: Any, choices: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, choices=choices, **kwargs)
        if not (choices or {}).get("owner"):
            self.form.fields.pop("owner", None)  # nobody owns anything here
            self.filters.pop("owner", None)

    @property
    def applied(self) -> dict[str, Any]:
        found = super().applied
        return {name: value for name, value in found.items() if (name, value) != ("owner", EVERYBODY)}

    def pills(self, params: QueryDict) -> list[Pill]:
        """*My records* is what the list opens with: taking it away means everybody's."""
        found: list[Pill] = super().pills(params)
        if "owner" not in self.applied:
            return found
        label = str(self.form.fields["owner"].label)
        everybody = with_(params, **{"owner": EVERYBODY, CURSOR: "", OPEN: ""})
        return [replace(pill, url=everybody) if pill.label == label else pill for pill in found]

    def of_owner(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        if value == MINE:
            return services.problems_owned(rows, self.codes)
        return services.problems_unowned(rows) if value == NOBODY else rows

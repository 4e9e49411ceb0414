"""The bar of a list: which actions apply to how many of the ticked rows, and why not to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Count, QuerySet, Value
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .actions import Action

Text = str | Promise
#: More rows than this are not looked at before an action is pressed; the action itself says what it left alone.
MOST_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Fit:
    """An action and the chosen rows.

    Args:
        n: rows it would be done with; None where that was not looked at.
        may: rows on which this user may do it, whether it makes sense or not.
        total: rows that were chosen.
    """

    action: Action
    n: int | None = None
    may: int = 0
    total: int = 0

    @property
    def label(self) -> Text:
        """What stands on the button: "Retry 3 records", "Restore Records 1 of 3"."""
        if self.n is None or not self.total:
            return self.action.label
        if self.n < self.total:
            return _("%(action)s %(n)s of %(total)s") % {
                "action": self.action.label,
                "n": self.n,
                "total": self.total,
            }
        return self.action.with_count(self.n)

    @property
    def why_not(self) -> list[Text]:
        """Why it leaves some of the rows alone, one sentence each."""
        if self.n is None:
            return []
        why: list[Text] = []
        if self.n < self.may:
            why.append(self.action.not_for)
        if forbidden := self.total - self.may:
            text = ngettext(
                "%(n)s of them your groups may only view.",
                "%(n)s of them your groups may only view.",
                forbidden,
            )
            why.append(text % {"n": forbidden})
        return [each for each in why if each]


def look(found: Sequence[tuple[Action, QuerySet[Any], QuerySet[Any], QuerySet[Any]]]) -> list[Fit]:
    """One query. ``found``: per action what was chosen, on which of these the user may do it, and which it applies to."""
    parts = [
        rows.order_by()
        .annotate(_of=Value(f"{place}:{which}", output_field=CharField()))
        .values("_of")
        .annotate(_n=Count("pk"))
        .values_list("_of", "_n")
        for place, (_action, *querysets) in enumerate(found)
        for which, rows in enumerate(querysets)
    ]
    if not parts:
        return []
    counts = dict(parts[0].union(*parts[1:], all=True))
    return [
        Fit(action, counts.get(f"{place}:2", 0), counts.get(f"{place}:1", 0), counts.get(f"{place}:0", 0))
        for place, (action, *_rest) in enumerate(found)
    ]

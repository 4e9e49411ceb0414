"""Numbers of tabs and menu, from the statistics: exact at any size, no row is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, Sum

from synccore.models import Problem, Stat, TableMapping
from synccore.models.problem import ADMINISTRATORS_KINDS, SET_UP_KINDS

from .owners import owned_counts


def _visible(user: Any) -> Any:
    stats = Stat.objects.all()
    if user.has_perm("synccore.set_up"):
        return stats
    return stats.filter(bucket__mapping__in=TableMapping.objects.visible_to(user))


def _tabs() -> dict[str, Sum]:
    """Open problems of records by tab, as sums over the statistics."""
    of_record, skipped = Q(of_record=True), Q(state=Problem.State.SKIPPED)
    admin = Q(bucket__kind__in=ADMINISTRATORS_KINDS)
    return {
        "needs_you": Sum("n", filter=of_record & skipped & ~admin),
        "with_the_administrator": Sum("n", filter=of_record & skipped & admin),
        "waiting": Sum("n", filter=of_record & Q(state=Problem.State.WAITING)),
        "will_retry": Sum("n", filter=of_record & Q(state=Problem.State.RETRYING)),
        "on_purpose": Sum("n", filter=of_record & Q(state=Problem.State.ON_PURPOSE)),
    }


def _numbers(found: dict[str, Any]) -> dict[str, int]:
    numbers = {name: n or 0 for name, n in found.items()}
    numbers["skipped"] = numbers["needs_you"] + numbers["with_the_administrator"]
    numbers["all"] = numbers["skipped"] + numbers["waiting"] + numbers["will_retry"]
    return numbers


def problem_counts(user: Any) -> dict[str, int]:
    """Open problems of records by tab: ``needs_you with_the_administrator waiting will_retry all skipped on_purpose``.

    One query. The first four add up to ``all``; ``skipped`` is *of which*.
    """
    return _numbers(_visible(user).aggregate(**_tabs()))


def counts(user: Any, codes: Mapping[int, str] | None = None) -> dict[str, int]:
    """All numbers of the menu in one query: those of :func:`problem_counts`, ``entries``, ``entries_set_up`` (tabs of the
    diary) and ``set_up`` (open set-up problems). ``codes``: the person's codes as an owner; the numbers of the desk
    are then those of his own records, as its pages open (one query more)."""
    of_record, entry = Q(of_record=True), Q(state=Stat.ENTRY)
    found = _visible(user).aggregate(
        **_tabs(),
        entries=Sum("n", filter=entry),
        entries_set_up=Sum("n", filter=entry & (Q(bucket__kind__in=SET_UP_KINDS) | ~of_record)),
        set_up=Sum("n", filter=~of_record & Q(state__in=Problem.OPEN)),
    )
    if codes:
        found |= owned_counts(user, codes)
    return _numbers(found)


def open_by_code(user: Any) -> dict[str, int]:
    """How many records have an open problem of each code; one query."""
    open_ones = _visible(user).filter(of_record=True, state__in=Problem.OPEN)
    return {
        code: n for code, n in open_ones.order_by().values_list("bucket__code").annotate(n=Sum("n")) if n > 0
    }

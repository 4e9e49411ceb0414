"""Numbers of tabs and menu, from the statistics: exact at any size, no row is counted."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, Sum

from synccore.failures import Kind
from synccore.models import Problem, Stat, TableMapping
from synccore.models.problem import ADMINISTRATORS_KINDS

_SETUP_KINDS = (*ADMINISTRATORS_KINDS, Kind.STOPPED.value)


def _visible(user: Any) -> Any:
    stats = Stat.objects.all()
    if user.has_perm("synccore.set_up"):
        return stats
    return stats.filter(bucket__mapping__in=TableMapping.objects.visible_to(user))


def problem_counts(user: Any, *, mapping: TableMapping | None = None) -> dict[str, int]:
    """Open problems of records by tab: ``needs_you with_the_administrator waiting will_retry all skipped on_purpose``.

    One query. The first four add up to ``all``; ``skipped`` is *of which*.
    """
    stats = _visible(user).filter(of_record=True).exclude(state__in=(Stat.ENTRY, Problem.State.ENDED))
    if mapping is not None:
        stats = stats.filter(bucket__mapping=mapping)
    skipped = Q(state=Problem.State.SKIPPED)
    admin = Q(bucket__kind__in=ADMINISTRATORS_KINDS)
    found = stats.aggregate(
        needs_you=Sum("n", filter=skipped & ~admin),
        with_the_administrator=Sum("n", filter=skipped & admin),
        waiting=Sum("n", filter=Q(state=Problem.State.WAITING)),
        will_retry=Sum("n", filter=Q(state=Problem.State.RETRYING)),
        on_purpose=Sum("n", filter=Q(state=Problem.State.ON_PURPOSE)),
    )
    numbers = {name: n or 0 for name, n in found.items()}
    numbers["skipped"] = numbers["needs_you"] + numbers["with_the_administrator"]
    numbers["all"] = numbers["skipped"] + numbers["waiting"] + numbers["will_retry"]
    return numbers


def counts(user: Any) -> dict[str, int]:
    """All numbers of the menu in one query: those of :func:`problem_counts`, ``entries``, ``entries_set_up`` (tabs of the
    diary) and ``set_up`` (open set-up problems)."""
    stats = _visible(user)
    skipped, of_record = Q(state=Problem.State.SKIPPED), Q(of_record=True)
    admin = Q(bucket__kind__in=ADMINISTRATORS_KINDS)
    entry = Q(state=Stat.ENTRY)
    open_ = Q(state__in=Problem.OPEN)
    found = stats.aggregate(
        needs_you=Sum("n", filter=of_record & skipped & ~admin),
        with_the_administrator=Sum("n", filter=of_record & skipped & admin),
        waiting=Sum("n", filter=of_record & Q(state=Problem.State.WAITING)),
        will_retry=Sum("n", filter=of_record & Q(state=Problem.State.RETRYING)),
        on_purpose=Sum("n", filter=of_record & Q(state=Problem.State.ON_PURPOSE)),
        entries=Sum("n", filter=entry),
        entries_set_up=Sum("n", filter=entry & (Q(bucket__kind__in=_SETUP_KINDS) | ~of_record)),
        set_up=Sum("n", filter=~of_record & open_),
    )
    numbers = {name: n or 0 for name, n in found.items()}
    numbers["skipped"] = numbers["needs_you"] + numbers["with_the_administrator"]
    numbers["all"] = numbers["skipped"] + numbers["waiting"] + numbers["will_retry"]
    return numbers

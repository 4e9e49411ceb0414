"""The banner of a set-up problem: what holds a mapping, how many changes wait, who asked for help, what can be decided."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Concat, JSONObject
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.failures import Kind
from synccore.models import HelpRequest, JobItem, Problem, SynchJob, TableMapping
from synccore.models.mapping import with_app, with_read_mappings
from synccore.tables import Said, apps_of, say

from .brakes import Brake, brakes

#: Waiting changes are counted so far; beyond it the banner says "more than".
COUNTED: Final = 10_000


@dataclass(frozen=True)
class Asked:
    """Somebody who asked the administrator; ``url``: the problem of the record he asked from, else the diary."""

    who: str
    at: datetime
    record: str
    url: str


@dataclass(frozen=True)
class Banner:
    """A set-up problem that holds a mapping, or all mappings of an app.

    ``waiting``: a sentence on the changes that wait. ``statement``: what ends it, ready to copy; not in ``said`` then.
    """

    problem: Problem
    headline: str
    said: Said
    job: int | None
    waiting: str
    asked: tuple[Asked, ...]
    brake: Brake | None = None
    statement: str = ""


class _Bounded(Subquery):
    """How many rows a sliced query gives: never counts further than the slice."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS bounded)"


def asked_of(problems: QuerySet[Problem]) -> QuerySet[Problem]:
    """The problems with who asked about them, without a query more; :func:`people_who_asked` reads it."""
    requests = HelpRequest.objects.filter(problem=OuterRef("pk")).order_by("at", "pk")
    names = Concat("user__first_name", Value(" "), "user__last_name")
    open_ = Problem.objects.not_ended().filter(coupling=OuterRef("coupling")).values("pk")[:1]
    told = requests.annotate(now=Subquery(open_)).values(
        said=JSONObject(
            who="user__username",
            name=names,
            at="at",
            left="coupling__left_name",
            right="coupling__right_name",
            key="coupling__left_key",
            problem="now",
        )
    )
    return problems.annotate(help_asked=ArraySubquery(told))


def with_next_look(problems: QuerySet[Problem]) -> QuerySet[Problem]:
    """Set-up problems with whether a job looks at what holds them now (``being_checked``), and whether there is a mapping
    that runs, through which it could be looked at (``can_be_checked``)."""
    app = OuterRef("connection")
    of_app = with_app(app, "mapping__")
    checks = SynchJob.objects.unfinished().filter(Q(mapping=OuterRef("mapping")) | of_app, verb="check")
    runs = TableMapping.objects.filter(with_app(app), enabled=True)
    return problems.annotate(
        being_checked=Exists(checks),
        can_be_checked=ExpressionWrapper(
            Q(mapping__isnull=False) | Exists(runs), output_field=BooleanField()
        ),
    )


def people_who_asked(problem: Problem) -> tuple[Asked, ...]:
    found = []
    for each in getattr(problem, "help_asked", ()):
        record = " ".join(
            dict.fromkeys(part for part in (each["key"], each["left"] or each["right"]) if part)
        )
        open_one = each["problem"]
        url = reverse("coupling:problem", args=[open_one]) if open_one else reverse("errors:entries")
        who = each["name"].strip() or each["who"]
        found.append(Asked(who, datetime.fromisoformat(each["at"]), record, url))
    return tuple(found)


def banners(mappings: Sequence[TableMapping]) -> list[Banner]:
    """Set-up problems that hold the mappings (which the caller has scoped to the user) or their apps; one query, and one
    more where a brake holds one of them."""
    if not mappings:
        return []
    apps = {pk for each in mappings for pk in (each.integration.left_id, each.integration.right_id)}
    problems = list(
        with_next_look(
            asked_of(
                Problem.objects.of_setup()
                .open()
                .filter(Q(mapping__in=[each.pk for each in mappings]) | Q(mapping=None, connection__in=apps))
                .select_related("mapping__integration__left", "mapping__integration__right", "connection")
                .annotate(items_waiting=_items(), problems_waiting=_problems())
            )
        ).order_by("since", "pk")
    )
    with_read_mappings(problems, mappings)
    decisions = {brake.pk: brake for brake in brakes(problems)}
    return [_banner(problem, decisions.get(problem.pk)) for problem in problems]


def _held() -> QuerySet[TableMapping]:
    """The mappings that the problem of the outer query holds."""
    outer = OuterRef(OuterRef("connection"))
    of_app = with_app(outer)
    return TableMapping.objects.filter(Q(pk=OuterRef(OuterRef("mapping"))) | of_app)


def _items() -> _Bounded:
    """Records that sweeps found or a run collected; index item_open."""
    items = JobItem.objects.filter(mapping__in=_held().values("pk"), state=JobItem.State.OPEN)
    items = items.exclude(purpose=JobItem.Purpose.CHOSEN)
    return _Bounded(items.order_by().values("pk")[: COUNTED + 1], output_field=IntegerField())


def _problems() -> _Bounded:
    """Records that would be tried by now, or that somebody retried; index problem_tab_since."""
    waiting = Problem.objects.of_records().filter(mapping__in=_held().values("pk"))
    waiting = waiting.filter(
        Q(state=Problem.State.RETRYING) | Q(state__in=Problem.OPEN, requested_at__isnull=False)
    )
    return _Bounded(waiting.order_by().values("pk")[: COUNTED + 1], output_field=IntegerField())


def _banner(problem: Problem, brake: Brake | None) -> Banner:
    who = problem.mapping.name if problem.mapping else str(problem.connection)
    if problem.kind == Kind.STOPPED.value:
        headline = _("%(who)s is stopped for safety:")
    elif problem.kind == Kind.TRANSIENT.value:
        headline = _("%(who)s is interrupted and tried again by itself:")
    else:
        headline = _("%(who)s is stopped:")
    n = getattr(problem, "items_waiting", 0) + getattr(problem, "problems_waiting", 0)
    return Banner(
        problem,
        headline % {"who": who},
        say(_without_statement(problem), apps_of(problem)),
        problem.last_job,
        waiting(n),
        people_who_asked(problem),
        brake,
        str(problem.params.get("grant") or ""),
    )


def _without_statement(problem: Problem) -> Problem:
    """The same problem for its sentence: the statement stands in a box of its own."""
    told = copy(problem)
    told.params = {name: value for name, value in problem.params.items() if name != "grant"}
    return told


def waiting(n: int) -> str:
    """How many changes wait, as far as it is known: what apps changed since nobody has read yet."""
    if n == 0:
        return _("Changes wait and none is lost; how many is known when the apps can be read again.")
    if n > COUNTED:
        return _("More than %(n)s changes wait; none is lost.") % {"n": _number(COUNTED)}
    text = ngettext(
        "At least %(n)s change waits; none is lost.", "At least %(n)s changes wait; none is lost.", n
    )
    return text % {"n": _number(n)}


def _number(n: int) -> str:
    return str(number_format(n, force_grouping=True))

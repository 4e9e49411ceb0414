"""Causes: what is in view on a list of problems, one row per fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Min, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.urls import reverse
from django.utils.translation import gettext_lazy

from synccore import guides
from synccore.failures import Kind
from synccore.models import Problem, TableMapping
from synccore.models.problem import KindChoices
from synccore.tables import KIND_ICONS, Said, app_names, say
from ui.actions import Action
from ui.paging import Sort
from ui.tables import Column, ListTable

#: The causes with the most records that are shown; a filter brings the others.
SHOWN: Final = 100
#: What all problems of one fingerprint say alike, because the fingerprint is made of it.
_ALIKE: Final = ("table", "field")
#: What they may say alike; told of the cause only where they all do.
_COMPARED: Final = ("record_name", "what", "value")

SORTS: Final = (
    Sort("records", ("n",), descending=True),
    Sort("last", ("last",), descending=True),
    Sort("first", ("first",), descending=True),
)


@dataclass(frozen=True)
class Group:
    """Problems that share a fingerprint, counted in the database. ``same``: facts that all of them state alike."""

    fingerprint: str
    n: int
    first: datetime
    last: datetime | None
    mappings: tuple[int, ...]
    sample: Problem
    same: Mapping[str, Any]


def groups_of(problems: QuerySet[Any], sort: Sort, *, limit: int = SHOWN) -> list[Group]:
    """The causes of these problems (of one person's rows), in an order of :data:`SORTS`; one more than ``limit`` where
    there are more. Two queries: the groups, and the newest problem of each as its example."""
    bounds: dict[str, Any] = {}
    for name in _COMPARED:
        told = KeyTextTransform(name, "params")
        bounds |= {f"low_{name}": Min(told), f"high_{name}": Max(told), f"n_{name}": Count(told)}
    order = [F(each.lstrip("-")).desc(nulls_last=True) if each[0] == "-" else each for each in _order(sort)]
    rows = list(
        problems.order_by()
        .values("fingerprint")
        .annotate(
            n=Count("pk"),
            first=Min("since"),
            last=Max("last_failure"),
            example=Max("pk"),
            of=ArrayAgg("mapping_id", distinct=True),
            **bounds,
        )
        .order_by(*order, "fingerprint")[: limit + 1]
    )
    examples = (
        Problem.objects.select_related("coupling")
        .defer("coupling__left_base", "coupling__right_base")
        .in_bulk([row["example"] for row in rows])
    )
    return [
        Group(
            row["fingerprint"],
            row["n"],
            row["first"],
            row["last"],
            tuple(pk for pk in row["of"] if pk is not None),
            examples[row["example"]],
            {name: row[f"low_{name}"] for name in _COMPARED if _is_same(row, name)},
        )
        for row in rows
        if row["example"] in examples  # it ended between the two queries
    ]


def _order(sort: Sort) -> tuple[str, ...]:
    return tuple(f"-{name}" if sort.descending else name for name in sort.fields)


def _is_same(row: Mapping[str, Any], name: str) -> bool:
    return bool(row[f"n_{name}"] == row["n"] and row[f"low_{name}"] == row[f"high_{name}"])


class CauseRow:
    """A cause as the list shows it: its sentence, how many records, since when, an example, and what can be done."""

    def __init__(
        self, group: Group, *, mappings: Mapping[int, TableMapping], url: str, offered: Sequence[Action]
    ) -> None:
        """``url``: the list of exactly these records, where its actions are sent; ``offered``: what this person may do;
        ``mappings``: those he sees, by id."""
        self.group, self.pk, self.url = group, group.fingerprint[:12], url
        problem = group.sample
        of = [mappings[pk] for pk in group.mappings if pk in mappings]
        one_pair_of_apps = len({each.integration_id for each in of}) == 1
        apps = app_names(problem.mapping if one_pair_of_apps else None)
        facts = {name: value for name, value in problem.params.items() if name in _ALIKE} | dict(group.same)
        told = guides.render(problem.code, facts, apps=apps, side=problem.side, kind=problem.kind)
        self.title = self.name = told.title if problem.code else str(problem.get_state_display())
        self.example: Said | None = say(problem, app_names(problem.mapping)) if problem.code else None
        self.example_of = problem.name
        known = problem.kind in KindChoices.values
        self.icon = KIND_ICONS[Kind(problem.kind)] if known else "pause"
        self.kind = str(KindChoices(problem.kind).label) if known else ""
        self.mappings = ", ".join(sorted(each.name for each in of))
        self.help_url = ""
        if problem.code:
            self.help_url = f"{reverse('errors:help', args=[problem.code])}?problem={problem.pk}"
        by_name = {action.name: action for action in offered}
        self.actions = [by_name[name] for name in told.actions if name in by_name]


class CauseTable(ListTable):
    caption = gettext_lazy("Causes, those with the most records first")
    row_template = "errors/cause_row.html"
    newest_first = ("records", "last", "first")

    cause = Column(gettext_lazy("Cause"))
    records = Column(gettext_lazy("Records"), sort="records", narrow=True, number=True)
    first = Column(gettext_lazy("First seen"), sort="first", narrow=True)
    last = Column(gettext_lazy("Last seen"), sort="last", narrow=True)
    do = Column(gettext_lazy("What to do"))

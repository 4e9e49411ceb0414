"""The panel of a problem, always in the order of the specification: who, what happened, what to do, the two records now,
history. The list shows it beside its rows, the problem's own page shows it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from synccore import actions, roles, services
from synccore.actions import ON_RECORDS, TAKE_BACK
from synccore.models import Coupling, Problem
from synccore.models.problem import ADMINISTRATORS_KINDS
from synccore.shapes import Side
from synccore.tables import ProblemRow, record_name, record_url
from synccore.views.banners import banners, people_who_asked
from synccore.views.lists import visible_mappings
from synccore.views.offers import About, Offer, offers

from . import history, now

#: So many buttons stand beside each other; the others are under ⋯.
BUTTONS = 3


@dataclass(frozen=True, slots=True)
class End:
    """One side: the app, the record, whether it is there, and where it stands in the app's own pages."""

    app: str
    title: str
    state: str
    there: bool
    url: str


def context(
    request: HttpRequest, problem: Problem, *, heading: str = "h3", live: bool = False
) -> dict[str, Any]:
    """Everything ``coupling/problem_panel.html`` shows.

    Args:
        problem: one of ``views.problems_of_records``, so that the person may see it.
        heading: the level of the panel's own headings, one below what stands above it.
        live: read both apps now (a fragment under /live/ alone may ask for it).
    """
    user: Any = request.user
    next_runs = {each.pk: each.next_run for each in visible_mappings(user)}  # type: ignore[attr-defined]
    row = ProblemRow(problem, next_runs)
    coupling = problem.coupling
    assert coupling is not None
    is_open = problem.state in Problem.OPEN
    likely, further = buttons(problem, row.said.actions, user)
    last_job, call_stack = _support(problem, user)
    return {
        "row": row,
        "problem": problem,
        "is_open": is_open,
        "heading": heading,
        "ends": [_end(coupling, side, row) for side in row.order],
        "of_administrator": is_open and problem.kind in ADMINISTRATORS_KINDS,
        "likely": likely,
        "further": further,
        "refused": refused(row.said.actions, user)
        if is_open and not any(each.name for each in [*likely, *further])
        else "",
        "held": [each for each in banners([problem.mapping]) if is_open] if problem.mapping else [],
        "asked": people_who_asked(problem),
        "events": history.of(coupling, problem, row.apps, user),
        "last_job": last_job,
        "call_stack": call_stack,
        **records_now(coupling, problem, user, live=live),
    }


def records_now(coupling: Coupling, problem: Problem, user: Any, *, live: bool) -> dict[str, Any]:
    """Context of ``coupling/records_now.html``: both records as they are (``live``), or as they were kept."""
    whole = (
        Coupling.objects.select_related(
            "mapping__integration__left", "mapping__integration__right", "agreed_by"
        )
        .filter(pk=coupling.pk)
        .get()
    )
    pair = services.live_pair(whole, problem) if live else services.kept_pair(whole, problem)
    return {
        "now": now.build(pair, see_sensitive=user.has_perm("synccore.see_sensitive")),
        "agreed": history.agreement(whole),
        "live_url": reverse("coupling:live_problem", args=[problem.pk]),
        "compare_url": _comparison(whole),
    }


def _comparison(coupling: Coupling) -> str:
    """Where the two are compared; "" where one of them is not there."""
    if coupling.is_half or not (coupling.left_exists and coupling.right_exists):
        return ""
    return reverse("coupling:compare", args=[coupling.pk])


def _end(coupling: Coupling, side: Side, row: ProblemRow) -> End:
    named = record_name(coupling, side, row.apps[side.value])
    there = coupling.of(side, "id") is not None and bool(coupling.of(side, "exists"))
    address = services.app_address(coupling.mapping, side, coupling.of(side, "id")) if there else ""
    return End(named.app, named.title, named.state, there, address or record_url(coupling))


def _support(problem: Problem, user: Any) -> tuple[int | None, str]:
    """The job it failed in last, and the call stack: the latter only for those who set up."""
    if problem.call_stack_id is None or not user.has_perm(roles.SET_UP):
        return problem.last_job, ""
    return problem.last_job, problem.call_stack.text if problem.call_stack else ""


# -- what to do --------------------------------------------------------------------------------------------------------


def buttons(problem: Problem, wanted: Sequence[str], user: Any) -> tuple[list[Offer], list[Offer]]:
    """The likely ones, the guide's order first, and the rest. Only what this person may do with this record now."""
    about = About.of(problem, problem.coupling)
    whole = offers(wanted, about, user, on_records=(TAKE_BACK, *ON_RECORDS))
    if problem.coupling is not None and (log := record_url(problem.coupling)):
        whole.append(Offer(_("Synchronization Log"), "jobs", url=f"{log}#log"))
    likely = [each for each in whole if each.advised or not wanted][:BUTTONS] or whole[:1]
    return likely, [each for each in whole if each not in likely]


def refused(wanted: Sequence[str], user: Any) -> str:
    """Who can do what the guide advises, where this person cannot."""
    by_name = {each.name: each for each in ON_RECORDS}
    action = next((by_name[name] for name in wanted if name in by_name), None)
    return actions.refusal(action, user) if action is not None else ""

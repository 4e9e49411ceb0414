"""The panel of a problem, always in the order of the specification: who, what happened, what to do, the two records now,
history. The list shows it beside its rows, the problem's own page shows it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from synccore import actions, roles, services
from synccore.actions import ON_RECORDS, TAKE_BACK, couplings_of
from synccore.models import Coupling, Problem
from synccore.models.problem import ADMINISTRATORS_KINDS
from synccore.shapes import SIDES, Side
from synccore.tables import ProblemRow, record_name
from synccore.views.banners import banners, people_who_asked
from synccore.views.lists import visible_mappings
from ui.actions import Action, permitted

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


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press (``name``: an action of the list) or to follow (``url``)."""

    label: str
    icon: str
    name: str = ""
    url: str = ""
    shortcut: str = ""
    asks: bool = False
    danger: bool = False


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
        "refused": "" if likely or not is_open else refused(row.said.actions, user),
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
        "compare_url": "" if whole.is_half else reverse("coupling:compare", args=[whole.pk]),
    }


def _end(coupling: Coupling, side: Side, row: ProblemRow) -> End:
    named = record_name(coupling, side, row.apps[side.value])
    there = coupling.of(side, "id") is not None and bool(coupling.of(side, "exists"))
    address = services.app_address(coupling.mapping, side, coupling.of(side, "id")) if there else ""
    return End(named.app, named.title, named.state, there, address or record_page(coupling, side))


def _support(problem: Problem, user: Any) -> tuple[int | None, str]:
    """The job it failed in last, and the call stack: the latter only for those who set up."""
    if problem.call_stack_id is None or not user.has_perm(roles.SET_UP):
        return problem.last_job, ""
    return problem.last_job, problem.call_stack.text if problem.call_stack else ""


# -- what to do --------------------------------------------------------------------------------------------------------


def buttons(problem: Problem, wanted: Sequence[str], user: Any) -> tuple[list[Button], list[Button]]:
    """The likely ones, the guide's order first, and the rest. Only what this person may do with this record now."""
    found = {each.name: each for each in applicable(problem, user)}
    offered: dict[str, Button] = {}
    for name in wanted:
        if name in found:
            offered[name] = _of_action(found[name])
        elif (button := _link(name, problem, user)) is not None:
            offered[name] = button
    for name, action in found.items():
        if name == "set_up_coupling" and "couple" in offered:
            continue  # the guide's own link, to what must be coupled
        offered.setdefault(name, _of_action(action))
    if problem.coupling is not None and (log := record_page(problem.coupling, Side.LEFT)):
        offered["log"] = Button(_("Synchronization Log"), "jobs", url=f"{log}#log")
    whole = list(offered.values())
    likely = [each for name, each in offered.items() if name in wanted or not wanted][:BUTTONS] or whole[:1]
    return likely, [each for each in whole if each not in likely]


def applicable(problem: Problem, user: Any) -> list[Action]:
    """The actions on records that this person may do with this one, as it is now."""
    mine = couplings_of(Problem.objects.filter(pk=problem.pk).values("coupling"))
    return [
        action
        for action in permitted((TAKE_BACK, *ON_RECORDS), user)
        if actions.allowed(action, mine, user).filter(action.applies_to).exists()
    ]


def refused(wanted: Sequence[str], user: Any) -> str:
    """Who can do what the guide advises, where this person cannot."""
    by_name = {each.name: each for each in ON_RECORDS}
    action = next((by_name[name] for name in wanted if name in by_name), None)
    return actions.refusal(action, user) if action is not None else ""


def _of_action(action: Action) -> Button:
    return Button(
        str(action.label), action.icon, action.name, "", action.shortcut, action.asks, action.danger
    )


def _link(name: str, problem: Problem, user: Any) -> Button | None:
    """A step of a guide that is a page: none where the page is not for this person."""
    sets_up = user.has_perm(roles.SET_UP)
    side = Side(problem.side) if problem.side in list(Side) else None
    mapping = problem.mapping
    assert mapping is not None
    app = mapping.connection(side) if side is not None else None
    match name:
        case "couple" if user.has_perm("synccore.couple"):
            return _page(_("Set Up Coupling"), "link", couple_address(problem))
        case "edit" if user.has_perm("synccore.edit_record") and problem.coupling is not None:
            return _page(_("Open the record"), "coupled", record_page(problem.coupling, side or Side.LEFT))
        case "set_up_connection" | "test_connection" if sets_up and app is not None:
            where = reverse("synccore:connection", args=[app.pk])
            return _page(_("Connection of %(app)s") % {"app": app.name}, "wrench", where)
        case "set_up_mapping" | "set_up_fields" if sets_up:
            where = address("synccore:mapping", mapping.pk)
            return _page(_("Set-up of %(mapping)s") % {"mapping": mapping.name}, "wrench", where)
        case "show_job" if problem.last_job:
            return _page(_("Show the job"), "jobs", reverse("synccore:job", args=[problem.last_job]))
        case "copy_details" if problem.last_entry:
            return _page(_("Copy details"), "diary", reverse("errors:entry", args=[problem.last_entry]))
    return None


def _page(label: str, icon: str, url: str) -> Button | None:
    return Button(label, icon, url=url) if url else None


def address(name: str, *args: Any, query: str = "") -> str:
    """Address of a page, "" where this installation has no such page."""
    try:
        return reverse(name, args=args) + query
    except NoReverseMatch:
        return ""


def record_page(coupling: Coupling, side: Side) -> str:
    """The record's own page in Tandem."""
    key = coupling.of(side, "id") or coupling.of(side.other, "id")
    return address("coupling:record", coupling.mapping_id, key) if key else ""


def couple_address(problem: Problem) -> str:
    """*Set Up Coupling*: of what the record waits for, else of the record itself."""
    if problem.blocker_mapping_id and problem.blocker_record:
        of = (problem.blocker_mapping_id, problem.blocker_side, problem.blocker_record)
    else:
        coupling = problem.coupling
        assert coupling is not None
        side = next(iter(coupling.sides()), SIDES[0])
        of = (coupling.mapping_id, side.value, coupling.of(side, "id") or "")
    query = QueryDict(mutable=True)
    query.update({"mapping": str(of[0]), "side": of[1], "id": of[2]})
    return address("coupling:couple", query=f"?{query.urlencode()}")

"""*Match-Based Coupling* of one mapping: what a look at both apps found by its criteria, and the press that couples it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from synccore import roles
from synccore.models import MatchCriterion, MatchRecord, MatchSetup, SynchJob, TableMapping
from synccore.services import match, match_found
from synccore.services.jobs import NotNow
from synccore.shapes import SIDES, Side
from synccore.tables import JobRow, State, app_names

from .addresses import job_link
from .mapping_forms import FORM_VERBS
from .mappings import granted_mapping
from .match_rows import LOOKS, OF_PAIRS, MetRow, groups_of, outcome_state, tab_of
from .sentences import field_word, not_now

#: So many records of each outcome stand on the page itself.
SAMPLES = 3


@dataclass(frozen=True)
class GroupWords:
    """One alternative: its lines as people read them."""

    number: int
    lines: list[str]


def criteria_words(found: TableMapping) -> list[GroupWords]:
    """The stored criteria, group by group."""
    apps = app_names(found)
    groups: dict[int, list[str]] = {}
    for each in found.match_criteria.select_related("field").order_by("group", "field__position", "pk"):
        names = dict.fromkeys(
            field_word(getattr(each.field, f"{side.value}_field"), side.value, apps) for side in SIDES
        )
        how = str(MatchCriterion.How(each.compare).label)
        if each.case_sensitive:
            how = _("%(how)s; capital letters count") % {"how": how}
        groups.setdefault(each.group, []).append(f"{' = '.join(names)} · {how}")
    return [GroupWords(number, lines) for number, lines in groups.items()]


def setup_words(found: TableMapping, setup: MatchSetup, apps: Mapping[str, str]) -> list[str]:
    """What happens besides coupling."""
    said = [
        _("What matches nothing in %(there)s is created there.")
        % {"here": apps[side.other.value], "there": apps[side.value]}
        for side in match.creatable(found)
        if setup.creates(side)
    ]
    return [after_words(setup.after, apps), *(said or [_("What matches nothing is left alone.")])]


def after_words(after: str, apps: Mapping[str, str]) -> str:
    if after in list(Side):
        return _("After coupling the two are synchronized; %(app)s wins where they differ.") % {
            "app": apps[after]
        }
    if after:
        return _(
            "After coupling the two are synchronized by the rules of the mapping; real differences are asked."
        )
    return _("Coupling writes nothing; the next synchronization compares the two.")


# -- what a look found -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OutcomeLine:
    """One outcome: how many per side, where they are listed, and the first of them by name."""

    state: State
    numbers: list[tuple[str, int, str]]
    samples: list[MetRow]
    more: bool


def _outcome_lines(
    found: TableMapping, look: SynchJob, counts: Mapping[str, Mapping[str, int]], apps: Mapping[str, str]
) -> list[OutcomeLine]:
    groups, where = groups_of(look, apps), reverse("synccore:match_records", args=[found.pk])
    samples: dict[str, list[MetRow]] = {}
    for row in _first(look, counts):
        samples.setdefault(row.outcome, []).append(MetRow(row, apps, groups))
    return [
        OutcomeLine(
            outcome_state(outcome.value),
            [
                (
                    apps[side.value],
                    counts[outcome.value].get(side.value, 0),
                    f"{where}?{urlencode({'tab': outcome.value, 'side': side.value})}",
                )
                for side in SIDES
            ],
            samples.get(outcome.value, []),
            max(counts[outcome.value].values()) > len(samples.get(outcome.value, [])),
        )
        for outcome in LOOKS
        if outcome.value in counts
    ]


def _first(look: SynchJob, counts: Mapping[str, Mapping[str, int]]) -> list[MatchRecord]:
    """The first records of each outcome and side; of pairs, which have two, the left ones. One query."""
    found = match_found.told(match_found.records_of(look))
    parts = [
        found.filter(outcome=outcome, side=side).order_by("pk")[:SAMPLES]
        for outcome, numbers in counts.items()
        for side in numbers
        if side == Side.LEFT.value or outcome not in OF_PAIRS or Side.LEFT.value not in numbers
    ]
    rows = parts[0].union(*parts[1:], all=True) if parts else ()
    return sorted(rows, key=lambda row: (row.side, row.pk))


def _not_asked(look: SynchJob, apps: Mapping[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Records that were read and not matched: coupled already, taken apart, left out. Word → numbers per app, each with
    where they are listed."""
    rows = match_found.records_of(look).filter(outcome="").exclude(state=MatchRecord.State.FREE).order_by()
    found: dict[str, dict[str, int]] = {}
    for state, side, n in rows.values_list("state", "side").annotate(n=Count("pk")):
        found.setdefault(state, {})[side] = n
    where = reverse("synccore:match_records", args=[look.mapping_id])
    return [
        (
            str(label),
            [
                (
                    _("%(n)s in %(app)s")
                    % {"n": number_format(numbers[side.value], force_grouping=True), "app": apps[side.value]},
                    f"{where}?{urlencode({'tab': tab_of(state), 'side': side.value})}",
                )
                for side in SIDES
                if side.value in numbers
            ],
        )
        for state, label in MatchRecord.State.choices
        if (numbers := found.get(state))
    ]


# -- the page ----------------------------------------------------------------------------------------------------------


@require_http_methods(FORM_VERBS)
def match_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Criteria, preview, run. POST looks at both apps: a job that couples nothing."""
    found = granted_mapping(request, pk, match.COUPLE)
    if request.method == "POST":
        try:
            job = match.start_look(found, user=request.user)
        except NotNow as no:
            messages.warning(request, not_now(no.code, no.params))
        else:
            messages.success(request, looking_text(job))
        return redirect("synccore:match", pk=pk)
    template = "synccore/match_region.html" if request.htmx else "synccore/match.html"  # type: ignore[attr-defined]
    return render(request, template, _context(request, found))


def looking_text(job: SynchJob) -> str:
    return format_html(
        _("{job} reads both apps and looks for matches. It couples nothing."), job=job_link(job)
    )


def _context(request: HttpRequest, found: TableMapping) -> dict[str, Any]:
    user: Any = request.user
    apps, setup = app_names(found), match.setup_of(found)
    look, looking, coupling = match.latest_look(found), match.looking(found), match.coupling_now(found)
    ran = match.run_of(look) if look is not None else None
    code = match.stale(found, look) if look is not None else ""
    for job in (look, looking, coupling, ran):
        if job is not None:
            job.mapping = found  # with its apps, which each of them says
    counts = match.counts_of(look.pk) if look is not None else {}
    lines = _outcome_lines(found, look, counts, apps) if look is not None else []
    plan = match.plan_of(setup, counts) if look is not None else None
    last = (
        SynchJob.objects.filter(mapping=found, verb="match_preview")
        .select_related("mapping__integration__left", "mapping__integration__right", "requested_by")
        .order_by("-pk")
        .first()
    )
    failed = last if last is not None and last.state == SynchJob.State.FAILED else None
    busy = looking or coupling
    return {
        "page_title": _("Match-Based Coupling: %(name)s") % {"name": found.name},
        "mapping": found,
        "apps": apps,
        "groups": criteria_words(found),
        "besides": setup_words(found, setup, apps),
        "look": look,
        "look_row": JobRow(look) if look else None,
        "read": _read_words(look, apps) if look else "",
        "only_chosen": bool(look and look.options.get("chosen")),
        "may_double": found.enabled and not busy and match_found.may_double(found),
        "looking": looking,
        "progress": _read_words(looking, apps) if looking else "",
        "coupling": coupling,
        "ran": ran,
        "ran_row": JobRow(ran) if ran else None,
        "failed": JobRow(failed) if failed and (look is None or failed.pk > look.pk) else None,
        "stale": not_now(code, {"mapping": found.name}) if code and not ran else "",
        "lines": lines,
        "not_asked": _not_asked(look, apps) if look else [],
        "plan": plan,
        "may_run": bool(
            look and not code and not busy and plan and (plan.pairs or any(plan.creations.values()))
        ),
        "busy": busy,
        "may_set_up": user.has_perm(roles.SET_UP),
        "several_url": f"{reverse('synccore:match_records', args=[found.pk])}?tab=several",
        "several": "several" in counts,
    }


def _read_words(job: SynchJob, apps: Mapping[str, str]) -> str:
    """How far a look has read, or how much it did read."""
    read = job.checkpoint.get("read", {})
    parts = [
        ngettext("%(n)s record of %(app)s", "%(n)s records of %(app)s", read[side.value])
        % {"n": number_format(read[side.value], force_grouping=True), "app": apps[side.value]}
        for side in SIDES
        if side.value in read
    ]
    return ", ".join(parts)


# -- the question ------------------------------------------------------------------------------------------------------


@require_http_methods(FORM_VERBS)
def match_run(request: HttpRequest, pk: int) -> HttpResponse:
    """What the press would do, and the press. The look it is about travels with the form."""
    found = granted_mapping(request, pk, match.COUPLE)
    look = match.latest_look(found)
    if request.method == "POST":
        named = request.POST.get("look", "")
        wanted = int(named) if named.isdecimal() and len(named) < 16 else 0
        try:
            job = match.start_match(found, user=request.user, look=wanted)
        except NotNow as no:
            if no.code == "match_couplings_moved":
                match.start_look(found, user=request.user)
                text = _(
                    "Couplings of %(name)s have changed since the preview. It is being made anew; nothing was coupled."
                )
                messages.warning(request, text % {"name": found.name})
            else:
                messages.warning(request, not_now(no.code, no.params))
            return redirect("synccore:match", pk=pk)
        text = _("The records are being coupled. Each one’s result stands on the page of the job.")
        messages.success(request, text)
        return redirect("synccore:job", pk=job.pk)
    if look is None or (code := match.stale(found, look)):
        said = not_now(code, {"mapping": found.name}) if look is not None else _("Look for matches first.")
        messages.warning(request, said)
        return redirect("synccore:match", pk=pk)
    apps, setup = app_names(found), match.setup_of(found)
    plan = match.plan_of(setup, match.counts_of(look.pk))
    left = match_found.records_of(look).filter(side="left", outcome__in=MatchRecord.PAIRED)
    pairs = [MetRow(row, apps, ()) for row in match_found.told(left).order_by("pk")[:5]]
    context = {
        "page_title": _("Couple what matches?"),
        "mapping": found,
        "look": look,
        "plan": plan,
        "names": [f"{row.title} ⇄ {row.other}" for row in pairs],
        "more": plan.pairs - len(pairs),
        "creations": [(apps[side.value], n) for side, n in plan.creations.items() if n],
        "after": after_words(setup.after, apps),
        "writes": bool(setup.after),
    }
    return render(request, "synccore/match_question.html", context)

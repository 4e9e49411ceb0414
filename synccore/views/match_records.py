"""The records of a look, by outcome: choose among several, decline, leave out, couple by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from synccore import roles
from synccore.forms import LeaveOutForm
from synccore.models import MatchRecord, SynchJob, TableMapping
from synccore.services import match
from synccore.services.jobs import NotNow
from synccore.services.match_choices import (
    NONE,
    SHOWN,
    UNDECIDED,
    candidates,
    choose,
    declined,
    leave_out_met,
)
from synccore.shapes import SIDES, Side
from synccore.tables import app_names

from .mapping_forms import FORM_VERBS
from .mappings import granted_mapping
from .match import LOOKS, MetRow, counterparts, groups_of, outcome_word
from .sentences import not_now

PAGE = 50
LEAVE_OUT = "synccore.leave_out"
_Outcome = MatchRecord.Outcome
_OF_PAIRS = (_Outcome.ONE, _Outcome.CHOSEN, _Outcome.COUPLED)
#: Outcomes that a person can still change.
_OPEN = (_Outcome.ONE, _Outcome.CHOSEN, _Outcome.SEVERAL, _Outcome.TAKEN, _Outcome.NONE)


@dataclass(frozen=True)
class Option:
    """A candidate as one chooses it."""

    value: str
    title: str
    more: str
    chosen: bool
    free: bool = True


class ChoiceRow(MetRow):
    """A record of the look with whom it could go."""

    def __init__(
        self,
        row: MatchRecord,
        apps: Mapping[str, str],
        groups: Sequence[Sequence[Mapping[str, Any]]],
        fields: Sequence[Mapping[str, Any]],
        other: MatchRecord | None,
        there: Sequence[MatchRecord],
        is_declined: bool,
    ) -> None:
        super().__init__(row, apps, groups, other)
        self.is_open = row.state == MatchRecord.State.FREE and row.outcome in _OPEN
        self.cut = len(there) >= SHOWN
        self.options = self._options(there, fields, is_declined) if self.is_open and there else []

    def _options(
        self, there: Sequence[MatchRecord], fields: Sequence[Mapping[str, Any]], is_declined: bool
    ) -> list[Option]:
        row = self.row
        chosen = row.other_id if row.outcome == _Outcome.CHOSEN else NONE if is_declined else UNDECIDED
        one = row.outcome == _Outcome.ONE
        options = [
            Option(
                UNDECIDED if one else each.record_id,
                each.title,
                self._about(each, fields),
                chosen == UNDECIDED if one else chosen == each.record_id,
                self._is_free(each),
            )
            for each in there
        ]
        options.append(Option(NONE, _("None of these"), "", chosen == NONE))
        if not one:
            options.append(Option(UNDECIDED, _("Decide later"), "", chosen == UNDECIDED))
        return options

    def _is_free(self, other: MatchRecord) -> bool:
        if other.state != MatchRecord.State.FREE:
            return False
        return other.outcome not in MatchRecord.PAIRED or other.other_id == self.row.record_id

    def _about(self, other: MatchRecord, fields: Sequence[Mapping[str, Any]]) -> str:
        """What tells it from the others: its values that do not stand in its title, and whether it is free."""
        seen = {str(each[other.side]): str(other.values.get(each["rule"], "")) for each in fields}
        said = [f"{name}: {value}" for name, value in seen.items() if value and value not in other.title]
        if other.state != MatchRecord.State.FREE:
            said.append(str(other.get_state_display()))
        elif not self._is_free(other):
            said.append(_("goes with another record"))
        return " · ".join(said)


@require_http_methods(FORM_VERBS)
def match_records(request: HttpRequest, pk: int) -> HttpResponse:
    """Records of one outcome, page by page. POST keeps the page's choices, or asks about leaving out the ticked ones."""
    found = granted_mapping(request, pk, match.COUPLE)
    look = match.latest_look(found)
    if request.method == "POST":
        if request.POST.get("do") == "leave_out":
            return _leave_out(request, found, look)
        return _keep(request, found)
    return render(request, "synccore/match_records.html", _context(request, found, look))


def _context(request: HttpRequest, found: TableMapping, look: SynchJob | None) -> dict[str, Any]:
    apps, here = app_names(found), reverse("synccore:match_records", args=[found.pk])
    counts = match.counts_of(look.pk) if look is not None else {}
    outcomes = [outcome for outcome in LOOKS if counts.get(outcome.value)]
    outcome = request.GET.get("outcome", "")
    if outcome not in counts:
        first = [each for each in (_Outcome.SEVERAL, *outcomes) if each in outcomes]
        outcome = first[0].value if first else ""
    side = request.GET.get("side", "")
    side = side if side in list(Side) else ""
    asked = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    seen = MatchRecord.objects.visible_to(request.user).filter(job=look, outcome=outcome, subject=True)
    rows, after = _page(seen, outcome, side, asked, request.GET.get("after", "")) if outcome else ([], None)
    there = candidates([row for row in rows if row.state == MatchRecord.State.FREE])
    no = declined(found, rows)
    others, groups = counterparts(rows), groups_of(look) if look else []
    fields = look.options.get("fields", []) if look else []
    query = {name: value for name, value in (("outcome", outcome), ("side", side), ("q", asked)) if value}
    shown = [
        ChoiceRow(row, apps, groups, fields, others.get(row.pk), there.get(row.pk, ()), row.pk in no)
        for row in rows
    ]
    busy = match.coupling_now(found) is not None
    return {
        "page_title": _("Matches of %(name)s") % {"name": found.name},
        "mapping": found,
        "look": look,
        "rows": shown,
        "tabs": [
            (
                outcome_word(each),
                counts[each.value].get("left", 0) if each in _OF_PAIRS else sum(counts[each.value].values()),
                f"{here}?{urlencode({'outcome': each.value})}",
                each.value == outcome,
            )
            for each in outcomes
        ],
        "outcome": outcome,
        "sides": [
            (each.value, apps[each.value], counts.get(outcome, {}).get(each.value, 0)) for each in SIDES
        ],
        "side": side,
        "asked": asked,
        "next": f"{here}?{urlencode({**query, 'after': str(after)})}" if after else "",
        "first": f"{here}?{urlencode(query)}" if request.GET.get("after") else "",
        "here": request.get_full_path(),
        "busy": busy,
        "may_choose": not busy and any(row.options for row in shown),
        "may_leave_out": not busy and any(row.is_open for row in shown) and request.user.has_perm(LEAVE_OUT),  # type: ignore[union-attr]
    }


def _page(
    found: QuerySet[Any], outcome: str, side: str, asked: str, after: str
) -> tuple[list[MatchRecord], int | None]:
    """A page by key, and the key after which the next one begins."""
    if side or outcome in _OF_PAIRS:  # a pair stands in the list once
        found = found.filter(side=side or Side.LEFT.value)
    for word in asked.split():
        found = found.filter(Q(key__istartswith=word) | Q(name__icontains=word) | Q(record_id=word))
    start = int(after) if after.isdecimal() and len(after) < 16 else 0
    rows = list(found.filter(pk__gt=start).order_by("pk")[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None


def _back(request: HttpRequest, found: TableMapping) -> HttpResponse:
    """The page of the list that was pressed; its own address only."""
    here = reverse("synccore:match_records", args=[found.pk])
    back = request.POST.get("back", "")
    return redirect(back if back == here or back.startswith(f"{here}?") else here)


def _keep(request: HttpRequest, found: TableMapping) -> HttpResponse:
    choices = {
        int(name[2:]): str(value)
        for name, value in request.POST.items()
        if name.startswith("c-") and name[2:].isdecimal() and len(name) < 20
    }
    try:
        changed, refused = choose(found, user=request.user, look=_look(request), choices=choices)
    except NotNow as no:
        messages.warning(request, not_now(no.code, no.params))
        return _back(request, found)
    if refused:
        names = ", ".join(row.title for row in refused[:5])
        text = _("The record chosen for %(names)s goes with another one by now; that choice was not kept.")
        messages.warning(request, text % {"names": names})
    if changed:
        text = ngettext(
            "%(n)s choice is kept; the run takes it over.",
            "%(n)s choices are kept; the run takes them over.",
            changed,
        )
        messages.success(request, text % {"n": changed})
    elif not refused:
        messages.info(request, _("Nothing was chosen differently."))
    return _back(request, found)


def _look(request: HttpRequest) -> int:
    named = request.POST.get("look", "")
    return int(named) if named.isdecimal() and len(named) < 16 else 0


def _leave_out(request: HttpRequest, found: TableMapping, look: SynchJob | None) -> HttpResponse:
    """The question, with reason and end date; then the job."""
    user: Any = request.user
    if not user.has_perm(LEAVE_OUT):
        raise PermissionDenied(roles.refusal(LEAVE_OUT))
    wanted = [int(pk) for pk in request.POST.getlist("record") if pk.isdecimal() and len(pk) < 16]
    seen = MatchRecord.objects.visible_to(user).filter(job=look, state=MatchRecord.State.FREE)
    rows = list(seen.filter(pk__in=wanted).order_by("pk"))
    if not rows:
        messages.warning(request, _("Tick the records to leave out first."))
        return _back(request, found)
    answered = request.POST.get("answered") == "1"
    form = LeaveOutForm(request.POST if answered else None)
    if answered and form.is_valid():
        until = form.cleaned_data["until"]
        options = {
            "reason": form.cleaned_data["reason"].strip(),
            "until": until.isoformat() if until else None,
        }
        try:
            job = leave_out_met(found, user=user, rows=rows, options=options)
        except NotNow as no:
            messages.warning(request, not_now(no.code, no.params))
            return _back(request, found)
        link = format_html(
            '<a href="{}">{}</a>', reverse("synccore:job", args=[job.pk]), _("job %(n)s") % {"n": job.pk}
        )
        n = len(rows)
        text = ngettext(
            "{job} leaves {n} record out on purpose.", "{job} leaves {n} records out on purpose.", n
        )
        messages.success(request, format_html(text, job=link, n=n))
        return _back(request, found)
    context = {
        "page_title": _("Leave these records out on purpose?"),
        "mapping": found,
        "rows": rows,
        "apps": app_names(found),
        "form": form,
        "back": request.POST.get("back", ""),
    }
    return render(request, "synccore/match_leave_out.html", context, status=422 if form.errors else 200)
